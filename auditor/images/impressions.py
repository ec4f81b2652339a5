"""Class images made from the model itself: what it takes for the class, with no photo at all.

Activation maximisation on Fourier-parameterised images (Olah et al., Feature Visualization, Distill
2017): the image is the inverse Fourier transform of the optimised coefficients, scaled so that every
frequency starts with the power it has in natural images, and colours are decorrelated. Each step looks
at a randomly shifted, scaled and rotated copy, so that only what survives these counts.

The images of a batch are made together: where the network has batch norms, the channel statistics of the
batch are held to those that the network was trained with (:mod:`auditor.images.norm_prior`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

from auditor.images.norm_prior import listening
from auditor.models.loaded import LoadedModel
from auditor.models.precision import learning

RECIPE = "2"
"""Changes whenever the same settings and seed give other images, so that saved ones are not mistaken."""

PRIOR = 100.0
"""What one unit of departure from the batch norms' statistics costs, in logits."""

# Square root of the colour covariance of natural images (Olah et al.), each row scaled to at most 1.
_COLOUR = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]]) / 0.3852


@dataclass(frozen=True)
class ImpressionSettings:
    """How to make them."""

    count: int = 12
    steps: int = 64
    learning_rate: float = 0.1
    jitter: int = 16
    """Largest shift, pixels at 224; scaled with the input."""
    rotation: float = 10.0
    """Largest rotation, degrees."""
    zoom: float = 0.12
    """Largest relative change of scale."""
    prior: float = PRIOR
    """What one unit of departure from the batch norms' statistics costs, in logits; 0: nothing."""
    batch: int = 16
    precision: str = "float32"


def make_impressions(
    model: LoadedModel,
    class_index: int,
    *,
    settings: ImpressionSettings,
    generator: torch.Generator,
    on_step: Callable[[], None] | None = None,
) -> Tensor:
    """Images that the model takes for the class, [count, channels, height, width], normalised, on the device.

    Args:
        model: the audited model; it is not changed.
        class_index: y.
        settings: how many, how long, and the random views.
        generator: CPU generator for starting points and views.
        on_step: called after every step of every batch.
    """
    made = []
    batches = -(-settings.count // settings.batch)
    for i in range(batches):  # of even size: a prior over a batch of one would ask every image to be average
        count = settings.count * (i + 1) // batches - settings.count * i // batches
        made.append(_batch(model, class_index, count, settings, generator, on_step))
    return torch.cat(made)


def _batch(
    model: LoadedModel,
    class_index: int,
    count: int,
    settings: ImpressionSettings,
    generator: torch.Generator,
    on_step: Callable[[], None] | None,
) -> Tensor:
    channels, height, width = model.input.size
    device = model.device
    scale = _frequency_scale(height, width).to(device)
    start = torch.randn(count, channels, height, width // 2 + 1, 2, generator=generator) * 0.3
    spectrum = start.to(device).requires_grad_(True)
    optimiser = torch.optim.Adam([spectrum], lr=settings.learning_rate)
    with listening(model) if settings.prior else nullcontext(_silence) as departure:
        for _ in range(settings.steps):
            inputs = model.normalise(_decode(spectrum, scale, (height, width)))
            seen = _random_view(inputs, settings, generator)
            with learning(model, settings.precision):
                logits = model.module(seen)
            loss = -logits[:, class_index].float().mean()
            strayed = departure()
            if strayed is not None:
                loss = loss + settings.prior * strayed
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            if on_step is not None:
                on_step()
    with torch.no_grad():
        return model.normalise(_decode(spectrum, scale, (height, width)))


def _silence() -> None:
    """A prior that has nothing to say."""


def _frequency_scale(height: int, width: int) -> Tensor:
    """Amplitude of natural images, which falls as 1/f; [height, width // 2 + 1]."""
    vertical = torch.fft.fftfreq(height)[:, None]
    horizontal = torch.fft.rfftfreq(width)[None, :]
    frequency = torch.sqrt(vertical**2 + horizontal**2).clamp(min=1.0 / max(height, width))
    return 0.25 / frequency


def _decode(spectrum: Tensor, scale: Tensor, size: tuple[int, int]) -> Tensor:
    """Coefficients to images in [0, 1], [n, channels, height, width]."""
    image = torch.fft.irfft2(torch.view_as_complex(spectrum) * scale, s=size, norm="ortho")
    if image.shape[1] == 3:
        image = torch.einsum("nchw,dc->ndhw", image, _COLOUR.to(image.device))
    return torch.sigmoid(image)


def _random_view(inputs: Tensor, settings: ImpressionSettings, generator: torch.Generator) -> Tensor:
    """Each image shifted, scaled and rotated at random; what lies outside is mirrored in."""
    n, _, height, width = inputs.shape

    def draw(limit: float) -> Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * limit

    angle, zoom = draw(math.radians(settings.rotation)), 1 + draw(settings.zoom)
    shift = settings.jitter / 224 * 2
    across, down = draw(shift), draw(shift)
    ratio = height / width
    theta = torch.stack(
        [
            torch.stack([angle.cos() * zoom, -angle.sin() * zoom * ratio, across], 1),
            torch.stack([angle.sin() * zoom / ratio, angle.cos() * zoom, down], 1),
        ],
        1,
    ).to(inputs.device)
    grid = nnf.affine_grid(theta, list(inputs.shape), align_corners=False)
    return nnf.grid_sample(inputs, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
