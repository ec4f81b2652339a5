"""Gradient-based importance of channels: what AfI is compared with (CVPR 2020, section 4.2).

TCAV attributes the class to features by the gradient of its logit at a layer, image by image. The paper
averages it over the images of the class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.explain.channels import channel_importance
from auditor.models import taps
from auditor.models.loaded import LoadedModel


def gradient_importance(
    model: LoadedModel, images: Tensor, class_index: int, layers: Sequence[str], *, batch: int = 16
) -> dict[str, NDArray[np.float32]]:
    """Layer to the importance [channels] of every channel, in [0, 1].

    The mean gradient of a neuron takes the place of equation 6; equations 7 and 8 follow.

    Args:
        model: The audited model; it is not changed.
        images: [n, channels, height, width], normalised, of the class.
        class_index: The class.
        layers: Names of layers.
        batch: Images per pass.
    """
    totals: dict[str, Tensor] = {}
    with taps.record(model.module, layers) as outputs:
        for part in images.split(batch):
            logits = model.module(part.requires_grad_(True)).float()
            maps = [outputs[layer] for layer in layers]
            found = torch.autograd.grad(logits[:, class_index].sum(), maps)
            for layer, gradient in zip(layers, found, strict=True):
                value = gradient.float().sum(0)
                totals[layer] = totals[layer] + value if layer in totals else value
    return {layer: channel_importance(total).cpu().numpy() for layer, total in totals.items()}


def logit_gradients(
    model: LoadedModel, images: Tensor, class_index: int, layer: str, *, batch: int = 16
) -> NDArray[np.float32]:
    """[images, channels] Gradient of the class's logit at a layer, summed over positions; as above."""
    found = []
    with taps.record(model.module, [layer]) as outputs:
        for part in images.split(batch):
            logits = model.module(part.requires_grad_(True)).float()
            (gradient,) = torch.autograd.grad(logits[:, class_index].sum(), outputs[layer])
            found.append(gradient.float().sum(dim=(2, 3)).cpu().numpy())
    return np.concatenate(found)
