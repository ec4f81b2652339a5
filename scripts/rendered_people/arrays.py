"""Names of array types and small functions of vectors."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


def unit(vectors: Floats) -> Floats:
    """Vectors of length one along the last axis."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, 1e-12)


def smooth(low: float, high: float, values: Floats) -> Floats:
    """0 below ``low``, 1 above ``high``, smooth between. ``low`` may lie above ``high``."""
    share = np.clip((np.asarray(values) - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def rotation(axis: int, degrees: float) -> Floats:
    """[3, 3] Rotation about a coordinate axis."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    first, second = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = cos
    matrix[first, second], matrix[second, first] = -sin, sin
    return matrix


def vertex_normals(vertices: Floats, faces: Ints) -> Floats:
    """[vertices, 3] Normals weighted by area."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, corner], across[:, axis], minlength=len(vertices))
    return unit(total)


def noise3(points: Floats, scale: float, seed: int) -> Floats:
    """Smooth noise of unit spread: a sum of plane waves of random directions near one wavelength."""
    random = np.random.default_rng([seed, 77])
    waves = unit(random.normal(size=(14, 3))) * random.uniform(0.6, 1.6, size=(14, 1)) * (2 * np.pi / scale)
    phases = random.uniform(0, 2 * np.pi, size=14)
    return np.asarray(np.cos(points @ waves.T + phases).sum(axis=1) * np.sqrt(2 / 14))
