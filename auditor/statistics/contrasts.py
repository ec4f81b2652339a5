"""Group contrasts: whether a class's detector responds more to one group's images than another's.

Groups are compared within strata of what should not differ (age band, lighting). Permutations and
resamples stay within strata too. docs/statistics.md, section "Group contrasts".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from auditor.errors import InputError
from auditor.statistics.arrays import BoolArray, FloatArray, as_responses, standardise_rows
from auditor.statistics.bootstrap import Resamples, bootstrap_images
from auditor.statistics.inference import (
    Estimate,
    check_settings,
    infer,
    lent_effects,
    variance_over_images,
)
from auditor.statistics.multiplicity import holm
from auditor.statistics.refits import refit_variance
from auditor.statistics.strata import Design, permuted_differences, stratified_difference, stratify

ContrastDirection = Literal["more", "less", "no difference", "inconclusive"]


@dataclass(frozen=True)
class ContrastEffect:
    """One group against another, for one class.

    Effects are differences in standard deviations of the response within groups.
    """

    more: str
    """A positive effect means that the detector responds more to this group ..."""
    less: str
    """... than to this one."""
    n_more: int
    """Images used; those in strata that lack the other group are left out."""
    n_less: int
    strata: int
    """Strata that hold both groups."""
    paired: bool
    """Whether strata were so small that they were resampled whole, as matched pairs are."""
    effect: float
    """Mean over refits."""
    low: float
    """95% interval (1 - alpha in general), over new images and new refits."""
    high: float
    adjusted_low: float
    """The same at 1 - alpha / family size."""
    adjusted_high: float
    p_value: float
    """Two-sided, labels permuted within strata, noise of refits allowed for: (1 + hits) / (1 + B)."""
    p_images: float
    """The same for these very refits, as if there were no others."""
    p_beyond: float
    """Null: the effect lies within the margin of relevance."""
    p_within: float
    """Null: the effect lies outside the margin; small means irrelevance shown."""
    smallest_detectable: float
    """Smallest absolute effect found with power 0.8 at alpha / family size."""
    direction: ContrastDirection
    """Holm over one call's contrasts alone; decide anew with :func:`contrast_direction` otherwise."""
    standard_error: float
    """Of ``effect``, images and refits together."""
    error_images: float
    """The part of it due to images."""
    error_refits: float
    """The part due to refits; 0 with a single one, which means unknown."""
    refit_effects: tuple[float, ...]
    """The effect under each refit."""


def group_contrasts(
    responses: ArrayLike,
    members: Mapping[str, ArrayLike],
    *,
    strata: ArrayLike | None,
    permutations: int,
    bootstrap: int,
    alpha: float,
    margin: float,
    rng: np.random.Generator,
    pairs: Sequence[tuple[str, str]] | None = None,
    family_size: int | None = None,
    refit_overlap: float = 0.0,
    borrowed: ArrayLike | None = None,
) -> list[ContrastEffect]:
    """Contrast groups of images, all pairs of them unless told otherwise.

    Args:
        responses: [refits, images] Response of the class's meta-detector, any unit; or what
            :func:`auditor.statistics.classwise.against_classes` makes of it.
        members: Group to positions of its images; the groups of a pair share no image.
        strata: [images] Stratum of every image, integers or strings; ``None`` for one stratum.
        permutations: Of group labels within strata.
        bootstrap: Resamples, 200 or more.
        alpha: 1 minus the coverage of the intervals, and level of the directions.
        margin: Margin of relevance, in units of the effect, 0 or more.
        rng: Source of every draw.
        pairs: (more, less) by name; all pairs, in the order of ``members``, where ``None``.
        family_size: Number of tests corrected together; the pairs where ``None``.
        refit_overlap: Share of its learning images that a refit has in common with another.
        borrowed: [refits, others] Effects of such contrasts for other classes under as many refits of
            theirs, from :func:`group_differences`. A few refits know little about their own variance,
            see :mod:`auditor.statistics.refits`.

    Returns:
        One result for each pair, in the order of ``pairs``.

    Raises:
        InputError: Shapes that do not fit, an unknown group, groups that overlap, fewer than 2
            images of a group in strata that hold both, or settings out of range.
    """
    check_settings(permutations, bootstrap, alpha, margin, refit_overlap)
    rows = np.atleast_2d(np.asarray(responses, dtype=np.float64))
    rows = as_responses(rows, rows.shape[-1])
    wanted = list(combinations(members, 2)) if pairs is None else list(pairs)
    if not wanted:
        return []
    designs = [_design(members, pair, strata) for pair in wanted]
    estimates = [_estimate(rows[:, d.order], d) for d in designs]
    effects = np.stack([e.effects for e in estimates], axis=1)
    resamples = [
        bootstrap_images(e.influence[None], d.resampled, draws=bootstrap, rng=rng)
        for e, d in zip(estimates, designs, strict=True)
    ]
    permuted = [
        permuted_differences(
            standardise_rows(rows[:, d.order]).mean(axis=0), d, permutations=permutations, rng=rng
        )
        for d in designs
    ]
    inferred = infer(
        estimates,
        resamples=Resamples(
            pivots=np.concatenate([r.pivots for r in resamples], axis=1),
            errors=np.concatenate([r.errors for r in resamples], axis=1),
        ),
        permuted=np.stack(permuted, axis=1),
        refits=refit_variance(effects, overlap=refit_overlap, borrowed=lent_effects(borrowed, len(rows))),
        alpha=alpha,
        margin=margin,
        family_size=family_size or len(wanted),
        rng=rng,
    )
    corrected = holm([found.p_value for found in inferred])
    return [
        ContrastEffect(
            more=more,
            less=less,
            n_more=int(design.sizes[:, 0].sum()),
            n_less=int(design.sizes[:, 1].sum()),
            strata=len(design.weights),
            paired=design.paired,
            direction=contrast_direction(found.low, found.high, float(p), alpha=alpha, margin=margin),
            refit_effects=tuple(map(float, estimate.effects)),
            **vars(found),
        )
        for (more, less), design, estimate, found, p in zip(
            wanted, designs, estimates, inferred, corrected, strict=True
        )
    ]


