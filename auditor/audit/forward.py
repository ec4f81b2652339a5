"""Pass images through the model: one pass over a bank serves every class, check and statistic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from auditor.audit.checks import shuffle_weights
from auditor.audit.layout import BankLayout, lay_out, shown_images
from auditor.banks.bank import ConceptBank
from auditor.banks.clusters import THUMBNAIL, clusters_of
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.explain.detector import detect, pool
from auditor.explain.stage_one import StageOne
from auditor.images.decode import decode_image, list_images
from auditor.images.inputs import preprocessing
from auditor.images.technical import TECHNICAL, technical_properties
from auditor.models import taps
from auditor.models.loaded import LoadedModel
from auditor.progress import Stage
from auditor.statistics.arrays import FloatArray

SANITY_IMAGES = 20
"""Images of a concept that the model with shuffled weights sees: enough for a ranking that must be lost."""


@dataclass(frozen=True)
class ForwardPass:
    """What the model makes of images; everything else is arithmetic on it."""

    channels: dict[str, NDArray[np.float32]]
    """Layer to [images, channels]: every channel's mean over positions."""
    maps: dict[str, NDArray[np.float32]]
    """Layer to [images, detectors, positions]: meta-detector maps, pooled to at most 7x7."""
    logits: NDArray[np.float32]
    """[images, classes]."""
    last: NDArray[np.float32]
    """[images, channels] The input of the layer that makes the logits; the logits themselves where no single
    linear layer makes them."""


def forward_pass(
    model: LoadedModel,
    batches: Iterable[Tensor],
    layers: Sequence[str],
    detectors: Mapping[str, Tensor] | None = None,
) -> ForwardPass:
    """Pass images through the model once, for every class, check and statistic.

    A detector is linear in the channel importances. Therefore all of them are read off the same maps.

    Args:
        model: The audited model.
        batches: Normalised images, [n, channels, height, width] each.
        layers: Names of the layers to read.
        detectors: Layer to [detectors, channels]; the same number of detectors in every layer.
    """
    channels: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    maps: dict[str, list[Tensor]] = {layer: [] for layer in layers} if detectors else {}
    logits: list[Tensor] = []
    with (
        torch.inference_mode(),
        taps.record(model.module, layers) as outputs,
        taps.record_last_input(model.module, len(model.labels)) as last_inputs,
    ):
        for batch in batches:
            logits.append(model.module(batch).float().cpu())
            for layer in layers:
                pooled = pool(outputs[layer].float())
                channels[layer].append(outputs[layer].float().mean(dim=(2, 3)).cpu())
                if detectors:
                    maps[layer].append(detect(pooled, detectors[layer]).flatten(2).cpu())
    made = torch.cat(logits).numpy()
    last = torch.cat(last_inputs).numpy() if last_inputs else made
    return ForwardPass(
        channels={layer: torch.cat(found).numpy() for layer, found in channels.items()},
        maps={layer: torch.cat(found).numpy() for layer, found in maps.items()},
        logits=made,
        last=last if len(last) == len(made) else made,
    )


@dataclass(frozen=True)
class Randomised:
    """What the model with shuffled weights makes of the first images of each concept."""

    layout: BankLayout
    logits: NDArray[np.float32]
    """[images, classes]."""


@dataclass(frozen=True)
class Shown:
    """What the model made of one bank."""

    layout: BankLayout
    forward: ForwardPass
    technical: FloatArray
    """[images, properties] Technical properties of the pictures; no columns where no contrast needs them."""
    clusters: str
    """Which images count as one, in words."""
    randomised: Randomised | None = None
    """``None`` where the sanity check is not wanted."""

    @property
    def logits(self) -> NDArray[np.float32]:
        """[images, classes]."""
        return self.forward.logits


def show_bank(context: AuditContext, bank: ConceptBank, detectors: Sequence[StageOne]) -> Shown:
    """One pass over a bank's concept images and reference images.

    A copy of the model with shuffled weights sees the first images of each concept in the same pass.

    Args:
        context: The audit.
        bank: The concepts' images.
        detectors: Classes whose meta-detectors (main occluder, equation 9) are read, in this order.

    Raises:
        InputError: An image cannot be read any more.
    """
    look = Look(context.model, technical=bool(bank.contrasts))
    pictures = (image.load() for image in shown_images(bank))
    layout, randomised = lay_out(bank), _Randomised(context, bank)
    with context.progress.stage(f"bank {bank.name}", len(layout.labels)) as stage:
        batches = look.batches(pictures, context.settings.batch_size, stage)
        if layout.findable:  # the sanity check is about associations
            batches = randomised.also_shown(batches, layout)
        found = forward_pass(context.model, batches, *_detectors(context, detectors))
    clusters = clusters_of(
        [image.cluster for image in shown_images(bank)],
        what=bank.cluster_of,
        # Of drawn pictures it is known; regular patterns and backgrounds look like parts of each other.
        activations=None if bank.drawn else found.last,
        thumbnails=look.thumbnails(),
    )
    return Shown(
        layout=replace(layout, sample=replace(layout.sample, clusters=clusters.of_image)),
        forward=found,
        technical=look.technical(),
        clusters=clusters.words,
        randomised=randomised.found(),
    )


