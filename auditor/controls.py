"""Controls: measurements whose outcome is known beforehand, made beside every claim.

If one fails, the report's first page says so and a gate cannot pass.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from auditor.afi.occluder import occlude
from auditor.afi.responses import Responses, detector_response, late_layers
from auditor.fitting import ClassFit
from auditor.models.loaded import LoadedModel
from auditor.records import Control
from auditor.scoring import BankLayout
from auditor.statistics.classwise import class_effects

DRAWS = 200
"""Random concepts, and permutations of the importances, behind a control."""
ALIKE = 0.5
"""Rank correlation above which two profiles of concept scores count as alike."""
FEWEST_CONCEPTS = 8
"""Fewest concepts for which a rank correlation says anything."""


def random_concept(
    layout: BankLayout, responses: Responses, *, margin: float, rng: np.random.Generator
) -> Control:
    """A random set of the bank's images, called a concept: its score must stay within the margin."""
    values, labels = responses.evidence[layout.compared], layout.labels[layout.compared]
    size = min(int(np.bincount(labels[labels >= 0]).min()), len(values) // 2)
    scores = np.empty(DRAWS)
    for draw in range(DRAWS):
        order = rng.permutation(len(values))
        scores[draw] = values[order[:size]].mean() - values[order[size:]].mean()
    reach = float(np.quantile(np.abs(scores), 0.95))
    return Control(
        name="random concept",
        expectation=f"95% of {DRAWS} random sets of {size} images of bank {layout.bank.name} score within "
        "the margin",
        observed=reach,
        threshold=margin,
        unit="share of full evidence",
        passed=reach <= margin,
    )


def random_occluder(fit: ClassFit) -> Control:
    """A random perturbation of the same values must not change the decision as the occluder does."""
    success = fit.occluder.success_learned
    observed = fit.occluder.success_random
    return Control(
        name="random occluder",
        expectation="the same values in random order and sign change less than half as many decisions "
        "as the occluder",
        observed=observed,
        threshold=success / 2,
        unit="share of images",
        passed=None if observed is None else observed < success / 2,
    )


def another_occluder(model: LoadedModel, fit: ClassFit, others: Sequence[ClassFit]) -> Control:
    """Other classes' occluders must change fewer of this class's decisions than its own."""
    success = fit.occluder.success_learned
    expectation = "other classes' occluders change less than half as many decisions as the class's own"
    if not others:
        return Control(
            name="another class's occluder", expectation=expectation, observed=None, threshold=success / 2,
            unit="share of images", passed=None, note="no reference class was learned",
        )  # fmt: skip
    inputs = fit.images.inputs(model)
    start = fit.images.record.learned if fit.images.record.heldout else 0
    lost = []
    with torch.inference_mode():
        for other in others:
            delta = torch.from_numpy(other.perturbations[0]).to(model.device)
            predicted = model.module(occlude(model, inputs[start:], delta)).argmax(1)
            lost.append(float((predicted != fit.label.index).float().mean()))
    observed = float(np.mean(lost))
    return Control(
        name="another class's occluder",
        expectation=expectation,
        observed=observed,
        threshold=success / 2,
        unit="share of images",
        passed=observed < success / 2,
        note=f"mean over {', '.join(other.label.name for other in others)}",
    )


def permuted_channels(
    layout: BankLayout,
    responses: Responses,
    channels: dict[str, NDArray[np.float32]],
    profiles: dict[str, NDArray[np.float32]],
    reference: dict[str, NDArray[np.float32]],
    *,
    rng: np.random.Generator,
) -> Control:
    """The class's profile dealt to the wrong channels must lose what the detector found."""
    own = layout.compared
    labels, concepts = layout.labels[own], len(layout.names)
    weights = late_layers(list(channels))
    heard = [layer for layer, weight in weights.items() if weight > 0]
    expectation = "the strongest concept's detector score exceeds 95% of those with permuted channels"

    def score(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = class_effects(
            rows[:, own].mean(axis=0, keepdims=True), labels, concepts=concepts
        )[0]
        return found

    seen = score(np.sum([weights[layer] * responses.by_layer[layer] for layer in heard], axis=0))
    strongest = int(np.argmax(np.abs(seen)))
    null = np.empty(DRAWS)
    for draw in range(DRAWS):
        rows = []
        for layer in heard:
            order = rng.permutation(channels[layer].shape[1])
            main = profiles[layer][:1][:, order]
            rows.append(weights[layer] * detector_response(channels[layer], main, reference[layer][:, order]))
        null[draw] = abs(score(np.sum(rows, axis=0))[strongest])
    observed, threshold = float(abs(seen[strongest])), float(np.quantile(null, 0.95))
    return Control(
        name="permuted channels",
        expectation=expectation,
        observed=observed,
        threshold=threshold,
        unit="standard deviations",
        passed=observed > threshold,
        note=f"concept {layout.bank.name}/{layout.names[strongest]}, {DRAWS} permutations",
    )


def randomised_weights(layout: BankLayout, scores: NDArray[np.float64], randomised: Responses) -> Control:
    """The ranking must collapse when the model's weights are shuffled."""
    expectation = (
        f"concept scores of a model with shuffled weights correlate with the model's by less than {ALIKE}"
    )
    if len(layout.names) < FEWEST_CONCEPTS:
        why = f"bank {layout.bank.name} has {len(layout.names)} concepts, need {FEWEST_CONCEPTS}"
        return Control(
            name="randomised weights", expectation=expectation, observed=None, threshold=ALIKE,
            unit="rank correlation", passed=None, note=why,
        )  # fmt: skip
    shuffled = layout.effects(randomised.evidence[None])[0]
    found = float(spearmanr(scores, shuffled).statistic) if np.ptp(shuffled) > 0 else 0.0
    return Control(
        name="randomised weights",
        expectation=expectation,
        observed=found,
        threshold=ALIKE,
        unit="rank correlation",
        passed=found < ALIKE,
        note=f"bank {layout.bank.name}",
    )


def shuffle_weights(model: LoadedModel, *, seed: int) -> LoadedModel:
    """A copy whose convolution and linear weights are permuted within each tensor.

    Each tensor keeps its values, so activations keep their scale, and loses all it learned.
    """
    module = copy.deepcopy(model.module)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                flat = part.weight.flatten()
                order = torch.randperm(flat.numel(), generator=generator).to(flat.device)
                part.weight.copy_(flat[order].view_as(part.weight))
    return replace(model, module=module)
