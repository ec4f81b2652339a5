"""The log-scaled probability e, models at other temperatures, and one class against the others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.errors import InputError
from auditor.statistics.classwise import AgainstClasses
from auditor.statistics.effects import class_shares, deciles_of
from auditor.statistics.probability import (
    AS_IT_IS,
    SHARPER,
    SOFTER,
    TEMPERATURES,
    Tempered,
    at_temperature,
    chance_level,
    log_probabilities,
    log_scaled,
    log_scaled_of,
    temperature_between,
)
from tests.oracles import statistics_loops as slow

quick = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 10**6)


def logits_of(seed: int = 0, images: int = 12, classes: int = 4, spread: float = 3.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(images, classes)) * spread


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_e_is_that_of_the_definition(temperature: float) -> None:
    logits = logits_of()
    found = log_scaled(logits, temperature=temperature)
    logs = log_probabilities(logits, temperature=temperature)
    for i, row in enumerate(logits):
        p = slow.softmax(row, temperature)
        np.testing.assert_allclose(logs[i], [math.log(v) for v in p])
        np.testing.assert_allclose(found[i], [slow.log_scaled(v, 4) for v in p])
        np.testing.assert_allclose(log_scaled_of(np.array(p), 4), found[i])
    as_it_is = [[slow.log_scaled(v, 4) for v in slow.softmax(row)] for row in logits]
    np.testing.assert_allclose(log_scaled(logits), as_it_is)
    np.testing.assert_allclose(log_probabilities(logits), np.log([slow.softmax(row) for row in logits]))


def test_e_is_nothing_without_a_chance_and_1_where_certain() -> None:
    found = log_scaled(np.array([[0.0, 0, 0, 0], [-50, 0, 0, 0], [50, 0, 0, 0]]))[:, 0]
    np.testing.assert_allclose(found, [math.log(2) / math.log(5), 0, 1], atol=1e-12)


@pytest.mark.parametrize(("classes", "expected"), [(1000, 0.1003), (6, 0.3562), (2, 0.6309)])
def test_chance_is_where_the_documentation_says(classes: int, expected: float) -> None:
    assert chance_level(classes) == pytest.approx(expected, abs=1e-4)
    assert log_scaled(np.zeros((1, classes)))[0, 0] == pytest.approx(chance_level(classes))


@quick
@given(seeds)
def test_e_does_not_see_what_all_logits_share(seed: int) -> None:
    logits = logits_of(seed)
    shared = np.random.default_rng(seed + 1).normal(size=(12, 1)) * 100
    np.testing.assert_allclose(log_scaled(logits + shared), log_scaled(logits), atol=1e-9)


@quick
@given(seeds, st.floats(0.01, 5.0))
def test_e_grows_with_the_classs_logit_and_stays_within_0_and_1(seed: int, more: float) -> None:
    logits = logits_of(seed)
    raised = logits.copy()
    raised[:, 2] += more
    before, after = log_scaled(logits), log_scaled(raised)
    assert (after[:, 2] > before[:, 2]).all()
    assert (np.delete(after, 2, axis=1) < np.delete(before, 2, axis=1)).all()
    assert before.min() >= 0
    assert after.max() <= 1


# --- temperatures ---


def test_temperatures_run_in_even_ratios_through_the_three_that_are_named() -> None:
    ratios = np.array(TEMPERATURES)[1:] / np.array(TEMPERATURES)[:-1]
    np.testing.assert_allclose(ratios, 1.5**0.25)
    named = [TEMPERATURES[place] for place in (SHARPER, AS_IT_IS, SOFTER)]
    np.testing.assert_allclose(named, [2 / 3, 1, 3 / 2])
    assert TEMPERATURES[AS_IT_IS] == 1.0
    assert (TEMPERATURES[0], TEMPERATURES[-1]) == (pytest.approx(4 / 9), pytest.approx(9 / 4))


@pytest.mark.parametrize("spread", [0.5, 3.0, 40.0])
def test_tempered_is_the_direct_softmax(spread: float) -> None:
    logits = logits_of(3, spread=spread)
    tempered = Tempered(logits)
    for k in range(4):
        found = tempered.log_scaled(k)
        for t, temperature in enumerate(TEMPERATURES):
            direct = [slow.log_scaled(slow.softmax(row, temperature)[k], 4) for row in logits]
            np.testing.assert_allclose(found[t], direct, atol=1e-12)
    np.testing.assert_allclose(tempered.entropy, [slow.entropy(logits, t) for t in TEMPERATURES], atol=1e-12)


def test_tempered_takes_the_logits_of_a_network_as_they_come() -> None:
    logits = (logits_of(4) * 300).astype(np.float32)  # as of a model that is certain of everything
    tempered = Tempered(logits)
    assert np.isfinite(tempered.log_scaled(1)).all()
    np.testing.assert_allclose(tempered.log_scaled(1)[AS_IT_IS], log_scaled(logits)[:, 1], atol=1e-9)
    np.testing.assert_allclose(tempered.entropy, 0.0, atol=1e-3)


@quick
@given(seeds)
def test_entropy_grows_with_temperature(seed: int) -> None:
    entropy = Tempered(logits_of(seed)).entropy
    assert (np.diff(entropy) > 0).all()
    assert 0 < entropy[0] < entropy[-1] < math.log(4)


@pytest.mark.parametrize("place", range(1, len(TEMPERATURES) - 1))
def test_a_factor_of_the_logits_is_found_again_exactly(place: int) -> None:
    factor = TEMPERATURES[place]
    old, new = logits_of(5), logits_of(5) * factor
    assert temperature_between(Tempered(old).entropy, Tempered(new).entropy) == pytest.approx(
        factor, rel=1e-9
    )


@quick
@given(seeds, st.floats(0.45, 2.2))
def test_a_factor_between_the_temperatures_kept_is_found_nearly(seed: int, factor: float) -> None:
    old, new = logits_of(seed, images=60), logits_of(seed, images=60) * factor
    found = temperature_between(Tempered(old).entropy, Tempered(new).entropy)
    assert found == pytest.approx(factor, rel=0.005)  # neighbours are 10% apart


def test_the_first_and_the_last_temperature_are_still_known() -> None:
    new = np.linspace(0.1, 1.7, len(TEMPERATURES))
    for place in (0, -1):
        old = np.full(len(TEMPERATURES), new[place])
        assert temperature_between(old, new) == pytest.approx(TEMPERATURES[place])
        assert temperature_between(old + np.sign(place + 0.5) * -1e-3, new) is None


@pytest.mark.parametrize("factor", [0.3, 0.43, 2.3, 9.0])
def test_a_factor_outside_the_temperatures_kept_is_not_guessed(factor: float) -> None:
    old, new = logits_of(6), logits_of(6) * factor
    assert temperature_between(Tempered(old).entropy, Tempered(new).entropy) is None


def test_equally_sharp_models_need_no_temperature_at_all() -> None:
    entropy = Tempered(logits_of(7)).entropy
    assert temperature_between(entropy, entropy) == 1.0
    # Models that know nothing, or all: their entropy does not change with temperature.
    for constant in (np.full(len(TEMPERATURES), math.log(4)), np.zeros(len(TEMPERATURES))):
        assert temperature_between(constant, constant) == 1.0
        assert temperature_between(entropy, constant) is None
    assert temperature_between(np.full(len(TEMPERATURES), math.log(4)), entropy) is None


def test_entropies_that_do_not_grow_are_refused() -> None:
    entropy = Tempered(logits_of(8)).entropy
    old = entropy + 0.01
    assert temperature_between(old, entropy) is not None
    assert temperature_between(old, entropy[::-1]) is None
    stuck = entropy.copy()
    stuck[3] = stuck[2]
    assert temperature_between(old, stuck) is None


@pytest.mark.parametrize("place", range(len(TEMPERATURES)))
def test_e_at_a_temperature_kept_is_exact(place: int) -> None:
    kept = Tempered(logits_of(9)).log_scaled(2)
    np.testing.assert_allclose(at_temperature(kept, TEMPERATURES[place]), kept[place], atol=1e-12)


@pytest.mark.parametrize(("below", "share"), [(0, 0.25), (7, 0.5), (8, 0.9), (15, 0.6)])
def test_e_between_two_temperatures_is_linear_in_the_logarithm(below: int, share: float) -> None:
    logits = logits_of(10, images=40)
    kept = Tempered(logits).log_scaled(2)
    low, high = TEMPERATURES[below], TEMPERATURES[below + 1]
    temperature = low ** (1 - share) * high**share
    found = at_temperature(kept, temperature)
    np.testing.assert_allclose(found, (1 - share) * kept[below] + share * kept[below + 1], atol=1e-12)
    # And close to the truth: the curve hardly bends between neighbours.
    np.testing.assert_allclose(found, log_scaled(logits, temperature=temperature)[:, 2], atol=2e-3)


def test_a_sharper_copy_of_a_model_is_told_as_the_model() -> None:
    old, new = logits_of(11, images=40), logits_of(11, images=40) * 1.3
    temperature = temperature_between(Tempered(old).entropy, Tempered(new).entropy)
    assert temperature is not None
    told = at_temperature(Tempered(new).log_scaled(0), temperature)
    as_is = Tempered(new).log_scaled(0)[AS_IT_IS]
    plain = log_scaled(old)[:, 0]
    np.testing.assert_allclose(told, plain, atol=3e-3)
    assert np.abs(as_is - plain).max() > 0.03


# --- one class against the others ---


@quick
@given(seeds, st.integers(1, 5))
def test_one_class_against_the_others_is_that_of_the_loops(seed: int, classes: int) -> None:
    rows = np.random.default_rng(seed).gamma(1.0, size=(classes, 9)) * np.arange(1, classes + 1)[:, None]
    against = AgainstClasses(rows)
    for k in range(classes):
        np.testing.assert_allclose(against.of(k), slow.against_classes(rows, k), atol=1e-9)


def test_what_all_classes_share_is_removed() -> None:
    rng = np.random.default_rng(0)
    shared, own = rng.normal(size=200) * 5, np.repeat([0.0, 1.0], 100)
    rows = shared + 0.1 * rng.normal(size=(40, 200))
    rows[3] += own
    before, after = rows[3], AgainstClasses(rows).of(3)
    assert abs(np.corrcoef(before, own)[0, 1]) < 0.25
    assert np.corrcoef(after, own)[0, 1] > 0.9


def test_a_constant_class_has_no_effect() -> None:
    rows = np.vstack([np.full(6, 3.7), np.arange(6.0)])
    np.testing.assert_allclose(AgainstClasses(rows).of(0), -np.array(slow.standardised(np.arange(6.0))))
    np.testing.assert_array_equal(AgainstClasses(rows[:1]).of(0), np.zeros(6))


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="1 values are not finite"):
        AgainstClasses([[1.0, 2.0], [np.inf, 0.0]])


steps = st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=1, max_size=8)


@quick
@given(steps, st.integers(0, 7))
def test_class_shares_are_those_of_the_loops(rows: list[list[int]], index: int) -> None:
    # Small whole numbers, so that ties and zeros are frequent.
    effects = np.array(rows) / 10
    assert class_shares(effects, index % len(rows)) == slow.class_shares(effects.tolist(), index % len(rows))


def test_class_share_counts_the_classes_as_far_on_the_same_side() -> None:
    effects = np.array([[0.3, -0.2], [0.4, -0.1], [0.1, -0.3], [-0.5, 0.6], [0.3, -0.2]])
    # Concept 0: of four others, 0.4 and 0.3 are as high. Concept 1: -0.3 and -0.2 are as low.
    assert class_shares(effects, 0) == [0.5, 0.5]
    assert class_shares(effects[:1], 0) == [None, None]
    assert class_shares(effects, 3) == [0.0, 0.0]


def test_deciles_are_those_of_the_loops() -> None:
    values = np.random.default_rng(0).gamma(1.0, size=37)
    found = deciles_of(values)
    assert len(found) == 11
    np.testing.assert_allclose(found, [slow.quantile(list(values), k / 10) for k in range(11)])
    assert deciles_of([2.0]) == (2.0,) * 11
