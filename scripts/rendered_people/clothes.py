"""Clothes: surfaces grown from the torso, cut along smooth lines, and pieces laid on the chest.

Cuts and pieces are drawn in the template's coordinates: the pit of the neck lies at (0, -0.075, 0.55), the
shoulders' tops at z = 0.57 and the armpits at z = 0.46 metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.interpolate import griddata
from scipy.ndimage import gaussian_filter, map_coordinates

from scripts.rendered_people.arrays import Floats, Ints, noise3, smooth, unit, vertex_normals
from scripts.rendered_people.body import Body
from scripts.rendered_people.space import Distance


@dataclass(frozen=True)
class Cloth:
    """What a piece is made of."""

    pattern: str
    """``plain``, ``pinstripe``, ``stripes``, ``bands``, ``check``, ``floral``, ``dots`` or ``knit``."""
    colour: Floats
    second: Floats
    scale: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Outfit:
    """Clothes of a styling: kind of garment and what its parts are made of."""

    kind: str
    main: Cloth
    under: Cloth
    accent: Cloth
    neck: float = 0.0
    """How deep the neckline is, 0 to 1."""
    necklace: Floats | None = None
    earrings: Floats | None = None
    seed: int = 0


@dataclass
class Pieces:
    """Triangles of all parts, growing."""

    vertices: list[Floats] = field(default_factory=list)
    faces: list[Ints] = field(default_factory=list)
    colours: list[Floats] = field(default_factory=list)
    count: int = 0

    def add(self, vertices: Floats, faces: Ints, colours: Floats) -> None:
        """One part more."""
        self.vertices.append(vertices)
        self.faces.append(faces + self.count)
        self.colours.append(np.broadcast_to(colours, vertices.shape).astype(np.float64))
        self.count += len(vertices)

    def merged(self) -> tuple[Floats, Ints, Floats, Floats]:
        """Vertices, faces, normals and colours."""
        vertices, faces = np.concatenate(self.vertices), np.concatenate(self.faces)
        return vertices, faces, vertex_normals(vertices, faces), np.concatenate(self.colours)


def colours_of(cloth: Cloth, place: Floats) -> Floats:
    """[points, 3] Linear RGB of a cloth at places on the template."""
    x, z = place[:, 0], place[:, 2]
    size = cloth.scale
    if cloth.pattern == "pinstripe":
        share = smooth(0.93, 0.985, np.cos(2 * np.pi * x / (0.016 * size)))
    elif cloth.pattern == "stripes":
        share = smooth(-0.35, 0.35, np.cos(2 * np.pi * x / (0.017 * size)))
    elif cloth.pattern == "bands":
        share = smooth(-0.3, 0.3, np.cos(2 * np.pi * z / (0.030 * size)))
    elif cloth.pattern == "slanted":
        share = smooth(-0.2, 0.2, np.cos(2 * np.pi * (z + 0.8 * x) / (0.026 * size)))
    elif cloth.pattern == "check":
        across = smooth(-0.3, 0.3, np.cos(2 * np.pi * x / (0.030 * size)))
        down = smooth(-0.3, 0.3, np.cos(2 * np.pi * z / (0.030 * size)))
        share = 0.5 * across + 0.5 * down
    elif cloth.pattern in ("floral", "dots"):
        share = _spots(place, cloth)
    elif cloth.pattern == "knit":
        share = 0.6 * smooth(-1, 1, np.cos(2 * np.pi * x / (0.013 * size))) + 0.10 * noise3(
            place, 0.01, cloth.seed
        )
    else:
        return np.asarray(cloth.colour * (1 + 0.03 * noise3(place, 0.02, cloth.seed))[:, None])
    share = np.clip(share, 0, 1)[:, None]
    return np.asarray(cloth.colour * (1 - share) + cloth.second * share)


def _spots(place: Floats, cloth: Cloth) -> Floats:
    """Dots in a lattice, or scattered flowers of five petals."""
    x, z = place[:, 0], place[:, 2]
    if cloth.pattern == "dots":
        step = 0.020 * cloth.scale
        row = np.floor(z / step)
        a = (x / step + 0.5 * (row % 2)) % 1 - 0.5
        return smooth(0.34, 0.24, np.hypot(a, z / step % 1 - 0.5))
    random = np.random.default_rng([cloth.seed, 61])
    share = np.zeros(len(place))
    for _ in range(130):
        middle = random.uniform([-0.26, 0.25], [0.26, 0.62])
        size = cloth.scale * random.uniform(0.009, 0.017)
        start = random.uniform(0, 6.28)
        near = np.flatnonzero(np.abs(x - middle[0]) + np.abs(z - middle[1]) < 2 * size)
        a, b = x[near] - middle[0], z[near] - middle[1]
        far = np.hypot(a, b) / size
        petal = 0.72 + 0.28 * np.cos(5 * (np.arctan2(b, a) + start))
        share[near] = np.maximum(share[near], smooth(1.1, 0.85, far / petal) * smooth(0.15, 0.3, far))
    return share


class Torso:
    """A body's torso, smoothed, ready to be dressed."""

    def __init__(self, body: Body, distance: Distance) -> None:
        place = body.neutral
        kept = (place[:, 2] < 0.635) & ~((place[:, 1] < -0.085) & (place[:, 2] > 0.605))
        faces = body.faces[kept[body.faces].all(axis=1)]
        used, flat = np.unique(faces, return_inverse=True)
        self.faces = flat.reshape(-1, 3)
        self.place = place[used]
        self.skin = body.vertices[used]
        self.body = body
        self.distance = distance
        smoothed = _smoothed(self.skin, self.faces, 12)
        self.normals = vertex_normals(smoothed, self.faces)
        sunk = np.maximum(((self.skin - smoothed) * self.normals).sum(axis=1), 0)
        lifted = _smoothed(sunk[:, None], self.faces, 5)[:, 0] + 0.0005
        self.surface = smoothed + self.normals * np.maximum(lifted, sunk)[:, None]
        self.normals = vertex_normals(self.surface, self.faces)
        self._chest()

    def _chest(self) -> None:
        """A chart of the front: place and normal for x and z on the template."""
        lean = vertex_normals(self.place, self.faces)
        front = (lean[:, 1] < -0.05) & (np.abs(self.place[:, 0]) < 0.2)
        self.low, self.step = np.array([-0.18, 0.16]), 0.004
        x, z = np.meshgrid(np.arange(-0.18, 0.1801, 0.004), np.arange(0.16, 0.63, 0.004), indexing="ij")
        values = np.concatenate([self.surface, self.normals], axis=1)[front]
        chart = griddata(self.place[front][:, [0, 2]], values, (x, z), method="linear")
        near = griddata(self.place[front][:, [0, 2]], values, (x, z), method="nearest")
        chart = np.where(np.isnan(chart), near, chart)
        self.chart = np.stack([gaussian_filter(chart[..., k], 1.2) for k in range(6)], axis=-1)

    def on_chest(self, x: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Places [points, 3] and normals [points, 3] of the chart."""
        where = np.stack([(x - self.low[0]) / self.step, (z - self.low[1]) / self.step])
        found = [map_coordinates(self.chart[..., k], where, order=1, mode="nearest") for k in range(6)]
        both = np.stack(found, axis=1)
        return both[:, :3], unit(both[:, 3:])

    def garment(
        self, pieces: Pieces, level: Floats, offset: float, cloth: Cloth, folds: float = 0.002
    ) -> None:
        """Cloth where ``level`` [vertices] is positive, with a hem that turns in."""
        plain = cloth.pattern in ("plain", "knit")
        fold = noise3(self.place * np.array([1.0, 1.0, 0.4]), 0.05, cloth.seed + 3)
        fold += (
            0.6
            * noise3(self.place * np.array([1.0, 0.6, 1.0]), 0.028, cloth.seed + 5)
            * smooth(0.10, 0.17, np.abs(self.place[:, 0]))
        )
        lifted = self.surface + self.normals * (offset + folds * np.clip(fold, -1.5, 2.5))[:, None]
        values = np.concatenate([lifted, self.place, self.normals], axis=1)
        values, faces, edge = clipped(values, self.faces, level)
        for _ in range(1 if plain else 2):
            values, faces = _halved(values, faces)
        pieces.add(values[:, :3], faces, colours_of(cloth, values[:, 3:6]))
        self._hem(pieces, edge, cloth, offset)

    def _hem(self, pieces: Pieces, edge: tuple[Floats, Ints], cloth: Cloth, offset: float) -> None:
        """A strip from the cut edge to the skin."""
        values, pairs = edge
        if not len(pairs):
            return
        outer = values[:, :3]
        inner = outer - values[:, 6:9] * (offset + 0.001)
        both = np.concatenate([outer, inner])
        count = len(outer)
        a, b = pairs.T
        faces = np.concatenate([np.stack([a, b, b + count], 1), np.stack([a, b + count, a + count], 1)])
        pieces.add(both, faces, np.concatenate([colours_of(cloth, values[:, 3:6])] * 2) * 0.8)

    def patch(
        self,
        pieces: Pieces,
        outline: list[tuple[float, float]],
        offset: float,
        cloth: Cloth,
        puff: float = 0.0,
    ) -> None:
        """A flat piece in the shape of ``outline`` (x and z on the template), laid on the chest."""
        corners = np.array(outline)
        low, high = corners.min(axis=0) - 0.004, corners.max(axis=0) + 0.004
        x, z = np.meshgrid(
            np.arange(low[0], high[0], 0.0025), np.arange(low[1], high[1], 0.0025), indexing="ij"
        )
        index = np.arange(x.size).reshape(x.shape)
        a, b, c, d = index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]
        faces = np.concatenate(
            [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]
        )
        flat = np.stack([x.ravel(), np.zeros(x.size), z.ravel()], axis=1)
        level = _inside(flat[:, [0, 2]], corners)
        values, faces, edge = clipped(np.concatenate([flat, level[:, None]], axis=1), faces, level)

        def raised(points: Floats, share: float) -> Floats:
            where, normal = self.on_chest(points[:, 0], points[:, 2])
            round_edge = smooth(0, 0.010, points[:, 3]) * puff
            return np.asarray(where + normal * ((offset + round_edge) * share)[:, None])

        if not len(faces):
            return
        pieces.add(raised(values, 1.0), faces, colours_of(cloth, values[:, :3]))
        rim, pairs = edge
        both = np.concatenate([raised(rim, 1.0), raised(rim, 0.55)])
        a, b = pairs.T
        side = np.concatenate(
            [np.stack([a, b, b + len(rim)], 1), np.stack([a, b + len(rim), a + len(rim)], 1)]
        )
        pieces.add(both, side, np.concatenate([colours_of(cloth, rim[:, :3])] * 2) * 0.7)

    def collar(
        self, pieces: Pieces, cloth: Cloth, *, gap: float, point: float, height: float, flat: float = 0.0
    ) -> None:
        """A folded collar about the neck; ``gap`` is half the angle left open in front, in degrees."""
        angle = np.radians(np.linspace(gap, 360 - gap, 97))
        back = (1 - np.cos(angle)) / 2
        neck = self._neck_axis()
        bottom = self._ring(neck, angle, -0.008 + 0.052 * back, 0.006)
        top = self._ring(neck, angle, -0.008 + 0.052 * back + height * (0.7 + 0.3 * back), 0.007)
        turn = np.minimum(np.degrees(angle), 360 - np.degrees(angle))
        wing = point * np.exp(-(((turn - gap) / 40) ** 2)) + 0.010
        down = unit(bottom - top)
        outward = unit((bottom - neck) * np.array([1.0, 1.0, 0.0]))
        fold = top + outward * 0.004 - down * 0.002
        middle = 0.5 * (top + bottom) + outward * 0.008
        spread = unit(down + outward * 0.30)
        low = middle + spread * (0.5 * height + wing)[:, None]
        low = self._outside(low, 0.011 + flat)
        mid = self._outside(0.5 * (middle + low) + outward * 0.002, 0.010 + flat)
        rows = np.stack([bottom, top, fold, middle, mid, low])
        index = np.arange(rows.shape[0] * 97).reshape(rows.shape[0], 97)
        a, b, c, d = index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]
        faces = np.concatenate(
            [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]
        )
        flat_place = np.stack([np.sin(angle) * 0.06, angle * 0, np.zeros(97)], axis=1)
        depth = np.array([0.02, 0.04, 0.045, 0.03, 0.015, 0.0])
        place = flat_place[None] + np.array([0, 0, 1.0]) * depth[:, None, None] + np.array([0, 0, 0.5])
        colour = colours_of(cloth, place.reshape(-1, 3)).reshape(6, 97, 3)
        colour = colour * np.array([0.75, 0.95, 1, 1, 1, 1])[:, None, None]
        pieces.add(rows.reshape(-1, 3), faces, colour.reshape(-1, 3))

    def _neck_axis(self) -> Floats:
        near = (np.abs(self.place[:, 2] - 0.585) < 0.012) & (np.abs(self.place[:, 0]) < 0.06)
        around = self.skin[near]
        pit = self.skin[np.linalg.norm(self.place - np.array([0, -0.075, 0.553]), axis=1).argmin()]
        middle = 0.5 * (around.min(axis=0) + around.max(axis=0))
        return np.array([middle[0], middle[1], pit[2]])

    def _ring(self, neck: Floats, angle: Floats, height: Floats, clear: float) -> Floats:
        """The neck's outline at heights above its pit, ``clear`` metres from the skin."""
        ahead = np.stack([np.sin(angle), -np.cos(angle), np.zeros_like(angle)], axis=1)
        start = neck + np.array([0, 0, 1.0]) * height[:, None]
        radii = np.arange(0.030, 0.11, 0.001)
        probes = start[:, None] + ahead[:, None] * radii[None, :, None]
        free = self.distance.at(probes) > clear
        first = np.where(free.any(axis=1), free.argmax(axis=1), len(radii) - 1)
        radius = radii[first]
        padded = np.concatenate([radius[-8:], radius, radius[:8]])
        radius = gaussian_filter(padded, 2.5)[8:-8]
        return np.asarray(start + ahead * np.maximum(radius, 0.045)[:, None])

    def _outside(self, points: Floats, clear: float) -> Floats:
        for _ in range(4):
            short = clear - self.distance.at(points)
            points = points + self.distance.away(points) * np.maximum(short, 0)[:, None]
        return points


def clipped(values: Floats, faces: Ints, level: Floats) -> tuple[Floats, Ints, tuple[Floats, Ints]]:
    """The part of a mesh where ``level`` is positive.

    Returns:
        Values of the kept vertices, faces, and the cut edge: its values and the pairs that it joins.
    """
    level = np.where(np.abs(level) < 1e-9, 1e-9, level)
    inside = level > 0
    count = inside[faces].sum(axis=1)
    whole = faces[count == 3]
    # Turn crossed faces so that the lone corner comes first.
    crossed = faces[(count == 1) | (count == 2)]
    lone = inside[crossed].sum(axis=1) == 1
    odd = np.where(lone[:, None], inside[crossed], ~inside[crossed]).argmax(axis=1)
    turned = crossed[np.arange(len(crossed))[:, None], (odd[:, None] + np.arange(3)) % 3]
    edges = np.concatenate([turned[:, [0, 1]], turned[:, [0, 2]]])
    key, where = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    where = where.ravel()
    if not len(key):
        return values, whole, (values[:0], np.zeros((0, 2), np.int64))
    share = level[key[:, 0]] / (level[key[:, 0]] - level[key[:, 1]])
    new = values[key[:, 0]] * (1 - share[:, None]) + values[key[:, 1]] * share[:, None]
    p, q = where[: len(turned)] + len(values), where[len(turned) :] + len(values)
    one = np.stack([turned[:, 0], p, q], 1)[lone]
    two = np.concatenate(
        [np.stack([p, turned[:, 1], turned[:, 2]], 1)[~lone], np.stack([p, turned[:, 2], q], 1)[~lone]]
    )
    everything = np.concatenate([whole, one, two])
    used, flat = np.unique(everything, return_inverse=True)
    pairs = np.stack([p, q], axis=1) - len(values)
    return np.concatenate([values, new])[used], flat.reshape(-1, 3), (new, pairs)


def _inside(points: Floats, corners: Floats) -> Floats:
    """[points] Distance to a polygon's border, positive inside."""
    best = np.full(len(points), np.inf)
    inside = np.zeros(len(points), dtype=bool)
    for first, second in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = second - first
        share = np.clip(((points - first) @ along) / max(float(along @ along), 1e-12), 0, 1)
        best = np.minimum(best, np.linalg.norm(points - first - share[:, None] * along, axis=1))
        over = (first[1] > points[:, 1]) != (second[1] > points[:, 1])
        cut = first[0] + (points[:, 1] - first[1]) * along[0] / (along[1] if along[1] else 1e-12)
        inside ^= over & (points[:, 0] < cut)
    return np.where(inside, best, -best)


def _smoothed(values: Floats, faces: Ints, steps: int) -> Floats:
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    count = len(values)
    matrix = sparse.coo_matrix(
        (np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count)
    ).tocsr()
    matrix = ((matrix + matrix.T) > 0).astype(np.float64)
    average = sparse.diags(1 / np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1)) @ matrix
    for _ in range(steps):
        values = 0.4 * values + 0.6 * (average @ values)
    return values


