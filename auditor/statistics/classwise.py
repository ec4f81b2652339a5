"""One class against other classes of the same model, on the same images.

Some images raise nearly every detector (busy textures, faces of one group). What a class does that
other classes do not is what can be said about the class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, as_responses, group_images, standardise_rows
from auditor.statistics.permutation import group_moments


@dataclass(frozen=True)
class ClassComparison:
    """The effects of one class beside those of reference classes."""

    effect: FloatArray
    """[concepts] Of the class, mean over refits, in standard deviations over benchmark images."""
    reference_mean: FloatArray
    """[concepts] Mean of the same effect over reference classes."""
    reference_sd: FloatArray
    """[concepts] Standard deviation over reference classes (n - 1)."""
    z: FloatArray
    """[concepts] (effect - mean) / sd: how unusual the class is among classes; 0 where sd is 0."""
    p_value: FloatArray
    """[concepts] Share of classes, this one included, at least as far from the mean: two-sided, in
    (0, 1]. Null: the class is one like the others. Cannot fall below 1 / (1 + reference classes)."""
    reference: FloatArray
    """[classes, concepts] The effects of the reference classes."""


def against_classes(responses: ArrayLike, reference: ArrayLike) -> FloatArray:
    """[refits, images] Response minus what the same image evokes in reference classes (double centring).

    Every row is standardised over images first, so that each class counts alike. The result goes
    into :func:`auditor.statistics.effects.concept_effects` or a group contrast in place of the
    response: same tests, same intervals, but about what sets the class apart.

    Args:
        responses: [refits, images] of the class.
        reference: [classes, images] of other classes on the same images; the class itself left out.

    Raises:
        InputError: Numbers of images differ, or values that are not finite.
    """
    own = np.atleast_2d(np.asarray(responses, dtype=np.float64))
    own = as_responses(own, own.shape[-1])
    others = as_responses(reference, own.shape[1], name="reference responses")
    return np.asarray(standardise_rows(own) - standardise_rows(others).mean(axis=0))


def class_effects(
    responses: ArrayLike,
    labels: ArrayLike,
    *,
    concepts: int,
    standardised: bool = True,
    against_zero: bool = False,
) -> FloatArray:
    """[rows, concepts] Difference of means of every row (class or refit), nothing else.

    The same number as :attr:`ConceptEffect.effect`, for as many classes as a model has.

    Args:
        responses: [rows, images].
        labels: [images] Concept, or -1 for benchmark-only images.
        concepts: Number of concepts.
        standardised: As for :func:`auditor.statistics.effects.concept_effects`.
        against_zero: As there.

    Raises:
        InputError: Shapes that do not fit or values that are not finite.
    """
    label = np.asarray(labels, dtype=np.int64)
    groups = group_images(label, concepts, against_zero=against_zero)
    values = as_responses(responses, len(label))[:, groups.order]
    if standardised:
        values = standardise_rows(values)
    means, variances = group_moments(values, groups)
    second = variances * (groups.sizes - 1) / groups.sizes + means**2
    of_means = variances / groups.sizes
    centre = means @ groups.shares.T
    if not standardised:
        return np.asarray(means[:, :concepts] - centre)
    spread2 = second @ groups.shares.T - centre**2 + of_means @ (groups.shares**2).T
    scale = np.sqrt(np.maximum(spread2, 0.0))
    difference = means[:, :concepts] - centre
    return np.divide(difference, scale, out=np.zeros_like(difference), where=scale > 1e-9)


def compare_with_classes(
    responses: ArrayLike, reference: ArrayLike, labels: ArrayLike, *, concepts: int
) -> ClassComparison:
    """How unusual a class's effects are among those of reference classes.

    Args:
        responses: [refits, images] of the class.
        reference: [classes, images] of 2 or more other classes.
        labels: [images] Concept, or -1 for benchmark-only images.
        concepts: Number of concepts.

    Raises:
        InputError: Shapes that do not fit, values that are not finite, fewer than 2 classes.
    """
    others = class_effects(reference, labels, concepts=concepts)
    if len(others) < 2:
        raise InputError(f"reference classes: {len(others)}, need 2 or more")
    effect = class_effects(responses, labels, concepts=concepts).mean(axis=0)
    mean = others.mean(axis=0)
    sd = others.std(axis=0, ddof=1)
    z = np.divide(effect - mean, sd, out=np.zeros_like(effect), where=sd > 1e-12)
    # Exact under exchangeability: the class itself belongs to the set whose mean is the centre.
    everyone = np.vstack([effect, others])
    distance = np.abs(everyone - everyone.mean(axis=0))
    hits = (distance[1:] >= distance[0] * (1.0 - 1e-12)).sum(axis=0)
    return ClassComparison(effect, mean, sd, z, (1.0 + hits) / (1.0 + len(others)), others)
