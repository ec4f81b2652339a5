"""How much a score owes to the very occluder that was learned: the variance between refits.

A few refits say little about their own variance, and two degrees of freedom make any corrected test
powerless. So concepts of one bank lend each other strength: Smyth's moderated variance (Linear
models and empirical Bayes methods, Stat. Appl. Genet. Mol. Biol. 3, 2004), around a trend, because
large effects vary more between refits than small ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import nnls
from scipy.special import digamma, polygamma

from auditor.statistics.arrays import FloatArray

POOL_AT_LEAST = 6
"""Fewer variances than this say too little about each other to be pooled."""


@dataclass(frozen=True)
class RefitVariance:
    """Variance of the mean over refits, for each effect; 0 where there was a single refit."""

    of_mean: FloatArray
    """[effects] In squared units of the effect."""
    df: FloatArray
    """[effects] Degrees of freedom; infinite where there was a single refit."""
    null_of_mean: FloatArray
    """[effects] The same if the effect were 0, for tests of that."""
    null_df: FloatArray
    """[effects] Degrees of freedom of that."""


@dataclass(frozen=True)
class _Trend:
    """Variance between refits as v₀ + v₁ · effect²."""

    fitted: FloatArray  # [effects]
    leverage: FloatArray  # [effects] share of an effect's own variance in its fitted one
    at_zero: float
    leverage_at_zero: float


def refit_variance(
    effects: FloatArray, *, overlap: float = 0.0, borrowed: FloatArray | None = None
) -> RefitVariance:
    """Variance that refits add to mean effects.

    Each variance is shrunk towards what the others suggest (Smyth 2004, section 6.2); with fewer
    than ``POOL_AT_LEAST`` positive ones it is taken as it is.

    Args:
        effects: [refits, effects] Each effect under each refit.
        overlap: Share of its learning images that a refit has in common with another, 0 to below 1.
            Refits on overlapping images agree more than fresh ones would; Nadeau and Bengio (2003)
            replace 1/R by 1/R + overlap/(1 - overlap).
        borrowed: [refits, others] Effects of the same kind, for other classes or concepts under as many
            refits of theirs, that lend strength.
    """
    refits, count = effects.shape
    if refits < 2:
        zero, known = np.zeros(count), np.full(count, np.inf)
        return RefitVariance(zero, known, zero, known)
    everyone = effects if borrowed is None else np.concatenate([effects, borrowed], axis=1)
    variances = everyone.var(axis=0, ddof=1)
    factor = 1.0 / refits + overlap / (1.0 - overlap)
    df = refits - 1.0
    positive = variances > 0.0
    if positive.sum() < POOL_AT_LEAST:
        own, own_df = factor * variances[:count], np.full(count, df)
        return RefitVariance(own, own_df, own, own_df)
    trend = _fit_trend(variances, everyone.mean(axis=0) ** 2)
    ratios = variances / trend.fitted
    typical, prior_df = _prior(ratios[positive], df)
    moderated = _weighted(typical, prior_df, ratios, df)
    # Never more degrees of freedom than the variances behind the trend can know at that place.
    own_df = np.clip(df / trend.leverage, df, prior_df + df)
    null_df = np.full(len(variances), np.clip(df / trend.leverage_at_zero, df, prior_df + df))
    return RefitVariance(
        of_mean=(factor * trend.fitted * moderated)[:count],
        df=own_df[:count],
        null_of_mean=(factor * trend.at_zero * moderated)[:count],
        null_df=null_df[:count],
    )


def noise_draws(of_mean: FloatArray, df: FloatArray, draws: int, rng: np.random.Generator) -> FloatArray:
    """[draws, effects] What refits may have added: Student's t quantiles, evenly spaced, shuffled."""
    levels = (np.arange(draws) + 0.5) / draws
    quantiles = {d: stats.norm.ppf(levels) if np.isinf(d) else stats.t.ppf(levels, d) for d in set(df)}
    columns = [np.sqrt(v) * rng.permutation(quantiles[d]) for v, d in zip(of_mean, df, strict=True)]
    return np.stack(columns, axis=1)


def _prior(ratios: FloatArray, df: float) -> tuple[float, float]:
    """Typical ratio of variance to trend, and the degrees of freedom it is worth.

    Infinite where the variances scatter around the trend no more than ``df`` would make them.
    """
    logs = np.log(ratios) - digamma(df / 2.0) + np.log(df / 2.0)
    excess = float(logs.var(ddof=1) - polygamma(1, df / 2.0))
    if excess <= 0.0:
        return 1.0, float("inf")
    prior_df = 2.0 * _inverse_trigamma(excess)
    return float(np.exp(logs.mean() + digamma(prior_df / 2.0) - np.log(prior_df / 2.0))), prior_df


def _weighted(typical: float, prior_df: float, ratios: FloatArray, df: float) -> FloatArray:
    if np.isinf(prior_df):
        return np.full_like(ratios, typical)
    return (prior_df * typical + df * ratios) / (prior_df + df)


def _fit_trend(variances: FloatArray, squared_effects: FloatArray) -> _Trend:
    """Weighted least squares with coefficients of 0 or more; every variance counts alike (gamma errors)."""
    basis = np.stack([np.ones_like(squared_effects), squared_effects], axis=1)
    # An effect of 0 still varies between refits; chance must not make it look as if it did not.
    floor = 0.1 * float(np.median(variances[variances > 0.0]))
    fitted = np.full(len(variances), variances.mean())
    coefficients = np.array([variances.mean(), 0.0])
    for _ in range(20):
        coefficients = nnls(basis / fitted[:, None], variances / fitted)[0]
        updated = np.maximum(basis @ coefficients, floor)
        settled = np.allclose(updated, fitted, rtol=1e-4)
        fitted = updated
        if settled:
            break
    weighted = basis / fitted[:, None]
    at_zero = max(float(coefficients[0]), floor)
    zero = np.array([1.0, 0.0]) / at_zero
    inverse = np.linalg.pinv(weighted.T @ weighted)
    return _Trend(
        fitted=fitted,
        leverage=np.maximum(np.einsum("ij,jk,ik->i", weighted, inverse, weighted), 1e-12),
        at_zero=at_zero,
        leverage_at_zero=max(float(zero @ inverse @ zero), 1e-12),
    )


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
