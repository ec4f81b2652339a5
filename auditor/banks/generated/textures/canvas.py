"""The sheet a texture is drawn on: where each pixel lies on the surface, and noise to draw with.

Arrays are float32 of shape [size, size], row first. Lengths on the sheet are in image sides unless a
renderer asks for cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.floating[Any]]


@dataclass
class Surface:
    """What a renderer hands to the light: colour pattern and relief."""

    mix: Field
    """0: the first colour, 1: the second."""
    height: Field | None = None
    """Relief in pixels; ``None`` for a flat sheet."""
    slope: tuple[Field, Field] | None = None
    """Relief by its derivatives along x and y, where a height would be ambiguous (facets)."""
    light: Field | None = None
    """Factor on the light that reaches a point: 0 in a deep hole, 1 in the open."""
    gloss: float = 0.0
    """Strength of highlights, 0 to 1."""

    def __post_init__(self) -> None:
        """Relief and light are float32, however they were computed."""
        self.height = None if self.height is None else np.asarray(self.height, np.float32)
        self.light = None if self.light is None else np.asarray(self.light, np.float32)


@dataclass
class Canvas:
    """Surface coordinates of every pixel after tilt, turn, zoom and smooth deformation."""

    size: int
    rng: np.random.Generator
    x: Field = field(repr=False)
    y: Field = field(repr=False)
    zoom: float
    """Factor on the number of cells, the same distribution for every texture."""

    def cells(self, across: float, *, aspect: float = 1.0) -> tuple[Field, Field, float]:
        """Coordinates with about ``across`` cells over the image: u, v, and a cell's side in pixels."""
        n = across * self.zoom
        du, dv = self.rng.uniform(-0.5, 0.5, 2)
        u = self.x * n + np.float32(du + 64)
        v = self.y * (n / aspect) + np.float32(dv + 64)
        return u.astype(np.float32), v.astype(np.float32), self.size / n

    def noise(self, frequency: float, *, octaves: int = 1, gain: float = 0.5) -> Field:
        """Smooth noise of unit variance, ``frequency`` bumps over the image, plus finer octaves."""
        return fractal(self.rng, self.size, frequency, octaves=octaves, gain=gain)


def canvas(size: int, rng: np.random.Generator, *, upright: bool) -> Canvas:
    """A sheet seen at a random angle and distance, slightly bent.

    ``upright`` textures (roof tiles, leaves) keep their own up; others may lie on any side.
    """
    side = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    px, py = np.meshgrid(side, side)
    tilt = rng.uniform(-0.45, 0.45, 2) * rng.uniform(0.2, 1)
    depth = 1 + np.float32(tilt[0]) * px + np.float32(tilt[1]) * py
    px, py = px / depth, py / depth
    turn = np.deg2rad(rng.uniform(-30, 30)) + (0 if upright else rng.integers(4) * np.pi / 2)
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    bend = np.float32(rng.uniform(0.2, 1) * 0.035)
    x = c * px - s * py + bend * fractal(rng, size, 2.5)
    y = s * px + c * py + bend * fractal(rng, size, 2.5)
    return Canvas(size=size, rng=rng, x=x, y=y, zoom=float(np.exp(rng.uniform(np.log(0.72), np.log(1.4)))))


@lru_cache(maxsize=64)
def _spline(size: int, knots: int) -> Field:
    """Cubic B-spline basis [size, knots + 3] of ``knots`` intervals over the image."""
    t = np.linspace(0, knots, size, endpoint=False) + 0.5 * knots / size
    d = np.abs(t[:, None] - (np.arange(knots + 3)[None] - 1))
    near = 2 / 3 - d**2 + d**3 / 2
    far = (2 - d) ** 3 / 6
    return np.where(d < 1, near, np.where(d < 2, far, 0)).astype(np.float32)


