"""Textures that repeat in two directions."""

from __future__ import annotations

import numpy as np

from auditor.banks.generated.textures.canvas import (
    Canvas,
    Field,
    Surface,
    blurred,
    by_key,
    centred,
    line,
    per_cell,
    scatter,
    step,
)

_SQRT3 = np.float32(np.sqrt(3))


def chequered(canvas: Canvas) -> Surface:
    """Squares of two colours in turn."""
    u, v, pitch = canvas.cells(canvas.rng.uniform(5, 9))
    soft = 0.7 / pitch
    edge_u = step(0, soft, np.abs(centred(u / 2)) - np.float32(0.25)) * 2 - 1
    edge_v = step(0, soft, np.abs(centred(v / 2)) - np.float32(0.25)) * 2 - 1
    shift = per_cell(canvas.rng, u, v, low=-0.08, high=0.08)
    return Surface(mix=(edge_u * edge_v + 1) / 2 + shift, gloss=canvas.rng.uniform(0, 0.15))


def grid(canvas: Canvas) -> Surface:
    """Straight lines that cross at right angles around empty squares."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(6, 10), aspect=rng.uniform(0.85, 1.2))
    width = rng.uniform(0.08, 0.18)
    lines = np.maximum(line(centred(u), width, 0.8 / pitch), line(centred(v), width, 0.8 / pitch))
    relief = pitch * 0.1 * rng.choice([-1, 1])
    return Surface(mix=lines, height=relief * blurred(lines, 0.8))


def waffled(canvas: Canvas) -> Surface:
    """Square pockets between raised, rounded ribs."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(4.5, 8))
    d = np.maximum(np.abs(centred(u)), np.abs(centred(v)))
    wall = step(0.34, 0.12, d)
    crown = 1 - (np.clip(d - 0.38, 0, None) / 0.12 - 1) ** 2 * 0.15
    height = 0.38 * pitch * wall * crown + 0.25 * canvas.noise(30, octaves=2)
    light = 0.5 + 0.5 * step(0.28, 0.16, d)
    return Surface(
        mix=0.75 * wall + 0.06 * canvas.noise(10, octaves=3), height=height, light=light, gloss=0.12
    )


def _hexagons(u: Field, v: Field) -> tuple[Field, Field, Field, Field]:
    """Distance to the nearest wall (0 to 0.5, in cells), offset from the centre, and the cell's index."""
    v = v / _SQRT3
    au, av = centred(u), centred(v)
    bu, bv = centred(u + np.float32(0.5)), centred(v + np.float32(0.5))
    near = au**2 + 3 * av**2 < bu**2 + 3 * bv**2
    gu, gv = np.where(near, au, bu), np.where(near, av, bv) * _SQRT3
    reach = np.maximum(np.abs(gu), np.abs(gu) / 2 + np.abs(gv) * _SQRT3 / 2)
    key_u = np.rint(2 * (u - gu))
    key_v = np.rint(2 * (v - gv / _SQRT3))
    return np.float32(0.5) - reach, np.hypot(gu, gv), key_u, key_v


def honeycombed(canvas: Canvas) -> Surface:
    """Six-sided cells with thin walls, packed without gaps."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(6, 11))
    wall, _, ku, kv = _hexagons(u, v)
    soft = 0.8 / pitch
    thick = rng.uniform(0.05, 0.09)
    rim = 1 - step(thick, soft, wall)
    fill = per_cell(rng, ku, kv)
    depth = np.where(fill < rng.uniform(0, 0.3), 0.35, 1).astype(np.float32)  # some cells are capped
    bowl = step(thick + 0.1, 0.12, wall) * depth
    light = (1 - 0.72 * bowl) * (0.85 + 0.3 * per_cell(rng, ku, kv))
    height = -0.45 * pitch * step(thick + 0.05, 0.09, wall) * depth
    mix = 0.85 * rim + 0.25 * (1 - depth) + 0.1 * (fill - 0.5)
    return Surface(mix=mix, height=height, light=light, gloss=0.25)


def _round_cells(rng: np.random.Generator, u: Field, v: Field, *, hexagonal: float) -> Field:
    """Distance to the nearest centre, in cells of six sides with this probability, else of four."""
    return _hexagons(u, v)[1] if rng.uniform() < hexagonal else np.hypot(centred(u), centred(v))


def perforated(canvas: Canvas) -> Surface:
    """A plate with rows of round holes punched through it."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(7, 12))
    r = _round_cells(rng, u, v, hexagonal=0.6)
    radius = rng.uniform(0.25, 0.36)
    hole = 1 - step(radius, 0.8 / pitch, r)
    through = 0.12 + 0.12 * canvas.noise(3)
    light = (1 - hole) + hole * np.clip(through, 0.02, 0.4)
    bevel = 0.05 * pitch * step(radius + 0.05, 0.06, r)
    return Surface(
        mix=0.06 * canvas.noise(20, octaves=2) + 0.15 * hole, height=bevel, light=light, gloss=0.35
    )


