"""Textures of broken or grown stone: cracked ground, clusters of crystals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.banks.generated.textures.canvas import Canvas, Field, Surface, blurred, step


def cracked(canvas: Canvas) -> Surface:
    """Dry ground split into flat, rough plates by thin dark cracks, older ones wider than later ones."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(3.5, 7))
    ragged = np.float32(0.05)
    u = u + ragged * canvas.noise(10, octaves=4, gain=0.6)
    v = v + ragged * canvas.noise(10, octaves=4, gain=0.6)
    width = rng.uniform(0.01, 0.03) * np.exp(0.35 * canvas.noise(5, octaves=2))
    border, plate = _plates(rng, u, v)
    crack = 1 - step(width, 1 / pitch, border)
    # Later cracks: finer plates, narrower, only around a share of them.
    for finer, narrower, share, depth in (
        (rng.uniform(1.8, 2.4), 0.4, 0.6, rng.uniform(0.4, 1, 4096)),
        (rng.uniform(4, 6), 0.15, 0.25, np.full(4096, 0.5)),
    ):
        later, key = _plates(rng, u * np.float32(finer), v * np.float32(finer))
        dark = (depth * (rng.uniform(size=4096) < share)).astype(np.float32)[key]
        line = 1 - step(narrower * width, 0.75 / pitch, later / np.float32(finer))
        crack = np.maximum(crack, dark * line)
    grain, lumps = canvas.noise(60, octaves=2, gain=0.7), canvas.noise(14, octaves=4, gain=0.6)
    soil = rng.uniform(0.3, 1.2)
    worn = np.clip(border / (2.2 * width), 0, 1)
    height = soil * (0.8 * grain + 1.3 * lumps) + pitch * (0.04 * worn - 0.05 * crack)
    tone = 0.2 + 0.12 * rng.uniform(size=4096)[plate] + 0.06 * lumps + 0.05 * grain
    return Surface(mix=tone.astype(np.float32), height=height, light=1 - 0.85 * crack)


def _plates(rng: np.random.Generator, u: Field, v: Field) -> tuple[Field, NDArray[np.intp]]:
    """Cells around scattered points: distance to the cell's straight border, and its key, 0 to 4095.

    ``u`` and ``v`` [size, size] and the distance are in cells. Unlike ``Cells.border`` the distance is
    exact, so that a crack along the border is equally wide all along.
    """
    offsets = (0.5 + 0.9 * rng.uniform(-0.5, 0.5, (2, 4096))).astype(np.float32)
    iu, iv = np.floor(u).astype(np.intp), np.floor(v).astype(np.intp)
    fu, fv = u - iu, v - iv
    across, down = ([(i + d & 63) * scale for d in (-1, 0, 1)] for i, scale in ((iu, 64), (iv, 1)))
    keys = np.empty((9, *u.shape), np.intp)
    du, dv = np.empty((2, 9, *u.shape))
    for at, (dj, di) in enumerate(np.ndindex(3, 3)):
        key = np.add(across[di], down[dj], out=keys[at])
        np.subtract(np.float32(di - 1) + offsets[0].take(key), fu, out=du[at])
        np.subtract(np.float32(dj - 1) + offsets[1].take(key), fv, out=dv[at])
    squared = du * du + dv * dv
    nearest = squared.argmin(axis=0)[None]
    own_u, own_v, own, key = (np.take_along_axis(a, nearest, axis=0) for a in (du, dv, squared, keys))
    apart = np.hypot(du - own_u, dv - own_v)
    to_border = np.where(apart > 1e-4, (squared - own) / (2 * np.maximum(apart, 1e-4)), 9)
    return to_border.min(axis=0).astype(np.float32), key[0]


def crystalline(canvas: Canvas) -> Surface:
    """A cluster of clouded crystals grown into one another, with many flat faces and some glints."""
    rng, size = canvas.rng, canvas.size
    cluster = _Cluster(size)
    largest = rng.uniform(0.10, 0.22) / canvas.zoom * size
    for radius in largest * rng.uniform(0.25, 1, int(rng.integers(90, 200))) ** 1.5:
        cluster.grow(rng, float(radius))
    soft = rng.uniform(0.5, 1)
    cloud = canvas.noise(7, octaves=4, gain=0.6)
    top = np.maximum(cluster.top, np.percentile(cluster.top, 1) - 1)
    hollow = blurred(np.clip((blurred(top, size / 24) - top) / (0.5 * largest), 0, 1), 1)
    light = (1 - 0.4 * hollow) * (blurred(cluster.light, soft) + 0.15 * cloud)
    rough = np.gradient(1.2 * canvas.noise(5, octaves=5, gain=0.65))  # broken and etched faces
    # Milky parts let less of the faces be seen.
    milk = 0.6 * np.clip(0.35 + 0.5 * canvas.noise(2, octaves=3), 0, 1)
    down, right = (
        (1 - milk) * (0.55 * blurred(slope, soft) + 0.05 * canvas.noise(30, octaves=2) + uneven)
        for slope, uneven in zip((cluster.down, cluster.right), rough, strict=True)
    )
    return Surface(
        mix=np.clip(blurred(cluster.tone, soft) + 0.1 * cloud, 0, 1),
        slope=(right, down),
        light=np.clip(light, 0.08, 1.6) * (1 - milk) + milk,
        gloss=0.9,
    )


