"""Images that belong together count as one: a person, a source photo, a video, copies of a picture.

Ten crops of a photo are not ten independent observations. Every statistic uses *units*: the average over all
images of one cluster that carry one label. An image without a cluster is a unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, IntArray, starts_of


@dataclass(frozen=True)
class Units:
    """Which images form which unit."""

    order: IntArray
    """[images] Positions of the images, unit by unit."""
    starts: IntArray
    """[units] Where each unit begins in ``order``."""
    sizes: IntArray
    """[units] Images of each unit, 1 or more."""
    labels: IntArray
    """[units] The label that a unit's images carry."""

    def means(self, values: FloatArray) -> FloatArray:
        """[..., units] Mean of ``values`` [..., images] over the images of each unit."""
        sums = np.add.reduceat(np.asarray(values, dtype=np.float64)[..., self.order], self.starts, axis=-1)
        return np.asarray(sums / self.sizes)


def independent_units(labels: ArrayLike, clusters: ArrayLike | None = None) -> Units:
    """Collect images into units: one for every label of every cluster.

    Args:
        labels: [images] Integers.
        clusters: [images] Integers; ``None``: every image is a cluster.

    Raises:
        InputError: No images, or clusters of another length.
    """
    label = np.asarray(labels, dtype=np.int64)
    cluster = np.arange(len(label)) if clusters is None else np.asarray(clusters, dtype=np.int64)
    if label.ndim != 1 or not len(label) or cluster.shape != label.shape:
        raise InputError(f"units: labels {label.shape}, clusters {cluster.shape}, need one of each per image")
    # Units are in the order of their first images.
    pairs = np.stack([label, cluster], axis=1)
    _, first, member = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first, kind="stable"), kind="stable")[member.ravel()]
    order = np.argsort(place, kind="stable").astype(np.int64)
    sizes = np.bincount(place).astype(np.int64)
    starts = starts_of(sizes)
    return Units(order=order, starts=starts, sizes=sizes, labels=label[order[starts]])


def joined(first: ArrayLike, second: ArrayLike) -> IntArray:
    """[images] Clusters that join all images which share a cluster in either of two clusterings [images]."""
    one = np.unique(np.asarray(first), return_inverse=True)[1].ravel()
    two = np.unique(np.asarray(second), return_inverse=True)[1].ravel()
    images = np.arange(len(one))
    offset = len(images) + 1 + int(one.max(initial=0))
    count = offset + 1 + int(two.max(initial=0))
    rows = np.concatenate([images, images])
    columns = np.concatenate([len(images) + one, offset + two])
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1][: len(images)], dtype=np.int64)
