"""MMD concept importance under the detectors of several classes: with sign, error and test.

The paper's score (:func:`auditor.statistics.mmd.paper_scores`) compares with random photos, has no sign and
no test. Here a concept is compared with the bank's other images, so that both sides are of one kind. The sign
says whether the meta-detector responds more or less to the concept. A class is compared with reference
classes under the same images (:func:`class_specific`), since detectors of unrelated classes agree in most of
what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.sparse import csr_matrix

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.mmd import gaussian_kernel, median_bandwidth
from auditor.statistics.mmd_permutation import mmd_test
from auditor.statistics.samples import REFERENCE
from auditor.statistics.units import independent_units

MOST_UNITS = 60
"""Most independent images of a concept that enter: a kernel holds every pair of images."""
PRIOR_DF = 4
"""Degrees of freedom of the common variance over reference classes."""
MOST_REFERENCE = 300
"""Most independent reference images of the bank that enter."""


@dataclass(frozen=True)
class UnitSample:
    """The images that enter, as independent units."""

    positions: IntArray
    """[images] Where the images lie in the maps."""
    labels: IntArray
    """[units] Concept of each unit, -1 for the bank's reference images."""
    concepts: int
    means: csr_matrix | None
    """[units, images] Averages over the images of a unit; ``None`` where every unit is one image."""

    @property
    def counts(self) -> FloatArray:
        """[concepts] Units of each concept."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.concepts).astype(np.float64)


@dataclass(frozen=True)
class Importances:
    """Importance of every concept under every detector."""

    mmd: FloatArray
    """[layers, detectors, concepts] Squared MMD to the bank's other images, unbiased (Gretton et al. 2012,
    equation 3); about 0 where nothing differs."""
    sign: FloatArray
    """[layers, detectors, concepts] 1 where the detector responds more to the concept, -1 where less."""
    influence: NDArray[np.float32]
    """[detectors, concepts, units] Part of each unit in the signed importance, to first order. The squares of
    a row sum to its variance."""
    kernels: tuple[NDArray[np.float32], ...]
    """One [units, units] for each tested detector: mean over layers, diagonal 0."""

    @property
    def signed(self) -> FloatArray:
        """[detectors, concepts] Signed importance: mean over layers of sign times squared MMD, -2 to 2."""
        return np.asarray((self.sign * self.mmd).mean(axis=0))


@dataclass(frozen=True)
class ClassSpecific:
    """Signed importance under a class's detector, less the mean under those of reference classes."""

    effect: FloatArray
    """[concepts] In units of squared MMD."""
    error: FloatArray
    """[concepts] Standard error, from the images and from which classes are the reference classes."""
    p_value: FloatArray
    """[concepts] Of "the class is to this concept as any class", two-sided."""
    df: int
    """Degrees of freedom of the error."""

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Ends [concepts] of Student's interval; ``level`` is 1 minus its coverage."""
        half = stats.t.ppf(1.0 - level / 2.0, self.df) * self.error
        return self.effect - half, self.effect + half


@dataclass(frozen=True)
class BenchmarkTest:
    """Importances under one detector over random benchmark sets, and the test against them."""

    mean: FloatArray
    """[concepts] Mean over layers of squared MMD, without sign, over benchmark sets."""
    sd: FloatArray | None
    """[concepts] Standard deviation over benchmark sets; ``None`` for one set. All sets are compared with the
    same concept images, so it bounds nothing."""
    p_value: FloatArray
    """[concepts] Labels permuted on units, once for all layers."""


