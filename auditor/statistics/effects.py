"""Concept effects: how far a class's meta-detector tells a concept from the bank's other concepts.

The effect of a concept is a standardised mean difference, docs/statistics.md, equation (1). Its
p-value permutes labels on images, its interval resamples images and allows for refits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from auditor.errors import InputError
from auditor.records import Direction
from auditor.statistics.arrays import (
    FloatArray,
    Groups,
    as_responses,
    group_images,
    standardise_rows,
)
from auditor.statistics.bootstrap import bootstrap_pivots
from auditor.statistics.multiplicity import holm
from auditor.statistics.permutation import (
    contrast_of_means,
    contrast_variance,
    group_moments,
    permuted_statistics,
)
from auditor.statistics.refits import RefitVariance, noise_draws, refit_variance

POWER = 0.8
"""Power at which the smallest detectable effect is stated."""


@dataclass(frozen=True)
class ConceptEffect:
    """One concept of a bank against the bank's other concepts, for one class.

    Effects are in standard deviations of the response over the benchmark images.
    """

    concept: str
    n: int
    """Images of the concept."""
    n_benchmark: int
    """Images of the other concepts, and benchmark-only ones."""
    effect: float
    """Mean over refits; positive where the detector responds more to the concept."""
    low: float
    """95% interval (1 - alpha in general), over new images and new refits."""
    high: float
    adjusted_low: float
    """The same at 1 - alpha / family size."""
    adjusted_high: float
    p_value: float
    """Two-sided, labels permuted on images, noise of refits allowed for: (1 + hits) / (1 + B)."""
    p_images: float
    """The same for these very refits, as if there were no others: exact for the null "the concept's
    images and the others' were drawn alike"."""
    p_beyond: float
    """Null: the effect lies within the margin of relevance."""
    p_within: float
    """Null: the effect lies outside the margin (two one-sided tests); small means irrelevance shown."""
    smallest_detectable: float
    """Smallest absolute effect found with power 0.8 at alpha / family size (for ``p_value``)."""
    direction: Direction
    """Holm over this bank alone; decide anew with :func:`direction_of` where the family is larger."""
    standard_error: float
    """Of ``effect``, images and refits together."""
    error_images: float
    """The part due to images."""
    error_refits: float
    """The part due to refits; 0 with a single one, which means unknown."""
    refit_effects: tuple[float, ...]
    """The effect under each refit."""
    deciles: tuple[float, ...]
    """[11] 0, 10, ..., 100% of the concept images' response, mean over refits, in standard deviations
    of the benchmark images from their mean."""


@dataclass(frozen=True)
class LayerEffects:
    """Effects in single layers, with intervals that assume symmetry (no bootstrap)."""

    effect: FloatArray
    """[layers, concepts] In standard deviations of the layer's response over the benchmark images."""
    low: FloatArray
    """[layers, concepts] Lower end of the interval, images and refits allowed for."""
    high: FloatArray
    """[layers, concepts] Upper end."""


