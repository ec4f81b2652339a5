"""Whether features tell two groups of pictures apart: a cross-validated linear probe and its AUC.

A contrast compares what a model answers to two groups. If the model's own features do not tell the groups
apart, the contrast is about something else. A probe that does is necessary, not sufficient: it may rest on
any difference between the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, IntArray

FOLDS = 10
DRAWS = 999
"""Draws of labels by lot that the AUC is compared with."""
FEWEST_UNITS = 10
"""Fewest independent units of a group from which a probe is learned and tested."""


@dataclass(frozen=True)
class ToldApart:
    """How well a probe on features tells two groups apart, on units that it was not learned on."""

    auc: float
    """Chance that a unit of the first group scores above one of the second; 0.5: no better than by lot."""
    low: float
    """Lower end of the interval at 1 - alpha, for the scores as they are."""
    high: float
    p_value: float
    """Share of labellings drawn by lot with an AUC as large, the given one among them."""


def tell_apart(
    features: ArrayLike, more: IntArray, less: IntArray, *, alpha: float, rng: np.random.Generator
) -> ToldApart:
    """Learn a ridge probe on nine tenths of the units and score the last, for each tenth.

    Images of a unit count once, by their mean. A matched pair lies in one fold. The interval is that of
    DeLong, DeLong and Clarke-Pearson (1988), for pairs that of Obuchowski (1997). Both take scores as given;
    here they come from probes that share data, so the interval is too short near one half. Therefore a test
    decides: labels are drawn by lot, the probes learned anew, and the AUC must be among the largest.

    Args:
        features: [images, features] The model's last features; finite.
        more: [images] Unit of every image of the first group, -1 for others. Where a unit lies in both
            groups, units are matched pairs.
        less: The same for the second group.
        alpha: 1 minus the coverage of the interval.
        rng: Deals units to folds, and labels by lot.

    Raises:
        InputError: Fewer than :data:`FEWEST_UNITS` units of a group, or features that are not finite.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or len(x) != len(more) or not np.isfinite(x).all():
        raise InputError(f"probe: features of shape {x.shape}, need finite [{len(more)} images, features]")
    sides = [_unit_means(x, side) for side in (more, less)]
    fewest = min(len(units) for units, _ in sides)
    if fewest < FEWEST_UNITS:
        raise InputError(f"probe: {fewest} independent units of a group, need {FEWEST_UNITS}")
    units = np.concatenate([numbers for numbers, _ in sides])
    first = np.repeat([True, False], [len(numbers) for numbers, _ in sides])
    fold = _folds(units, first, rng)
    labels = np.column_stack([first, *(_by_lot(units, first, fold, rng) for _ in range(DRAWS))])
    scores = _held_out_scores(np.vstack([rows for _, rows in sides]), labels, fold)
    auc, variance = _auc(scores[:, 0], first, units)
    drawn = [_share_below(scores[dealt, k], scores[~dealt, k]).mean() for k, dealt in enumerate(labels.T)]
    low, high = _interval(auc, variance, fewest=fewest, alpha=alpha)
    # The given labels are the first: they count as one of the draws.
    return ToldApart(auc, low, high, float(np.mean(np.array(drawn) >= auc - 1e-12)))


def _unit_means(x: FloatArray, unit: IntArray) -> tuple[IntArray, FloatArray]:
    """Numbers of the units [units], and the mean features of each [units, features]."""
    own = np.flatnonzero(unit >= 0)
    numbers, place = np.unique(unit[own], return_inverse=True)
    total = np.zeros((len(numbers), x.shape[1]))
    np.add.at(total, place, x[own])
    return numbers.astype(np.int64), total / np.bincount(place)[:, None]


def _folds(units: IntArray, first: NDArray[np.bool_], rng: np.random.Generator) -> IntArray:
    """[rows] Fold of every row: units that both groups share have one, and groups are spread evenly."""
    shared = np.intersect1d(units[first], units[~first])
    fold = np.empty(len(units), dtype=np.int64)
    of_shared = rng.permutation(len(shared)) % FOLDS
    for side in (True, False):
        rows = np.flatnonzero(first == side)
        both = np.isin(units[rows], shared)
        fold[rows[~both]] = rng.permutation(int((~both).sum())) % FOLDS
        fold[rows[both]] = of_shared[np.searchsorted(shared, units[rows[both]])]
    return fold


