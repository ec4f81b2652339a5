"""The images that stand for a class, from a folder, a data set, photos without labels or the model itself.

Only those are used that the model recognises as the class, plain and transformed: the third condition of
equation 4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
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
from auditor.images.transforms import transform
from auditor.images.unlabelled import Unlabelled
from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.records import ClassImages, Skipped
from auditor.settings import IMPRESSIONS, UNLABELLED

FEWEST = 4
"""Fewest recognised images that a class can be audited with: two to learn on, two held out."""
FEWEST_TAKEN = 8
"""Fewest photos without labels that may stand for a class. Fewer may all be the same mistake of the model;
impressions take their place."""


@dataclass(frozen=True)
class ImageRequest:
    """Which images of a class are wanted."""

    source: str
    """``impressions``, ``hf:DATASET[:split]`` or a folder of class folders."""
    most: int
    """Photos are read until this many are recognised."""
    heldout: float
    """Share that is not learned on, [0, 1)."""
    noise: float
    """Of the transformation t, on the paper's scale."""
    rotation: float
    """Of t, in degrees."""
    batch: int
    """Images per forward pass."""
    impressions: ImpressionSettings


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
        return normalised(model, self.pixels)


def collect(
    wanted: ImageRequest,
    model: LoadedModel,
    label: ClassLabel,
    *,
    generator: torch.Generator,
    on_step: Callable[[], None] | None = None,
) -> ImageSet:
    """Find or make the images of a class and keep those that the model recognises.

    The generator serves impressions and t. ``on_step`` is called after every step of making impressions.

    Raises:
        InputError: The source cannot be read, or fewer than ``FEWEST`` images are recognised.
    """
    fitting = partial(_fitting, model, label.index, wanted, generator)
    skipped: list[Skipped] = []
    kind = wanted.source
    if kind == IMPRESSIONS:
        made = make_impressions(
            model, label.index, settings=wanted.impressions, generator=generator, on_step=on_step
        )
        # Rounded to 8 bits at once, so that a resumed audit works on exactly the images that were saved.
        pixels = to_bytes(model.pixels(made))
        kept = fitting(pixels)
        names = [f"impression {i + 1}" for i in np.flatnonzero(kept)]
        pixels, found = pixels[kept], len(kept)
    else:
        if kind.startswith("hf:"):
            stream = read_hub(kind.removeprefix("hf:"), label, len(model.labels), skipped)
        else:
            stream = read_folder(class_folder(Path(kind), label, model.labels), skipped)
            kind = "folder"
        pixels, names, found = _take(stream, model, wanted, fitting)
    if len(pixels) < FEWEST:
        raise InputError(
            f"images '{wanted.source}', class '{label.name}': the model recognises {len(pixels)} of "
            f"{found + len(skipped)} as the class; needed: {FEWEST} or more"
        )
    return image_set(kind, pixels, names, found, skipped, held=_held(pixels, wanted))


def collect_unlabelled(
    photos: Unlabelled,
    wanted: ImageRequest,
    model: LoadedModel,
    label: ClassLabel,
    *,
    generator: torch.Generator,
) -> ImageSet:
    """The photos without labels that the model takes for a class, plain and transformed.

    Args:
        photos: All photos, and what the model takes them for.
        wanted: How many at most; its source is not read.
        model: The audited model.
        label: The class.
        generator: Draws the transformation t.

    Raises:
        InputError: Fewer than ``FEWEST_TAKEN`` are taken for the class, or one can no longer be read.
    """
    fitting = partial(_fitting, model, label.index, wanted, generator)
    pixels, names, seen = _take(photos.read(label.index), model, wanted, fitting)
    if len(pixels) < FEWEST_TAKEN:
        raise InputError(
            f"unlabelled '{photos.folder}': the model takes {len(pixels)} of {photos.readable} photos for "
            f"'{label.name}', plain and transformed; needed: {FEWEST_TAKEN} or more"
        )
    others = photos.readable - int((photos.taken_for == label.index).sum())
    return image_set(UNLABELLED, pixels, names, others + seen, [], held=_held(pixels, wanted))


def _held(pixels: NDArray[np.uint8], wanted: ImageRequest) -> int:
    """How many images are held out; two are learned on at least."""
    return min(round(len(pixels) * wanted.heldout), len(pixels) - 2)


