"""A texture seen on a thing: a rounded shape of no particular kind, before an unsharp background.

The scene is drawn from the picture's index alone, so that every texture of a bank is seen on the same
things before the same backgrounds.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from auditor.banks.generated.textures.canvas import Field, fractal


@dataclass(frozen=True)
class Scene:
    """A shape, its light, and what stands behind it."""

    where: tuple[Field, Field]
    """Row and column of the texture's picture that each pixel of the shape shows."""
    shade: Field
    """[size, size] light on the shape."""
    cover: Field
    """[size, size] 1 on the shape, 0 beside it."""
    background: Field
    """[3, size, size], 0 to 1."""

    def show(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture of a texture [size, size, 3], wrapped around the shape."""
        seen = np.empty_like(picture)
        for colour, behind in enumerate(self.background):
            texture = self._interpolated(picture[..., colour].astype(np.float32) / 255)
            shown = texture * self.shade * self.cover + behind * (1 - self.cover)
            seen[..., colour] = np.rint(np.clip(shown, 0, 1) * 255)
        return seen

    @cached_property
    def _corners(self) -> list[tuple[NDArray[np.intp], Field, Field]]:
        """The four pixels around each place of :attr:`where`, with their weights by row and by column."""
        rows, columns = self.where
        size = len(rows)
        top, left = np.floor(rows), np.floor(columns)
        down, right = (rows - top).astype(np.float64), (columns - left).astype(np.float64)
        corner = top.astype(np.intp) * size + left.astype(np.intp)
        below, beside = np.where(top < size - 1, size, 0), np.where(left < size - 1, 1, 0)
        return [
            (corner, 1 - down, 1 - right),
            (corner + beside, 1 - down, right),
            (corner + below, down, 1 - right),
            (corner + below + beside, down, right),
        ]

    def _interpolated(self, plane: Field) -> Field:
        """One colour of a picture, [size, size], at the places of :attr:`where`.

        To the last bit what ``scipy.ndimage.map_coordinates`` of order 1 makes, in a fraction of the time.
        """
        flat = plane.astype(np.float64).ravel()
        found = np.zeros(plane.shape)
        for corner, by_row, by_column in self._corners:
            found += flat.take(corner) * by_row * by_column
        return found.astype(np.float32)


@lru_cache(maxsize=2)
def scene(size: int, seed: int, index: int) -> Scene:
    """A blob of drawn size, outline, place and light, with its shadow on ground and sky.

    Pictures of one index share it, and are best drawn one after another.
    """
    rng = np.random.Generator(np.random.PCG64([seed, index]))
    side = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(side, side)
    cx, cy = rng.uniform(-0.2, 0.2, 2)
    width, height, turn = rng.uniform(0.5, 0.85), rng.uniform(0.4, 0.75), rng.uniform(0, np.pi)
    c, s = np.cos(turn), np.sin(turn)
    u, v = ((x - cx) * c + (y - cy) * s) / width, (-(x - cx) * s + (y - cy) * c) / height
    around = np.arctan2(v, u)
    wobble = [rng.normal(0, 0.13 / k) * np.cos(k * around + rng.uniform(0, 2 * np.pi)) for k in range(2, 6)]
    radius = np.hypot(u, v) / np.maximum(1 + np.sum(wobble, axis=0), 0.3)  # 1 on the outline
    edge = size * 0.125 * min(width, height)
    cover = ndimage.gaussian_filter(1 / (1 + np.exp(np.clip((radius - 1) * edge, -50, 50))), 0.6)
    shade = _shade(radius, cover > 0.5, rng)
    zoom = rng.uniform(0.85, 1.6) * (1 + 0.35 * radius**2)  # a round thing shows more of itself at its rim
    rows, columns = (_mirrored((part * zoom + 1) / 2 * size, size) for part in (y - cy, x - cx))
    shadow = np.roll(cover, (int(size * 0.06), int(size * 0.03)), (0, 1))
    shaded = 1 - 0.45 * ndimage.gaussian_filter(shadow, size * 0.04)
    background = np.moveaxis(_background(y, size, rng) * shaded[..., None], -1, 0)
    as_float32 = [
        np.ascontiguousarray(part, np.float32) for part in (rows, columns, shade, cover, background)
    ]
    return Scene((as_float32[0], as_float32[1]), *as_float32[2:])


def _shade(radius: Field, inside: NDArray[np.bool_], rng: np.random.Generator) -> Field:
    gy, gx = np.gradient(np.sqrt(np.clip(1 - radius**2, 0, 1)) * 0.3 * len(radius))
    lx, ly, lz = rng.normal(0, 0.6), -abs(rng.normal(0.5, 0.4)), 0.8
    facing = (-gx * lx - gy * ly + lz) / np.sqrt((1 + gx**2 + gy**2) * (lx**2 + ly**2 + lz**2))
    facing = np.clip(facing, 0, None)
    return np.asarray(0.35 + 0.64 * facing / max(float(facing[inside].mean()), 0.2))


def _mirrored(position: Field, size: int) -> Field:
    """Positions beyond the picture's border fold back into it."""
    folded = np.abs(position) % (2 * size)
    return np.clip(np.where(folded >= size, 2 * size - 1 - folded, folded), 0, size - 1)


def _background(y: Field, size: int, rng: np.random.Generator) -> Field:
    """Ground and sky, out of focus."""
    horizon = rng.uniform(-0.3, 0.5) + 0.1 * fractal(rng, size, 3)
    sky = _colour(rng.choice([rng.normal(0.58, 0.04), rng.normal(0.1, 0.05)]), (0.05, 0.5), (0.5, 0.95), rng)
    hues = [rng.normal(0.09, 0.03), rng.normal(0.28, 0.05), rng.normal(0.6, 0.1)]
    ground = _colour(rng.choice(hues), (0.1, 0.6), (0.2, 0.7), rng)
    below = 1 / (1 + np.exp(np.clip(-(y - horizon) * rng.uniform(4, 20), -50, 50)))[..., None]
    picture = sky * (1 - below) + ground * below
    picture = picture * (1 + 0.18 * fractal(rng, size, 3, octaves=5, gain=0.7)[..., None])
    picture = picture + 0.03 * rng.standard_normal(3) * fractal(rng, size, 4, octaves=3)[..., None]
    blur = rng.uniform(0.5, 3) * size / 256
    return np.asarray(ndimage.gaussian_filter(picture, (blur, blur, 0)))


def _colour(
    hue: float, saturation: tuple[float, float], value: tuple[float, float], rng: np.random.Generator
) -> Field:
    return np.array(colorsys.hsv_to_rgb(hue % 1, rng.uniform(*saturation), rng.uniform(*value)), np.float32)
