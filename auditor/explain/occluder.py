"""Stage one: learn a global feature occluder for a class (equations 4 and 5).

One perturbation, the same for every image, that makes the model drop its decision when subtracted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from auditor.images.transforms import Views, transform, valid_span, view
from auditor.models.loaded import LoadedModel
from auditor.models.precision import learning

RECIPE = 2
"""Counts up with every change of how occluders are learned: what was learned before is learned again."""
BATCH = 16
"""Images in a step: 8 views, each plain and transformed."""
FIRST_SIZE = 0.3
"""Mean absolute perturbation at which lambda's term first weighs as much as the logits', where an image spans
[-1, 1]."""


@dataclass(frozen=True)
class OccluderSettings:
    """How to learn it. Defaults are the paper's where it gives them."""

    iterations: int = 150
    """Most Adam steps."""
    learning_rate: float = 0.02
    """Of Adam, on the paper's scale where an image spans [-1, 1]."""
    noise: float = 0.04
    """Half-width of the uniform noise in t, on the same scale."""
    rotation: float = 5.0
    """Largest rotation in t, degrees."""
    batch: int = BATCH
    """Images in one forward and backward pass; more images are learned from in random batches."""
    views: Views | None = field(default_factory=Views)
    """What is learned on: a fresh random view of an image each time. A perturbation learned on a few fixed
    images fits these images only. ``None``: the images as they are, as in the paper."""
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

    The weight lambda starts where both terms weigh the same once the perturbation has the mean size
    :data:`FIRST_SIZE`: the term to lower is twice the margin of the class's logit over the mean logit. When
    success stalls short of all images, lambda is halved ("class-specific fine-tuning").
    """
    attempt = _Learning(model, images, class_index, settings, generator)
    for step in range(settings.iterations + 1):
        plain, moved = attempt.forward()
        if attempt.judge(plain, moved) or step == settings.iterations:
            break
        attempt.step(plain, moved)
        if on_step is not None:
            on_step()
    return attempt.result()


class _Learning:
    """The perturbation while it is learned, and the best seen so far."""

    def __init__(
        self,
        model: LoadedModel,
        images: Tensor,
        class_index: int,
        settings: OccluderSettings,
        generator: torch.Generator,
    ) -> None:
        self._model, self._images, self._class = model, images, class_index
        self._settings, self._generator = settings, generator
        self._low, self._high = model.bounds()
        self._span = valid_span(model)
        self._scale = self._span / 2  # the paper's unit, per channel
        self._delta = torch.zeros(1, *images.shape[1:], device=images.device, requires_grad=True)
        self._optimiser = torch.optim.Adam([self._delta], lr=settings.learning_rate)
        self._half = max(1, settings.batch // 2)  # an image is passed plain and transformed
        with torch.no_grad(), learning(model, settings.precision):
            logits = torch.cat([model.module(part).float() for part in images.split(settings.batch)])
        margin = float((logits[:, class_index] - logits.mean(1)).mean())
        self._weight = 2 * max(margin, 1.0) / FIRST_SIZE
        self._best = (torch.zeros_like(self._delta[0]), 0.0, 0.0)
        """Perturbation, success, success under t."""
        self._best_key = (-1.0, -float("inf"))
        """Sum of both successes, and minus the mean absolute perturbation: larger is better."""
        self._recent: deque[tuple[float, float]] = deque(maxlen=settings.confirmations)
        """Success and success under t in the last steps."""
        self._steps = self._evaluations = self._since_better = 0
        self._converged = False

    def forward(self) -> tuple[Tensor, Tensor]:
        """Logits of a random batch with the perturbation subtracted, plain and under t."""
        with learning(self._model, self._settings.precision):
            logits = self._model.module(torch.cat(self._occluded(self._batch()))).float()
        plain, moved = logits.chunk(2)
        return plain, moved

    def judge(self, plain: Tensor, moved: Tensor) -> bool:
        """Keep the perturbation if it is the best so far; whether learning is done.

        A batch is drawn by chance. Therefore a perturbation is judged by the mean success of the last steps.
        """
        success = self._lost(plain.detach()), self._lost(moved.detach())
        whole = self._settings.views is None and len(self._images) <= self._half
        if success == (1.0, 1.0) and not whole:
            success = self._over_all_images()
        self._recent.append(success)
        plainly = sum(one for one, _ in self._recent) / len(self._recent)
        under_t = sum(two for _, two in self._recent) / len(self._recent)
        found = (self._delta.detach()[0].clone(), plainly, under_t)
        key = (round(plainly + under_t, 6), -float(self._delta.detach().abs().mean()))
        if key > self._best_key:
            if key[0] > self._best_key[0]:
                self._since_better = 0
            self._best_key, self._best = key, found
        if len(self._recent) == self._recent.maxlen and plainly + under_t == 2.0:
            self._converged, self._best = True, found
        return self._converged

    def step(self, plain: Tensor, moved: Tensor) -> None:
        """One step of Adam on equation 5."""
        loss = objective(plain, moved, self._class, self._delta, weight=self._weight)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        self._steps += 1
        self._since_better += 1
        self._evaluations += 2 * len(plain)
        if self._since_better >= self._settings.patience:
            self._weight, self._since_better = self._weight / 2, 0

    def result(self) -> Occluder:
        """The best perturbation; the last where no image lost the class."""
        if self._best_key[0] <= 0:  # the smallest would be no perturbation at all
            self._best = (self._delta.detach()[0].clone(), 0.0, 0.0)
        perturbation, success, success_transformed = self._best
        return Occluder(
            perturbation=perturbation * self._scale[0],
            converged=self._converged,
            success=success,
            success_transformed=success_transformed,
            iterations=self._steps,
            evaluations=self._evaluations,
            lambda_=self._weight,
        )

    def _batch(self) -> Tensor:
        """As many images as fit, or as many views of them."""
        count, views = len(self._images), self._settings.views
        if views is None and count <= self._half:
            return self._images
        rounds = -(-self._half // count)
        order = torch.cat([torch.randperm(count, generator=self._generator) for _ in range(rounds)])
        chosen = self._images[order[: self._half].to(self._images.device)]
        return chosen if views is None else view(chosen, views, self._generator)

    def _occluded(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        plain = torch.clamp(batch - self._delta * self._scale, self._low, self._high)
        moved = transform(
            plain,
            noise=self._settings.noise,
            rotation=self._settings.rotation,
            span=self._span,
            generator=self._generator,
        )
        return plain, torch.clamp(moved, self._low, self._high)

    def _lost(self, logits: Tensor) -> float:
        """Share of images that the model no longer takes for the class."""
        return float((logits.argmax(1) != self._class).float().mean())

    def _over_all_images(self) -> tuple[float, float]:
        plain, moved = [], []
        with torch.no_grad(), learning(self._model, self._settings.precision):
            for part in self._images.split(self._half):
                first, second = self._occluded(part)
                plain.append(self._model.module(first).float())
                moved.append(self._model.module(second).float())
        self._evaluations += len(self._images)
        return self._lost(torch.cat(plain)), self._lost(torch.cat(moved))


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


def occlude(model: LoadedModel, images: Tensor, perturbation: Tensor) -> Tensor:
    """X - delta, within the valid range; [n, channels, height, width]."""
    low, high = model.bounds()
    return torch.clamp(images - perturbation, low, high)


def random_like(perturbation: Tensor, generator: torch.Generator) -> Tensor:
    """For a sanity check: the same values in a random order and with random signs, so of the same size."""
    values = perturbation.flatten().cpu()
    shuffled = values[torch.randperm(values.numel(), generator=generator)]
    signs = torch.randint(0, 2, shuffled.shape, generator=generator) * 2 - 1
    return (shuffled * signs).view(perturbation.shape).to(perturbation.device)
