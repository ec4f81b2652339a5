from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from auditor.errors import InputError
from auditor.statistics.multiplicity import (
    benjamini_hochberg,
    benjamini_yekutieli,
    check_permutations,
    holm,
    permutations_needed,
    westfall_young,
)
from tests.oracles import statistics_loops as slow

p_lists = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=20)


@given(p_lists)
def test_corrections_are_those_of_the_loops_and_of_scipy(p):
    np.testing.assert_allclose(holm(p), slow.holm(p))
    np.testing.assert_allclose(benjamini_hochberg(p), slow.false_discovery(p, any_dependence=False))
    np.testing.assert_allclose(benjamini_yekutieli(p), slow.false_discovery(p, any_dependence=True))
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p, method="bh"))
    np.testing.assert_allclose(benjamini_yekutieli(p), false_discovery_control(p, method="by"))


@given(p_lists)
def test_corrections_keep_the_order_and_never_help(p):
    order = np.argsort(p, kind="stable")
    for correct in (holm, benjamini_hochberg, benjamini_yekutieli):
        corrected = correct(p)
        assert (np.diff(corrected[order]) >= 0).all()
        assert (corrected >= np.asarray(p) - 1e-12).all()
        assert (corrected <= 1).all()
    assert (benjamini_hochberg(p) <= holm(p) + 1e-12).all()


def test_a_family_of_one_stays_as_it_is():
    assert holm([0.03]) == benjamini_yekutieli([0.03]) == benjamini_hochberg([0.03]) == 0.03


@pytest.mark.parametrize("p", [[0.0], [1.1], [0.2, float("nan")], [[0.1]]])
def test_p_values_outside_their_range_are_refused(p):
    with pytest.raises(InputError, match="p-values"):
        holm(p)


def test_no_tests_no_corrections():
    assert holm([]).shape == benjamini_yekutieli([]).shape == (0,)


def test_the_smallest_number_of_permutations_is_just_enough():
    assert permutations_needed(200, 0.05) == 3999
    for family in (1, 7, 24, 240):
        for alpha in (0.05, 0.01, 0.03):
            needed = permutations_needed(family, alpha)
            assert family / (1 + needed) <= alpha + 1e-9
            assert family / needed > alpha


def test_too_few_permutations_are_refused():
    check_permutations(3999, family_size=200, alpha=0.05)
    with pytest.raises(InputError, match=r"3998, but 200 tests at alpha 0\.05 need 3999"):
        check_permutations(3998, family_size=200, alpha=0.05)


@pytest.mark.parametrize(("family", "alpha"), [(0, 0.05), (1, 0.0), (1, 1.0)])
def test_impossible_families_are_refused(family, alpha):
    with pytest.raises(InputError, match="family"):
        permutations_needed(family, alpha)


def test_max_t_is_that_of_the_loops():
    rng = np.random.default_rng(0)
    observed, permuted = rng.normal(size=6) * 2, rng.normal(size=(200, 6))
    np.testing.assert_allclose(westfall_young(observed, permuted), slow.westfall_young(observed, permuted))


def test_max_t_of_equal_tests_needs_no_correction_and_ties_count():
    null = np.repeat(np.arange(1.0, 10.0)[:, None], 3, axis=1)
    np.testing.assert_allclose(westfall_young([-9.0, 5.0, 0.5], null), [0.2, 0.6, 1.0])


@pytest.mark.parametrize(
    ("observed", "null"), [([1.0], [[1.0, 2.0]]), ([], np.ones((3, 0))), ([1.0], np.ones((0, 1)))]
)
def test_max_t_refuses(observed, null):
    with pytest.raises(InputError, match="max-T"):
        westfall_young(observed, null)
