"""Multiple testing: corrected p-values, and the number of permutations they need.

The corrections take p-values [tests] in (0, 1] of one declared family and return corrected ones in the same
order, each to be compared with alpha. A p-value outside (0, 1] is an :class:`InputError`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray


def holm(p_values: ArrayLike) -> FloatArray:
    """Holm (1979): controls the probability of any false claim in the family, under any dependence."""
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    steps = np.arange(len(p), 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * steps), 1.0)
    return corrected


def benjamini_yekutieli(p_values: ArrayLike) -> FloatArray:
    """Benjamini and Yekutieli (2001): controls the expected share of false claims, under any dependence."""
    p = _checked(p_values)
    return np.asarray(false_discovery_control(p, method="by"), dtype=np.float64) if len(p) else p


def permutations_needed(family_size: int, alpha: float) -> int:
    """Smallest number B of permutations for which family_size / (1 + B) can reach ``alpha``.

    Raises:
        InputError: An empty family, or alpha outside (0, 1).
    """
    if family_size < 1 or not 0.0 < alpha < 1.0:
        raise InputError(f"family of {family_size} tests at alpha {alpha}: need 1 or more, and 0 < alpha < 1")
    # The slack keeps 200/0.05 - 1 at 3999: in floating point it is 3999.0000000000005.
    return max(1, math.ceil(family_size / alpha - 1.0 - 1e-6))


def smallest_p(permutations: int, family_size: int) -> float:
    """The smallest corrected p-value that so many permutations can reach."""
    return min(1.0, family_size / (1.0 + permutations))


def check_permutations(permutations: int, *, family_size: int, alpha: float) -> None:
    """Refuse a number of permutations with which no test could be significant.

    Raises:
        InputError: ``permutations`` is below :func:`permutations_needed`.
    """
    needed = permutations_needed(family_size, alpha)
    if permutations < needed:
        raise InputError(
            f"permutations: {permutations}, but {family_size} tests at alpha {alpha} need {needed} or more"
        )


def _checked(p_values: ArrayLike) -> FloatArray:
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not np.all((p > 0.0) & (p <= 1.0)):
        raise InputError(
            f"p-values: shape {p.shape}, range {p.min(initial=1)} to {p.max(initial=0)}, need (0, 1]"
        )
    return p