def image_set(
    kind: str,
    pixels: NDArray[np.uint8],
    names: Sequence[str],
    found: int,
    skipped: Sequence[Skipped],
    *,
    held: int,
) -> ImageSet:
    """The recognised images with their record.

    Args:
        kind: Where they come from, as the record says it.
        pixels: [n, height, width, channels] Those that may be used; the last ``held`` are held out.
        names: Of these.
        found: How many of all that were offered could be decoded.
        skipped: Those that could not.
        held: How many are kept out of learning.
    """
    used, seen = len(pixels), found + len(skipped)
    record = ClassImages(
        source=kind,
        found=seen,
        used=used,
        dropped=seen - used,
        dropped_unreadable=len(skipped),
        dropped_misclassified=found - used,
        learned=used - held,
        heldout=held,
        digest=hashlib.sha256(pixels.tobytes()).hexdigest(),
    )
    return ImageSet(pixels=pixels, names=tuple(names), record=record, skipped=tuple(skipped))


def _take(
    stream: Iterator[tuple[str, Image.Image]],
    model: LoadedModel,
    wanted: ImageRequest,
    fitting: Callable[[NDArray[np.uint8]], NDArray[np.bool_]],
) -> tuple[NDArray[np.uint8], list[str], int]:
    """Pixels and names of the recognised images, and how many were decoded."""
    channels, height, width = model.input.size
    kept: list[NDArray[np.uint8]] = [np.zeros((0, height, width, channels), np.uint8)]
    names: list[str] = []
    found = 0
    while len(names) < wanted.most and (some := list(islice(stream, wanted.batch))):
        pixels = to_bytes(model.pixels(as_inputs(model, (picture for _, picture in some))))
        fits = fitting(pixels)
        kept.append(pixels[fits])
        names += [name for (name, _), fit in zip(some, fits, strict=True) if fit]
        found += len(some)
    surplus = max(0, len(names) - wanted.most)  # recognised, but not wanted: they count as never read
    return np.concatenate(kept)[: wanted.most], names[: wanted.most], found - surplus


def to_bytes(pixels: Tensor) -> NDArray[np.uint8]:
    """8-bit pictures [n, height, width, channels] of pictures in [0, 1] with channels first."""
    rounded = (pixels * 255).round().to(torch.uint8)
    return np.ascontiguousarray(rounded.permute(0, 2, 3, 1).cpu().numpy())


def normalised(model: LoadedModel, pixels: NDArray[np.uint8]) -> Tensor:
    """Inputs [n, channels, height, width] on the model's device, of 8-bit pictures with channels last."""
    return model.normalise((torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).to(model.device))


def recognised(
    model: LoadedModel,
    class_index: int,
    pixels: NDArray[np.uint8],
    *,
    noise: float,
    rotation: float,
    batch: int,
    generator: torch.Generator,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether f(x) = y, and whether f(t(x)) = y, for each image: the third condition of equation 4.

    Args:
        model: The audited model.
        class_index: y.
        pixels: [n, height, width, channels].
        noise: Of t, on the paper's scale.
        rotation: Of t, in degrees.
        batch: Images per forward pass.
        generator: Draws t.
    """
    low, high = model.bounds()
    plain: list[bool] = []
    turned: list[bool] = []
    with torch.inference_mode():
        for start in range(0, len(pixels), batch):
            inputs = normalised(model, pixels[start : start + batch])
            moved = transform(inputs, noise=noise, rotation=rotation, span=high - low, generator=generator)
            plain += (model.module(inputs).argmax(1) == class_index).tolist()
            turned += (model.module(torch.clamp(moved, low, high)).argmax(1) == class_index).tolist()
    return np.array(plain, dtype=bool), np.array(turned, dtype=bool)


def _fitting(
    model: LoadedModel,
    class_index: int,
    wanted: ImageRequest,
    generator: torch.Generator,
    pixels: NDArray[np.uint8],
) -> NDArray[np.bool_]:
    """Whether an image may be used: recognised plain and transformed."""
    plain, turned = recognised(
        model,
        class_index,
        pixels,
        noise=wanted.noise,
        rotation=wanted.rotation,
        batch=wanted.batch,
        generator=generator,
    )
    return plain & turned
