"""Pictures of textures, made by the project itself: ``render("banded", index=3)``.

Every other picture shows the texture as a sheet that fills the frame, the rest show it on a thing before a
background. A texture is one function that draws a :class:`Surface` (``canvas.py``); light, colour and
camera are common to all. To add one, write the function, name it here and describe it in
``concept_banks/textures/bank.toml``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from auditor.banks.generated.textures import fabric, lattices, minerals, organic, stripes
from auditor.banks.generated.textures.canvas import Canvas, Surface, canvas
from auditor.banks.generated.textures.light import photograph
from auditor.banks.generated.textures.objects import scene
from auditor.errors import InputError

GENERATOR_VERSION: Final = 4
"""Raised whenever a picture changes, so that cached ones are made anew."""

TEXTURES: Final[dict[str, Callable[[Canvas], Surface]]] = {
    "banded": stripes.banded,
    "blotchy": organic.blotchy,
    "braided": fabric.braided,
    "bubbly": organic.bubbly,
    "bumpy": organic.bumpy,
    "chequered": lattices.chequered,
    "cobwebbed": fabric.cobwebbed,
    "cracked": minerals.cracked,
    "crosshatched": stripes.crosshatched,
    "crystalline": minerals.crystalline,
    "dotted": lattices.dotted,
    "fibrous": organic.fibrous,
    "grid": lattices.grid,
    "grooved": stripes.grooved,
    "honeycombed": lattices.honeycombed,
    "knitted": fabric.knitted,
    "marbled": organic.marbled,
    "meshed": fabric.meshed,
    "perforated": lattices.perforated,
    "pleated": stripes.pleated,
    "polka-dotted": lattices.polka_dotted,
    "porous": organic.porous,
    "scaly": lattices.scaly,
    "spiralled": stripes.spiralled,
    "stratified": stripes.stratified,
    "studded": lattices.studded,
    "swirly": stripes.swirly,
    "veined": organic.veined,
    "waffled": lattices.waffled,
    "woven": fabric.woven,
    "wrinkled": organic.wrinkled,
    "zigzagged": stripes.zigzagged,
}

# Textures that have a natural up in photos; the others may lie on any side.
_UPRIGHT: Final = {"scaly", "stratified", "pleated", "veined", "braided", "knitted"}


def render(name: str, *, index: int, seed: int = 0, size: int = 256) -> NDArray[np.uint8]:
    """Picture ``index`` of a texture, [size, size, 3], the same for the same arguments.

    Raises:
        InputError: no texture of that name.
    """
    if name not in TEXTURES:
        raise InputError(f"texture '{name}': unknown, need one of {', '.join(TEXTURES)}")
    # The name's checksum, not its place in the table: a new texture must not change the others.
    rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode()), index]))
    surface = TEXTURES[name](canvas(size, rng, upright=name in _UPRIGHT))
    picture = photograph(surface, rng)
    if index % 2 == 0:
        return picture
    # The same things for every texture: the name does not enter.
    return scene(size, seed, index).show(picture)