@dataclass(frozen=True)
class _Faces:
    """The visible face at every pixel of one crystal, in the crystal's own directions and radii."""

    height: Field
    face: NDArray[np.int8]
    """Its number; 0: none."""
    along: Field
    """[faces] Slope along the crystal's length."""
    across: Field
    shine: Field
    """A number for each face, -1 to 1."""


def _faces(rng: np.random.Generator, along: Field, across: Field) -> _Faces:
    """Steep sides and a blunt point of 5 to 7 faces each; a convex body is the lowest of its planes."""
    sides = int(rng.integers(5, 8))
    turn = rng.uniform(0, 2 * np.pi)
    lean = rng.normal(0, 0.35, 2)
    planes = [(0.0, 0.0, rng.uniform(0.3, 0.9))]  # the point is cut off
    for k in range(sides):
        angle = turn + 2 * np.pi * (k + rng.normal(0, 0.08)) / sides
        planes.append((2.2, angle, rng.uniform(1.8, 2.2)))
        planes.append((rng.uniform(0.5, 1), angle + rng.normal(0, 0.05), rng.uniform(0.55, 1)))
    height = np.full(np.broadcast_shapes(along.shape, across.shape), 9, np.float32)
    face = np.zeros(height.shape, np.int8)
    of_face: list[tuple[float | np.float32, ...]] = [(0.0, 0.0, 0.0)]
    for steep, angle, above in planes:
        a, b = np.float32(lean[0] - steep * np.cos(angle)), np.float32(lean[1] - steep * np.sin(angle))
        z = np.float32(above) + a * along + b * across
        np.copyto(face, len(of_face), where=z < height)
        np.minimum(height, z, out=height)
        of_face.append((a, b, rng.uniform(-1, 1)))
    return _Faces(height, face, *np.array(of_face, np.float32).T)


class _Cluster:
    """The highest crystal at every pixel, [size, size] each; lengths are in pixels."""

    def __init__(self, size: int) -> None:
        self.top = np.full((size, size), -1e3, np.float32)
        self.right = np.zeros((size, size), np.float32)
        """Slope along x."""
        self.down = np.zeros((size, size), np.float32)
        """Slope along y."""
        self.tone = np.full((size, size), 0.3, np.float32)
        self.light = np.full((size, size), 0.6, np.float32)

    def grow(self, rng: np.random.Generator, radius: float) -> None:
        """One more crystal somewhere, up to 3 times as long as wide."""
        size = len(self.top)
        cx, cy = rng.uniform(-0.05, 1.05, 2) * size
        stretch, turn = rng.uniform(1.3, 3.2), rng.uniform(0, 2 * np.pi)
        c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        reach = int(1.6 * radius * stretch) + 2
        x0, x1 = max(0, int(cx) - reach), min(size, int(cx) + reach)
        y0, y1 = max(0, int(cy) - reach), min(size, int(cy) + reach)
        yy, xx = np.ogrid[y0:y1, x0:x1]
        dx, dy = ((xx - cx) / radius).astype(np.float32), ((yy - cy) / radius).astype(np.float32)
        faces = _faces(rng, (c * dx + s * dy) / np.float32(stretch), c * dy - s * dx)
        z = np.float32(radius) * (faces.height + np.float32(rng.normal(0, 0.25)))
        part = np.s_[y0:y1, x0:x1]
        seen = (z > self.top[part]) & (faces.height > -0.8)
        face, height = faces.face[seen], faces.height[seen]
        along, across = faces.along[face] / np.float32(stretch), faces.across[face]
        shine = faces.shine[face]
        for sheet, new in (
            (self.top, z[seen]),
            (self.right, c * along - s * across),
            (self.down, s * along + c * across),
            (self.tone, 0.3 + rng.uniform(-0.12, 0.12) + 0.08 * shine - 0.1 * height),
            (self.light, 0.75 + rng.uniform(-0.1, 0.1) + 0.2 * shine),
        ):
            sheet[part][seen] = new
