"""Broden (Network Dissection): labels of whole images, and labels of pixels as regions of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.banks.importing.rows import (
    Box,
    Options,
    Row,
    Table,
    label_value,
    safe_name,
    table_lines,
    table_of,
)
from auditor.errors import InputError
from auditor.images.decode import decode_image, left_out
from auditor.records import Skipped

WHOLE = ("texture", "scene")
"""Categories that label an image."""
PIXELS = ("object", "part", "material")
"""Categories that label pixels, in pictures where a pixel's number is red + 256 green."""


def broden(source: Path, options: Options) -> Table:
    """Broden: ``index.csv``, ``label.csv``, ``images/``.

    Of an image with labels of pixels, the label that covers most of it is taken, if it covers at least
    ``options.coverage``; the region imported is the box around it.

    Raises:
        InputError: another layout, an unknown category, or a coverage outside (0, 1].
    """
    if options.category not in (*WHOLE, *PIXELS):
        raise InputError(
            f"--category {options.category}: need {', '.join(WHOLE)} (labels of images) or "
            f"{', '.join(PIXELS)} (labels of pixels, imported as regions)"
        )
    if not 0 < options.coverage <= 1:
        raise InputError(f"--coverage {options.coverage:g}: need a share of the image above 0, at most 1")
    labels = source / "label.csv"
    names = {cells["number"]: cells["name"] for _, cells in table_lines(labels, columns=("number", "name"))}
    index = source / "index.csv"
    found: list[Row | Skipped] = []
    for where, cells in table_lines(index, columns=("image", options.category)):
        entries = [entry for entry in cells[options.category].split(";") if entry]
        if not entries:
            continue
        file = f"images/{safe_name(cells['image'], where=where)}"
        if options.category in WHOLE:
            found.append(_whole(file, entries, names, options.category, where))
        else:
            masks = [source / "images" / safe_name(entry, where=where) for entry in entries]
            found.append(_region(file, masks, names, options.coverage, where))
    why = "" if options.category in WHOLE else f" that covers {options.coverage:.0%} of its image"
    return table_of(found, none=f"{index}: no image with a label in column '{options.category}'{why}")


def _whole(
    file: str, numbers: list[str], names: Mapping[str, str], category: str, where: str
) -> Row | Skipped:
    unknown = [number for number in numbers if number not in names]
    if unknown:
        raise InputError(f"{where}: {category} {unknown[0]} is not in label.csv")
    if len(numbers) > 1:
        labels = " and ".join(names[n] for n in numbers)
        return left_out(file, f"labelled {labels}; one image serves one concept")
    name = names[numbers[0]].removesuffix("-s")  # Broden marks scenes by -s
    return Row(file=file, labels={"concept": label_value(name)}, where=where)


def _region(
    file: str, masks: list[Path], names: Mapping[str, str], coverage: float, where: str
) -> Row | Skipped:
    best: tuple[float, int, Box] | None = None
    for path in masks:
        try:
            pixels = np.asarray(decode_image(path), dtype=np.int64)
        except InputError as error:
            return left_out(file, f"its labels cannot be read: {str(error).partition(': ')[2]}")
        numbers = pixels[..., 0] + 256 * pixels[..., 1]
        found, counts = np.unique(numbers[numbers > 0], return_counts=True)
        if not len(found):
            continue
        most = int(found[counts.argmax()])
        share = float(counts.max()) / numbers.size
        if best is None or share > best[0]:
            best = share, most, _box_around(numbers == most)
    if best is None or best[0] < coverage:
        return left_out(file, f"no label covers {coverage:.0%} of it")
    _, number, box = best
    if str(number) not in names:
        raise InputError(f"{where}: label {number} of its pixels is not in label.csv")
    return Row(file=file, labels={"concept": label_value(names[str(number)])}, where=where, box=box)


def _box_around(mask: NDArray[np.bool_]) -> Box:
    """The smallest box that holds the mask, in shares of width and height."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    right, bottom = (columns[-1] + 1) / width, (rows[-1] + 1) / height
    return float(columns[0] / width), float(rows[0] / height), float(right), float(bottom)
