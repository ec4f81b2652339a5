"""Generated banks, kept in the cache as PNG files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.banks.bank import BankImage, Concept
from auditor.banks.generated.drawing import Drawing, checksum, draw_all, write
from auditor.banks.generated.textures import GENERATOR_VERSION, render
from auditor.banks.manifest import ConceptEntry, Generator
from auditor.errors import InputError
from auditor.images.decode import decode_image
from auditor.progress import Progress, silent


def generated_concepts(
    entries: Sequence[ConceptEntry],
    generator: Generator,
    *,
    seed: int,
    cache: Path,
    progress: Progress = silent,
) -> list[Concept]:
    """The concepts. Images missing in ``cache`` are generated.

    Raises:
        StorageError: the cache cannot be written.
    """
    root = cache / generator.name / f"v{GENERATOR_VERSION}-seed{seed}-{generator.size}px"
    wanted = {entry.name: _known(root / entry.name, generator.images) for entry in entries}
    missing = [  # index by index: pictures of one index share what is around the texture
        (name, index)
        for index in range(generator.images)
        for name, known in wanted.items()
        if index >= len(known)
    ]
    if missing:
        told = progress.stage(f"making the images of bank '{generator.name}'", len(missing))
        drawn = draw_all(Drawing(str(root), seed, generator.size), missing)
        try:
            with told as stage, closing(drawn):
                for (name, _), sha256 in zip(missing, drawn, strict=True):
                    wanted[name].append(sha256)
                    stage.advance()
        finally:  # interrupted, the next call goes on from here
            for name in dict(missing):
                write(root / name / "sha256.json", json.dumps(wanted[name]).encode())
    concepts = []
    for entry in entries:
        images = []
        for index, sha256 in enumerate(wanted[entry.name][: generator.images]):
            name = f"{entry.name}/{index:03d}"
            again = partial(render, entry.name, index=index, seed=seed, size=generator.size)
            load = partial(_load, root / f"{name}.png", sha256, again)
            images.append(BankImage(name=name, load=load, sha256=sha256))
        concepts.append(Concept(entry.name, tuple(images), entry.title or entry.name, entry.definition))
    return concepts


def _known(folder: Path, count: int) -> list[str]:
    """Checksums of the images in the cache; none if their record is damaged."""
    try:
        known = json.loads((folder / "sha256.json").read_text())
    except (OSError, ValueError):
        return []
    if not isinstance(known, list) or not all(isinstance(entry, str) for entry in known):
        return []
    return known[:count]


def _load(path: Path, sha256: str, again: partial[NDArray[np.uint8]]) -> Image.Image:
    """The cached picture, or the picture made again where the cache was cleared or damaged."""
    try:
        image = decode_image(path)
        if checksum(np.asarray(image)) == sha256:
            return image
    except InputError:
        pass
    return Image.fromarray(again())
