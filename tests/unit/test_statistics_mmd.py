from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.errors import InputError
from auditor.statistics.mmd import (
    gaussian_kernel,
    median_bandwidth,
    mmd2_unbiased,
    paper_scores,
)
from auditor.statistics.mmd_permutation import mmd_test
from tests.oracles import statistics_loops as slow


def maps_of(seed, images=26, layers=2, positions=4):
    rng = np.random.default_rng(seed)
    return {f"layer{i}": rng.gamma(2.0, size=(images, positions)).astype(np.float32) for i in range(layers)}


def test_kernel_and_bandwidth_are_those_of_the_loops():
    points = np.random.default_rng(0).normal(size=(12, 3)) + 5
    width = median_bandwidth(points)
    assert width == pytest.approx(slow.median_distance(points))
    expected = [[slow.kernel(a, b, width) for b in points] for a in points]
    np.testing.assert_allclose(gaussian_kernel(points, bandwidth=width), expected, atol=1e-12)


def test_kernel_of_maps_far_from_zero_is_still_exact():
    points = np.random.default_rng(0).normal(size=(8, 3))
    far = gaussian_kernel(points + 1e7, bandwidth=1.0)
    np.testing.assert_allclose(far, gaussian_kernel(points, bandwidth=1.0), atol=1e-6)


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, float("nan")])
def test_bandwidth_must_be_positive(bandwidth):
    with pytest.raises(InputError, match="bandwidth"):
        gaussian_kernel(np.ones((3, 2)), bandwidth=bandwidth)


def test_bandwidth_of_mostly_equal_maps_is_positive():
    points = np.zeros((20, 3))
    points[0] = 2.0
    assert median_bandwidth(points) == pytest.approx(np.sqrt(12.0))
    assert median_bandwidth(np.zeros((5, 3))) == 1.0


def test_bandwidth_of_many_images_looks_at_the_whole_range():
    points = np.random.default_rng(1).normal(size=(2500, 2))
    assert median_bandwidth(points) == pytest.approx(median_bandwidth(points[::2]), rel=0.05)


def test_unbiased_mmd_is_that_of_the_loops():
    points = np.random.default_rng(2).normal(size=(15, 3))
    points[:6] += 0.7
    kernel = gaussian_kernel(points, bandwidth=1.3)
    found = mmd2_unbiased(kernel, np.arange(6), np.arange(6, 15))
    assert found == pytest.approx(slow.mmd2_unbiased(points[:6], points[6:], 1.3), abs=1e-12)


def test_unbiased_mmd_of_equal_distributions_averages_zero_and_biased_does_not():
    rng = np.random.default_rng(3)
    biased, unbiased = [], []
    for _ in range(300):
        points = rng.normal(size=(20, 2))
        kernel = gaussian_kernel(points, bandwidth=1.5)
        biased.append(slow.mmd2_biased(points[:10], points[10:], 1.5))
        unbiased.append(mmd2_unbiased(kernel, np.arange(10), np.arange(10, 20)))
    assert abs(np.mean(unbiased)) < 4 * np.std(unbiased) / np.sqrt(300)
    assert np.mean(biased) > 0.03


def test_unbiased_mmd_needs_two_images_each():
    with pytest.raises(InputError, match="1 and 2 images, need 2"):
        mmd2_unbiased(np.eye(3), np.array([0]), np.array([1, 2]))


def subset(pool, size, rng):
    return np.sort(rng.choice(pool, size, replace=False))


def drawn(labels, concepts, size, runs, seed, pool=None):
    """The sets that the score draws, drawn again in the same order."""
    rng = np.random.default_rng(seed)
    chosen = [subset(np.flatnonzero(labels == c), size, rng) for c in range(concepts)]
    against = []
    for _ in range(runs):
        if pool is None:
            against.append([subset(np.flatnonzero(labels != c), size, rng) for c in range(concepts)])
        else:
            against.append([subset(pool, size, rng)] * concepts)
    return chosen, against


