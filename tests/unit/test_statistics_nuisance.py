"""What is left of a difference at equal technical properties: against least squares on an explicit design."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditor.errors import InputError
from auditor.statistics.nuisance import WithoutNuisance, without_nuisance
from tests.oracles import statistics_loops as slow

quick = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10**6)
PAIRED = pytest.mark.parametrize("paired", [True, False], ids=["pairs", "pictures"])


def setting(
    seed: int = 0, *, paired: bool, units: int = 25, properties: int = 3
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Responses [2, units], properties that lie apart in the groups, and who is of the first group."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(units, properties)) * np.arange(1, properties + 1)
    first = None if paired else rng.permutation(units) < units // 3
    x[:, 0] += 0.5 if first is None else 1.5 * first
    group = np.ones(units) if first is None else first.astype(float)
    rows = 0.4 * group + x @ rng.normal(size=properties) + rng.normal(size=(2, units))
    return rows, x, first


def check(found: WithoutNuisance, rows: np.ndarray, x: np.ndarray, first: np.ndarray | None) -> None:
    for row, values in enumerate(rows):
        effect, error, df = slow.at_equal_properties(values, x, first)
        assert found.effects.effect[row, 0] == pytest.approx(effect)
        assert found.effects.error[row, 0] == pytest.approx(error)
        assert found.effects.df.tolist() == [df]


@PAIRED
def test_what_is_left_is_that_of_least_squares(paired: bool) -> None:
    rows, x, first = setting(paired=paired)
    found = without_nuisance(rows, x, first=first)
    assert found.effects.effect.shape == found.effects.error.shape == (2, 1)
    check(found, rows, x, first)


@PAIRED
def test_a_property_that_repeats_others_changes_nothing(paired: bool) -> None:
    rows, x, first = setting(1, paired=paired)
    plain = without_nuisance(rows, x, first=first)
    more = np.column_stack([x, 2 * x[:, 0] - x[:, 2], x[:, 1]])
    found = without_nuisance(rows, more, first=first)
    np.testing.assert_allclose(found.effects.effect, plain.effects.effect)
    np.testing.assert_allclose(found.effects.error, plain.effects.error)
    assert found.effects.df.tolist() == plain.effects.df.tolist()
    assert found.explained == pytest.approx(plain.explained)
    check(found, rows, more, first)


@pytest.mark.parametrize(("paired", "constant"), [(True, 0.0), (False, 0.0), (False, 7.5)])
def test_a_constant_property_changes_nothing(paired: bool, constant: float) -> None:
    rows, x, first = setting(2, paired=paired)
    plain = without_nuisance(rows, x, first=first)
    found = without_nuisance(rows, np.column_stack([np.full(len(x), constant), x]), first=first)
    for name in ("effect", "error", "df"):
        np.testing.assert_allclose(getattr(found.effects, name), getattr(plain.effects, name))
    assert found.explained == pytest.approx(plain.explained)


def test_a_property_by_which_every_pair_differs_alike_leaves_nothing_to_tell() -> None:
    rows, x, _ = setting(3, paired=True)
    found = without_nuisance(rows, np.column_stack([x, np.full(len(x), 0.2)]))
    assert found.explained == 1.0
    np.testing.assert_array_equal(found.effects.effect, [[0.0], [0.0]])
    np.testing.assert_array_equal(found.effects.error, [[np.inf], [np.inf]])
    low, high = found.effects.interval(0.05)
    assert (low == -np.inf).all()
    assert (high == np.inf).all()


def test_a_property_that_names_the_group_leaves_nothing_to_tell() -> None:
    rows, x, first = setting(4, paired=False)
    assert first is not None
    found = without_nuisance(rows, np.column_stack([x, 3.0 - first]), first=first)
    assert found.explained == 1.0
    assert np.isinf(found.effects.error).all()


@PAIRED
def test_without_properties_it_is_the_t_test(paired: bool) -> None:
    rows, _, first = setting(5, paired=paired)
    found = without_nuisance(rows, np.zeros((rows.shape[1], 0)), first=first)
    if first is None:
        expected = stats.ttest_1samp(rows[0], 0.0)
        effect = rows[0].mean()
    else:
        expected = stats.ttest_ind(rows[0, first], rows[0, ~first])
        effect = rows[0, first].mean() - rows[0, ~first].mean()
    assert found.effects.effect[0, 0] == pytest.approx(effect)
    assert found.effects.effect[0, 0] / found.effects.error[0, 0] == pytest.approx(expected.statistic)
    assert found.effects.df[0] == expected.df
    low, high = found.effects.interval(0.05)
    interval = expected.confidence_interval(0.95)
    assert (low[0, 0], high[0, 0]) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert found.explained == 0.0


@PAIRED
def test_a_difference_that_is_only_technical_disappears(paired: bool) -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(400, 2))
    first = None if paired else np.arange(400) < 200
    x[:, 0] += 0.7 if first is None else 0.7 * first
    blurred = 2.0 * x[:, 0] + 0.3 * rng.normal(size=400)
    group = np.ones(400) if first is None else first
    found = without_nuisance(np.stack([blurred, blurred + 0.5 * group]), x, first=first)
    raw = blurred.mean() if first is None else blurred[first].mean() - blurred[~first].mean()
    assert raw > 1.0
    low, high = found.effects.interval(0.01)
    assert low[0, 0] < 0.0 < high[0, 0]
    assert low[1, 0] < 0.5 < high[1, 0]
    assert low[1, 0] > 0.0


# --- how much the properties tell of the group ---


@quick
@given(seeds, st.booleans(), st.integers(12, 60))
def test_explained_is_the_adjusted_share_of_variance(seed: int, paired: bool, units: int) -> None:
    rows, x, first = setting(seed, paired=paired, units=units)
    found = without_nuisance(rows, x, first=first)
    assert found.explained == pytest.approx(slow.adjusted_r2(x, first), abs=1e-9)
    assert 0.0 <= found.explained <= 1.0


@PAIRED
def test_properties_that_tell_nothing_explain_nothing_on_average(paired: bool) -> None:
    rng = np.random.default_rng(7)
    plain, explained = [], []
    for _ in range(300):
        x = rng.normal(size=(30, 6))
        first = None if paired else rng.permutation(30) < 15
        explained.append(without_nuisance(rng.normal(size=(1, 30)), x, first=first).explained)
        columns = list(x.T) if paired else [np.ones(30), *x.T]
        group = np.ones(30) if first is None else first.astype(float)
        whole = 30.0 if first is None else slow.variance(list(group)) * 29
        plain.append(1 - slow.regression(group, columns)[1] / whole)
    assert np.mean(plain) > 0.18  # 6 properties tell a fifth of 30 pictures by luck
    assert np.mean(explained) < 0.08  # half of the time a little above 0, never below
    assert np.median(explained) < 0.03


def test_more_overlap_is_less_explained() -> None:
    rng = np.random.default_rng(8)
    first = np.arange(200) < 100
    noise = rng.normal(size=(200, 1))
    found = [
        without_nuisance(rng.normal(size=(1, 200)), noise + gap * first[:, None], first=first).explained
        for gap in (0.0, 1.0, 2.0, 6.0)
    ]
    assert found == sorted(found)
    # A gap of d standard deviations between equal groups tells d^2 / (d^2 + 4) of the variance.
    np.testing.assert_allclose(found, [0.0, 1 / 5, 4 / 8, 36 / 40], atol=0.08)


# --- what must not matter ---


@quick
@given(seeds, st.booleans(), st.floats(0.01, 100), st.floats(-50, 50))
def test_the_unit_of_a_property_does_not_matter(seed: int, paired: bool, scale: float, shift: float) -> None:
    rows, x, first = setting(seed, paired=paired)
    moved = x * scale + (0.0 if paired else shift)  # differences within pairs have no shift
    one, two = without_nuisance(rows, x, first=first), without_nuisance(rows, moved, first=first)
    np.testing.assert_allclose(one.effects.effect, two.effects.effect, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(one.effects.error, two.effects.error, rtol=1e-6)
    assert one.explained == pytest.approx(two.explained, abs=1e-8)


@quick
@given(seeds, st.booleans())
def test_the_order_of_units_does_not_matter(seed: int, paired: bool) -> None:
    rows, x, first = setting(seed, paired=paired)
    order = np.random.default_rng(seed).permutation(len(x))
    one = without_nuisance(rows, x, first=first)
    two = without_nuisance(rows[:, order], x[order], first=None if first is None else first[order])
    np.testing.assert_allclose(one.effects.effect, two.effects.effect)
    np.testing.assert_allclose(one.effects.error, two.effects.error)
    assert one.explained == pytest.approx(two.explained)


@quick
@given(seeds, st.booleans())
def test_swapped_groups_flip_the_sign(seed: int, paired: bool) -> None:
    rows, x, first = setting(seed, paired=paired)
    one = without_nuisance(rows, x, first=first)
    two = without_nuisance(-rows, -x) if first is None else without_nuisance(rows, x, first=~first)
    np.testing.assert_allclose(one.effects.effect, -two.effects.effect)
    np.testing.assert_allclose(one.effects.error, two.effects.error)
    assert one.explained == pytest.approx(two.explained)


def test_the_interval_covers_and_holds_its_level() -> None:
    rng = np.random.default_rng(9)
    covered = {0.0: 0, 0.5: 0}
    for _ in range(400):
        first = np.arange(40) < 15
        x = rng.normal(size=(40, 3)) + first[:, None]
        for truth in covered:
            values = truth * first + x @ [1.0, -0.5, 0.2] + rng.normal(size=40)
            low, high = without_nuisance(values[None], x, first=first).effects.interval(0.05)
            covered[truth] += int(low[0, 0] <= truth <= high[0, 0])
    for count in covered.values():
        assert abs(count / 400 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 400)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.ones((24, 3))}, r"shape \(24, 3\), need finite \[25 units"),
        ({"x": np.ones(25)}, "need finite"),
        ({"x": np.where(np.arange(75).reshape(25, 3) == 7, np.nan, 1.0)}, "need finite"),
        ({"rows": np.where(np.arange(25) == 7, np.inf, 1.0)[None]}, "need finite"),
        ({"rows": np.ones((1, 5)), "x": np.random.default_rng(0).normal(size=(5, 3))}, "5 units for 3 prop"),
    ],
)
def test_nuisance_refuses(change: dict[str, np.ndarray], message: str) -> None:
    rows, x, _ = setting(paired=True)
    with pytest.raises(InputError, match=message):
        without_nuisance(change.get("rows", rows), change.get("x", x))


def test_too_few_pictures_are_refused_with_the_intercept_counted() -> None:
    rng = np.random.default_rng(0)
    first = np.arange(6) < 3
    with pytest.raises(InputError, match="6 units for 4 properties, need 7"):
        without_nuisance(rng.normal(size=(1, 6)), rng.normal(size=(6, 3)), first=first)
    assert np.isfinite(
        without_nuisance(
            rng.normal(size=(1, 7)), rng.normal(size=(7, 3)), first=np.arange(7) < 3
        ).effects.error
    ).all()
