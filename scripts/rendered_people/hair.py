"""Hair as strands: where it grows, how it is combed, how it falls, curls and clumps.

A strand starts on the scalp along its comb direction. At each step it bends towards the comb direction and
towards the ground, and is pushed out of the head, so that hair lies on hair. Strands then join clumps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from scripts.rendered_people.arrays import Floats, Ints, noise3, smooth, unit
from scripts.rendered_people.body import Body
from scripts.rendered_people.skin import beard_region, brow_band, eye_distance
from scripts.rendered_people.space import Distance

CROWN = np.array([0.008, -0.025, 0.848])
"""The whorl on the template."""
SKULL = np.array([0.0, -0.058, 0.765])


@dataclass(frozen=True)
class Style:
    """Parameters of a head of hair. Lengths in metres."""

    family: str
    comb: str
    """``part``, ``whorl``, ``back``, ``tie`` or ``out``."""
    top: float
    side: float
    back: float
    fringe: float = 0.0
    """Length of hair that falls on the forehead; 0 for none."""
    part: float = 0.03
    """Where the hair parts: x on the template."""
    volume: float = 0.012
    lift: float = 0.35
    weight: float = 0.5
    """How soon strands turn towards the ground."""
    stiff: float = 0.6
    wave: float = 0.0
    wavelength: float = 0.05
    curl: float = 0.0
    clump: float = 0.45
    frizz: float = 0.0012
    strands: int = 16000
    radius: float = 0.00024
    steps: int = 16
    recede: float = 0.0
    thin: float = 0.0
    """Baldness at the crown, 0 to 1."""
    tie: tuple[float, float, float] = (0.0, 0.05, 0.76)
    bun: float = 0.0
    tail: float = 0.0
    seed: int = 0
    extra: dict[str, float] = field(default_factory=dict)


def hairline(place: Floats, recede: float, seed: int) -> Floats:
    """[points] Height above the hairline in metres; hair grows where it is positive."""
    x, y, z = np.abs(place[:, 0]), place[:, 1], place[:, 2]
    # Angle about the skull: 0 in front, 90 at the side, 180 behind.
    angle = np.degrees(np.arctan2(x, -(y - SKULL[1])))
    knots = [0, 14, 26, 36, 47, 56, 66, 76, 88, 100, 112, 130, 150, 180]
    front = 0.799 + 0.036 * recede
    temple = 0.801 + 0.062 * recede
    line = [front, front + 0.001, temple, temple - 0.004, 0.790 + 0.02 * recede, 0.766, 0.752, 0.715, 0.705]
    line += [0.738, 0.712, 0.680, 0.658, 0.648]
    low = np.interp(angle, knots, line)
    ragged = 0.0022 * noise3(place, 0.012, seed + 4) + 0.0015 * noise3(place, 0.005, seed + 5)
    ear = (x > 0.0695) & (z < 0.742) & (y > -0.075) & (y < -0.022)
    return np.where(ear, -1.0, z - low + ragged)


def scalp_density(place: Floats, style: Style) -> Floats:
    """[points] 0 to 1, soft at the hairline."""
    height = hairline(place, style.recede, style.seed)
    density = smooth(-0.001, 0.011, height)
    if style.thin:
        bare = np.hypot(place[:, 0] / 0.045, (place[:, 1] + 0.02) / 0.05)
        density = density * (1 - style.thin * smooth(1.1, 0.5, bare) * (place[:, 2] > 0.80))
    return np.asarray(density)


@dataclass(frozen=True)
class Roots:
    """Where strands start."""

    points: Floats
    normals: Floats
    places: Floats
    """On the template."""


def sample_roots(body: Body, density: Floats, count: int, random: np.random.Generator) -> Roots:
    """Points on the body, by density [vertices] and area."""
    corners = body.vertices[body.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    weight = area * density[body.faces].mean(axis=1)
    chosen = random.choice(len(weight), size=count, p=weight / weight.sum())
    share = random.dirichlet((1.0, 1.0, 1.0), size=count)
    three = body.faces[chosen]

    def mixed(values: Floats) -> Floats:
        return np.asarray((values[three] * share[:, :, None]).sum(axis=1))

    return Roots(mixed(body.vertices), unit(mixed(body.normals)), mixed(body.neutral))


def grow(body: Body, style: Style, distance: Distance) -> list[Floats]:
    """The head's strands: a list of arrays [strands, points, 3], one for each shade."""
    random = np.random.default_rng([style.seed, 21])
    roots = sample_roots(body, scalp_density(body.neutral, style), style.strands, random)
    length = _lengths(roots, style, random)
    comb = _comb(roots, style, random) @ body.head_rotation.T
    lines = _fall(roots, comb, length, style, distance, body, random)
    lines = _shaped(lines, roots, length, style, random)
    lines = lines[~_in_the_way(lines, body, style)]
    if style.comb == "tie":
        lines = np.concatenate([lines, _gathered(body, style, lines, distance, random)])
    shade = random.permutation(len(lines))
    return [lines[shade[k::4]] for k in range(4)]


