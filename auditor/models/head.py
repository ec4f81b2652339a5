"""What the layer that makes the logits is given: the model's last description of an image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from auditor.models.taps import as_maps


@contextmanager
def hear_last(module: nn.Module, classes: int) -> Iterator[list[Tensor]]:
    """Collect the input of the last linear layer with an output per class, pass by pass.

    Args:
        module: The network.
        classes: Number of its outputs.

    Yields:
        A list that grows by one [images, channels] a pass, averaged over positions; it stays empty where
        no single linear layer makes the logits.
    """
    outputs = {classes, 1} if classes == 2 else {classes}  # one output stands for two classes
    last = None
    for part in module.modules():
        if (isinstance(part, nn.Linear) and part.out_features in outputs) or (
            isinstance(part, nn.Conv2d) and part.out_channels in outputs and part.kernel_size == (1, 1)
        ):
            last = part
    heard: list[Tensor] = []

    def hook(_module: nn.Module, inputs: Any, _output: Any) -> None:
        heard.append(as_maps(inputs[0].detach()).float().mean(dim=(2, 3)).cpu())

    handle = last.register_forward_hook(hook) if last is not None else None
    try:
        yield heard
    finally:
        if handle is not None:
            handle.remove()
