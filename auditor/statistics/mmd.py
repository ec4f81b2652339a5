"""Maximum mean discrepancy on a precomputed kernel, and the paper's concept score.

Gretton, Borgwardt, Rasch, Schölkopf, Smola: A Kernel Two-Sample Test, JMLR 13 (2012) 723-773.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auditor.errors import InputError
from auditor.statistics.arrays import BENCHMARK_ONLY, FloatArray, IntArray

BANDWIDTH_SAMPLE = 1000
"""Most images that enter the median of distances: more do not move it and cost time."""


@dataclass(frozen=True)
class PaperScores:
    """The paper's concept scores of one class over one bank."""

    mean: FloatArray
    """[concepts] Share of the bank's total, 0 to 1, mean over runs; sums to 1. NaN where all maps are
    constant."""
    sd: FloatArray
    """[concepts] Standard deviation over benchmark draws (n - 1); 0 for a single run. It gives no confidence
    interval: all runs use the same concept images, so they are no replicates."""
    size: int
    """Images in every concept set and in every benchmark set."""


def squared_distances(points: NDArray[np.floating]) -> FloatArray:
    """[images, images] Squared Euclidean distances between rows of ``points`` [images, positions]."""
    # Centring first keeps the expansion |a|² + |b|² - 2ab from cancelling.
    centred = np.asarray(points, dtype=np.float64) - np.asarray(points, dtype=np.float64).mean(axis=0)
    norms = np.einsum("ij,ij->i", centred, centred)
    distances: FloatArray = norms[:, None] + norms[None, :] - 2.0 * (centred @ centred.T)
    np.maximum(distances, 0.0, out=distances)
    np.fill_diagonal(distances, 0.0)
    return distances


def median_bandwidth(points: NDArray[np.floating]) -> float:
    """Median distance between two images of the pooled sample (Gretton 2012, section 8).

    At most ``BANDWIDTH_SAMPLE`` images enter, evenly spaced in the order given, so that the result does not
    depend on chance. If more than half of the distances are 0, it is the mean of the positive ones; if all
    are 0, it is 1.
    """
    count = len(points)
    chosen = np.unique(np.linspace(0, count - 1, min(count, BANDWIDTH_SAMPLE)).round().astype(np.int64))
    distances = squared_distances(points[chosen])
    upper = np.sqrt(distances[np.triu_indices(len(chosen), 1)])
    width = float(np.median(upper)) if upper.size else 0.0
    if width > 0.0:
        return width
    positive = upper[upper > 0.0]
    return float(positive.mean()) if positive.size else 1.0


def gaussian_kernel(
    points: NDArray[np.floating], *, bandwidth: float, dtype: type[np.floating] = np.float64
) -> NDArray[Any]:
    """[images, images] exp(-d² / (2 bandwidth²)) between rows of ``points`` [images, positions].

    ``dtype`` is that of the arithmetic after centring; in float32 it is several times faster, and a value is
    off by less than 1e-6.

    Raises:
        InputError: The bandwidth is not a positive number.
    """
    if not np.isfinite(bandwidth) or bandwidth <= 0.0:
        raise InputError(f"kernel bandwidth: {bandwidth}, need a positive number")
    centred = np.asarray(points, dtype=np.float64)
    scaled = ((centred - centred.mean(axis=0)) / (bandwidth * np.sqrt(2.0))).astype(dtype)
    norms = np.einsum("ij,ij->i", scaled, scaled)
    kernel = scaled @ scaled.T
    kernel *= 2.0
    kernel -= norms[:, None]
    kernel -= norms
    np.minimum(kernel, 0.0, out=kernel)
    np.fill_diagonal(kernel, 0.0)
    return np.asarray(np.exp(kernel, out=kernel))


def mmd2_unbiased(kernel: FloatArray, first: IntArray, second: IntArray) -> float:
    """Squared MMD, unbiased U-statistic (Gretton et al. 2012, Lemma 6, equation 3); can be negative.

    Args:
        kernel: [images, images].
        first: Positions of one sample.
        second: Positions of the other.

    Raises:
        InputError: A sample has fewer than 2 images.
    """
    if min(len(first), len(second)) < 2:
        raise InputError(f"unbiased MMD: samples of {len(first)} and {len(second)} images, need 2 each")
    between = kernel[np.ix_(first, second)].mean()
    return _mean_off_diagonal(kernel, first) + _mean_off_diagonal(kernel, second) - 2.0 * float(between)


