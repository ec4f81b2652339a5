"""Stage two for one class and one bank: from what the model made of the images to findings.

No torch from here on: arrays in, records out. Corrections over the whole audit come afterwards, in
:func:`correct`, because they need every p-value of the family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.afi.responses import Responses
from auditor.banks.bank import ConceptBank
from auditor.records import ConceptResult, ContrastResult, LayerEffect
from auditor.settings import Settings
from auditor.statistics.classwise import class_effects
from auditor.statistics.contrasts import contrast_direction
from auditor.statistics.effects import ConceptEffect, concept_effects, direction_of, layer_effects
from auditor.statistics.mmd import PaperScores, paper_scores
from auditor.statistics.multiplicity import benjamini_yekutieli, holm

GROUPED = "a group: what sets it apart is told by the contrasts, matched on what must not differ"
NOT_SPECIFIC = "the detector of this class is not specific: it finds the channels that reference classes find"


@dataclass(frozen=True)
class BankLayout:
    """Which image of a probe carries which label."""

    bank: ConceptBank
    labels: NDArray[np.int64]
    """[images] position of the concept in the bank, -1 for control and benchmark images."""
    compared: NDArray[np.bool_]
    """[images] takes part in auditor's score: the bank's own images, not foreign benchmark photos."""
    twin: NDArray[np.int64] | None = None
    """[images] position of the same picture without the concept, -1 for images that have none; ``None``
    where the bank has no such pairs."""

    @property
    def names(self) -> list[str]:
        """The concepts' names in order."""
        return [concept.name for concept in self.bank.concepts]

    @property
    def groups(self) -> frozenset[str]:
        """Concepts that the bank sets against each other. Alone their scores are unmatched: no finding."""
        return frozenset(name for c in self.bank.contrasts for name in (c.more, c.less))

    @property
    def zero(self) -> str:
        """What concepts are compared with: the zero point of the score."""
        if self.twin is not None:
            return "the same pictures without the concept"
        if self.bank.control is not None:
            return "the bank's control images"
        return "the bank's other concepts"

    def effects(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """[rows, concepts] The score alone, for evidence [rows, images] of many classes."""
        found, labels, against_zero = self.prepared(values)
        return class_effects(
            found, labels, concepts=len(self.names), standardised=False, against_zero=against_zero
        )

    def prepared(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64], bool]:
        """What the statistics take: responses [rows, used], labels [used], whether they are differences."""
        if self.twin is not None:
            paired = np.flatnonzero(self.twin >= 0)
            return values[..., paired] - values[..., self.twin[paired]], self.labels[paired], True
        return values[..., self.compared], self.labels[self.compared], False


def score_bank(
    layout: BankLayout,
    responses: Responses,
    maps: Mapping[str, NDArray[np.floating]],
    every_class: NDArray[np.float64],
    class_index: int,
    *,
    settings: Settings,
    family_size: int,
    specific: bool | None,
    rng: np.random.Generator,
) -> list[ConceptResult]:
    """Every concept of a bank for one class; p-values not yet corrected over the audit.

    Args:
        layout: labels of the probe images.
        responses: of the class on the same images.
        maps: layer to meta-detector maps [images, positions], for the paper's score.
        every_class: [classes, concepts] the score of every class of the model (:meth:`BankLayout.effects`).
        class_index: the class.
        settings: permutations, resamples, level, margin, runs.
        family_size: tests corrected together, over all classes and banks.
        specific: whether the class's detector is specific; ``False`` makes every finding inconclusive.
        rng: source of every draw.
    """
    own = layout.compared
    values, labels, against_zero = layout.prepared(responses.evidence[None])
    effects = concept_effects(
        values,
        labels,
        concepts=layout.names,
        permutations=settings.permutations,
        bootstrap=settings.bootstrap,
        alpha=settings.alpha,
        margin=settings.margin,
        rng=rng,
        standardised=False,
        against_zero=against_zero,
        family_size=family_size,
    )
    stacked = np.stack([values[:, own] for values in responses.by_layer.values()], axis=1)
    layers = layer_effects(stacked, layout.labels[own], concepts=len(effects), alpha=settings.alpha)
    foreign = np.flatnonzero(layout.labels < 0)
    paper = paper_scores(
        maps, layout.labels, benchmark=foreign if len(foreign) else None, runs=settings.runs, rng=rng
    )
    shares = class_shares(every_class, class_index)
    order = np.argsort([-effect.effect for effect in effects])
    rank = {int(c): place + 1 for place, c in enumerate(order)}
    results = []
    for c, effect in enumerate(effects):
        per_layer = [
            LayerEffect(
                layer=layer,
                effect=float(layers.effect[place, c]),
                low=float(layers.low[place, c]),
                high=float(layers.high[place, c]),
            )
            for place, layer in enumerate(responses.by_layer)
        ]
        reason = NOT_SPECIFIC if specific is False else GROUPED if effect.concept in layout.groups else ""
        results.append(_result(layout.bank.name, effect, paper, c, rank[c], per_layer, reason, shares[c]))
    return results


