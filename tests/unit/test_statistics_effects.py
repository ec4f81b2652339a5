from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import polygamma

from auditor.errors import InputError
from auditor.statistics.arrays import group_images, standardise_rows
from auditor.statistics.bootstrap import Resamples, bootstrap_images, resample_counts
from auditor.statistics.classwise import against_classes, class_effects, compare_with_classes
from auditor.statistics.effects import _estimates, concept_effects, direction_of, layer_effects
from auditor.statistics.inference import (
    Estimate,
    infer,
    p_beyond_margin,
    p_within_margin,
    satterthwaite,
    smallest_detectable,
    variance_over_images,
)
from auditor.statistics.permutation import permuted_statistics, studentised
from auditor.statistics.refits import RefitVariance, _inverse_trigamma, refit_variance
from tests.oracles import statistics_loops as slow

SIZES = (6, 9, 7)
LABELS = np.repeat([2, 0, 1, -1], [SIZES[2], SIZES[0], SIZES[1], 5])
"""With five benchmark-only images, which concepts are then compared with."""
OTHERS = LABELS[LABELS >= 0]
"""Without: concepts are compared with each other."""
BOTH = pytest.mark.parametrize("labels", [LABELS, OTHERS], ids=["control", "others"])
SETTINGS = {"permutations": 99, "bootstrap": 200, "alpha": 0.05, "margin": 0.2}
NO_REFITS = RefitVariance(np.zeros(1), np.full(1, np.inf), np.zeros(1), np.full(1, np.inf))


def responses(seed=0, refits=3, labels=LABELS, step=0.8):
    rng = np.random.default_rng(seed)
    image = rng.gamma(2.0, size=len(labels)) + step * np.asarray(labels)
    return image + 0.3 * rng.normal(size=(refits, len(labels)))


def effects_of(values, labels=LABELS, seed=1, concepts=3, **changes):
    return concept_effects(
        values,
        labels,
        concepts=[f"c{i}" for i in range(concepts)],
        rng=np.random.default_rng(seed),
        **(SETTINGS | changes),
    )


def weights_of(labels, concept, concepts=3):
    """What an image's response counts in the difference, before division by its group's size."""
    others = slow.compared_with(labels, concept, concepts)
    group = np.where(labels < 0, concepts, labels)
    return np.where(group == concept, 1.0, np.where(np.isin(group, others), -1 / len(others), 0.0))


@BOTH
def test_effects_are_those_of_the_loops(labels):
    values = responses(labels=labels)
    compared = [slow.compared_with(labels, c, 3) for c in range(3)]
    sizes = [len(g) for g in slow.groups_of(labels, 3)]
    for c, found in enumerate(effects_of(values, labels)):
        expected = [slow.effect(row, labels, c, 3) for row in values]
        np.testing.assert_allclose(found.refit_effects, expected, rtol=1e-9)
        assert found.effect == pytest.approx(slow.mean(expected))
        n_benchmark = sum(sizes[k] for k in compared[c])
        assert (found.concept, found.n, found.n_benchmark) == (f"c{c}", SIZES[c], n_benchmark)


@BOTH
def test_effects_in_the_responses_own_unit_are_those_of_the_loops(labels):
    values = responses(labels=labels)
    for c, found in enumerate(effects_of(values, labels, standardised=False)):
        expected = [slow.difference(row, labels, c, 3) for row in values]
        np.testing.assert_allclose(found.refit_effects, expected, rtol=1e-9)
        own = values.mean(axis=0)[c == labels]
        np.testing.assert_allclose(found.deciles, np.quantile(own, np.arange(11) / 10), atol=1e-9)
    every = class_effects(values, labels, concepts=3, standardised=False)
    np.testing.assert_allclose(every, [[slow.difference(r, labels, c, 3) for c in range(3)] for r in values])


