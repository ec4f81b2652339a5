"""Class images from a folder with one subfolder per class, named by index, synset or class name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from auditor.errors import InputError
from auditor.images.decode import decode_image, scan_images
from auditor.models.labels import plain
from auditor.models.loaded import ClassLabel
from auditor.records import Skipped


def class_folder(root: Path, label: ClassLabel) -> Path:
    """The subfolder of ``root`` that stands for the class.

    Raises:
        InputError: ``root`` is no folder, or no subfolder (or more than one) fits the class.
    """
    if not root.is_dir():
        raise InputError(f"images '{root}': there is no such folder; needed: one folder per class in it")
    wanted = {str(label.index), label.synset, *(plain(alias) for alias in label.aliases)} - {""}
    folders = sorted(p for p in root.iterdir() if p.is_dir())
    hits = [p for p in folders if p.name in wanted or plain(p.name) in wanted]
    if len(hits) == 1:
        return hits[0]
    names = " or ".join(n for n in (str(label.index), label.synset, label.name) if n)
    if hits:
        raise InputError(
            f"images '{root}': {', '.join(p.name for p in hits)} all stand for class '{label.name}'; "
            "needed: one"
        )
    seen = ", ".join(p.name for p in folders[:5]) or "no folders"
    raise InputError(
        f"images '{root}': no folder for class '{label.name}' (seen: {seen}); needed: one named {names}"
    )


def read_folder(folder: Path, skipped: list[Skipped]) -> Iterator[tuple[str, Image.Image]]:
    """Every readable image of a folder in order of name: (name, RGB picture).

    Unreadable files are appended to ``skipped`` with the reason.
    """
    paths, refused = scan_images(folder)
    skipped.extend(refused)
    for path in paths:
        name = path.relative_to(folder.parent).as_posix()
        try:
            yield name, decode_image(path)
        except InputError as failure:
            skipped.append(Skipped(what=f"image '{name}'", reason=str(failure)))
