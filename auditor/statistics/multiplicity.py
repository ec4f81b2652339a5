"""Many tests at once: corrected p-values, and how many permutations they need.

Every function takes the p-values of one declared family and returns corrected ones in the same
order, so that a reader compares each with alpha directly.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, IntArray


def holm(p_values: ArrayLike) -> FloatArray:
    """Holm (1979): controls the chance of any false claim in the family, under any dependence.

    Args:
        p_values: [tests] in (0, 1].

    Returns:
        [tests] corrected p-values in (0, 1].

    Raises:
        InputError: A p-value outside (0, 1].
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    steps = np.arange(len(p), 0, -1)
    corrected = np.minimum(np.maximum.accumulate(p[order] * steps), 1.0)
    return _unsort(corrected, order)


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """Benjamini and Hochberg (1995): expected share of false claims.

    For independent or positively dependent tests. Scores of one bank are *negatively* dependent, so
    reports use :func:`benjamini_yekutieli`.
    """
    return _step_up(_checked(p_values), 1.0)


def benjamini_yekutieli(p_values: ArrayLike) -> FloatArray:
    """Benjamini and Yekutieli (2001): expected share of false claims, under any dependence."""
    p = _checked(p_values)
    return _step_up(p, float(np.sum(1.0 / np.arange(1, len(p) + 1))))


def permutations_needed(family_size: int, alpha: float) -> int:
    """Smallest B for which (1 + 0)/(1 + B), times the size of the family, can reach ``alpha``.

    Raises:
        InputError: An empty family, or alpha outside (0, 1).
    """
    if family_size < 1 or not 0.0 < alpha < 1.0:
        raise InputError(f"family of {family_size} tests at alpha {alpha}: need 1 or more, and 0 < alpha < 1")
    # The small slack keeps 200/0.05 - 1 at 3999 where floating point says 3999.0000000000005.
    return max(1, math.ceil(family_size / alpha - 1.0 - 1e-6))


def check_permutations(permutations: int, *, family_size: int, alpha: float) -> None:
    """Refuse, before any work, a number of permutations with which nothing could be significant.

    Raises:
        InputError: ``permutations`` is below :func:`permutations_needed`.
    """
    needed = permutations_needed(family_size, alpha)
    if permutations < needed:
        raise InputError(
            f"permutations: {permutations}, but {family_size} tests at alpha {alpha} need {needed} or more"
        )


def westfall_young(observed: ArrayLike, permuted: ArrayLike) -> FloatArray:
    """Single-step max-T (Westfall and Young 1993): corrected p-values from joint permutations.

    Sharper than Holm where tests are dependent. The family is all columns; each row of ``permuted``
    must come from *one* permutation of the images, shared by all tests.

    Args:
        observed: [tests] Absolute value is the evidence.
        permuted: [permutations, tests] The same statistics under permuted labels.

    Returns:
        [tests] (1 + permutations whose largest |statistic| reaches the observed one) / (1 + B).

    Raises:
        InputError: Shapes do not match, or no permutations.
    """
    seen = np.abs(np.asarray(observed, dtype=np.float64))
    null = np.abs(np.asarray(permuted, dtype=np.float64))
    if seen.ndim != 1 or null.ndim != 2 or null.shape[1] != len(seen) or not len(null) or not len(seen):
        raise InputError(f"max-T: observed {seen.shape}, permuted {null.shape}, need [tests] and [B, tests]")
    largest = np.sort(null.max(axis=1))
    # Equal values that differ in the last bit count as hits.
    hits = len(largest) - np.searchsorted(largest, seen * (1.0 - 1e-12), side="left")
    return np.asarray((1.0 + hits) / (1.0 + len(largest)), dtype=np.float64)


def _checked(p_values: ArrayLike) -> FloatArray:
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not np.all((p > 0.0) & (p <= 1.0)):
        raise InputError(
            f"p-values: shape {p.shape}, range {p.min(initial=1)} to {p.max(initial=0)}, need (0, 1]"
        )
    return p


def _step_up(p: FloatArray, penalty: float) -> FloatArray:
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) * penalty / np.arange(1, len(p) + 1)
    corrected = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return _unsort(corrected, order)


def _unsort(values: FloatArray, order: IntArray) -> FloatArray:
    result = np.empty_like(values)
    result[order] = values
    return result