@BOTH
def test_influence_in_the_responses_own_unit_is_the_weighted_deviation(labels):
    values = responses(labels=labels, refits=1)
    groups = group_images(labels, 3)
    for c, estimate in enumerate(_estimates(values[:, groups.order], groups, standardised=False)[0]):
        expected = np.zeros(len(labels))
        for members in slow.groups_of(labels, 3):
            middle = slow.mean([values[0][i] for i in members])
            for i in members:
                expected[i] = weights_of(labels, c)[i] * (values[0][i] - middle)
        np.testing.assert_allclose(estimate.influence, expected[groups.order], atol=1e-9)
        assert estimate.image_variance == pytest.approx(slow.difference_variance(values[0], labels, c, 3))
        assert estimate.scale == 1.0


def test_differences_from_twins_are_tested_by_their_signs():
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], [8, 30])
    values = np.concatenate([rng.normal(0.9, 1.0, 8), rng.normal(0.0, 1.0, 30)])
    first, second = effects_of(
        values, labels, concepts=2, standardised=False, against_zero=True, permutations=9999, bootstrap=4000
    )
    assert first.effect == pytest.approx(values[:8].mean())
    assert (first.n, first.n_benchmark) == (8, 8)
    assert first.standard_error == pytest.approx(values[:8].std(ddof=1) / np.sqrt(8))
    # Every one of the 256 ways to give signs, studentised like the sample.
    null = []
    for code in range(256):
        signed = values[:8] * [1 if code >> bit & 1 else -1 for bit in range(8)]
        null.append(abs(signed.mean()) / np.sqrt(signed.var(ddof=1) / 8))
    observed = abs(values[:8].mean()) / np.sqrt(values[:8].var(ddof=1) / 8)
    assert first.p_value == pytest.approx(np.mean(np.array(null) >= observed * (1 - 1e-9)), abs=0.01)
    assert second.p_value > 0.05
    every = class_effects(values, labels, concepts=2, standardised=False, against_zero=True)
    np.testing.assert_allclose(every, [[values[:8].mean(), values[8:].mean()]])
    flipped = effects_of(-values, labels, concepts=2, standardised=False, against_zero=True)
    assert flipped[0].effect == pytest.approx(-first.effect)


def test_differences_from_twins_need_no_benchmark_images():
    with pytest.raises(InputError, match="benchmark images beside differences"):
        effects_of(responses(), standardised=False, against_zero=True)


@BOTH
def test_deciles_are_of_the_response_in_benchmark_units(labels):
    values = responses(refits=1, labels=labels)[0]
    for c, found in enumerate(effects_of(values, labels)):
        other = [slow.groups_of(labels, 3)[k] for k in slow.compared_with(labels, c, 3)]
        centre = slow.mean([slow.mean([values[i] for i in g]) for g in other])
        z = (values[c == labels] - centre) / slow.benchmark_sd(values, labels, c, 3)
        np.testing.assert_allclose(found.deciles, np.quantile(z, np.arange(11) / 10), atol=1e-9)


@BOTH
def test_influence_is_the_derivative_of_the_effect(labels):
    values = responses(step=1.5, labels=labels)
    groups = group_images(labels, 3)
    values_in_order = standardise_rows(values[:, groups.order])
    for c, estimate in enumerate(_estimates(values_in_order, groups, standardised=True)[0]):
        expected = np.array(slow.influences(values, labels, c, 3))
        np.testing.assert_allclose(estimate.influence, expected[groups.order], atol=1e-6)
        rows = [slow.influences([row], labels, c, 3) for row in values]
        variance = slow.held_variance(rows, slow.groups_of(labels, 3))
        assert estimate.image_variance == pytest.approx(variance, rel=1e-6)


@BOTH
def test_variances_under_the_null_are_those_of_the_difference(labels):
    values = standardise_rows(responses(labels=labels))
    groups = group_images(labels, 3)
    estimates, _ = _estimates(values[:, groups.order], groups, standardised=True)
    average = values.mean(axis=0)
    for c, estimate in enumerate(estimates):
        assert estimate.difference == pytest.approx(slow.difference(average, labels, c, 3))
        expected = slow.difference_variance(average, labels, c, 3)
        assert estimate.difference_variance == pytest.approx(expected)
        scales = [slow.benchmark_sd(row, labels, c, 3) for row in values]
        assert estimate.scale == pytest.approx(slow.mean(scales))
        weights = weights_of(labels, c)
        held = slow.held_variance(list(values * weights), slow.groups_of(labels, 3))
        assert estimate.difference_held == pytest.approx(held)
        scaled = [row * weights / s for row, s in zip(values, scales, strict=True)]
        assert estimate.null_variance == pytest.approx(slow.held_variance(scaled, slow.groups_of(labels, 3)))
        assert estimate.image_df == SIZES[c] - 1


