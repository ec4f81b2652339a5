"""A network whose inner life is known: made by hand, so that what must be found is no matter of luck.

Channel 0 of its convolution answers to vertical stripes two pixels wide, channel 1 to horizontal ones,
channel 2 to brightness. Class 0 is "vertical", class 1 "horizontal", class 2 "bright".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from auditor.models.loaded import ClassLabel, LoadedModel, freeze, weights_sha256
from auditor.records import InputSpec

SIDE = 16


class TinyNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 4, padding="same", bias=True)
        self.act = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(3, 3)
        wave = torch.tensor([1.0, 1.0, -1.0, -1.0])
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0] = wave[None, None, :].expand(3, 4, 4) / 48
            self.conv.weight[1] = wave[None, :, None].expand(3, 4, 4) / 48
            self.conv.weight[2] = 1 / 48
            self.conv.bias.zero_()
            self.fc.weight.copy_(torch.eye(3) * 20)
            self.fc.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.act(self.conv(x))).flatten(1))


def tiny_model() -> LoadedModel:
    module = freeze(TinyNet())
    return LoadedModel(
        name="test:tiny",
        source="test",
        architecture="tiny",
        module=module,
        input=InputSpec(
            size=(3, SIDE, SIDE), crop=1.0, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3
        ),
        labels=tuple(ClassLabel(i, n, "", (n,)) for i, n in enumerate(("vertical", "horizontal", "bright"))),
        sha256=weights_sha256(module),
    )


def striped(n: int, *, vertical: bool, rng: np.random.Generator, noise: float = 0.1) -> Tensor:
    """[n, 3, SIDE, SIDE], normalised: stripes two pixels wide of varying contrast, and noise.

    All have the same phase: over all phases the gradients of one common perturbation would cancel.
    """
    wave = np.where(np.arange(SIDE) // 2 % 2 == 0, 1.0, -1.0) * rng.uniform(0.55, 0.65, n)[:, None]
    images = np.broadcast_to(wave[:, None, None, :], (n, 3, SIDE, SIDE)).copy()
    if not vertical:
        images = images.swapaxes(2, 3).copy()
    return torch.from_numpy((images + rng.normal(0, noise, images.shape)).clip(-1, 1).astype(np.float32))


def save_striped(model: LoadedModel, folder: Path, count: int, *, vertical: bool, start: int = 0) -> None:
    """Photos of stripes, numbered from ``start``."""
    folder.mkdir(parents=True, exist_ok=True)
    images = model.pixels(striped(count, vertical=vertical, rng=np.random.default_rng(start)))
    for i, image in enumerate(images):
        array = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        Image.fromarray(array).save(folder / f"{start + i:03d}.png")