def group_differences(
    responses: ArrayLike, more: ArrayLike, less: ArrayLike, *, strata: ArrayLike | None
) -> FloatArray:
    """[rows] The effect alone, for every row of ``responses`` [rows, images] (classes, refits).

    Args:
        responses: [rows, images].
        more: Positions of one group's images.
        less: Positions of the other's.
        strata: [images] or ``None``.

    Raises:
        InputError: As :func:`group_contrasts`.
    """
    rows = np.atleast_2d(np.asarray(responses, dtype=np.float64))
    rows = as_responses(rows, rows.shape[-1])
    design = stratify(more, less, strata, name="of two groups")
    values = standardise_rows(rows[:, design.order])
    scale, usable, _ = _within_scale(values, design)
    return np.where(usable, stratified_difference(values, design)[0] / scale, 0.0)


def contrast_direction(
    low: float, high: float, p_adjusted: float, *, alpha: float, margin: float
) -> ContrastDirection:
    """Which way a contrast goes, from its interval and its corrected p-value.

    ``more`` or ``less``: the whole interval lies beyond the margin and the test rejects. ``no
    difference``: the whole interval lies within the margin. Otherwise ``inconclusive``.
    """
    if low > margin and p_adjusted < alpha:
        return "more"
    if high < -margin and p_adjusted < alpha:
        return "less"
    if -margin <= low and high <= margin:
        return "no difference"
    return "inconclusive"


def _design(members: Mapping[str, ArrayLike], pair: tuple[str, str], strata: ArrayLike | None) -> Design:
    for group in pair:
        if group not in members:
            raise InputError(
                f"contrast {pair[0]} - {pair[1]}: no group {group!r}, need one of {list(members)}"
            )
    return stratify(members[pair[0]], members[pair[1]], strata, name=f"{pair[0]} - {pair[1]}")


def _within_scale(values: FloatArray, design: Design) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Standard deviation within groups [rows], whether it is positive [rows], deviations [rows, used]."""
    share = design.share
    deviations = np.empty_like(values)
    spread2 = np.zeros(len(values))
    for group in (design.first, ~design.first):
        mean = values[:, group] @ share[group]
        deviations[:, group] = values[:, group] - mean[:, None]
        # The usual n - 1, for unequal weights.
        spread2 += 0.5 * (deviations[:, group] ** 2 @ share[group]) / (1.0 - (share[group] ** 2).sum())
    usable = spread2 > 1e-18
    return np.sqrt(np.where(usable, spread2, 1.0)), usable, deviations


def _estimate(rows: FloatArray, design: Design) -> Estimate:
    """The contrast, docs/statistics.md equation (5), and its linearisation."""
    values = standardise_rows(rows)
    difference = stratified_difference(values, design)[0]
    scale, usable, deviations = _within_scale(values, design)
    effects = np.where(usable, difference / scale, 0.0)
    sign = np.where(design.first, 1.0, -1.0) * design.share
    z = np.where(usable[:, None], values / scale[:, None], 0.0)
    squared = np.where(usable[:, None], deviations / scale[:, None], 0.0) ** 2
    terms = design.as_resampled(sign * z - 0.25 * effects[:, None] * design.share * (squared - 1.0))
    plain = variance_over_images(design.as_resampled(sign * values), design.resampled)
    return Estimate(
        effects=effects,
        influence=terms.mean(axis=0),
        image_variance=variance_over_images(terms, design.resampled)[1],
        null_variance=variance_over_images(design.as_resampled(sign * z), design.resampled)[1],
        image_df=_degrees_of_freedom(design),
        difference=float(difference.mean()),
        difference_variance=plain[0],
        difference_held=plain[1],
        scale=float(scale.mean()),
    )


def _degrees_of_freedom(design: Design) -> float:
    if design.paired:
        return float(len(design.weights) - 1)
    return float(design.sizes.sum() - 2 * len(design.weights))
