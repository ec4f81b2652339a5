"""Which garments make an outfit, and how they are put on."""

from __future__ import annotations

import numpy as np

from scripts.rendered_people.arrays import Floats, Ints
from scripts.rendered_people.body import Body
from scripts.rendered_people.clothes import (
    Cloth,
    Outfit,
    Pieces,
    Torso,
    jacket_front,
    round_neck,
    strapped,
    v_neck,
)
from scripts.rendered_people.space import Distance

WOMAN = (
    "blouse",
    "v-blouse",
    "scoop-dress",
    "boat-top",
    "strap-dress",
    "wrap-dress",
    "bow-blouse",
    "cardigan",
)
MAN = ("suit-tie", "jacket-open", "shirt", "polo", "sweater", "overalls", "suit-bow", "shirt-jumper")


def dressed(body: Body, distance: Distance, outfit: Outfit) -> tuple[Floats, Ints, Floats, Floats]:
    """Vertices, faces, normals and colours of everything worn."""
    torso, pieces = Torso(body, distance), Pieces()
    _PUT_ON[outfit.kind](torso, pieces, outfit)
    if outfit.necklace is not None:
        _necklace(torso, pieces, outfit)
    if outfit.earrings is not None:
        _earrings(body, pieces, outfit.earrings)
    return pieces.merged()


def _mirrored(
    torso: Torso,
    pieces: Pieces,
    outline: list[tuple[float, float]],
    offset: float,
    cloth: Cloth,
    puff: float = 0.0,
) -> None:
    torso.patch(pieces, outline, offset, cloth, puff)
    torso.patch(pieces, [(-x, z) for x, z in outline], offset, cloth, puff)


def _shirt(torso: Torso, pieces: Pieces, cloth: Cloth, *, gap: float, point: float = 0.034) -> None:
    open_neck = 0.0 if gap < 12 else 0.030
    level = round_neck(0.004, 0.0)(torso.place) + 0.004 if not open_neck else v_neck(0.045)(torso.place)
    torso.garment(pieces, level, 0.005, cloth, folds=0.0007)
    torso.collar(pieces, cloth, gap=gap, point=point, height=0.034)
    placket = [(-0.014, 0.20), (0.014, 0.20), (0.014, 0.546 - open_neck), (-0.014, 0.546 - open_neck)]
    torso.patch(pieces, placket, 0.0085, cloth)
    for z in np.arange(0.505 - open_neck, 0.22, -0.068):
        torso.patch(pieces, _disc(0.0, float(z), 0.0048), 0.0105, _plain(np.array([0.62, 0.60, 0.56])))


def _disc(x: float, z: float, radius: float) -> list[tuple[float, float]]:
    turn = np.linspace(0, 2 * np.pi, 13)[:-1]
    return [(x + radius * float(np.cos(t)), z + radius * float(np.sin(t))) for t in turn]


def _plain(colour: Floats) -> Cloth:
    return Cloth("plain", colour, colour * 0.9)


def _tie(torso: Torso, pieces: Pieces, cloth: Cloth) -> None:
    blade = [(-0.010, 0.538), (0.010, 0.538), (0.029, 0.30), (0.034, 0.20), (-0.034, 0.20), (-0.029, 0.30)]
    torso.patch(pieces, blade, 0.013, cloth, 0.004)
    knot = [(-0.019, 0.566), (0.019, 0.566), (0.012, 0.528), (-0.012, 0.528)]
    torso.patch(pieces, knot, 0.017, cloth, 0.008)


def _bow(torso: Torso, pieces: Pieces, cloth: Cloth, size: float, droop: float) -> None:
    wing = [
        (0.004, 0.552),
        (0.058 * size, 0.571 - droop),
        (0.062 * size, 0.553 - droop),
        (0.057 * size, 0.532 - droop),
        (0.004, 0.546),
    ]
    _mirrored(torso, pieces, wing, 0.026, cloth, 0.007)
    torso.patch(
        pieces, [(-0.009, 0.558), (0.009, 0.558), (0.009, 0.540), (-0.009, 0.540)], 0.030, cloth, 0.006
    )