def _halved(values: Floats, faces: Ints) -> tuple[Floats, Ints]:
    """Edges in front halved, for patterns finer than the mesh. New points lie on the edges: no gaps."""
    front = (values[faces[:, 0], 4] < 0.0) & (values[faces[:, 0], 5] > 0.30)
    kept, faces = faces[~front], faces[front]
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    keys, which = np.unique(edges[:, 0] * len(values) + edges[:, 1], return_inverse=True)
    unique = np.stack([keys // len(values), keys % len(values)], axis=1)
    which = which.ravel() + len(values)
    new = values[unique].mean(axis=1)
    p, q, r = (which[k * len(faces) : (k + 1) * len(faces)] for k in range(3))
    a, b, c = faces.T
    finer = [np.stack(t, 1) for t in ((a, p, r), (b, q, p), (c, r, q), (p, q, r))]
    return np.concatenate([values, new]), np.concatenate([kept, *finer])


Level = Callable[[Floats], Floats]


def round_neck(deep: float, wide: float) -> Level:
    """A neckline that is a ring, lower in front by ``deep`` and wider by ``wide`` metres."""

    def level(place: Floats) -> Floats:
        x, y, z = place.T
        ring = 0.553 + 0.42 * (y + 0.075) - deep * smooth(0.05, -0.07, y)
        side = 0.075 + wide
        bowl = 0.55 * np.maximum(np.abs(x) - 0.02, 0) ** 2 / side
        return np.asarray(
            ring + np.where(y < 0.01, deep * np.clip(np.abs(x) / side, 0, 1.6) ** 2.4, 0) + bowl - z
        )

    return level


def v_neck(deep: float) -> Level:
    """A neckline that comes to a point."""

    def level(place: Floats) -> Floats:
        x, y, z = place.T
        ring = 0.556 + 0.42 * (y + 0.075) + 0.01
        slant = (np.abs(x) - (z - (0.548 - deep)) * (0.068 / (deep + 0.045))) * 0.8
        return np.asarray(np.where(y < -0.015, np.minimum(ring - z + 0.02, slant), ring - z))

    return level


def strapped(top: float, strap: float) -> Level:
    """Bare shoulders and straps; cloth below ``top``."""

    def level(place: Floats) -> Floats:
        x, y, z = place.T
        body = top + 0.012 * np.cos(np.abs(x) / 0.09 * np.pi) * (y < 0) - z
        arm = 0.150 - np.abs(x) + np.maximum(0.0, 0.44 - z) * 0.6
        straps = strap - np.abs(np.abs(x) - 0.082)
        return np.asarray(
            np.maximum(np.minimum(body, arm), np.where(z > top - 0.02, np.minimum(straps, 0.60 - z), -1))
        )

    return level


def jacket_front(button: float) -> Level:
    """Open in front above the button."""

    def level(place: Floats) -> Floats:
        x, y, z = place.T
        ring = 0.562 + 0.42 * (y + 0.075) + 0.008
        edge = np.clip((z - button) / (0.59 - button), 0, 1.3) ** 1.15 * 0.066
        return np.asarray(np.where(y < -0.005, np.minimum(np.abs(x) - edge, ring + 0.03 - z), ring - z))

    return level
