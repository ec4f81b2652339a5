"""Differences of means with interval, test and minimum detectable effect, against loops and closed forms."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditor.errors import InputError
from auditor.findings import Numbers, Range, conclude
from auditor.statistics.arrays import as_responses, group_images, standardise_rows
from auditor.statistics.bootstrap import bootstrap_images, resample_counts
from auditor.statistics.effects import (
    Effect,
    Errors,
    Inference,
    effects_with_errors,
    mean_effects,
    minimum_detectable,
    permutation_p,
    standardised_effects,
)
from auditor.statistics.permutation import permuted_statistics, studentised
from tests.oracles import statistics_loops as slow

SIZES = (6, 9, 7)
CONTROLS = 8
LABELS = np.repeat([2, 0, 1, -1], [SIZES[2], SIZES[0], SIZES[1], CONTROLS])
"""With reference images, which concepts are then compared with."""
OTHERS = LABELS[LABELS >= 0]
"""Without: concepts are compared with each other."""
BOTH = pytest.mark.parametrize("labels", [LABELS, OTHERS], ids=["reference", "others"])
EVERY = pytest.mark.parametrize(
    ("labels", "against_zero"),
    [(LABELS, False), (OTHERS, False), (OTHERS, True)],
    ids=["reference", "others", "zero"],
)
INFERENCE = Inference(permutations=99, bootstrap=200, alpha=0.05, family=3)

quick = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 10**6)


def response(seed: int = 0, labels: np.ndarray = LABELS, step: float = 0.8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.gamma(2.0, size=len(labels)) + step * np.asarray(labels)


def clusters_of(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Images alone and in pairs, some pairs in two concepts; every concept has five units or more."""
    order = np.random.default_rng(seed).permutation(len(labels))
    clusters = np.arange(len(labels))
    clusters[order[0:12:2]] = clusters[order[1:12:2]]
    for label in np.unique(labels):  # but never so many that too few units are left
        own = np.flatnonzero(labels == label)
        if len(np.unique(clusters[own])) < 5:
            clusters[own] = own
    return clusters


def effects_of(
    values: np.ndarray, labels: np.ndarray = LABELS, *, seed: int = 1, concepts: int = 3, **changes: Any
) -> list[Effect]:
    inference = {f.name: getattr(INFERENCE, f.name) for f in dataclasses.fields(Inference)}
    inference |= {name: changes.pop(name) for name in list(changes) if name in inference}
    return mean_effects(
        values,
        labels,
        concepts=concepts,
        inference=Inference(**inference),
        rng=np.random.default_rng(seed),
        **changes,
    )


def same(one: Effect, two: Effect, *, but: tuple[str, ...] = (), atol: float = 1e-9) -> None:
    """Every number of two effects agrees, but for those named."""
    for field in dataclasses.fields(Effect):
        if field.name not in but:
            a, b = getattr(one, field.name), getattr(two, field.name)
            assert a == pytest.approx(b, rel=1e-9, abs=atol), field.name


# --- against the loops ---


@EVERY
@pytest.mark.parametrize("clustered", [False, True])
def test_effects_are_those_of_the_loops(labels: np.ndarray, against_zero: bool, clustered: bool) -> None:
    values = response(labels=labels)
    clusters = clusters_of(labels) if clustered else None
    groups = slow.unit_values(values, labels, clusters)
    found = effects_of(values, labels, clusters=clusters, against_zero=against_zero)
    assert len(found) == 3
    for c, of_concept in enumerate(found):
        others = [] if against_zero else slow.compared_with(groups, c)
        assert of_concept.effect == pytest.approx(slow.effect(groups, c, against_zero=against_zero))
        error = slow.standard_error(groups, c, against_zero=against_zero)
        assert of_concept.standard_error == pytest.approx(error)
        assert (of_concept.n, of_concept.units) == (SIZES[c], len(groups[c]))
        assert of_concept.n_other == sum(int(np.sum(labels == k)) for k in others)
        assert of_concept.units_other == sum(len(groups[k]) for k in others)


@EVERY
def test_many_rows_are_the_effects_of_each(labels: np.ndarray, against_zero: bool) -> None:
    rows = np.stack([response(seed, labels) for seed in range(4)])
    clusters = clusters_of(labels)
    found = effects_with_errors(rows, labels, concepts=3, clusters=clusters, against_zero=against_zero)
    low, high = found.interval(0.1)
    assert found.effect.shape == found.error.shape == low.shape == (4, 3)
    for r, row in enumerate(rows):
        groups = slow.unit_values(row, labels, clusters)
        for c in range(3):
            effect = slow.effect(groups, c, against_zero=against_zero)
            error = slow.standard_error(groups, c, against_zero=against_zero)
            assert (found.effect[r, c], found.error[r, c]) == (pytest.approx(effect), pytest.approx(error))
            half = stats.t.ppf(0.95, slow.degrees_of_freedom(groups, c, against_zero=against_zero)) * error
            assert (low[r, c], high[r, c]) == (pytest.approx(effect - half), pytest.approx(effect + half))
    expected = [slow.degrees_of_freedom(groups, c, against_zero=against_zero) for c in range(3)]
    assert found.df.tolist() == expected


