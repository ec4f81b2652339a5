"""Photos without labels: which class the model takes each of them for.

All photos pass through the model once. Its answers are kept in the cache, so that every class and every later
audit of the model finds its photos without another pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from auditor.errors import InputError
from auditor.files import write_bytes
from auditor.images.decode import decode_image, left_out, scan_images
from auditor.images.inputs import as_inputs
from auditor.models.loaded import LoadedModel
from auditor.progress import Progress
from auditor.records import Skipped

UNREADABLE = -1
"""In place of a class, for a file that cannot be decoded."""


@dataclass(frozen=True)
class Unlabelled:
    """The photos of one folder, and what the model takes them for."""

    folder: Path
    paths: tuple[Path, ...]
    """In the order of their names."""
    taken_for: NDArray[np.int64]
    """[photos] Index of the class with the largest output, or ``UNREADABLE``."""
    skipped: tuple[Skipped, ...]
    """Files that could not be used, and why."""

    @property
    def readable(self) -> int:
        """How many photos the model has seen."""
        return int((self.taken_for != UNREADABLE).sum())

    def read(self, index: int) -> Iterator[tuple[str, Image.Image]]:
        """The photos that are taken for the class ``index``, in order: (name, RGB picture).

        Raises:
            InputError: A photo can no longer be read.
        """
        for place in np.flatnonzero(self.taken_for == index):
            path = self.paths[place]
            yield path.relative_to(self.folder).as_posix(), decode_image(path)


def look_through(
    model: LoadedModel,
    folder: Path,
    *,
    batch: int,
    cache: Path,
    progress: Progress,
    built_with: Sequence[str] = (),
) -> Unlabelled:
    """What the model takes every photo of a folder for; from the cache where nothing has changed.

    Args:
        model: The audited model.
        folder: The photos, at any depth; the names of folders in it mean nothing.
        batch: Photos per forward pass.
        cache: Folder for results that audits share. The answers are kept in it by the model and by the
            photos' names, sizes and dates.
        progress: Told how far the pass is.
        built_with: What the network's outputs depend on besides its weights, such as constructor arguments.

    Raises:
        InputError: There is no such folder.
        StorageError: The cache cannot be written.
    """
    paths, refused = scan_images(folder)
    kept = cache / "unlabelled" / f"{_key(model, folder, paths, built_with)}.json"
    if kept.exists():
        words = json.loads(kept.read_text(encoding="utf-8"))
        found = words["taken_for"]
        unreadable = [Skipped.model_validate(skip) for skip in words["unreadable"]]
    else:
        found, unreadable = _pass(model, folder, paths, batch, progress)
        words = {"taken_for": found, "unreadable": [skip.model_dump(mode="json") for skip in unreadable]}
        write_bytes(kept, json.dumps(words).encode())
    return Unlabelled(folder, tuple(paths), np.array(found, dtype=np.int64), (*refused, *unreadable))


def _pass(
    model: LoadedModel, folder: Path, paths: Sequence[Path], batch: int, progress: Progress
) -> tuple[list[int], list[Skipped]]:
    """Class or ``UNREADABLE`` of every photo, and the reasons."""
    found = [UNREADABLE] * len(paths)
    unreadable: list[Skipped] = []

    def decoded() -> Iterator[tuple[int, Image.Image]]:
        for place, path in enumerate(paths):
            try:
                yield place, decode_image(path)
            except InputError as failure:
                unreadable.append(left_out(path.relative_to(folder).as_posix(), str(failure)))

    stream = decoded()
    with progress.stage("photos without labels", len(paths)) as stage, torch.inference_mode():
        while some := list(islice(stream, batch)):
            logits = model.module(as_inputs(model, (picture for _, picture in some)))
            for (place, _), index in zip(some, logits.argmax(1).tolist(), strict=True):
                found[place] = index
            stage.advance(len(some))
    return found, unreadable


def _key(model: LoadedModel, folder: Path, paths: Sequence[Path], built_with: Sequence[str]) -> str:
    """Name by content: the model and its input, the device, and the photos as the file system lists them."""
    parts = [model.sha256, model.architecture, model.input.model_dump_json(), model.device.type]
    parts += built_with
    for path in paths:
        try:
            about = path.stat()
            state = f"{about.st_size} {about.st_mtime_ns}"
        except OSError:  # a link to nothing: listed as unreadable
            state = "gone"
        parts.append(f"{path.relative_to(folder).as_posix()} {state}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
