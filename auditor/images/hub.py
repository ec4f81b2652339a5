"""Class images from a data set of the Hugging Face hub, or from a local copy of one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from PIL import Image

from auditor.errors import InputError
from auditor.images.decode import decode_image
from auditor.models.labels import plain
from auditor.models.loaded import ClassLabel
from auditor.records import Skipped


def read_hub(
    name: str, label: ClassLabel, classes: int, skipped: list[Skipped]
) -> Iterator[tuple[str, Image.Image]]:
    """Every readable image of one class: (row, RGB picture).

    Args:
        name: ``DATASET`` or ``DATASET:SPLIT`` (default: validation, else test, else train).
        label: the class; found among the data set's own names, or by index where it has as many
            classes as the model.
        classes: the model's number of outputs.
        skipped: receives rows that cannot be decoded.

    Raises:
        InputError: the extra is missing, or the data set, its columns or the class cannot be found.
    """
    try:
        import datasets
    except ImportError as failure:
        raise InputError(
            f"images 'hf:{name}': needs the package datasets; needed: pip install 'auditor[datasets]'"
        ) from failure
    path, _, split = name.partition(":")
    try:
        loaded: Any = datasets.load_dataset(path)
    except Exception as failure:  # the library raises many kinds; the user needs the first line
        reason = " ".join(str(failure).split())[:160] or type(failure).__name__
        raise InputError(f"images 'hf:{name}': the data set could not be loaded ({reason})") from failure
    split = split or next((s for s in ("validation", "test", "train") if s in loaded), "")
    if split not in loaded:
        raise InputError(f"images 'hf:{name}': no split '{split}'; it has {', '.join(loaded)}")
    rows = loaded[split]
    pictures = [c for c, f in rows.features.items() if isinstance(f, datasets.Image)]
    labels = [c for c, f in rows.features.items() if isinstance(f, datasets.ClassLabel)]
    if not pictures or not labels:
        raise InputError(
            f"images 'hf:{name}': columns {', '.join(rows.features)}; needed: one of images, "
            "one of class labels"
        )
    names = rows.features[labels[0]].names
    index = _index(names, label, classes)
    if index is None:
        raise InputError(
            f"images 'hf:{name}': none of its {len(names)} classes is '{label.name}' "
            f"(first: {', '.join(names[:3])})"
        )
    raw = rows.cast_column(pictures[0], datasets.Image(decode=False))
    for number, given in enumerate(raw[labels[0]]):
        if given != index:
            continue
        held = raw[number][pictures[0]]
        try:
            data = held["bytes"]
            source = io.BytesIO(data).getvalue() if data is not None else held["path"]
            yield f"{split}/{number}", decode_image(source)
        except InputError as failure:
            skipped.append(Skipped(what=f"image '{path}:{split}/{number}'", reason=str(failure)))


def _index(names: list[str], label: ClassLabel, classes: int) -> int | None:
    wanted = {label.synset, *(plain(alias) for alias in label.aliases)} - {""}
    hits = [
        i for i, n in enumerate(names) if n in wanted or any(plain(part) in wanted for part in n.split(","))
    ]
    if len(hits) == 1:
        return hits[0]
    return label.index if len(names) == classes else None
