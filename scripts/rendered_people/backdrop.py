"""Backgrounds: blurred rooms and outdoors, drawn from a seed."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from scripts.rendered_people.arrays import Floats, smooth
from scripts.rendered_people.colour import from_srgb

KINDS = ("wall", "room", "park", "street", "bokeh", "shelves")
_COLOURS = (
    (196, 186, 170),
    (150, 168, 178),
    (120, 140, 110),
    (178, 130, 100),
    (92, 104, 128),
    (210, 200, 190),
    (136, 96, 92),
    (168, 176, 140),
    (84, 88, 90),
    (206, 170, 120),
)


def backdrop(kind: str, side: int, random: np.random.Generator) -> Floats:
    """[side, side, 3] Linear light."""
    rows, columns = np.mgrid[0:side, 0:side] / side

    def colour(spread: float = 14.0) -> Floats:
        chosen = np.asarray(_COLOURS[int(random.integers(len(_COLOURS)))], dtype=np.float64)
        return from_srgb(*np.clip(chosen + random.normal(size=3) * spread, 10, 245))

    top, bottom = colour(), colour()
    if kind == "park":
        top, bottom = from_srgb(190, 208, 224), from_srgb(86, 112, 58)
    share = smooth(0.1, 0.9, rows + 0.1 * (columns - 0.5))[..., None]
    picture = top * (1 - share) + bottom * share
    if kind == "wall":
        picture = (
            top
            * (0.75 + 0.4 * smooth(1.2, 0.0, np.hypot(rows - random.uniform(), columns - random.uniform())))[
                ..., None
            ]
        )
    count = {"wall": 2, "room": 9, "park": 26, "street": 16, "bokeh": 30, "shelves": 0}[kind]
    for _ in range(count):
        y, x = random.uniform(-0.1, 1.1, size=2)
        paint = colour(30)
        if kind in ("room", "street", "wall"):
            high, wide = random.uniform(0.08, 0.7), random.uniform(0.05, 0.35)
            inside = (np.abs(rows - y) < high / 2) & (np.abs(columns - x) < wide / 2)
        else:
            inside = np.hypot(rows - y, columns - x) < random.uniform(0.03, 0.12)
        if kind == "park":
            paint = from_srgb(*np.clip(np.array([90, 120, 60]) + random.normal(size=3) * 34, 10, 240))
        if kind == "bokeh":
            paint = paint * random.uniform(0.6, 2.2)
        strength = random.uniform(0.4, 0.95)
        picture = np.where(inside[..., None], picture * (1 - strength) + paint * strength, picture)
    if kind == "shelves":
        picture = _shelves(rows, columns, colour, random)
    blur = side * (random.uniform(0.030, 0.05) if kind != "bokeh" else 0.012)
    blurred = np.stack([gaussian_filter(picture[..., k], blur, mode="nearest") for k in range(3)], axis=-1)
    return np.asarray(blurred * random.uniform(0.55, 1.0))


def _shelves(rows: Floats, columns: Floats, colour, random: np.random.Generator) -> Floats:  # type: ignore[no-untyped-def]
    picture = np.zeros((*rows.shape, 3)) + 0.03
    height = random.uniform(0.22, 0.32)
    for shelf in range(6):
        x = 0.0
        while x < 1:
            wide, high = random.uniform(0.02, 0.06), height * random.uniform(0.6, 0.9)
            base = (shelf + 1) * height
            inside = (columns >= x) & (columns < x + wide) & (rows < base) & (rows > base - high)
            picture = np.where(inside[..., None], colour(35) * random.uniform(0.5, 1.1), picture)
            x += wide
    return picture