def on_the_same_draws(
    values: np.ndarray, labels: np.ndarray, clusters: np.ndarray | None, *, against_zero: bool, seed: int = 1
) -> list[dict[str, float]]:
    """Everything that is drawn, drawn again in the same order and worked out in loops."""
    groups = slow.unit_values(values, labels, clusters)
    in_order = {k: groups[k] for k in sorted(groups, key=lambda k: (k < 0, k))}
    rng = np.random.default_rng(seed)
    counts = {k: resample_counts(len(units), INFERENCE.bootstrap, rng) for k, units in in_order.items()}
    units = [value for of_label in in_order.values() for value in of_label]
    if against_zero:
        shuffled = units * rng.choice((-1.0, 1.0), (INFERENCE.permutations, len(units)))
    else:
        shuffled = rng.permuted(np.broadcast_to(units, (INFERENCE.permutations, len(units))), axis=1)
    results = []
    for c in range(3):
        effect = slow.effect(in_order, c, against_zero=against_zero)
        error = slow.standard_error(in_order, c, against_zero=against_zero)
        added = slow.influence(in_order, c, against_zero=against_zero)
        pivots, errors = slow.pivots(added, counts)
        null = []
        for row in shuffled:
            left = list(row)
            dealt = {k: [left.pop(0) for _ in of_label] for k, of_label in in_order.items()}
            null.append(slow.studentised(dealt, c, against_zero=against_zero))
        low, high = (effect - slow.quantile(pivots, share) * error for share in (0.975, 0.025))
        df = slow.degrees_of_freedom(in_order, c, against_zero=against_zero)
        wider = stats.t.ppf(1 - 0.025 / INFERENCE.family, df) / stats.t.ppf(0.975, df)
        results.append(
            {
                "effect": effect,
                "low": low,
                "high": high,
                "adjusted_low": effect + (low - effect) * wider,
                "adjusted_high": effect + (high - effect) * wider,
                "p_value": slow.permutation_p(effect / error, null),
                "minimum_detectable": slow.minimum_detectable(
                    [value * error for value in null],
                    [pivot * e for pivot, e in zip(pivots, errors, strict=True)],
                    [e / error for e in errors],
                    0.05 / INFERENCE.family,
                ),
            }
        )
    return results


@EVERY
@pytest.mark.parametrize("clustered", [False, True])
def test_whatever_is_drawn_is_that_of_the_loops_on_the_same_draws(
    labels: np.ndarray, against_zero: bool, clustered: bool
) -> None:
    values = response(3, labels) - (1.5 if against_zero else 0.0)
    clusters = clusters_of(labels) if clustered else None
    found = effects_of(values, labels, clusters=clusters, against_zero=against_zero)
    expected = on_the_same_draws(values, labels, clusters, against_zero=against_zero)
    for of_concept, of_loops in zip(found, expected, strict=True):
        for name, value in of_loops.items():
            assert getattr(of_concept, name) == pytest.approx(value, rel=1e-7, abs=1e-9), name


def test_resamples_are_those_of_the_loops() -> None:
    groups = group_images(LABELS, 3)
    influence = np.stack([response(seed)[groups.order] for seed in (0, 1)])
    influence -= np.repeat(np.add.reduceat(influence, groups.starts, 1) / groups.sizes, groups.sizes, axis=1)
    got = bootstrap_images(influence, groups, draws=25, rng=np.random.default_rng(4))
    rng = np.random.default_rng(4)
    counts = {g: resample_counts(int(size), 25, rng) for g, size in enumerate(groups.sizes)}
    for row in range(2):
        added = {
            g: influence[row, start : start + size]
            for g, (start, size) in enumerate(zip(groups.starts, groups.sizes, strict=True))
        }
        pivots, errors = slow.pivots(added, counts)
        np.testing.assert_allclose(got.pivots[:, row], pivots, rtol=1e-9)
        usual = np.sqrt(sum(slow.variance(list(units)) / len(units) for units in added.values()))
        np.testing.assert_allclose(got.errors[:, row] * usual, errors, rtol=1e-9)


def test_resamples_draw_with_replacement() -> None:
    counts = resample_counts(5, 4000, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 5).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.06)
    np.testing.assert_allclose(counts.var(axis=0), 0.8, atol=0.08)


# --- p-values ---


def monte_carlo(expected: float, permutations: int) -> float:
    """Four standard errors of a share, and what the observed one counts."""
    return 4 * np.sqrt(expected * (1 - expected) / permutations) + 1 / permutations


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("labels", [[0, 0, 0, -1, -1, -1, -1], [0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2, 2]])
def test_p_is_the_share_of_all_permutations(seed: int, labels: list[int]) -> None:
    values = np.random.default_rng(seed).normal(size=len(labels)) + 1.2 * (np.array(labels) == 0)
    concepts = max(labels) + 1
    groups = slow.unit_values(values, labels)
    found = effects_of(values, np.array(labels), concepts=concepts, permutations=9999)
    for c, of_concept in enumerate(found):
        expected = slow.exact_p(groups, c)
        assert of_concept.p_value == pytest.approx(expected, abs=monte_carlo(expected, 9999))


