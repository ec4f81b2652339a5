"""Pastes a person into a picture: soft edges, the picture's exposure, never over the object's centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.float32]
"""[height, width, channels] in [0, 1]."""

CLEAR = 0.1
"""Radius around the object's centre that a person leaves free, as a share of the shorter side."""
COVERED = 0.05
"""Largest mean coverage of that circle."""
DARKER, BRIGHTER = 0.75, 4 / 3
"""Limits of the factor that matches exposures."""


@dataclass(frozen=True)
class Cutout:
    """A person and where in the picture the person is."""

    pixels: Pixels
    """[side, side, 3]."""
    cover: Pixels
    """[side, side] How much of each pixel is the person."""

    @classmethod
    def of(cls, picture: Image.Image, mask: Image.Image) -> Cutout:
        """From an 8-bit RGB picture and an 8-bit grey mask of the same size."""
        return cls(
            (np.asarray(picture) / 255).astype(np.float32),
            (np.asarray(mask.convert("L")) / 255).astype(np.float32),
        )


@dataclass(frozen=True)
class Framing:
    """How large people stand in a picture, and where."""

    sizes: tuple[float, ...]
    """Height of the cut-out picture as a share of the scene's height."""
    across: tuple[float, ...]
    """Where its middle may be, as a share of the scene's width."""
    middle: float | None
    """Where its middle is, as a share of the scene's height; None: it stands on the lower edge."""


BUST = Framing(sizes=(0.7, 0.5), across=(0.2, 0.8), middle=None)
"""Head, shoulders and chest, cut off by the picture's lower edge as in a photo."""
FACE = Framing(sizes=(0.36, 0.26), across=(0.2, 0.8), middle=0.6)
"""A face alone, as large as the face of a :data:`BUST`."""


@dataclass(frozen=True)
class Spot:
    """Where a person stands in a scene."""

    top: int
    left: int
    side: int
    """All in pixels; the square may reach beyond the scene."""
    size: float
    """Height as a share of the scene's."""


def spots(scene: tuple[int, int], framing: Framing) -> list[Spot]:
    """Every spot of a framing in a scene of ``(height, width)`` pixels, larger people first."""
    height, width = scene
    found = []
    for size in framing.sizes:
        side = max(round(size * height), 2)
        top = height - side if framing.middle is None else round(framing.middle * height - side / 2)
        found += [Spot(top, round(x * width - side / 2), side, size) for x in framing.across]
    return found


def leaves_free(spot: Spot, cover: Pixels, scene: tuple[int, int], centre: tuple[float, float]) -> bool:
    """Whether a person of this coverage leaves the object's centre (row, column; shares) free."""
    height, width = scene
    placed, rows, columns = _placed(spot, cover, scene)
    radius = CLEAR * min(height, width)
    down, across = np.mgrid[0:height, 0:width]
    near = np.hypot(down + 0.5 - centre[0] * height, across + 0.5 - centre[1] * width) <= radius
    return bool(placed[near[rows, columns]].sum() <= COVERED * near.sum())


def exposure(scene: Pixels, cutouts: tuple[Cutout, Cutout]) -> float:
    """The factor, common to both of a pair, that gives people the scene's mean brightness; within limits."""
    people = [np.average(c.pixels.mean(axis=2), weights=c.cover + 1e-9) for c in cutouts]
    wanted = float(scene.mean()) / max(float(np.mean(people)), 1e-6)
    return float(np.clip(wanted, DARKER, BRIGHTER))


def paste(scene: Pixels, cutout: Cutout, spot: Spot, factor: float) -> Pixels:
    """The scene with the person in it; the scene itself is left as it is."""
    shape = (scene.shape[0], scene.shape[1])
    cover, rows, columns = _placed(spot, cutout.cover, shape)
    person = np.clip(cutout.pixels * factor, 0, 1)
    if scene.shape[2] == 1:
        person = person @ np.array([[0.299], [0.587], [0.114]], dtype=np.float32)
    person = np.stack(
        [_placed(spot, np.ascontiguousarray(part), shape)[0] for part in np.moveaxis(person, 2, 0)], axis=2
    )
    made = scene.copy()
    made[rows, columns] += cover[..., None] * (person - made[rows, columns])
    return made


def _placed(spot: Spot, values: Pixels, scene: tuple[int, int]) -> tuple[Pixels, slice, slice]:
    """Values [side, side] at the spot's size, cut to the scene, and the rows and columns they are for."""
    sized = np.asarray(
        Image.fromarray(values).resize((spot.side, spot.side), Image.Resampling.BILINEAR), np.float32
    )
    top, left = max(spot.top, 0), max(spot.left, 0)
    bottom, right = min(spot.top + spot.side, scene[0]), min(spot.left + spot.side, scene[1])
    part = sized[top - spot.top : bottom - spot.top, left - spot.left : right - spot.left]
    return part, slice(top, bottom), slice(left, right)