def fractal(
    rng: np.random.Generator, size: int, frequency: float, *, octaves: int = 1, gain: float = 0.5
) -> Field:
    """Spline noise of mean about 0 and unit variance, [size, size]."""
    total = np.zeros((size, size), np.float32)
    power = 0.0
    for octave in range(octaves):
        knots = max(1, min(size // 2, round(frequency * 2**octave)))
        basis = _spline(size, knots)
        grid = rng.standard_normal((knots + 3, knots + 3), dtype=np.float32)
        # A spline averages its knots: 0.479 is the mean over phase of the sum of squared weights.
        total += np.float32(gain**octave / 0.479) * (basis @ grid @ basis.T)
        power += gain ** (2 * octave)
    return total / np.float32(np.sqrt(power))


def step(edge: float | Field, softness: float | Field, x: Field) -> Field:
    """0 below ``edge``, 1 above, rising smoothly over ``softness`` on either side."""
    t = np.clip((x - edge) / (2 * np.maximum(softness, 1e-6)) + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def line(distance: Field, width: float | Field, softness: float | Field) -> Field:
    """1 within ``width`` / 2 of distance 0, falling to 0 over ``softness``."""
    return 1 - step(np.asarray(width, np.float32) / 2, softness, np.abs(distance))


def centred(x: Field) -> Field:
    """Position within the cell, [-0.5, 0.5)."""
    return x - np.floor(x) - np.float32(0.5)


def triangle(x: Field) -> Field:
    """Triangle wave of period 1, [0, 1]."""
    return np.asarray(2 * np.abs(x - np.floor(x + np.float32(0.5))), np.float32)


def per_cell(rng: np.random.Generator, *indices: Field, low: float = 0.0, high: float = 1.0) -> Field:
    """A random number for every cell, by its integer indices (modulo 64)."""
    table = rng.uniform(low, high, (64,) * len(indices)).astype(np.float32)
    return np.asarray(table[tuple(np.floor(i).astype(np.int32) & 63 for i in indices)])


@dataclass(frozen=True)
class Cells:
    """Nearest points of a jittered lattice (Worley noise)."""

    nearest: Field
    """Distance to the nearest point, in cells."""
    second: Field
    """Distance to the second nearest."""
    key: NDArray[np.intp]
    """Identifies the nearest point, 0 to 4095."""

    def border(self) -> Field:
        """Distance to the border with the neighbouring cell, roughly, in cells."""
        return (self.second - self.nearest) / 2


def scatter(rng: np.random.Generator, u: Field, v: Field, *, jitter: float = 0.9) -> Cells:
    """Cells around points scattered one to a lattice square."""
    offsets = (0.5 + jitter * rng.uniform(-0.5, 0.5, (2, 64, 64))).astype(np.float32).reshape(2, -1)
    iu, iv = np.floor(u).astype(np.intp), np.floor(v).astype(np.intp)
    fu, fv = u - iu, v - iv
    across = [(iu + di & 63) * 64 for di in (-1, 0, 1)]
    first = np.full(u.shape, 9.0)
    second = first.copy()
    key = np.zeros(u.shape, np.intp)
    for dj in (-1, 0, 1):
        down, away = iv + dj & 63, fv - dj
        for di in (-1, 0, 1):
            code = across[di + 1] + down
            ou = fu - di - offsets[0].take(code)
            ov = away - offsets[1].take(code)
            d = ou * ou + ov * ov
            np.copyto(key, code, where=d < first)
            np.minimum(second, np.maximum(first, d), out=second)
            np.minimum(first, d, out=first)
    return Cells(np.sqrt(first), np.sqrt(second), key)


def by_key(rng: np.random.Generator, cells: Cells, *, low: float = 0.0, high: float = 1.0) -> Field:
    """A random number for every scattered point."""
    return np.asarray(rng.uniform(low, high, 4096).astype(np.float32)[cells.key])


def streaks(rng: np.random.Generator, along: Field, across: Field, *, length: float = 24.0) -> Field:
    """Fine lines that run along one coordinate (both in pixels): fibres, brush hair. Unit variance."""
    knots = max(4, round(512 / (1.7 * length)))
    threads = rng.standard_normal((256, knots), dtype=np.float32)
    threads = threads + np.float32(0.45) * (np.roll(threads, 1, axis=0) + np.roll(threads, -1, axis=0))
    around = np.concatenate([threads[:, -1:], threads, threads[:, :2]], axis=1)  # so that the sheet wraps
    grain = around @ _spline(512, knots).T
    grain /= grain.std()
    i = np.floor(across).astype(np.int32)
    j = np.floor(along).astype(np.int32) & 511
    f = across - i
    return np.asarray(grain[i & 255, j] * (1 - f) + grain[(i + 1) & 255, j] * f)


def blurred(x: NDArray[Any], sigma: float) -> Field:
    """Gaussian blur, in float32."""
    single = np.asarray(x, np.float32)
    return np.asarray(ndimage.gaussian_filter(single, sigma, mode="nearest", truncate=3.0))
