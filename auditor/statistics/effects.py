"""Concept effects: how far a class's response tells a concept from what the bank compares it with.

The effect of a concept is a difference of means, docs/statistics.md, equation (1). Its p-value permutes
labels on images, its interval resamples images and allows for refits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from auditor.errors import InputError
from auditor.records import Direction
from auditor.statistics.arrays import FloatArray, Groups, as_responses, group_images, standardise_rows
from auditor.statistics.bootstrap import bootstrap_images
from auditor.statistics.inference import (
    Estimate,
    check_settings,
    infer,
    lent_effects,
    satterthwaite,
    variance_over_images,
)
from auditor.statistics.multiplicity import holm
from auditor.statistics.permutation import group_moments, permuted_statistics
from auditor.statistics.refits import refit_variance


@dataclass(frozen=True)
class ConceptEffect:
    """One concept of a bank against what it is compared with, for one class.

    Effects are in standard deviations of the response over the benchmark images, or in its own unit.
    """

    concept: str
    n: int
    """Images of the concept."""
    n_benchmark: int
    """Images compared with: benchmark-only ones, those of the other concepts, or twins."""
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
    """The same for these very refits, as if there were no others."""
    p_beyond: float
    """Null: the effect lies within the margin of relevance."""
    p_within: float
    """Null: the effect lies outside the margin (two one-sided tests); small means irrelevance shown."""
    smallest_detectable: float
    """Smallest absolute effect found with power 0.8 at alpha / family size (by ``p_value``)."""
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
    """[11] 0, 10, ..., 100% of the concept images' response, mean over refits: in standard deviations of
    the benchmark images from their mean, or as it is where effects are not standardised."""


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
    standardised: bool = True,
    against_zero: bool = False,
    family_size: int | None = None,
    refit_overlap: float = 0.0,
    borrowed: ArrayLike | None = None,
) -> list[ConceptEffect]:
    """Effect, interval, tests and direction of every concept of a bank.

    Args:
        responses: [refits, images] Response of the class's meta-detector, any unit.
        labels: [images] Position in ``concepts``; -1 for images that serve only as benchmark. Where
            there are such, concepts are compared with them alone, else with the other concepts.
        concepts: Names.
        permutations: Of labels, for the p-values.
        bootstrap: Resamples of images, for the intervals; 200 or more.
        alpha: 1 minus the coverage of the intervals, and level of the directions.
        margin: Margin of relevance, in units of the effect, 0 or more.
        rng: Source of every draw.
        standardised: Effects in standard deviations over the benchmark images, equation (1); else in the
            response's own unit, for responses that have one.
        against_zero: Responses are differences between an image and its twin, the same picture without
            the concept.
        family_size: Number of tests corrected together; the bank's concepts where ``None``.
        refit_overlap: Share of its learning images that a refit has in common with another.
        borrowed: [refits, others] Effects of such concepts for other classes under as many refits of
            theirs, from :func:`auditor.statistics.classwise.class_effects`; for banks of fewer than
            6 concepts, which cannot tell how much refits vary.

    Returns:
        One result for each concept, in the order given.

    Raises:
        InputError: Shapes that do not fit, values that are not finite, fewer than 2 images of a
            concept, or settings out of range.
    """
    check_settings(permutations, bootstrap, alpha, margin, refit_overlap)
    family = len(concepts) if family_size is None else family_size
    if family < 1:
        raise InputError(f"family size: {family}, need 1 or more")
    label = np.asarray(labels, dtype=np.int64)
    groups = group_images(label, len(concepts), against_zero=against_zero)
    values = as_responses(responses, len(label))[:, groups.order]
    if standardised:
        values = standardise_rows(values)
    estimates, scaled = _estimates(values, groups, standardised=standardised)
    effects = np.stack([estimate.effects for estimate in estimates], axis=1)
    inferred = infer(
        estimates,
        resamples=bootstrap_images(
            np.stack([e.influence for e in estimates]), groups, draws=bootstrap, rng=rng
        ),
        permuted=permuted_statistics(values.mean(axis=0), groups, permutations=permutations, rng=rng),
        refits=refit_variance(effects, overlap=refit_overlap, borrowed=lent_effects(borrowed, len(values))),
        alpha=alpha,
        margin=margin,
        family_size=family,
        rng=rng,
    )
    corrected = holm([result.p_value for result in inferred])
    results = []
    for c, (name, found) in enumerate(zip(concepts, inferred, strict=True)):
        own = slice(int(groups.starts[c]), int(groups.starts[c] + groups.sizes[c]))
        results.append(
            ConceptEffect(
                concept=name,
                n=int(groups.sizes[c]),
                n_benchmark=int(groups.sizes[[c] if against_zero else groups.shares[c] > 0].sum()),
                direction=direction_of(
                    found.low, found.high, float(corrected[c]), alpha=alpha, margin=margin
                ),
                refit_effects=tuple(map(float, effects[:, c])),
                deciles=tuple(map(float, np.quantile(scaled[c, own], np.linspace(0, 1, 11)))),
                **vars(found),
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
    check_settings(1, 200, alpha, 0.0, refit_overlap)
    groups = group_images(label, concepts)
    effect = np.zeros((stack.shape[1], concepts))
    half_width = np.zeros_like(effect)
    for layer in range(stack.shape[1]):
        name = f"responses of layer {layer}"
        values = as_responses(stack[:, layer], len(label), name=name)[:, groups.order]
        estimates, _ = _estimates(standardise_rows(values), groups, standardised=True)
        refits = refit_variance(np.stack([e.effects for e in estimates], axis=1), overlap=refit_overlap)
        for c, estimate in enumerate(estimates):
            of_refits, refit_df = float(refits.of_mean[c]), float(refits.df[c])
            df = satterthwaite(estimate.image_variance, estimate.image_df, of_refits, refit_df)
            effect[layer, c] = estimate.effects.mean()
            error = np.sqrt(estimate.image_variance + of_refits)
            half_width[layer, c] = stats.t.ppf(1 - alpha / 2, df) * error
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


def _estimates(
    values: FloatArray, groups: Groups, *, standardised: bool
) -> tuple[list[Estimate], FloatArray]:
    """Every concept's effect, equation (1), and its linearisation, equation (3).

    Args:
        values: [refits, images] in ``groups.order``; rows standardised over all images, where the
            effects are to be.
        groups: Who has which label.
        standardised: Whether effects are in standard deviations of the benchmark.

    Returns:
        The estimates, and [concepts, images] responses averaged over refits: in the benchmark's standard
        deviations from its mean, or as they are.
    """
    means, variances = group_moments(values, groups)
    second = variances * (groups.sizes - 1) / groups.sizes + means**2
    which = np.repeat(np.arange(groups.count), groups.sizes)
    estimates = []
    scaled = np.zeros((groups.concepts, values.shape[1]))
    for c in range(groups.concepts):
        shares = groups.shares[c]
        own, share = which == c, shares[which]
        centre = means @ shares
        if standardised:
            # The benchmark's mean is estimated too: without the last term the variance is too small.
            spread2 = second @ shares - centre**2 + (variances / groups.sizes) @ shares**2
            usable = spread2 > 1e-18
        else:
            spread2, usable = np.ones(len(values)), np.ones(len(values), dtype=np.bool_)
        scale = np.sqrt(np.where(usable, spread2, 1.0))
        z = np.where(usable[:, None], (values - centre[:, None]) / scale[:, None], 0.0)
        effects = np.where(usable, (means[:, c] - centre) / scale, 0.0)
        null_terms = np.where(own, z, -share * z)
        curved = 0.5 * effects[:, None] * z**2 if standardised else 0.0
        terms = np.where(own, z, -share * (z + curved))
        terms -= np.repeat(group_moments(terms, groups)[0], groups.sizes, axis=1)
        plain = variance_over_images(np.where(own, values, -share * values), groups)
        scaled[c] = (z if standardised else values).mean(axis=0)
        estimates.append(
            Estimate(
                effects=effects,
                influence=terms.mean(axis=0),
                image_variance=variance_over_images(terms, groups)[1],
                null_variance=variance_over_images(null_terms, groups)[1],
                image_df=float(groups.sizes[c] - 1),
                difference=float((means[:, c] - centre).mean()),
                difference_variance=plain[0],
                difference_held=plain[1],
                scale=float(scale.mean()),
            )
        )
    return estimates, scaled
