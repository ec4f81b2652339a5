"""The meta-detector (equation 9): feature maps combined by channel importance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor

from auditor.models import taps
from auditor.models.head import record_last_input
from auditor.models.loaded import LoadedModel

LARGEST_MAP = 7
"""Detector maps are averaged down to at most this many positions a side: the power of a two-sample test
falls with dimension, and a deeper layer's map is no larger."""


def pool(maps: Tensor) -> Tensor:
    """Average feature maps to at most 7x7 positions, [n, channels, h, w]."""
    height, width = maps.shape[2:]
    return nnf.adaptive_avg_pool2d(maps, (min(height, LARGEST_MAP), min(width, LARGEST_MAP)))


def detect(maps: Tensor, weights: Tensor) -> Tensor:
    """f'_l = sum over c of w_c A_c (equation 9).

    Args:
        maps: A_l, [n, channels, h, w].
        weights: one detector, [channels], or several, [detectors, channels].

    Returns:
        [n, h, w] or [n, detectors, h, w].
    """
    if weights.ndim == 1:
        return torch.einsum("nchw,c->nhw", maps, weights)
    return torch.einsum("nchw,kc->nkhw", maps, weights)


@dataclass(frozen=True)
class ForwardPass:
    """What the model makes of a set of probe images; everything else is arithmetic on it."""

    channels: dict[str, NDArray[np.float32]]
    """Layer to [images, channels]: every channel's mean over positions."""
    maps: dict[str, NDArray[np.float32]]
    """Layer to [images, detectors, positions]: meta-detector maps, pooled to at most 7x7."""
    logits: NDArray[np.float32]
    """[images, classes]."""
    last: NDArray[np.float32]
    """[images, channels] What the layer that makes the logits was given; the logits themselves where no
    single linear layer makes them."""


def forward_pass(
    model: LoadedModel,
    batches: Iterable[Tensor],
    layers: Sequence[str],
    detectors: Mapping[str, Tensor] | None = None,
) -> ForwardPass:
    """One pass over probe images that serves every class, refit and control.

    A detector is linear in the channel importances, so all of them are read off the same feature maps.

    Args:
        model: the audited model.
        batches: normalised images, [n, channels, height, width] each.
        layers: layer names.
        detectors: layer to [detectors, channels]; the same number of detectors in every layer.
    """
    channels: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    maps: dict[str, list[Tensor]] = {layer: [] for layer in layers} if detectors else {}
    logits: list[Tensor] = []
    with (
        torch.inference_mode(),
        taps.record(model.module, layers) as outputs,
        record_last_input(model.module, len(model.labels)) as heard,
    ):
        for batch in batches:
            logits.append(model.module(batch).float().cpu())
            for layer in layers:
                pooled = pool(outputs[layer].float())
                channels[layer].append(outputs[layer].float().mean(dim=(2, 3)).cpu())
                if detectors:
                    maps[layer].append(detect(pooled, detectors[layer]).flatten(2).cpu())
    made = torch.cat(logits).numpy()
    last = torch.cat(heard).numpy() if heard else made
    return ForwardPass(
        channels={layer: torch.cat(found).numpy() for layer, found in channels.items()},
        maps={layer: torch.cat(found).numpy() for layer, found in maps.items()},
        logits=made,
        last=last if len(last) == len(made) else made,
    )
