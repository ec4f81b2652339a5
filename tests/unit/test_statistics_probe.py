"""The probe that asks whether features tell two groups apart: its AUC, its interval, its level."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from auditor.errors import InputError
from auditor.statistics import probe
from auditor.statistics.probe import DRAWS, FEWEST_UNITS, ToldApart, _auc, _held_out_scores, tell_apart

Sides = tuple[NDArray[np.int64], NDArray[np.int64]]


def sides(count: int, *, matched: bool) -> Sides:
    """Units of ``count`` images of the first group, then as many of the second."""
    own, none = np.arange(count), np.full(count, -1)
    return np.r_[own, none], np.r_[none, own if matched else own + count]


def seen(features: NDArray[np.float64], units: Sides, seed: int = 0) -> ToldApart:
    return tell_apart(features, *units, alpha=0.05, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("matched", [True, False])
def test_groups_that_differ_are_told_apart(matched: bool) -> None:
    rng = np.random.default_rng(1)
    features = rng.standard_normal((120, 40))
    features[:60, :5] += 1.5
    found = seen(features, sides(60, matched=matched))
    assert found.p_value == 1 / (DRAWS + 1)
    assert 0.8 < found.low < found.auc < found.high <= 1.0


def test_auc_is_that_of_two_normal_distributions() -> None:
    """Oracle: with one feature the probe is that feature; its AUC is Phi(d / sqrt(2))."""
    rng = np.random.default_rng(12)
    features = rng.standard_normal((1000, 1))
    features[:500] += 0.8
    found = seen(features, sides(500, matched=False))
    own = stats.mannwhitneyu(features[:500, 0], features[500:, 0]).statistic / 500**2
    assert found.auc == pytest.approx(own, abs=0.005)
    truth = stats.norm.cdf(0.8 / np.sqrt(2.0))
    assert found.low < truth < found.high
    # DeLong's error at this size, by Hanley and McNeil's formula.
    q1, q2 = truth / (2 - truth), 2 * truth**2 / (1 + truth)
    error = np.sqrt((truth * (1 - truth) + 499 * (q1 - truth**2) + 499 * (q2 - truth**2)) / 500**2)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(error, rel=0.15)


def test_auc_comes_from_below_to_that_of_the_best_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: Phi(d / sqrt(2)), d the distance of Mahalanobis. Features hang together, so that the best
    direction is neither a feature nor the difference of the means."""
    monkeypatch.setattr(probe, "DRAWS", 19)
    covariance = 0.5 * np.eye(6) + 0.5
    shift = np.array([1.0, -0.5, 0.0, 0.0, 0.0, 0.0])
    best = stats.norm.cdf(np.sqrt(shift @ np.linalg.solve(covariance, shift) / 2.0))
    single = stats.norm.cdf(shift.max() / np.sqrt(2.0))
    means, errors = {}, {}
    for count in (20, 500):
        found = []
        for draw in range(20):
            rng = np.random.default_rng([1, draw])
            features = rng.multivariate_normal(np.zeros(6), covariance, 2 * count)
            features[:count] += shift
            found.append(seen(features, sides(count, matched=False), draw))
        assert count == 20 or all(one.p_value == 1 / 20 for one in found)
        means[count] = np.mean([one.auc for one in found])
        errors[count] = np.std([one.auc for one in found], ddof=1) / np.sqrt(len(found))
    assert single < means[20] < best
    assert best - 0.01 < means[500] < best + 2 * errors[500]


def test_auc_and_variance_by_loops() -> None:
    """Oracle: every pair of images compared, ties as one half; DeLong's variance by its definition."""
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 8, 25).astype(np.float64)
    first = np.arange(25) < 11
    above = np.array(
        [[1.0 if a > b else 0.5 if a == b else 0.0 for b in scores[~first]] for a in scores[first]]
    )
    auc, variance = _auc(scores, first, np.arange(25))
    assert auc == pytest.approx(above.mean())
    parts = np.r_[(above.mean(axis=1) - auc) / 11, (above.mean(axis=0) - auc) / 14]
    assert variance == pytest.approx((parts**2).sum() * 25 / 24)


