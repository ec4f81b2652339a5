"""Bootstrap over images: distances of resampled estimates, in their own standard errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.statistics.arrays import FloatArray, ImageGroups

LEAST_ERROR = 0.25
"""Smallest standard error of a resample, as a share of the sample's. If one image in thirty responds, a third
of the resamples miss it and have almost no variance. With this floor the interval is close to the exact one
for a share of 1 in 30 (docs/statistics.md)."""


@dataclass(frozen=True)
class Resamples:
    """Estimates from resampled images."""

    pivots: FloatArray
    """[draws, estimates] Resampled estimate minus estimate, in the resample's own standard errors."""
    errors: FloatArray
    """[draws, estimates] The resample's standard error over the sample's; 1 where nothing varies."""


def bootstrap_images(
    influence: FloatArray, groups: ImageGroups, *, draws: int, rng: np.random.Generator
) -> Resamples:
    """Studentised bootstrap (Efron and Tibshirani 1993, section 12.5).

    Images are resampled within their group; every draw serves all estimates. The estimate is linearised:
    each image adds its influence, so that one matrix product gives all resamples of a group.

    Args:
        influence: [estimates, images] in ``groups.order``; the mean over each group is 0.
        groups: The group of each image.
        draws: Number of resamples.
        rng: Source of the resamples.
    """
    count = len(influence)
    columns = np.concatenate([influence, influence**2]).T
    shift = np.zeros((draws, count))
    variance = np.zeros((draws, count))
    of_sample = np.zeros(count)
    for start, size in zip(groups.starts, groups.sizes, strict=True):
        counts = resample_counts(int(size), draws, rng)
        sums = counts @ columns[start : start + size]
        means = sums[:, :count] / size
        squares = sums[:, count:] / size - means**2
        shift += means
        variance += np.maximum(squares, 0.0) / (size - 1)
        of_sample += influence[:, start : start + size].var(axis=1) / (size - 1)
    usual = np.sqrt(of_sample)
    error = np.maximum(np.sqrt(variance), LEAST_ERROR * usual)
    return Resamples(
        pivots=np.divide(shift, error, out=np.zeros_like(shift), where=error > 1e-12),
        errors=np.divide(error, usual, out=np.ones_like(shift), where=usual > 1e-12),
    )


def resample_counts(size: int, draws: int, rng: np.random.Generator) -> FloatArray:
    """[draws, size] How often each image occurs in a resample of ``size`` images with replacement."""
    picks = rng.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
    return np.bincount(picks.ravel(), minlength=draws * size).reshape(draws, size).astype(np.float64)
