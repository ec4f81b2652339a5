"""How well estimates agree with causal effects, each figure with its uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]

RELEVANT = 0.1
"""A causal effect on the probability of this size or more counts as one."""
STRONG = 0.2
"""Size that a test should practically always find."""
NONE = 0.02
"""Size below which claiming an effect is a false positive."""


@dataclass(frozen=True)
class Pairs:
    """Class-concept pairs of several models under one estimator."""

    truth: FloatArray
    """[pairs] causal change of the class's probability."""
    effect: FloatArray
    """[pairs] estimate, in the estimator's own unit."""
    low: FloatArray
    """[pairs] end of the 95% interval; nan where the estimator gives none."""
    high: FloatArray
    p_value: FloatArray
    """[pairs]; nan where the estimator gives none."""
    cluster: NDArray[np.int64]
    """[pairs] pairs of the same model and concept share images, so they are resampled together."""

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> Pairs:
        """The chosen pairs."""
        return Pairs(**{name: value[index] for name, value in vars(self).items()})


@dataclass(frozen=True)
class Figure:
    """A number with its 95% interval and what it was computed on."""

    value: float
    low: float
    high: float
    n: int


def spearman(pairs: Pairs) -> float:
    """Rank correlation of estimate and causal effect."""
    if np.ptp(pairs.effect) == 0:
        return 0.0
    return float(stats.spearmanr(pairs.effect, pairs.truth).statistic)


def average_precision(pairs: Pairs) -> float:
    """Area under the precision-recall curve: size of the estimate against "causal effect above 0.1"."""
    positive = np.abs(pairs.truth) > RELEVANT
    if not positive.any():
        return float("nan")
    order = np.argsort(-np.abs(pairs.effect), kind="stable")
    hits = positive[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def sign_errors(pairs: Pairs) -> float:
    """Share of relevant pairs whose estimate has the wrong sign (or none)."""
    relevant = np.abs(pairs.truth) > RELEVANT
    return _share((np.sign(pairs.effect) != np.sign(pairs.truth))[relevant])


def confident_sign_errors(pairs: Pairs) -> float:
    """The same share, counted only where p < 0.05 as well: a wrong claim."""
    relevant = np.abs(pairs.truth) > RELEVANT
    return _share(((np.sign(pairs.effect) != np.sign(pairs.truth)) & (pairs.p_value < 0.05))[relevant])


def power(alpha: float) -> Callable[[Pairs], float]:
    """Share of strong effects found with the right sign."""

    def share(pairs: Pairs) -> float:
        strong = np.abs(pairs.truth) > STRONG
        found = (pairs.p_value < alpha) & (np.sign(pairs.effect) == np.sign(pairs.truth))
        return float("nan") if np.isnan(pairs.p_value).all() else _share(found[strong])

    return share


def false_positives(alpha: float) -> Callable[[Pairs], float]:
    """Share of pairs without effect that are claimed to have one."""

    def share(pairs: Pairs) -> float:
        none = np.abs(pairs.truth) < NONE
        return float("nan") if np.isnan(pairs.p_value).all() else _share((pairs.p_value < alpha)[none])

    return share


FIGURES: dict[str, Callable[[Pairs], float]] = {
    "Spearman": spearman,
    "AUPRC": average_precision,
    "sign errors": sign_errors,
    "confident sign errors": confident_sign_errors,
    "power 0.05": power(0.05),
    "power 0.01": power(0.01),
    "FPR 0.05": false_positives(0.05),
    "FPR 0.01": false_positives(0.01),
}
"""Name to figure; shares in [0, 1]."""


def summarise(pairs: Pairs, *, draws: int, rng: np.random.Generator) -> dict[str, Figure]:
    """Every figure with a 95% percentile interval from resampling clusters."""
    clusters = [np.flatnonzero(pairs.cluster == c) for c in np.unique(pairs.cluster)]
    resamples = [
        pairs.take(np.concatenate([clusters[i] for i in rng.integers(0, len(clusters), len(clusters))]))
        for _ in range(draws)
    ]
    figures = {}
    for name, figure in FIGURES.items():
        drawn = np.array([figure(sample) for sample in resamples])
        drawn = drawn[~np.isnan(drawn)]
        low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
        figures[name] = Figure(figure(pairs), float(low), float(high), _base(name, pairs))
    return figures


def _base(name: str, pairs: Pairs) -> int:
    size = np.abs(pairs.truth)
    if "sign" in name:
        return int((size > RELEVANT).sum())
    if name.startswith("power"):
        return int((size > STRONG).sum())
    if name.startswith("FPR"):
        return int((size < NONE).sum())
    return len(size)


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else float("nan")
