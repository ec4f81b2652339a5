"""Stage one: learn a global feature occluder for a class (equations 4 and 5).

One perturbation, the same for every image, that makes the model drop its decision when subtracted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.images.transforms import transform, valid_span
from auditor.models.loaded import LoadedModel
from auditor.models.precision import learning


@dataclass(frozen=True)
class OccluderSettings:
    """How to learn it. Defaults are the paper's where it gives them."""

    iterations: int = 150
    """Most Adam steps."""
    learning_rate: float = 0.01
    """Of Adam, on the paper's scale where an image spans [-1, 1]."""
    noise: float = 0.04
    """Half-width of the uniform noise in t, on the same scale."""
    rotation: float = 5.0
    """Largest rotation in t, degrees."""
    batch: int = 32
    """Most images in one forward and backward pass; more images are learned from in random batches."""
    confirmations: int = 8
    """Steps in a row on which all constraints must hold: t is random, one lucky draw proves little."""
    patience: int = 25
    """Steps without a rise in success after which lambda is halved."""
    precision: str = "float32"


@dataclass(frozen=True)
class Occluder:
    """A learned perturbation and how far learning got."""

    perturbation: Tensor
    """delta, [channels, height, width] in the model's normalised units; subtracted from an image."""
    converged: bool
    """All constraints of equation 4 held on the images learned on, plain and transformed."""
    success: float
    """Share of the images learned on that lost the class, untransformed, [0, 1]."""
    success_transformed: float
    """The same under t."""
    iterations: int
    evaluations: int
    """Images passed forward and backward."""
    lambda_: float
    """Weight of the l1 term at the end."""

    @property
    def l1(self) -> float:
        """Mean absolute value of the perturbation: D(delta) of equation 5."""
        return float(self.perturbation.abs().mean())


def learn(
    model: LoadedModel,
    images: Tensor,
    class_index: int,
    *,
    settings: OccluderSettings,
    generator: torch.Generator,
    on_step: Callable[[], None] | None = None,
) -> Occluder:
    """Minimise equation 5 with Adam until the constraints of equation 4 hold, or the steps run out.

    Args:
        model: the audited model; it is not changed.
        images: [n, channels, height, width], normalised, each classified as the class.
        class_index: y.
        settings: steps, rates and the transformation t.
        generator: CPU generator for t and for batches.
        on_step: called after every step.

    The weight lambda starts where both terms weigh the same once the perturbation is a twentieth of the
    valid range: the term to lower is twice the margin of the class's logit over the mean logit. When
    success stalls short of all images, lambda is halved ("class-specific fine-tuning").
    """
    low, high = model.bounds()
    span = valid_span(model)
    scale = span / 2  # the paper's unit, per channel
    n = images.shape[0]
    delta = torch.zeros(1, *images.shape[1:], device=images.device, requires_grad=True)
    optimiser = torch.optim.Adam([delta], lr=settings.learning_rate)
    with torch.no_grad(), learning(model, settings.precision):
        logits = torch.cat([model.module(part).float() for part in images.split(settings.batch)])
    margin = float((logits[:, class_index] - logits.mean(1)).mean())
    weight = 2 * max(margin, 1.0) / 0.1
    best = (-1.0, float("inf"))
    best_state = (torch.zeros_like(delta[0]), 0.0, 0.0)
    since, evaluations, steps, held, converged = 0, 0, 0, 0, False

    def occluded(batch: Tensor) -> tuple[Tensor, Tensor]:
        plain = torch.clamp(batch - delta * scale, low, high)
        moved = transform(
            plain, noise=settings.noise, rotation=settings.rotation, span=span, generator=generator
        )
        return plain, torch.clamp(moved, low, high)

    def share(z: Tensor) -> float:
        return float((z.argmax(1) != class_index).float().mean())

    half = max(1, settings.batch // 2)  # an image is passed plain and transformed
    for step in range(settings.iterations + 1):
        chosen = (
            images if n <= half else images[torch.randperm(n, generator=generator)[:half].to(images.device)]
        )
        plain, moved = occluded(chosen)
        with learning(model, settings.precision):
            z = model.module(torch.cat([plain, moved])).float()
        z_plain, z_moved = z.chunk(2)
        success, success_moved = share(z_plain.detach()), share(z_moved.detach())
        if n > half and success == 1.0 and success_moved == 1.0:
            success, success_moved = _check(model, images, occluded, share, settings)
            evaluations += n
        size = float(delta.detach().abs().mean())
        key = (round(success + success_moved, 6), -size)
        if key > (best[0], -best[1]):
            since = 0 if key[0] > best[0] else since
            best, best_state = (key[0], size), (delta.detach()[0].clone(), success, success_moved)
        if success == 1.0 and success_moved == 1.0:
            held += 1
            if held == settings.confirmations:
                converged = True
                best_state = (delta.detach()[0].clone(), success, success_moved)
                break
        else:
            held = 0
        if step == settings.iterations:
            break
        loss = objective(z_plain, z_moved, class_index, delta, weight=weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        steps += 1
        since += 1
        evaluations += 2 * chosen.shape[0]
        if since >= settings.patience:
            weight, since = weight / 2, 0
        if on_step is not None:
            on_step()
    if best[0] <= 0:  # nothing flipped: the smallest would be no perturbation at all
        best_state = (delta.detach()[0].clone(), 0.0, 0.0)
    perturbation, success, success_moved = best_state
    return Occluder(
        perturbation=perturbation * scale[0],
        converged=converged,
        success=success,
        success_transformed=success_moved,
        iterations=steps,
        evaluations=evaluations,
        lambda_=weight,
    )


def objective(plain: Tensor, moved: Tensor, class_index: int, delta: Tensor, *, weight: float) -> Tensor:
    """What Adam minimises (equation 5).

    Args:
        plain: logits Z(x_i - delta), [n, classes].
        moved: logits Z(t(x_i - delta)), [n, classes].
        class_index: y.
        delta: the perturbation, any shape.
        weight: lambda.

    Returns:
        Mean over images of both logits of y, plus lambda times D(delta), the mean absolute value.
    """
    return (plain[:, class_index] + moved[:, class_index]).mean() + weight * delta.abs().mean()


def _check(
    model: LoadedModel,
    images: Tensor,
    occluded: Callable[[Tensor], tuple[Tensor, Tensor]],
    share: Callable[[Tensor], float],
    settings: OccluderSettings,
) -> tuple[float, float]:
    """Success over all images, plain and transformed."""
    plain, moved = [], []
    with torch.no_grad(), learning(model, settings.precision):
        for part in images.split(max(1, settings.batch // 2)):
            first, second = occluded(part)
            plain.append(model.module(first).float())
            moved.append(model.module(second).float())
    return share(torch.cat(plain)), share(torch.cat(moved))


def occlude(model: LoadedModel, images: Tensor, perturbation: Tensor) -> Tensor:
    """X - delta, within the valid range; [n, channels, height, width]."""
    low, high = model.bounds()
    return torch.clamp(images - perturbation, low, high)


def random_like(perturbation: Tensor, generator: torch.Generator) -> Tensor:
    """Control: the same values in a random order and with random signs, so of the same size."""
    values = perturbation.flatten().cpu()
    shuffled = values[torch.randperm(values.numel(), generator=generator)]
    signs = torch.randint(0, 2, shuffled.shape, generator=generator) * 2 - 1
    return (shuffled * signs).view(perturbation.shape).to(perturbation.device)
