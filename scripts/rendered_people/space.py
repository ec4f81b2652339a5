"""Distance to the body, on a grid: strands of hair and cloth are kept outside with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.spatial import cKDTree

from scripts.rendered_people.arrays import Floats, unit
from scripts.rendered_people.body import Body

STEP = 0.011
"""Distance of grid points in metres."""


@dataclass(frozen=True)
class Distance:
    """Signed distance from a body: positive outside."""

    values: Floats
    """[x, y, z]"""
    low: Floats
    """[3] Place of the first grid point."""

    def at(self, points: Floats) -> Floats:
        """[...] Distances of points [..., 3]."""
        where = ((points - self.low) / STEP).reshape(-1, 3)
        return np.asarray(_between(self.values, where)[:, 0].reshape(points.shape[:-1]))

    def away(self, points: Floats) -> Floats:
        """[..., 3] Unit vectors that lead away from the body."""
        where = ((points - self.low) / STEP).reshape(-1, 3)
        return unit(_between(self.values, where)[:, 1:].reshape(points.shape))


@njit(cache=True)
def _between(values, where):  # type: ignore[no-untyped-def]
    """[points, 4] Values between grid points, and their slopes."""
    found = np.empty((where.shape[0], 4))
    for k in range(where.shape[0]):
        x = min(max(where[k, 0], 0.0), values.shape[0] - 1.001)
        y = min(max(where[k, 1], 0.0), values.shape[1] - 1.001)
        z = min(max(where[k, 2], 0.0), values.shape[2] - 1.001)
        a, b, c = int(x), int(y), int(z)
        x, y, z = x - a, y - b, z - c
        v000, v001 = values[a, b, c], values[a, b, c + 1]
        v010, v011 = values[a, b + 1, c], values[a, b + 1, c + 1]
        v100, v101 = values[a + 1, b, c], values[a + 1, b, c + 1]
        v110, v111 = values[a + 1, b + 1, c], values[a + 1, b + 1, c + 1]
        near = (v000 * (1 - z) + v001 * z) * (1 - y) + (v010 * (1 - z) + v011 * z) * y
        far = (v100 * (1 - z) + v101 * z) * (1 - y) + (v110 * (1 - z) + v111 * z) * y
        front = (v000 * (1 - z) + v001 * z) * (1 - x) + (v100 * (1 - z) + v101 * z) * x
        rear = (v010 * (1 - z) + v011 * z) * (1 - x) + (v110 * (1 - z) + v111 * z) * x
        lower = (v000 * (1 - y) + v010 * y) * (1 - x) + (v100 * (1 - y) + v110 * y) * x
        upper = (v001 * (1 - y) + v011 * y) * (1 - x) + (v101 * (1 - y) + v111 * y) * x
        found[k, 0] = near * (1 - x) + far * x
        found[k, 1], found[k, 2], found[k, 3] = far - near, rear - front, upper - lower
    return found


def distance_from(body: Body, *, torso: float) -> tuple[Distance, Distance]:
    """Grids about head, neck and shoulders: of the body, and of one whose torso is ``torso`` thicker."""
    top = body.vertices[:, 2].max()
    low = np.array([-0.30, -0.26, top - 0.58])
    high = np.array([0.30, 0.24, top + 0.16])
    axes = [np.arange(low[k], high[k], STEP) for k in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    inside_head = (np.abs(body.neutral[:, 0]) < 0.03) & (body.neutral[:, 1] > -0.125)
    inside_head &= (body.neutral[:, 2] > 0.63) & (body.neutral[:, 2] < 0.70) & (body.neutral[:, 1] < -0.03)
    use = np.flatnonzero(~inside_head)[::5]
    tree = cKDTree(body.vertices[use])
    _, nearest = tree.query(grid.reshape(-1, 3), k=1, eps=0.3)
    which = use[nearest]
    offset = grid.reshape(-1, 3) - body.vertices[which]
    far = np.linalg.norm(offset, axis=1)
    along = (offset * body.normals[which]).sum(axis=1)
    value = np.where(far < 0.02, along, np.sign(along) * far)
    below = np.clip((0.60 - body.neutral[which, 2]) / 0.03, 0, 1)
    shape = grid.shape[:3]
    return Distance(value.reshape(shape), low), Distance((value - torso * below).reshape(shape), low)
