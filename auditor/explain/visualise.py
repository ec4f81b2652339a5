"""Qualitative concept attribution: an image that excites a meta-detector (paper, sections 3.2 and 4.4).

Total variation is the only prior, as in the paper, so that what appears comes from the model alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.models.loaded import LoadedModel
from auditor.models.precision import learning
from auditor.models.taps import forward_to


@dataclass(frozen=True)
class VisualiseSettings:
    """How to make the picture."""

    steps: int = 64
    learning_rate: float = 0.04
    total_variation: float = 48.0
    """Weight of the total variation against the activation, each as a share of its first value."""
    jitter: int = 8
    """Largest shift in pixels between steps."""
    precision: str = "float32"


def visualise(
    model: LoadedModel,
    layer: str,
    weights: Tensor,
    *,
    settings: VisualiseSettings,
    generator: torch.Generator,
) -> Tensor:
    """Maximise the total activation of meta-detectors of one layer, each in an image of its own.

    Args:
        model: the audited model; nothing behind ``layer`` is computed.
        layer: its name.
        weights: channel importance, [images, channels]: one detector for each image.
        settings: steps and the weight of the total variation.
        generator: CPU generator of the grey noise that each image starts from and of the shifts.

    Returns:
        The images in [0, 1], [images, channels, height, width].
    """
    noise = torch.randn(len(weights), *model.input.size, generator=generator) * 0.02
    image = (noise.to(model.device) + 0.5).requires_grad_(True)
    optimiser = torch.optim.Adam([image], lr=settings.learning_rate)
    scale: tuple[Tensor, Tensor] | None = None
    for _ in range(settings.steps):
        shifts = torch.randint(-settings.jitter, settings.jitter + 1, (2,), generator=generator).tolist()
        seen = torch.roll(image.clamp(0, 1), shifts, dims=(2, 3))
        with learning(model, settings.precision):
            maps = forward_to(model.module, layer, model.normalise(seen))
        activation = torch.einsum("nchw,nc->nhw", maps.float(), weights).mean(dim=(1, 2))
        variation = total_variation(image)
        if scale is None:
            scale = (activation.detach().abs().clamp(min=1e-6), variation.detach().clamp(min=1e-6))
        loss = -activation / scale[0] + settings.total_variation * variation / scale[1]
        optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()
        optimiser.step()
        with torch.no_grad():
            image.clamp_(0, 1)
    return image.detach()


def total_variation(image: Tensor) -> Tensor:
    """[images] Mean absolute difference of neighbouring pixels, across and down."""
    across = (image[..., :, 1:] - image[..., :, :-1]).abs().mean(dim=(1, 2, 3))
    down = (image[..., 1:, :] - image[..., :-1, :]).abs().mean(dim=(1, 2, 3))
    return across + down
