"""Differences of means with interval and test: what scores and contrasts are.

A concept's effect is the mean over its units less that of what it is compared with, docs/statistics.md,
equation (1). Its p-value permutes labels on units, its interval resamples units. A matched contrast is
the same with differences of pairs "against zero".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, Groups, as_responses, group_images, standardise_rows
from auditor.statistics.bootstrap import bootstrap_images
from auditor.statistics.permutation import (
    contrast_of_means,
    contrast_variance,
    group_moments,
    permuted_statistics,
)
from auditor.statistics.units import independent_units

POWER = 0.8
"""Power at which the minimum detectable effect is stated."""


@dataclass(frozen=True)
class Inference:
    """How effects are tested: the same for every test of an audit."""

    permutations: int
    """Of labels on units, for the p-values; 1 or more."""
    bootstrap: int
    """Resamples of units, for the intervals; 200 or more."""
    alpha: float
    """1 minus the coverage of the intervals, 0 to 1."""
    family: int = 1
    """Number of tests corrected together, 1 or more."""

    def __post_init__(self) -> None:
        """Refuse what is out of range, before any work.

        Raises:
            InputError: Naming the setting.
        """
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
    """Images compared with; 0 where responses are differences already."""
    units_other: int
    effect: float
    low: float
    """Lower end of the interval at 1 - alpha."""
    high: float
    adjusted_low: float
    """Lower end at 1 - alpha / family: all intervals of the family hold together at 1 - alpha."""
    adjusted_high: float
    p_value: float
    """Two-sided, labels permuted on units, (1 + hits) / (1 + permutations)."""
    minimum_detectable: float
    """Smallest absolute effect found with power 0.8 at alpha / family."""
    standard_error: float


@dataclass(frozen=True)
class Errors:
    """Effects of many rows at once, with standard errors from a formula instead of resampling."""

    effect: FloatArray
    """[rows, concepts]."""
    error: FloatArray
    """[rows, concepts] Standard error."""
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
        labels: [images] 0 to ``concepts`` - 1; -1 for images that serve only to be compared with. Where
            there are such, concepts are compared with them alone, else with the other concepts alike.
        concepts: Number of concepts.
        inference: Permutations, resamples, level, family.
        rng: Source of every draw.
        clusters: [images] Images of one cluster count as one; ``None``: every image is its own.
        against_zero: Responses are differences already (an image less its counterfactual).

    Returns:
        One effect for each concept.

    Raises:
        InputError: Shapes that do not fit, values that are not finite, a concept of fewer than 2 units.
    """
    label = np.asarray(labels, dtype=np.int64)
    units = independent_units(label, clusters)
    groups = group_images(units.labels, concepts, against_zero=against_zero)
    found = units.means(as_responses(values, len(label)))[0][groups.order]
    images = units.sizes[groups.order]
    means, variances = group_moments(found, groups)
    effects = contrast_of_means(means, groups)
    errors = np.sqrt(contrast_variance(variances, groups))
    resamples = bootstrap_images(_influence(found, means, groups), groups, draws=inference.bootstrap, rng=rng)
    permuted = permuted_statistics(found, groups, permutations=inference.permutations, rng=rng)
    counted = np.add.reduceat(images, groups.starts)
    df = _degrees_of_freedom(groups)
    results = []
    for c in range(concepts):
        error, effect = float(errors[c]), float(effects[c])
        noise = resamples.pivots[:, c] * error  # estimate minus truth
        low = effect - float(np.quantile(noise, 1.0 - inference.alpha / 2.0))
        high = effect - float(np.quantile(noise, inference.alpha / 2.0))
        wider = _widening(inference, df[c])
        compared = groups.shares[c] > 0.0
        results.append(
            Effect(
                n=int(counted[c]),
                units=int(groups.sizes[c]),
                n_other=int(counted[compared].sum()),
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
) -> Errors:
    """The same effects for as many rows as wanted (all classes of a model, several temperatures).

    Args:
        values: [rows, images].
        labels: As for :func:`mean_effects`.
        concepts: Number of concepts.
        clusters: As there.
        against_zero: As there.

    Raises:
        InputError: As :func:`mean_effects`.
    """
    label = np.asarray(labels, dtype=np.int64)
    units = independent_units(label, clusters)
    groups = group_images(units.labels, concepts, against_zero=against_zero)
    means, variances = group_moments(units.means(as_responses(values, len(label)))[:, groups.order], groups)
    return Errors(
        effect=contrast_of_means(means, groups),
        error=np.sqrt(contrast_variance(variances, groups)),
        df=_degrees_of_freedom(groups),
    )


def standardised_effects(values: ArrayLike, labels: ArrayLike, *, concepts: int) -> Errors:
    """Effects in standard deviations of the images compared with, for responses without a unit (layers).

    Shown, not tested. The scale counts as known, so intervals are a little too narrow for large effects.

    Args:
        values: [rows, images] One row per layer.
        labels: As for :func:`mean_effects`.
        concepts: Number of concepts.

    Raises:
        InputError: As :func:`mean_effects`.
    """
    label = np.asarray(labels, dtype=np.int64)
    groups = group_images(label, concepts)
    rows = standardise_rows(as_responses(values, len(label)))[:, groups.order]
    means, variances = group_moments(rows, groups)
    second = variances * (groups.sizes - 1) / groups.sizes + means**2
    centre = means @ groups.shares.T
    spread2 = second @ groups.shares.T - centre**2 + (variances / groups.sizes) @ (groups.shares**2).T
    scale = np.sqrt(np.maximum(spread2, 0.0))

    def scaled(numbers: FloatArray) -> FloatArray:
        return np.divide(numbers, scale, out=np.zeros_like(numbers), where=scale > 1e-9)

    return Errors(
        effect=scaled(contrast_of_means(means, groups)),
        error=scaled(np.sqrt(contrast_variance(variances, groups))),
        df=_degrees_of_freedom(groups),
    )


def class_shares(effects: FloatArray, class_index: int) -> list[float | None]:
    """Per concept, the share of other classes at least as extreme on the same side as the class.

    Args:
        effects: [classes, concepts] Of every class of the model.
        class_index: The class.
    """
    others = np.delete(effects, class_index, axis=0)
    if not len(others):
        return [None] * effects.shape[1]
    own = effects[class_index]
    as_extreme = np.where(own >= 0.0, others >= own, others <= own)
    return [float(share) for share in as_extreme.mean(axis=0)]


def permutation_p(effect: float, permuted: FloatArray) -> float:
    """(1 + permuted effects at least as large) / (1 + permutations), two-sided, never 0."""
    # Equal values that differ in the last bits count as hits.
    hits = np.sum(np.abs(permuted) >= abs(effect) * (1.0 - 1e-12))
    return float((1 + hits) / (1 + len(permuted)))


def minimum_detectable(null: FloatArray, *, shift: FloatArray, errors: FloatArray, level: float) -> float:
    """Smallest absolute effect, of either sign, whose p-value reaches ``level`` with power 0.8.

    Skewed responses make effects of one sign harder to find. Permutations know that; a formula with two
    normal quantiles does not.

    Args:
        null: [permutations] Absolute effects under permuted labels; enough of them for ``level``.
        shift: [draws] What a resample adds to the true effect.
        errors: [draws] Its standard error, over the sample's: the bar rises with it.
        level: Of the test, after correction.
    """
    allowed = max(1, int(level * (1 + len(null)) + 1e-9))
    bar = float(np.partition(null, -allowed)[-allowed]) * errors
    return float(max(np.quantile(bar - shift, POWER), np.quantile(bar + shift, POWER)))


def _influence(values: FloatArray, means: FloatArray, groups: Groups) -> FloatArray:
    """[concepts, units] What each unit adds to each effect; the mean over every group is 0."""
    which = np.repeat(np.arange(groups.count), groups.sizes)
    deviations = values - means[which]
    own = which == np.arange(groups.concepts)[:, None]
    return np.where(own, deviations, -groups.shares[:, which] * deviations)


def _degrees_of_freedom(groups: Groups) -> FloatArray:
    """[concepts] Units of the concept, or of all that it is compared with where these are fewer, less 1."""
    own = groups.sizes[: groups.concepts]
    compared = (groups.shares > 0.0) @ groups.sizes
    return np.asarray(np.where(compared > 0, np.minimum(own, compared), own) - 1.0)


def _widening(inference: Inference, df: float) -> float:
    """By how much an interval at 1 - alpha is widened to one at 1 - alpha / family."""
    wanted = stats.t.ppf(1.0 - inference.alpha / (2.0 * inference.family), df)
    return float(wanted / stats.t.ppf(1.0 - inference.alpha / 2.0, df))


def describe(values: Sequence[float] | FloatArray) -> tuple[float, ...]:
    """[11] Deciles 0, 10, ..., 100%."""
    return tuple(map(float, np.quantile(np.asarray(values, dtype=np.float64), np.linspace(0.0, 1.0, 11))))
