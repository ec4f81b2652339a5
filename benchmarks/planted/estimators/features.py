"""What the features encode: MMD importance (AfI) by the functions that an audit uses.

The reference classes are the model's other classes, as it has few.
"""

from __future__ import annotations

import numpy as np
import torch

from auditor.audit.forward import forward_pass
from auditor.audit.importance import late_layers
from auditor.statistics.importance import (
    Importances,
    UnitSample,
    benchmark_test,
    class_specific,
    mmd_importance,
    sample_units,
)
from benchmarks.planted.banks import COUNTERFACTUAL
from benchmarks.planted.estimators.interface import Estimate
from benchmarks.planted.subject import Subject
from benchmarks.planted.training import to_input

PERMUTATIONS = 999


class Importance:
    """Class-specific importance; its p-value is the larger of both tests."""

    def __init__(self) -> None:
        self._of: tuple[str, UnitSample, Importances] | None = None

    def __call__(self, subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
        """Effects are in units of squared MMD."""
        if self._of is None or self._of[0] != subject.name:
            self._of = (subject.name, *_measured(subject, rng))
        _, sample, found = self._of
        others = np.delete(np.arange(subject.n_classes), class_index)
        specific = class_specific(found, class_index, others)
        test = benchmark_test(found.kernels[class_index], sample, runs=2, permutations=PERMUTATIONS, rng=rng)
        low, high = specific.interval(0.05)
        return Estimate(specific.effect, low, high, np.maximum(specific.p_value, test.p_value))


def _measured(subject: Subject, rng: np.random.Generator) -> tuple[UnitSample, Importances]:
    """The bank's concept images and reference images under the detectors of every class."""
    assert subject.fits is not None
    layers = late_layers(subject.layers)
    bank = subject.bank
    used = bank.labels < COUNTERFACTUAL
    detectors = {
        layer: torch.from_numpy(subject.fits.importance[layer].mean(axis=1)).float() for layer in layers
    }
    images = bank.images[used]
    batches = (to_input(images[i : i + 256]) for i in range(0, len(images), 256))
    maps = forward_pass(subject.model, batches, layers, detectors).maps
    sample = sample_units(bank.labels[used], concepts=len(bank.names), clusters=None, rng=rng)
    return sample, mmd_importance(maps, sample, tested=subject.n_classes)
