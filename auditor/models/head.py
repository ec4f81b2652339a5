"""The layer that makes the logits: what it hears, and with which weights.

In most classifiers it is one linear map of the channels that are left at the end. A control deals a class's
weights to the wrong channels and needs both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auditor.models.taps import as_maps

_CLOSE = 1e-3
"""Largest error, relative to the spread of the logits, with which a linear head must reproduce them."""


@dataclass
class Heard:
    """What the last linear layer was given, pass by pass."""

    module: nn.Linear | nn.Conv2d | None
    inputs: list[Tensor] = field(default_factory=list)

    def head(self, logits: NDArray[np.float32]) -> Head | None:
        """The head, if it alone makes these logits [images, classes]."""
        if self.module is None or not self.inputs:
            return None
        channels = torch.cat(self.inputs).numpy()
        weights = self.module.weight.detach().float().flatten(1).cpu().numpy()
        if channels.shape[0] != logits.shape[0] or channels.shape[1] != weights.shape[1]:
            return None
        bias = np.zeros(len(weights)) if self.module.bias is None else self.module.bias.detach().cpu().numpy()
        made = channels @ weights.T + bias
        if np.abs(made - logits).max() > _CLOSE * max(float(logits.std()), 1e-6):
            return None
        return Head(channels, weights)


@dataclass(frozen=True)
class Head:
    """A linear map from channels to logits."""

    channels: NDArray[np.float32]
    """[images, channels] What it hears."""
    weights: NDArray[np.float32]
    """[classes, channels]."""


@contextmanager
def listen(module: nn.Module, classes: int) -> Iterator[Heard]:
    """Collect what the last linear layer with an output per class is given, pass by pass."""
    last = None
    for part in module.modules():
        if (isinstance(part, nn.Linear) and part.out_features == classes) or (
            isinstance(part, nn.Conv2d) and part.out_channels == classes and part.kernel_size == (1, 1)
        ):
            last = part
    heard = Heard(last)

    def hook(_module: nn.Module, inputs: Any, _output: Any) -> None:
        heard.inputs.append(as_maps(inputs[0].detach()).float().mean(dim=(2, 3)).cpu())

    handle = last.register_forward_hook(hook) if last is not None else None
    try:
        yield heard
    finally:
        if handle is not None:
            handle.remove()
