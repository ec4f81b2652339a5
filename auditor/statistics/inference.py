"""From a linearised estimate to interval, p-values and the smallest effect that could be found.

Concept effects and group contrasts differ in what they estimate; what follows is the same and stands
here once. docs/statistics.md, sections "Interval" and "Test".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, Groups
from auditor.statistics.bootstrap import Resamples
from auditor.statistics.permutation import group_moments
from auditor.statistics.refits import RefitVariance, noise_draws

POWER = 0.8
"""Power at which the smallest detectable effect is stated."""


@dataclass(frozen=True)
class Estimate:
    """One standardised difference, ready for inference."""

    effects: FloatArray
    """[refits] Difference under each refit in units of its own scale."""
    influence: FloatArray
    """[images] What each image adds to the mean effect; the mean over each group of images is 0 and
    the estimate strays from the truth by the sum of the groups' means."""
    image_variance: float
    """Of the mean effect over new images, the refits held fixed."""
    null_variance: float
    """The same if the effect were 0."""
    image_df: float
    """Degrees of freedom of ``image_variance``."""
    difference: float
    """Unstandardised difference of the mean response, whose scale labels cannot change."""
    difference_variance: float
    """Of ``difference`` over new images."""
    difference_held: float
    """The same, the refits held fixed."""
    scale: float
    """``difference`` over effect, where refits agree."""


@dataclass(frozen=True)
class Inference:
    """What can be said about one effect."""

    effect: float
    low: float
    high: float
    adjusted_low: float
    adjusted_high: float
    p_value: float
    p_images: float
    p_beyond: float
    p_within: float
    smallest_detectable: float
    standard_error: float
    error_images: float
    error_refits: float


def infer(
    estimates: Sequence[Estimate],
    *,
    resamples: Resamples,
    permuted: FloatArray,
    refits: RefitVariance,
    alpha: float,
    margin: float,
    family_size: int,
    rng: np.random.Generator,
) -> list[Inference]:
    """Intervals and tests of estimates made from the same refits.

    Args:
        estimates: One for each test.
        resamples: Studentised bootstrap of each.
        permuted: [permutations, tests] Studentised differences under permuted labels.
        refits: Variance that refits add to each mean effect.
        alpha: 1 minus the coverage of the intervals.
        margin: Largest irrelevant effect.
        family_size: Number of tests corrected together.
        rng: Source of the refits' noise.
    """
    boot_noise = noise_draws(refits.of_mean, refits.df, len(resamples.pivots), rng)
    null_noise = noise_draws(refits.null_of_mean, refits.null_df, len(permuted), rng)
    boot_null_noise = noise_draws(refits.null_of_mean, refits.null_df, len(resamples.pivots), rng)
    results = []
    for index, estimate in enumerate(estimates):
        effect = float(estimate.effects.mean())
        # Estimate minus truth, as images and refits together have it.
        noise = resamples.pivots[:, index] * np.sqrt(estimate.image_variance) + boot_noise[:, index]
        low = effect - float(np.quantile(noise, 1 - alpha / 2))
        high = effect - float(np.quantile(noise, alpha / 2))
        of_refits = float(refits.of_mean[index])
        df = satterthwaite(estimate.image_variance, estimate.image_df, of_refits, float(refits.df[index]))
        ordinary = float(stats.t.ppf(1 - alpha / 2, df))
        strict = float(stats.t.ppf(1 - alpha / 2 / family_size, df))
        p_images, p_value = _permutation_p(estimate, permuted[:, index], null_noise[:, index])
        null_error = float(np.sqrt(estimate.null_variance))
        detectable = smallest_detectable(
            np.abs(permuted[:, index] * null_error + null_noise[:, index]),
            shift=resamples.pivots[:, index] * resamples.errors[:, index] * null_error
            + boot_null_noise[:, index],
            errors=resamples.errors[:, index],
            level=alpha / family_size,
        )
        results.append(
            Inference(
                effect=effect,
                low=low,
                high=high,
                adjusted_low=effect - (effect - low) * strict / ordinary,
                adjusted_high=effect + (high - effect) * strict / ordinary,
                p_value=p_value,
                p_images=p_images,
                p_beyond=p_beyond_margin(effect, noise, margin=margin),
                p_within=p_within_margin(effect, noise, margin=margin),
                smallest_detectable=detectable,
                standard_error=float(np.sqrt(estimate.image_variance + of_refits)),
                error_images=float(np.sqrt(estimate.image_variance)),
                error_refits=float(np.sqrt(of_refits)),
            )
        )
    return results


