"""Permutation distribution of every concept's statistic.

The statistic is studentised: a larger variance alone does not make a concept significant (Janssen 1997;
Chung and Romano, Ann. Stat. 41, 2013).
"""

from __future__ import annotations

import numpy as np

from auditor.statistics.arrays import FloatArray, ImageGroups

CHUNK_VALUES = 1_000_000
"""Permuted values held at a time: 8 MB."""


def group_moments(values: FloatArray, groups: ImageGroups) -> tuple[FloatArray, FloatArray]:
    """Mean and unbiased variance [..., groups] of ``values`` [..., images] in ``groups.order``."""
    totals = np.add.reduceat(values, groups.starts, axis=-1)
    squares = np.add.reduceat(values**2, groups.starts, axis=-1)
    means = totals / groups.sizes
    variances = np.maximum(squares - totals * means, 0.0) / (groups.sizes - 1)
    return means, variances


def contrast_of_means(means: FloatArray, groups: ImageGroups) -> FloatArray:
    """[..., concepts] Mean of each concept minus that of the images it is compared with."""
    return np.asarray(means[..., : groups.concepts] - means @ groups.shares.T)


def contrast_variance(variances: FloatArray, groups: ImageGroups) -> FloatArray:
    """[..., concepts] Variance of :func:`contrast_of_means` when images are drawn anew."""
    of_means = variances / groups.sizes
    return np.asarray(of_means[..., : groups.concepts] + of_means @ (groups.shares**2).T)


def studentised(values: FloatArray, groups: ImageGroups) -> FloatArray:
    """[..., concepts] Contrast of means over its standard error; 0 where nothing varies."""
    means, variances = group_moments(values, groups)
    error = np.sqrt(contrast_variance(variances, groups))
    difference = contrast_of_means(means, groups)
    return np.divide(difference, error, out=np.zeros_like(difference), where=error > 1e-12)


def permuted_statistics(
    values: FloatArray, groups: ImageGroups, *, permutations: int, rng: np.random.Generator
) -> FloatArray:
    """[permutations, concepts] :func:`studentised` under permuted labels.

    Each row comes from one permutation of all images, shared by all concepts. Differences between an image
    and its counterfactual have no labels to permute: their signs are drawn, which permutes image and
    counterfactual within each pair.

    Args:
        values: [images] in ``groups.order``. Any scale must not depend on the labels.
        groups: The group of each image.
        permutations: 1 or more.
        rng: Source of the permutations.
    """
    result = np.empty((permutations, groups.concepts))
    chunk = max(1, CHUNK_VALUES // len(values))
    for start in range(0, permutations, chunk):
        rows = min(chunk, permutations - start)
        every = np.broadcast_to(values, (rows, len(values)))
        if groups.against_zero:
            shuffled = every * rng.choice((-1.0, 1.0), every.shape)
        else:
            shuffled = rng.permuted(every, axis=1)
        result[start : start + rows] = studentised(shuffled, groups)
    return result