@pytest.mark.parametrize("with_pool", [False, True])
@pytest.mark.parametrize("sizes", [(6, 6, 6), (5, 8, 6)])
def test_paper_scores_are_those_of_the_loops(with_pool, sizes):
    labels = np.concatenate([np.repeat(np.arange(3), sizes), np.full(26 - sum(sizes), -1)])
    maps = maps_of(4)
    for values in maps.values():
        values[labels == 1] += 1.0
    pool = np.flatnonzero(labels == -1) if with_pool else None
    got = paper_scores(maps, labels, benchmark=pool, runs=3, rng=np.random.default_rng(9))
    assert got.size == min(*sizes, 99 if pool is None else len(pool))
    chosen, against = drawn(labels, 3, got.size, 3, 9, pool)
    expected_mean, expected_sd = slow.paper_scores(maps, labels, chosen, against)
    np.testing.assert_allclose(got.mean, expected_mean, rtol=1e-4)
    np.testing.assert_allclose(got.sd, expected_sd, rtol=1e-3)
    for values in maps.values():
        assert median_bandwidth(values) == pytest.approx(slow.median_distance(values))
    assert got.mean.sum() == pytest.approx(1.0)


def test_exact_paper_scores_draw_concept_images_anew_and_keep_one_benchmark_set():
    labels = np.concatenate([np.repeat(np.arange(3), 6), np.full(8, -1)])
    maps = maps_of(11)
    pool = np.flatnonzero(labels == -1)
    got = paper_scores(maps, labels, benchmark=pool, runs=4, rng=np.random.default_rng(9), exact=True)
    assert got.size == 3
    rng = np.random.default_rng(9)
    concept_sets = [
        [np.sort(rng.choice(np.flatnonzero(labels == c), 3, replace=False)) for c in range(3)]
        for _ in range(4)
    ]
    benchmark = np.sort(rng.choice(pool, 3, replace=False))
    runs = [slow.paper_scores(maps, labels, sets, [[benchmark] * 3] * 2)[0] for sets in concept_sets]
    np.testing.assert_allclose(got.mean, np.mean(runs, axis=0), rtol=1e-4)
    np.testing.assert_allclose(got.sd, np.std(runs, axis=0, ddof=1), rtol=1e-3)


def test_paper_scores_have_no_sign():
    labels = np.repeat(np.arange(3), 8)
    maps = maps_of(5, images=24)
    for values in maps.values():
        values[labels == 2] += 1.5
    flipped = {layer: -values for layer, values in maps.items()}
    options = {"benchmark": None, "runs": 5}
    one = paper_scores(maps, labels, rng=np.random.default_rng(0), **options)
    two = paper_scores(flipped, labels, rng=np.random.default_rng(0), **options)
    np.testing.assert_allclose(one.mean, two.mean, rtol=1e-5)
    assert one.mean.argmax() == 2


def test_constant_maps_have_no_paper_score():
    got = paper_scores(
        {"layer": np.ones((12, 4), np.float32)},
        np.repeat(np.arange(3), 4),
        benchmark=None,
        runs=2,
        rng=np.random.default_rng(0),
    )
    assert np.isnan(got.mean).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runs": 0}, "0 runs"),
        ({"maps": {}}, "0 layers"),
        ({"labels": np.full(24, -1)}, "labels -1 to -1"),
        ({"labels": np.repeat([-2, 0, 1], 8)}, "labels -2"),
        ({"labels": np.r_[np.zeros(23, int), 1]}, "sets of 1 images"),
        ({"maps": {"a": np.full((24, 2), np.nan)}}, "maps of layer 'a'"),
        ({"maps": {"a": np.ones((23, 2))}}, "maps of layer 'a'"),
        ({"benchmark": np.array([3])}, "sets of 1 images"),
    ],
)
def test_paper_scores_refuse(change, message):
    arguments = {
        "maps": maps_of(0, images=24),
        "labels": np.repeat(np.arange(3), 8),
        "benchmark": None,
        "runs": 2,
        "rng": np.random.default_rng(0),
    } | change
    with pytest.raises(InputError, match=message):
        paper_scores(arguments.pop("maps"), arguments.pop("labels"), **arguments)