def _lengths(roots: Roots, style: Style, random: np.random.Generator) -> Floats:
    place = roots.places
    behind = smooth(-0.06, 0.0, place[:, 1])
    height = smooth(0.775, 0.825, place[:, 2])
    low = style.side * (1 - behind) + style.back * behind
    length = low * (1 - height) + style.top * height
    if style.fringe:
        front = smooth(-0.095, -0.125, place[:, 1]) * smooth(0.062, 0.045, np.abs(place[:, 0]))
        length = length * (1 - front) + style.fringe * front
    # Short at the hairline, as combed and cut hair is.
    edge = smooth(0.0, 0.012, hairline(place, style.recede, style.seed))
    short = min(0.35, 0.02 / max(style.side, 0.004))
    if style.family in ("long-straight", "long-wavy", "bob", "curled", "tied", "updo"):
        short = 0.75
    length = length * (short + (1 - short) * edge)
    return np.asarray(length * random.uniform(0.82, 1.0, size=len(length)))


def _comb(roots: Roots, style: Style, random: np.random.Generator) -> Floats:
    """[roots, 3] Directions in the head's axes."""
    place = roots.places
    outward = unit(place - SKULL)
    side = np.sign(place[:, 0] - style.part + random.normal(size=len(place)) * 0.002)
    away = unit(place - CROWN)
    down = np.array([0.0, 0.0, -1.0])
    if style.comb == "part":
        ahead = smooth(-0.06, -0.13, place[:, 1])
        across = np.stack([side, 0.25 + 0.55 * ahead, -0.35 * np.ones(len(place))], axis=1)
        wish = unit(across) * 0.9 + unit(place - CROWN) * 0.25
    elif style.comb == "back":
        wish = np.stack(
            [
                0.35 * np.sign(place[:, 0]) * smooth(0.0, 0.05, np.abs(place[:, 0])),
                np.full(len(place), 1.0),
                np.full(len(place), -0.15),
            ],
            axis=1,
        )
    elif style.comb == "tie":
        wish = unit(np.asarray(style.tie) - place)
    elif style.comb == "out":
        wish = outward + random.normal(size=place.shape) * 0.35
    elif style.comb == "side":
        wish = np.stack(
            [
                np.full(len(place), np.sign(style.part) or 1.0) * -1.0,
                np.full(len(place), -0.15),
                np.full(len(place), -0.1),
            ],
            axis=1,
        )
        wish = wish * smooth(0.80, 0.83, place[:, 2])[:, None] + away * 0.6
    else:
        wish = away + 0.15 * down
    wish = wish + 0.10 * random.normal(size=place.shape)
    along = wish - (wish * outward).sum(axis=1, keepdims=True) * outward * (style.comb != "out")
    return unit(along)