@pytest.mark.parametrize("refits", [1, 2, 4])
def test_variance_with_refits_held_is_that_of_the_loops(refits):
    terms = responses(refits=refits)
    groups = group_images(LABELS, 3)
    total, held = variance_over_images(terms[:, groups.order], groups)
    members = slow.groups_of(LABELS, 3)
    assert total == pytest.approx(slow.sum_of_means_variance(terms.mean(axis=0), members))
    assert held == pytest.approx(slow.held_variance(terms, members))
    assert held <= total


def test_permuted_statistics_are_those_of_relabelled_images():
    values = responses(refits=1)[0]
    groups = group_images(LABELS, 3)
    ordered = values[groups.order]
    observed = studentised(ordered, groups)
    for c in range(3):
        error = np.sqrt(slow.difference_variance(values, LABELS, c, 3))
        assert observed[c] == pytest.approx(slow.difference(values, LABELS, c, 3) / error)
    null = permuted_statistics(ordered, groups, permutations=30, rng=np.random.default_rng(3))
    shuffled = np.random.default_rng(3).permuted(np.broadcast_to(ordered, (30, len(values))), axis=1)
    sorted_labels = LABELS[groups.order]
    for row, of_row in zip(shuffled, null, strict=True):
        for c in range(3):
            error = np.sqrt(slow.difference_variance(row, sorted_labels, c, 3))
            assert of_row[c] == pytest.approx(slow.difference(row, sorted_labels, c, 3) / error)


def test_permutations_are_drawn_in_chunks_as_they_would_be_at_once(monkeypatch):
    groups = group_images(LABELS, 3)
    ordered = responses(refits=1)[0][groups.order]
    at_once = permuted_statistics(ordered, groups, permutations=23, rng=np.random.default_rng(3))
    monkeypatch.setattr("auditor.statistics.permutation.CHUNK_VALUES", 5 * len(ordered))
    in_chunks = permuted_statistics(ordered, groups, permutations=23, rng=np.random.default_rng(3))
    np.testing.assert_allclose(in_chunks, at_once)


def test_p_of_two_groups_agrees_with_scipy():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [14, 20])
    values = rng.normal(size=34) + 0.6 * (labels == 0)

    def welch(a, b, axis):
        return np.abs(stats.ttest_ind(a, b, axis=axis, equal_var=False).statistic)

    expected = stats.permutation_test(
        (values[:14], values[14:]), welch, n_resamples=4000, alternative="greater", vectorized=True, rng=1
    ).pvalue
    got = effects_of(values, labels, concepts=2, permutations=4000)
    assert got[0].p_images == pytest.approx(expected, abs=0.02)
    assert got[0].p_images == got[0].p_value == got[1].p_value


def test_standard_error_and_interval_agree_with_scipys_bootstrap():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [50, 60])
    values = rng.normal(size=110) + 1.5 * (labels == 0)

    def effect(a, b, axis):
        return (a.mean(axis=axis) - b.mean(axis=axis)) / b.std(axis=axis, ddof=0)

    expected = stats.bootstrap(
        (values[:50], values[50:]), effect, n_resamples=4000, method="basic", vectorized=True, rng=1
    )
    found = effects_of(values, labels, concepts=2, bootstrap=4000)[0]
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.1)
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.15)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.15)


