"""Group contrasts of a bank for one class: images labelled one way against images labelled another.

Groups are matched on the covariates that the bank names, pair by pair. Images of one group can raise
almost every class of a model (a background, a way of lighting), so the response is taken against what
the same images evoke in all classes, and no difference is claimed that many classes show as well. Both need
a model of many classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auditor.afi.responses import log_probabilities
from auditor.banks.balance import Matching, match_groups
from auditor.banks.bank import ConceptBank, GroupContrast
from auditor.records import ContrastResult
from auditor.scoring import NOT_SPECIFIC, BankLayout
from auditor.settings import Settings
from auditor.statistics.classwise import against_classes
from auditor.statistics.contrasts import group_contrasts, group_differences

USUAL = 0.1
"""A difference that more than this share of the model's classes shows is not claimed for one of them."""
FEWEST_CLASSES = 50
"""Fewest classes of a model for which such a share says anything."""


@dataclass(frozen=True)
class Pairs:
    """Which images a matched contrast sets side by side; the same for every class and every model."""

    matching: Matching
    pair: NDArray[np.int64]
    """[images] Number of the pair an image belongs to, -1 for those in none."""


def pair_images(layout: BankLayout, *, min_pairs: int, seed: int) -> dict[tuple[str, str], Pairs]:
    """The pairs of every matched contrast that the bank declares, by (more, less).

    Args:
        layout: labels of the probe images.
        min_pairs: fewer pairs make a contrast inconclusive.
        seed: draws a part of strata that are too large.
    """
    bank = layout.bank
    images = {concept.name: concept.images for concept in bank.concepts}
    found = {}
    for contrast in _declared(bank):
        if not contrast.match:
            continue
        rng = np.random.default_rng([seed, *bank.name.encode(), *contrast.more.encode()])
        matching = match_groups(
            images[contrast.more],
            images[contrast.less],
            match=contrast.match,
            min_pairs=min_pairs,
            rng=rng,
        )
        pair = np.full(len(layout.labels), -1, dtype=np.int64)
        sides = group_positions(layout, contrast.more, contrast.less)
        for positions, used in zip(sides, (matching.more, matching.less), strict=True):
            pair[positions[list(used)]] = np.arange(len(used))
        found[contrast.more, contrast.less] = Pairs(matching, pair)
    return found


def contrast_groups(
    layout: BankLayout,
    pairs: Mapping[tuple[str, str], Pairs],
    logits: NDArray[np.floating],
    class_index: int,
    *,
    settings: Settings,
    specific: bool | None,
    rng: np.random.Generator,
) -> tuple[list[ContrastResult], NDArray[np.float64] | None]:
    """Every contrast that the bank declares; p-values are not yet corrected over the audit.

    Args:
        layout: labels of the probe images.
        pairs: of the matched contrasts, from :func:`pair_images`.
        logits: [images, classes].
        class_index: the class.
        settings: permutations, resamples, level, margin, fewest images.
        specific: whether the class's detector is specific.
        rng: source of every draw.

    Returns:
        The contrasts, and what they were computed from, [1, images]; ``None`` without contrasts.
    """
    declared = _declared(layout.bank)
    if not declared:
        return [], None
    everyone = log_probabilities(logits).T  # [classes, images]
    own = everyone[class_index]
    others = np.delete(everyone, class_index, axis=0)
    # Of a few classes, what one gains the others lose: less their mean, every difference is told twice.
    values = against_classes(own, others) if len(others) >= FEWEST_CLASSES else own[None]
    # Beside every matched contrast stands the same without matching: the difference that matching made.
    wanted = [form for c in declared for form in ([c, replace(c, match=())] if c.match else [c])]
    return [
        _contrast(layout, contrast, pairs, values, own, others, settings, specific, rng)
        for contrast in wanted
    ], values


def _declared(bank: ConceptBank) -> list[GroupContrast]:
    names = {concept.name for concept in bank.concepts}
    return [c for c in bank.contrasts if c.more in names and c.less in names]


def group_positions(
    layout: BankLayout, more: str, less: str, pair: NDArray[np.int64] | None = None
) -> list[NDArray[np.int64]]:
    """Positions of the images of two groups: all of them, or those that ``pair`` [images] pairs."""
    found = [np.flatnonzero(layout.labels == layout.names.index(group)) for group in (more, less)]
    return found if pair is None else [positions[pair[positions] >= 0] for positions in found]


def _contrast(
    layout: BankLayout,
    contrast: GroupContrast,
    pairs: Mapping[tuple[str, str], Pairs],
    values: NDArray[np.float64],
    own: NDArray[np.float64],
    others: NDArray[np.float64],
    settings: Settings,
    specific: bool | None,
    rng: np.random.Generator,
) -> ContrastResult:
    more, less = group_positions(layout, contrast.more, contrast.less)
    strata: NDArray[np.int64] | None = None
    blank = ContrastResult(
        bank=layout.bank.name, more=contrast.more, less=contrast.less, n_more=len(more), n_less=len(less),
        matched=bool(contrast.match), difference=None, difference_low=None, difference_high=None,
        p_value=None, p_adjusted=None, direction="inconclusive",
    )  # fmt: skip
    if contrast.match:
        matched = pairs[contrast.more, contrast.less]
        blank = blank.model_copy(update={"balance": list(matched.matching.balance)})
        if matched.matching.reason:
            return blank.model_copy(update={"n_more": 0, "n_less": 0, "reason": matched.matching.reason})
        strata = matched.pair
        more, less = group_positions(layout, contrast.more, contrast.less, strata)
    found = group_contrasts(
        values,
        {contrast.more: more, contrast.less: less},
        strata=strata,
        permutations=settings.permutations,
        bootstrap=settings.bootstrap,
        alpha=settings.alpha,
        margin=settings.contrast_margin,
        rng=rng,
        pairs=[(contrast.more, contrast.less)],
    )[0]
    share = None
    if len(others) >= FEWEST_CLASSES:
        difference = group_differences(np.vstack([own, others]), more, less, strata=strata)
        distance = np.abs(difference - difference.mean())
        share = float((distance[1:] >= distance[0]).mean())
    reason = NOT_SPECIFIC if specific is False else ""
    if not reason and share is not None and share > USUAL:
        reason = f"{share:.0%} of the model's classes differ as much between these groups"
    return blank.model_copy(
        update={
            "n_more": found.n_more,
            "n_less": found.n_less,
            "strata": found.strata,
            "difference": found.effect,
            "difference_low": found.low,
            "difference_high": found.high,
            "p_value": found.p_value,
            "smallest_detectable": found.smallest_detectable,
            "class_share": share,
            "reason": reason,
        }
    )
