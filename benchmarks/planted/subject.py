"""One planted model with all that estimators may look at, measured once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from auditor.audit.forward import ForwardPass, forward_pass
from auditor.explain import channels, occluder
from auditor.models.loaded import ClassLabel, LoadedModel, weights_sha256
from auditor.records import InputSpec
from benchmarks.planted.banks import PlantedBank
from benchmarks.planted.drawing import SIDE
from benchmarks.planted.training import Images, to_input


@dataclass(frozen=True)
class Fits:
    """Occluders of every class, learned on disjoint folds of its images."""

    importance: dict[str, NDArray[np.float64]]
    """Layer to equation 8, [classes, refits, channels]."""
    signed: dict[str, NDArray[np.float64]]
    """Layer to equation 6 averaged over positions, sign kept, [classes, refits, channels]."""
    success: NDArray[np.float64]
    """[classes, refits] share of the images learned on that lost the class."""


@dataclass(frozen=True)
class Subject:
    """A trained model, its bank, and what the model makes of the bank."""

    name: str
    architecture: str
    model: LoadedModel
    layers: tuple[str, ...]
    bank: PlantedBank
    seen: ForwardPass
    class_images: tuple[Images, ...]
    fits: Fits | None
    """None: no estimator asked for needs an occluder."""

    @property
    def n_classes(self) -> int:
        """Outputs of the model."""
        return len(self.class_images)


def as_loaded(module: nn.Module, *, name: str, architecture: str, classes: Sequence[str]) -> LoadedModel:
    """A planted network in the form that the auditor takes."""
    spec = InputSpec(
        size=(3, SIDE, SIDE), crop=1.0, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3
    )
    labels = tuple(ClassLabel(i, c) for i, c in enumerate(classes))
    return LoadedModel(name, "planted", architecture, module, spec, labels, weights_sha256(module))


def look(model: LoadedModel, bank: PlantedBank, layers: Sequence[str], *, batch: int = 256) -> ForwardPass:
    """Logits and channel means of every bank image."""
    images = bank.images
    return forward_pass(
        model, (to_input(images[i : i + batch]) for i in range(0, len(images), batch)), layers
    )


def fit_occluders(
    model: LoadedModel,
    class_images: Sequence[Images],
    layers: Sequence[str],
    *,
    refits: int,
    steps: int,
    seed: int,
) -> Fits:
    """One occluder per class and fold, with the auditor's own code (equations 4 to 8)."""
    settings = occluder.OccluderSettings(iterations=steps)
    generator = torch.Generator().manual_seed(seed)
    importance: dict[str, list[list[NDArray[np.float64]]]] = {layer: [] for layer in layers}
    signed: dict[str, list[list[NDArray[np.float64]]]] = {layer: [] for layer in layers}
    success = np.zeros((len(class_images), refits))
    for y, images in enumerate(class_images):
        inputs = to_input(images)
        for layer in layers:
            importance[layer].append([])
            signed[layer].append([])
        for r in range(refits):
            fold = inputs[r::refits]
            found = occluder.learn(model, fold, y, settings=settings, generator=generator)
            success[y, r] = found.success
            scores = channels.neuron_scores(model, fold, found.perturbation, layers)
            for layer in layers:
                importance[layer][-1].append(
                    channels.channel_importance(scores[layer].scores).double().numpy()
                )
                signed[layer][-1].append(scores[layer].scores.mean(dim=(1, 2)).double().numpy())
    return Fits(
        {layer: np.array(rows) for layer, rows in importance.items()},
        {layer: np.array(rows) for layer, rows in signed.items()},
        success,
    )
