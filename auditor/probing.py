"""Show the bank's images to the model, once for all classes, refits and controls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from auditor.afi.detector import Probe, probe
from auditor.banks.bank import ConceptBank
from auditor.errors import InputError
from auditor.fitting import ClassFit
from auditor.images.decode import decode_image, list_images
from auditor.images.inputs import preprocessing
from auditor.models.loaded import LoadedModel
from auditor.progress import Progress
from auditor.scoring import BankLayout


def probe_bank(
    model: LoadedModel,
    bank: ConceptBank,
    benchmark: Sequence[Path],
    layers: Sequence[str],
    fits: Sequence[ClassFit],
    *,
    batch: int,
    progress: Progress,
    name: str = "",
    each: int | None = None,
) -> tuple[BankLayout, Probe]:
    """One pass over a bank, its control images and the random photos of the benchmark.

    Args:
        model: the audited model.
        bank: the concepts' images.
        benchmark: random photos for the paper's score; not used for auditor's.
        layers: layer names.
        fits: classes whose meta-detectors (main occluder, equation 9) are read off, in this order.
        batch: images per pass.
        progress: told of every image.
        name: what the pass is called to the user; the bank where empty.
        each: most images of a concept; all where ``None``.
    """
    layout = lay_out(bank, benchmark=len(benchmark), each=each)
    control = bank.control.images if bank.control else ()
    detectors = {
        layer: torch.from_numpy(np.stack([fit.importance[layer][0] for fit in fits])).to(model.device)
        for layer in (layers if fits else ())
    }

    def pictures() -> Iterator[Image.Image]:
        for concept in bank.concepts:
            for image in concept.images[:each]:
                yield image.load()
        for image in control:
            yield image.load()
        for path in benchmark:
            yield decode_image(path)

    with progress.stage(name or f"bank {bank.name}", len(layout.labels)) as stage:

        def batches() -> Iterator[Tensor]:
            transform = preprocessing(model)
            waiting: list[Tensor] = []
            for picture in pictures():
                waiting.append(transform(picture))
                if len(waiting) == batch:
                    yield torch.stack(waiting).to(model.device)
                    stage.advance(len(waiting))
                    waiting = []
            if waiting:
                yield torch.stack(waiting).to(model.device)
                stage.advance(len(waiting))

        found = probe(model, batches(), layers, detectors or None)
    return layout, found


def lay_out(bank: ConceptBank, *, benchmark: int = 0, each: int | None = None) -> BankLayout:
    """Which image carries which label when a bank is shown: concept by concept, control, random photos.

    Args:
        bank: the concepts.
        benchmark: number of random photos.
        each: most images of a concept; all where ``None``.
    """
    labels = [c for c, concept in enumerate(bank.concepts) for _ in concept.images[:each]]
    labels += [-1] * ((len(bank.control.images) if bank.control else 0) + benchmark)
    return BankLayout(
        bank=bank,
        labels=np.array(labels, dtype=np.int64),
        compared=np.arange(len(labels)) < len(labels) - benchmark,
        twin=_twins(bank, each, len(labels)),
    )


def _twins(bank: ConceptBank, each: int | None, count: int) -> NDArray[np.int64] | None:
    """[count] position of every concept image's twin among the control images, -1 for other images.

    A twin has the concept image's name below the control folder: ``banded/7.png``, ``without/banded/7.png``.
    Pairs count only if every image has one: half a pairing would compare two kinds of things.
    """
    if bank.control is None:
        return None
    shown = {
        image.name: i
        for i, image in enumerate(image for concept in bank.concepts for image in concept.images[:each])
    }
    found = np.full(count, -1, dtype=np.int64)
    for i, image in enumerate(bank.control.images):
        parts = image.name.split("/")
        tails = ("/".join(parts[k:]) for k in range(1, len(parts)))
        for original in (tail for tail in tails if tail in shown):
            found[shown[original]] = len(shown) + i
    return found if (found[: len(shown)] >= 0).all() else None


def benchmark_photos(folder: Path | None) -> list[Path]:
    """The readable photos of the benchmark folder, in order of name.

    Raises:
        InputError: no such folder, or no readable image in it.
    """
    if folder is None:
        return []
    usable = []
    for path in list_images(folder):
        try:
            decode_image(path)
        except InputError:
            continue
        usable.append(path)
    if not usable:
        raise InputError(f"benchmark '{folder}': no readable image; needed: random photos")
    return usable
