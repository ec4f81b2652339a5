"""Three small networks of different families, for 64 px images. The input is normalised to [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def _unit(n_in: int, n_out: int, *, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(),
    )


class Residual(nn.Module):
    """Two units and a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.first = _unit(n_in, n_out, stride=stride)
        self.second = nn.Sequential(nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out))
        self.shortcut = (
            nn.Identity()
            if n_in == n_out and stride == 1
            else nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))
        )

    def forward(self, x: Tensor) -> Tensor:
        """[n, n_in, h, w] to [n, n_out, h / stride, w / stride]."""
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


def _depthwise(n_in: int, n_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_unit(n_in, n_in, stride=stride, groups=n_in), _unit(n_in, n_out, kernel=1))


class SmallNet(nn.Module):
    """A stem, four blocks, pooling over positions, one linear layer."""

    def __init__(self, stem: nn.Module, blocks: list[nn.Module], width: int, n_classes: int):
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, 64, 64] in [-1, 1] to logits [n, classes]."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.head(x.mean((2, 3)))
        return result


def _residual(n_classes: int) -> SmallNet:
    blocks: list[nn.Module] = [
        Residual(16, 24, 2),
        Residual(24, 40, 2),
        Residual(40, 56, 1),
        Residual(56, 64, 2),
    ]
    return SmallNet(_unit(3, 16, kernel=5, stride=2), blocks, 64, n_classes)


def _plain(n_classes: int) -> SmallNet:
    blocks: list[nn.Module] = [
        nn.Sequential(nn.MaxPool2d(2), _unit(16, 32)),
        _unit(32, 48, stride=2),
        _unit(48, 64),
        _unit(64, 64),
    ]
    return SmallNet(_unit(3, 16, kernel=5, stride=2), blocks, 64, n_classes)


def _separable(n_classes: int) -> SmallNet:
    blocks: list[nn.Module] = [
        _depthwise(24, 48, 2),
        _depthwise(48, 64, 2),
        _depthwise(64, 96, 1),
        _depthwise(96, 96, 1),
    ]
    return SmallNet(_unit(3, 24, kernel=5, stride=2), blocks, 96, n_classes)


ARCHITECTURES: dict[str, Callable[[int], SmallNet]] = {
    "residual": _residual,
    "plain": _plain,
    "separable": _separable,
}
"""Name to constructor; the argument is the number of classes."""


def layer_names(model: SmallNet) -> list[str]:
    """Block outputs, first to last."""
    return [f"blocks.{i}" for i in range(len(model.blocks))]
