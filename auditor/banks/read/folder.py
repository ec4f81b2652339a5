"""A folder of folders as a bank: one concept for each subfolder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image

from auditor.banks.bank import BankImage, Concept
from auditor.banks.manifest import ConceptEntry
from auditor.errors import InputError
from auditor.images.decode import decode_image, read_limited, scan_images
from auditor.progress import Progress, silent
from auditor.records import Skipped


@dataclass
class FoundConcepts:
    """Concepts with enough images, and everything that was left out with the reason."""

    concepts: list[Concept] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, entry: ConceptEntry, images: Sequence[BankImage], *, min_images: int) -> None:
        """Add a concept, or the reason where it has too few images."""
        if len(images) < min_images:
            self.skip(f"concept '{entry.name}'", f"{len(images)} images, need {min_images}")
        else:
            title = entry.title or entry.name
            self.concepts.append(Concept(entry.name, tuple(images), title, entry.definition))

    def skip(self, what: str, reason: str) -> None:
        """Note what was left out."""
        self.skipped.append(Skipped(what=what, reason=reason))


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
        if (other := seen.setdefault(name.casefold(), name)) != name:
            raise InputError(f"bank '{root}': folders '{other}' and '{name}' differ only in case")
    # Built without validation: any name that a file system accepts will do here.
    return [ConceptEntry.model_construct(name=n, title=n, definition="", folder=n, where={}) for n in names]


def folder_concepts(
    root: Path, entries: Sequence[ConceptEntry], *, min_images: int, progress: Progress = silent
) -> FoundConcepts:
    """Reads and checks every image below ``root`` once.

    Images that cannot be decoded, second copies of an image within a concept, and concepts with fewer than
    ``min_images`` are skipped.

    Raises:
        InputError: a folder is missing, leads out of the bank, or two concepts share an image.
    """
    found = FoundConcepts()
    scanned = [(entry, _scanned(root, entry, found)) for entry in entries]
    checked = CheckedPictures()
    owner: dict[str, tuple[str, str]] = {}
    with progress.stage(f"reading bank '{root.name}'", sum(len(paths) for _, paths in scanned)) as stage:
        for entry, paths in scanned:
            images: list[BankImage] = []
            for path in paths:
                stage.advance()
                name = path.relative_to(root).as_posix()
                try:
                    data = read_limited(path)
                    picture = decode_image(data)
                except InputError as error:
                    found.skip(f"image '{name}'", str(error).partition(": ")[2] or str(error))
                    continue
                sha256 = hashlib.sha256(data).hexdigest()
                concept, first = owner.setdefault(sha256, (entry.name, name))
                if concept != entry.name:
                    raise InputError(
                        f"bank '{root}': concepts '{concept}' and '{entry.name}' share an image: "
                        f"'{first}' and '{name}' are the same file"
                    )
                if first != name:
                    found.skip(f"image '{name}'", f"a copy of '{first}'")
                    continue
                load = checked.keep(picture, partial(load_checked, path, sha256))
                images.append(BankImage(name=name, load=load, sha256=sha256, path=path))
            found.add(entry, images, min_images=min_images)
    return found


def _scanned(root: Path, entry: ConceptEntry, found: FoundConcepts) -> list[Path]:
    """The image files of a concept; those that scanning refuses are skipped."""
    name = entry.folder or entry.name
    folder = root / name
    where = f"bank '{root}', concept '{entry.name}'"
    if not folder.is_dir():
        raise InputError(f"{where}: no folder '{folder}'")
    if not folder.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{where}: '{folder.name}' leads out of the bank")
    paths, refused = scan_images(folder)
    for skip in refused:
        found.skip(skip.what.replace(" '", f" '{name}/", 1), skip.reason)
    return paths


class CheckedPictures:
    """Pictures decoded to check them, each held until it is first asked for: it is decoded once."""

    def __init__(self, most: int = 2**29) -> None:
        self._left = most
        """Bytes that may still be held; what does not fit is decoded again."""

    def keep(self, picture: Image.Image, load: Callable[[], Image.Image]) -> Callable[[], Image.Image]:
        """What gives the picture: the one held, the first time; after that, or without room, ``load``."""
        size = picture.width * picture.height * len(picture.getbands())
        if size > self._left:
            return load
        self._left -= size
        held = [picture]

        def take() -> Image.Image:
            if not held:
                return load()
            self._left += size
            return held.pop()

        return take


def load_checked(path: Path, sha256: str) -> Image.Image:
    """The image, if the file's checksum is still ``sha256``.

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