def test_pivots_are_those_of_the_loops():
    groups = group_images(LABELS, 3)
    influence = responses(refits=2)[:, groups.order]
    influence -= np.repeat(np.add.reduceat(influence, groups.starts, 1) / groups.sizes, groups.sizes, axis=1)
    got = bootstrap_images(influence, groups, draws=25, rng=np.random.default_rng(4))
    rng = np.random.default_rng(4)
    counts = [resample_counts(int(size), 25, rng) for size in groups.sizes]
    members = [list(range(s, s + n)) for s, n in zip(groups.starts, groups.sizes, strict=True)]
    for row in range(2):
        pivots, errors = slow.pivots(influence[row], members, counts)
        np.testing.assert_allclose(got.pivots[:, row], pivots, rtol=1e-9)
        usual = np.sqrt(slow.sum_of_means_variance(influence[row], members))
        np.testing.assert_allclose(got.errors[:, row] * usual, errors, rtol=1e-9)


def test_resamples_draw_with_replacement():
    counts = resample_counts(5, 4000, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 5).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.06)
    np.testing.assert_allclose(counts.var(axis=0), 0.8, atol=0.08)


def estimate_of(effect=0.5, image_variance=0.04):
    return Estimate(
        effects=np.array([effect]),
        influence=np.zeros(4),
        image_variance=image_variance,
        null_variance=0.01,
        image_df=30.0,
        difference=0.3,
        difference_variance=0.09,
        difference_held=0.04,
        scale=0.5,
    )


def inferred(estimate, pivots, permuted, refits=NO_REFITS, **changes):
    options = {"alpha": 0.1, "margin": 0.2, "family_size": 5, "rng": np.random.default_rng(0)} | changes
    resamples = Resamples(pivots=pivots[:, None], errors=np.ones((len(pivots), 1)))
    return infer([estimate], resamples=resamples, permuted=permuted[:, None], refits=refits, **options)[0]


def test_interval_turns_the_bootstrap_round():
    pivots = np.random.default_rng(0).gamma(2.0, size=999) - 1.5
    found = inferred(estimate_of(), pivots, np.ones(9))
    assert found.low == pytest.approx(0.5 - np.quantile(pivots, 0.95) * 0.2)
    assert found.high == pytest.approx(0.5 - np.quantile(pivots, 0.05) * 0.2)
    widen = stats.t.ppf(1 - 0.1 / 2 / 5, 30) / stats.t.ppf(1 - 0.1 / 2, 30)
    assert found.effect - found.adjusted_low == pytest.approx((found.effect - found.low) * widen)
    assert found.adjusted_high - found.effect == pytest.approx((found.high - found.effect) * widen)
    assert found.p_beyond == p_beyond_margin(0.5, pivots * 0.2, margin=0.2)
    assert found.p_within == p_within_margin(0.5, pivots * 0.2, margin=0.2)
    assert found.standard_error == found.error_images == pytest.approx(0.2)


def test_smallest_detectable_of_normal_noise_is_the_sum_of_two_quantiles():
    rng = np.random.default_rng(0)
    found = inferred(estimate_of(), rng.normal(size=20_000), rng.normal(size=20_000))
    expected = (stats.norm.ppf(1 - 0.1 / 2 / 5) + stats.norm.ppf(0.8)) * 0.1
    assert found.smallest_detectable == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("sign", [1, -1])
def test_smallest_detectable_is_found_four_times_out_of_five_whatever_its_sign(sign):
    rng = np.random.default_rng(1)
    null, shift = rng.normal(size=999), sign * (rng.gamma(1.0, size=4000) - 1.0)
    errors = rng.uniform(0.5, 1.5, size=4000)
    size = smallest_detectable(np.abs(null), shift=shift, errors=errors, level=0.05)
    # The 50th largest of 999 is the value that p = 50/1000 may not reach.
    bar = sorted(np.abs(null))[-50]
    upwards = np.mean(size + shift >= bar * errors)
    downwards = np.mean(-size + shift <= -bar * errors)
    assert min(upwards, downwards) == pytest.approx(0.8, abs=0.001)
    p = slow.permutation_p(bar * 1.001, null)
    assert p <= 0.05 < slow.permutation_p(bar * 0.999, null)


