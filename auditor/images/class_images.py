"""The images that stand for a class, from a folder, a data set or the model itself.

Only those count that the model takes for the class, plain and transformed: the third condition of
equation 4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from auditor.errors import InputError
from auditor.images.folder import class_folder, read_folder
from auditor.images.hub import read_hub
from auditor.images.impressions import ImpressionSettings, make_impressions
from auditor.images.inputs import as_inputs
from auditor.images.transforms import transform, valid_span
from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.records import ClassImages, Skipped

FEWEST = 4
"""Fewest recognised images that a class can be audited with: two to learn on, two more."""


@dataclass(frozen=True)
class ImageSet:
    """Images of one class, all recognised by the model; the first ``record.learned`` are learned on."""

    pixels: NDArray[np.uint8]
    """[n, height, width, channels], as the model sees them before normalisation."""
    names: tuple[str, ...]
    record: ClassImages
    skipped: tuple[Skipped, ...]

    def inputs(self, model: LoadedModel) -> Tensor:
        """Normalised, on the model's device, [n, channels, height, width]."""
        pixels = torch.from_numpy(self.pixels).permute(0, 3, 1, 2).float() / 255
        return model.normalise(pixels.to(model.device))


def collect(
    source: str,
    model: LoadedModel,
    label: ClassLabel,
    *,
    most: int,
    heldout: float,
    noise: float,
    rotation: float,
    impressions: ImpressionSettings,
    batch: int,
    generator: torch.Generator,
    on_step: Callable[[], None] | None = None,
) -> ImageSet:
    """Find or make the images of a class and keep those that the model recognises.

    Args:
        source: ``impressions``, ``hf:DATASET[:split]`` or a folder of class folders.
        model: the audited model.
        label: the class.
        most: stop looking once this many are recognised.
        heldout: share kept out of learning, [0, 1).
        noise: of t, on the paper's scale.
        rotation: of t, degrees.
        impressions: how to make them, where they are asked for.
        batch: images per pass.
        generator: for impressions and for t.
        on_step: called after every step of making impressions.

    Raises:
        InputError: the source cannot be read, or fewer than ``FEWEST`` images are recognised.
    """
    skipped: list[Skipped] = []
    if source == "impressions":
        made = make_impressions(
            model, label.index, settings=impressions, generator=generator, on_step=on_step
        )
        # Rounded to 8 bits at once, so that a resumed audit works on exactly the images that were saved.
        pixels = _to_bytes(model.pixels(made))
        kept = _recognised(model, pixels, label.index, noise, rotation, batch, generator)
        names = [f"impression {i + 1}" for i in range(len(pixels)) if kept[i]]
        pixels, found, kind = pixels[kept], len(kept), "impressions"
    else:
        stream, kind = _stream(source, model, label, skipped)
        pixels, names, found = _take(stream, model, label, most, noise, rotation, batch, generator)
        found += len(skipped)
    if len(pixels) < FEWEST:
        raise InputError(
            f"images '{source}', class '{label.name}': the model recognises {len(pixels)} of {found} as "
            "the class; "
            f"needed: {FEWEST} or more"
        )
    used = len(pixels)
    held = min(round(used * heldout), used - 2)
    record = ClassImages(
        source=kind,
        found=found,
        used=used,
        dropped=found - used,
        dropped_unreadable=len(skipped),
        dropped_misclassified=found - used - len(skipped),
        learned=used - held,
        heldout=held,
        digest=hashlib.sha256(pixels.tobytes()).hexdigest(),
    )
    return ImageSet(pixels=pixels, names=tuple(names), record=record, skipped=tuple(skipped))


def _stream(
    source: str, model: LoadedModel, label: ClassLabel, skipped: list[Skipped]
) -> tuple[Iterator[tuple[str, Image.Image]], str]:
    if source.startswith("hf:"):
        return read_hub(source.removeprefix("hf:"), label, len(model.labels), skipped), source
    return read_folder(class_folder(Path(source), label, model.labels), skipped), "folder"


def _take(
    stream: Iterator[tuple[str, Image.Image]],
    model: LoadedModel,
    label: ClassLabel,
    most: int,
    noise: float,
    rotation: float,
    batch: int,
    generator: torch.Generator,
) -> tuple[NDArray[np.uint8], list[str], int]:
    """Read until ``most`` images are recognised; returns them, their names and how many were read."""
    height, width = model.input.size[1:]
    kept: list[NDArray[np.uint8]] = [np.zeros((0, height, width, model.input.size[0]), np.uint8)]
    names: list[str] = []
    found = 0
    waiting: list[tuple[str, Image.Image]] = []
    for item in stream:
        waiting.append(item)
        if len(waiting) < batch:
            continue
        found += _sift(waiting, kept, names, model, label, noise, rotation, batch, generator)
        waiting = []
        if len(names) >= most:
            break
    if waiting:
        found += _sift(waiting, kept, names, model, label, noise, rotation, batch, generator)
    surplus = max(0, len(names) - most)  # recognised, but more than asked for: not offered at all
    return np.concatenate(kept)[:most], names[:most], found - surplus


def _sift(
    waiting: list[tuple[str, Image.Image]],
    kept: list[NDArray[np.uint8]],
    names: list[str],
    model: LoadedModel,
    label: ClassLabel,
    noise: float,
    rotation: float,
    batch: int,
    generator: torch.Generator,
) -> int:
    pixels = _to_bytes(model.pixels(as_inputs(model, (picture for _, picture in waiting))))
    fits = _recognised(model, pixels, label.index, noise, rotation, batch, generator)
    kept.append(pixels[fits])
    names.extend(name for (name, _), fit in zip(waiting, fits, strict=True) if fit)
    return len(waiting)


def _to_bytes(pixels: Tensor) -> NDArray[np.uint8]:
    rounded = (pixels * 255).round().to(torch.uint8)
    return np.ascontiguousarray(rounded.permute(0, 2, 3, 1).cpu().numpy())


def _recognised(
    model: LoadedModel,
    pixels: NDArray[np.uint8],
    class_index: int,
    noise: float,
    rotation: float,
    batch: int,
    generator: torch.Generator,
) -> NDArray[np.bool_]:
    """Whether f(x) = y and f(t(x)) = y, for each image."""
    span = valid_span(model)
    low, high = model.bounds()
    fits: list[bool] = []
    with torch.inference_mode():
        for start in range(0, len(pixels), batch):
            part = torch.from_numpy(pixels[start : start + batch]).permute(0, 3, 1, 2).float() / 255
            inputs = model.normalise(part.to(model.device))
            moved = transform(inputs, noise=noise, rotation=rotation, span=span, generator=generator)
            plain = model.module(inputs).argmax(1) == class_index
            turned = model.module(torch.clamp(moved, low, high)).argmax(1) == class_index
            fits.extend((plain & turned).tolist())
    return np.array(fits, dtype=bool)
