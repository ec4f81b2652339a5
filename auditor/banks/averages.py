"""Blurred averages: a report shows one per concept of a bank whose images it must not show.

Every image is reduced to :data:`CELLS` x :data:`CELLS` means. The mean over at least :data:`FEWEST` images is
stored: 192 numbers that show light, colour and framing, but neither a person nor a face.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.banks.bank import BankImage, ConceptBank
from auditor.progress import Progress, silent
from auditor.records import Picture

CELLS = 8
"""Side of an average, in cells."""
FEWEST = 30
"""Fewest images of an average, even if the audit's minimum is lower."""
SIDE = 144
"""Side of the stored picture in pixels: the cells, enlarged smoothly."""


def average_of(images: tuple[BankImage, ...], *, progress: Progress = silent) -> NDArray[np.float64]:
    """Mean over images of their cells, [CELLS, CELLS, 3] in [0, 1]; an image's shape is not kept.

    Raises:
        ValueError: fewer than :data:`FEWEST` images.
        InputError: an image cannot be read.
    """
    if len(images) < FEWEST:
        raise ValueError(f"{len(images)} images, an average needs {FEWEST}")
    total = np.zeros((CELLS, CELLS, 3))
    with progress.stage("averaging", len(images)) as stage:
        for image in images:
            cells = image.load().resize((CELLS, CELLS), Image.Resampling.BOX)
            total += np.asarray(cells, dtype=np.float64) / 255
            stage.advance()
    mean: NDArray[np.float64] = total / len(images)
    return mean


def average_pictures(
    bank: ConceptBank, *, place: int, progress: Progress = silent
) -> tuple[list[Picture], dict[str, bytes]]:
    """Records and files of the averages of a bank's concepts.

    None where the bank's images may be shown, where its owner refuses averages too
    (``report_averages = false``), or of a concept with fewer than :data:`FEWEST` images.

    Args:
        bank: the bank.
        place: its position in the audit, for file names.
        progress: advanced by every image.

    Raises:
        InputError: an image cannot be read.
    """
    records: list[Picture] = []
    files: dict[str, bytes] = {}
    if bank.report_images or not bank.report_averages:
        return records, files
    for number, concept in enumerate(bank.concepts, start=1):
        if len(concept.images) < FEWEST:
            continue
        path = f"pictures/average-{place + 1:02d}-{number:02d}.jpg"
        files[path] = _encoded(average_of(concept.images, progress=progress))
        name, n = concept.name, len(concept.images)
        alt = (
            f"Average of {n} images labelled {concept.title or name} in bank {bank.name}, reduced to "
            f"{CELLS} x {CELLS} cells; shows no person."
        )
        shown = Picture(
            path=path, kind="average", alt=alt, width=SIDE, height=SIDE, bank=bank.name, concept=name, n=n
        )
        records.append(shown)
    return records, files


def _encoded(mean: NDArray[np.float64]) -> bytes:
    small = Image.fromarray((mean * 255).round().astype(np.uint8), "RGB")
    stream = io.BytesIO()
    small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=88, optimize=True)
    return stream.getvalue()
