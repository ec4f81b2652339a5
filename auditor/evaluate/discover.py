"""Concepts that a model goes by, found in the class's own photos, and kept as a bank."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.banks.starting import start_manifest
from auditor.context import AuditContext
from auditor.errors import InputError, StorageError
from auditor.evaluate.photos import ClassPhotos
from auditor.evaluate.run import prepare_bench
from auditor.explain.segment_concepts import association_scores, find_concepts, see
from auditor.explain.segments import Segment, crops, need_segmentation, segments_of
from auditor.files import write_bytes
from auditor.images.class_images import to_bytes
from auditor.models.loaded import ClassLabel
from auditor.progress import Progress, silent
from auditor.randomness import derived_seed
from auditor.records import Skipped
from auditor.settings import EvaluationSettings

MOST_PHOTOS, MOST_SEGMENTS = 60, 120
"""Photos of a class that are cut into segments, and segments kept of a concept: a bank needs 30 independent
images of each."""
CLUSTER = '\n[cluster]\nof = "source photo"\nname_pattern = "/([0-9]+-photo[0-9]+)_"\n'
"""Segments of one photo count as one."""


@dataclass(frozen=True)
class Discovered:
    """One concept of a class."""

    number: int
    """Over all classes, strongest first within each; from 1."""
    label: ClassLabel
    score: float
    """Mean log-scaled class probability on its segments, less that on all others."""
    pixels: NDArray[np.uint8]
    """Photos of the class."""
    segments: Sequence[Segment]
    """Its own, the most typical first."""

    @property
    def name(self) -> str:
        """As a bank calls it; fit for a folder."""
        words = re.sub(r"[^\w .-]+", " ", self.label.name).strip(" .")
        return f"{words or self.label.index} {self.number}"

    @property
    def photos(self) -> int:
        """Photos that show it."""
        return len({one.photo for one in self.segments})


def discover(
    settings: EvaluationSettings, *, progress: Progress = silent
) -> tuple[list[Discovered], list[Skipped]]:
    """Concepts of every class, with what could not be looked at.

    Raises:
        InputError: Something asked for does not exist or cannot be used.
    """
    need_segmentation("discover")
    bench = prepare_bench(settings, progress)
    found: list[Discovered] = []
    for photos in bench.photos:
        usable = np.flatnonzero(photos.right)[:MOST_PHOTOS]
        if not len(usable):
            bench.skip(f"class '{photos.label.name}'", "the model recognises none of its photos")
            continue
        found += _of_class(bench.context, photos, photos.pixels[usable], first=len(found) + 1)
    return found, bench.skipped


def _of_class(
    context: AuditContext, photos: ClassPhotos, pixels: NDArray[np.uint8], *, first: int
) -> list[Discovered]:
    label, settings = photos.label, context.settings
    with context.progress.stage(f"{label.name}: segments", len(pixels)) as stage:
        cut: list[Segment] = []
        for photo, picture in enumerate(pixels):
            cut += segments_of(picture, photo)
            stage.advance()
    last = context.layers[-1]
    with context.progress.stage(f"{label.name}: concepts", len(cut)) as stage:
        seen = see(
            context.model,
            (pixels, cut),
            label.index,
            weights={last.name: np.ones(last.channels, np.float32)},
            batch=settings.batch_size,
            on_batch=stage.advance,
        )
    seed = derived_seed(settings.seed, "discover", label.index)
    photo_of = np.array([one.photo for one in cut])
    concepts = find_concepts(seen.embedding, photo_of, seed=seed, most=MOST_SEGMENTS)
    scores = association_scores(seen, concepts)
    return [
        Discovered(
            number=first + rank,
            label=label,
            score=float(scores[concept]),
            pixels=pixels,
            segments=[cut[place] for place in concepts.members(concept)],
        )
        for rank, concept in enumerate(np.argsort(-scores, kind="stable").tolist())
    ]


def chosen_of(found: Sequence[Discovered], numbers: Sequence[str]) -> list[Discovered]:
    """The concepts of these numbers; all where none is given.

    Raises:
        InputError: There is no such concept.
    """
    by_number = {str(one.number): one for one in found}
    wrong = [text for text in numbers if text not in by_number]
    if wrong:
        raise InputError(f"clusters '{','.join(wrong)}': needed: numbers from 1 to {len(found)}")
    return [by_number[text] for text in dict.fromkeys(numbers)] if numbers else list(found)


def check_new(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        InputError: It is a file, or not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"save-bank '{folder}': exists; needed: a new or empty folder")


def save_bank(chosen: Sequence[Discovered], folder: Path) -> Path:
    """One folder of pictures for each concept, as the model was shown them, and a ``bank.toml`` to complete.

    Raises:
        InputError: There is nothing to save, or the folder's name cannot be a bank's.
        StorageError: It cannot be written.
    """
    if not chosen:
        raise InputError("save-bank: no concept was found; needed: one or more")
    for one in chosen:
        pictures = to_bytes(crops(one.pixels, one.segments))
        for place, (segment, picture) in enumerate(zip(one.segments, pictures, strict=True)):
            name = f"{one.label.index}-photo{segment.photo:03d}_{place:02d}.png"
            write_bytes(folder / one.name / name, _png(picture))
    path = start_manifest(folder, title=f"Concepts found in photos of {_classes(chosen)}")
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(CLUSTER)
    except OSError as failure:
        raise StorageError(f"'{path}': cannot be written ({failure.strerror})") from failure
    return path


def _classes(chosen: Sequence[Discovered]) -> str:
    return ", ".join(dict.fromkeys(one.label.name for one in chosen))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy(), "RGB").save(stored, "PNG")
    return stored.getvalue()
