"""Arrays that the statistics share, and the checks of their inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auditor.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BENCHMARK_ONLY = -1
"""Label of images that belong to no concept and serve only for comparison."""


@dataclass(frozen=True)
class ImageGroups:
    """Which image belongs to which concept, sorted once so that sums run over slices."""

    order: IntArray
    """[images] Positions of the images, group by group."""
    starts: IntArray
    """[groups] Where each group begins in ``order``."""
    sizes: IntArray
    """[groups] Images per group, at least 2."""
    concepts: int
    """The first so many groups are concepts; one more may hold the benchmark-only images."""
    against_zero: bool = False
    """Responses are differences, an image less its counterfactual, and are compared with zero."""

    @property
    def count(self) -> int:
        """Number of groups; the benchmark-only images are one group."""
        return len(self.sizes)

    @property
    def shares(self) -> FloatArray:
        """[concepts, groups] Weight of each group in what a concept is compared with.

        This is the group of benchmark-only images if there is one; else the other concepts, with equal
        weights whatever their sizes.
        """
        if self.against_zero:
            return np.zeros((self.concepts, self.count))
        if self.count > self.concepts:
            only = np.zeros((self.concepts, self.count))
            only[:, -1] = 1.0
            return only
        return (1.0 - np.eye(self.concepts)) / max(1, self.concepts - 1)


def group_images(labels: ArrayLike, concepts: int, *, against_zero: bool = False) -> ImageGroups:
    """Sort images by label.

    Args:
        labels: [images] 0 to ``concepts`` - 1, or -1 for benchmark-only images.
        concepts: Number of concepts.
        against_zero: Responses are differences; then there are no benchmark-only images.

    Raises:
        InputError: A label is outside that range, a concept has fewer than 2 images, or there is
            nothing to compare with (one concept and no benchmark-only images).
    """
    label = np.asarray(labels, dtype=np.int64)
    if label.ndim != 1:
        raise InputError(f"labels: shape {label.shape}, need one label per image")
    if label.size and (label.min() < BENCHMARK_ONLY or label.max() >= concepts):
        raise InputError(f"labels: range {label.min()} to {label.max()}, need -1 to {concepts - 1}")
    group = np.where(label == BENCHMARK_ONLY, concepts, label)
    count = concepts + int(bool(np.any(label == BENCHMARK_ONLY)))
    sizes = np.bincount(group, minlength=count).astype(np.int64)
    for index, size in enumerate(sizes):
        if size < 2:
            name = "benchmark" if index == concepts else f"concept {index}"
            raise InputError(f"labels: {size} images of {name}, need at least 2")
    if against_zero and count > concepts:
        raise InputError("labels: benchmark images beside differences from counterfactuals, need none")
    if count < 2 and not against_zero:
        raise InputError("labels: one concept and no benchmark images, need something to compare with")
    order = np.argsort(group, kind="stable").astype(np.int64)
    return ImageGroups(order, starts_of(sizes), sizes, concepts=concepts, against_zero=against_zero)


def starts_of(sizes: IntArray) -> IntArray:
    """[groups] Where each group begins, if groups of such sizes follow one another."""
    return (np.cumsum(sizes) - sizes).astype(np.int64)


def as_responses(responses: ArrayLike, images: int, *, name: str = "responses") -> FloatArray:
    """[rows, images] as float64; one row where one dimension was given.

    Raises:
        InputError: Wrong number of images, no rows, or values that are not finite.
    """
    values = np.atleast_2d(np.asarray(responses, dtype=np.float64))
    if values.ndim != 2 or values.shape[1] != images or values.shape[0] < 1:
        raise InputError(f"{name}: shape {values.shape}, need [rows, {images} images]")
    if not np.isfinite(values).all():
        raise InputError(f"{name}: {np.sum(~np.isfinite(values))} values are not finite, need none")
    return values


def standardise_rows(values: FloatArray) -> FloatArray:
    """Each row minus its mean, divided by its standard deviation; a constant row becomes zeros.

    The scale is that of the pooled images, so it does not change when labels are permuted.
    """
    centred = values - values.mean(axis=-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True))
    # Rounding errors of a constant row must not be scaled up.
    floor = 1e-12 * np.maximum(1.0, np.abs(values).max(axis=-1, keepdims=True, initial=0.0))
    return np.where(scale > floor, centred / np.where(scale > floor, scale, 1.0), 0.0)
