"""The causal effect of a concept on a class, measured on the model by switching the concept on and off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.planted.faces import Faces
from benchmarks.planted.scenes import CLASSES, CONCEPTS, render
from benchmarks.planted.social import OCCUPATIONS, SocialWorld, draw_portraits, render_portraits
from benchmarks.planted.training import logits
from benchmarks.planted.worlds import World, draw

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class CausalEffects:
    """Mean change when a concept is inserted: with it minus without it, everything else equal.

    Scenes of every class count alike, so over classes the changes of probability sum to 0.
    """

    probability: FloatArray
    """[classes, concepts] change of the class's probability, [-1, 1]."""
    probability_error: FloatArray
    """[classes, concepts] standard error over scenes."""
    log_odds: FloatArray
    """[classes, concepts] change of the class's log-odds."""
    log_odds_error: FloatArray
    accuracy: float
    """Share of the world's scenes that the model classifies rightly."""


def log_odds(z: FloatArray) -> FloatArray:
    """Log-odds of every class against all others, [n, classes], from logits."""
    out = np.empty_like(z)
    for y in range(z.shape[1]):
        rest = np.delete(z, y, axis=1)
        top = rest.max(axis=1)
        out[:, y] = z[:, y] - top - np.log(np.exp(rest - top[:, None]).sum(axis=1))
    return out


def softmax(z: FloatArray) -> FloatArray:
    """Probabilities, [n, classes]."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    result: FloatArray = e / e.sum(axis=1, keepdims=True)
    return result


def measure(model: nn.Module, world: World, *, per_class: int, rng: np.random.Generator) -> CausalEffects:
    """Causal effect of every concept on every class of a world."""
    labels = np.repeat(np.arange(len(CLASSES)), per_class)
    scenes = draw(world, labels, rng=rng)
    right = logits(model, render(scenes)).argmax(axis=1) == labels
    with_and_without = [
        (
            logits(model, render(scenes.with_concept(k, True))),
            logits(model, render(scenes.with_concept(k, False))),
        )
        for k in range(len(CONCEPTS))
    ]
    return _summarise(with_and_without, labels, float(right.mean()))


def measure_social(
    model: nn.Module, world: SocialWorld, faces: Faces, *, per_class: int, rng: np.random.Generator
) -> CausalEffects:
    """Causal effect of showing a face of the first group instead of one of the second: one column."""
    labels = np.repeat(np.arange(len(OCCUPATIONS)), per_class)
    scenes = draw_portraits(world, labels, faces, rng=rng)
    right = logits(model, render_portraits(scenes, faces)).argmax(axis=1) == labels
    first, second = (logits(model, render_portraits(scenes.showing(group), faces)) for group in (0, 1))
    return _summarise([(first, second)], labels, float(right.mean()))


def _summarise(
    pairs: list[tuple[FloatArray, FloatArray]], labels: NDArray[np.int64], accuracy: float
) -> CausalEffects:
    n_classes = int(labels.max()) + 1
    probability, odds = (np.zeros((2, n_classes, len(pairs))) for _ in range(2))
    for k, (present, absent) in enumerate(pairs):
        for table, change in (
            (probability, softmax(present) - softmax(absent)),
            (odds, log_odds(present) - log_odds(absent)),
        ):
            for y in range(n_classes):
                by_label = [change[labels == other, y] for other in range(n_classes)]
                table[0, y, k] = np.mean([part.mean() for part in by_label])
                variance = sum(part.var(ddof=1) / len(part) for part in by_label)
                table[1, y, k] = np.sqrt(variance) / n_classes
    return CausalEffects(probability[0], probability[1], odds[0], odds[1], accuracy)