def _fall(
    roots: Roots, comb: Floats, length: Floats, style: Style, distance: Distance, body: Body,
    random: np.random.Generator,
) -> Floats:  # fmt: skip
    steps = style.steps
    count = len(length)
    layer = random.uniform(0, 1, size=count) ** 0.8
    thick = 0.0015 + style.volume * layer
    heading = unit(comb + roots.normals * style.lift)
    at = roots.points - roots.normals * 0.001
    lines = np.empty((count, steps, 3))
    lines[:, 0] = at
    step = (length / (steps - 1))[:, None]
    head = body.head_rotation
    middle = _head_middle(body)
    tie = (np.asarray(style.tie) - SKULL) @ head.T + middle
    for k in range(1, steps):
        gone = k / (steps - 1) * length
        pull = smooth(0.0, 1.0, gone / 0.10)[:, None] * style.weight
        held = np.exp(-gone / (0.03 + 0.07 * style.stiff))[:, None]
        wish = comb * held + np.array([0, 0, -1.0]) * pull
        if style.comb == "tie":
            wish = unit(tie - at)
        elif style.comb == "out":
            wish = comb * 1.0 + np.array([0, 0, -1.0]) * pull * 0.3
        heading = unit(heading * (0.6 + style.stiff) + wish * 0.8)
        new = at + heading * step
        rise = np.minimum(1.0, gone / 0.03)
        if style.comb != "out":
            above = smooth(-0.10, -0.05, (new - middle) @ head[:, 2])[:, None]
            new = _drawn_in(new, thick * rise + 0.0015, step * above, distance)
        new = _kept_out(new, thick * rise + 0.0008, distance)
        if not style.fringe or style.comb != "whorl":
            new = _off_the_face(new, head, middle, style, random)
        heading = unit(new - at)
        at = at + heading * step
        if style.comb == "tie":
            near = np.linalg.norm(tie - at, axis=1, keepdims=True) < step
            at = np.where(near, tie + 0.15 * (at - tie), at)
            step = np.where(near, step * 0.05, step)
        lines[:, k] = at
    return lines


def _head_middle(body: Body) -> Floats:
    """The middle of the skull, as posed."""
    place = body.neutral
    above = place[:, 2] > 0.76
    return np.asarray(
        body.vertices[above].mean(axis=0) + (SKULL - place[above].mean(axis=0)) @ body.head_rotation.T
    )


def _kept_out(points: Floats, thick: Floats, distance: Distance) -> Floats:
    for _ in range(2):
        short = thick - distance.at(points)
        push = np.flatnonzero(short > 0)
        if len(push):
            points = points.copy()
            points[push] += distance.away(points[push]) * short[push, None]
    return points


def _drawn_in(points: Floats, thick: Floats, step: Floats, distance: Distance) -> Floats:
    """Hair near the head lies on it."""
    over = distance.at(points) - thick
    near = np.clip(over, 0, None) * smooth(0.07, 0.03, over)
    return points - distance.away(points) * np.minimum(near[:, None], step) * 0.30


def _off_the_face(
    points: Floats, head: Floats, middle: Floats, style: Style, random: np.random.Generator
) -> Floats:
    """Hair hangs beside the face, not before it."""
    local = (points - middle) @ head
    wide = style.extra.get("face", 0.060)
    below = local[:, 2] < -0.075
    ellipse = np.hypot(local[:, 0] / wide, np.where(below, 0.0, local[:, 2] + 0.075) / 0.118)
    before = (local[:, 1] < -0.030 + 0.03 * below) & (ellipse < 1) & (local[:, 2] > -0.24)
    if not before.any():
        return points
    sign = np.where(local[:, 0] >= 0.0, 1.0, -1.0)
    shift = np.zeros_like(local)
    shift[:, 0] = sign * wide * (1 - ellipse) * 0.35
    shift[:, 1] = 0.02 * (1 - ellipse)
    local = np.where(before[:, None], local + shift, local)
    return np.asarray(local @ head.T + middle)


def _in_the_way(lines: Floats, body: Body, style: Style) -> np.ndarray:
    """[strands] Whether a strand strays before the face or the throat."""
    local = (lines - _head_middle(body)) @ body.head_rotation
    x, y, z = np.abs(local[..., 0]), local[..., 1], local[..., 2]
    throat = (x < 0.040) & (y < 0.0) & (z < -0.085) & (z > -0.26)
    forehead = -0.03 if style.fringe else 0.020
    face = (x < 0.050) & (y < -0.045) & (z < forehead) & (z > -0.15)
    # A coil may turn below its root.
    face &= z < z[:, :1] - (0.030 if style.comb == "out" else 0.016 if style.curl else 0.010)
    return np.asarray((throat | face).any(axis=1))