def test_refits_widen_everything():
    refits = RefitVariance(np.array([0.05]), np.array([4.0]), np.array([0.02]), np.array([7.0]))
    pivots, permuted = np.random.default_rng(1).normal(size=(2, 4999))
    estimate = dataclasses.replace(estimate_of(), difference_variance=0.041)
    found = inferred(estimate, pivots, permuted, refits)
    assert found.error_refits == pytest.approx(np.sqrt(0.05))
    assert found.standard_error == pytest.approx(0.3)
    noise = stats.t.rvs(4, size=200_000, random_state=2) * np.sqrt(0.05)
    noise += stats.norm.rvs(size=200_000, random_state=3) * 0.2
    assert found.low == pytest.approx(0.5 - np.quantile(noise, 0.95), abs=0.03)
    df = satterthwaite(0.01, 30, 0.02, 7)
    expected = (stats.t.ppf(0.99, df) + stats.t.ppf(0.8, df)) * np.sqrt(0.03)
    assert found.smallest_detectable == pytest.approx(expected, rel=0.06)
    strict, ordinary = (stats.t.ppf(1 - 0.05 / m, satterthwaite(0.04, 30, 0.05, 4)) for m in (5, 1))
    assert found.effect - found.adjusted_low == pytest.approx((found.effect - found.low) * strict / ordinary)
    assert found.p_images == slow.permutation_p(0.3, permuted, np.sqrt(0.041))
    null_noise = stats.t.rvs(7, size=200_000, random_state=4) * np.sqrt(0.02) * 0.5
    null_noise += stats.norm.rvs(size=200_000, random_state=5) * 0.2
    expected_p = np.mean(np.abs(null_noise) >= 0.3)
    assert expected_p > found.p_images + 0.01
    assert found.p_value == pytest.approx(expected_p, abs=0.01)


def test_p_never_gains_from_refits():
    estimate = dataclasses.replace(estimate_of(), difference_held=0.0)
    found = inferred(estimate, np.zeros(9), np.array([0.0, 2.0, -3.0, 0.5]))
    assert found.p_images == found.p_value == 3 / 5


def test_satterthwaite_is_welch_for_two_samples():
    a, b = np.random.default_rng(0).normal(size=8), 2 * np.random.default_rng(1).normal(size=15)
    expected = stats.ttest_ind(a, b, equal_var=False).df
    assert satterthwaite(a.var(ddof=1) / 8, 7, b.var(ddof=1) / 15, 14) == pytest.approx(expected)
    assert satterthwaite(1.0, 9, 0.0, np.inf) == 9
    assert satterthwaite(0.0, 9, 0.0, np.inf) == np.inf


@pytest.mark.parametrize("effect", [0.9, -0.9, 0.1])
def test_margin_tests_are_those_of_the_loops(effect):
    noise = np.random.default_rng(5).gamma(2.0, size=500) * 0.3 - 0.6
    edge = 0.2 if effect >= 0 else -0.2
    beyond = (1 + sum(1 for x in noise if abs(edge + x) >= abs(effect))) / 501
    assert p_beyond_margin(effect, noise, margin=0.2) == beyond
    above = (1 + sum(1 for x in noise if 0.2 + x <= effect)) / 501
    below = (1 + sum(1 for x in noise if -0.2 + x >= effect)) / 501
    assert p_within_margin(effect, noise, margin=0.2) == max(above, below)


def test_margin_tests_point_the_right_way():
    noise = np.random.default_rng(6).normal(size=999) * 0.05
    assert p_beyond_margin(0.5, noise, margin=0.2) == 0.001
    assert p_beyond_margin(0.1, noise, margin=0.2) > 0.9
    assert p_within_margin(0.0, noise, margin=0.2) == 0.001
    assert p_within_margin(0.5, noise, margin=0.2) > 0.9
    assert p_within_margin(-0.5, noise, margin=0.2) > 0.9


@pytest.mark.parametrize("low", [-0.5, -0.21, -0.2, -0.1, 0.19, 0.2, 0.3])
@pytest.mark.parametrize("width", [0.05, 0.4, 1.0])
@pytest.mark.parametrize("p", [0.01, 0.05, 0.2])
def test_directions_are_those_of_the_definition(low, width, p):
    got = direction_of(low, low + width, p, alpha=0.05, margin=0.2)
    assert got == slow.direction(low, low + width, p, 0.05, 0.2)


