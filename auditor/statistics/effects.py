"""Differences of means with interval and test, for scores and contrasts.

A concept's effect is the mean over its units less the mean over what it is compared with
(docs/statistics.md, equation 1). The p-value permutes labels on units; the interval resamples units. A
matched contrast compares differences of pairs with zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, ImageGroups, as_responses, group_images, standardise_rows
from auditor.statistics.bootstrap import bootstrap_images
from auditor.statistics.permutation import (
    contrast_of_means,
    contrast_variance,
    group_moments,
    permuted_statistics,
)
from auditor.statistics.units import Units, independent_units

POWER = 0.8
"""Power at which the minimum detectable effect is stated."""


@dataclass(frozen=True)
class Inference:
    """How effects are tested, for every test of an audit."""

    permutations: int
    """Of labels on units, for the p-values; 1 or more."""
    bootstrap: int
    """Resamples of units, for the intervals; 200 or more."""
    alpha: float
    """1 minus the coverage of the intervals, 0 to 1."""
    family: int = 1
    """Number of tests corrected together, 1 or more."""

    def __post_init__(self) -> None:
        """Refuse settings that are out of range."""
        if self.permutations < 1:
            raise InputError(f"permutations: {self.permutations}, need 1 or more")
        if self.bootstrap < 200:
            raise InputError(f"bootstrap: {self.bootstrap} resamples, need 200 or more")
        if not 0.0 < self.alpha < 1.0:
            raise InputError(f"alpha: {self.alpha}, need a number between 0 and 1")
        if self.family < 1:
            raise InputError(f"family: {self.family} tests, need 1 or more")


@dataclass(frozen=True)
class Effect:
    """One difference of means, in the unit of the responses."""

    n: int
    """Images of the concept."""
    units: int
    """Independent units among them."""
    n_other: int
    """Images it is compared with; 0 where responses are differences."""
    units_other: int
    effect: float
    low: float
    """Lower end of the interval at 1 - alpha."""
    high: float
    adjusted_low: float
    """Lower end at 1 - alpha / family, so that all intervals of the family hold jointly at 1 - alpha."""
    adjusted_high: float
    p_value: float
    """Two-sided, labels permuted on units, (1 + hits) / (1 + permutations)."""
    minimum_detectable: float
    """Smallest absolute effect that the test detects with power 0.8 at alpha / family."""
    standard_error: float


@dataclass(frozen=True)
class Errors:
    """Effects of many rows at once, with standard errors from a formula instead of resampling."""

    effect: FloatArray  # [rows, concepts]
    error: FloatArray  # [rows, concepts], standard errors
    df: FloatArray
    """[concepts] Degrees of freedom: units of the smaller side less 1."""

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Ends [rows, concepts] of Student's interval; ``level`` is 1 minus its coverage."""
        half = stats.t.ppf(1.0 - level / 2.0, self.df) * self.error
        return self.effect - half, self.effect + half


