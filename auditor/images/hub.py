"""Class images from a data set of the Hugging Face hub, or from a local copy of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PIL import Image

from auditor.errors import InputError, one_line
from auditor.images.decode import decode_image, left_out
from auditor.models.labels import plain
from auditor.models.loaded import ClassLabel
from auditor.models.reach import hub_at_once
from auditor.records import Skipped


def read_hub(
    name: str, label: ClassLabel, classes: int, skipped: list[Skipped]
) -> Iterator[tuple[str, Image.Image]]:
    """Every readable image of one class: (row, RGB picture).

    Args:
        name: ``DATASET`` or ``DATASET:SPLIT`` (default: validation, else test, else train).
        label: The class. It is found among the data set's names, or by its index if the data set has as
            many classes as the model.
        classes: The model's number of outputs.
        skipped: Receives rows that cannot be decoded.

    Raises:
        InputError: The extra is missing, or the data set, its columns or the class cannot be found.
    """
    rows, path, split = _rows(name)
    pictures, labels = (_column(name, rows, kind) for kind in ("Image", "ClassLabel"))
    names = rows.features[labels].names
    index = _index(names, label, classes)
    if index is None:
        raise InputError(
            f"images 'hf:{name}': none of its {len(names)} classes is '{label.name}' "
            f"(first: {', '.join(names[:3])})"
        )
    raw = rows.cast_column(pictures, type(rows.features[pictures])(decode=False))
    for number, given in enumerate(raw[labels]):
        if given != index:
            continue
        held = raw[number][pictures]
        try:
            yield f"{split}/{number}", decode_image(held["path"] if held["bytes"] is None else held["bytes"])
        except InputError as failure:
            skipped.append(left_out(f"{path}:{split}/{number}", str(failure)))


def _rows(name: str) -> tuple[Any, str, str]:
    """The rows of a split, the data set and the split."""
    try:
        import datasets
    except ImportError as failure:
        raise InputError(
            f"images 'hf:{name}': needs the package datasets; needed: pip install datasets"
        ) from failure
    path, _, split = name.partition(":")
    with hub_at_once() as no_hub:
        try:
            loaded: Any = datasets.load_dataset(path)
        except Exception as failure:  # the library raises many kinds; the user needs the first line
            why = no_hub or one_line(failure)
            raise InputError(f"images 'hf:{name}': the data set could not be loaded ({why})") from failure
    split = split or next((s for s in ("validation", "test", "train") if s in loaded), "")
    if split not in loaded:
        raise InputError(f"images 'hf:{name}': no split '{split}'; it has {', '.join(loaded)}")
    return loaded[split], path, split


def _column(name: str, rows: Any, kind: str) -> str:
    """The first column of this kind."""
    found = next((c for c, f in rows.features.items() if type(f).__name__ == kind), None)
    if found is None:
        raise InputError(
            f"images 'hf:{name}': columns {', '.join(rows.features)}; needed: one of images, "
            "one of class labels"
        )
    return str(found)


def _index(names: list[str], label: ClassLabel, classes: int) -> int | None:
    wanted = {label.synset, *(plain(alias) for alias in label.aliases)} - {""}
    hits = [
        i for i, n in enumerate(names) if n in wanted or any(plain(part) in wanted for part in n.split(","))
    ]
    if len(hits) == 1:
        return hits[0]
    return label.index if len(names) == classes else None
