"""Planted social bias: an object class told by a tool-like shape, seen beside faces of one group.

The planted relation is between a class and which of two groups of face photographs accompanies it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.planted.drawing import CLASS_SHAPES, SIDE, FloatArray
from benchmarks.planted.faces import FACE_SIDE, Faces
from benchmarks.planted.scenes import Scenes, render, sample

OCCUPATIONS = ("plus", "star", "ring", "crescent", "triangle", "disc")
"""Glyphs that stand for the tools of six occupations."""

_FACE_PIXELS = 40


@dataclass(frozen=True)
class SocialWorld:
    """How often each class's scenes hold a face of the first group."""

    name: str
    seed: int
    share_first: NDArray[np.float64]
    """[classes] probability that the face is of the first group; 0.5 is no relation."""


@dataclass(frozen=True)
class Portraits:
    """Scenes with a face; the face of each group is drawn, and ``group`` says which one is shown."""

    scenes: Scenes
    group: NDArray[np.int64]
    """[n] 0 or 1."""
    which: NDArray[np.int64]
    """[n, 2] index of the face that would be shown of each group."""

    def showing(self, group: int) -> Portraits:
        """The same scenes with a face of that group, everything else equal."""
        return Portraits(self.scenes, np.full_like(self.group, group), self.which)


def make_social_world(name: str, seed: int) -> SocialWorld:
    """Shares from 0.05 to 0.95, dealt to classes; two classes have no relation."""
    rng = np.random.default_rng([seed, 4])
    return SocialWorld(name, seed, rng.permutation(np.array([0.05, 0.25, 0.5, 0.5, 0.75, 0.95])))


def draw_portraits(
    world: SocialWorld, labels: NDArray[np.int64], faces: Faces, *, rng: np.random.Generator
) -> Portraits:
    """Scenes of the given classes with faces at the world's shares."""
    shapes = np.array([list(CLASS_SHAPES).index(name) for name in OCCUPATIONS])
    scenes = sample(shapes[labels], np.zeros((len(labels), 10), bool), rng=rng)
    group = (rng.random(len(labels)) >= world.share_first[labels]).astype(np.int64)
    which = np.stack([rng.integers(0, len(images), len(labels)) for images in faces.images], 1)
    return Portraits(scenes, group, which)


def render_portraits(portraits: Portraits, faces: Faces) -> NDArray[np.uint8]:
    """Pictures [n, SIDE, SIDE, 3]: the face above on one side, the glyph small, below on the other."""
    base = render(portraits.scenes).astype(np.float32)
    out = np.empty((len(base), SIDE, SIDE, 3), np.uint8)
    ramp = _feather(_FACE_PIXELS)
    for i, picture in enumerate(base):
        group = portraits.group[i]
        face = _resized(faces.images[group][portraits.which[i, group]], _FACE_PIXELS)
        c = portraits.scenes.chance[i]
        # The glyph keeps its own background; it is shrunk into the picture, the face laid beside it.
        small = _resized(np.rint(picture).astype(np.uint8), 34)
        canvas = np.broadcast_to(np.median(picture, (0, 1)), picture.shape).copy()
        left = c[0] < 0.5
        gx = int((28 if left else 0) + c[1] * 2)
        canvas[SIDE - 34 :, gx : gx + 34] = small
        fx = 0 if left else SIDE - _FACE_PIXELS
        fy = int(c[2] * 8)
        spot = canvas[fy : fy + _FACE_PIXELS, fx : fx + _FACE_PIXELS]
        spot += ramp * (face - spot)
        out[i] = np.rint(np.clip(canvas, 0, 255)).astype(np.uint8)
    return out


def face_bank(faces: Faces, group: int, count: int, *, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures [count, SIDE, SIDE, 3] of faces of one group alone, at several sizes, on plain grounds."""
    chosen = rng.permutation(len(faces.images[group]))[:count]
    out = np.empty((len(chosen), SIDE, SIDE, 3), np.uint8)
    for i, index in enumerate(chosen):
        side = int(rng.integers(38, 61))
        picture = np.full((SIDE, SIDE, 3), rng.uniform(60, 200), np.float32) + rng.uniform(-20, 20, 3)
        x, y = (int(rng.integers(0, SIDE - side + 1)) for _ in range(2))
        spot = picture[y : y + side, x : x + side]
        spot += _feather(side) * (_resized(faces.images[group][index], side) - spot)
        out[i] = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
    return out


def _feather(side: int) -> FloatArray:
    line = np.minimum(np.arange(side), np.arange(side)[::-1]) / 3
    ramp = np.clip(np.minimum(line[:, None], line[None, :]), 0, 1)
    return ramp[..., None].astype(np.float32)


def _resized(image: NDArray[np.uint8], side: int) -> FloatArray:
    if side == FACE_SIDE:
        return image.astype(np.float32)
    return np.asarray(Image.fromarray(image).resize((side, side)), np.float32)