@pytest.mark.parametrize("seed", range(4))
def test_p_of_differences_is_the_share_of_all_signs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [8, 5])
    values = rng.normal(size=13) + 0.9 * (labels == 0)
    found = effects_of(values, labels, concepts=2, against_zero=True, permutations=9999)
    groups = slow.unit_values(values, labels)
    for c, of_concept in enumerate(found):
        expected = slow.exact_p(groups, c, against_zero=True)
        assert of_concept.p_value == pytest.approx(expected, abs=monte_carlo(expected, 9999))
        assert of_concept.effect == pytest.approx(slow.mean(groups[c]))
        assert (of_concept.n_other, of_concept.units_other) == (0, 0)


def test_p_of_clusters_is_the_share_of_all_permutations_of_clusters() -> None:
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(7), [3, 1, 4, 2, 5, 1, 2])
    labels = np.where(cluster < 3, 0, -1)
    values = rng.normal(size=18) * 0.3 + rng.normal(size=7)[cluster] + 1.0 * (labels == 0)
    found = effects_of(values, labels, concepts=1, clusters=cluster, permutations=9999)[0]
    expected = slow.exact_p(slow.unit_values(values, labels, cluster), 0)
    assert found.p_value == pytest.approx(expected, abs=monte_carlo(expected, 9999))
    assert found.p_value >= 1 / 35  # seven units, three of them in the concept: 35 ways


def test_p_of_two_groups_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [14, 20])
    values = rng.normal(size=34) + 0.6 * (labels == 0)

    def welch(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(stats.ttest_ind(a, b, axis=axis, equal_var=False).statistic)

    expected = stats.permutation_test(
        (values[:14], values[14:]), welch, n_resamples=4000, alternative="greater", vectorized=True, rng=1
    ).pvalue
    got = effects_of(values, labels, concepts=2, permutations=4000)
    assert got[0].p_value == pytest.approx(expected, abs=0.02)
    assert got[0].p_value == got[1].p_value


@quick
@given(st.floats(-3, 3), st.lists(st.sampled_from([0.0, 0.5, -1.0, 2.0, 3.0]), min_size=1, max_size=40))
def test_hits_are_counted_as_in_the_loops(observed: float, permuted: list[float]) -> None:
    assert permutation_p(observed, np.array(permuted)) == slow.permutation_p(observed, permuted)


def test_ties_are_hits_even_where_the_last_bits_differ() -> None:
    assert permutation_p(0.1 + 0.2, np.array([0.3, -0.3, 0.29])) == 3 / 4
    assert permutation_p(0.3, np.array([0.1 + 0.2, 0.0, 0.0])) == 2 / 4


def test_permuted_statistics_are_those_of_relabelled_images() -> None:
    values = response()
    groups = group_images(LABELS, 3)
    ordered = values[groups.order]
    labels = LABELS[groups.order]
    np.testing.assert_allclose(
        studentised(ordered, groups),
        [slow.studentised(slow.unit_values(values, LABELS), c) for c in range(3)],
    )
    null = permuted_statistics(ordered, groups, permutations=30, rng=np.random.default_rng(3))
    shuffled = np.random.default_rng(3).permuted(np.broadcast_to(ordered, (30, len(values))), axis=1)
    for row, of_row in zip(shuffled, null, strict=True):
        dealt = slow.unit_values(row, labels)
        np.testing.assert_allclose(of_row, [slow.studentised(dealt, c) for c in range(3)])


@pytest.mark.parametrize("against_zero", [False, True])
def test_permutations_are_drawn_in_chunks_as_they_would_be_at_once(
    monkeypatch: pytest.MonkeyPatch, against_zero: bool
) -> None:
    groups = group_images(OTHERS, 3, against_zero=against_zero)
    ordered = response(labels=OTHERS)[groups.order]
    at_once = permuted_statistics(ordered, groups, permutations=23, rng=np.random.default_rng(3))
    monkeypatch.setattr("auditor.statistics.permutation.CHUNK_VALUES", 5 * len(ordered))
    in_chunks = permuted_statistics(ordered, groups, permutations=23, rng=np.random.default_rng(3))
    np.testing.assert_allclose(in_chunks, at_once)


# --- intervals ---


@pytest.mark.parametrize("against_zero", [False, True])
def test_the_interval_of_many_images_is_the_closed_form(against_zero: bool) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [300, 400])
    values = rng.normal(size=700) * np.where(labels == 0, 1.0, 2.0) + 0.3 * (labels == 0)
    found = effects_of(values, labels, concepts=2, bootstrap=10_000, family=40, against_zero=against_zero)[0]
    a, b = values[:300], values[300:]
    error = np.sqrt(a.var(ddof=1) / 300 + (0.0 if against_zero else b.var(ddof=1) / 400))
    effect = a.mean() - (0.0 if against_zero else b.mean())
    for ends, level in (
        ((found.low, found.high), 0.05),
        ((found.adjusted_low, found.adjusted_high), 0.05 / 40),
    ):
        half = stats.norm.ppf(1 - level / 2) * error
        np.testing.assert_allclose(ends, [effect - half, effect + half], atol=0.05 * half)


