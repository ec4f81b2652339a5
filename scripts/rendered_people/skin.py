"""Skin, lips, make-up, stubble and eyes: colours of vertices, drawn in the template's coordinates.

On the template the eyes' middles lie at (+-0.033, -0.125, 0.729), the mouth's line at z = 0.661, the chin at
0.62 and the top of the head at 0.848 metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.rendered_people.arrays import Floats, Ints, noise3, smooth, unit
from scripts.rendered_people.body import Body
from scripts.rendered_people.colour import from_lab

EYE = np.array([0.0325, 0.7287])
MOUTH = 0.6612


@dataclass(frozen=True)
class Tone:
    """A person's skin."""

    lightness: float
    """CIE L*."""
    red: float
    yellow: float
    freckles: float
    blush: float
    spots: float
    """Unevenness, grows with age."""
    seed: int

    @property
    def typology_angle(self) -> float:
        """Individual typology angle, degrees."""
        return float(np.degrees(np.arctan2(self.lightness - 50, self.yellow)))


@dataclass(frozen=True)
class Paint:
    """What a styling does to the face."""

    lip_colour: tuple[float, float, float] | None
    """CIE Lab of the lipstick; None: bare lips."""
    lip_cover: float
    eye_shadow: tuple[float, float, float] | None
    shadow_cover: float
    liner: float
    rouge: float
    stubble: float
    """0 to 1, how dark the shaved or stubbled skin is."""
    scalp: float = 0.75
    """How much of the hair's colour shows on the scalp."""


def lips(place: Floats) -> Floats:
    """[points] 1 on the lips."""
    x, y, z = np.abs(place[:, 0]), place[:, 1], place[:, 2]
    share = np.clip(x / 0.0255, 0, 1.2)
    bow = 0.0016 * np.exp(-((x / 0.0035) ** 2)) - 0.0008 * np.exp(-(((x - 0.007) / 0.004) ** 2))
    top = MOUTH + 0.0078 * (1 - share**2.2) - bow
    bottom = MOUTH - 0.0098 * (1 - share**2.6)
    edge = 0.0009
    inside = smooth(top + edge, top - edge, z) * smooth(bottom - edge, bottom + edge, z)
    return np.asarray(inside * (y < -0.11) * (share < 1.08))


def beard_region(place: Floats) -> Floats:
    """[points] 1 where a beard grows: upper lip, chin, jaw, and fading on the cheeks and the throat."""
    x, y, z = np.abs(place[:, 0]), place[:, 1], place[:, 2]
    cheek = 0.655 + 0.62 * np.maximum(x - 0.030, 0) + 0.000 * x
    cheek = np.where(x > 0.060, 0.674 + 1.6 * (x - 0.060), cheek)
    jaw = smooth(cheek + 0.006, cheek - 0.006, z) * smooth(0.604, 0.622, z)
    upper_lip = smooth(0.036, 0.028, x) * smooth(0.6815, 0.6785, z) * (z > 0.64)
    front = smooth(-0.050, -0.066, y)
    below = smooth(0.003, 0.007, np.abs(z - (0.645)) + np.abs(x) * 0)
    soul = 1 - 0.55 * (1 - below) * (x > 0.006) * (x < 0.020)
    return np.asarray(np.maximum(jaw, upper_lip) * front * soul * (1 - lips(place)))


def eye_distance(place: Floats) -> Floats:
    """[points] Distance from the eye's middle in units of the eye's opening; the lids' edge is at 1."""
    across = (np.abs(place[:, 0]) - EYE[0]) / 0.0128
    up = (place[:, 2] - EYE[1]) / 0.0048
    return np.asarray(np.hypot(across, up) + 9 * (place[:, 1] > -0.095))


def brow_band(place: Floats, *, width: float, arch: float) -> tuple[Floats, Floats]:
    """[points] 1 in the brow, and the share of the way from its inner end to the outer one."""
    x, z = np.abs(place[:, 0]), place[:, 2]
    way = np.clip((x - 0.0125) / 0.037, -0.1, 1.1)
    middle = 0.7455 + 0.0045 * np.sin(np.pi * np.clip(way, 0, 1) ** 1.4) * arch + 0.0015 * way
    half = width * (0.9 - 0.62 * np.clip(way, 0, 1) ** 1.5) * (1 - 0.35 * np.exp(-((way / 0.12) ** 2)))
    inside = smooth(1.25, 0.75, np.abs(z - middle) / half) * (way > 0) * (way < 1)
    return np.asarray(inside * (place[:, 1] < -0.09)), way