def class_shares(effects: NDArray[np.float64], class_index: int) -> list[float | None]:
    """Per concept, the share of other classes at least as far on the same side as the class.

    Args:
        effects: [classes, concepts], of every class of the model.
        class_index: the class.
    """
    others = np.delete(effects, class_index, axis=0)
    if not len(others):
        return [None] * effects.shape[1]
    own = effects[class_index]
    as_far = np.where(own >= 0, others >= own, others <= own)
    return [float(share) for share in as_far.mean(axis=0)]


def _result(
    bank: str,
    effect: ConceptEffect,
    paper: PaperScores,
    place: int,
    rank: int,
    layers: list[LayerEffect],
    reason: str,
    class_share: float | None,
) -> ConceptResult:
    mean = float(paper.mean[place])
    return ConceptResult(
        bank=bank,
        concept=effect.concept,
        n=effect.n,
        n_benchmark=effect.n_benchmark,
        score=effect.effect,
        score_low=effect.low,
        score_high=effect.high,
        score_adjusted_low=effect.adjusted_low,
        score_adjusted_high=effect.adjusted_high,
        p_value=effect.p_value,
        p_adjusted=None,
        direction="inconclusive",
        smallest_detectable=effect.smallest_detectable,
        rank=rank,
        class_share=class_share,
        reason=reason,
        paper_score=None if np.isnan(mean) else min(max(mean, 0.0), 1.0),
        paper_score_sd=None if np.isnan(mean) else float(paper.sd[place]),
        layers=layers,
        responses=list(effect.deciles),
    )


def correct(
    by_class: Sequence[list[ConceptResult]], *, alpha: float, margin: float
) -> list[list[ConceptResult]]:
    """Holm and Benjamini-Yekutieli over every concept of every bank and class, and the directions."""
    flat = [result for results in by_class for result in results]
    if not flat:
        return [list(results) for results in by_class]
    p = [result.p_value or 1.0 for result in flat]
    adjusted, q = holm(p), benjamini_yekutieli(p)
    decided: list[ConceptResult] = []
    for result, p_adjusted, q_value in zip(flat, adjusted, q, strict=True):
        low, high = result.score_low or 0.0, result.score_high or 0.0
        direction = direction_of(low, high, float(p_adjusted), alpha=alpha, margin=margin)
        change = {"p_adjusted": float(p_adjusted), "q_value": float(q_value)}
        settled = _settled(direction, result.reason, low, high, margin)
        decided.append(result.model_copy(update={**change, **settled}))
    rest = iter(decided)
    return [[next(rest) for _ in results] for results in by_class]


def correct_contrasts(
    by_class: Sequence[list[ContrastResult]], *, alpha: float, margin: float
) -> list[list[ContrastResult]]:
    """The same for group contrasts, which are a family of their own."""
    flat = [result for results in by_class for result in results if result.p_value is not None]
    if not flat:
        return [list(results) for results in by_class]
    p = [result.p_value or 1.0 for result in flat]
    corrected = {
        id(result): (float(a), float(q))
        for result, a, q in zip(flat, holm(p), benjamini_yekutieli(p), strict=True)
    }
    return [
        [_decide(result, corrected.get(id(result)), alpha, margin) for result in results]
        for results in by_class
    ]


def _decide(
    result: ContrastResult, corrected: tuple[float, float] | None, alpha: float, margin: float
) -> ContrastResult:
    if corrected is None or result.difference_low is None or result.difference_high is None:
        return result
    low, high = result.difference_low, result.difference_high
    direction = contrast_direction(low, high, corrected[0], alpha=alpha, margin=margin)
    change = {"p_adjusted": corrected[0], "q_value": corrected[1]}
    return result.model_copy(update={**change, **_settled(direction, result.reason, low, high, margin)})


def _settled(direction: str, reason: str, low: float, high: float, margin: float) -> dict[str, str]:
    """Direction and reason: what was doubtful before stays so, and an open interval says that it is open."""
    if reason:
        return {"direction": "inconclusive", "reason": reason}
    if direction == "inconclusive":
        side = f"does not settle which side of the margin of {margin:g} it is"
        reason = f"the interval from {low:.2f} to {high:.2f} {side}"
    return {"direction": direction, "reason": reason}