def test_the_interval_leans_as_scipys_studentised_bootstrap() -> None:
    rng = np.random.default_rng(0)
    values = rng.gamma(0.7, size=25)
    found = effects_of(values, np.zeros(25, int), concepts=1, against_zero=True, bootstrap=20_000)[0]
    # The definition: mean less the quantiles of (mean* - mean) / error*, times the error.
    drawn = rng.choice(values, (20_000, 25))
    t = (drawn.mean(axis=1) - values.mean()) / (drawn.std(axis=1, ddof=0) / np.sqrt(24))
    error = values.std(ddof=1) / 5
    low, high = values.mean() - np.quantile(t, [0.975, 0.025]) * error
    assert found.low == pytest.approx(low, abs=0.03 * error)
    assert found.high == pytest.approx(high, abs=0.2 * error)
    # Skewed to the right: the truth may lie further up than down.
    assert found.high - found.effect > 1.3 * (found.effect - found.low)


def test_intervals_and_claims_agree_with_scipys_bootstrap() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [50, 60])
    values = rng.normal(size=110) + 1.5 * (labels == 0)

    def difference(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return a.mean(axis=axis) - b.mean(axis=axis)

    expected = stats.bootstrap(
        (values[:50], values[50:]), difference, n_resamples=4000, method="basic", vectorized=True, rng=1
    )
    found = effects_of(values, labels, concepts=2, bootstrap=4000)[0]
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.05)
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.1)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.1)


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_cover_the_truth(clustered: bool) -> None:
    """Skewed responses, 30 units of a concept: 95%, within three standard errors and half a percent."""
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1, -1], [30, 30, 60])
    copies = np.repeat(np.arange(120), rng.integers(1, 5, 120)) if clustered else np.arange(120)
    covered = np.zeros(2)
    for _ in range(300):
        units = rng.gamma(2.0, size=120) / np.sqrt(2) + 0.5 * (labels == 0)
        values = units[copies] + (0.1 * rng.normal(size=len(copies)) if clustered else 0.0)
        found = effects_of(values, labels[copies], concepts=2, clusters=copies, permutations=1, seed=3)
        covered += [found[0].low <= 0.5 <= found[0].high, found[1].low <= 0.0 <= found[1].high]
    share = covered / 300
    assert (np.abs(share - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / 300) + 0.005).all(), share


def test_adjusted_intervals_hold_together() -> None:
    """Eight true effects at once: hardly ever does one of the eight intervals miss."""
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(-1, 8), 40)
    truth = np.linspace(-1, 1, 8)
    missed = {"all": 0, "each": 0}
    for _ in range(200):
        values = rng.normal(size=360) + np.where(labels < 0, 0.0, truth[labels])
        found = effects_of(values, labels, concepts=8, permutations=1, family=8, bootstrap=1000)
        missed["all"] += any(
            not f.adjusted_low <= t <= f.adjusted_high for f, t in zip(found, truth, strict=True)
        )
        missed["each"] += any(not f.low <= t <= f.high for f, t in zip(found, truth, strict=True))
    assert missed["all"] <= 200 * 0.05 + 3 * np.sqrt(200 * 0.05 * 0.95)
    assert missed["each"] >= 200 * 0.15  # not adjusted they do not


def test_a_larger_family_widens_the_adjusted_interval_only() -> None:
    small, large = effects_of(response(), family=1)[0], effects_of(response(), family=500)[0]
    same(small, large, but=("adjusted_low", "adjusted_high", "minimum_detectable"))
    assert small.adjusted_low == pytest.approx(small.low)
    assert small.adjusted_high == pytest.approx(small.high)
    assert large.adjusted_low < small.low < small.high < large.adjusted_high
    assert large.minimum_detectable > small.minimum_detectable
    assert Inference(99, 200, 0.05) == Inference(99, 200, 0.05, family=1)


@pytest.mark.parametrize("against_zero", [True, False])
def test_two_images_bound_nothing(against_zero: bool) -> None:
    labels = np.repeat([0, 1], [2, 6])
    values = np.random.default_rng(0).normal(size=8)
    found = effects_of(values, labels, concepts=2, against_zero=against_zero)[0]
    assert found.low < found.effect < found.high
    assert found.high - found.low > 2 * found.standard_error


@pytest.mark.parametrize("against_zero", [True, False])
def test_nearly_equal_responses_are_told_as_equal_ones(against_zero: bool) -> None:
    """One image of thirty responds. Whether the others differ in the twelfth digit must not matter."""
    labels = np.repeat([0, 1], [30, 60])
    exact = np.where(np.arange(90) == 4, 0.5, 0.0)
    nearly = exact + 1e-12 * np.random.default_rng(0).random(90)
    one, two = (effects_of(v, labels, concepts=2, against_zero=against_zero)[0] for v in (exact, nearly))
    assert (one.low, one.high) == (pytest.approx(two.low, abs=1e-6), pytest.approx(two.high, abs=1e-6))


