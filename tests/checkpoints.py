"""Networks with lively weights, and what their checkpoints are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditor.models import Request, load_model
from auditor.models.libraries import build
from auditor.models.loaded import LoadedModel
from benchmarks.checkpoints import State

ARCH = "timm:test_resnet"


NAMES = ["cat", "dog", "owl"]


def network(classes: int = 3, *, arch: str = ARCH, seed: int = 0, **args: object) -> nn.Module:
    """A network with weights that no default has, batch statistics too."""
    torch.manual_seed(seed)
    made = build(arch, {"num_classes": classes, **args}).module
    made.eval()
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.train()  # takes its statistics from the images, so that they live on through the depth
            part.momentum = 0.9
    with torch.no_grad():
        made(images(next(m for m in made.modules() if isinstance(m, nn.Conv2d)).in_channels, 96))
    return made.eval()


def images(channels: int = 3, side: int = 160) -> Tensor:
    return torch.rand(4, channels, side, side, generator=torch.Generator().manual_seed(7))


def same_function(model: LoadedModel, theirs: nn.Module, *, channels: int = 3, side: int = 160) -> None:
    shown = images(channels, side)
    with torch.no_grad():
        torch.testing.assert_close(model.module(shown), theirs(shown), rtol=1e-5, atol=1e-5)


def lively(seed: int) -> State:
    return network(seed=seed).state_dict()


def loaded(path: Path, **asked: Any) -> LoadedModel:
    return load_model(f"file:{path}", request=Request(**({"arch": ARCH} | asked)))