def _shaped(lines: Floats, roots: Roots, length: Floats, style: Style, random: np.random.Generator) -> Floats:
    """Clumps, waves, curls and frizz."""
    count, steps, _ = lines.shape
    per = 22 if style.curl < 0.002 else 14
    centres = random.choice(count, size=max(count // per, 2), replace=False)
    _, nearest = cKDTree(roots.points[centres]).query(roots.points)
    way = np.linspace(0, 1, steps)[None, :, None]
    centre = lines[centres[nearest]]
    share = style.clump * random.uniform(0.6, 1.0, size=(count, 1, 1)) * way**0.8
    lines = lines * (1 - share) + centre * share
    phase = random.uniform(0, 2 * np.pi, size=len(centres))[nearest] + random.normal(size=count) * 0.35
    size = random.uniform(0.6, 1.3, size=len(centres))[nearest]
    along = unit(np.gradient(lines, axis=1))
    first = unit(np.cross(along, unit(roots.normals + 0.01)[:, None, :]))
    second = np.cross(along, first)
    arc = length[:, None] * np.linspace(0, 1, steps)[None, :]
    grown = smooth(0.0, 1.0, arc / 0.035)
    if style.wave:
        turn = 2 * np.pi * arc / style.wavelength + phase[:, None]
        swing = (style.wave * size[:, None] * grown * np.sin(turn))[..., None]
        lines = lines + first * swing + second * swing * 0.35
    if style.curl:
        turn = 2 * np.pi * arc / (style.wavelength * size[:, None]) + phase[:, None]
        radius = (style.curl * size[:, None] * smooth(0.0, 1.0, arc / 0.02))[..., None]
        lines = lines + (first * np.cos(turn)[..., None] + second * np.sin(turn)[..., None]) * radius
    stray = (
        random.normal(size=(count, 1, 3)) * style.frizz * 2.0
        + random.normal(size=lines.shape) * style.frizz * 0.25
    )
    return np.asarray(lines + stray * grown[..., None] * way)


def _gathered(
    body: Body, style: Style, lines: Floats, distance: Distance, random: np.random.Generator
) -> Floats:
    """A bun or a tail where the hair is tied."""
    head = body.head_rotation
    tie = (np.asarray(style.tie) - SKULL) @ head.T + _head_middle(body)
    out = unit((np.asarray(style.tie) - SKULL) @ head.T)
    count, steps = len(lines) // 3, lines.shape[1]
    way = np.linspace(0, 1, steps)[None, :]
    if style.bun:
        centre = tie + out * style.bun * 0.45
        axis = unit(random.normal(size=(count, 3)) * 0.25 + out)
        first = unit(np.cross(axis, random.normal(size=(count, 3))))
        second = np.cross(axis, first)
        turn = random.uniform(0, 2 * np.pi, size=(count, 1)) + way * 4.2
        tilt = random.uniform(-1.0, 1.0, size=(count, 1))
        radius = style.bun * np.sqrt(1 - 0.75 * tilt**2) * random.uniform(0.94, 1.02, size=(count, 1))
        ring = first[:, None] * np.cos(turn)[..., None] + second[:, None] * np.sin(turn)[..., None]
        return np.asarray(
            centre + ring * radius[..., None] + axis[:, None] * (tilt * style.bun * 0.75)[..., None]
        )
    start = tie + random.normal(size=(count, 3)) * 0.007
    heading = unit(out + random.normal(size=(count, 3)) * 0.12)
    tail = np.empty((count, steps, 3))
    tail[:, 0] = at = start
    step = style.tail * random.uniform(0.8, 1.0, size=(count, 1)) / (steps - 1)
    spread = random.normal(size=(count, 3)) * 0.10
    for k in range(1, steps):
        heading = unit(heading * 1.2 + np.array([0, 0, -1.0]) * 0.7 + spread * 0.5)
        new = _kept_out(
            at + heading * step, np.full(count, 0.004) + 0.01 * random.uniform(size=count), distance
        )
        heading = unit(new - at)
        tail[:, k] = at = at + heading * step
    return tail


def brows(body: Body, *, width: float, arch: float, count: int, seed: int) -> Floats:
    """[strands, points, 3] Both eyebrows."""
    random = np.random.default_rng([seed, 31])
    inside, _ = brow_band(body.neutral, width=width, arch=arch)
    roots = sample_roots(body, inside, count, random)
    way = np.clip((np.abs(roots.places[:, 0]) - 0.0125) / 0.037, 0, 1)
    side = np.sign(roots.places[:, 0])
    middle = roots.places[:, 2] - 0.7465
    direction = (
        np.stack([side, np.zeros(count), 0.9 - 1.25 * way - 60 * middle], axis=1) @ body.head_rotation.T
    )
    return _lying(roots, direction, random.uniform(0.005, 0.009, count) * (1 - 0.3 * way), 0.22, random)


def lashes(body: Body, *, length: float, count: int, seed: int) -> Floats:
    """[strands, points, 3] Upper lashes."""
    random = np.random.default_rng([seed, 32])
    far = eye_distance(body.neutral)
    edge = smooth(1.35, 1.1, far) * (far > 0.85) * (body.neutral[:, 2] > 0.7295)
    roots = sample_roots(body, edge + 1e-12 * (far < 3), count, random)
    outer = (np.abs(roots.places[:, 0]) - 0.0325) / 0.0128
    side = np.sign(roots.places[:, 0])
    direction = np.stack([side * (0.15 + 0.7 * outer), np.full(count, -1.0), np.full(count, 0.1)], axis=1)
    direction = unit(direction) @ body.head_rotation.T
    way = np.linspace(0, 1, 5)[None, :, None]
    size = (length * random.uniform(0.7, 1.0, count))[:, None, None]
    up = body.head_rotation[:, 2]
    return np.asarray(roots.points[:, None] + size * (direction[:, None] * way + up * 0.8 * way**2))


def beard(body: Body, *, length: float, count: int, shape: str, seed: int) -> Floats:
    """[strands, points, 3] Beard strands; ``shape`` is ``full``, ``chin`` or ``moustache``."""
    random = np.random.default_rng([seed, 33])
    place = body.neutral
    density = beard_region(place)
    if shape == "chin":
        density = density * smooth(0.040, 0.030, np.abs(place[:, 0]))
    if shape == "moustache":
        density = density * (place[:, 2] > MOUTH_TOP) * (np.abs(place[:, 0]) < 0.032)
    density = density * np.clip(0.8 + 0.35 * noise3(place, 0.015, seed), 0.2, 1)
    roots = sample_roots(body, density, count, random)
    x = roots.places[:, 0]
    lip = roots.places[:, 2] > MOUTH_TOP
    down = np.stack(
        [np.where(lip, np.sign(x) * 0.9, 0.10 * np.sign(x)), np.full(count, -0.15), np.full(count, -1.0)], 1
    )
    low = 0.25 + 0.75 * smooth(0.606, 0.640, roots.places[:, 2])
    size = length * random.uniform(0.5, 1.0, count) * np.where(lip, 0.6, low)
    return _lying(roots, down @ body.head_rotation.T, size, 0.45, random)


MOUTH_TOP = 0.667


def _lying(
    roots: Roots, direction: Floats, length: Floats, lift: float, random: np.random.Generator
) -> Floats:
    """Short strands that lie on the skin and bend back to it."""
    direction = direction + random.normal(size=direction.shape) * 0.22
    flat = direction - (direction * roots.normals).sum(axis=1, keepdims=True) * roots.normals
    flat = unit(flat)
    way = np.linspace(0, 1, 5)[None, :, None]
    rise = lift * way * (1 - 0.75 * way)
    path = flat[:, None] * way + roots.normals[:, None] * rise
    return np.asarray(roots.points[:, None] + path * length[:, None, None])


def flat_count(lines: list[Floats]) -> int:
    """Number of points."""
    return int(sum(part.shape[0] * part.shape[1] for part in lines))


def as_ints(values: Floats) -> Ints:
    """Rounded."""
    return np.rint(values).astype(np.int64)