# --- the smallest effect that would be found ---


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("level", [0.0001, 0.01, 0.049, 0.05, 0.3])
def test_minimum_detectable_is_that_of_the_loops(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    null = np.abs(rng.normal(size=999))
    shift, errors = rng.gamma(1.0, size=400) - 1.0, rng.uniform(0.5, 1.5, 400)
    found = minimum_detectable(null, shift=shift, errors=errors, level=level)
    assert found == pytest.approx(slow.minimum_detectable(null, shift, errors, level))


@pytest.mark.parametrize("sign", [1, -1])
def test_minimum_detectable_is_found_four_times_out_of_five_whatever_its_sign(sign: int) -> None:
    rng = np.random.default_rng(1)
    null, shift = rng.normal(size=999), sign * (rng.gamma(1.0, size=4000) - 1.0)
    errors = rng.uniform(0.5, 1.5, size=4000)
    size = minimum_detectable(np.abs(null), shift=shift, errors=errors, level=0.05)
    # The 50th largest of 999 is the value that p = 50/1000 may not reach.
    bar = sorted(np.abs(null))[-50]
    upwards = np.mean(size + shift >= bar * errors)
    downwards = np.mean(-size + shift <= -bar * errors)
    assert min(upwards, downwards) == pytest.approx(0.8, abs=0.001)
    assert slow.permutation_p(bar * 1.001, null) <= 0.05 < slow.permutation_p(bar * 0.999, null)


def test_minimum_detectable_of_many_images_is_the_sum_of_two_quantiles() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, -1], [800, 1200])
    values = rng.normal(size=2000)
    found = effects_of(values, labels, concepts=1, permutations=9999, bootstrap=9999, family=5)[0]
    error = np.sqrt(1 / 800 + 1 / 1200)
    expected = (stats.norm.ppf(1 - 0.05 / 2 / 5) + stats.norm.ppf(0.8)) * error
    assert found.minimum_detectable == pytest.approx(expected, rel=0.05)


def test_an_effect_of_that_size_is_found_four_times_out_of_five() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat([0, -1], [40, 60])
    sizes = [
        effects_of(rng.normal(size=100), labels, concepts=1, permutations=999, family=1)[0].minimum_detectable
        for _ in range(20)
    ]
    size = float(np.mean(sizes))
    found = [
        effects_of(
            rng.normal(size=100) + size * (labels == 0), labels, concepts=1, permutations=199, family=1
        )[0].p_value
        <= 0.05
        for _ in range(300)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=3 * np.sqrt(0.8 * 0.2 / 300) + 0.01)


# --- level ---


def claimed(found: Effect) -> bool:
    """What an audit would claim with no margin at all."""
    seen = Numbers(found.effect, found.adjusted_low, found.adjusted_high, found.p_value)
    judged = conclude(seen, irrelevant=Range.within(0.0), alpha=0.05)
    return judged.conclusion in ("associated", "negatively associated")


@pytest.mark.parametrize("against_zero", [False, True])
def test_ten_crops_of_a_photo_are_one_photo(against_zero: bool) -> None:
    """Under the null: with clusters claims are as rare as promised, without them most are made of nothing."""
    rng = np.random.default_rng(0)
    photo = np.repeat(np.arange(40), 10)
    labels = np.where(photo < 20, 0, 1 if against_zero else -1)
    tests = {"clusters": photo, "none": None}
    rejected, claims = dict.fromkeys(tests, 0), dict.fromkeys(tests, 0)
    for _ in range(300):
        values = rng.normal(size=40)[photo] + 0.3 * rng.normal(size=400)
        for name, clusters in tests.items():
            found = effects_of(
                values, labels, seed=int(rng.integers(1 << 31)), concepts=2 if against_zero else 1,
                clusters=clusters, against_zero=against_zero, permutations=199, family=1,
            )[0]  # fmt: skip
            rejected[name] += found.p_value <= 0.05
            claims[name] += claimed(found)
    most = 300 * 0.05 + 3 * np.sqrt(300 * 0.05 * 0.95)
    assert rejected["clusters"] <= most
    assert claims["clusters"] <= most
    assert rejected["clusters"] >= 300 * 0.05 - 3 * np.sqrt(300 * 0.05 * 0.95)  # nor is it idle
    # The standard error of 10 crops that agree is about 3 times too small: |z| > 1.96 / 3 half of the time.
    assert rejected["none"] >= 120
    assert claims["none"] >= 120


def test_a_concept_that_only_varies_more_is_not_taken_for_one_that_differs() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, -1], [15, 60])
    spread = np.where(labels == 0, 4.0, 1.0)
    found = [
        effects_of(spread * rng.normal(size=75), labels, concepts=1, permutations=199)[0].p_value <= 0.05
        for _ in range(300)
    ]
    assert np.mean(found) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