def concept_effects(
    responses: ArrayLike,
    labels: ArrayLike,
    *,
    concepts: Sequence[str],
    permutations: int,
    bootstrap: int,
    alpha: float,
    margin: float,
    rng: np.random.Generator,
    family_size: int | None = None,
    refit_overlap: float = 0.0,
) -> list[ConceptEffect]:
    """Effect, interval, tests and direction of every concept of a bank.

    Args:
        responses: [refits, images] Response of the class's meta-detector, any unit.
        labels: [images] Position in ``concepts``; -1 for images that serve only as benchmark, which
            count as one more concept to be compared with.
        concepts: Names.
        permutations: Of labels, for the p-values.
        bootstrap: Resamples of images, for the intervals; 200 or more.
        alpha: 1 minus the coverage of the intervals, and level of the directions.
        margin: Margin of relevance, in units of the effect, 0 or more.
        rng: Source of every draw.
        family_size: Number of tests corrected together; the bank's concepts where ``None``.
        refit_overlap: Share of learning images two refits have in common, see :func:`refit_variance`.

    Returns:
        One result for each concept, in the order given.

    Raises:
        InputError: Shapes that do not fit, values that are not finite, fewer than 2 images of a
            concept, or settings out of range.
    """
    label = np.asarray(labels, dtype=np.int64)
    groups = group_images(label, len(concepts))
    raw = as_responses(responses, len(label))[:, groups.order]
    _check_settings(permutations, bootstrap, alpha, margin, refit_overlap)
    family = len(concepts) if family_size is None else family_size
    if family < 1:
        raise InputError(f"family size: {family}, need 1 or more")
    values = standardise_rows(raw)
    fit = _fit(values, groups)
    theta = fit.effects.mean(axis=0)
    refits = refit_variance(fit.effects, overlap=refit_overlap)
    pivots = bootstrap_pivots(fit.influence, groups, draws=bootstrap, rng=rng)
    noise = pivots * np.sqrt(fit.image_variance) + noise_draws(refits, bootstrap, rng)
    p_images, p_value = _permutation_p_values(values, groups, permutations, refit_overlap, rng)
    total = fit.image_variance + refits.of_mean
    df = _satterthwaite(fit.image_variance, np.float64(groups.sizes[: len(concepts)] - 1), refits)
    widen = stats.t.ppf(1 - alpha / 2 / family, df) / stats.t.ppf(1 - alpha / 2, df)
    low = theta - np.quantile(noise, 1 - alpha / 2, axis=0)
    high = theta - np.quantile(noise, alpha / 2, axis=0)
    detectable = (stats.t.ppf(1 - alpha / 2 / family, df) + stats.t.ppf(POWER, df)) * np.sqrt(
        fit.null_variance + refits.of_mean
    )
    corrected = holm(p_value)
    results = []
    for c, name in enumerate(concepts):
        own = slice(int(groups.starts[c]), int(groups.starts[c] + groups.sizes[c]))
        results.append(
            ConceptEffect(
                concept=name,
                n=int(groups.sizes[c]),
                n_benchmark=int(groups.sizes.sum() - groups.sizes[c]),
                effect=float(theta[c]),
                low=float(low[c]),
                high=float(high[c]),
                adjusted_low=float(theta[c] - widen[c] * (theta[c] - low[c])),
                adjusted_high=float(theta[c] + widen[c] * (high[c] - theta[c])),
                p_value=float(p_value[c]),
                p_images=float(p_images[c]),
                p_beyond=p_beyond_margin(float(theta[c]), noise[:, c], margin=margin),
                p_within=p_within_margin(float(theta[c]), noise[:, c], margin=margin),
                smallest_detectable=float(detectable[c]),
                direction=direction_of(
                    float(low[c]), float(high[c]), float(corrected[c]), alpha=alpha, margin=margin
                ),
                standard_error=float(np.sqrt(total[c])),
                error_images=float(np.sqrt(fit.image_variance[c])),
                error_refits=float(np.sqrt(refits.of_mean[c])),
                refit_effects=tuple(map(float, fit.effects[:, c])),
                deciles=tuple(map(float, np.quantile(fit.scaled[c][own], np.linspace(0, 1, 11)))),
            )
        )
    return results


def layer_effects(
    responses: ArrayLike,
    labels: ArrayLike,
    *,
    concepts: int,
    alpha: float,
    refit_overlap: float = 0.0,
) -> LayerEffects:
    """The effect in every single layer, for display; layers are not tested one by one.

    Args:
        responses: [refits, layers, images].
        labels: As for :func:`concept_effects`.
        concepts: Number of concepts.
        alpha: 1 minus the coverage of the intervals.
        refit_overlap: As for :func:`concept_effects`.

    Raises:
        InputError: As :func:`concept_effects`.
    """
    stack = np.asarray(responses, dtype=np.float64)
    label = np.asarray(labels, dtype=np.int64)
    if stack.ndim != 3:
        raise InputError(f"responses per layer: shape {stack.shape}, need [refits, layers, images]")
    _check_settings(1, 200, alpha, 0.0, refit_overlap)
    groups = group_images(label, concepts)
    effect = np.zeros((stack.shape[1], concepts))
    half_width = np.zeros_like(effect)
    for layer in range(stack.shape[1]):
        name = f"responses of layer {layer}"
        values = as_responses(stack[:, layer], len(label), name=name)[:, groups.order]
        fit = _fit(standardise_rows(values), groups)
        refits = refit_variance(fit.effects, overlap=refit_overlap)
        df = _satterthwaite(fit.image_variance, np.float64(groups.sizes[:concepts] - 1), refits)
        effect[layer] = fit.effects.mean(axis=0)
        half_width[layer] = stats.t.ppf(1 - alpha / 2, df) * np.sqrt(fit.image_variance + refits.of_mean)
    return LayerEffects(effect=effect, low=effect - half_width, high=effect + half_width)


def direction_of(low: float, high: float, p_adjusted: float, *, alpha: float, margin: float) -> Direction:
    """How a concept relates to a class, from its interval and its corrected p-value.

    See :data:`auditor.records.Direction`.
    """
    if low > margin and p_adjusted < alpha:
        return "associated"
    if high < -margin and p_adjusted < alpha:
        return "inhibiting"
    if -margin <= low and high <= margin:
        return "not associated"
    return "inconclusive"


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
    below = (1 + np.sum(margin + noise <= effect)) / (1 + len(noise))
    above = (1 + np.sum(-margin + noise >= effect)) / (1 + len(noise))
    return float(max(below, above))


