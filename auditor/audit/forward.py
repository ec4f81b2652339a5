"""Show images to the model: one pass over a bank serves every class, every check and every statistic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from auditor.audit.context import AuditContext
from auditor.audit.layout import BankLayout, lay_out, shown_images
from auditor.banks.bank import ConceptBank
from auditor.banks.clusters import THUMBNAIL, clusters_of
from auditor.errors import InputError
from auditor.explain.detector import ForwardPass, forward_pass
from auditor.explain.stage_one import StageOne
from auditor.images.decode import decode_image, list_images
from auditor.images.inputs import preprocessing
from auditor.images.technical import TECHNICAL, technical_properties
from auditor.models.loaded import LoadedModel
from auditor.progress import Progress, Stage
from auditor.statistics.arrays import FloatArray


@dataclass(frozen=True)
class Shown:
    """What the model made of one bank."""

    layout: BankLayout
    forward: ForwardPass
    technical: FloatArray
    """[images, properties] Technical properties of the pictures; no columns where no contrast needs them."""
    clusters: str
    """Which images count as one, in words."""

    @property
    def logits(self) -> NDArray[np.float32]:
        """[images, classes]."""
        return self.forward.logits


def show_bank(
    context: AuditContext, bank: ConceptBank, random: Sequence[Path], fits: Sequence[StageOne]
) -> Shown:
    """One pass over a bank, its reference images and random photos.

    Args:
        context: The audit.
        bank: The concepts' images.
        random: Random photos, for the paper's score alone.
        fits: Classes whose meta-detectors (main occluder, equation 9) are read off, in this order.

    Raises:
        InputError: An image cannot be read any more.
    """
    model = context.model
    layers = context.layer_names if fits else ()
    detectors = {
        layer: torch.from_numpy(np.stack([fit.importance[layer][0] for fit in fits])).to(model.device)
        for layer in layers
    }
    looked = _Look(model, technical=bool(bank.contrasts))
    pictures = _pictures(bank, random)
    layout = lay_out(bank, random=len(random))
    with context.progress.stage(f"bank {bank.name}", len(layout.labels)) as stage:
        batches = looked.batches(pictures, context.settings.batch_size, stage)
        found = forward_pass(model, batches, layers, detectors or None)
    declared = [image.cluster for image in shown_images(bank)]
    clusters = clusters_of(
        declared,
        what=bank.cluster_of,
        # Every drawn image is drawn on its own; regular patterns look like parts of each other.
        activations=None if bank.source == "generated" else found.last[: len(declared)],
        thumbnails=looked.thumbnails()[: len(declared)],
    )
    # Random photos follow, each on its own: none of them may move a finding.
    of_image = np.concatenate([clusters.of_image, len(declared) + np.arange(len(random))])
    return Shown(
        layout=replace(layout, sample=replace(layout.sample, clusters=of_image)),
        forward=found,
        technical=looked.technical(),
        clusters=clusters.words,
    )


def show_few(
    model: LoadedModel, bank: ConceptBank, *, most: int, batch: int, progress: Progress, name: str
) -> tuple[BankLayout, NDArray[np.float32]]:
    """The logits [images, classes] of the first images of each concept.

    Args:
        model: Which model sees them.
        bank: The bank.
        most: Images of each concept.
        batch: Images per pass.
        progress: Told of every image.
        name: What the pass is called to the user.
    """
    layout = lay_out(bank, most=most)
    looked = _Look(model, technical=False)
    pictures = (image.load() for image in shown_images(bank, most=most))
    with progress.stage(name, len(layout.labels)) as stage:
        found = forward_pass(model, looked.batches(pictures, batch, stage), ())
    return layout, found.logits


class _Look:
    """Turns pictures into inputs and notes on the way what the statistics need of each picture."""

    def __init__(self, model: LoadedModel, *, technical: bool) -> None:
        self._model = model
        self._properties: list[NDArray[np.float64]] | None = [] if technical else None
        self._grey: list[NDArray[np.float32]] = []

    def batches(self, pictures: Iterator[Image.Image], batch: int, stage: Stage) -> Iterator[Tensor]:
        """Normalised inputs, ``batch`` at a time, on the model's device."""
        transform = preprocessing(self._model)
        waiting: list[Tensor] = []
        for picture in pictures:
            if self._properties is not None:
                self._properties.append(technical_properties(picture))
            waiting.append(transform(picture))
            if len(waiting) == batch:
                yield self._batch(waiting)
                stage.advance(len(waiting))
                waiting = []
        if waiting:
            yield self._batch(waiting)
            stage.advance(len(waiting))

    def _batch(self, waiting: list[Tensor]) -> Tensor:
        inputs = torch.stack(waiting)
        grey = self._model.pixels(inputs.to(self._model.device)).float().mean(dim=1, keepdim=True)
        small = nnf.adaptive_avg_pool2d(grey, (THUMBNAIL, THUMBNAIL))[:, 0]
        self._grey.append(small.cpu().numpy())
        return inputs.to(self._model.device)

    def thumbnails(self) -> FloatArray:
        """[images, side, side] Luminance of what the model saw, 0 to 1."""
        return np.concatenate(self._grey).astype(np.float64)

    def technical(self) -> FloatArray:
        """[images, properties]; no columns where they were not wanted."""
        if self._properties is None:
            return np.zeros((sum(map(len, self._grey)), 0))
        return np.stack(self._properties) if self._properties else np.zeros((0, len(TECHNICAL)))


def _pictures(bank: ConceptBank, random: Sequence[Path]) -> Iterator[Image.Image]:
    for image in shown_images(bank):
        yield image.load()
    for path in random:
        yield decode_image(path)


def random_photos(folder: Path | None) -> list[Path]:
    """The readable photos of the benchmark folder, in order of name.

    Raises:
        InputError: No such folder, or no readable image in it.
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
