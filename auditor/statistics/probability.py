"""The log-scaled class probability e, from logits.

For probability p of the class among K classes, e = ln(1 + K p) / ln(1 + K). It is 0 for p = 0 and 1 for
p = 1. Above chance it grows like the logarithm of p. Far below chance it stays near 0: changes there alter
no answer, although the logarithm of p alone would show large ones (docs/decisions/0007).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from auditor.statistics.arrays import FloatArray

TEMPERATURES = tuple(1.5 ** (k / 4) for k in range(-8, 9))
"""Temperatures for which an audit stores e: from 0.44 to 2.25 in even ratios, including 2/3, 1 and 3/2."""
AS_IT_IS, SHARPER, SOFTER = 8, 4, 12
"""Positions of 1, 2/3 and 3/2 in :data:`TEMPERATURES`. Reports show findings at all three."""


def log_probabilities(logits: NDArray[np.floating], *, temperature: float = 1.0) -> FloatArray:
    """Logarithm of the softmax of logits / temperature, [images, classes]."""
    found: FloatArray = log_softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1)
    return found


def log_scaled(logits: NDArray[np.floating], *, temperature: float = 1.0) -> FloatArray:
    """[images, classes] e = ln(1 + K p) / ln(1 + K), 0 to 1.

    At chance (p = 1/K) it is ln 2 / ln(1 + K): 0.10 with 1,000 classes, 0.36 with 6, 0.63 with 2. The
    temperature divides ``logits`` [images, classes]: above 1 it makes the model less certain.
    """
    return log_scaled_of(np.exp(log_probabilities(logits, temperature=temperature)), logits.shape[1])


def log_scaled_of(probability: FloatArray, classes: int) -> FloatArray:
    """The same from probabilities of any shape, among so many classes."""
    found: FloatArray = np.log1p(classes * probability) / np.log1p(classes)
    return found


def chance_level(classes: int) -> float:
    """The value of e at chance, p = 1 / classes."""
    return float(np.log(2.0) / np.log1p(classes))


class Tempered:
    """One model's answers to some images at every temperature of :data:`TEMPERATURES`."""

    def __init__(self, logits: NDArray[np.floating]) -> None:
        """Sum over classes once for every temperature; ``logits`` are [images, classes]."""
        self._logits = np.asarray(logits, dtype=np.float64)
        totals, entropies = [], []
        for temperature in TEMPERATURES:
            logp = log_probabilities(self._logits, temperature=temperature)
            totals.append(self._logits[:, 0] / temperature - logp[:, 0])
            entropies.append(-float((np.exp(logp) * logp).sum(axis=1).mean()))
        self._totals = np.stack(totals)
        self.entropy = np.array(entropies)
        """[temperatures] Mean over images of the entropy of the predicted distribution, in nats. It grows
        with the temperature, so that equal entropies mean equal sharpness."""

    def log_scaled(self, class_index: int) -> FloatArray:
        """[temperatures, images] e of one class."""
        scaled = self._logits[:, class_index] / np.array(TEMPERATURES)[:, None]
        return log_scaled_of(np.exp(scaled - self._totals), self._logits.shape[1])


def temperature_between(old: FloatArray, new: FloatArray) -> float | None:
    """Temperature at which the new model is as sharp as the old one is at 1.

    Args:
        old: [temperatures] :attr:`Tempered.entropy` of the old model, on some images.
        new: The same of the new model, on the same images.

    Returns:
        Exactly 1 if both are equally sharp; ``None`` if it lies outside :data:`TEMPERATURES`.
    """
    target = float(old[AS_IT_IS])
    if np.isclose(target, new[AS_IT_IS], rtol=1e-6, atol=1e-12):
        return 1.0
    if not (np.diff(new) > 0.0).all() or not new[0] <= target <= new[-1]:
        return None
    return float(np.exp(np.interp(target, new, np.log(TEMPERATURES))))


def at_temperature(kept: NDArray[np.floating], temperature: float) -> FloatArray:
    """[images] e at any temperature, from the stored e [temperatures, images].

    Between the stored temperatures it is linear in the logarithm of the temperature.
    """
    place = float(np.interp(np.log(temperature), np.log(TEMPERATURES), np.arange(len(TEMPERATURES))))
    below = min(int(place), len(TEMPERATURES) - 2)
    share = place - below
    values = np.asarray(kept, dtype=np.float64)
    return np.asarray((1.0 - share) * values[below] + share * values[below + 1])
