"""Selected on one part, confirmed on the other: against slow loops, and by how often it errs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditor.errors import InputError
from auditor.statistics.effects import Errors
from auditor.statistics.selection import (
    LEAST_ERRORS,
    SCREENING,
    beyond_margin_p,
    by_lot,
    confirm,
    divide,
    same_side,
    select,
)

quick = settings(max_examples=60, deadline=None)
images = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 9), st.floats(0, 1)), min_size=1, max_size=40)
MARGIN, ALPHA = 0.1, 0.05


def errors(effect: object, error: object, df: object = 20.0) -> Errors:
    values = np.atleast_2d(np.asarray(effect, dtype=np.float64))
    return Errors(
        values,
        np.broadcast_to(np.asarray(error, dtype=np.float64), values.shape).copy(),
        np.broadcast_to(np.asarray(df, dtype=np.float64), values.shape[1:]).copy(),
    )


# --- divide ---


def slow_divide(strata: list[int], clusters: list[int], scores: list[float]) -> list[bool]:
    first: dict[int, int] = {}
    for i, cluster in enumerate(clusters):
        first.setdefault(cluster, i)
    screening: set[int] = set()
    for stratum in set(strata):
        own = sorted(c for c in first if strata[first[c]] == stratum)
        count = max(1, round(len(own) / 3)) if len(own) > 1 else 0
        screening |= set(sorted(own, key=lambda c: scores[first[c]])[:count])
    return [cluster in screening for cluster in clusters]


@quick
@given(images)
def test_divide_is_what_loops_say(found: list[tuple[int, int, float]]) -> None:
    strata, clusters, scores = map(list, zip(*found, strict=True))
    assert divide(strata, clusters, scores).tolist() == slow_divide(strata, clusters, scores)


@quick
@given(images)
def test_no_cluster_lies_in_both_parts(found: list[tuple[int, int, float]]) -> None:
    strata, clusters, scores = map(np.array, zip(*found, strict=True))
    screens = divide(strata, clusters, scores)
    assert not set(clusters[screens]) & set(clusters[~screens])


def test_every_concept_gives_a_third_of_its_clusters() -> None:
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 1, 2, 3], [60, 30, 2, 1])
    screens = divide(strata, np.arange(len(strata)), rng.random(len(strata)))
    assert [int(screens[strata == k].sum()) for k in range(4)] == [20, 10, 1, 0]
    assert pytest.approx(1 / 3) == SCREENING


def test_one_more_image_moves_few_of_the_others() -> None:
    rng = np.random.default_rng(1)
    strata, scores = np.repeat([0, 1], 60), rng.random(120)
    before = divide(strata, np.arange(120), scores)
    for number in (0.0, 0.5, 1.0):
        after = divide(np.append(strata, 0), np.arange(121), np.append(scores, number))[:-1]
        assert (before != after).sum() <= 1


def test_divide_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"strata \(2,\), clusters \(3,\)"):
        divide([0, 1], [0, 1, 2], [0.1, 0.2])


# --- select, test, correct ---


def test_selected_lies_half_a_standard_error_beyond_the_margin() -> None:
    assert LEAST_ERRORS == 0.5
    found = select(errors([0.1999, 0.2001, -0.2001, -0.1999, 0.5, 0.5], [0.2] * 4 + [np.nan, np.inf]), MARGIN)
    assert found[0].tolist() == [False, True, True, False, False, False]


@quick
@given(st.floats(-1, 1), st.floats(0.001, 0.5), st.integers(1, 60), st.floats(0, 0.3))
def test_p_value_is_students_against_the_margin(effect: float, error: float, df: int, margin: float) -> None:
    p = float(beyond_margin_p(errors([effect], [error], df), margin)[0, 0])
    assert p == pytest.approx(min(1.0, 2.0 * stats.t.sf((abs(effect) - margin) / error, df)), rel=1e-9)


def test_p_value_at_margin_zero_is_that_of_a_t_test() -> None:
    values = np.random.default_rng(2).normal(0.3, 1, 25)
    error = values.std(ddof=1) / math.sqrt(25)
    p = beyond_margin_p(errors([values.mean()], [error], 24), 0.0)[0, 0]
    assert p == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue, rel=1e-9)


def test_no_error_and_no_number_confirm_nothing_that_is_not_there() -> None:
    p = beyond_margin_p(errors([0.05, 0.1, 0.2, -0.2, 0.2], [0.0, 0.0, 0.0, 0.0, np.nan]), MARGIN)[0]
    assert p[[0, 1, 4]].tolist() == [1.0, 1.0, 1.0]
    assert (p[[2, 3]] > 0).all()
    assert (p[[2, 3]] < 1e-12).all()


@quick
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=30), st.sampled_from([0.01, 0.05, 0.2]))
def test_confirm_is_benjamini_hochberg_and_the_level_of_benjamini_yekutieli(
    p: list[float], alpha: float
) -> None:
    found = confirm(p, alpha)
    order = sorted(range(len(p)), key=lambda i: p[i])
    expected, least = [0.0] * len(p), 1.0
    for rank in range(len(p), 0, -1):
        i = order[rank - 1]
        least = min(least, p[i] * len(p) / rank)
        expected[i] = least
    np.testing.assert_allclose(found.q_value, expected, rtol=1e-12)
    rejected = sum(q <= alpha for q in found.q_value)
    assert found.level == pytest.approx(alpha * max(1, rejected) / len(p))


def test_nothing_selected_is_corrected_to_nothing() -> None:
    found = confirm([], ALPHA)
    assert (len(found.q_value), found.level) == (0, ALPHA)


def test_zero_is_on_neither_side() -> None:
    signs = np.array([1.0, -1.0, 1.0, 0.0])
    assert same_side(signs, np.array([2.0, -0.1, -1.0, 1.0])).tolist() == [True, True, False, False]


# --- by lot ---


def clusters_of_each(labels: np.ndarray, clusters: np.ndarray) -> dict[int, int]:
    return {int(label): len(set(clusters[labels == label])) for label in np.unique(labels)}


@quick
@given(images, st.integers(0, 5))
def test_every_label_keeps_its_number_of_clusters(found: list[tuple[int, int, float]], seed: int) -> None:
    labels, clusters, _ = map(np.array, zip(*found, strict=True))
    dealt = by_lot(labels, clusters, rng=np.random.default_rng(seed))
    assert clusters_of_each(dealt, clusters) == clusters_of_each(labels, clusters)
    for cluster in set(clusters):
        own = clusters == cluster
        for label in set(labels[own]):  # crops of one photo that carry one label are dealt together
            assert len(set(dealt[own & (labels == label)])) == 1


def test_every_image_can_get_every_label() -> None:
    rng = np.random.default_rng(3)
    labels, clusters = np.repeat([0, 1, 2], 4), np.arange(12)
    seen = np.array([by_lot(labels, clusters, rng=rng) for _ in range(300)])
    for label in range(3):
        assert np.abs((seen == label).mean(axis=0) - 1 / 3).max() < 0.12
    photos = np.tile(np.arange(4), 3)  # every photo in every concept
    seen = np.array([by_lot(labels, photos, rng=rng) for _ in range(300)])
    for label in range(3):
        assert np.abs((seen == label).mean(axis=0) - 1 / 3).max() < 0.12


# --- how often it errs ---

ROWS, UNITS = 300, (20, 40)


def drawn(truth: np.ndarray, units: int, rng: np.random.Generator) -> Errors:
    """Means of so many skewed values around the truth, with their standard errors."""
    values = truth[:, None] + 0.25 * (rng.exponential(size=(len(truth), units)) - 1.0)
    return errors(values.mean(axis=1)[None], values.std(axis=1, ddof=1)[None] / math.sqrt(units), units - 1)


def scan(truth: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which rows were selected and confirmed, and the ends of the intervals of the selected."""
    screening, confirming = (drawn(truth, units, rng) for units in UNITS)
    selected = np.flatnonzero(select(screening, MARGIN)[0])
    p = beyond_margin_p(confirming, MARGIN)[0, selected]
    p = np.where(same_side(screening.effect[0, selected], confirming.effect[0, selected]), p, 1.0)
    found = confirm(p, ALPHA)
    ends = np.array([end[0, selected] for end in confirming.interval(found.level)])
    return selected, found.q_value <= ALPHA, ends


