"""Class impressions: images made from the model itself, which it recognises as the class.

Activation maximisation on Fourier-parameterised images (Olah et al., Feature Visualization, Distill
2017): the image is the inverse Fourier transform of the optimised coefficients, scaled so that every
frequency starts with its power in natural images, and colours are decorrelated. Each step uses a randomly
shifted, scaled and rotated copy, so that the result is robust to these.

The images of a batch are made together: if the network has batch norms, a prior keeps the channel statistics
of the batch close to those of its training (:mod:`auditor.images.norm_prior`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.images.norm_prior import departures
from auditor.images.transforms import warped
from auditor.models.loaded import LoadedModel
from auditor.models.precision import learning

RECIPE = "3"
"""Changes whenever the same settings and seed give other images, so that no old ones are reused."""

PRIOR = 100.0
"""Cost of one unit of departure from the batch norms' statistics, in logits."""

MOST_AT_START = 100.0
"""Largest cost, in logits, of the departure of the random images that the optimisation starts from. Where
batch norms record hardly any variance, departures are many times larger, and the class would never be
reached."""

# Square root of the colour covariance of natural images (Olah et al.), each row scaled to at most 1.
_COLOUR = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]]) / 0.3852


@dataclass(frozen=True)
class ImpressionSettings:
    """Number, optimisation and random views of the images."""

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
    """Cost of one unit of departure from the batch norms' statistics, in logits, or less
    (:data:`MOST_AT_START`); 0: no prior."""
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
    """Class impressions [count, channels, height, width], normalised, on the model's device.

    The generator, on the CPU, serves starting points and views. ``on_step`` is called after every step of
    every batch. The model is not changed.
    """
    made = []
    batches = -(-settings.count // settings.batch)
    for i in range(batches):  # of even size: in a batch of one, the prior would make the image average
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
    weight: Tensor | None = None
    with departures(model) if settings.prior else nullcontext(lambda: None) as departure:
        for _ in range(settings.steps):
            inputs = model.normalise(_decode(spectrum, scale, (height, width)))
            seen = _random_view(inputs, settings, generator)
            with learning(model, settings.precision):
                logits = model.module(seen)
            loss = -logits[:, class_index].float().mean()
            departed = departure()
            if departed is not None:
                if weight is None:
                    most = MOST_AT_START / departed.detach().clamp(min=1e-6)
                    weight = most.clamp(max=settings.prior)
                loss = loss + weight * departed
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            if on_step is not None:
                on_step()
    with torch.no_grad():
        return model.normalise(_decode(spectrum, scale, (height, width)))


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
    """Each image shifted, scaled and rotated at random, and mirrored at its edges."""

    def draw(limit: float) -> Tensor:
        return (torch.rand(inputs.shape[0], generator=generator) * 2 - 1) * limit

    angle, zoom = draw(math.radians(settings.rotation)), 1 + draw(settings.zoom)
    shift = settings.jitter / 224 * 2
    across, down = draw(shift), draw(shift)
    return warped(inputs, angle=angle, zoom=zoom, across=across, down=down, outside="reflection")
