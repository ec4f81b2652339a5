"""Permutation test of one concept's detector maps against those of all other images, over all layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, ImageGroups, IntArray, group_images

CHUNK_VALUES = 2_000_000
"""Kernel values gathered at a time: 16 MB."""


@dataclass(frozen=True)
class MmdTest:
    """Every concept of a bank against all images without its label."""

    statistic: FloatArray
    """[concepts] Unbiased squared MMD, summed over layers; about 0 where nothing differs."""
    p_value: FloatArray
    """[concepts] One-sided, (1 + hits) / (1 + permutations)."""
    z: FloatArray
    """[concepts] Statistic minus its mean under permutation, in standard deviations under permutation; 0
    where all permutations agree."""


def mmd_test(
    kernels: Sequence[FloatArray],
    labels: ArrayLike,
    *,
    concepts: int,
    permutations: int,
    rng: np.random.Generator,
) -> MmdTest:
    """Permutation test on the sum over layers of unbiased squared MMD (Gretton 2012, Lemma 6).

    Labels are permuted on images, once for all layers. Runs and benchmark draws are not permuted: they
    use the same images. The null hypothesis is "same distribution of maps under this detector". With many
    images the test rejects it for irrelevant differences. It complements an effect and does not replace it.

    Args:
        kernels: One [images, images] per layer, widths from the pooled sample, so that permuting labels
            does not change them.
        labels: [images] Concept, or -1 for benchmark-only images.
        concepts: Number of concepts.
        permutations: 1 or more.
        rng: Source of the permutations.

    Raises:
        InputError: No kernels or kernels of another size, a concept of fewer than 2 images, or no
            permutations.
    """
    label = np.asarray(labels, dtype=np.int64)
    groups = group_images(label, concepts)
    if permutations < 1 or not kernels:
        raise InputError(f"MMD test: {permutations} permutations, {len(kernels)} layers, need 1 of each")
    total = np.zeros((len(label), len(label)))
    for kernel in kernels:
        if kernel.shape != total.shape:
            raise InputError(f"MMD test: kernel of shape {kernel.shape}, need {total.shape}")
        total += kernel
    np.fill_diagonal(total, 0.0)
    observed = _statistics(total, groups.order[None], groups)[0]
    chunk = max(1, CHUNK_VALUES // int(groups.sizes.max() ** 2))
    null = np.empty((permutations, concepts))
    for start in range(0, permutations, chunk):
        rows = min(chunk, permutations - start)
        shuffled = rng.permuted(np.broadcast_to(groups.order, (rows, len(label))), axis=1)
        null[start : start + rows] = _statistics(total, shuffled, groups)
    # Values that are equal up to rounding count as hits.
    hits = (null >= observed - 1e-12 * np.abs(observed)).sum(axis=0)
    spread = null.std(axis=0)
    z = np.divide(observed - null.mean(axis=0), spread, out=np.zeros(concepts), where=spread > 1e-15)
    return MmdTest(statistic=observed, p_value=(1.0 + hits) / (1.0 + permutations), z=z)


def _statistics(kernel: FloatArray, order: IntArray, groups: ImageGroups) -> FloatArray:
    """[rows, concepts] Unbiased squared MMD for every ``order`` [rows, images].

    ``kernel`` has a zero diagonal. Only sums within concepts are looked up; the rest follows from row sums.
    """
    images = len(kernel)
    row_sums = kernel.sum(axis=1)
    values = kernel.ravel()
    result = np.empty((len(order), groups.concepts))
    for c in range(groups.concepts):
        start, size = int(groups.starts[c]), int(groups.sizes[c])
        own = order[:, start : start + size]
        first, second = np.triu_indices(size, 1)
        within = 2.0 * values.take(own[:, first] * images + own[:, second]).sum(axis=1)
        touching = row_sums[own].sum(axis=1)
        rest = images - size
        elsewhere = row_sums.sum() - 2.0 * touching + within
        result[:, c] = (
            within / (size * (size - 1))
            + elsewhere / (rest * (rest - 1))
            - 2.0 * (touching - within) / (size * rest)
        )
    return result