def paper_scores(
    maps: Mapping[str, NDArray[np.floating]],
    labels: ArrayLike,
    *,
    benchmark: ArrayLike | None,
    runs: int,
    rng: np.random.Generator,
    exact: bool = False,
) -> PaperScores:
    """The paper's score: squared MMD to random benchmark sets, summed over layers, as shares.

    Wu et al., CVPR 2020, sections 3.2 and 4.5: equally many images of every concept, one random benchmark
    set of the same size per run, "sum the MMD values calculated in all the middle layers, and view the
    normalized results as the importance score". The paper does not say which MMD. This is the *squared,
    biased* one (V-statistic; Gretton et al. 2012, equation 5, squared) with a Gaussian kernel, whose width
    is the median distance within the layer's pooled sample. It is never negative, so that shares are
    defined. For equal distributions it is about 2/size; therefore all concept sets have the same size. It
    has no sign.

    Args:
        maps: Layer to meta-detector maps [images, positions], in the detector's units.
        labels: [images] Concept of each image, -1 for images that belong to none.
        benchmark: Positions of images to draw benchmark sets from, one set per run for all concepts.
            ``None``: for each concept from the images without its label.
        runs: Number of benchmark sets, 1 or more.
        rng: Source of the draws; the same draws serve every layer.
        exact: Section 4.5 to the letter: one benchmark set for all runs, and in every run new concept images,
            half as many as the smallest concept has.

    Raises:
        InputError: No layers, no runs, maps of other lengths than the labels or not finite, or fewer than
            2 images of a concept or of the benchmark.
    """
    label = np.asarray(labels, dtype=np.int64)
    concepts = int(label.max(initial=-1)) + 1
    if runs < 1 or not maps or concepts < 1 or label.min() < BENCHMARK_ONLY:
        raise InputError(
            f"paper score: {runs} runs, {len(maps)} layers, labels {label.min(initial=0)} to {concepts - 1};"
            " need 1 run, 1 layer and labels from -1, with 1 concept or more"
        )
    for layer, values in maps.items():
        if values.ndim != 2 or len(values) != len(label) or not np.isfinite(values).all():
            raise InputError(
                f"maps of layer {layer!r}: shape {values.shape}, need finite [{len(label)}, positions]"
            )
    pool = None if benchmark is None else np.asarray(benchmark, dtype=np.int64)
    chosen, against = _draw(label, concepts, pool, (runs, 1) if exact else (1, runs), rng)
    raw = np.zeros((runs, concepts))
    for values in maps.values():
        # float32 halves the memory traffic; sums of a few thousand values in [0, 1] stay exact to 1e-6.
        kernel = gaussian_kernel(values, bandwidth=median_bandwidth(values), dtype=np.float32)
        raw += _squared_mmd_of_draws(kernel, chosen, against)
    total = raw.sum(axis=1, keepdims=True)
    shares = np.divide(raw, total, out=np.full_like(raw, np.nan), where=total > 1e-9)
    sd = shares.std(axis=0, ddof=1) if runs > 1 else np.zeros(concepts)
    return PaperScores(mean=shares.mean(axis=0), sd=sd, size=chosen.shape[2])


def _draw(
    label: IntArray, concepts: int, pool: IntArray | None, draws: tuple[int, int], rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Positions of concept sets [draws, concepts, size] and benchmark sets [draws, concepts or 1, size].

    Concept sets that are drawn more than once have half as many images, so that draws differ.
    """
    members = [np.flatnonzero(label == concept) for concept in range(concepts)]
    others = [pool] if pool is not None else [np.flatnonzero(label != concept) for concept in range(concepts)]
    smallest = min(map(len, members))
    size = min(smallest if draws[0] == 1 else smallest // 2, *map(len, others))
    if size < 2:
        raise InputError(f"paper score: sets of {size} images, need at least 2 of each concept and benchmark")

    def subsets(pools: list[IntArray]) -> IntArray:
        return np.stack([np.sort(rng.choice(images, size, replace=False)) for images in pools])

    concept_sets = np.stack([subsets(members) for _ in range(draws[0])])
    return concept_sets, np.stack([subsets(others) for _ in range(draws[1])])


def _squared_mmd_of_draws(kernel: NDArray[np.float32], chosen: IntArray, against: IntArray) -> FloatArray:
    """[runs, concepts] Biased squared MMD of every pair of sets, looked up in one kernel."""
    size = chosen.shape[2]
    within_concept = _block_sums(kernel, chosen, chosen)
    within_benchmark = _block_sums(kernel, against, against)
    between = _block_sums(kernel, chosen, against)
    return np.asarray((within_concept + within_benchmark - 2.0 * between) / size**2)


def _block_sums(kernel: NDArray[np.float32], first: IntArray, second: IntArray) -> FloatArray:
    """[a, b] Sum of the kernel over all pairs of images from sets ``first`` and ``second`` [a, b, size].

    An axis of length 1 is broadcast.
    """
    if 1 in first.shape[:2]:
        # For few distinct sets, one matrix product gives their sums with every image.
        distinct = first.reshape(-1, first.shape[2])
        indicator = np.zeros((kernel.shape[0], len(distinct)), dtype=np.float32)
        np.put_along_axis(indicator, distinct.T, 1.0, axis=0)
        sums = (kernel @ indicator).T.reshape(*first.shape[:2], -1)
        places = np.broadcast_shapes(first.shape[:2], second.shape[:2])
        looked_up = np.take_along_axis(
            np.broadcast_to(sums, (*places, sums.shape[2])),
            np.broadcast_to(second, (*places, second.shape[2])),
            axis=2,
        )
        return np.asarray(looked_up.sum(axis=2, dtype=np.float64))
    if 1 in second.shape[:2]:
        return _block_sums(kernel, second, first)
    sums = np.empty(first.shape[:2])
    for run in range(len(first)):
        blocks = kernel[first[run][:, :, None], second[run][:, None, :]]
        sums[run] = blocks.sum(axis=(1, 2), dtype=np.float64)
    return sums


def _mean_off_diagonal(kernel: FloatArray, chosen: IntArray) -> float:
    block = kernel[np.ix_(chosen, chosen)]
    count = len(chosen)
    return float((block.sum() - np.trace(block)) / (count * (count - 1)))