def mean_effects(
    values: ArrayLike,
    labels: ArrayLike,
    *,
    concepts: int,
    inference: Inference,
    rng: np.random.Generator,
    clusters: ArrayLike | None = None,
    against_zero: bool = False,
) -> list[Effect]:
    """Effect, interval and p-value of every concept.

    Args:
        values: [images] Response to each image, any unit.
        labels: [images] 0 to ``concepts`` - 1, or -1 for benchmark-only images. If there are any, concepts
            are compared with these; else each with the other concepts at equal weights.
        concepts: Number of concepts.
        inference: Permutations, resamples, level, family.
        rng: Source of every draw.
        clusters: [images] Images of one cluster count as one; ``None``: every image is its own.
        against_zero: Responses are differences (an image less its counterfactual).

    Raises:
        InputError: Shapes that do not fit, values that are not finite, a concept of fewer than 2 units.
    """
    units, groups, (found, *_) = _grouped(values, labels, concepts, clusters, against_zero=against_zero)
    estimates = _estimates(found, groups)
    resamples = bootstrap_images(_influence(found, groups), groups, draws=inference.bootstrap, rng=rng)
    permuted = permuted_statistics(found, groups, permutations=inference.permutations, rng=rng)
    images = np.add.reduceat(units.sizes[groups.order], groups.starts)
    results = []
    for c in range(concepts):
        effect, error = float(estimates.effect[c]), float(estimates.error[c])
        noise = resamples.pivots[:, c] * error  # estimate minus truth
        tails = (1.0 - inference.alpha / 2.0, inference.alpha / 2.0)
        low, high = (effect - float(np.quantile(noise, tail)) for tail in tails)
        wider = _widening(inference, estimates.df[c])
        compared = groups.shares[c] > 0.0
        results.append(
            Effect(
                n=int(images[c]),
                units=int(groups.sizes[c]),
                n_other=int(images[compared].sum()),
                units_other=int(groups.sizes[compared].sum()),
                effect=effect,
                low=low,
                high=high,
                adjusted_low=effect - (effect - low) * wider,
                adjusted_high=effect + (high - effect) * wider,
                p_value=permutation_p(effect, permuted[:, c] * error),
                minimum_detectable=minimum_detectable(
                    np.abs(permuted[:, c]) * error,
                    shift=noise * resamples.errors[:, c],
                    errors=resamples.errors[:, c],
                    level=inference.alpha / inference.family,
                ),
                standard_error=error,
            )
        )
    return results


def effects_with_errors(
    values: ArrayLike,
    labels: ArrayLike,
    *,
    concepts: int,
    clusters: ArrayLike | None = None,
    against_zero: bool = False,
    floor: bool = False,
) -> Errors:
    """Effects for many rows (all classes of a model, several temperatures).

    Args:
        values: [rows, images].
        labels: As for :func:`mean_effects`, like the rest.
        concepts: Number of concepts.
        clusters: [images].
        against_zero: Responses are differences.
        floor: If few images respond strongly, a group without any of them has a low mean and almost no
            variance, and its effect looks certain. Such a group counts as variable as the mean of all.

    Raises:
        InputError: As for :func:`mean_effects`.
    """
    _, groups, rows = _grouped(values, labels, concepts, clusters, against_zero=against_zero)
    return _estimates(rows, groups, floor=floor)


def standardised_effects(values: ArrayLike, labels: ArrayLike, *, concepts: int) -> Errors:
    """Effects in standard deviations of the images compared with, for responses without a unit (layers).

    These are shown, not tested. The scale counts as known, so that intervals are a little too narrow for
    large effects. ``values`` are [layers, images]; the rest is as for :func:`mean_effects`.
    """
    label = np.asarray(labels, dtype=np.int64)
    groups = group_images(label, concepts)
    rows = standardise_rows(as_responses(values, len(label)))[:, groups.order]
    estimates = _estimates(rows, groups)
    means, variances = group_moments(rows, groups)
    second = variances * (groups.sizes - 1) / groups.sizes + means**2
    centre = means @ groups.shares.T
    spread2 = second @ groups.shares.T - centre**2 + (variances / groups.sizes) @ (groups.shares**2).T
    scale = np.sqrt(np.maximum(spread2, 0.0))

    def scaled(numbers: FloatArray) -> FloatArray:
        return np.divide(numbers, scale, out=np.zeros_like(numbers), where=scale > 1e-9)

    return Errors(scaled(estimates.effect), scaled(estimates.error), estimates.df)


def _grouped(
    values: ArrayLike, labels: ArrayLike, concepts: int, clusters: ArrayLike | None, *, against_zero: bool
) -> tuple[Units, ImageGroups, FloatArray]:
    """Units, their groups, and the values [rows, units] in the order of the groups."""
    units = independent_units(labels, clusters)
    groups = group_images(units.labels, concepts, against_zero=against_zero)
    rows = units.means(as_responses(values, len(units.order)))
    return units, groups, rows[:, groups.order]


