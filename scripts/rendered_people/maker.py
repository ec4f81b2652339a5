"""From an identity, a skin group and a styling to the two pictures."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from scripts.rendered_people import scene
from scripts.rendered_people.arrays import Floats
from scripts.rendered_people.backdrop import KINDS, backdrop
from scripts.rendered_people.body import Body, BodyModel
from scripts.rendered_people.colour import IRIS, to_srgb
from scripts.rendered_people.hair import beard, brows, grow, lashes, scalp_density
from scripts.rendered_people.identity import Identity, hair_colour_of, iris_of, picture_of, shape_of, tone_of
from scripts.rendered_people.outfits import dressed
from scripts.rendered_people.scene import Mesh, View, render
from scripts.rendered_people.skin import eyeballs, skin_colours
from scripts.rendered_people.space import Distance, distance_from
from scripts.rendered_people.strands import FINER, Camera, Strands
from scripts.rendered_people.styling import Styling, styling_of

CROPS = ("head", "bust")
MASK = "mask"
SIDE = 224
SAMPLES = 6
LEVELS = 15
"""Steps of a mask's coverage between nothing and all: fine enough for soft edges, and small files."""


class Maker:
    """Renders pictures; keeps the model and the last bodies."""

    def __init__(self) -> None:
        self.model = BodyModel()
        self._body = lru_cache(maxsize=2)(self._made_body)

    def _made_body(self, who: Identity, group: str) -> tuple[Body, Distance, Distance]:
        body = self.model.body(shape_of(who, group, self.model.labels))
        return body, *distance_from(body, torso=0.018)

    def pictures(self, who: Identity, group: str, styling_name: str) -> dict[str, bytes]:
        """JPEG files by crop, and under ``MASK`` the coverage of the bust as a PNG file."""
        styling = styling_of(who.style_set, styling_name, group)
        body, bare, clothed = self._body(who, group)
        picture = picture_of(who)
        face = body.vertices[np.linalg.norm(body.neutral - np.array([0, -0.12, 0.70]), axis=1).argmin()]
        middle = face + body.head_rotation @ np.array([0.0, 0.07, 0.03])
        target = middle * np.array([0.75, 0.75, 1.0]) - np.array([0, 0, 0.115])
        view = View(
            target,
            picture.distance,
            picture.width,
            picture.yaw,
            picture.pitch,
            picture.lights,
            picture.sky,
            picture.seed,
        )
        strands = _strands(body, who, group, styling, clothed)
        rendered = render(_meshes(body, bare, who, group, styling), strands, view, clothed, SAMPLES)
        random = who.random(6)
        behind = backdrop(KINDS[int(random.integers(len(KINDS)))], scene.SIDE, random)
        linear = rendered.colour + behind * (1 - rendered.alpha)[..., None]
        return {**_finished(linear, middle, view, who), MASK: _mask(rendered.alpha)}


def _meshes(body: Body, bare: Distance, who: Identity, group: str, styling: Styling) -> dict[str, Mesh]:
    _, hair = hair_colour_of(who, group)
    density = scalp_density(body.neutral, styling.hair)
    colours = skin_colours(body, tone_of(who, group), styling.paint, hair, density)
    gaze = body.head_rotation @ np.array([0.0, -1.0, 0.0])
    return {
        "skin": Mesh(body.vertices, body.faces, body.normals, colours, {"roughness": 0.50, "specular": 0.42}),
        "eyes": Mesh(
            *eyeballs(body, IRIS[iris_of(who, group)], gaze, who.number), {"roughness": 0.10, "specular": 0.6}
        ),
        "cloth": Mesh(*dressed(body, bare, styling.outfit), {"roughness": 0.82, "specular": 0.2}),
    }


def _strands(body: Body, who: Identity, group: str, styling: Styling, clothed: Distance) -> list[Strands]:
    _, hair = hair_colour_of(who, group)
    random = who.random(7)
    seed = who.number
    found = [_tinted(np.concatenate(grow(body, styling.hair, clothed)), hair, 1.0, random)]
    dark = hair * np.array([0.75, 0.72, 0.70])
    shape = brows(body, width=styling.brow_width, arch=styling.brow_arch, count=styling.brow_count, seed=seed)
    found.append(_tinted(shape, np.minimum(dark, 0.10), 0.2, random))
    lash = lashes(body, length=styling.lash_length, count=styling.lash_count, seed=seed)
    found.append(_tinted(lash, np.array([0.012, 0.010, 0.009]), 0.0, random))
    if styling.beard != "none":
        kind = "full" if styling.beard == "stubble" else styling.beard
        count = {"stubble": 2600, "full": 9000, "chin": 4500, "moustache": 3000}[styling.beard]
        hairs = beard(body, length=styling.beard_length, count=count, shape=kind, seed=seed)
        found.append(_tinted(hairs, dark, 0.3, random))
    return found


def _tinted(lines: Floats, colour: Floats, gloss: float, random: np.random.Generator) -> Strands:
    shades = np.exp(random.normal(size=(len(lines), 1)) * 0.22)
    return Strands(lines, np.clip(colour * shades, 0.004, 0.9), gloss)


def _finished(linear: Floats, middle: Floats, view: View, who: Identity) -> dict[str, bytes]:
    picture = picture_of(who)
    camera = Camera(scene.camera_place(view), view.target, view.width, scene.SIDE)
    column, row, _ = camera.project(middle[None])
    x, y = float(column[0]) / FINER, float(row[0]) / FINER
    half = 0.158 / view.width * scene.SIDE
    y -= 0.012 / view.width * scene.SIDE
    x, y = np.clip([x, y], half, scene.SIDE - half)
    boxes = {"head": (x - half, y - half, x + half, y + half), "bust": (0.0, 0.0, scene.SIDE, scene.SIDE)}
    mapped = to_srgb(scene.tone_mapped(linear, 1.22 * picture.exposure))
    whole = Image.fromarray((np.clip(mapped, 0, 1) * 255).round().astype(np.uint8))
    files = {}
    for number, (crop, box) in enumerate(boxes.items()):
        small = whole.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box)
        random = who.random(10 + number)
        grain = random.normal(size=(SIDE, SIDE, 1)) * 0.8 + random.normal(size=(SIDE, SIDE, 3)) * 0.5
        grain = gaussian_filter(grain, (0.5, 0.5, 0)) * 1.5
        noisy = np.asarray(small, dtype=np.float64) / 255 + grain * picture.noise
        buffer = io.BytesIO()
        final = Image.fromarray((np.clip(noisy, 0, 1) * 255).round().astype(np.uint8))
        final.save(buffer, "JPEG", quality=picture.quality, optimize=True)
        files[crop] = buffer.getvalue()
    return files


def _mask(alpha: Floats) -> bytes:
    """PNG: how much of each pixel of the bust is the person, 0 to 255 in a few steps."""
    whole = Image.fromarray((np.clip(alpha, 0, 1) * 255).round().astype(np.uint8))
    small = np.asarray(whole.resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float64) / 255
    buffer = io.BytesIO()
    stepped = (small * LEVELS).round() * (255 / LEVELS)
    Image.fromarray(stepped.round().astype(np.uint8)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
