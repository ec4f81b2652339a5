"""The transformation t of equation 4: what must not change a decision that rests on real features."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as nnf
from torch import Tensor

from auditor.models.loaded import LoadedModel


def transform(
    inputs: Tensor, *, noise: float, rotation: float, span: Tensor, generator: torch.Generator
) -> Tensor:
    """Uniform noise and a small rotation, drawn anew for every image (paper, section 4).

    Args:
        inputs: [n, channels, height, width], normalised.
        noise: half-width of the noise on the paper's scale, where an image spans [-1, 1].
        rotation: largest angle in degrees, either way.
        span: width of the valid range per channel, [1, channels, 1, 1]; scales the noise to the model's
            own normalised space.
        generator: draws both, on the CPU, so that every device sees the same numbers.
    """
    n = inputs.shape[0]
    device = inputs.device
    angles = (torch.rand(n, generator=generator) * 2 - 1) * math.radians(rotation)
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros(n)
    ratio = inputs.shape[2] / inputs.shape[3]
    theta = torch.stack(
        [torch.stack([cos, -sin * ratio, zero], 1), torch.stack([sin / ratio, cos, zero], 1)], 1
    ).to(device)
    grid = nnf.affine_grid(theta, list(inputs.shape), align_corners=False)
    turned = nnf.grid_sample(inputs, grid, mode="bilinear", padding_mode="border", align_corners=False)
    uniform = (torch.rand(inputs.shape, generator=generator) * 2 - 1).to(device)
    return turned + uniform * noise * span / 2


def valid_span(model: LoadedModel) -> Tensor:
    """Width of the model's valid input range per channel, [1, channels, 1, 1]."""
    low, high = model.bounds()
    return high - low
