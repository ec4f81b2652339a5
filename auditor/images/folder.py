"""Class images from a folder with one subfolder per class, named by class name, synset or index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from auditor.errors import InputError
from auditor.images.decode import decode_image, scan_images
from auditor.models.labels import plain
from auditor.models.loaded import ClassLabel
from auditor.records import Skipped


def class_folder(root: Path, label: ClassLabel, labels: Sequence[ClassLabel]) -> Path:
    """The subfolder of ``root`` that stands for the class.

    A folder is named as the class is, by its synset, or by its index (``340`` or ``index-340``).

    Args:
        root: folder of one folder per class.
        label: the class.
        labels: all classes of the model: one of them may be called by a number.

    Raises:
        InputError: ``root`` is no folder, no subfolder (or more than one) fits the class, or a folder named
            by a number is one class by its name and another by its index.
    """
    if not root.is_dir():
        raise InputError(f"images '{root}': there is no such folder; needed: one folder per class in it")
    folders = sorted(p for p in root.iterdir() if p.is_dir())
    index = str(label.index)
    names = {plain(alias) for alias in label.aliases}
    if not _numbers_are_names(root, folders, labels):
        names = {name for name in names if not name.isdigit()} | {index}
    wanted = {f"index {index}", label.synset, *names} - {""}
    hits = [p for p in folders if p.name in wanted or plain(p.name) in wanted]
    if len(hits) == 1:
        return hits[0]
    needed = " or ".join(n for n in (index, label.synset, label.name) if n)
    if hits:
        raise InputError(
            f"images '{root}': {', '.join(p.name for p in hits)} all stand for class '{label.name}'; "
            "needed: one"
        )
    seen = ", ".join(p.name for p in folders[:5]) or "no folders"
    raise InputError(
        f"images '{root}': no folder for class '{label.name}' (seen: {seen}); needed: one named {needed}"
    )


def _numbers_are_names(root: Path, folders: Sequence[Path], labels: Sequence[ClassLabel]) -> bool:
    """Whether folders named by a number carry a class's name; otherwise they carry its index.

    Raises:
        InputError: both readings fit all of them, or neither does, and they differ.
    """
    by_name = {plain(alias): c for c in labels for alias in c.aliases if alias.isdigit()}
    numbers = [p.name for p in folders if p.name.isascii() and p.name.isdigit()]
    if not by_name or not numbers or not any(n in by_name for n in numbers):
        return False
    fits_names = all(n in by_name for n in numbers)
    fits_indices = all(int(n) < len(labels) for n in numbers)
    differing = [n for n in numbers if n in by_name and by_name[n].index != int(n)]
    if fits_names == fits_indices and differing:
        one = differing[0]
        raise InputError(
            f"images '{root}': folder '{one}' is class '{by_name[one].name}' (index {by_name[one].index}) by "
            f"name and class '{labels[int(one)].name}' (index {one}) by index; "
            f"needed: folders named index-{by_name[one].index}, index-{one} ..."
        )
    return fits_names


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
