"""Controls: measurements whose outcome is known beforehand, made beside every claim.

If one fails, the report's first page says so and a gate cannot pass.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from auditor.afi.occluder import occlude
from auditor.afi.responses import Responses
from auditor.contrasting import Pairs, group_positions
from auditor.fitting import ClassFit
from auditor.models.head import Head
from auditor.models.loaded import LoadedModel
from auditor.records import ContrastResult, Control
from auditor.scoring import BankLayout
from auditor.statistics.classwise import class_effects
from auditor.statistics.contrasts import group_differences

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
    head: Head | None,
    logits: NDArray[np.floating],
    class_index: int,
    *,
    scores: NDArray[np.float64],
    margin: float,
    contrasts: Sequence[ContrastResult],
    pairs: Mapping[tuple[str, str], Pairs],
    contrast_margin: float,
    rng: np.random.Generator,
) -> Control:
    """The class's weights dealt to the wrong channels must lose the strongest finding.

    Of a bank whose concepts are groups, that is the strongest contrast. What is compared is the effect on
    the class's logit less the mean logit, standardised: weights in the wrong places move the
    logit's level as well, and with it the evidence.

    Args:
        layout: labels of the probe images.
        head: the linear map that makes the logits.
        logits: [images, classes].
        class_index: the class.
        scores: [concepts] of the class.
        margin: of relevance; where no score lies beyond it there is nothing to lose.
        contrasts: of the class on this bank.
        pairs: of the matched ones.
        contrast_margin: the same for contrasts.
        rng: source of the permutations.
    """
    expectation = (
        "the strongest finding's effect on the class's logit exceeds 95% of those with the class's weights "
        "dealt to the wrong channels"
    )
    bank, grouped = layout.bank.name, set(layout.names) <= layout.groups
    told = [c for c in contrasts if _beyond(c, contrast_margin)]
    matched = [c for c in told if c.matched] or told
    strongest = int(np.argmax(np.abs(scores)))
    why = ""
    if grouped and not matched:
        why = f"no contrast of bank {bank} lies beyond the margin: nothing to lose"
    elif not grouped and abs(scores[strongest]) <= margin:
        why = f"no concept of bank {bank} scores beyond the margin: nothing to lose"
    elif head is None:
        why = "the logits are not one linear map of the last channels"
    if why or head is None:
        return Control(
            name="permuted channels", expectation=expectation, observed=None, threshold=None,
            unit="standard deviations", passed=None, note=why,
        )  # fmt: skip
    weights = head.weights[class_index].astype(np.float64)
    dealt = np.stack([weights, *(rng.permutation(weights) for _ in range(DRAWS))])
    rows = dealt @ head.channels.T.astype(np.float64) - logits.mean(axis=1, dtype=np.float64)
    if grouped:
        contrast = max(matched, key=lambda c: abs(c.difference or 0.0))
        finding = f"{contrast.more} against {contrast.less}"
        effects = _differences(layout, rows, contrast, pairs)
    else:
        finding = layout.names[strongest]
        own = layout.compared
        effects = class_effects(rows[:, own], layout.labels[own], concepts=len(layout.names))[:, strongest]
    observed, threshold = float(abs(effects[0])), float(np.quantile(np.abs(effects[1:]), 0.95))
    return Control(
        name="permuted channels",
        expectation=expectation,
        observed=observed,
        threshold=threshold,
        unit="standard deviations",
        passed=observed > threshold,
        note=f"{bank}: {finding}, {DRAWS} permutations",
    )


def _beyond(contrast: ContrastResult, margin: float) -> bool:
    """Whether the whole interval lies beyond the margin, as a claim needs."""
    low, high = contrast.difference_low, contrast.difference_high
    return low is not None and high is not None and (low > margin or high < -margin)


def _differences(
    layout: BankLayout,
    rows: NDArray[np.float64],
    contrast: ContrastResult,
    pairs: Mapping[tuple[str, str], Pairs],
) -> NDArray[np.float64]:
    """[rows] A contrast's standardised difference for every row of responses [rows, images]."""
    strata = pairs[contrast.more, contrast.less].pair if contrast.matched else None
    more, less = group_positions(layout, contrast.more, contrast.less, strata)
    return group_differences(rows, more, less, strata=strata)


def randomised_weights(
    layout: BankLayout, scores: NDArray[np.float64], randomised: NDArray[np.float64]
) -> Control:
    """The ranking must collapse when the model's weights are shuffled.

    Args:
        layout: of the bank.
        scores: [concepts] of the class.
        randomised: [concepts] the same by the model with shuffled weights.
    """
    expectation = (
        f"concept scores of a model with shuffled weights correlate with the model's by less than {ALIKE}"
    )
    if len(layout.names) < FEWEST_CONCEPTS:
        why = f"bank {layout.bank.name} has {len(layout.names)} concepts, need {FEWEST_CONCEPTS}"
        return Control(
            name="randomised weights", expectation=expectation, observed=None, threshold=ALIKE,
            unit="rank correlation", passed=None, note=why,
        )  # fmt: skip
    found = float(spearmanr(scores, randomised).statistic) if np.ptp(randomised) > 0 else 0.0
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