def with_detectors(context: AuditContext, shown: Shown, detectors: Sequence[StageOne]) -> Shown:
    """What the detectors and channels make of a bank that was shown before they were known: a second pass.

    Args:
        context: The audit.
        shown: The bank, shown without detectors.
        detectors: As for :func:`show_bank`; without any, nothing is read.

    Raises:
        InputError: An image cannot be read any more.
    """
    if not detectors:
        return shown
    bank = shown.layout.bank
    look = Look(context.model, technical=False)
    pictures = (image.load() for image in shown_images(bank))
    with context.progress.stage(f"bank {bank.name}: detectors", len(shown.layout.labels)) as stage:
        batches = look.batches(pictures, context.settings.batch_size, stage)
        found = forward_pass(context.model, batches, *_detectors(context, detectors))
    return replace(shown, forward=replace(shown.forward, channels=found.channels, maps=found.maps))


class _Randomised:
    """The model with shuffled weights, which sees the first images of each concept as they pass."""

    def __init__(self, context: AuditContext, bank: ConceptBank) -> None:
        self._context, self._layout = context, lay_out(bank, most=SANITY_IMAGES)
        self._logits: list[Tensor] = []

    def also_shown(self, batches: Iterable[Tensor], layout: BankLayout) -> Iterator[Tensor]:
        """The batches of the whole layout as they come; logits are noted on the way."""
        module = shuffle_weights(self._context.model, seed=self._context.settings.seed).module
        chosen, seen = torch.from_numpy(_first(layout)), 0
        for batch in batches:
            own = chosen[seen : seen + len(batch)].to(batch.device)
            seen += len(batch)
            if own.any():
                self._logits.append(module(batch[own]).float().cpu())
            yield batch

    def found(self) -> Randomised | None:
        """What it made of them; ``None`` if it saw nothing."""
        return Randomised(self._layout, torch.cat(self._logits).numpy()) if self._logits else None


def _first(layout: BankLayout) -> NDArray[np.bool_]:
    """[images] The first images of each concept and every reference image, as in a layout with ``most``."""
    labels = layout.labels
    place = np.arange(len(labels)) - np.searchsorted(np.where(labels < 0, len(layout.names), labels), labels)
    return (labels < 0) | (place < SANITY_IMAGES)


def show_benchmark(
    context: AuditContext, photos: Sequence[Path], held: Sequence[StageOne]
) -> dict[str, NDArray[np.float32]]:
    """Meta-detector maps of random photos, which the paper's score compares every bank with.

    Args:
        context: The audit.
        photos: Random photos; those that cannot be decoded are left out.
        held: Classes whose meta-detectors are read, as for :func:`show_bank`.

    Returns:
        Layer to [photos, detectors, positions]; empty where there are no photos or no detectors.
    """
    if not photos or not held:
        return {}
    look = Look(context.model, technical=False)
    with context.progress.stage("random photos", len(photos)) as stage:
        batches = look.batches(_readable(photos), context.settings.batch_size, stage)
        return forward_pass(context.model, batches, *_detectors(context, held)).maps


def _detectors(
    context: AuditContext, held: Sequence[StageOne]
) -> tuple[tuple[str, ...], dict[str, Tensor] | None]:
    """The layers to read, and layer to the detectors [classes, channels]."""
    if not held:
        return (), None
    device = context.model.device
    return context.layer_names, {
        layer: torch.from_numpy(np.stack([one.importance[layer][0] for one in held])).to(device)
        for layer in context.layer_names
    }


class Look:
    """Turns pictures into inputs and notes on the way what the statistics need of each picture."""

    def __init__(self, model: LoadedModel, *, technical: bool) -> None:
        """``technical``: whether technical properties are wanted."""
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
        self._grey.append(thumbnails_of(self._model.pixels(inputs.to(self._model.device))))
        return inputs.to(self._model.device)

    def thumbnails(self) -> FloatArray:
        """[images, side, side] Luminance of what the model saw, 0 to 1."""
        return np.concatenate(self._grey).astype(np.float64)

    def technical(self) -> FloatArray:
        """[images, properties]; no columns where they were not wanted."""
        if self._properties is None:
            return np.zeros((sum(map(len, self._grey)), 0))
        return np.stack(self._properties) if self._properties else np.zeros((0, len(TECHNICAL)))


def thumbnails_of(pixels: Tensor) -> NDArray[np.float32]:
    """Luminance [images, side, side] of pictures [images, channels, height, width] in [0, 1], made small."""
    grey = pixels.float().mean(dim=1, keepdim=True)
    small: NDArray[np.float32] = nnf.adaptive_avg_pool2d(grey, (THUMBNAIL, THUMBNAIL))[:, 0].cpu().numpy()
    return small


def _readable(photos: Sequence[Path]) -> Iterator[Image.Image]:
    for path in photos:
        with suppress(InputError):
            yield decode_image(path)


def random_photos(folder: Path | None) -> tuple[Path, ...]:
    """The photos of the benchmark folder, in order of name.

    Raises:
        InputError: No such folder, or no readable image in it.
    """
    if folder is None:
        return ()
    found = tuple(list_images(folder))
    if next(_readable(found), None) is None:
        raise InputError(f"benchmark '{folder}': no readable image; needed: random photos")
    return found
