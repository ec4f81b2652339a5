"""Random transformations of images, the transformation t of equation 4 among them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

from auditor.models.loaded import LoadedModel


def transform(
    inputs: Tensor, *, noise: float, rotation: float, span: Tensor, generator: torch.Generator
) -> Tensor:
    """Uniform noise and a small rotation, drawn for every image (paper, section 4).

    Args:
        inputs: [n, channels, height, width], normalised.
        noise: Half-width of the noise on the paper's scale, where an image spans [-1, 1].
        rotation: Largest angle in degrees, either way.
        span: Width of the valid range per channel, [1, channels, 1, 1]; it scales the noise to the model's
            normalised units.
        generator: Draws both, on the CPU, so that every device gets the same numbers.
    """
    n = inputs.shape[0]
    angle = (torch.rand(n, generator=generator) * 2 - 1) * math.radians(rotation)
    zero = torch.zeros(n)
    turned = warped(inputs, angle=angle, zoom=zero + 1, across=zero, down=zero, outside="border")
    uniform = (torch.rand(inputs.shape, generator=generator) * 2 - 1).to(inputs.device)
    return turned + uniform * noise * span / 2


@dataclass(frozen=True)
class Views:
    """How far a random view of an image may depart from it, either way."""

    mirror: bool = True
    """Half of the views are mirrored left to right."""
    zoom: float = 0.25
    """Share of the size."""
    shift: float = 0.18
    """Share of width and of height."""
    rotation: float = 15.0
    """Degrees."""


def view(inputs: Tensor, views: Views, generator: torch.Generator) -> Tensor:
    """A random view of every image: mirrored, scaled, shifted and turned; edges are reflected.

    Args:
        inputs: [n, channels, height, width].
        views: How far to go.
        generator: Draws on the CPU, so that every device gets the same numbers.
    """
    drawn = torch.rand(5, inputs.shape[0], generator=generator)
    within = drawn[:4] * 2 - 1
    if views.mirror:
        mirrored = (drawn[4] < 0.5).to(inputs.device)[:, None, None, None]
        inputs = torch.where(mirrored, inputs.flip(3), inputs)
    return warped(
        inputs,
        angle=within[0] * math.radians(views.rotation),
        zoom=(1 + views.zoom) ** within[1],
        across=within[2] * 2 * views.shift,
        down=within[3] * 2 * views.shift,
        outside="reflection",
    )


def warped(
    inputs: Tensor, *, angle: Tensor, zoom: Tensor, across: Tensor, down: Tensor, outside: str
) -> Tensor:
    """Images [n, channels, height, width], each rotated, scaled and shifted.

    Angles [n] are in radians, shifts [n] in halves of width and height. ``outside`` fills pixels from beyond
    the image, as ``padding_mode`` of ``grid_sample``.
    """
    ratio = inputs.shape[2] / inputs.shape[3]
    theta = torch.stack(
        [
            torch.stack([angle.cos() * zoom, -angle.sin() * zoom * ratio, across], 1),
            torch.stack([angle.sin() * zoom / ratio, angle.cos() * zoom, down], 1),
        ],
        1,
    ).to(inputs.device)
    grid = nnf.affine_grid(theta, list(inputs.shape), align_corners=False)
    return nnf.grid_sample(inputs, grid, mode="bilinear", padding_mode=outside, align_corners=False)


def valid_span(model: LoadedModel) -> Tensor:
    """Width of the model's valid input range per channel, [1, channels, 1, 1]."""
    low, high = model.bounds()
    return high - low