def skin_colours(body: Body, tone: Tone, paint: Paint, hair: Floats, scalp: Floats) -> Floats:
    """[vertices, 3] Linear RGB; ``hair`` [3] is the hair's colour, ``scalp`` [vertices] its density."""
    place = body.neutral
    base = from_lab(tone.lightness, tone.red, tone.yellow)
    blood = from_lab(tone.lightness - 7, tone.red + 14, tone.yellow + 1)
    spot = from_lab(tone.lightness - 14, tone.red + 4, tone.yellow + 4)
    colour = np.broadcast_to(base, place.shape).copy()
    colour = _mix(colour, blood, 0.55 * tone.blush * _flush(place))
    uneven = noise3(place, 0.012, tone.seed) * 0.5 + noise3(place, 0.035, tone.seed + 1) * 0.5
    colour *= (1 + 0.014 * tone.spots * uneven)[:, None]
    fine = np.random.default_rng([tone.seed, 5]).normal(size=len(place))
    colour *= (1 + 0.012 * fine)[:, None]
    speck = smooth(1.0, 2.2, noise3(place, 0.0045, tone.seed + 2) + 0.5 * noise3(place, 0.03, tone.seed + 3))
    colour = _mix(
        colour, spot, tone.freckles * speck * smooth(0.64, 0.69, place[:, 2]) * (place[:, 1] < -0.07)
    )
    colour = _eyes_surround(colour, place, spot, blood, tone)
    beard = beard_region(place)
    colour = _mix(colour, hair * 0.6 + base * 0.18, 0.75 * paint.stubble * beard)
    lip = from_lab(tone.lightness * 0.80 - 1, tone.red + 13, tone.yellow * 0.75)
    on_lips = lips(place)
    colour = _mix(colour, lip, 0.8 * on_lips)
    colour = _made_up(colour, place, paint, blood, tone)
    crease = np.exp(-(((place[:, 2] - MOUTH) / 0.0011) ** 2)) * (np.abs(place[:, 0]) < 0.0265)
    colour *= (1 - 0.45 * crease * (place[:, 1] < -0.11))[:, None]
    return np.clip(_mix(colour, hair * 0.7, paint.scalp * scalp), 0.003, 0.95)


def _mix(colour: Floats, other: Floats, share: Floats) -> Floats:
    share = np.clip(share, 0, 1)[:, None]
    return np.asarray(colour * (1 - share) + other * share)


def _blob(place: Floats, x: float, z: float, across: float, up: float) -> Floats:
    front = smooth(-0.045, -0.075, place[:, 1])
    far = ((np.abs(place[:, 0]) - x) / across) ** 2 + ((place[:, 2] - z) / up) ** 2
    return np.asarray(np.exp(-far) * front)


def _flush(place: Floats) -> Floats:
    """Blood under thin skin: cheeks, nose, ears, chin."""
    ears = smooth(0.069, 0.076, np.abs(place[:, 0])) * smooth(0.67, 0.69, place[:, 2]) * (place[:, 2] < 0.74)
    cheeks = _blob(place, 0.043, 0.695, 0.020, 0.016)
    nose = _blob(place, 0.0, 0.692, 0.014, 0.012)
    return np.asarray(0.9 * cheeks + 0.9 * nose + 0.5 * _blob(place, 0.0, 0.63, 0.02, 0.012) + 0.8 * ears)


def _eyes_surround(colour: Floats, place: Floats, spot: Floats, blood: Floats, tone: Tone) -> Floats:
    """A little darker about the eyes, redder at the lids' edges."""
    far = eye_distance(place)
    colour = _mix(colour, spot, 0.30 * np.exp(-((far / 2.3) ** 2)))
    below = _blob(place, 0.032, 0.7185, 0.011, 0.004)
    colour = _mix(colour, spot, 0.22 * tone.spots * below)
    return _mix(colour, blood * 0.8, 0.5 * smooth(1.5, 1.0, far))


