"""Photos of classes, divided once into a part to learn on and a part held out.

The division comes before the model sees anything. Accuracy on the held-out part is therefore that of photos
nobody chose.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.images.class_images import FEWEST, ImageSet, image_set, normalised, recognised, to_bytes
from auditor.images.folder import class_folder, read_folder
from auditor.images.inputs import as_inputs
from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.randomness import derived_seed, stream
from auditor.records import Skipped

MOST_OTHERS = 20
"""Most further classes whose photos stand for "not the class"."""


@dataclass(frozen=True)
class ClassPhotos:
    """Every readable photo of one class."""

    label: ClassLabel
    pixels: NDArray[np.uint8]
    """[n, height, width, channels], as the model sees them before normalisation."""
    names: tuple[str, ...]
    learn: NDArray[np.bool_]
    """[n] Whether it is in the part that is learned on."""
    right: NDArray[np.bool_]
    """[n] Whether the model takes it for the class."""
    steady: NDArray[np.bool_]
    """[n] Whether it does under the transformation t as well (equation 4)."""
    skipped: tuple[Skipped, ...] = ()

    def inputs(self, model: LoadedModel, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Tensor:
        """The chosen photos, normalised, on the model's device, [n, channels, height, width]."""
        return normalised(model, self.pixels[chosen])

    def image_set(self) -> ImageSet:
        """What an occluder is learned from and tested on: photos recognised, plain and under t.

        Raises:
            InputError: Too few are recognised.
        """
        usable = self.right & self.steady
        learned, held = np.flatnonzero(usable & self.learn), np.flatnonzero(usable & ~self.learn)
        if len(learned) < FEWEST // 2 or not len(held):
            raise InputError(
                f"class '{self.label.name}': the model recognises {len(learned)} of {self.learn.sum()} "
                f"photos to learn on and {len(held)} of {(~self.learn).sum()} held out; needed: "
                f"{FEWEST // 2} and 1"
            )
        order = np.concatenate([learned, held])
        names = [self.names[place] for place in order]
        return image_set("folder", self.pixels[order], names, len(self.pixels), self.skipped, held=len(held))


def read_photos(context: AuditContext, label: ClassLabel) -> ClassPhotos:
    """Read a class's photos and ask the model about each.

    Raises:
        InputError: There is no folder for the class, or no readable photo in it.
    """
    settings, model = context.settings, context.model
    skipped: list[Skipped] = []
    folder = class_folder(Path(settings.images), label, model.labels)
    pictures = islice(read_folder(folder, skipped), settings.max_images)
    channels, height, width = model.input.size
    pixels, names = [np.zeros((0, height, width, channels), np.uint8)], []
    while some := list(islice(pictures, settings.batch_size)):
        names += [name for name, _ in some]
        pixels.append(to_bytes(model.pixels(as_inputs(model, (picture for _, picture in some)))))
    everything = np.concatenate(pixels)
    if not len(everything):
        raise InputError(f"images '{folder}': no readable photo; needed: photos of '{label.name}'")
    rng = stream(settings.seed, "photos", label.index)
    held = min(round(len(everything) * settings.heldout), len(everything) - 1)
    learn = np.ones(len(everything), bool)
    learn[rng.permutation(len(everything))[:held]] = False
    right, steady = recognised(
        model,
        label.index,
        everything,
        noise=settings.noise,
        rotation=settings.rotation,
        batch=settings.batch_size,
        generator=torch.Generator().manual_seed(derived_seed(settings.seed, "t", label.index)),
    )
    return ClassPhotos(label, everything, tuple(names), learn, right, steady, tuple(skipped))


def other_classes(context: AuditContext) -> list[ClassLabel]:
    """Further classes of the model that the folder of photos holds, at most :data:`MOST_OTHERS`."""
    root = Path(context.settings.images)
    evaluated = {label.index for label in context.classes}
    folders = {path.resolve() for path in root.iterdir() if path.is_dir()}
    found = []
    for label in context.model.labels:
        if label.index in evaluated:
            continue
        try:
            folder = class_folder(root, label, context.model.labels)
        except InputError:
            continue
        if folder.resolve() in folders:
            found.append(label)
    return found[:MOST_OTHERS]


def top1(model: LoadedModel, inputs: Tensor, index: int, *, batch: int) -> NDArray[np.bool_]:
    """[n] Whether the model takes each input for the class."""
    with torch.inference_mode():
        answers = [model.module(part).argmax(1) == index for part in inputs.split(batch)]
    return torch.cat(answers).cpu().numpy() if answers else np.zeros(0, bool)
