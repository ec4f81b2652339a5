"""Shapes and patterns as smooth masks on a grid, vectorised over scenes (NumPy only)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]

SIDE = 64
"""Height and width of a rendered image in pixels."""


def grid() -> tuple[FloatArray, FloatArray]:
    """Pixel centres in [-1, 1]: x to the right, y downwards, each [1, SIDE, SIDE]."""
    line = ((np.arange(SIDE) + 0.5) / SIDE * 2 - 1).astype(np.float32)
    return line[None, None, :].repeat(SIDE, 1), line[None, :, None].repeat(SIDE, 2)


def column(values: NDArray[np.floating] | FloatArray) -> FloatArray:
    """[n] to [n, 1, 1], so that one number per scene meets the grid."""
    result: FloatArray = np.asarray(values, dtype=np.float32)[:, None, None]
    return result


def soft(distance: FloatArray, edge: float | FloatArray = 0.04) -> FloatArray:
    """1 inside (negative distance), 0 outside, a ramp of width ``edge`` between."""
    result: FloatArray = np.clip(0.5 - distance / edge, 0.0, 1.0).astype(np.float32)
    return result


def turned(x: FloatArray, y: FloatArray, angle: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coordinates rotated by ``angle`` radians ([n, 1, 1])."""
    cos, sin = np.cos(angle), np.sin(angle)
    along: FloatArray = (cos * x + sin * y).astype(np.float32)
    across: FloatArray = (cos * y - sin * x).astype(np.float32)
    return along, across


def _polygon(x: FloatArray, y: FloatArray, corners: int) -> FloatArray:
    theta = np.arctan2(y, x)
    sector = 2 * np.pi / corners
    folded = np.mod(theta + np.pi / 2 + sector / 2, sector) - sector / 2
    result: FloatArray = np.hypot(x, y) * np.cos(folded) - np.cos(np.pi / corners)
    return result


def _disc(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.hypot(x, y) - 0.85


def _triangle(x: FloatArray, y: FloatArray) -> FloatArray:
    return _polygon(x, y + 0.1, 3)


def _star(x: FloatArray, y: FloatArray) -> FloatArray:
    theta = np.arctan2(y, x)
    return np.hypot(x, y) - (0.68 + 0.3 * np.cos(5 * (theta + np.pi / 2)))


def _plus(x: FloatArray, y: FloatArray) -> FloatArray:
    bar = np.maximum(np.abs(x) - 0.95, np.abs(y) - 0.3)
    return np.minimum(bar, np.maximum(np.abs(y) - 0.95, np.abs(x) - 0.3))


def _ring(x: FloatArray, y: FloatArray) -> FloatArray:
    result: FloatArray = np.abs(np.hypot(x, y) - 0.68) - 0.22
    return result


def _crescent(x: FloatArray, y: FloatArray) -> FloatArray:
    result: FloatArray = np.maximum(np.hypot(x, y) - 0.9, 0.7 - np.hypot(x - 0.45, y))
    return result


def _bar(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.maximum(np.abs(x) - 0.95, np.abs(y) - 0.4)


def _drop(x: FloatArray, y: FloatArray) -> FloatArray:
    result: FloatArray = np.hypot(x / 0.7, y / (0.95 + 0.3 * np.tanh(2 * y))) - 0.9
    return result


def blob(x: FloatArray, y: FloatArray) -> FloatArray:
    """A shape of no class, between all of them."""
    theta = np.arctan2(y, x)
    result: FloatArray = np.hypot(x, y) - (0.75 + 0.12 * np.cos(2 * theta) + 0.1 * np.sin(3 * theta))
    return result


Shape = Callable[[FloatArray, FloatArray], FloatArray]

CLASS_SHAPES: dict[str, Shape] = {
    "disc": _disc,
    "triangle": _triangle,
    "star": _star,
    "plus": _plus,
    "ring": _ring,
    "crescent": _crescent,
}
"""A class is told by its shape: signed distance, negative inside, at unit size."""

NEUTRAL_SHAPES: dict[str, Shape] = {"bar": _bar, "drop": _drop, "blob": blob}
"""Shapes of no class: what a bank shows a concept on."""


def banded(x: FloatArray, y: FloatArray, period: FloatArray) -> FloatArray:
    """Stripes along x, in [-1, 1]."""
    result: FloatArray = np.clip(2.5 * np.sin(2 * np.pi * x / period), -1, 1) + 0 * y
    return result


def dotted(x: FloatArray, y: FloatArray, period: FloatArray) -> FloatArray:
    """Discs on a grid, in [-1, 1]."""
    u, v = np.mod(x / period, 1) - 0.5, np.mod(y / period, 1) - 0.5
    return 2 * soft(np.hypot(u, v) - 0.28, 0.15) - 1


def chequered(x: FloatArray, y: FloatArray, period: FloatArray) -> FloatArray:
    """Chessboard, in [-1, 1]."""
    result: FloatArray = np.clip(6 * np.sin(np.pi * x / period) * np.sin(np.pi * y / period), -1, 1)
    return result


def zigzagged(x: FloatArray, y: FloatArray, period: FloatArray) -> FloatArray:
    """Stripes folded to and fro, in [-1, 1]."""
    fold = np.abs(np.mod(y / period / 1.4, 1) - 0.5) * 1.4 * period
    result: FloatArray = np.clip(2.5 * np.sin(2 * np.pi * (x + 1.4 * fold) / period), -1, 1)
    return result
