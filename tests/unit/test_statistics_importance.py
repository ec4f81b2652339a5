"""MMD concept importance under several detectors, against loops, jackknife and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditor.errors import InputError
from auditor.statistics.importance import (
    MOST_UNITS,
    PRIOR_DF,
    Importances,
    benchmark_test,
    class_specific,
    mmd_importance,
    sample_units,
)
from auditor.statistics.mmd import median_bandwidth
from tests.oracles import statistics_loops as slow

LABELS = np.repeat([0, 1, 2, -1], [5, 6, 7, 4])
IMAGES = len(LABELS)


def maps_of(seed, *, images=IMAGES, layers=2, detectors=2, positions=3):
    rng = np.random.default_rng(seed)
    return {
        f"layer{i}": rng.gamma(2.0, size=(images, detectors, positions)).astype(np.float32)
        for i in range(layers)
    }


def sampled(labels=LABELS, *, concepts=3, clusters=None, seed=0):
    return sample_units(labels, concepts=concepts, clusters=clusters, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("clustered", [False, True])
def test_importance_is_that_of_the_loops(clustered):
    maps = maps_of(1)
    clusters = np.arange(len(LABELS))
    if clustered:
        clusters[[0, 1]] = 100
        clusters[[12, 13, 14]] = 101
    found = mmd_importance(maps, sampled(clusters=clusters), tested=1)
    for place, values in enumerate(maps.values()):
        for detector in range(2):
            points = values[:, detector]
            # The order of the images in the sample: reference images first.
            ordered = np.concatenate([points[label == LABELS] for label in (-1, 0, 1, 2)])
            width = median_bandwidth(ordered)
            for concept in range(3):
                expected = slow.unit_mmd2(points, LABELS, clusters, concept, width)
                assert found.mmd[place, detector, concept] == pytest.approx(expected, abs=2e-6)
                own = slow.unit_values(points.mean(axis=1), concept == LABELS, clusters)
                more = slow.mean(own[1]) >= slow.mean(own[0])
                assert found.sign[place, detector, concept] == (1.0 if more else -1.0)
    expected = [
        [slow.mean([found.sign[k, d, c] * found.mmd[k, d, c] for k in range(2)]) for c in range(3)]
        for d in range(2)
    ]
    np.testing.assert_allclose(found.signed, expected)


def test_a_detector_that_falls_silent_has_a_negative_importance():
    maps = maps_of(2)
    for values in maps.values():
        values[LABELS == 0] += 3.0
        values[LABELS == 1] = 0.0
    signed = mmd_importance(maps, sampled(), tested=0).signed
    assert (signed[:, 0] > 0.1).all()
    assert (signed[:, 1] < -0.1).all()


def test_parts_of_units_are_those_of_the_jackknife():
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [40, 60])
    points = rng.normal(size=(100, 1, 4)).astype(np.float32)
    points[labels == 0] += 0.8
    found = mmd_importance({"layer": points}, sampled(labels, concepts=2), tested=1)
    kernel = found.kernels[0]

    def estimate(kept):
        own, rest = kept[labels[kept] == 0], kept[labels[kept] == 1]
        inside = sum(kernel[np.ix_(s, s)].sum() / (len(s) * (len(s) - 1)) for s in (own, rest))
        return inside - 2 * kernel[np.ix_(own, rest)].mean()

    everything = np.arange(100)
    left_out = np.array([estimate(np.delete(everything, i)) for i in everything])
    sizes = np.where(labels == 0, 40, 60)
    jackknife = (sizes - 1) / sizes * (estimate(everything) - left_out)
    parts = found.influence[0, 0]
    assert np.corrcoef(parts, jackknife)[0, 1] > 0.999
    assert np.sqrt((parts**2).sum()) == pytest.approx(np.sqrt((jackknife**2).sum()), rel=0.06)
    for label in (0, 1):
        assert parts[labels == label].sum() == pytest.approx(0.0, abs=1e-5)


def test_standard_error_is_the_spread_over_samples():
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1, 2], 30)
    effects, errors = [], []
    for _ in range(200):
        points = rng.normal(size=(90, 1, 3)).astype(np.float32)
        points[labels == 0] += 0.7
        found = mmd_importance({"layer": points}, sampled(labels), tested=0)
        effects.append(found.signed[0, 0])
        errors.append(np.sqrt((found.influence[0, 0] ** 2).sum()))
    # The relative error of a standard deviation of 200 values is 5%.
    assert np.mean(errors) == pytest.approx(np.std(effects, ddof=1), rel=0.2)


def test_units_are_drawn_and_others_left_out():
    labels = np.concatenate([np.zeros(MOST_UNITS + 20), np.ones(10), np.full(5, -1), np.full(3, -2)])
    sample = sampled(labels, concepts=2)
    assert list(sample.counts) == [MOST_UNITS, 10]
    assert (sample.labels == -1).sum() == 5
    assert not np.isin(np.flatnonzero(labels == -2), sample.positions).any()
    assert sample.means is None
    other = sampled(labels, concepts=2, seed=1)
    assert not np.array_equal(sample.positions, other.positions)


def importances_of(signed, *, units=50, noise=0.0):
    """Importances of one layer with these signed values [detectors, concepts]."""
    signed = np.asarray(signed, dtype=np.float64)
    parts = np.full((*signed.shape, units), noise / np.sqrt(units), np.float32)
    parts[1:] = 0.0
    return Importances(np.abs(signed)[None], np.sign(signed)[None], parts, ())


def test_class_specific_is_that_of_the_loops():
    rows = np.random.default_rng(5).normal(size=(6, 3))
    found = class_specific(importances_of(rows, noise=0.3), 0, np.arange(1, 6))
    variances = slow.moderated_variances(rows[1:].tolist(), PRIOR_DF)
    for concept in range(3):
        effect = rows[0, concept] - slow.mean(rows[1:, concept].tolist())
        assert found.effect[concept] == pytest.approx(effect)
        assert found.error[concept] == pytest.approx(np.sqrt(0.3**2 + variances[concept] / 5), rel=1e-6)
        spread = np.sqrt(variances[concept] * (1 + 1 / 5))
        expected = 2 * stats.t.sf(abs(effect) / spread, 4 + PRIOR_DF)
        assert found.p_value[concept] == pytest.approx(expected)
    low, high = found.interval(0.05)
    np.testing.assert_allclose((low + high) / 2, found.effect)
    assert (high - low)[0] == pytest.approx(2 * stats.t.ppf(0.975, 4 + PRIOR_DF) * found.error[0])


def test_a_class_like_any_other_is_rarely_called_specific():
    rng = np.random.default_rng(6)
    rejected = [
        class_specific(importances_of(rng.normal(size=(9, 4))), 0, np.arange(1, 9)).p_value < 0.05
        for _ in range(1000)
    ]
    # 4000 tests, dependent within a class through the common variance only.
    assert 0.03 < np.mean(rejected) < 0.07


def test_a_class_unlike_the_others_is_called_specific():
    rows = np.random.default_rng(7).normal(size=(9, 4))
    rows[0] = [20.0, -20.0, 0.0, 0.0]
    found = class_specific(importances_of(rows), 0, np.arange(1, 9))
    assert (found.p_value[:2] < 1e-4).all()
    assert found.effect[0] > 10 > -10 > found.effect[1]


def test_benchmark_sets_scatter_around_the_importance_of_all_other_images():
    rng = np.random.default_rng(8)
    labels = np.repeat(np.arange(4), 20)
    points = rng.normal(size=(80, 1, 3)).astype(np.float32)
    points[labels == 0] += 1.0
    sample = sampled(labels, concepts=4)
    found = mmd_importance({"layer": points}, sample, tested=1)
    test = benchmark_test(found.kernels[0], sample, runs=400, permutations=199, rng=np.random.default_rng(0))
    assert test.sd is not None
    np.testing.assert_allclose(test.mean, found.mmd[0, 0], atol=4 * test.sd.max() / np.sqrt(400))
    assert test.p_value[0] == pytest.approx(1 / 200)
    one = benchmark_test(found.kernels[0], sample, runs=1, permutations=9, rng=np.random.default_rng(0))
    assert one.sd is None


def test_concepts_drawn_by_lot_are_rarely_rejected():
    rng = np.random.default_rng(9)
    labels = np.repeat(np.arange(5), 12)
    rejected = []
    for _ in range(60):
        sample = sampled(labels, concepts=5)
        points = rng.normal(size=(60, 1, 3)).astype(np.float32)
        found = mmd_importance({"layer": points}, sample, tested=1)
        test = benchmark_test(found.kernels[0], sample, runs=2, permutations=99, rng=rng)
        rejected.append(test.p_value <= 0.05)
    # 300 tests at 5%: more than 28 has a chance below 0.1%.
    assert np.sum(rejected) <= 28


@pytest.mark.parametrize(
    ("labels", "message"), [([0, 1, 1, 1], "1 units among 4"), ([0, 0, 0], "3 units among 3")]
)
def test_importance_needs_two_units_on_each_side(labels, message):
    sample = sampled(np.array(labels), concepts=max(labels) + 1)
    with pytest.raises(InputError, match=message):
        mmd_importance(maps_of(0, images=len(labels)), sample, tested=0)


def test_specific_needs_two_reference_classes():
    with pytest.raises(InputError, match="1 reference classes"):
        class_specific(importances_of(np.ones((2, 2))), 0, np.array([1]))