def variance_over_images(terms: FloatArray, groups: Groups) -> tuple[float, float]:
    """Variance of the mean over refits of a sum of group means, over new images.

    Args:
        terms: [refits, images] in ``groups.order``.
        groups: Images are drawn anew within each.

    Returns:
        The variance, and the part of it that would remain with the same refits on and on: what
        differs between refits image by image is already in the variance between refits, and counting
        it here too would count it twice.
    """
    total = _of_group_means(terms.mean(axis=0), groups)
    refits = len(terms)
    if refits < 2:
        return total, total
    deviations = terms - terms.mean(axis=0)
    image_by_image = sum(_of_group_means(row, groups) for row in deviations) / (refits - 1)
    return total, max(total - image_by_image / refits, 0.0)


def p_beyond_margin(effect: float, noise: FloatArray, *, margin: float) -> float:
    """Minimum-effect test: how often noise alone carries an effect on the margin this far out.

    Args:
        effect: Estimated.
        noise: [draws] Estimate minus truth, as the bootstrap has it.
        margin: Largest irrelevant effect.
    """
    boundary = margin if effect >= 0 else -margin
    return float((1 + np.sum(np.abs(boundary + noise) >= abs(effect))) / (1 + len(noise)))


def p_within_margin(effect: float, noise: FloatArray, *, margin: float) -> float:
    """Equivalence, two one-sided tests (Schuirmann 1987); small means the effect is shown irrelevant."""
    from_above = (1 + np.sum(margin + noise <= effect)) / (1 + len(noise))
    from_below = (1 + np.sum(-margin + noise >= effect)) / (1 + len(noise))
    return float(max(from_above, from_below))


def smallest_detectable(null: FloatArray, *, shift: FloatArray, errors: FloatArray, level: float) -> float:
    """Smallest absolute effect, of either sign, whose p-value reaches ``level`` with power 0.8.

    Skewed responses make effects of one sign harder to find, and permutations know it where a formula
    with two normal quantiles does not.

    Args:
        null: [permutations] Absolute effects under permuted labels; enough of them for ``level``.
        shift: [draws] What a resample adds to the true effect.
        errors: [draws] Its standard error, over the sample's: the bar rises with it.
        level: Of the test, after correction.
    """
    allowed = max(1, int(level * (1 + len(null)) + 1e-9))
    bar = float(np.partition(null, -allowed)[-allowed]) * errors
    return float(max(np.quantile(bar - shift, POWER), np.quantile(bar + shift, POWER)))


def satterthwaite(first: float, first_df: float, second: float, second_df: float) -> float:
    """Degrees of freedom of the sum of two independent variances."""
    spread = first**2 / first_df + second**2 / second_df
    return (first + second) ** 2 / spread if spread > 0.0 else float("inf")


def check_settings(permutations: int, bootstrap: int, alpha: float, margin: float, overlap: float) -> None:
    """Refuse settings out of range, before any work.

    Raises:
        InputError: Naming the setting.
    """
    if permutations < 1:
        raise InputError(f"permutations: {permutations}, need 1 or more")
    if bootstrap < 200:
        raise InputError(f"bootstrap: {bootstrap} resamples, need 200 or more")
    if not 0.0 < alpha < 1.0:
        raise InputError(f"alpha: {alpha}, need a number between 0 and 1")
    if not (np.isfinite(margin) and margin >= 0.0):
        raise InputError(f"margin of relevance: {margin}, need 0 or more")
    if not 0.0 <= overlap < 1.0:
        raise InputError(f"overlap of refits: {overlap}, need 0 to below 1")


def lent_effects(borrowed: ArrayLike | None, refits: int) -> FloatArray | None:
    """[refits, others] Effects that lend strength, checked.

    Raises:
        InputError: From another number of refits, or not finite.
    """
    if borrowed is None:
        return None
    effects = np.asarray(borrowed, dtype=np.float64)
    if effects.ndim != 2 or len(effects) != refits or not np.isfinite(effects).all():
        raise InputError(f"borrowed effects: shape {effects.shape}, need finite [{refits} refits, others]")
    return effects


def _permutation_p(estimate: Estimate, permuted: FloatArray, noise: FloatArray) -> tuple[float, float]:
    """P for these refits, and p with the noise of refits added to every permutation."""
    # Equal values that differ in the last bit count as hits.
    bar = abs(estimate.difference) * (1.0 - 1e-12)
    held = permuted * np.sqrt(estimate.difference_held) + noise * estimate.scale
    alone = np.abs(permuted * np.sqrt(estimate.difference_variance)) >= bar
    p_images = float((1 + alone.sum()) / (1 + len(permuted)))
    p_value = float((1 + np.sum(np.abs(held) >= bar)) / (1 + len(permuted)))
    # Allowing for refits must never turn out as evidence.
    return p_images, max(p_images, p_value)


def _of_group_means(values: FloatArray, groups: Groups) -> float:
    return float((group_moments(values, groups)[1] / groups.sizes).sum())
