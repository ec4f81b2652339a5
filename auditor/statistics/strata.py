"""Two groups of images side by side within strata: weights, and labels permuted within strata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from auditor.errors import InputError
from auditor.statistics.arrays import BoolArray, FloatArray, Groups, IntArray
from auditor.statistics.permutation import CHUNK_VALUES


@dataclass(frozen=True)
class Design:
    """Strata that hold both groups, and how much each counts."""

    order: IntArray
    """[used] Positions of the images used: stratum by stratum, the first group first."""
    stratum: IntArray
    """[used] Stratum of each, 0 to strata - 1."""
    first: BoolArray
    """[used] Whether it belongs to the first group."""
    sizes: IntArray
    """[strata, 2] Images of either group."""
    weights: FloatArray
    """[strata] Sums to 1: n₁n₂/(n₁ + n₂), which estimates a common difference best."""
    paired: bool
    """Strata hold fewer than 2 images of a group on average: they are resampled whole."""

    @property
    def share(self) -> FloatArray:
        """[used] Weight of each image within its group; sums to 1 over either group."""
        return np.asarray((self.weights[:, None] / self.sizes).ravel()[self.cell])

    @property
    def cell(self) -> IntArray:
        """[used] Stratum and group as one number."""
        return 2 * self.stratum + (~self.first).astype(np.int64)

    @property
    def resampled(self) -> Groups:
        """What the bootstrap draws from: either group's images, or whole strata."""
        if self.paired:
            count = len(self.weights)
            return Groups(np.arange(count), np.array([0]), np.array([count]), 1)
        order = np.concatenate([np.flatnonzero(self.first), np.flatnonzero(~self.first)])
        sizes = self.sizes.sum(axis=0)
        return Groups(order, np.array([0, sizes[0]]), sizes, 2)

    def as_resampled(self, terms: FloatArray) -> FloatArray:
        """Terms whose sum is an estimate, [..., used], as terms whose group means add up to it.

        Within strata, images' deviations from their cell's mean are scaled up for the degrees of
        freedom that the cells' means took (n / (n - strata)).
        """
        if self.paired:
            starts = np.concatenate([[0], np.cumsum(self.sizes.sum(axis=1))[:-1]])
            per_stratum = np.add.reduceat(terms, starts, axis=-1)
            centred = per_stratum - per_stratum.sum(axis=-1, keepdims=True) * self.weights
            return np.asarray(centred * len(self.weights))
        groups = self.resampled
        deviations = (terms - _cell_means(terms, self)[..., self.cell])[..., groups.order]
        count = np.repeat(groups.sizes, groups.sizes).astype(np.float64)
        return np.asarray(deviations * count * np.sqrt((count - 1) / (count - len(self.weights))))


def stratify(first: ArrayLike, second: ArrayLike, strata: ArrayLike | None, *, name: str) -> Design:
    """Lay out two groups of images by stratum.

    Args:
        first: Positions of one group's images.
        second: Positions of the other's.
        strata: [images] Stratum of every image in the bank; ``None`` for one stratum.
        name: Of the contrast, for messages.

    Raises:
        InputError: The groups share an image, or strata that hold both leave fewer than 2 images of
            a group.
    """
    one, two = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    everyone = np.concatenate([one, two])
    repeated = len(everyone) - len(np.unique(everyone))
    if repeated:
        raise InputError(f"contrast {name}: {repeated} images named twice or in both groups, need none")
    in_first = np.arange(len(everyone)) < len(one)
    code = np.zeros(len(everyone), dtype=np.int64)
    if strata is not None:
        code = np.unique(np.asarray(strata)[everyone], return_inverse=True)[1].astype(np.int64)
    sizes = np.zeros((int(code.max(initial=0)) + 1, 2), dtype=np.int64)
    np.add.at(sizes, (code, (~in_first).astype(np.int64)), 1)
    both = np.asarray(sizes.min(axis=1) > 0)
    used = both[code]
    code = (np.cumsum(both) - 1)[code[used]]
    everyone, in_first, sizes = everyone[used], in_first[used], sizes[both]
    totals = sizes.sum(axis=0)
    if len(sizes) == 0 or totals.min() < 2:
        raise InputError(
            f"contrast {name}: {totals[0]} and {totals[1]} images in strata with both groups, need 2 each"
        )
    order = np.lexsort((everyone, ~in_first, code))
    weights = sizes.prod(axis=1) / sizes.sum(axis=1)
    return Design(
        order=everyone[order],
        stratum=code[order],
        first=in_first[order],
        sizes=sizes,
        weights=weights / weights.sum(),
        paired=bool(totals.min() < 2 * len(sizes)),
    )


def stratified_difference(values: FloatArray, design: Design) -> tuple[FloatArray, FloatArray]:
    """Weighted mean over strata of the difference between groups, and its variance over images.

    Args:
        values: [..., used] in ``design.order``.
        design: The strata.

    Returns:
        Two arrays [...].
    """
    sums, squares = _cell_sums(values, design), _cell_sums(values**2, design)
    means = (sums / design.sizes.ravel()).reshape(*values.shape[:-1], -1, 2)
    by_stratum = means[..., 0] - means[..., 1]
    difference = by_stratum @ design.weights
    count = len(design.weights)
    if design.paired:
        deviations = design.weights * (by_stratum - difference[..., None])
        return difference, np.asarray((deviations**2).sum(axis=-1) * count / (count - 1))
    deviance = np.maximum(squares - sums**2 / design.sizes.ravel(), 0.0).reshape(*values.shape[:-1], -1, 2)
    totals = design.sizes.sum(axis=0)
    of_groups = (deviance * (design.weights[:, None] / design.sizes) ** 2).sum(axis=-2)
    return difference, np.asarray((of_groups * totals / (totals - count)).sum(axis=-1))


def permuted_differences(
    values: FloatArray, design: Design, *, permutations: int, rng: np.random.Generator
) -> FloatArray:
    """[permutations] Difference in its own standard errors, group labels permuted within strata.

    Args:
        values: [used] in ``design.order``, on a scale that does not depend on the group labels.
        design: The strata.
        permutations: 1 or more.
        rng: Source of the permutations.
    """
    result = np.empty(permutations)
    chunk = max(1, CHUNK_VALUES // len(values))
    for start in range(0, permutations, chunk):
        rows = min(chunk, permutations - start)
        shuffled = values[np.argsort(design.stratum + rng.random((rows, len(values))), axis=1)]
        difference, variance = stratified_difference(shuffled, design)
        error = np.sqrt(variance)
        result[start : start + rows] = np.divide(
            difference, error, out=np.zeros_like(difference), where=error > 1e-12
        )
    return result


def _cell_sums(values: FloatArray, design: Design) -> FloatArray:
    starts = np.concatenate([[0], np.cumsum(design.sizes.ravel())[:-1]])
    return np.asarray(np.add.reduceat(values, starts, axis=-1))


def _cell_means(values: FloatArray, design: Design) -> FloatArray:
    return np.asarray(_cell_sums(values, design) / design.sizes.ravel())
