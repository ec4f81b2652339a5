"""A folder of folders as a bank: one concept for each subfolder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from auditor.banks.bank import BankImage, Concept
from auditor.banks.manifest import ConceptEntry
from auditor.errors import InputError
from auditor.images.decode import decode_image, read_limited, scan_images
from auditor.progress import Progress, silent
from auditor.records import Skipped


@dataclass(frozen=True)
class FolderConcepts:
    """What was found, and what was left out with the reason."""

    concepts: tuple[Concept, ...]
    skipped: tuple[Skipped, ...]


def subfolders(root: Path) -> list[ConceptEntry]:
    """An entry for each visible subfolder.

    Raises:
        InputError: none, or two whose names differ only in case.
    """
    names = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "__MACOSX")))
    if not names:
        raise InputError(f"bank '{root}': no subfolders, need one folder of images for each concept")
    seen: dict[str, str] = {}
    for name in names:
        if name.casefold() in seen:
            raise InputError(
                f"bank '{root}': folders '{seen[name.casefold()]}' and '{name}' differ only in case"
            )
        seen[name.casefold()] = name
    # Built without validation: any name that a file system accepts will do here.
    return [ConceptEntry.model_construct(name=n, title=n, definition="", folder=n, where={}) for n in names]


def folder_concepts(
    root: Path, entries: Sequence[ConceptEntry], *, min_images: int, progress: Progress = silent
) -> FolderConcepts:
    """Reads and checks every image below ``root`` once.

    Images that cannot be decoded are left out and listed; so is a second copy of an image within a
    concept, and a concept with fewer than ``min_images``.

    Raises:
        InputError: a folder is missing, leads out of the bank, or two concepts share an image.
    """
    skipped: list[Skipped] = []
    concepts: list[Concept] = []
    owner: dict[str, tuple[str, str]] = {}
    scanned = []
    for entry in entries:
        folder = root / (entry.folder or entry.name)
        if not folder.is_dir():
            raise InputError(f"bank '{root}', concept '{entry.name}': no folder '{folder}'")
        if not folder.resolve().is_relative_to(root.resolve()):
            raise InputError(f"bank '{root}', concept '{entry.name}': '{folder.name}' leads out of the bank")
        paths, refused = scan_images(folder)
        skipped += [_in_folder(entry, skip) for skip in refused]
        scanned.append((entry, paths))
    with progress.stage(f"reading bank '{root.name}'", sum(len(paths) for _, paths in scanned)) as stage:
        for entry, paths in scanned:
            images: list[BankImage] = []
            for path in paths:
                stage.advance()
                name = path.relative_to(root).as_posix()
                try:
                    data = read_limited(path)
                    decode_image(data)
                except InputError as error:
                    reason = str(error).partition(": ")[2] or str(error)
                    skipped.append(Skipped(what=f"image '{name}'", reason=reason))
                    continue
                sha256 = hashlib.sha256(data).hexdigest()
                if sha256 in owner:
                    other, first = owner[sha256]
                    if other != entry.name:
                        raise InputError(
                            f"bank '{root}': concepts '{other}' and '{entry.name}' share an image: "
                            f"'{first}' and '{name}' are the same file"
                        )
                    skipped.append(Skipped(what=f"image '{name}'", reason=f"a copy of '{first}'"))
                    continue
                owner[sha256] = entry.name, name
                load = partial(load_checked, path, sha256)
                images.append(BankImage(name=name, load=load, sha256=sha256, path=path))
            if len(images) < min_images:
                skipped.append(
                    Skipped(what=f"concept '{entry.name}'", reason=f"{len(images)} images, need {min_images}")
                )
                continue
            concepts.append(
                Concept(
                    name=entry.name,
                    images=tuple(images),
                    title=entry.title or entry.name,
                    definition=entry.definition,
                )
            )
    return FolderConcepts(tuple(concepts), tuple(skipped))


def load_checked(path: Path, sha256: str) -> Image.Image:
    """The image, if the file still is what it was.

    Raises:
        InputError: changed since it was recorded, or unreadable.
    """
    data = read_limited(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(f"image '{path}': has changed since it was recorded (its checksum differs)")
    try:
        return decode_image(data)
    except InputError as error:
        raise InputError(str(error).replace("image:", f"image '{path}':", 1)) from error


def _in_folder(entry: ConceptEntry, skip: Skipped) -> Skipped:
    kind, _, name = skip.what.partition(" '")
    return Skipped(what=f"{kind} '{entry.folder or entry.name}/{name}", reason=skip.reason)
