"""How much a score owes to the very occluder that was learned: the variance between refits.

A few refits say little about their own variance, and two degrees of freedom make any corrected test
powerless. So concepts of one bank lend each other strength: Smyth's moderated variance (Linear
models and empirical Bayes methods, Stat. Appl. Genet. Mol. Biol. 3, 2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import digamma, polygamma

from auditor.statistics.arrays import FloatArray

POOL_AT_LEAST = 6
"""Fewer variances than this say too little about each other to be pooled."""


@dataclass(frozen=True)
class RefitVariance:
    """Variance of the mean over refits, for each concept."""

    of_mean: FloatArray
    """[concepts] In squared units of the score; 0 where there was a single refit."""
    df: FloatArray
    """[concepts] Degrees of freedom; infinite where there was a single refit."""


def refit_variance(
    effects: FloatArray, *, overlap: float = 0.0, borrowed: FloatArray | None = None
) -> RefitVariance:
    """Variance that refits add to a mean effect.

    Args:
        effects: [refits, concepts] The effect under each refit.
        overlap: Share of its learning images that a refit has in common with another, 0 to below 1.
            Refits on overlapping images agree more than fresh ones would; Nadeau and Bengio (2003)
            replace 1/R by 1/R + overlap/(1 - overlap).
        borrowed: [others] Variances between as many refits, of effects like these, that lend strength.
    """
    refits, concepts = effects.shape
    if refits < 2:
        return RefitVariance(of_mean=np.zeros(concepts), df=np.full(concepts, np.inf))
    own = effects.var(axis=0, ddof=1)
    everyone = own if borrowed is None else np.concatenate([own, borrowed])
    variances, df = moderate(everyone, df=refits - 1)
    factor = 1.0 / refits + overlap / (1.0 - overlap)
    return RefitVariance(of_mean=factor * variances[:concepts], df=df[:concepts])


def moderate(variances: FloatArray, *, df: int) -> tuple[FloatArray, FloatArray]:
    """Shrink each variance towards what the others suggest (Smyth 2004, section 6.2).

    Args:
        variances: [concepts] Each with ``df`` degrees of freedom.
        df: 1 or more.

    Returns:
        Moderated variances [concepts] and their degrees of freedom [concepts]. With fewer than
        ``POOL_AT_LEAST`` positive variances, what came in.
    """
    unchanged = variances, np.full(len(variances), float(df))
    positive = variances > 0.0
    if positive.sum() < POOL_AT_LEAST:
        return unchanged
    logs = np.log(variances[positive]) - digamma(df / 2.0) + np.log(df / 2.0)
    excess = logs.var(ddof=1) - polygamma(1, df / 2.0)
    if excess <= 0.0:
        # No sign that the variances differ at all: one common variance.
        prior_df = np.inf
        pooled = float(variances[positive].mean())
        return np.full(len(variances), pooled), np.full(len(variances), float(df * positive.sum()))
    prior_df = 2.0 * _inverse_trigamma(float(excess))
    prior = float(np.exp(logs.mean() + digamma(prior_df / 2.0) - np.log(prior_df / 2.0)))
    moderated = (prior_df * prior + df * variances) / (prior_df + df)
    # Never more than all concepts together can know.
    total = min(prior_df + df, float(df * positive.sum()))
    return moderated, np.full(len(variances), total)


def noise_draws(variance: RefitVariance, draws: int, rng: np.random.Generator) -> FloatArray:
    """[draws, concepts] What refits may have added: Student's t quantiles, evenly spaced, shuffled."""
    levels = (np.arange(draws) + 0.5) / draws
    columns = [
        np.zeros(draws) if v == 0.0 else np.sqrt(v) * rng.permutation(_quantiles(levels, float(df)))
        for v, df in zip(variance.of_mean, variance.df, strict=True)
    ]
    return np.stack(columns, axis=1)


def _quantiles(levels: FloatArray, df: float) -> FloatArray:
    return np.asarray(stats.norm.ppf(levels) if np.isinf(df) else stats.t.ppf(levels, df), dtype=np.float64)


def _inverse_trigamma(value: float) -> float:
    """Newton's method on 1/trigamma (Smyth 2004, appendix)."""
    guess = 0.5 + 1.0 / value
    for _ in range(50):
        trigamma = float(polygamma(1, guess))
        step = trigamma * (1.0 - trigamma / value) / float(polygamma(2, guess))
        guess += step
        if abs(step) < 1e-10 * guess:
            break
    return guess
