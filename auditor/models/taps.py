"""Record the outputs of layers, and the input of the last one, with forward hooks.

The audited network is never rebuilt. The hooks are on the module itself and are removed at the end, whatever
happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

from torch import Tensor, nn


class _Reached(Exception):  # noqa: N818  not an error
    """Raised by a hook to end a forward pass early; caught in this module."""


@contextmanager
def record(module: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of ``layers`` during each forward pass inside the block.

    Layers are dotted names of submodules. The network's train/eval mode stays.

    Yields:
        Layer to output of the latest pass, [n, channels, height, width] (a fully connected layer's
        [n, channels] is given as [n, channels, 1, 1]). Gradients flow through it.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        outputs[name] = as_maps(output)

    with ExitStack() as hooks:
        for name in layers:
            hooks.enter_context(module.get_submodule(name).register_forward_hook(partial(keep, name)))
        yield outputs


@contextmanager
def record_last_input(module: nn.Module, classes: int) -> Iterator[list[Tensor]]:
    """Collect the input of the last linear layer with one output per class during each forward pass.

    Yields:
        A list that grows by one tensor [images, channels] per pass, averaged over positions. It stays empty
        where no single linear layer makes the logits.
    """
    outputs = {classes, 1} if classes == 2 else {classes}  # one output stands for two classes
    linear = [
        part
        for part in module.modules()
        if (isinstance(part, nn.Linear) and part.out_features in outputs)
        or (isinstance(part, nn.Conv2d) and part.out_channels in outputs and part.kernel_size == (1, 1))
    ]
    inputs: list[Tensor] = []

    def keep(_module: nn.Module, given: Any, _output: Any) -> None:
        inputs.append(as_maps(given[0].detach()).float().mean(dim=(2, 3)).cpu())

    with ExitStack() as hooks:
        for last in linear[-1:]:
            hooks.enter_context(last.register_forward_hook(keep))
        yield inputs


def as_maps(output: Tensor) -> Tensor:
    """A layer's output as feature maps: the paper views C neurons as C maps of 1x1."""
    return output if output.ndim == 4 else output.flatten(1)[:, :, None, None]


def forward_to(module: nn.Module, layer: str, inputs: Tensor) -> Tensor:
    """The output of one layer, [n, channels, height, width]; later layers are not computed."""
    found: list[Tensor] = []

    def stop(_module: nn.Module, _inputs: Any, output: Any) -> None:
        found.append(as_maps(output))
        raise _Reached

    with module.get_submodule(layer).register_forward_hook(stop), suppress(_Reached):
        module(inputs)
    return found[0]