def _estimates(values: FloatArray, groups: ImageGroups, *, floor: bool = False) -> Errors:
    """Effects [..., concepts] of ``values`` [..., units] in ``groups.order``."""
    means, variances = group_moments(values, groups)
    if floor:
        variances = _with_floor(values, means, variances)
    return Errors(
        effect=contrast_of_means(means, groups),
        error=np.sqrt(contrast_variance(variances, groups)),
        df=_degrees_of_freedom(groups),
    )


def _with_floor(values: FloatArray, means: FloatArray, variances: FloatArray) -> FloatArray:
    """[..., groups] Variances, of groups on the flat side of a skewed distribution at least the mean of all.

    The flat side is below the mean where few values are large, above it where few are small.
    """
    centre = values.mean(axis=-1, keepdims=True)
    apart = values - centre
    skew = np.sign(np.einsum("...i,...i,...i->...", apart, apart, apart))[..., None]
    flat = (means - centre) * skew <= 0.0
    return np.where(flat, np.maximum(variances, variances.mean(axis=-1, keepdims=True)), variances)


def class_shares(effects: FloatArray, class_index: int) -> list[float | None]:
    """Per concept, the share of other classes whose effect is at least as extreme on the same side.

    ``effects`` are [classes, concepts], of every class of the model.
    """
    others = np.delete(effects, class_index, axis=0)
    if not len(others):
        return [None] * effects.shape[1]
    own = effects[class_index]
    as_extreme = np.where(own >= 0.0, others >= own, others <= own)
    return [float(share) for share in as_extreme.mean(axis=0)]


def permutation_p(effect: float, permuted: FloatArray) -> float:
    """(1 + permuted effects at least as large) / (1 + permutations), two-sided, never 0."""
    # Values that are equal up to rounding count as hits.
    hits = np.sum(np.abs(permuted) >= abs(effect) * (1.0 - 1e-12))
    return float((1 + hits) / (1 + len(permuted)))


def minimum_detectable(null: FloatArray, *, shift: FloatArray, errors: FloatArray, level: float) -> float:
    """Smallest absolute effect, of either sign, whose p-value reaches ``level`` with power 0.8.

    Skewed responses make effects of one sign harder to detect. Permutations account for that; a formula with
    two normal quantiles does not.

    Args:
        null: [permutations] Absolute effects under permuted labels; enough of them for ``level``.
        shift: [draws] Resampled estimate minus the true effect.
        errors: [draws] Standard error of the resample over the sample's; the critical value scales with it.
        level: Significance level after correction.
    """
    allowed = max(1, int(level * (1 + len(null)) + 1e-9))
    bar = float(np.partition(null, -allowed)[-allowed]) * errors
    return float(max(np.quantile(bar - shift, POWER), np.quantile(bar + shift, POWER)))


def _influence(values: FloatArray, groups: ImageGroups) -> FloatArray:
    """[concepts, units] Contribution of each unit to each effect; the mean over every group is 0."""
    which = np.repeat(np.arange(groups.count), groups.sizes)
    deviations = values - group_moments(values, groups)[0][which]
    own = which == np.arange(groups.concepts)[:, None]
    return np.where(own, deviations, -groups.shares[:, which] * deviations)


def _degrees_of_freedom(groups: ImageGroups) -> FloatArray:
    """[concepts] Units of the concept, or of what it is compared with if these are fewer, less 1."""
    own = groups.sizes[: groups.concepts]
    compared = (groups.shares > 0.0) @ groups.sizes
    return np.asarray(np.where(compared > 0, np.minimum(own, compared), own) - 1.0)


def _widening(inference: Inference, df: float) -> float:
    """Factor from an interval at 1 - alpha to one at 1 - alpha / family."""
    wanted = stats.t.ppf(1.0 - inference.alpha / (2.0 * inference.family), df)
    return float(wanted / stats.t.ppf(1.0 - inference.alpha / 2.0, df))


def deciles_of(values: ArrayLike) -> tuple[float, ...]:
    """[11] Quantiles at 0, 10, ..., 100%."""
    return tuple(map(float, np.quantile(np.asarray(values, dtype=np.float64), np.linspace(0.0, 1.0, 11))))