def most(share: float, draws: int) -> int:
    """Largest count that chance explains, once in a thousand."""
    return int(stats.binom.ppf(0.999, draws, share))


@pytest.mark.parametrize("truth", [0.0, MARGIN])
def test_where_nothing_lies_beyond_the_margin_a_scan_seldom_confirms_anything(truth: float) -> None:
    rng = np.random.default_rng(4)
    draws = 200
    claimed = sum(scan(np.full(ROWS, truth), rng)[1].any() for _ in range(draws))
    assert claimed <= most(ALPHA, draws)


def test_false_ones_among_the_confirmed_and_intervals_that_miss_are_few() -> None:
    rng = np.random.default_rng(5)
    truth = np.zeros(ROWS)
    truth[:20], truth[20:40], truth[40:90] = 0.4, 0.2, MARGIN
    false, missed, power = [], [], []
    for _ in range(100):
        selected, confirmed, ends = scan(truth, rng)
        own = truth[selected]
        false.append((confirmed & (own <= MARGIN)).sum() / max(1, confirmed.sum()))
        outside = confirmed & ((own < ends[0]) | (own > ends[1]))
        missed.append(outside.sum() / max(1, confirmed.sum()))
        power.append(confirmed[own == 0.4].sum() / 20)
        # What is confirmed is what the interval puts beyond the margin, and nothing else.
        beyond = (ends[0] > MARGIN) | (ends[1] < -MARGIN)
        assert np.array_equal(confirmed, beyond & (np.sign(ends.mean(axis=0)) > 0))
    assert np.mean(false) <= ALPHA
    assert np.mean(missed) <= ALPHA
    assert np.mean(power) > 0.9