def polka_dotted(canvas: Canvas) -> Surface:
    """Large round dots of one colour, evenly spaced on another."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(4, 7.5))
    r = _hexagons(u, v)[1]
    return Surface(mix=1 - step(rng.uniform(0.24, 0.34), 0.8 / pitch, r), gloss=rng.uniform(0, 0.12))


def dotted(canvas: Canvas) -> Surface:
    """Many small dots, scattered."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(14, 20))
    spots = scatter(rng, u, v, jitter=rng.uniform(0.5, 0.75))
    radius = by_key(rng, spots, low=0.2, high=0.34)
    return Surface(mix=1 - step(radius, 0.7 / pitch, spots.nearest))


def studded(canvas: Canvas) -> Surface:
    """Rows of shiny round studs on a dull ground."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(5, 9))
    r = _round_cells(rng, u, v, hexagonal=0.5)
    radius = rng.uniform(0.3, 0.4)
    inside = 1 - step(radius, 0.8 / pitch, r)
    dome = np.sqrt(np.clip(1 - (r / radius) ** 2, 0, 1))
    ring = np.exp(-(((r - radius - 0.04) / 0.05) ** 2))
    height = pitch * radius * 0.85 * dome + 0.5 * canvas.noise(60) * (1 - inside)
    light = 1 - 0.55 * ring * (1 - inside)
    return Surface(mix=inside, height=height, light=light, gloss=0.7)


def scaly(canvas: Canvas) -> Surface:
    """Rows of plates that overlap like roof tiles, each half a plate aside."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(5.5, 10))
    rise = np.float32(rng.uniform(0.48, 0.66))  # height of a row, in widths of a plate
    power = rng.uniform(1.9, 3.2)
    row0 = np.floor(v / rise)
    height, tone, edge = (np.zeros_like(u) for _ in range(3))
    covered = np.zeros(u.shape, bool)
    for back in (2, 1, 0):  # a plate of a row further up lies on top of those below
        row = row0 - back
        su = centred(u + 0.5 * (row % 2))
        sv = (v - row * rise) / rise
        reach = (np.abs(2 * su)) ** power + np.clip(sv / 1.9, 0, None) ** power
        here = (reach < 1) & ~covered
        rib = 0.04 * np.cos(su * 2 * np.pi)
        height = np.where(here, pitch * (0.26 * sv / 1.9 + rib + 0.12 * (1 - 4 * su**2)), height)
        tone = np.where(here, per_cell(rng, u + 0.5 * (row % 2), row) * 0.4 + 0.3 * sv / 1.9, tone)
        edge = np.where(here, np.clip((reach - 0.72) / 0.28, 0, 1), edge)
        covered |= here
    # Dark seams where one plate ends on the next.
    seam = np.hypot(*np.gradient(blurred(edge, 0.8)))
    light = 1 - 0.45 * (np.clip(seam * 3.5, 0, 1) + (1 - covered.astype(np.float32)))
    return Surface(
        mix=(tone + 0.25 * edge).astype(np.float32),
        height=blurred(height, 0.7),
        light=light,
        gloss=rng.uniform(0.05, 0.35),
    )