def test_directions_come_from_the_bank_corrected_by_holm():
    labels = np.repeat(np.arange(4), 40)
    rng = np.random.default_rng(7)
    values = rng.normal(size=(3, 160)) * 0.1 + rng.normal(size=160)
    values += np.array([2.0, -2.0, 0.0, 0.0])[labels]
    found = effects_of(values, labels, concepts=4, margin=1.0, permutations=199)
    assert [f.direction for f in found] == ["associated", "inhibiting", "not associated", "not associated"]
    # 4 tests at 0.05 need 79 permutations: with 50 nothing can be significant, and nothing is.
    few = effects_of(values, labels, concepts=4, margin=1.0, permutations=50)
    assert [f.direction for f in few][:2] == ["inconclusive", "inconclusive"]


def test_a_larger_family_widens_the_adjusted_interval_only():
    values = responses()
    small, large = effects_of(values, family_size=1)[0], effects_of(values, family_size=500)[0]
    assert (small.low, small.high) == (large.low, large.high)
    assert small.adjusted_low == pytest.approx(small.low)
    assert large.adjusted_low < small.low
    assert large.smallest_detectable > small.smallest_detectable


def test_one_refit_has_no_error_of_refits():
    found = effects_of(responses(refits=1))[0]
    assert found.error_refits == 0.0
    assert found.p_value == found.p_images


def test_constant_responses_are_no_evidence():
    for found in effects_of(np.full((2, len(LABELS)), 3.7)):
        assert found.effect == 0.0
        assert found.p_value == 1.0
        assert found.direction == "not associated"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"permutations": 0}, "permutations: 0"),
        ({"bootstrap": 199}, "bootstrap: 199"),
        ({"alpha": 1.0}, "alpha: 1.0"),
        ({"margin": -0.1}, "margin of relevance: -0.1"),
        ({"margin": float("nan")}, "margin"),
        ({"refit_overlap": 1.0}, "overlap of refits: 1.0"),
        ({"family_size": 0}, "family size: 0"),
        ({"borrowed": np.zeros((2, 4))}, "borrowed effects"),
        ({"concepts": 2}, "labels: range -1 to 2, need -1 to 1"),
        ({"labels": np.where(LABELS == 1, 0, LABELS)}, "0 images of concept 1"),
        ({"labels": LABELS[:-1]}, "responses: shape"),
        ({"labels": LABELS[None]}, "labels: shape"),
        ({"values": np.full((1, len(LABELS)), np.nan)}, "not finite"),
        ({"labels": np.zeros(len(LABELS), int), "concepts": 1}, "something to compare with"),
    ],
)
def test_effects_refuse(change, message):
    arguments = {"values": responses(), "labels": LABELS} | change
    with pytest.raises(InputError, match=message):
        effects_of(arguments.pop("values"), arguments.pop("labels"), **arguments)


seeds = st.integers(0, 10**6)
quick = settings(max_examples=20, deadline=None)


@quick
@given(seeds, st.floats(0.01, 100), st.floats(-50, 50))
def test_scale_and_shift_change_nothing(seed, scale, shift):
    values = responses(seed)
    for one, two in zip(effects_of(values), effects_of(values * scale + shift), strict=True):
        np.testing.assert_allclose(dataclasses.astuple(one)[3:5], dataclasses.astuple(two)[3:5], atol=1e-6)
        assert one.p_value == two.p_value
        assert one.direction == two.direction


@quick
@given(seeds)
def test_a_flipped_sign_flips_the_score(seed):
    values = responses(seed, refits=1)
    for one, two in zip(effects_of(values), effects_of(-values), strict=True):
        assert one.effect == pytest.approx(-two.effect)
        assert one.error_images == pytest.approx(two.error_images)
        assert one.p_images == two.p_images
        # The bootstrap draws the same images, so the interval is the mirror image.
        assert one.low == pytest.approx(-two.high)
        assert one.adjusted_high == pytest.approx(-two.adjusted_low)
        assert one.p_beyond == two.p_beyond
        assert one.p_within == two.p_within


