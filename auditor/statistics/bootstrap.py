"""Images drawn anew: how far an estimate strays from the truth, in its own standard errors."""

from __future__ import annotations

import numpy as np

from auditor.statistics.arrays import FloatArray, Groups


def bootstrap_pivots(
    influence: FloatArray, groups: Groups, *, draws: int, rng: np.random.Generator
) -> FloatArray:
    """[draws, concepts] Studentised bootstrap (Efron and Tibshirani 1993, section 12.5).

    Images are resampled within their group; every row serves all concepts. The estimate is
    linearised: each image adds its influence, so that a resample costs one matrix product.

    Args:
        influence: [concepts, images] in ``groups.order``; the mean over each group is 0.
        groups: Who has which label.
        draws: Number of resamples.
        rng: Source of the resamples.
    """
    concepts = len(influence)
    columns = np.concatenate([influence, influence**2]).T
    shift = np.zeros((draws, concepts))
    variance = np.zeros((draws, concepts))
    for start, size in zip(groups.starts, groups.sizes, strict=True):
        counts = resample_counts(int(size), draws, rng)
        sums = counts @ columns[start : start + size]
        means = sums[:, :concepts] / size
        squares = sums[:, concepts:] / size - means**2
        shift += means
        variance += np.maximum(squares, 0.0) / (size - 1)
    error = np.sqrt(variance)
    return np.divide(shift, error, out=np.zeros_like(shift), where=error > 1e-12)


def resample_counts(size: int, draws: int, rng: np.random.Generator) -> FloatArray:
    """[draws, size] How often each image occurs in a resample of ``size`` images with replacement."""
    picks = rng.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
    return np.bincount(picks.ravel(), minlength=draws * size).reshape(draws, size).astype(np.float64)
