"""Findings among many: selected on one part of the images, confirmed on the other.

Thirty-two thousand pairs hold large effects by chance alone. Therefore one part of the images selects
pairs, and the other part, which selection never saw, tests them. Only what was selected is corrected for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.stats import false_discovery_control

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.effects import Errors

SCREENING = 1.0 / 3.0
"""Share of the independent images that select. With one third, more is confirmed than with a half or with
all images at once (docs/scan.md)."""
LEAST_ERRORS = 0.5
"""Standard errors by which an effect must lie beyond the margin to be selected."""


ROUNDING = 1e-9
"""Distances from the margin that are rounding, where nothing varies."""


def divide(
    strata: ArrayLike, clusters: ArrayLike, scores: ArrayLike, *, share: float = SCREENING
) -> NDArray[np.bool_]:
    """[images] Whether an image screens; the others confirm. Clusters stay together.

    Args:
        strata: [images] Integers, such as concepts. Each gives ``share`` of its clusters, at least 1 if it
            has 2. A cluster belongs to the stratum of its first image.
        clusters: [images] Integers.
        scores: [images] Random numbers. Those clusters screen whose first image has the lowest. An image
            keeps its number, so that two releases are divided alike.
        share: Of the clusters that screen, 0 to 1.

    Raises:
        InputError: Shapes that do not fit.
    """
    stratum, cluster, score = np.asarray(strata), np.asarray(clusters), np.asarray(scores)
    if not stratum.shape == cluster.shape == score.shape or stratum.ndim != 1:
        raise InputError(
            f"divide: strata {stratum.shape}, clusters {cluster.shape}, scores {score.shape}, need one of "
            "each an image"
        )
    _, first, member = np.unique(cluster, return_index=True, return_inverse=True)
    screens = np.zeros(len(first), dtype=np.bool_)
    for value in np.unique(stratum[first]):
        own = np.flatnonzero(stratum[first] == value)
        count = max(1, round(len(own) * share)) if len(own) > 1 else 0
        screens[own[np.argsort(score[first[own]], kind="stable")[:count]]] = True
    return np.asarray(screens[member.ravel()])


def select(screened: Errors, margin: float) -> NDArray[np.bool_]:
    """[rows, concepts] Effects on the screening images that lie clearly beyond the margin."""
    beyond = np.abs(screened.effect) - LEAST_ERRORS * np.nan_to_num(screened.error, nan=np.inf)
    return np.asarray(beyond > margin)


def beyond_margin_p(confirming: Errors, margin: float) -> FloatArray:
    """[rows, concepts] Two-sided p-value of "the effect lies within the margin", by Student's t.

    The least favourable effect is the margin itself. 1 where there is no standard error.
    """
    error = np.asarray(confirming.error, dtype=np.float64)
    distance = np.abs(confirming.effect) - margin
    usable = np.isfinite(error) & (error > 1e-12)
    t = np.divide(distance, error, out=np.full_like(distance, -np.inf), where=usable)
    t = np.where(~usable & np.isfinite(error) & (distance > ROUNDING), np.inf, t)
    return np.asarray(np.clip(2.0 * stats.t.sf(t, confirming.df), np.finfo(float).tiny, 1.0))


@dataclass(frozen=True)
class Confirmed:
    """What the confirming images say of everything that was selected of one kind."""

    q_value: FloatArray
    """[selected] Benjamini-Hochberg."""
    passed: NDArray[np.bool_]
    """[selected] Whether it is at most alpha."""
    level: float
    """1 minus the coverage of intervals that hold after selection."""


def confirm(p_values: ArrayLike, alpha: float) -> Confirmed:
    """Correct the tests of what was selected.

    Benjamini and Hochberg (1995) keep the expected share of false ones among the confirmed at alpha, if the
    tests are independent or depend positively. Intervals at 1 - R alpha / m, for R confirmed of m, keep the
    expected share of intervals that miss at alpha (Benjamini and Yekutieli 2005).

    Args:
        p_values: [selected], in (0, 1].
        alpha: Largest tolerated share, 0 to 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    q = np.asarray(false_discovery_control(p, method="bh"), dtype=np.float64) if len(p) else p
    passed = np.asarray(q <= alpha)
    return Confirmed(q, passed, alpha * max(1, int(passed.sum())) / max(1, len(p)))


def same_side(first: FloatArray, second: FloatArray) -> NDArray[np.bool_]:
    """Whether two effects have one sign: what is confirmed in the other direction is not confirmed."""
    return np.asarray(np.sign(first) == np.sign(second))


def by_lot(labels: IntArray, clusters: IntArray, *, rng: np.random.Generator) -> IntArray:
    """[images] Labels dealt anew, each image keeping its cluster.

    Images of one cluster and label are dealt together, like crops of one photo. Clusters of one label get
    those of each other. In a cluster of several labels these change places. Every label keeps its number of
    clusters.
    """
    units, member = np.unique(np.stack([clusters, labels], axis=1), axis=0, return_inverse=True)
    cluster, label = units.T
    _, which, size = np.unique(cluster, return_inverse=True, return_counts=True)
    dealt = label[np.lexsort((rng.random(len(label)), which))]
    alone = size[which.ravel()] == 1
    dealt[alone] = rng.permutation(label[alone])
    return np.asarray(dealt[member.ravel()])
