"""Scenes whose class is a shape and whose concepts can be switched on and off one at a time.

A scene is numbers; rendering is a pure function of them. Every parameter of every concept is drawn
whether the concept is present or not, so flipping one bit of ``presence`` changes that concept in the
picture and nothing else: that is what makes a causal effect measurable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.planted.drawing import (
    CLASS_SHAPES,
    NEUTRAL_SHAPES,
    SIDE,
    FloatArray,
    banded,
    blob,
    chequered,
    column,
    dotted,
    grid,
    soft,
    turned,
    zigzagged,
)

CONCEPTS = ("banded", "dotted", "chequered", "zigzagged", "red", "blue", "mark", "frame", "lamp", "tree")
"""Textures and a colour on the object; textures and a colour of the background; marks; other objects."""

ON_OBJECT = {"banded", "dotted", "red"}
"""Concepts that cover the object's surface, so nothing shows them where there is no surface."""

CLASSES = tuple(CLASS_SHAPES)
NO_SHAPE = -1
SHAPES = (*CLASS_SHAPES.values(), *NEUTRAL_SHAPES.values())
FIRST_NEUTRAL = len(CLASS_SHAPES)

_PER_CONCEPT = 5
_SCENE = 20
_CHUNK = 128


@dataclass(frozen=True)
class Scenes:
    """Numbers that fix n pictures."""

    shape: NDArray[np.int64]
    """[n] index into SHAPES, or NO_SHAPE: the frame shows one surface."""
    presence: NDArray[np.bool_]
    """[n, concepts] which concepts are shown."""
    chance: FloatArray
    """[n, parameters] uniform in [0, 1]: place, size, tone, and each concept's own parameters."""
    seed: NDArray[np.int64]
    """[n] of the pixel noise."""
    zoom: float = 1.0
    """Marks and small objects are drawn this much larger (banks show things closer than scenes do)."""

    def __len__(self) -> int:
        return len(self.shape)

    def take(self, index: NDArray[np.integer] | slice) -> Scenes:
        """The chosen scenes."""
        return replace(
            self,
            shape=self.shape[index],
            presence=self.presence[index],
            chance=self.chance[index],
            seed=self.seed[index],
        )

    def with_concept(self, concept: int, present: bool) -> Scenes:
        """The same scenes, one concept inserted or removed, everything else equal."""
        presence = self.presence.copy()
        presence[:, concept] = present
        return replace(self, presence=presence)


def sample(
    shape: NDArray[np.int64], presence: NDArray[np.bool_], *, rng: np.random.Generator, zoom: float = 1.0
) -> Scenes:
    """Scenes of the given shapes and concepts, all else drawn at random."""
    n = len(shape)
    chance = rng.random((n, _SCENE + _PER_CONCEPT * len(CONCEPTS)), dtype=np.float32)
    return Scenes(shape, presence, chance, rng.integers(0, 2**62, n), zoom)


def render(scenes: Scenes) -> NDArray[np.uint8]:
    """Pictures [n, SIDE, SIDE, 3], 8 bit."""
    out = np.empty((len(scenes), SIDE, SIDE, 3), np.uint8)
    for start in range(0, len(scenes), _CHUNK):
        part = slice(start, start + _CHUNK)
        out[part] = np.rint(_render(scenes.take(part)) * 255).astype(np.uint8)
    return out


def _render(scenes: Scenes) -> FloatArray:
    chance = scenes.chance

    def span(i: int, low: float, high: float) -> FloatArray:
        return column(low + (high - low) * chance[:, i])

    x, y = grid()
    n = len(scenes)

    # Background: a grey of slight hue with a gradient.
    tone = span(0, 0.3, 0.7)
    gx, _ = turned(x, y, span(1, 0, 2 * np.pi))
    ground = tone + span(2, 0, 0.15) * gx
    hue = 0.12 * (chance[:, 3:6] - 0.5)
    image = np.repeat(ground[..., None], 3, 3) + hue[:, None, None, :]
    _background(image, scenes, x, y)

    # Object: shape in a bent frame.
    bent_x = x + span(16, 0, 0.1) * np.sin(span(6, 2, 5) * y + span(8, 0, 6.28))
    bent_y = y + span(9, 0, 0.1) * np.sin(span(10, 2, 5) * x + span(11, 0, 6.28))
    size = span(12, 0.3, 0.55)
    place_x, place_y = span(13, -0.35, 0.35), span(14, -0.35, 0.35)
    u, v = turned(bent_x - place_x, bent_y - place_y, span(15, -0.45, 0.45))
    mask = np.zeros((n, SIDE, SIDE), np.float32)
    for index in np.unique(scenes.shape):
        rows = scenes.shape == index
        if index == NO_SHAPE:
            mask[rows] = column(chance[rows, 16] < 0.5)
        else:
            a, b = u[rows] / size[rows], v[rows] / size[rows]
            # Some objects are halfway to a shape of no class: the less the shape says, the more a
            # concept decides.
            vague = np.clip(1.5 * column(chance[rows, 7]) - 0.5, 0, 0.9) * (index < FIRST_NEUTRAL)
            mask[rows] = soft((1 - vague) * SHAPES[index](a, b) + vague * blob(a, b), 0.08 / size[rows])
    side = np.where(chance[:, 17] < 0.5, -1.0, 1.0).astype(np.float32)
    object_tone = np.clip(tone + column(side) * span(18, 0.2, 0.4), 0.08, 0.92)
    surface = np.repeat(np.broadcast_to(object_tone, mask.shape)[..., None], 3, 3) - hue[:, None, None, :]
    _surface(surface, scenes, u, v)
    image = image + mask[..., None] * (surface - image)

    _things(image, scenes, x, y)
    strength = 0.02 + 0.05 * chance[:, 19]
    for i in range(n):
        noise = np.random.default_rng(scenes.seed[i]).standard_normal((SIDE, SIDE, 3), dtype=np.float32)
        image[i] += strength[i] * noise
    result: FloatArray = np.clip(image, 0, 1).astype(np.float32)
    return result