@quick
@given(seeds)
def test_the_order_of_images_changes_nothing_that_is_not_drawn(seed):
    values = responses(seed)
    order = np.random.default_rng(seed).permutation(len(LABELS))
    for one, two in zip(effects_of(values), effects_of(values[:, order], LABELS[order]), strict=True):
        for name in ("effect", "standard_error", "refit_effects", "deciles"):
            np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=1e-9)


@quick
@given(seeds, st.sampled_from([1, 2, 5]))
def test_ranges(seed, refits):
    for found in effects_of(responses(seed, refits)):
        for p in (found.p_value, found.p_images, found.p_beyond, found.p_within):
            assert 0 < p <= 1
        assert found.adjusted_low <= found.low <= found.high <= found.adjusted_high
        assert found.p_images <= found.p_value
        assert found.smallest_detectable > 0


def test_other_concepts_count_alike_however_many_images_they_have():
    values, labels = responses(refits=1)[0], LABELS
    twice = np.concatenate([values, values[labels == 1]])
    again = np.concatenate([labels, np.full(SIZES[1], 1)])
    one, two = class_effects(values, labels, concepts=3), class_effects(twice, again, concepts=3)
    np.testing.assert_allclose(one[0, [0, 2]], two[0, [0, 2]], rtol=0.02)


# --- refits ---


def test_few_variances_are_taken_as_they_are():
    effects = np.random.default_rng(0).normal(size=(3, 5))
    got = refit_variance(effects, overlap=0.5)
    expected = [slow.variance(column) * (1 / 3 + 1.0) for column in effects.T]
    np.testing.assert_allclose(got.of_mean, expected)
    np.testing.assert_allclose(got.null_of_mean, expected)
    assert (got.df == 2).all()


def test_variances_around_a_trend_are_found_and_pooled():
    rng = np.random.default_rng(1)
    means = np.linspace(-3, 3, 600)
    sd = np.sqrt(0.04 + 0.09 * means**2)
    got = refit_variance(means + sd * rng.normal(size=(3, 600)))
    np.testing.assert_allclose(np.median(got.of_mean / (sd**2 / 3)), 1.0, atol=0.12)
    np.testing.assert_allclose(np.median(got.null_of_mean), 0.04 / 3, rtol=0.25)
    assert got.df.min() > 6


def test_variances_that_differ_without_a_trend_are_not_made_equal():
    rng = np.random.default_rng(2)
    true = 1 / rng.gamma(2.0, size=2000)
    got = refit_variance(np.sqrt(true) * rng.normal(size=(4, 2000)))
    # Smyth's posterior has prior and own degrees of freedom: 4 and 3.
    np.testing.assert_allclose(np.median(got.df), 7.0, atol=1.2)
    # The truth over its posterior is df over chi-square, whose mean is df / (df - 2).
    df = got.df[0]
    assert np.mean(true / (got.of_mean * 4)) == pytest.approx(df / (df - 2), rel=0.08)
    own = np.corrcoef(np.log(true), np.log(got.of_mean))[0, 1]
    assert own > 0.6


@pytest.mark.parametrize("value", [1e-3, 0.3, 1.0, 7.0, 500.0])
def test_inverse_of_the_trigamma_function(value):
    assert polygamma(1, _inverse_trigamma(value)) == pytest.approx(value, rel=1e-8)


def test_borrowed_effects_lend_degrees_of_freedom():
    rng = np.random.default_rng(3)
    own, others = rng.normal(size=(3, 2)) * 0.1, rng.normal(size=(3, 60)) * 0.1
    got = refit_variance(own, borrowed=others)
    assert got.of_mean.shape == (2,)
    assert got.df.min() > 8
    assert refit_variance(own).df.max() == 2
    np.testing.assert_allclose(got.of_mean, 0.01 / 3, rtol=0.4)


