"""The images on which a class's probability is largest, for what was confirmed."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from auditor.audit.concepts import share
from auditor.audit.layout import shown_images
from auditor.scan.confirm import ScannedBank
from auditor.scan_records import Driver, ScanFinding

MOST_DRIVEN = 120
"""Findings, worst first, that get pictures."""
OF_EACH = 3
SIDE = 128
"""Longest side of a picture, in pixels."""


def with_drivers(
    banks: Sequence[ScannedBank], findings: Sequence[ScanFinding]
) -> tuple[list[ScanFinding], dict[str, bytes]]:
    """The findings with their images, and path to picture.

    Only associations of concepts whose bank may be shown have any. They come from the confirming images.
    """
    by_name = {one.parts.layout.bank.name: one for one in banks if one.parts.layout.bank.report_images}
    pictures: dict[str, bytes] = {}
    found, left = [], MOST_DRIVEN
    for finding in findings:
        bank = by_name.get(finding.bank)
        shown = finding.confirmed and finding.kind == "association" and (finding.effect or 0.0) > 0.0
        if bank is not None and shown and left:
            left -= 1
            finding = finding.model_copy(update={"drivers": _drivers(bank, finding, pictures)})
        found.append(finding)
    return found, pictures


def _drivers(bank: ScannedBank, finding: ScanFinding, pictures: dict[str, bytes]) -> list[Driver]:
    part = bank.parts.confirming
    answers = bank.looked.answers.log_scaled(finding.class_index, finding.class_index + 1)[0]
    own = part.layout.positions(finding.subject)
    values = answers[part.positions[own]]
    images = list(shown_images(part.layout.bank))
    drivers = []
    for place in np.argsort(-values, kind="stable")[:OF_EACH]:
        image = images[own[place]]
        path = f"pictures/{finding.bank}/{image.sha256[:16]}.jpg"
        if path not in pictures:
            pictures[path] = _small(image.load())
        drivers.append(Driver(image=image.name, value=share(float(values[place])), path=path))
    return drivers


def _small(image: Image.Image) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80, optimize=True)
    return buffer.getvalue()