def _made_up(colour: Floats, place: Floats, paint: Paint, blood: Floats, tone: Tone) -> Floats:
    upper = smooth(0.7285, 0.7315, place[:, 2])
    far = eye_distance(place)
    if paint.eye_shadow is not None:
        lid = smooth(2.6, 1.3, far) * upper
        colour = _mix(colour, from_lab(*_for_skin(paint.eye_shadow, tone)), paint.shadow_cover * lid)
    line = smooth(1.5, 1.12, far) * (upper * 0.9 + 0.35 * (1 - upper))
    colour = _mix(colour, np.array([0.012, 0.010, 0.010]), paint.liner * line)
    colour = _mix(colour, blood, paint.rouge * _blob(place, 0.048, 0.698, 0.018, 0.013))
    if paint.lip_colour is not None:
        colour = _mix(colour, from_lab(*_for_skin(paint.lip_colour, tone)), paint.lip_cover * lips(place))
    return colour


def _for_skin(colour: tuple[float, float, float], tone: Tone) -> tuple[float, float, float]:
    """Make-up is chosen to suit the skin: no lighter than a little below it."""
    lightness = min(colour[0], tone.lightness * 0.86)
    share = 0.6 + 0.4 * lightness / colour[0]
    return (lightness, colour[1] * share * min(1.0, 0.45 + tone.lightness / 120), colour[2] * share)


def eyeballs(body: Body, iris: Floats, gaze: Floats, seed: int) -> tuple[Floats, Ints, Floats, Floats]:
    """Two spheres that look along ``gaze``: vertices, faces, normals and linear RGB."""
    rings, around = 60, 48
    polar = np.concatenate([np.linspace(0, 0.75, 48), np.linspace(0.8, np.pi, rings - 48)])
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    p, t = np.meshgrid(polar, turn, indexing="ij")
    local = np.stack([np.sin(p) * np.cos(t), np.sin(p) * np.sin(t), np.cos(p)], axis=-1).reshape(-1, 3)
    index = np.arange(rings * around).reshape(rings, around)
    a, b = index[:-1], index[1:]
    following = np.roll(index, -1, axis=1)
    c, d = following[:-1], following[1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([c, b, d], -1).reshape(-1, 3)])
    colours = _eye_colours(p.ravel(), t.ravel(), iris, seed)
    vertices, normals = [], []
    for side in range(2):
        inward = np.array([-0.035 if side == 0 else 0.035, 0.0, 0.0])
        axis = unit(gaze + inward)
        right = unit(np.cross(axis, np.array([0.0, 0.0, 1.0])))
        frame = np.stack([right, np.cross(right, axis), axis])
        normal = local @ frame
        bulge = 1 + 0.055 * smooth(0.50, 0.28, p.ravel())
        normals.append(normal)
        vertices.append(body.eyes[side] + normal * (body.eye_radius * 0.985 * bulge)[:, None])
    both = np.concatenate([faces, faces + len(local)])
    return np.concatenate(vertices), both, np.concatenate(normals), np.concatenate([colours, colours])


def _eye_colours(polar: Floats, turn: Floats, iris: Floats, seed: int) -> Floats:
    random = np.random.default_rng([seed, 9])
    white = np.array([0.60, 0.545, 0.505])
    colour = np.broadcast_to(white, (len(polar), 3)).copy()
    vein = smooth(0.5, 0.95, polar)
    colour = _mix(colour, np.array([0.50, 0.32, 0.28]), 0.35 * vein)
    edge = 0.44
    phases = random.uniform(0, 2 * np.pi, 4)
    fibre = sum(np.cos(k * turn + f) for k, f in zip((9, 17, 23, 31), phases, strict=True)) / 4
    share = polar / edge
    ring = iris * (0.85 + 0.5 * fibre[:, None] * 0.6) * (1.25 - 0.75 * share**4)[:, None]
    colour = _mix(colour, ring, smooth(edge + 0.04, edge - 0.03, polar))
    return np.clip(_mix(colour, np.array([0.006, 0.006, 0.006]), smooth(0.20, 0.17, polar)), 0.004, 0.8)
