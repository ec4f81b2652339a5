"""Simulated answers of a classifier whose true effects are known, for :mod:`benchmarks.calibration`.

The log-odds of the class are normal. What a score is made of is e, the log-scaled probability that follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.probability import log_scaled_of
from auditor.statistics.samples import REFERENCE, ConceptSample, GroupSample, group_sample

CONCEPTS = 12
"""Concepts of a simulated bank: the last has an effect, the last but one another spread, the others none."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(200)


@dataclass(frozen=True)
class World:
    """A class of a model, and what its log-odds do."""

    name: str
    classes: int
    usual: float
    """Mean log-odds of the class on images that do nothing."""
    step: float
    """What the concept, or the first group, adds."""
    spread: float = 2.0
    images: int = 60
    """Of a concept; pairs of a contrast."""
    zero: str = "other concepts"
    """What concepts are compared with: ``other concepts``, ``reference images``, ``counterfactual pairs``."""
    each: int = 1
    """Images of one cluster."""
    shrink: float = 0.5
    """Spread of the last concept but one, as a share of the others'."""

    def values(self, log_odds: FloatArray) -> FloatArray:
        """The log-scaled probability."""
        return log_scaled_of(expit(log_odds), self.classes)

    def expected(self, step: float = 0.0, *, shrink: float = 1.0) -> float:
        """Its mean over the population, by quadrature."""
        found = self.values(self.usual + step + shrink * self.spread * _NODES)
        return float(found @ _WEIGHTS / _WEIGHTS.sum())


KINDS = (
    ("1000 classes, no chance", 1000, -12.0, 6.0, 60),
    ("1000 classes, near chance", 1000, -7.0, 3.0, 60),
    ("1000 classes, near chance, 30 images", 1000, -7.0, 3.0, 30),
    ("6 classes", 6, -1.6, 1.5, 60),
)
SCORES = tuple(
    World(f"{name}, {zero}", classes, usual, step, images=images, zero=zero)
    for name, classes, usual, step, images in KINDS
    for zero in ("other concepts", "reference images", "counterfactual pairs")
)
CLUSTERED = tuple(
    World(f"{images // each} clusters of {each}", 1000, -7.0, 0.0, images=images, each=each, shrink=1.0)
    for images, each in ((60, 1), (60, 3), (60, 10), (300, 10))
)
CONTRASTS = tuple(
    World(f"{name}, {pairs} pairs", classes, usual, step, images=pairs)
    for name, classes, usual, step in (
        ("1000 classes, no chance", 1000, -12.0, 6.0),
        ("1000 classes, near chance", 1000, -7.0, 2.0),
        ("2 classes", 2, 0.0, 1.0),
    )
    for pairs in (30, 300)
)


def sample_of(world: World) -> ConceptSample:
    """The bank's images: which concept, which cluster, which counterfactual."""
    labels = np.repeat(np.arange(CONCEPTS), world.images)
    if world.zero == "counterfactual pairs":
        pictures = np.arange(len(labels))
        # Behind every picture stands the same one without the concept.
        with_counterfactuals = np.concatenate([labels, np.full(len(labels), REFERENCE - 2)])
        counterfactual = np.concatenate([pictures + len(labels), np.full(len(labels), -1)])
        return ConceptSample(with_counterfactuals, np.concatenate([pictures, pictures]), counterfactual)
    if world.zero == "reference images":
        labels = np.concatenate([labels, np.full(2 * world.images, REFERENCE)])
    return ConceptSample(labels, np.arange(len(labels)) // world.each)


def true_scores(world: World) -> FloatArray:
    """[concepts] Differences of population means."""
    usual, alike = world.expected(), world.expected(shrink=world.shrink)
    means = np.array([usual] * (CONCEPTS - 2) + [alike, world.expected(world.step)])
    if world.zero == "other concepts":
        return np.asarray(means - (means.sum() - means) / (CONCEPTS - 1))
    if world.zero == "reference images":
        return means - usual
    means[-2] = usual  # a picture and its counterfactual are alike spread
    return means - usual


def concept_drawer(world: World) -> Callable[[np.random.Generator], FloatArray]:
    """Draws e of the images of :func:`sample_of`, [images]."""
    sample = sample_of(world)
    strong, other = sample.labels == CONCEPTS - 1, sample.labels == CONCEPTS - 2

    def draw(rng: np.random.Generator) -> FloatArray:
        noise = _of_clusters(sample.clusters, world, rng)
        shrink = np.where(other & (world.zero != "counterfactual pairs"), world.shrink, 1.0)
        return world.values(world.usual + world.spread * shrink * noise + world.step * strong)

    return draw


def _of_clusters(clusters: IntArray, world: World, rng: np.random.Generator) -> FloatArray:
    """[images] Normal, of variance 1; nine tenths of it are the cluster's."""
    own = rng.normal(size=len(clusters))
    if world.each == 1 and world.zero != "counterfactual pairs":
        return own
    shared = rng.normal(size=int(clusters.max()) + 1)[clusters]
    return np.asarray(np.sqrt(0.9) * shared + np.sqrt(0.1) * own)


def pairs_of(world: World) -> GroupSample:
    """Matched pairs: the first half of the images against the second."""
    pairs = np.arange(world.images)
    neither = np.full(world.images, -1)
    return group_sample(np.concatenate([pairs, neither]), np.concatenate([neither, pairs]), matched=True)


def draw_pairs(world: World, rng: np.random.Generator, *, step: float) -> FloatArray:
    """[images] e of both groups; what was matched on moves both pictures of a pair."""
    shared = np.tile(rng.normal(size=world.images), 2)
    own = rng.normal(size=2 * world.images)
    first = np.arange(2 * world.images) < world.images
    noise = np.sqrt(0.3) * shared + np.sqrt(0.7) * own
    return world.values(world.usual + world.spread * noise + step * first)


def random_maps(
    size: int, pool: int, mixing: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """[size + pool, 49] Maps of one population."""
    strength = rng.lognormal(0.0, 0.4, size=(size + pool, 1))
    return np.asarray(strength * np.abs(rng.normal(size=(size + pool, 49)) @ mixing + 0.5))