# --- what must not matter ---


@quick
@given(seeds, st.sampled_from([(LABELS, False), (OTHERS, False)]), st.floats(-50, 50))
def test_a_constant_added_changes_nothing(seed: int, how: tuple[np.ndarray, bool], shift: float) -> None:
    labels, against_zero = how
    values, clusters = response(seed, labels), clusters_of(labels, seed)
    one = effects_of(values, labels, clusters=clusters, against_zero=against_zero)
    two = effects_of(values + shift, labels, clusters=clusters, against_zero=against_zero)
    for before, after in zip(one, two, strict=True):
        same(before, after, atol=1e-7)


@quick
@given(seeds, st.floats(-5, 5))
def test_a_constant_added_to_differences_moves_the_effect_and_its_interval(seed: int, shift: float) -> None:
    values, clusters = response(seed, OTHERS), clusters_of(OTHERS, seed)
    one = effects_of(values, OTHERS, clusters=clusters, against_zero=True)
    two = effects_of(values + shift, OTHERS, clusters=clusters, against_zero=True)
    for before, after in zip(one, two, strict=True):
        for name in ("effect", "low", "high", "adjusted_low", "adjusted_high"):
            assert getattr(after, name) == pytest.approx(getattr(before, name) + shift, abs=1e-7)
        assert after.standard_error == pytest.approx(before.standard_error, abs=1e-7)


@quick
@given(seeds, st.floats(0.01, 100))
def test_the_unit_of_the_response_is_the_unit_of_the_effect(seed: int, scale: float) -> None:
    for one, two in zip(effects_of(response(seed)), effects_of(scale * response(seed)), strict=True):
        assert one.p_value == two.p_value
        for name in ("effect", "low", "high", "adjusted_low", "adjusted_high", "minimum_detectable"):
            assert getattr(two, name) == pytest.approx(scale * getattr(one, name), rel=1e-6)


@quick
@given(seeds, st.sampled_from([(LABELS, False), (OTHERS, False), (OTHERS, True)]))
def test_a_flipped_sign_flips_the_effect(seed: int, how: tuple[np.ndarray, bool]) -> None:
    labels, against_zero = how
    values, clusters = response(seed, labels), clusters_of(labels, seed)
    one = effects_of(values, labels, clusters=clusters, against_zero=against_zero)
    two = effects_of(-values, labels, clusters=clusters, against_zero=against_zero)
    for before, after in zip(one, two, strict=True):
        # The same units are drawn, so the interval is the mirror image.
        mirrored = dataclasses.replace(
            after,
            effect=-after.effect,
            low=-after.high,
            high=-after.low,
            adjusted_low=-after.adjusted_high,
            adjusted_high=-after.adjusted_low,
        )
        same(before, mirrored)


@quick
@given(seeds)
def test_swapped_concepts_flip_the_sign(seed: int) -> None:
    """Two concepts compared with each other: what one has more, the other has less."""
    labels = np.repeat([0, 1], [9, 9])
    values, clusters = response(seed, labels), np.arange(18) // 2
    first, second = effects_of(values, labels, concepts=2, clusters=clusters)
    assert first.effect == pytest.approx(-second.effect)
    assert first.p_value == second.p_value
    for name, other in (("low", "high"), ("adjusted_low", "adjusted_high")):
        # Where a cluster lies in both, either concept has a unit of it: five units each.
        assert getattr(first, name) == pytest.approx(-getattr(second, other))
    assert first.minimum_detectable == pytest.approx(second.minimum_detectable)
    swapped = effects_of(values, 1 - labels, concepts=2, clusters=clusters)
    assert swapped[1].effect == pytest.approx(first.effect)
    assert swapped[0].effect == pytest.approx(-first.effect)


