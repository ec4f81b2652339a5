"""Class images from a folder with one subfolder per class, named after the class, its synset or its index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from auditor.errors import InputError
from auditor.images.decode import decode_image, left_out, scan_images
from auditor.models.labels import is_number, plain
from auditor.models.loaded import ClassLabel
from auditor.records import Skipped


def class_folder(root: Path, label: ClassLabel, labels: Sequence[ClassLabel]) -> Path:
    """The subfolder of ``root`` that holds the images of the class.

    Its name is a name of the class, its synset, or its index (``340`` or ``index-340``). ``labels`` are all
    classes of the model: a number may be the name of one of them.

    Raises:
        InputError: ``root`` is no folder, no subfolder or several fit the class, or a number as a folder's
            name is the name of one class and the index of another.
    """
    if not root.is_dir():
        raise InputError(f"images '{root}': there is no such folder; needed: one folder per class in it")
    folders = sorted(p for p in root.iterdir() if p.is_dir())
    index = str(label.index)
    names = {plain(alias) for alias in label.aliases}
    if not _numbers_are_names(root, folders, labels):
        names = {name for name in names if not is_number(name)} | {index}
    wanted = {f"index {index}", label.synset, *names} - {""}
    hits = [p for p in folders if p.name in wanted or plain(p.name) in wanted]
    hits = [p for p in hits if not _closer(p.name, label, labels)]
    if len({plain(p.name) for p in hits}) == 1:  # names that differ in case: the exact one is meant
        hits = [p for p in hits if p.name == label.name] or hits
    if len(hits) == 1:
        _check_alone(root, hits[0].name, label, labels)
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


def _rank(name: str, label: ClassLabel) -> int:
    """How well a folder's name fits a class: 0 is its exact name, 3 a synonym, 4 no fit."""
    if name == label.name or (label.synset and name == label.synset):
        return 0
    if plain(name) == plain(label.name):
        return 1
    if name in label.aliases:
        return 2
    return 3 if plain(name) in {plain(alias) for alias in label.aliases} else 4


def _closer(name: str, label: ClassLabel, labels: Sequence[ClassLabel]) -> bool:
    """Whether the folder's name fits another class better."""
    own = _rank(name, label)
    return own < 4 and any(_rank(name, other) < own for other in labels if other.index != label.index)


def _check_alone(root: Path, name: str, label: ClassLabel, labels: Sequence[ClassLabel]) -> None:
    """Refuse a folder whose name fits another class equally well."""
    own = _rank(name, label)
    others = [c for c in labels if c.index != label.index and own < 4 and _rank(name, c) == own]
    if others:
        raise InputError(
            f"images '{root}': folder '{name}' stands for '{label.name}' ({label.index}) and for "
            f"'{others[0].name}' ({others[0].index}); needed: index-{label.index}"
            + (f" or {label.synset}" if label.synset else "")
        )


def _numbers_are_names(root: Path, folders: Sequence[Path], labels: Sequence[ClassLabel]) -> bool:
    """Whether numbers as folder names are names of classes; otherwise they are indices."""
    by_name = {plain(alias): c for c in labels for alias in c.aliases if is_number(alias)}
    numbers = [p.name for p in folders if is_number(p.name)]
    if not by_name or not numbers or not any(n in by_name for n in numbers):
        return False
    fits_names = all(n in by_name for n in numbers)
    fits_indices = all(int(n) < len(labels) for n in numbers)
    differing = [n for n in numbers if n in by_name and by_name[n].index != int(n)]
    if fits_names == fits_indices and differing:
        one = next((n for n in differing if int(n) < len(labels)), differing[0])
        other = f"class '{labels[int(one)].name}' (index {one})" if int(one) < len(labels) else "no class"
        raise InputError(
            f"images '{root}': folder '{one}' is class '{by_name[one].name}' (index {by_name[one].index}) by "
            f"name and {other} by index; needed: folders named index-{by_name[one].index}, index-{one} ..."
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
            skipped.append(left_out(name, str(failure)))
