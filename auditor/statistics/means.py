"""Means of a few values and shares of a few images, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Coverage of the intervals."""


@dataclass(frozen=True)
class Interval:
    """A number and the ends of its interval; no ends where it cannot be known how far it is off."""

    value: float
    low: float | None
    high: float | None
    n: int


def mean_interval(values: Sequence[float], *, least: float = -math.inf, most: float = math.inf) -> Interval:
    """Mean with Student's interval over independent values, cut to the range that a value may have.

    Args:
        values: One or more; with a single one, or where all are the same, no interval is known.
        least: Smallest possible value.
        most: Largest possible value.
    """
    found = np.asarray(values, dtype=float)
    mean, n = float(found.mean()), len(found)
    if n < 2 or np.ptp(found) == 0:
        return Interval(mean, None, None, n)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * found.std(ddof=1) / math.sqrt(n))
    return Interval(mean, max(least, mean - half), min(most, mean + half), n)


def share_interval(hits: int, n: int) -> Interval:
    """Share of ``n`` images with Wilson's interval; ``n`` is 1 or more."""
    found = stats.binomtest(hits, n).proportion_ci(LEVEL, method="wilson")
    return Interval(hits / n, float(found.low), float(found.high), n)
