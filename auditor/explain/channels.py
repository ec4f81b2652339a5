"""Which channels carry the class: equations 6, 7 and 8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.explain.occluder import occlude
from auditor.models import taps
from auditor.models.loaded import LoadedModel


def mean_activations(
    model: LoadedModel, images: Tensor, layers: Sequence[str], *, batch: int = 32
) -> dict[str, Tensor]:
    """Layer to the mean feature maps over ``images``, [channels, height, width]."""
    totals: dict[str, Tensor] = {}
    with torch.inference_mode(), taps.record(model.module, layers) as outputs:
        for part in images.split(batch):
            model.module(part)
            for layer in layers:
                value = outputs[layer].float().sum(0)
                totals[layer] = totals[layer] + value if layer in totals else value
    return {layer: total / images.shape[0] for layer, total in totals.items()}


@dataclass(frozen=True)
class Neurons:
    """One layer on the images of a class."""

    clean: Tensor
    """[channels, height, width] Mean activation."""
    scores: Tensor
    """[channels, height, width] Mean over images of f_l(x_i) - f_l(x_i - delta*): equation 6."""


def neuron_scores(
    model: LoadedModel, images: Tensor, perturbation: Tensor, layers: Sequence[str], *, batch: int = 32
) -> dict[str, Neurons]:
    """Activations, and what of them the occluder takes away: the importance of every neuron.

    Args:
        model: the audited model.
        images: [n, channels, height, width], normalised.
        perturbation: delta*, [channels, height, width].
        layers: layer names.
        batch: images per pass.
    """
    clean = mean_activations(model, images, layers, batch=batch)
    occluded = mean_activations(model, occlude(model, images, perturbation), layers, batch=batch)
    return {layer: Neurons(clean[layer], clean[layer] - occluded[layer]) for layer in layers}


def channel_importance(scores: Tensor) -> Tensor:
    """Equations 7 and 8: keep positive neurons, sum over positions, scale so that the largest is 1.

    Args:
        scores: s_l of equation 6, [channels, height, width].

    Returns:
        w_l, [channels], each in [0, 1]; all zero where no neuron has a positive score.

    The paper asks of its constant B only that w lies in [0, 1]; the largest channel gets 1 here.
    """
    total = scores.clamp(min=0).sum(dim=(1, 2))
    largest = total.max()
    return total / largest if largest > 0 else total
