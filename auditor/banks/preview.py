"""A contact sheet: a bank's images and datasheet in one HTML file."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image, ImageOps

from auditor.banks.bank import ConceptBank
from auditor.progress import Progress, silent

SIDE = 160
"""Of a picture, in pixels."""


def contact_sheet(bank: ConceptBank, *, per_concept: int, progress: Progress = silent) -> str:
    """HTML with up to ``per_concept`` images of each concept, evenly spread over the bank's order.

    Raises:
        InputError: an image has changed or cannot be read.
    """
    sheets = []
    with progress.stage("drawing the contact sheet", len(bank.concepts)) as stage:
        for concept in bank.concepts:
            count = min(per_concept, len(concept.images))
            chosen = np.linspace(0, len(concept.images) - 1, count).round().astype(int)
            images = [concept.images[i] for i in chosen]
            sheets.append((concept, [(image.name, _data_uri(image.load())) for image in images]))
            stage.advance()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    count = sum(len(concept.images) for concept in bank.concepts)
    return environment.get_template("preview.html.j2").render(bank=bank, sheets=sheets, count=count)


def _data_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    ImageOps.fit(image, (SIDE, SIDE)).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