def test_a_lone_large_effect_knows_little_about_its_own_variance():
    rng = np.random.default_rng(4)
    effects = 0.05 * rng.normal(size=(3, 16))
    effects[:, 0] = 4.0 * (1 + 0.3 * rng.normal(size=3))
    got = refit_variance(effects)
    assert got.df[0] < 3
    assert got.null_df[0] > 10
    assert got.null_of_mean[0] < 0.1 * got.of_mean[0]


def test_degrees_of_freedom_never_fall_below_those_of_the_refits():
    rng = np.random.default_rng(5)
    for _ in range(200):
        # Effects that are all large and vary in proportion say nothing about an effect of 0.
        means = rng.choice([-3.0, 3.0], size=8) + rng.normal(size=8)
        got = refit_variance(means * (1 + 0.3 * rng.normal(size=(3, 8))))
        assert min(got.df.min(), got.null_df.min()) >= 2
        assert (got.null_of_mean > 0).all()


# --- layers and classes ---


def test_layer_effects_are_the_effects_of_single_layers():
    stack = np.stack([responses(0), responses(1)], axis=1)
    got = layer_effects(stack, LABELS, concepts=3, alpha=0.05)
    for layer in range(2):
        alone = effects_of(stack[:, layer])
        np.testing.assert_allclose(got.effect[layer], [f.effect for f in alone])
        for c, found in enumerate(alone):
            df = satterthwaite(found.error_images**2, SIZES[c] - 1, found.error_refits**2, 2)
            half = stats.t.ppf(0.975, df) * found.standard_error
            assert (got.high - got.low)[layer, c] == pytest.approx(2 * half)
    np.testing.assert_allclose(got.low + got.high, 2 * got.effect)


def test_layer_effects_refuse_responses_without_layers():
    with pytest.raises(InputError, match="per layer"):
        layer_effects(responses(), LABELS, concepts=3, alpha=0.05)


def test_class_effects_are_the_effects_of_every_row():
    values = responses(refits=4)
    expected = [[slow.effect(row, LABELS, c, 3) for c in range(3)] for row in values]
    np.testing.assert_allclose(class_effects(values, LABELS, concepts=3), expected)


def test_comparison_with_classes_is_that_of_the_loops():
    own, reference = responses(0, 2, step=2.0), responses(1, 9)
    got = compare_with_classes(own, reference, LABELS, concepts=3)
    for c in range(3):
        effect = slow.mean([slow.effect(row, LABELS, c, 3) for row in own])
        others = [slow.effect(row, LABELS, c, 3) for row in reference]
        assert got.effect[c] == pytest.approx(effect)
        z = (effect - slow.mean(others)) / np.sqrt(slow.variance(others))
        assert got.z[c] == pytest.approx(z)
        middle = slow.mean([effect, *others])
        hits = sum(1 for x in others if abs(x - middle) >= abs(effect - middle))
        assert got.p_value[c] == pytest.approx((1 + hits) / 10)


def test_p_over_classes_holds_its_level():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 10)
    p = [
        compare_with_classes(rows[:1], rows[1:], labels, concepts=2).p_value[0]
        for rows in rng.normal(size=(400, 20, 20)) + np.array([1.0, 0.0])[labels]
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
    assert min(p) == 1 / 20


def test_double_centring_removes_what_all_classes_share():
    shared = np.random.default_rng(0).normal(size=len(LABELS)) * 5
    reference = shared + responses(1, 6, step=0.0) * 0.1
    own = shared + (LABELS == 1)
    before = class_effects(own, LABELS, concepts=3)[0]
    after = class_effects(against_classes(own, reference), LABELS, concepts=3)[0]
    assert abs(before[1]) < 1.5 < after[1]
    z = standardise_rows(own[None])[0] - standardise_rows(reference).mean(axis=0)
    np.testing.assert_allclose(against_classes(own, reference)[0], z)


def test_comparison_needs_classes():
    with pytest.raises(InputError, match="reference classes: 1"):
        compare_with_classes(responses(), responses(1, 1), LABELS, concepts=3)
    with pytest.raises(InputError, match="reference responses"):
        against_classes(responses(), responses()[:, :-1])
