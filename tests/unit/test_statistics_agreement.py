from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from auditor.errors import InputError
from auditor.statistics.agreement import class_specificity, spearman
from tests.oracles import statistics_loops as slow


def example(seed=0, refits=3, classes=30, channels=40):
    """Early layer: importance for anything. Late layer: importance for the class."""
    rng = np.random.default_rng(seed)
    shared, own = rng.gamma(1.0, size=(2, channels))
    noise = lambda rows, size: size * rng.normal(size=(rows, channels))  # noqa: E731
    importance = {"early": shared + noise(refits, 0.2), "late": own + noise(refits, 0.4)}
    reference = {"early": shared + noise(classes, 0.2), "late": rng.gamma(1.0, size=(classes, channels))}
    return importance, reference


def test_rank_correlation_is_that_of_the_loops_and_of_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, size=(3, 12)), rng.normal(size=(2, 12))
    expected = [[slow.spearman(list(a), list(b)) for b in second] for a in first]
    np.testing.assert_allclose(spearman(first, second), expected)
    np.testing.assert_allclose(spearman(first, second)[0, 1], stats.spearmanr(first[0], second[1]).statistic)


def test_a_constant_row_correlates_with_nothing():
    assert spearman(np.ones(5), np.arange(5.0))[0, 0] == 0.0


@given(st.integers(0, 1000))
def test_rank_correlation_sees_ranks_only(seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 9))
    np.testing.assert_allclose(spearman(np.exp(a), b), spearman(a, b))
    np.testing.assert_allclose(spearman(-a, b), -spearman(a, b))


def test_agreement_is_that_of_the_loops():
    importance, reference = example()
    found = class_specificity(importance, reference)
    excess = []
    for layer in found.layers:
        refits, others = importance[layer.layer].tolist(), reference[layer.layer].tolist()
        reliability, to_others = slow.reliability(refits), slow.similarities(refits, others)
        assert layer.reliability == pytest.approx(reliability)
        assert layer.similarity == pytest.approx(slow.mean(to_others))
        excess.append(max(0.0, reliability - slow.mean(to_others)))
    np.testing.assert_allclose([layer.weight for layer in found.layers], np.array(excess) / sum(excess))


def test_the_layer_that_is_specific_to_the_class_has_the_weight():
    found = class_specificity(*example())
    early, late = found.layers
    assert early.reliability > 0.8
    assert early.similarity > 0.8
    assert late.weight > 0.85
    assert found.specific is True
    assert found.share == 0.0


def test_a_detector_like_any_other_class_is_not_specific():
    importance, reference = example()
    found = class_specificity({"early": importance["early"]}, {"early": reference["early"]})
    assert found.specific is False
    assert found.share > 0.05


def test_near_relatives_are_tolerated_up_to_a_share():
    importance, reference = example(classes=40)
    only = {"late": importance["late"]}, {"late": reference["late"]}
    for relatives, expected in ((2, True), (3, False)):
        for row in range(relatives):
            only[1]["late"][row] = importance["late"].mean(axis=0)
        found = class_specificity(*only)
        assert found.specific is expected
        assert found.share == relatives / 40


def test_layers_that_all_disagree_weigh_nothing_and_are_not_specific():
    rng = np.random.default_rng(1)
    shared = rng.normal(size=20)
    refits = np.stack([np.arange(20.0), -np.arange(20.0)])
    found = class_specificity({"a": refits}, {"a": np.tile(shared, (25, 1))})
    assert found.layers[0].weight == 0.0
    assert found.specific is False


def test_what_is_missing_is_said_to_be_missing():
    importance, reference = example(refits=1)
    single = class_specificity(importance, reference)
    assert single.layers[0].reliability is None
    assert single.specific is single.share is None
    assert single.layers[1].weight > single.layers[0].weight
    alone = class_specificity(example()[0], {})
    assert alone.layers[0].similarity is None
    assert alone.specific is None
    assert sum(layer.weight for layer in alone.layers) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("importance", "reference", "message"),
    [
        ({}, {}, "no layers"),
        ({"a": np.ones(4)}, {}, "importance of layer 'a'"),
        ({"a": np.full((2, 4), np.nan)}, {}, "importance of layer 'a'"),
        ({"a": np.ones((2, 4))}, {"a": np.ones((2, 5))}, "4 and 5 channels"),
    ],
)
def test_agreement_refuses(importance, reference, message):
    with pytest.raises(InputError, match=message):
        class_specificity(importance, reference)