def test_mmd_test_statistic_is_the_loops_summed_over_layers():
    labels = np.repeat([0, 1, 2, -1], [5, 7, 6, 8])
    maps = maps_of(6)
    widths = {layer: median_bandwidth(values) for layer, values in maps.items()}
    kernels = [gaussian_kernel(values, bandwidth=widths[layer]) for layer, values in maps.items()]
    got = mmd_test(kernels, labels, concepts=3, permutations=20, rng=np.random.default_rng(0))
    for c in range(3):
        expected = sum(
            slow.mmd2_unbiased(
                *np.split(
                    values[np.argsort(labels != c, kind="stable")].astype(float), [np.sum(labels == c)]
                ),
                widths[layer],
            )
            for layer, values in maps.items()
        )
        assert got.statistic[c] == pytest.approx(expected, abs=1e-10)


def test_mmd_test_finds_the_shifted_concept_and_holds_its_level_on_the_others():
    labels = np.repeat(np.arange(3), 12)
    rejected = np.zeros(3)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(36, 3))
        got = mmd_test([gaussian_kernel(points, bandwidth=2.0)], labels, concepts=3, permutations=99, rng=rng)
        rejected += got.p_value <= 0.05
        assert (got.p_value >= 0.01).all()
    assert rejected.max() <= 60 * 0.05 + 3 * np.sqrt(60 * 0.05 * 0.95)
    points[labels == 1] += 2.0
    got = mmd_test([gaussian_kernel(points, bandwidth=2.0)], labels, concepts=3, permutations=99, rng=rng)
    assert got.p_value[1] == 0.01
    assert got.z[1] > 4


def test_mmd_test_draws_in_chunks_what_it_would_draw_at_once(monkeypatch):
    labels = np.repeat([0, 1, -1], 6)
    kernel = gaussian_kernel(np.random.default_rng(0).normal(size=(18, 2)), bandwidth=1.0)
    at_once = mmd_test([kernel], labels, concepts=2, permutations=23, rng=np.random.default_rng(1))
    null = []
    rng = np.random.default_rng(1)
    for row in rng.permuted(np.broadcast_to(np.arange(18), (23, 18)), axis=1):
        null.append(
            [
                mmd2_unbiased(kernel, row[:6], row[6:]),
                mmd2_unbiased(kernel, row[6:12], np.delete(row, range(6, 12))),
            ]
        )
    null = np.array(null)
    np.testing.assert_allclose(at_once.z, (at_once.statistic - null.mean(axis=0)) / null.std(axis=0))
    np.testing.assert_allclose(at_once.p_value, (1 + (null >= at_once.statistic).sum(axis=0)) / 24)
    monkeypatch.setattr("auditor.statistics.mmd_permutation.CHUNK_VALUES", 5 * 36)
    in_chunks = mmd_test([kernel], labels, concepts=2, permutations=23, rng=np.random.default_rng(1))
    np.testing.assert_allclose(in_chunks.z, at_once.z)


def test_mmd_test_counts_ties_as_hits():
    kernel = np.ones((12, 12))
    got = mmd_test([kernel], np.repeat([0, 1], 6), concepts=2, permutations=9, rng=np.random.default_rng(0))
    np.testing.assert_allclose(got.p_value, 1.0)
    np.testing.assert_allclose(got.z, 0.0)


@pytest.mark.parametrize(("kernels", "permutations"), [([], 9), ([np.eye(6)], 0), ([np.eye(5)], 9)])
def test_mmd_test_refuses(kernels, permutations):
    with pytest.raises(InputError, match="MMD test"):
        mmd_test(
            kernels,
            np.repeat([0, 1], 3),
            concepts=2,
            permutations=permutations,
            rng=np.random.default_rng(0),
        )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-5, 5))
def test_paper_scores_ignore_scale_and_shift_of_the_maps(seed, scale, shift):
    labels = np.repeat(np.arange(3), 6)
    maps = maps_of(seed, images=18)
    moved = {layer: values * scale + shift for layer, values in maps.items()}
    options = {"benchmark": None, "runs": 2}
    one = paper_scores(maps, labels, rng=np.random.default_rng(1), **options)
    two = paper_scores(moved, labels, rng=np.random.default_rng(1), **options)
    np.testing.assert_allclose(one.mean, two.mean, rtol=1e-2)
