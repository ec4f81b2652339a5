from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, norm

from auditor.errors import InputError
from auditor.statistics.multiplicity import (
    benjamini_yekutieli,
    check_permutations,
    holm,
    permutations_needed,
    smallest_p,
)
from tests.oracles import statistics_loops as slow

p_lists = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=20)
tied = st.lists(st.sampled_from([0.001, 0.01, 0.02, 0.05, 0.4, 1.0]), min_size=1, max_size=12)


@given(p_lists | tied)
def test_corrections_are_those_of_the_loops_and_of_scipy(p):
    np.testing.assert_allclose(holm(p), slow.holm(p))
    np.testing.assert_allclose(benjamini_yekutieli(p), slow.benjamini_yekutieli(p))
    np.testing.assert_allclose(benjamini_yekutieli(p), false_discovery_control(p, method="by"))


@given(p_lists | tied, st.floats(0.001, 0.999))
def test_holm_rejects_what_stepping_down_rejects(p, alpha):
    """The definition: the smallest p is held against alpha / m, the next against alpha / (m - 1), until one
    does not pass."""
    rejected = [False] * len(p)
    for step, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[i] * (len(p) - step) > alpha:
            break
        rejected[i] = True
    assert (holm(p) <= alpha).tolist() == rejected


@given(p_lists | tied)
def test_corrections_keep_the_order_and_never_help(p):
    order = np.argsort(p, kind="stable")
    for correct in (holm, benjamini_yekutieli):
        corrected = correct(p)
        assert (np.diff(corrected[order]) >= 0).all()
        assert (corrected >= np.asarray(p) - 1e-12).all()
        assert (corrected <= 1).all()
    assert (holm(p) <= np.minimum(1, np.array(p) * len(p)) + 1e-12).all()  # never worse than Bonferroni


@given(tied, st.randoms())
def test_the_order_of_tests_does_not_matter(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    for correct in (holm, benjamini_yekutieli):
        np.testing.assert_allclose(correct([p[i] for i in order]), correct(p)[order])


def test_corrections_by_hand():
    # 0.01 x 3, 0.02 x 2, 0.04 x 1 but never below the one before.
    np.testing.assert_allclose(holm([0.04, 0.01, 0.02]), [0.04, 0.03, 0.04])
    # Times 1 + 1/2 + 1/3: 0.01 x 3 / 1, 0.02 x 3 / 2, 0.04 x 3 / 3, each no larger than the next.
    np.testing.assert_allclose(benjamini_yekutieli([0.04, 0.01, 0.02]), np.array([0.04, 0.03, 0.03]) * 11 / 6)


def test_holm_holds_the_family_under_any_dependence():
    """Eight true nulls, alike or apart: any false claim in at most 5% of 2,000 families."""
    rng = np.random.default_rng(0)
    for shared in (0.0, 0.9):
        noise = rng.normal(size=(2000, 8)) * np.sqrt(1 - shared) + rng.normal(size=(2000, 1)) * np.sqrt(
            shared
        )
        p = 2 * norm.sf(np.abs(noise))
        any_claim = [bool((holm(row) <= 0.05).any()) for row in p]
        assert np.mean(any_claim) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
        assert (p <= 0.05).any(axis=1).mean() > 0.08  # uncorrected they would be too many


def test_a_family_of_one_stays_as_it_is():
    assert holm([0.03]) == benjamini_yekutieli([0.03]) == 0.03


@pytest.mark.parametrize("correct", [holm, benjamini_yekutieli])
@pytest.mark.parametrize("p", [[0.0], [1.1], [-0.1], [0.2, float("nan")], [[0.1]]])
def test_p_values_outside_their_range_are_refused(correct, p):
    with pytest.raises(InputError, match="p-values"):
        correct(p)


def test_no_tests_no_corrections():
    assert holm([]).shape == benjamini_yekutieli([]).shape == (0,)


def test_the_smallest_number_of_permutations_is_just_enough():
    assert permutations_needed(200, 0.05) == 3999
    assert permutations_needed(1, 0.9) == 1  # one at least
    for family in (1, 7, 24, 240):
        for alpha in (0.05, 0.01, 0.03):
            needed = permutations_needed(family, alpha)
            assert family / (1 + needed) <= alpha + 1e-9
            assert family / needed > alpha
            assert smallest_p(needed, family) <= alpha + 1e-9 < smallest_p(needed - 1, family)


def test_the_smallest_p_is_that_of_no_hit_corrected_by_holm():
    assert smallest_p(3999, 200) == 0.05
    assert smallest_p(99, 1) == holm([1 / 100])[0] == 0.01
    assert smallest_p(99, 7) == holm([1 / 100, *[1.0] * 6])[0]
    assert smallest_p(99, 1000) == 1.0  # a p-value is never larger


def test_too_few_permutations_are_refused():
    check_permutations(3999, family_size=200, alpha=0.05)
    with pytest.raises(InputError, match=r"3998, but 200 tests at alpha 0\.05 need 3999"):
        check_permutations(3998, family_size=200, alpha=0.05)


@pytest.mark.parametrize(("family", "alpha"), [(0, 0.05), (1, 0.0), (1, 1.0)])
def test_impossible_families_are_refused(family, alpha):
    with pytest.raises(InputError, match="family"):
        permutations_needed(family, alpha)
