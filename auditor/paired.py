"""Two models measured on the same images: how uncertain is the difference of their effects?

Both releases see the same bank images, so chance differences between images largely cancel. A
bootstrap that draws the *same* images for both keeps that; adding up two separate intervals does not.
Occluders are learned anew for each release, so their refits are drawn separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def moments(responses: NDArray[np.floating], draws: Draws) -> Moments:
    """Mean and mean square of each label's responses, per draw and refit.

    Args:
        responses: [refits, images] in any unit; shifted and scaled per refit for numerical safety,
            which changes no standardised effect.
        draws: Of the same images.
    """
    values = np.atleast_2d(np.asarray(responses, dtype=np.float64))
    spread = values.std(axis=1, keepdims=True)
    values = (values - values.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
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


def concept_effects(seen: Moments, column: int) -> FloatArray:
    """[resamples + 1, refits] Mean of one label minus that of all others, in their standard deviations."""
    others = np.arange(len(seen.count)) != column
    n = seen.count[others].sum()
    mean = (seen.mean[..., others] * seen.count[others]).sum(axis=-1) / n
    square = (seen.square[..., others] * seen.count[others]).sum(axis=-1) / n
    return _ratio(seen.mean[..., column] - mean, (square - mean**2) * n / (n - 1))


def contrast_effects(seen: Moments, more: int, less: int) -> FloatArray:
    """[resamples + 1, refits] Difference of two labels' means, in standard deviations within them."""
    freedom = seen.count[more] + seen.count[less] - 2
    within = sum((seen.square[..., c] - seen.mean[..., c] ** 2) * seen.count[c] for c in (more, less))
    return _ratio(seen.mean[..., more] - seen.mean[..., less], within / freedom)


def spread_of_difference(old: FloatArray, new: FloatArray, *, rng: np.random.Generator) -> float:
    """Standard error of ``new - old`` over draws of images (shared) and of refits (each its own).

    Args:
        old: [resamples + 1, refits] Effects under the draws; the first row is not a draw.
        new: The same for the other model; its number of refits may differ.
        rng: Draws the refits.
    """
    return float(np.std(_over_refits(new[1:], rng) - _over_refits(old[1:], rng), ddof=1))


def _over_refits(effects: FloatArray, rng: np.random.Generator) -> FloatArray:
    resamples, refits = effects.shape
    chosen = rng.integers(refits, size=(resamples, refits))
    drawn: FloatArray = np.take_along_axis(effects, chosen, axis=1).mean(axis=1)
    if refits > 1:
        # A mean over r draws from r refits varies (r - 1) / r as much as it should.
        centre = effects.mean(axis=1)
        drawn = centre + (drawn - centre) * np.sqrt(refits / (refits - 1))
    return drawn


def _ratio(difference: FloatArray, variance: FloatArray) -> FloatArray:
    scale = np.sqrt(np.maximum(variance, 0.0))
    return np.divide(difference, scale, out=np.zeros_like(difference), where=scale > 0)


def label_column(labels: IntArray, names: Sequence[str], name: str) -> int | None:
    """Which column of :class:`Moments` holds the concept called ``name``; ``None`` if none does."""
    if name not in names:
        return None
    found = np.flatnonzero(np.unique(labels) == list(names).index(name))
    return int(found[0]) if len(found) else None
