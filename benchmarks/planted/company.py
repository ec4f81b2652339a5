"""Planted company: a class's scenes hold a person of one of two groups beside the object, or nobody.

Unlike in :mod:`~benchmarks.planted.social`, people stand anywhere beside the object, at many sizes, and a
third of all scenes is empty. Into the empty ones an audit pastes people of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.planted.drawing import CLASS_SHAPES, SIDE
from benchmarks.planted.scenes import Scenes, render, sample
from benchmarks.planted.social import OCCUPATIONS

EMPTY = 1 / 3
"""Share of scenes without a person."""
SMALLEST, LARGEST = 18, 36
"""Side of a person's picture in pixels."""
OBJECT_SIDE = 30

Picture = NDArray[np.uint8]
"""[side, side, 4]: colours, and how much of each pixel is the person."""


@dataclass(frozen=True)
class Crowd:
    """Cut-out people of two groups; number i of both is a pair that may be exchanged."""

    groups: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    """[pairs, side, side, 4] each."""
    units: NDArray[np.int64]
    """[pairs] Persons of one unit belong together."""

    def part(self, start: float, stop: float) -> Crowd:
        """The pairs of some of the units: parts that do not overlap share none."""
        order = np.unique(self.units)
        chosen = np.isin(self.units, order[int(start * len(order)) : int(stop * len(order))])
        return Crowd((self.groups[0][chosen], self.groups[1][chosen]), self.units[chosen])


@dataclass(frozen=True)
class Companies:
    """Scenes with a person; both groups' persons are drawn, and ``group`` says which one is shown."""

    scenes: Scenes
    group: NDArray[np.int64]
    """[n] 0 or 1; -1: nobody."""
    pair: NDArray[np.int64]
    """[n] Which pair the person is of."""

    def showing(self, group: int) -> Companies:
        """The same scenes with that group's person of each pair, everything else equal."""
        return Companies(self.scenes, np.full_like(self.group, group), self.pair)


def shares(seed: int, *, none: bool = False) -> NDArray[np.float64]:
    """[classes] How often a class's person is of the first group; 0.5 for all where ``none`` is planted."""
    dealt = np.array([0.02, 0.2, 0.5, 0.5, 0.8, 0.98])
    return np.full(len(dealt), 0.5) if none else np.random.default_rng([seed, 21]).permutation(dealt)


def draw_company(
    first: NDArray[np.float64],
    labels: NDArray[np.int64],
    crowd: Crowd,
    *,
    rng: np.random.Generator,
    empty: float = EMPTY,
) -> Companies:
    """Scenes of the given classes with people at the classes' shares."""
    shapes = np.array([list(CLASS_SHAPES).index(name) for name in OCCUPATIONS])
    scenes = sample(shapes[labels], np.zeros((len(labels), 10), bool), rng=rng)
    group = (rng.random(len(labels)) >= first[labels]).astype(np.int64)
    group[rng.random(len(labels)) < empty] = -1
    return Companies(scenes, group, rng.integers(0, len(crowd.units), len(labels)))


def render_company(drawn: Companies, crowd: Crowd) -> NDArray[np.uint8]:
    """Pictures [n, SIDE, SIDE, 3]: the object on one side, the person beside it."""
    base = render(drawn.scenes)
    out = np.empty((len(base), SIDE, SIDE, 3), np.uint8)
    for i, picture in enumerate(base):
        chance = drawn.scenes.chance[i]
        small = np.asarray(Image.fromarray(picture).resize((OBJECT_SIDE, OBJECT_SIDE)), np.float32)
        canvas = np.broadcast_to(np.median(picture, (0, 1)), picture.shape).astype(np.float32).copy()
        left = chance[0] < 0.5  # the person's side
        x = (SIDE - OBJECT_SIDE) - int(chance[1] * 6) if left else int(chance[1] * 6)
        y = int(chance[2] * (SIDE - OBJECT_SIDE))
        canvas[y : y + OBJECT_SIDE, x : x + OBJECT_SIDE] = small
        if drawn.group[i] >= 0:
            side = int(SMALLEST + chance[4] * (LARGEST - SMALLEST))
            person = crowd.groups[drawn.group[i]][drawn.pair[i]]
            across = int(chance[5] * 6) - 3 if left else SIDE - side - int(chance[5] * 6) + 3
            _lay(canvas, person, side, (int(chance[6] * (SIDE - side)), across))
        out[i] = np.rint(np.clip(canvas, 0, 255)).astype(np.uint8)
    return out


def _lay(canvas: NDArray[np.float32], person: Picture, side: int, at: tuple[int, int]) -> None:
    sized = np.asarray(Image.fromarray(person, "RGBA").resize((side, side)), np.float32)
    top, left = at
    own = slice(max(-left, 0), side - max(left + side - SIDE, 0))
    spot = canvas[top : top + side, max(left, 0) : min(left + side, SIDE)]
    spot += sized[:, own, 3:] / 255 * (sized[:, own, :3] - spot)