def _by_lot(
    units: IntArray, first: NDArray[np.bool_], fold: IntArray, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """[rows] Groups drawn by lot: swapped within pairs, and dealt anew to the other units of each fold."""
    dealt = first.copy()
    shared = np.intersect1d(units[first], units[~first])
    paired = np.isin(units, shared)
    swapped = rng.random(len(shared)) < 0.5
    dealt[paired] ^= swapped[np.searchsorted(shared, units[paired])]
    for number in np.unique(fold[~paired]):
        rows = np.flatnonzero(~paired & (fold == number))
        dealt[rows] = first[rng.permutation(rows)]
    return dealt


def _held_out_scores(x: FloatArray, labels: NDArray[np.bool_], fold: IntArray) -> FloatArray:
    """[rows, labellings] Score of every row by the probe learned on the other folds, for each labelling.

    Ridge regression of the group on standardised features. The penalty is the mean squared length of a row.
    The target is the group, less its share.
    """
    scores = np.zeros(labels.shape)
    for held in np.unique(fold):
        out = fold == held
        own, target = x[~out], labels[~out] - labels[~out].mean(axis=0)
        spread = own.std(axis=0)
        used = spread > 1e-9 * max(1.0, float(spread.max(initial=0.0)))
        if used.any():
            rows, new = ((part - own.mean(axis=0))[:, used] / spread[used] for part in (own, x[out]))
            penalty = float((rows**2).sum()) / len(rows)
            if len(rows) < rows.shape[1]:  # the dual form: the same scores, from the smaller matrix
                weights = rows.T @ np.linalg.solve(rows @ rows.T + penalty * np.eye(len(rows)), target)
            else:
                square = rows.T @ rows + penalty * np.eye(rows.shape[1])
                weights = np.linalg.solve(square, rows.T @ target)
            scores[out] = new @ weights
    return scores


def _auc(scores: FloatArray, first: NDArray[np.bool_], units: IntArray) -> tuple[float, float]:
    """AUC and its variance, scores taken as given."""
    more, less = scores[first], scores[~first]
    above, below = _share_below(more, less), 1.0 - _share_below(less, more)
    auc = float(above.mean())
    # Each row's part in the AUC; the parts of a unit that lies in both groups belong together.
    part = np.empty(len(scores))
    part[first] = (above - auc) / len(more)
    part[~first] = (below - auc) / len(less)
    _, place = np.unique(units, return_inverse=True)
    parts = np.bincount(place, weights=part)
    return auc, float((parts**2).sum() * len(parts) / (len(parts) - 1))


def _share_below(values: FloatArray, others: FloatArray) -> FloatArray:
    """[values] Share of the others that lie below each value; equal ones count half."""
    ordered = np.sort(others)
    ends = [np.searchsorted(ordered, values, side=side) for side in ("left", "right")]
    return np.asarray((ends[0] + ends[1]) / (2.0 * len(others)))


def _interval(auc: float, variance: float, *, fewest: int, alpha: float) -> tuple[float, float]:
    """On the logit of the AUC, so that it stays within 0 and 1."""
    if variance < 1e-12:  # every unit on its side, or all alike: the exact limit of Clopper and Pearson
        edge = float((alpha / 2.0) ** (1.0 / fewest))
        return (edge, 1.0) if auc > 0.5 else (0.0, 1.0 - edge) if auc < 0.5 else (0.0, 1.0)
    kept = (auc * fewest + 0.5) / (fewest + 1)  # keeps the logit finite
    half = float(stats.t.ppf(1.0 - alpha / 2.0, fewest - 1)) * np.sqrt(variance) / (kept * (1.0 - kept))
    middle = np.log(kept / (1.0 - kept))
    low, high = (float(1.0 / (1.0 + np.exp(-(middle + side * half)))) for side in (-1.0, 1.0))
    return min(low, auc), max(high, auc)