def _own(scenes: Scenes, name: str) -> tuple[NDArray[np.bool_], Callable[[int, float, float], FloatArray]]:
    """Rows where the concept is present, and its own parameters for them as [rows, 1, 1]."""
    k = CONCEPTS.index(name)
    rows = scenes.presence[:, k]
    mine = scenes.chance[rows][:, _SCENE + _PER_CONCEPT * k :]
    return rows, lambda i, low, high: column(low + (high - low) * mine[:, i])


def _tint(
    image: FloatArray, rows: NDArray[np.bool_], colour: tuple[float, float, float], by: FloatArray
) -> None:
    # Of one luminance with grey, so that a colour does not make the shape easier or harder to see.
    tint = np.asarray(colour, np.float32)
    image[rows] += by[..., None] * (tint - tint @ np.array([0.3, 0.59, 0.11], np.float32))


def _background(image: FloatArray, scenes: Scenes, x: FloatArray, y: FloatArray) -> None:
    rows, own = _own(scenes, "blue")
    if rows.any():
        _tint(image, rows, (0.05, 0.2, 0.9), own(0, 0.2, 0.45) + 0 * x)
    for name, pattern in (("chequered", chequered), ("zigzagged", zigzagged)):
        rows, own = _own(scenes, name)
        if rows.any():
            u, v = turned(x - own(1, -1, 1), y - own(2, -1, 1), own(0, 0, np.pi))
            image[rows] += (own(3, 0.07, 0.16) * pattern(u, v, own(4, 0.28, 0.5) * scenes.zoom))[..., None]


def _surface(surface: FloatArray, scenes: Scenes, u: FloatArray, v: FloatArray) -> None:
    rows, own = _own(scenes, "red")
    if rows.any():
        _tint(surface, rows, (0.95, 0.15, 0.1), own(0, 0.25, 0.5) + 0 * u[rows])
    for name, pattern in (("banded", banded), ("dotted", dotted)):
        rows, own = _own(scenes, name)
        if rows.any():
            a, b = turned(u[rows] - own(1, -1, 1), v[rows] - own(2, -1, 1), own(0, 0, np.pi))
            surface[rows] += (own(3, 0.12, 0.25) * pattern(a, b, own(4, 0.2, 0.36) * scenes.zoom))[..., None]


def _things(image: FloatArray, scenes: Scenes, x: FloatArray, y: FloatArray) -> None:
    for name, draw in (("tree", _tree), ("lamp", _lamp), ("mark", _mark)):
        rows, own = _own(scenes, name)
        if not rows.any():
            continue
        size = own(0, 0.16, 0.24) * scenes.zoom
        # On a circle near the border, so that the object stays visible.
        reach = np.maximum(0.95 - size, 0.3)
        angle = own(1, 0, 2 * np.pi)
        px = np.clip(1.1 * np.cos(angle), -reach, reach)
        py = np.clip(1.1 * np.sin(angle), -reach, reach)
        draw(image, rows, (x - px) / size, (y - py) / size, own(2, 0.6, 1.0))
    rows, own = _own(scenes, "frame")
    if rows.any():
        edge = soft(own(0, 0.8, 0.9) - np.maximum(np.abs(x), np.abs(y)), 0.03)
        shade = np.where(own(1, 0, 1) < 0.5, 0.05, 0.95)
        image[rows] += edge[..., None] * (shade[..., None] - image[rows])


def _paint(
    image: FloatArray,
    rows: NDArray[np.bool_],
    mask: FloatArray,
    colour: tuple[float, float, float],
    by: FloatArray,
) -> None:
    image[rows] += (mask * by)[..., None] * (np.asarray(colour, np.float32) - image[rows])


def _tree(image: FloatArray, rows: NDArray[np.bool_], u: FloatArray, v: FloatArray, by: FloatArray) -> None:
    trunk = np.maximum(np.abs(u) - 0.16, np.abs(v - 0.75) - 0.3)
    crown = np.maximum(v - 0.5, np.abs(u) * 1.6 - (v + 1.0) * 0.9)
    _paint(image, rows, soft(trunk, 0.2), (0.4, 0.25, 0.1), by)
    _paint(image, rows, soft(crown, 0.2), (0.1, 0.55, 0.15), by)


def _lamp(image: FloatArray, rows: NDArray[np.bool_], u: FloatArray, v: FloatArray, by: FloatArray) -> None:
    radius = np.hypot(u, v)
    rays = np.maximum(radius - 1.0, 0.55 - np.abs(np.cos(4 * np.arctan2(v, u))))
    _paint(image, rows, soft(np.minimum(radius - 0.55, rays), 0.2), (1.0, 0.9, 0.25), by)


def _mark(image: FloatArray, rows: NDArray[np.bool_], u: FloatArray, v: FloatArray, by: FloatArray) -> None:
    cross = np.maximum(np.minimum(np.abs(u - v), np.abs(u + v)) - 0.3, np.maximum(np.abs(u), np.abs(v)) - 0.9)
    _paint(image, rows, soft(cross, 0.2), (1.0, 1.0, 1.0), by)