@dataclass(frozen=True)
class _Fit:
    effects: FloatArray  # [refits, concepts]
    influence: FloatArray  # [concepts, images] of the mean effect, in groups.order
    image_variance: FloatArray  # [concepts] without what refits contribute
    null_variance: FloatArray  # [concepts] the same if the effect were 0
    scaled: FloatArray  # [concepts, images] response from the benchmark's mean, in its sd, mean over refits


def _fit(values: FloatArray, groups: Groups) -> _Fit:
    """Effects and their linearisation, equations (1) and (3); ``values`` [refits, images] in order."""
    refits, images = values.shape
    means, variances = group_moments(values, groups)
    second = variances * (groups.sizes - 1) / groups.sizes + means**2
    share = 1.0 / (groups.count - 1)
    which = np.repeat(np.arange(groups.count), groups.sizes)
    effects = np.zeros((refits, groups.concepts))
    influence = np.zeros((groups.concepts, images))
    scaled = np.zeros((groups.concepts, images))
    image_variance = np.zeros(groups.concepts)
    null_variance = np.zeros(groups.concepts)
    for c in range(groups.concepts):
        other = np.arange(groups.count) != c
        centre = share * means[:, other].sum(axis=1)
        spread2 = share * second[:, other].sum(axis=1) - centre**2
        # The benchmark's mean is estimated too: without this term the variance comes out too small.
        spread2 += share**2 * (variances / groups.sizes)[:, other].sum(axis=1)
        scale = np.sqrt(spread2)
        usable = scale > 1e-9
        scale = np.where(usable, scale, 1.0)
        z = np.where(usable[:, None], (values - centre[:, None]) / scale[:, None], 0.0)
        effects[:, c] = np.where(usable, (means[:, c] - centre) / scale, 0.0)
        own = which == c
        terms = np.where(own, z, -share * (z + 0.5 * effects[:, c, None] * z**2))
        terms -= np.repeat(group_moments(terms, groups)[0], groups.sizes, axis=1)
        influence[c] = terms.mean(axis=0)
        scaled[c] = z.mean(axis=0)
        image_variance[c] = _without_refits(terms, groups)
        null_variance[c] = _without_refits(np.where(own, z, -share * z), groups)
    return _Fit(effects, influence, image_variance, null_variance, scaled)


def _without_refits(terms: FloatArray, groups: Groups) -> float:
    """Variance of the mean of ``terms`` [refits, images] over new images, refits held fixed.

    What differs between refits image by image is already in the variance between refits; counting it
    here too would count it twice.
    """
    total = _sum_of_means_variance(terms.mean(axis=0), groups)
    refits = len(terms)
    if refits < 2:
        return total
    deviations = terms - terms.mean(axis=0)
    noise = sum(_sum_of_means_variance(row, groups) for row in deviations) / (refits - 1)
    return max(total - noise / refits, 0.0)


def _sum_of_means_variance(values: FloatArray, groups: Groups) -> float:
    return float((group_moments(values, groups)[1] / groups.sizes).sum())


def _permutation_p_values(
    values: FloatArray, groups: Groups, permutations: int, overlap: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """[concepts] p for these refits, and p with the noise of refits added to every permutation."""
    mean_response = values.mean(axis=0)
    means, variances = group_moments(mean_response, groups)
    difference = contrast_of_means(means, groups)
    error2 = contrast_variance(variances, groups)
    null = permuted_statistics(mean_response, groups, permutations=permutations, rng=rng)
    refits = refit_variance(contrast_of_means(group_moments(values, groups)[0], groups), overlap=overlap)
    error = np.sqrt(error2)
    # Equal values that differ in the last bit count as hits.
    bar = np.abs(difference) * (1.0 - 1e-12)
    exact = np.abs(null * error) >= bar
    if len(values) > 1:
        deviations = values - mean_response
        between = contrast_variance(group_moments(deviations, groups)[1], groups).sum(axis=0)
        clean = np.sqrt(np.maximum(error2 - between / (len(values) - 1) / len(values), 0.0))
    else:
        clean = error
    allowed = np.abs(null * clean + noise_draws(refits, permutations, rng)) >= bar
    p_images = (1.0 + exact.sum(axis=0)) / (1.0 + permutations)
    p_value = (1.0 + allowed.sum(axis=0)) / (1.0 + permutations)
    # Allowing for refits must never turn out as evidence.
    return p_images, np.maximum(p_images, p_value)


def _satterthwaite(image_variance: FloatArray, image_df: FloatArray, refits: RefitVariance) -> FloatArray:
    """[concepts] Degrees of freedom of the sum of the two variances."""
    total = image_variance + refits.of_mean
    denominator = image_variance**2 / image_df + refits.of_mean**2 / refits.df
    return np.divide(total**2, denominator, out=np.full_like(total, np.inf), where=denominator > 0)


def _check_settings(permutations: int, bootstrap: int, alpha: float, margin: float, overlap: float) -> None:
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
