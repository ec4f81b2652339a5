"""Two models measured on the same images: how uncertain is the difference of their effects?

Both releases see the same bank images, so chance differences between images largely cancel. A
bootstrap that draws the *same* images for both keeps that; adding up two separate intervals does not.
Occluders are learned anew for each release, so the variance between refits is added for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.statistics.inference import satterthwaite
from auditor.statistics.refits import refit_variance

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RESAMPLES = 2000


@dataclass(frozen=True)
class Draws:
    """Bootstrap draws of a bank's images, within each label, shared by everything compared."""

    labels: IntArray
    """[images]"""
    counts: FloatArray
    """[resamples, images] How often each image was drawn; the first row is the sample itself."""


@dataclass(frozen=True)
class Moments:
    """Sums of one model's responses over each draw."""

    count: FloatArray
    """[labels]"""
    mean: FloatArray
    """[resamples + 1, refits, labels]"""
    square: FloatArray
    """[resamples + 1, refits, labels] Mean of the squared response."""


def draw_images(labels: IntArray, *, rng: np.random.Generator, resamples: int = RESAMPLES) -> Draws:
    """Draw images with replacement within each label, so that every draw has the bank's sizes."""
    labels = np.asarray(labels, dtype=np.int64)
    counts = np.zeros((resamples + 1, len(labels)))
    counts[0] = 1.0
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        share = np.full(len(members), 1.0 / len(members))
        counts[1:, members] = rng.multinomial(len(members), share, size=resamples)
    return Draws(labels, counts)


def draw_pairs(
    pair: IntArray, first: NDArray[np.bool_], *, rng: np.random.Generator, resamples: int
) -> Draws:
    """Draw matched pairs with replacement, both images of a pair together.

    Args:
        pair: [images] Number of the pair that an image belongs to; every pair has one image of each group.
        first: [images] Whether it belongs to the first group, which gets label 0, the other label 1.
        rng: Source of the draws.
        resamples: Number of draws.
    """
    count = len(pair) // 2
    drawn = np.vstack([np.ones(count), rng.multinomial(count, np.full(count, 1 / count), size=resamples)])
    position = np.unique(pair, return_inverse=True)[1]
    return Draws(np.where(first, 0, 1).astype(np.int64), drawn[:, position])


def moments(responses: NDArray[np.floating], draws: Draws) -> Moments:
    """Mean and mean square of each label's responses, per draw and refit.

    Args:
        responses: [refits, images] in any unit.
        draws: Of the same images.
    """
    values = np.atleast_2d(np.asarray(responses, dtype=np.float64))
    names = np.unique(draws.labels)
    shape = (len(draws.counts), len(values), len(names))
    mean, square, count = np.empty(shape), np.empty(shape), np.empty(len(names))
    for column, label in enumerate(names):
        members = np.flatnonzero(draws.labels == label)
        count[column] = len(members)
        drawn = draws.counts[:, members]
        mean[..., column] = drawn @ values[:, members].T / len(members)
        square[..., column] = drawn @ (values[:, members] ** 2).T / len(members)
    return Moments(count, mean, square)


def concept_effects(
    seen: Moments, column: int, *, labels: IntArray, against_zero: bool = False
) -> FloatArray:
    """[resamples + 1, refits] One label's mean less that of what it is compared with.

    That is the control images (label -1) alone where there are any, else every other label alike, as
    :attr:`auditor.statistics.arrays.Groups.shares` has it.

    Args:
        seen: Moments of every label.
        column: The concept's.
        labels: [images] Of the same images.
        against_zero: Responses are differences from twins; there is nothing to subtract.
    """
    present = np.unique(labels)
    counts = present < 0 if (present < 0).any() else np.arange(len(present)) != column
    shares = np.zeros(len(present)) if against_zero else counts / counts.sum()
    return np.asarray(seen.mean[..., column] - seen.mean @ shares)


def contrast_effects(seen: Moments, more: int, less: int) -> FloatArray:
    """[resamples + 1, refits] Difference of two labels' means, in standard deviations within them."""
    variance = _variance(seen)
    return _ratio(
        seen.mean[..., more] - seen.mean[..., less], (variance[..., more] + variance[..., less]) / 2
    )


@dataclass(frozen=True)
class Uncertainty:
    """Of the difference between two releases."""

    error: float
    """Standard error."""
    df: float
    """Degrees of freedom of its estimate."""


def uncertainty_of_difference(old: FloatArray, new: FloatArray, *, images: float) -> Uncertainty:
    """How sure ``new - old`` is, over draws of images (the same for both) and of refits (each its own).

    Args:
        old: [resamples + 1, refits] Effects under the draws; the first row is the sample itself.
        new: The same for the other model; its number of refits may differ.
        images: Images on the smaller side, for the degrees of freedom.
    """
    of_images = float(np.var(new[1:].mean(axis=1) - old[1:].mean(axis=1), ddof=1))
    before, after = (refit_variance(e[0][:, None]) for e in (old, new))
    v_old, v_new = float(before.of_mean[0]), float(after.of_mean[0])
    of_refits = v_old + v_new
    refit_df = satterthwaite(v_old, float(before.df[0]), v_new, float(after.df[0]))
    df = satterthwaite(of_images, max(images - 1.0, 1.0), of_refits, refit_df)
    return Uncertainty(float(np.sqrt(of_images + of_refits)), df)


def _variance(seen: Moments) -> FloatArray:
    biased = np.maximum(seen.square - seen.mean**2, 0.0)
    return np.asarray(biased * seen.count / np.maximum(seen.count - 1, 1))


def _ratio(difference: FloatArray, variance: FloatArray) -> FloatArray:
    scale = np.sqrt(np.maximum(variance, 0.0))
    return np.divide(difference, scale, out=np.zeros_like(difference), where=scale > 0)


def label_column(labels: IntArray, names: Sequence[str], name: str) -> int | None:
    """Which column of :class:`Moments` holds the concept called ``name``; ``None`` if none does."""
    if name not in names:
        return None
    found = np.flatnonzero(np.unique(labels) == list(names).index(name))
    return int(found[0]) if len(found) else None
