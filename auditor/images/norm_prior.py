"""A prior for images made from a network: the running statistics of its batch norms.

A batch of images whose channel statistics depart from them looks unlike the training images. Yin et al.,
"Dreaming to Distill" (CVPR 2020), add that distance to the loss when making images from a network. Networks
without batch norm have no such statistics, and nothing is added for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from auditor.errors import InputError
from auditor.models.layers import choose_layers
from auditor.models.loaded import LoadedModel

_LARGEST = 100.0
"""Cap on one channel's departure: a channel that hardly varied in training must not outweigh all others."""


@contextmanager
def departures(model: LoadedModel) -> Iterator[Callable[[], Tensor | None]]:
    """Measure the departure of each forward pass from the batch norms' running statistics.

    Yields:
        A function that returns the departure since its last call (a scalar, with gradients), or ``None``
        for a network without batch norm. The departure is the mean over layers and channels of the squared
        2-Wasserstein distance between two normal distributions, one with the batch's mean and variance and
        one with the running ones, in units of the running variance.
    """
    found: list[Tensor] = []

    def hook(norm: Any, inputs: tuple[Tensor, ...]) -> None:
        found.append(_departure(inputs[0], norm.running_mean, norm.running_var, norm.eps))

    def latest() -> Tensor | None:
        total = torch.stack(found).mean() if found else None
        found.clear()
        return total

    with ExitStack() as hooks:
        for norm in _chosen(model):
            hooks.enter_context(norm.register_forward_pre_hook(hook))
        yield latest


def _departure(maps: Tensor, running_mean: Tensor, running_var: Tensor, eps: float) -> Tensor:
    variance, mean = torch.var_mean(maps.float(), dim=(0, 2, 3), correction=0)
    wanted = running_var + eps
    moved = (mean - running_mean) ** 2 / wanted
    spread = (((variance + eps) / wanted).sqrt() - 1) ** 2
    return (moved + spread).clamp(max=_LARGEST).mean()


def _chosen(model: LoadedModel) -> list[nn.BatchNorm2d]:
    """The last batch norm of each block; all if no blocks are found.

    Those inside a block see its widest maps: using them too more than doubles the cost of a step.
    """
    modules = list(model.module.named_modules())
    norms = {
        at: module
        for at, (_, module) in enumerate(modules)
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
    }
    if not norms:
        return []
    try:
        blocks = [layer.name for layer in choose_layers(model)]
    except InputError:
        return list(norms.values())
    last: set[int] = set()
    for block in blocks:
        end = max(at for at, (name, _) in enumerate(modules) if f"{name}.".startswith(f"{block}."))
        last.update([at for at in norms if at <= end][-1:])
    return [norms[at] for at in sorted(last)] or list(norms.values())