def sample_units(
    labels: ArrayLike, *, concepts: int, clusters: ArrayLike | None, rng: np.random.Generator
) -> UnitSample:
    """Draw at most :data:`MOST_UNITS` units of each concept and :data:`MOST_REFERENCE` of reference images.

    Args:
        labels: [images] Concept of each image, -1 for reference images; other labels are left out.
        concepts: Number of concepts.
        clusters: [images] Images of one cluster count as one; ``None``: every image is its own.
        rng: Source of the draw.
    """
    label = np.asarray(labels, dtype=np.int64)
    cluster = np.arange(len(label)) if clusters is None else np.asarray(clusters, dtype=np.int64)
    used = np.flatnonzero((label >= REFERENCE) & (label < concepts))
    units = independent_units(label[used], cluster[used])
    drawn = []
    for concept in range(REFERENCE, concepts):
        found = np.flatnonzero(units.labels == concept)
        most = MOST_REFERENCE if concept == REFERENCE else MOST_UNITS
        drawn.append(found if len(found) <= most else np.sort(rng.choice(found, most, replace=False)))
    chosen = np.concatenate(drawn)
    images = [units.order[units.starts[u] : units.starts[u] + units.sizes[u]] for u in chosen]
    sizes = units.sizes[chosen]
    unit_of = np.repeat(np.arange(len(chosen)), sizes)
    weights = (1.0 / sizes[unit_of], (unit_of, np.arange(len(unit_of))))
    return UnitSample(
        positions=used[np.concatenate(images)],
        labels=units.labels[chosen],
        concepts=concepts,
        means=csr_matrix(weights, dtype=np.float32) if (sizes > 1).any() else None,
    )


def mmd_importance(
    maps: Mapping[str, NDArray[np.floating]], sample: UnitSample, *, tested: int
) -> Importances:
    """Importance of every concept of a bank under every detector.

    Args:
        maps: Layer to detector maps [images, detectors, positions], the same detectors in every layer.
        sample: Which images enter.
        tested: The first so many detectors are those of audited classes, whose kernels are kept for the test.

    Raises:
        InputError: A concept, or what it is compared with, has fewer than 2 units.
    """
    counts, units = sample.counts, len(sample.labels)
    if counts.min(initial=2) < 2 or (units - counts).min(initial=2) < 2:
        raise InputError(
            f"importance: concepts of {counts.min():.0f} units among {units}, need 2 on each side"
        )
    own = sample.labels == np.arange(sample.concepts)[:, None]
    detectors = next(iter(maps.values())).shape[1]
    shape = (len(maps), detectors, sample.concepts)
    mmd, sign = np.empty(shape), np.empty(shape)
    influence = np.zeros((detectors, sample.concepts, units), np.float32)
    kernels = [np.zeros((units, units), np.float32) for _ in range(tested)]
    for place, values in enumerate(maps.values()):
        for detector in range(detectors):
            points = values[sample.positions, detector]
            kernel = _unit_kernel(points, sample.means)
            if detector < tested:
                kernels[detector] += kernel / len(maps)
            mmd[place, detector], parts = _against_others(kernel, own)
            response = points.mean(axis=1, dtype=np.float64)
            response = response if sample.means is None else sample.means @ response
            sign[place, detector] = _direction(response, own)
            influence[detector] += parts * sign[place, detector][:, None] / len(maps)
    return Importances(mmd, sign, influence, tuple(kernels))


def class_specific(found: Importances, detector: int, references: IntArray) -> ClassSpecific:
    """One class against reference classes, on the same images.

    The spread over reference classes is moderated: each concept's variance is drawn towards the mean over
    concepts, which counts as :data:`PRIOR_DF` further degrees of freedom (Smyth, Statistical Applications in
    Genetics and Molecular Biology 3, 2004, with a fixed prior).

    Args:
        found: Importances of the bank.
        detector: Of the class.
        references: Detectors of the reference classes, 2 or more.

    Raises:
        InputError: Fewer than 2 reference classes.
    """
    count = len(references)
    if count < 2:
        raise InputError(f"importance: {count} reference classes, need 2 to know how far classes differ")
    signed, influence = found.signed, found.influence
    effect = signed[detector] - signed[references].mean(axis=0)
    own = signed[references].var(axis=0, ddof=1)
    df = count - 1 + PRIOR_DF
    variance = ((count - 1) * own + PRIOR_DF * own.mean()) / df
    parts = influence[detector].astype(np.float64) - influence[references].mean(axis=0)
    spread = np.sqrt(np.maximum(variance * (1.0 + 1.0 / count), 1e-30))
    return ClassSpecific(
        effect=effect,
        error=np.sqrt((parts**2).sum(axis=1) + variance / count),
        p_value=np.maximum(2.0 * stats.t.sf(np.abs(effect) / spread, df), 1e-300),
        df=df,
    )


