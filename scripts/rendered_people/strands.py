"""Draws strands of hair: shaded at their points, drawn as fine lines with a depth buffer.

How much light comes through the hair is counted: cells know how much hair they hold, and what lies on the way
from a point to a light dims it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from scripts.rendered_people.arrays import Floats, smooth, unit
from scripts.rendered_people.space import Distance

FINER = 3
"""Strands are drawn on a grid that is finer than the picture by this factor."""


@dataclass(frozen=True)
class Strands:
    """Strands of one kind."""

    lines: Floats
    """[strands, points, 3]"""
    colours: Floats
    """[strands, 3] Linear RGB."""
    gloss: float = 1.0
    width: float = 0.0004
    """Of the shadow that a strand casts, in metres."""


@dataclass(frozen=True)
class Beam:
    """Light from one direction."""

    towards: Floats
    """[3] Unit vector to the light."""
    light: Floats
    """[3] Light on a plane that faces it."""
    sharp: bool
    """False for a share of the sky."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera."""

    origin: Floats
    target: Floats
    width: float
    """Metres across at the target."""
    side: int

    def project(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Columns, rows and distances of points [..., 3], in pixels of the finer grid and metres."""
        ahead = unit(self.target - self.origin)
        right = unit(np.cross(ahead, np.array([0.0, 0.0, 1.0])))
        up = np.cross(right, ahead)
        offset = points - self.origin
        depth = offset @ ahead
        scale = np.linalg.norm(self.target - self.origin) / (self.width * depth)
        side = self.side * FINER
        column = (0.5 + (offset @ right) * scale) * side
        row = (0.5 - (offset @ up) * scale) * side
        return column, row, np.linalg.norm(offset, axis=-1)


CELL = 0.004
"""Side of a cell in which hair is counted, in metres."""
_REACH = 22
"""Steps of 1.7 cells on the way to a light."""


@dataclass(frozen=True)
class Thicket:
    """How dense the hair is."""

    density: Floats
    """[x, y, z] Strands crossed for each cell on the way."""
    low: Floats

    def thickness(self, points: Floats, towards: Floats) -> Floats:
        """[points] Strands between points [points, 3] and a light."""
        return np.asarray(_looked_through(self.density, (points - self.low) / CELL, towards, _REACH))


def thicket_of(strands: list[Strands]) -> Thicket:
    """The density of all strands."""
    points = np.concatenate([s.lines.reshape(-1, 3) for s in strands])
    weight = np.concatenate([_length_of_points(s) * s.width for s in strands]) / CELL**2
    low = points.min(axis=0) - 2 * CELL
    size = ((points.max(axis=0) - low) / CELL).astype(np.int64) + 3
    density = np.zeros(tuple(np.minimum(size, 400)))
    _counted(density, (points - low) / CELL, weight)
    return Thicket(density, low)


def _length_of_points(strands: Strands) -> Floats:
    steps = np.linalg.norm(np.diff(strands.lines, axis=1), axis=2)
    return np.asarray(np.concatenate([steps, steps[:, -1:]], axis=1).ravel())


@njit(cache=True)
def _counted(density, points, weight):  # type: ignore[no-untyped-def]
    for k in range(points.shape[0]):
        a, b, c = int(points[k, 0]), int(points[k, 1]), int(points[k, 2])
        if 0 <= a < density.shape[0] and 0 <= b < density.shape[1] and 0 <= c < density.shape[2]:
            density[a, b, c] += weight[k]


@njit(cache=True)
def _looked_through(density, points, towards, reach):  # type: ignore[no-untyped-def]
    found = np.zeros(points.shape[0])
    for k in range(points.shape[0]):
        total = 0.0
        for step in range(reach):
            way = 0.9 + 1.7 * step
            a = int(points[k, 0] + towards[0] * way)
            b = int(points[k, 1] + towards[1] * way)
            c = int(points[k, 2] + towards[2] * way)
            if (
                a < 0
                or b < 0
                or c < 0
                or a >= density.shape[0]
                or b >= density.shape[1]
                or c >= density.shape[2]
            ):
                if total > 0 or step > 14:
                    break
                continue
            total += 1.7 * density[a, b, c]
        found[k] = total
    return found


def shaded(
    strands: list[Strands], thicket: Thicket, beams: list[Beam], eye: Floats, distance: Distance
) -> list[Floats]:
    """For each kind of strands: [strands, points, 3] light towards the camera."""
    points = np.concatenate([s.lines.reshape(-1, 3) for s in strands])
    tangents = unit(np.concatenate([np.gradient(s.lines, axis=1).reshape(-1, 3) for s in strands]))
    counts = [s.lines.shape[1] for s in strands]
    colour = np.concatenate([np.repeat(s.colours, n, axis=0) for s, n in zip(strands, counts, strict=True)])
    gloss = np.concatenate([np.full(s.lines.shape[0] * s.lines.shape[1], s.gloss) for s in strands])
    normals = distance.away(points)
    view = unit(eye - points)
    bright = colour.mean(axis=1)
    # Fair hair lets more light through than dark hair.
    dim = (0.36 - 0.22 * np.clip(bright / 0.25, 0, 1))[:, None]
    total = np.zeros_like(points)
    for beam in beams:
        thickness = thicket.thickness(points, beam.towards)[:, None]
        passed = np.exp(-dim * thickness)
        lit = (normals @ beam.towards)[:, None]
        if not beam.sharp:
            total += beam.light * colour * passed * (0.45 + 0.55 * smooth(-0.6, 0.7, lit)) / np.pi
            continue
        seen = smooth(-0.35, 0.5, lit)
        across = np.sqrt(np.clip(1 - (tangents @ beam.towards) ** 2, 0, 1))[:, None]
        half = unit(view + beam.towards)
        sine = np.sqrt(np.clip(1 - (tangents * half).sum(axis=1) ** 2, 0, 1))[:, None]
        shine = (
            0.055 * sine**70 + 0.55 * np.sqrt(colour) * colour.mean(axis=1, keepdims=True) ** 0.3 * sine**22
        )
        shine = shine * gloss[:, None] * passed
        total += beam.light / np.pi * seen * passed * (colour * (0.35 + 0.65 * across) * 1.15 + shine)
    ends = np.cumsum([len(s.lines) * n for s, n in zip(strands, counts, strict=True)])[:-1]
    parts = np.split(total, ends)
    return [p.reshape(s.lines.shape) for p, s in zip(parts, strands, strict=True)]


def drawn(
    strands: list[Strands], light: list[Floats], camera: Camera, depth: Floats
) -> tuple[Floats, Floats]:
    """The strands' colour, multiplied by their coverage, and the coverage, at the picture's size.

    ``depth`` [side, side] is the distance of what else is seen; strands behind it are hidden.
    """
    side = camera.side * FINER
    buffer = np.repeat(np.repeat(depth, FINER, axis=0), FINER, axis=1).copy()
    picture = np.zeros((side, side, 3))
    covered = np.zeros((side, side), dtype=np.bool_)
    for part, shade in zip(strands, light, strict=True):
        column, row, far = camera.project(part.lines)
        _draw(column, row, far - 0.0012, shade, buffer, picture, covered)
    small = camera.side
    colour = picture.reshape(small, FINER, small, FINER, 3).mean(axis=(1, 3))
    share = covered.reshape(small, FINER, small, FINER).mean(axis=(1, 3))
    return colour, share


@njit(cache=True)
def _draw(column, row, far, shade, buffer, picture, covered):  # type: ignore[no-untyped-def]
    side = buffer.shape[0]
    for strand in range(column.shape[0]):
        for k in range(column.shape[1] - 1):
            x0, y0, z0 = column[strand, k], row[strand, k], far[strand, k]
            x1, y1, z1 = column[strand, k + 1], row[strand, k + 1], far[strand, k + 1]
            steps = int(max(abs(x1 - x0), abs(y1 - y0))) + 1
            if steps > 4000:
                continue
            for s in range(steps):
                t = s / steps
                x, y, z = int(x0 + (x1 - x0) * t), int(y0 + (y1 - y0) * t), z0 + (z1 - z0) * t
                if x < 0 or y < 0 or x >= side or y >= side or z >= buffer[y, x]:
                    continue
                buffer[y, x] = z
                covered[y, x] = True
                for c in range(3):
                    picture[y, x, c] = shade[strand, k, c] * (1 - t) + shade[strand, k + 1, c] * t
