"""Sanity checks: measurements whose outcome is known beforehand.

Each check names the statements that it tests. Where it fails, these statements are withheld and no others. A
check of the occluder says nothing about a score that is read off the output.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import nn

from auditor.audit.layout import BankLayout
from auditor.explain.occluder import occlude
from auditor.explain.stage_one import StageOne
from auditor.models.loaded import LoadedModel
from auditor.randomness import stream
from auditor.records import SanityCheck
from auditor.settings import Settings
from auditor.statistics.arrays import FloatArray
from auditor.statistics.units import independent_units

DRAWS = 200
"""Random concepts behind a check."""
RARE = 0.001
"""Chance of so many false claims by luck alone, at most."""
ALIKE = 0.5
"""Rank correlation from which two rankings of concept scores count as alike."""
FEWEST_CONCEPTS = 8
"""Fewest concepts for which a rank correlation says anything."""
WEIGHTED = (nn.Conv2d, nn.Linear)
"""Layers whose weights are shuffled."""
HELD = 0.5
"""Share of held-out images that an occluder must change, if anything is to rest on it."""


def random_concept(
    layout: BankLayout, response: FloatArray, *, class_index: int, settings: Settings
) -> SanityCheck:
    """Sets of the bank's images drawn by lot, judged as concepts are: hardly any may be claimed.

    Args:
        layout: Labels and clusters of the bank's images.
        response: [images] e of the class.
        class_index: The class.
        settings: Level and margin, seed.
    """
    used = np.flatnonzero(layout.labels >= 0)
    units = independent_units(np.zeros(len(used)), layout.clusters[used]).means(response[used])
    per_concept = [layout.independent(name) for name in layout.names]
    size = min([len(units) // 2, *per_concept])
    about: dict[str, Any] = {
        "name": "random concept",
        "concerns": "associations",
        "bank": layout.bank.name,
        "expectation": f"of {DRAWS} sets of {size} independent images drawn by lot, hardly any is claimed as "
        "a concept",
        "unit": "sets claimed",
    }
    if size < 2:
        note = f"bank {layout.bank.name} has too few independent images to draw from"
        return SanityCheck(**about, observed=None, threshold=None, passed=None, note=note)
    rng = stream(settings.seed, "random concept", layout.bank.name, class_index)
    drawn = np.stack([rng.permutation(units) for _ in range(DRAWS)])
    own, rest = drawn[:, :size], drawn[:, size:]
    effect = own.mean(axis=1) - rest.mean(axis=1)
    error = np.sqrt(own.var(axis=1, ddof=1) / size + rest.var(axis=1, ddof=1) / rest.shape[1])
    reach = np.abs(effect) - stats.t.ppf(1.0 - settings.alpha / 2.0, size - 1) * error
    claimed = int((reach > settings.margin).sum())
    allowed = float(stats.binom.ppf(1.0 - RARE, DRAWS, settings.alpha))
    return SanityCheck(**about, observed=float(claimed), threshold=allowed, passed=claimed <= allowed)


def randomised_weights(layout: BankLayout, scores: FloatArray, randomised: FloatArray) -> SanityCheck:
    """The ranking of concepts must collapse when the model's weights are shuffled.

    Args:
        layout: Of the bank.
        scores: [concepts] Of the class.
        randomised: [concepts] The same by the model with shuffled weights.
    """
    about: dict[str, Any] = {
        "name": "randomised weights",
        "concerns": "associations",
        "bank": layout.bank.name,
        "expectation": "concept scores of a model with shuffled weights correlate with the model's by less "
        f"than {ALIKE}",
        "unit": "rank correlation",
    }
    if len(scores) < FEWEST_CONCEPTS:
        why = f"bank {layout.bank.name} has {len(scores)} concepts, need {FEWEST_CONCEPTS}"
        return SanityCheck(**about, observed=None, threshold=ALIKE, passed=None, note=why)
    varies = np.ptp(randomised) > 0 and np.ptp(scores) > 0
    found = float(stats.spearmanr(scores, randomised).statistic) if varies else 0.0
    return SanityCheck(**about, observed=found, threshold=ALIKE, passed=found < ALIKE)


def random_occluder(one: StageOne) -> SanityCheck:
    """The occluder's values in random order and sign must change far fewer held-out images than it does."""
    return _occluder_check(
        one,
        "random occluder",
        "on held-out images, the occluder's values in random order and sign change less than half as many "
        "decisions as the occluder",
        one.occluder.success_random,
    )


def another_occluder(model: LoadedModel, one: StageOne, others: Sequence[StageOne]) -> SanityCheck:
    """Other classes' occluders must change far fewer of this class's held-out images than its own."""
    lost = []
    if others and one.images.record.heldout:
        inputs = one.images.inputs(model)[one.images.record.learned :]
        with torch.inference_mode():
            for other in others:
                delta = torch.from_numpy(other.perturbations[0]).to(model.device)
                predicted = model.module(occlude(model, inputs, delta)).argmax(1)
                lost.append(float((predicted != one.label.index).float().mean()))
    return _occluder_check(
        one,
        "another class's occluder",
        "on held-out images, other classes' occluders change less than half as many decisions as the "
        "class's own",
        float(np.mean(lost)) if lost else None,
        note=f"mean over {', '.join(other.label.name for other in others)}" if others else "",
    )


def _occluder_check(
    one: StageOne, name: str, expectation: str, observed: float | None, *, note: str = ""
) -> SanityCheck:
    """Both shares are of the same held-out images: like with like."""
    success = one.occluder.success_heldout
    about: dict[str, Any] = {
        "name": name,
        "concerns": "explanation",
        "expectation": expectation,
        "unit": "share of images",
    }
    if success is None or success < HELD:
        why = "the occluder itself does not hold: there is nothing to test"
        return SanityCheck(**about, observed=observed, threshold=None, passed=None, note=why)
    if observed is None:
        why = "nothing to compare with: no reference class was learned"
        return SanityCheck(**about, observed=None, threshold=success / 2, passed=None, note=why)
    return SanityCheck(
        **about, observed=observed, threshold=success / 2, passed=observed < success / 2, note=note
    )


def shuffle_weights(model: LoadedModel, *, seed: int, only: Collection[str] | None = None) -> LoadedModel:
    """A copy whose convolution and linear weights are permuted within each tensor.

    Each tensor keeps its values, so activations keep their scale, and loses all it learned.

    Args:
        model: The model; it is not changed.
        seed: Of the permutations. A layer's own does not depend on ``only``.
        only: Names of the layers whose weights are permuted; all where ``None``.
    """
    module = copy.deepcopy(model.module)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, part in module.named_modules():
            if isinstance(part, WEIGHTED):
                flat = part.weight.flatten()
                order = torch.randperm(flat.numel(), generator=generator).to(flat.device)
                if only is None or name in only:
                    part.weight.copy_(flat[order].view_as(part.weight))
    return replace(model, module=module)
