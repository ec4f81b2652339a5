"""Cuts labelled regions out of images and stores them in the bank. A lock file can only name whole files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from auditor.banks.importing import Row
from auditor.errors import InputError
from auditor.images.decode import decode_image, left_out
from auditor.progress import Progress, silent
from auditor.records import Skipped

FEWEST_PIXELS = 32
"""Smallest shorter side of a region that is kept, in pixels."""


def write_regions(
    rows: list[Row], root: Path, into: Path, *, progress: Progress = silent
) -> tuple[list[Row], list[Skipped]]:
    """Cuts each row's box out of its image and writes it below ``into``, without loss.

    Returns:
        Rows that name the new files, relative to ``into``, and what was left out.

    Raises:
        OSError: the disk cannot be written.
    """
    written: list[Row] = []
    refused: list[Skipped] = []
    with progress.stage("cutting regions", len(rows)) as stage:
        for row in rows:
            stage.advance()
            try:
                region = _cut(row, root)
            except InputError as error:
                refused.append(left_out(row.file, str(error).rpartition("': ")[2]))
                continue
            file = f"{row.file}.png"
            (into / file).parent.mkdir(parents=True, exist_ok=True)
            region.save(into / file)
            written.append(replace(row, file=file, box=None))
    return written, refused


def _cut(row: Row, root: Path) -> Image.Image:
    path = root / row.file
    if not path.resolve().is_relative_to(root.resolve()):
        raise InputError(f"image '{row.file}': a link that leads out of the folder")
    image = decode_image(path)
    left, top, right, bottom = row.box or (0.0, 0.0, 1.0, 1.0)
    columns = round(left * image.width), round(right * image.width)
    rows = round(top * image.height), round(bottom * image.height)
    region = image.crop((columns[0], rows[0], columns[1], rows[1]))
    if min(region.size) < FEWEST_PIXELS:
        size = f"{region.width} x {region.height} pixels"
        raise InputError(f"image '{row.file}': a region of {size}, need {FEWEST_PIXELS} each way")
    return region