def test_both_forms_of_the_ridge_give_the_same_scores() -> None:
    """More features than images take the dual form; padding with copies of nothing must not change it."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((30, 26))
    labels = (np.arange(30) < 15)[:, None]
    fold = np.arange(30) % 10
    scores = _held_out_scores(x, labels, fold)[:, 0]
    expected = np.empty(30)
    for k in range(10):
        out = fold == k
        own = x[~out]
        z = (own - own.mean(axis=0)) / own.std(axis=0)
        penalty = (z**2).sum() / len(z)
        y = labels[~out, 0] - labels[~out, 0].mean()
        beta = np.linalg.inv(z.T @ z + penalty * np.eye(26)) @ z.T @ y
        expected[out] = (x[out] - own.mean(axis=0)) / own.std(axis=0) @ beta
    np.testing.assert_allclose(scores, expected, atol=1e-10)
    narrow = _held_out_scores(np.column_stack([x, np.full(30, 7.0)]), labels, fold)[:, 0]
    np.testing.assert_allclose(narrow, scores, atol=1e-10)


@pytest.mark.parametrize(("count", "matched"), [(30, False), (36, True)])
def test_groups_drawn_by_lot_have_every_p_value_alike(
    monkeypatch: pytest.MonkeyPatch, count: int, matched: bool
) -> None:
    """Features share a few directions, as a network's do: scores of folds then hang together."""
    monkeypatch.setattr(probe, "DRAWS", 99)  # p-values are hundredths
    rng = np.random.default_rng(5)
    found = []
    for draw in range(200):
        shared = rng.standard_normal((10, 60))
        features = rng.standard_normal((2 * count, 10)) @ shared + rng.standard_normal((2 * count, 60))
        found.append(seen(features, sides(count, matched=matched), draw).p_value)
    for level in (0.05, 0.5):
        fewest, most = stats.binom.interval(0.99, len(found), level)
        assert fewest <= np.sum(np.array(found) <= level + 1e-9) <= most, level


@pytest.mark.parametrize("matched", [True, False])
def test_what_differs_from_unit_to_unit_tells_no_groups_apart(
    monkeypatch: pytest.MonkeyPatch, matched: bool
) -> None:
    """Four images of each unit are nearly alike; images that counted alone would be known again."""
    monkeypatch.setattr(probe, "DRAWS", 99)
    units = tuple(np.repeat(side, 4) for side in sides(15, matched=matched))
    more, less = units
    alone = tuple(np.where(side >= 0, np.arange(len(side)), -1) for side in units)
    passed = {"units": 0, "images": 0}
    for draw in range(60):
        rng = np.random.default_rng([9, draw])
        centre = rng.standard_normal((30, 8))
        features = centre[np.maximum(more, less)] + 0.3 * rng.standard_normal((len(more), 8))
        passed["units"] += seen(features, (more, less), draw).p_value <= 0.05
        passed["images"] += seen(features, (alone[0], alone[1]), draw).p_value <= 0.05
    assert passed["units"] <= stats.binom.ppf(0.99, 60, 0.05)
    # Where both groups have the same units, these tell nothing of the group even so.
    assert matched or passed["images"] > 40


def test_copies_of_an_image_add_nothing() -> None:
    """However many there are of each."""
    rng = np.random.default_rng(6)
    features = rng.standard_normal((60, 20))
    features[:30, 0] += 1.0
    features += 2.0
    units = sides(30, matched=True)
    once = seen(features, units)
    copies = 1 + np.arange(60) % 3
    again = seen(
        np.repeat(features, copies, axis=0), (np.repeat(units[0], copies), np.repeat(units[1], copies))
    )
    assert list(vars(again).values()) == pytest.approx(list(vars(once).values()))


def test_perfect_scores_keep_an_interval() -> None:
    features = np.r_[np.ones((12, 3)), -np.ones((12, 3))] + np.random.default_rng(7).normal(0, 0.01, (24, 3))
    found = seen(features, sides(12, matched=True))
    assert found.auc == 1.0
    assert 0.5 < found.low < 0.95
    assert found.p_value < 0.05


def test_features_that_never_differ_tell_nothing() -> None:
    found = seen(np.ones((40, 5)), sides(20, matched=True))
    assert found.auc == 0.5
    assert found.p_value == 1.0


def test_too_few_units_and_bad_features_are_refused() -> None:
    few = FEWEST_UNITS - 1
    with pytest.raises(InputError, match=r"9 independent units of a group, need 10"):
        seen(np.zeros((2 * few, 3)), sides(few, matched=True))
    with pytest.raises(InputError, match="need finite"):
        seen(np.full((40, 3), np.nan), sides(20, matched=True))
