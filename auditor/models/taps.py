"""Record the outputs of layers with forward hooks.

The audited network is never rebuilt. The hooks are on the module itself and are removed in ``finally``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn


class _Reached(Exception):  # noqa: N818  not an error
    """Raised by a hook to end a forward pass early; caught in this module."""


@contextmanager
def record(module: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of ``layers`` during each forward pass inside the block.

    Args:
        module: The network; its train/eval mode stays.
        layers: Dotted names of submodules.

    Yields:
        Layer to output of the latest pass, [n, channels, height, width] (a fully connected layer's
        [n, channels] is given as [n, channels, 1, 1]). Gradients flow through it.
    """
    outputs: dict[str, Tensor] = {}
    handles = []

    def keep(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        outputs[name] = as_maps(output)

    try:
        for name in layers:
            handles.append(module.get_submodule(name).register_forward_hook(partial(keep, name)))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def as_maps(output: Tensor) -> Tensor:
    """A layer's output as feature maps: the paper views C neurons as C maps of 1x1."""
    return output if output.ndim == 4 else output.flatten(1)[:, :, None, None]


def forward_to(module: nn.Module, layer: str, inputs: Tensor) -> Tensor:
    """The output of one layer, [n, channels, height, width]; later layers are not computed."""
    found: list[Tensor] = []

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        found.append(as_maps(output))
        raise _Reached

    handle = module.get_submodule(layer).register_forward_hook(hook)
    try:
        module(inputs)
    except _Reached:
        pass
    finally:
        handle.remove()
    return found[0]