def benchmark_test(
    kernel: NDArray[np.float32],
    sample: UnitSample,
    *,
    runs: int,
    permutations: int,
    rng: np.random.Generator,
) -> BenchmarkTest:
    """A concept against random benchmark sets of its own size, drawn from the bank's other images.

    Args:
        kernel: [units, units] of one detector, as in :attr:`Importances.kernels`.
        sample: The units.
        runs: Benchmark sets, 1 or more.
        permutations: Of labels on units, 1 or more.
        rng: Source of the draws.
    """
    found = np.empty((runs, sample.concepts))
    for concept in range(sample.concepts):
        own = np.flatnonzero(sample.labels == concept)
        others = np.flatnonzero(sample.labels != concept)
        size = min(len(own), len(others))
        sets = np.argsort(rng.random((runs, len(others))), axis=1)[:, :size]
        sets = others[sets]
        within = kernel[np.ix_(own, own)].sum() / (len(own) * (len(own) - 1))
        inside = kernel[sets[:, :, None], sets[:, None, :]].sum(axis=(1, 2)) / (size * (size - 1))
        across = kernel[:, own].mean(axis=1)[sets].mean(axis=1)
        found[:, concept] = within + inside - 2.0 * across
    test = mmd_test(
        [kernel.astype(np.float64)],
        sample.labels,
        concepts=sample.concepts,
        permutations=permutations,
        rng=rng,
    )
    return BenchmarkTest(
        mean=found.mean(axis=0),
        sd=found.std(axis=0, ddof=1) if runs > 1 else None,
        p_value=test.p_value,
    )


def _unit_kernel(points: NDArray[np.floating], means: csr_matrix | None) -> NDArray[np.float32]:
    """[units, units] Kernel between mean embeddings of units, diagonal 0."""
    kernel = gaussian_kernel(points, bandwidth=median_bandwidth(points), dtype=np.float32)
    if means is not None:
        kernel = means @ (means @ kernel).T
    made = np.asarray(kernel, dtype=np.float32)
    np.fill_diagonal(made, 0.0)
    return made


def _against_others(kernel: NDArray[np.float32], own: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Squared MMD [concepts] of each concept's units ``own`` [concepts, units] to all others; parts of units.

    The parts [concepts, units] are those of :attr:`Importances.influence`, without sign.
    """
    to_own = (kernel @ own.T.astype(np.float32)).T.astype(np.float64)
    to_rest = kernel.sum(axis=1, dtype=np.float64) - to_own
    count = own.sum(axis=1, keepdims=True).astype(np.float64)
    rest = own.shape[1] - count
    # A unit's mean kernel to its own side, without itself, less that to the other side.
    inside = np.where(own, to_own / (count - 1), to_rest / (rest - 1))
    across = np.where(own, to_rest / rest, to_own / count)
    excess = inside - across
    mean_own = np.where(own, excess, 0.0).sum(axis=1, keepdims=True) / count
    mean_rest = np.where(own, 0.0, excess).sum(axis=1, keepdims=True) / rest
    parts = np.where(own, 2.0 * (excess - mean_own) / count, 2.0 * (excess - mean_rest) / rest)
    return (mean_own + mean_rest)[:, 0], parts


def _direction(response: FloatArray, own: NDArray[np.bool_]) -> FloatArray:
    """[concepts] 1 where the mean response [units] is larger on the concept than on the others, else -1."""
    count = own.sum(axis=1)
    more = own @ response / count >= ~own @ response / (own.shape[1] - count)
    return np.where(more, 1.0, -1.0)