@quick
@given(seeds, st.sampled_from([(LABELS, False), (OTHERS, False), (OTHERS, True)]))
def test_the_order_of_images_changes_nothing_that_is_not_drawn(
    seed: int, how: tuple[np.ndarray, bool]
) -> None:
    labels, against_zero = how
    values, clusters = response(seed, labels), clusters_of(labels, seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    one = effects_of(values, labels, clusters=clusters, against_zero=against_zero)
    two = effects_of(values[order], labels[order], clusters=clusters[order], against_zero=against_zero)
    drawn = ("low", "high", "adjusted_low", "adjusted_high", "p_value", "minimum_detectable")
    for before, after in zip(one, two, strict=True):
        same(before, after, but=drawn)
    rows = effects_with_errors(values[None], labels, concepts=3, clusters=clusters, against_zero=against_zero)
    moved = effects_with_errors(
        values[order][None], labels[order], concepts=3, clusters=clusters[order], against_zero=against_zero
    )
    for name in ("effect", "error", "df"):
        np.testing.assert_allclose(getattr(rows, name), getattr(moved, name), atol=1e-12)


def test_the_order_of_images_changes_what_is_drawn_by_chance_alone() -> None:
    order = np.random.default_rng(0).permutation(len(LABELS))
    values = response()
    many = {"permutations": 19_999, "bootstrap": 20_000}
    one, two = effects_of(values, **many), effects_of(values[order], LABELS[order], **many)
    for before, after in zip(one, two, strict=True):
        same(before, after, but=("p_value",), atol=0.06 * before.standard_error * 3)
        assert before.p_value == pytest.approx(after.p_value, abs=2 * monte_carlo(before.p_value, 19_999))


@quick
@given(seeds, st.sampled_from([(LABELS, False), (OTHERS, False), (OTHERS, True)]))
def test_the_order_of_images_within_a_cluster_changes_nothing(
    seed: int, how: tuple[np.ndarray, bool]
) -> None:
    labels, against_zero = how
    labels = np.repeat(labels, 3)
    values, clusters = response(seed, labels), np.arange(len(labels)) // 3
    rng = np.random.default_rng(seed)
    order = np.concatenate([3 * c + rng.permutation(3) for c in range(len(labels) // 3)])
    one = effects_of(values, labels, clusters=clusters, against_zero=against_zero)
    two = effects_of(values[order], labels, clusters=clusters, against_zero=against_zero)
    for before, after in zip(one, two, strict=True):
        same(before, after)


@quick
@given(seeds, st.sampled_from([(LABELS, False), (OTHERS, False), (OTHERS, True)]))
def test_copies_within_a_cluster_change_nothing(seed: int, how: tuple[np.ndarray, bool]) -> None:
    labels, against_zero = how
    values, clusters = response(seed, labels), np.arange(len(labels))
    times = np.random.default_rng(seed).integers(1, 6, len(labels))
    copied = np.repeat(clusters, times)
    one = effects_of(values, labels, clusters=clusters, against_zero=against_zero)
    two = effects_of(values[copied], labels[copied], clusters=copied, against_zero=against_zero)
    for c, (before, after) in enumerate(zip(one, two, strict=True)):
        same(before, after, but=("n", "n_other"))
        assert after.n == times[labels == c].sum()
    # Without clusters every copy counts.
    apart = effects_of(values[copied], labels[copied], against_zero=against_zero)
    assert [found.units for found in apart] == [found.n for found in two]


@quick
@given(seeds, st.sampled_from([(LABELS, False), (OTHERS, False), (OTHERS, True)]))
def test_one_cluster_an_image_equals_no_clusters(seed: int, how: tuple[np.ndarray, bool]) -> None:
    labels, against_zero = how
    values = response(seed, labels)
    names = np.random.default_rng(seed).permutation(1000)[: len(labels)]
    assert effects_of(values, labels, clusters=names, against_zero=against_zero) == effects_of(
        values, labels, against_zero=against_zero
    )
    one = effects_with_errors(values[None], labels, concepts=3, against_zero=against_zero)
    two = effects_with_errors(values[None], labels, concepts=3, clusters=names, against_zero=against_zero)
    np.testing.assert_array_equal(one.error, two.error)


def test_other_concepts_count_alike_however_many_images_they_have() -> None:
    values = response(labels=OTHERS)
    twice, again = np.concatenate([values, values[OTHERS == 1]]), np.concatenate([OTHERS, np.ones(9, int)])
    one, two = (
        effects_with_errors(v[None], lab, concepts=3) for v, lab in ((values, OTHERS), (twice, again))
    )
    np.testing.assert_allclose(one.effect, two.effect)
    groups = slow.unit_values(values, OTHERS)
    np.testing.assert_allclose(one.effect[0], [slow.effect(groups, c) for c in range(3)])


@quick
@given(seeds)
def test_ranges(seed: int) -> None:
    for found in effects_of(response(seed), clusters=clusters_of(LABELS, seed)):
        assert 1 / 100 <= found.p_value <= 1
        assert found.adjusted_low <= found.low <= found.high <= found.adjusted_high
        assert found.minimum_detectable > 0
        assert found.units <= found.n


def test_constant_responses_have_no_effect() -> None:
    for found in effects_of(np.full(len(LABELS), 3.7)):
        assert found.effect == pytest.approx(0.0, abs=1e-12)
        assert found.p_value == 1.0
        assert (found.low, found.high) == (pytest.approx(0.0, abs=1e-9), pytest.approx(0.0, abs=1e-9))
    for found in effects_of(np.zeros(len(OTHERS)), OTHERS, against_zero=True):
        assert (found.effect, found.p_value) == (0.0, 1.0)
    groups = group_images(LABELS, 3)
    np.testing.assert_array_equal(studentised(np.ones(len(LABELS)), groups), np.zeros(3))
    silent = bootstrap_images(np.zeros((2, len(LABELS))), groups, draws=5, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(silent.pivots, np.zeros((5, 2)))
    np.testing.assert_array_equal(silent.errors, np.ones((5, 2)))


# --- layers ---


@BOTH
def test_standardised_effects_are_those_of_the_loops(labels: np.ndarray) -> None:
    rows = np.stack([response(seed, labels) for seed in range(3)])
    found = standardised_effects(rows, labels, concepts=3)
    for r, row in enumerate(rows):
        groups = slow.unit_values(row, labels)
        for c in range(3):
            scale = slow.compared_sd(groups, c)
            assert found.effect[r, c] == pytest.approx(slow.effect(groups, c) / scale)
            assert found.error[r, c] == pytest.approx(slow.standard_error(groups, c) / scale)
    assert found.df.tolist() == [slow.degrees_of_freedom(groups, c) for c in range(3)]


def test_standardised_effects_are_in_standard_deviations_of_what_is_compared_with() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, -1], [4000, 4000])
    values = np.where(labels == 0, 5.0 + rng.normal(size=8000), 3.0 + 4.0 * rng.normal(size=8000))
    found = standardised_effects(values[None], labels, concepts=1)
    assert found.effect[0, 0] == pytest.approx(2 / 4, abs=0.05)


@quick
@given(seeds, st.floats(0.01, 100), st.floats(-50, 50))
def test_standardised_effects_have_no_unit(seed: int, scale: float, shift: float) -> None:
    rows = response(seed)[None]
    one = standardised_effects(rows, LABELS, concepts=3)
    two = standardised_effects(scale * rows + shift, LABELS, concepts=3)
    three = standardised_effects(-rows, LABELS, concepts=3)
    np.testing.assert_allclose(one.effect, two.effect, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(one.error, two.error, rtol=1e-5)
    np.testing.assert_allclose(one.effect, -three.effect, atol=1e-12)


def test_a_silent_layer_has_no_effect() -> None:
    found = standardised_effects(np.full((1, len(LABELS)), 2.0), LABELS, concepts=3)
    np.testing.assert_array_equal(found.effect, np.zeros((1, 3)))
    np.testing.assert_array_equal(found.error, np.zeros((1, 3)))


@quick
@given(seeds)
def test_standardising_rows_is_that_of_the_loops(seed: int) -> None:
    rows = np.vstack([np.random.default_rng(seed).gamma(1.0, size=(3, 9)), np.full((1, 9), 0.1)])
    np.testing.assert_allclose(standardise_rows(rows), [slow.standardised(row) for row in rows], atol=1e-9)


def test_a_row_that_is_constant_up_to_rounding_is_not_blown_up() -> None:
    noise = np.random.default_rng(0).normal(size=9)
    found = standardise_rows(np.stack([1e6 + 1e-9 * noise, 1e-9 * noise, 1e6 + noise]))
    np.testing.assert_array_equal(found[0], np.zeros(9))
    np.testing.assert_allclose(found[1:].std(axis=1), [1.0, 1.0], rtol=1e-6)


def test_student_intervals_are_those_of_student() -> None:
    errors = Errors(np.array([[0.5, -1.0]]), np.array([[0.1, 0.2]]), np.array([9.0, 29.0]))
    low, high = errors.interval(0.01)
    for c in range(2):
        effect, error = errors.effect[0, c], errors.error[0, c]
        expected = stats.t.interval(0.99, errors.df[c], loc=effect, scale=error)
        assert (low[0, c], high[0, c]) == (pytest.approx(expected[0]), pytest.approx(expected[1]))


# --- refusals ---


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"permutations": 0}, "permutations: 0"),
        ({"bootstrap": 199}, "bootstrap: 199"),
        ({"alpha": 1.0}, r"alpha: 1\.0"),
        ({"alpha": 0.0}, r"alpha: 0\.0"),
        ({"alpha": float("nan")}, "alpha: nan"),
        ({"family": 0}, "family: 0"),
        ({"concepts": 2}, "labels: range -1 to 2, need -1 to 1"),
        ({"labels": np.where(LABELS == 1, 0, LABELS)}, "0 images of concept 1"),
        ({"labels": LABELS[:-1]}, "responses: shape"),
        ({"labels": LABELS[None]}, "labels"),
        ({"labels": LABELS - 1}, "labels: range -2 to 1"),
        ({"clusters": np.arange(3)}, "units: labels"),
        ({"clusters": np.zeros(len(LABELS), int)}, "1 images of concept 0, need at least 2"),
        ({"values": np.where(np.arange(len(LABELS)) == 3, np.nan, 1.0)}, "1 values are not finite"),
        ({"labels": np.zeros(len(LABELS), int), "concepts": 1}, "something to compare with"),
        ({"against_zero": True}, "benchmark images beside differences"),
    ],
)
def test_effects_refuse(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"values": response(), "labels": LABELS} | change
    with pytest.raises(InputError, match=message):
        effects_of(arguments.pop("values"), arguments.pop("labels"), **arguments)


def test_responses_of_another_shape_are_refused() -> None:
    assert as_responses([1.0, 2.0], 2).shape == (1, 2)
    for wrong in (np.ones((2, 3)), np.ones((0, 2)), np.ones((1, 2, 1))):
        with pytest.raises(InputError, match=r"layers: shape .*, need \[rows, 2 images\]"):
            as_responses(wrong, 2, name="layers")
