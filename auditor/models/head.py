"""Record the input of the layer that makes the logits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from auditor.models.taps import as_maps


@contextmanager
def record_last_input(module: nn.Module, classes: int) -> Iterator[list[Tensor]]:
    """Collect the input of the last linear layer with one output per class during each forward pass.

    Args:
        module: The network.
        classes: Number of its outputs.

    Yields:
        A list that grows by one tensor [images, channels] per pass, averaged over positions. It stays empty
        where no single linear layer makes the logits.
    """
    outputs = {classes, 1} if classes == 2 else {classes}  # one output stands for two classes
    last = None
    for part in module.modules():
        if (isinstance(part, nn.Linear) and part.out_features in outputs) or (
            isinstance(part, nn.Conv2d) and part.out_channels in outputs and part.kernel_size == (1, 1)
        ):
            last = part
    inputs: list[Tensor] = []

    def hook(_module: nn.Module, given: Any, _output: Any) -> None:
        inputs.append(as_maps(given[0].detach()).float().mean(dim=(2, 3)).cpu())

    handle = last.register_forward_hook(hook) if last is not None else None
    try:
        yield inputs
    finally:
        if handle is not None:
            handle.remove()