def _jacket(torso: Torso, pieces: Pieces, cloth: Cloth, button: float = 0.30) -> None:
    torso.garment(pieces, jacket_front(button)(torso.place), 0.016, cloth, folds=0.0022)

    def edge(z: float) -> float:
        return float(np.clip((z - button) / (0.59 - button), 0, 1.3) ** 1.15 * 0.066)

    heights = [button, 0.36, 0.42, 0.48, 0.54, 0.588]
    inner = [(edge(z) - 0.002, z) for z in heights]
    outer = [(0.080, 0.586), (0.090, 0.548), (0.078, 0.541), (0.108, 0.522), (0.085, 0.43), (0.045, 0.345)]
    shade = Cloth(cloth.pattern, cloth.colour * 0.80 + 0.012, cloth.second, cloth.scale, cloth.seed)
    _mirrored(torso, pieces, inner + outer, 0.0225, shade, 0.002)


def _suit_tie(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    _shirt(torso, pieces, outfit.under, gap=5)
    _tie(torso, pieces, outfit.accent)
    _jacket(torso, pieces, outfit.main)


def _suit_bow(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    _shirt(torso, pieces, outfit.under, gap=5, point=0.022)
    _bow(torso, pieces, outfit.accent, 1.0, 0.0)
    _jacket(torso, pieces, outfit.main)


def _jacket_open(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    _shirt(torso, pieces, outfit.under, gap=22)
    _jacket(torso, pieces, outfit.main)


def _plain_shirt(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    _shirt(torso, pieces, outfit.main, gap=18 if outfit.neck > 0.4 else 6)
    pocket = [(0.055, 0.42), (0.105, 0.42), (0.105, 0.365), (0.080, 0.355), (0.055, 0.365)]
    torso.patch(pieces, pocket, 0.0085, outfit.main)


def _polo(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    torso.garment(pieces, v_neck(0.03)(torso.place), 0.006, outfit.main)
    torso.collar(pieces, outfit.main, gap=20, point=0.022, height=0.028)
    torso.patch(pieces, [(-0.013, 0.43), (0.013, 0.43), (0.013, 0.52), (-0.013, 0.52)], 0.0085, outfit.main)
    for z in (0.505, 0.465):
        torso.patch(pieces, _disc(0.0, z, 0.0045), 0.0105, _plain(np.array([0.5, 0.48, 0.45])))


def _sweater(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    level = round_neck(0.006, 0.0)(torso.place)
    torso.garment(pieces, level, 0.010, outfit.main, folds=0.003)
    band = np.minimum(level + 0.004, 0.018 - level)
    rib = Cloth("knit", outfit.main.colour * 0.85, outfit.main.second * 0.85, 0.6, outfit.seed)
    torso.garment(pieces, band, 0.0125, rib, folds=0.0)


def _shirt_jumper(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    _shirt(torso, pieces, outfit.under, gap=8)
    torso.garment(pieces, v_neck(0.085)(torso.place), 0.015, outfit.main, folds=0.0025)


def _overalls(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    _shirt(torso, pieces, outfit.under, gap=20)
    bib = [(-0.088, 0.20), (0.088, 0.20), (0.080, 0.425), (-0.080, 0.425)]
    torso.patch(pieces, bib, 0.013, outfit.main, 0.002)
    level = 0.019 - np.abs(np.abs(torso.place[:, 0]) - 0.078 + 0.12 * (torso.place[:, 2] - 0.5))
    level = np.where(torso.place[:, 2] > 0.40, level, -1.0)
    torso.garment(pieces, level, 0.012, outfit.main, folds=0.0)
    for x in (-0.072, 0.072):
        torso.patch(pieces, _disc(x, 0.408, 0.009), 0.018, _plain(np.array([0.45, 0.36, 0.2])))
    torso.patch(pieces, [(-0.045, 0.37), (0.045, 0.37), (0.045, 0.31), (-0.045, 0.31)], 0.0155, outfit.main)


def _blouse(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    level = v_neck(0.05 + 0.05 * outfit.neck)(torso.place)
    torso.garment(pieces, level, 0.007, outfit.main, folds=0.003)
    torso.collar(pieces, outfit.main, gap=32, point=0.030, height=0.022, flat=0.002)


def _v_blouse(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    level = v_neck(0.06 + 0.05 * outfit.neck)(torso.place)
    torso.garment(pieces, level, 0.007, outfit.main, folds=0.0035)
    torso.garment(pieces, np.minimum(level + 0.002, 0.010 - level), 0.0095, outfit.accent, folds=0.0)


def _scoop(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    level = round_neck(0.055 + 0.04 * outfit.neck, 0.02)(torso.place)
    sleeveless = 0.152 - np.abs(torso.place[:, 0]) + np.maximum(0.0, 0.47 - torso.place[:, 2]) * 0.8
    torso.garment(pieces, np.minimum(level, sleeveless), 0.006, outfit.main, folds=0.0025)


def _boat(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    x, y, z = torso.place.T
    line = 0.545 + 0.06 * np.clip(np.abs(x) / 0.12, 0, 1) ** 1.5 * 0.55 + 0.10 * np.clip(y + 0.05, 0, 1) - z
    torso.garment(pieces, line, 0.007, outfit.main, folds=0.0025)


def _strap(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    torso.garment(pieces, strapped(0.455, 0.010 + 0.006 * outfit.neck)(torso.place), 0.006, outfit.main)


def _wrap(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    level = v_neck(0.08 + 0.03 * outfit.neck)(torso.place)
    torso.garment(pieces, level, 0.007, outfit.main, folds=0.0035)
    flap = [(0.060, 0.583), (0.085, 0.575), (-0.055, 0.25), (-0.12, 0.22), (-0.10, 0.30), (-0.01, 0.455)]
    torso.patch(pieces, flap, 0.012, outfit.main, 0.003)


def _bow_blouse(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    level = round_neck(0.002, 0.0)(torso.place)
    torso.garment(pieces, level, 0.007, outfit.main, folds=0.0035)
    torso.garment(pieces, np.minimum(level + 0.012, 0.016 - level), 0.010, outfit.accent, folds=0.001)
    tail = [(0.002, 0.540), (0.014, 0.540), (0.050, 0.43), (0.022, 0.425)]
    _mirrored(torso, pieces, tail, 0.012, outfit.accent, 0.004)
    _bow(torso, pieces, outfit.accent, 1.15, 0.012)


def _cardigan(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    torso.garment(pieces, round_neck(0.045, 0.012)(torso.place), 0.004, outfit.under, folds=0.0006)
    x, y, z = torso.place.T
    front = np.where(y < 0.0, np.abs(x) - 0.035 - 0.12 * np.maximum(z - 0.40, 0), 1.0)
    level = np.minimum(front, round_neck(0.02, 0.02)(torso.place))
    torso.garment(pieces, level, 0.014, outfit.main, folds=0.003)


def _necklace(torso: Torso, pieces: Pieces, outfit: Outfit) -> None:
    """Beads along a hanging line."""
    share = np.linspace(-1, 1, 61)
    x = 0.062 * np.sin(share * np.pi / 2)
    z = 0.582 - (0.052 + 0.02 * outfit.neck) * np.cos(share * np.pi / 2) ** 1.4
    where, normal = torso.on_chest(x, z)
    for point, up in zip(where, normal, strict=True):
        _ball(pieces, point + up * 0.0025, 0.0027, np.asarray(outfit.necklace))


def _earrings(body: Body, pieces: Pieces, colour: Floats) -> None:
    for side in (-1, 1):
        lobe = np.array([side * 0.0745, -0.053, 0.687])
        at = body.vertices[np.linalg.norm(body.neutral - lobe, axis=1).argmin()]
        sideways = body.head_rotation[:, 0] * side
        _ball(pieces, at + sideways * 0.002 - np.array([0, 0, 0.004]), 0.0048, colour)
        _ball(pieces, at + sideways * 0.002 - np.array([0, 0, 0.013]), 0.0036, colour)


def _ball(pieces: Pieces, middle: Floats, radius: float, colour: Floats) -> None:
    p, t = np.meshgrid(np.linspace(0, np.pi, 7), np.linspace(0, 2 * np.pi, 9)[:-1], indexing="ij")
    around = np.stack([np.sin(p) * np.cos(t), np.sin(p) * np.sin(t), np.cos(p)], axis=-1).reshape(-1, 3)
    index = np.arange(56).reshape(7, 8)
    a, b = index[:-1], index[1:]
    c, d = np.roll(a, -1, axis=1), np.roll(b, -1, axis=1)
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    pieces.add(middle + around * radius, faces, colour)


_PUT_ON = {
    "suit-tie": _suit_tie,
    "suit-bow": _suit_bow,
    "jacket-open": _jacket_open,
    "shirt": _plain_shirt,
    "polo": _polo,
    "sweater": _sweater,
    "shirt-jumper": _shirt_jumper,
    "overalls": _overalls,
    "blouse": _blouse,
    "v-blouse": _v_blouse,
    "scoop-dress": _scoop,
    "boat-top": _boat,
    "strap-dress": _strap,
    "wrap-dress": _wrap,
    "bow-blouse": _bow_blouse,
    "cardigan": _cardigan,
}
