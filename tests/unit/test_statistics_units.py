"""Images that belong together count as one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.errors import InputError
from auditor.statistics.units import Units, independent_units, joined
from tests.oracles import statistics_loops as slow

small = st.lists(
    st.tuples(st.integers(-1, 3), st.integers(0, 5), st.floats(-100, 100)), min_size=1, max_size=30
)
quick = settings(max_examples=60, deadline=None)


def by_label(units: Units, values: np.ndarray) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for label, value in zip(units.labels, units.means(values), strict=True):
        found.setdefault(int(label), []).append(float(value))
    return found


@quick
@given(small)
def test_units_are_those_of_the_dictionaries(images: list[tuple[int, int, float]]) -> None:
    labels, clusters, values = map(np.array, zip(*images, strict=True))
    units = independent_units(labels, clusters)
    expected = slow.unit_values(values, labels, clusters)
    assert units.sizes.sum() == len(images)
    assert len(units.sizes) == len(units.labels) == sum(map(len, expected.values()))
    found = by_label(units, values)
    assert found.keys() == expected.keys()
    for label, means in expected.items():
        np.testing.assert_allclose(found[label], means, atol=1e-9)


def test_a_cluster_that_lies_in_two_concepts_is_a_unit_of_each() -> None:
    units = independent_units([0, 0, 1, 1, -1], [7, 7, 7, 8, 7])
    assert units.labels.tolist() == [0, 1, 1, -1]
    assert units.sizes.tolist() == [2, 1, 1, 1]
    np.testing.assert_allclose(units.means(np.array([1.0, 3.0, 5.0, 7.0, 9.0])), [2.0, 5.0, 7.0, 9.0])


def test_units_stand_in_the_order_of_their_first_image() -> None:
    units = independent_units([1, 0, 1, 0], [9, 3, 2, 3])
    assert units.labels.tolist() == [1, 0, 1]
    np.testing.assert_allclose(units.means(np.array([1.0, 2.0, 3.0, 4.0])), [1.0, 3.0, 3.0])


def test_without_clusters_every_image_is_its_own() -> None:
    labels = np.array([2, 0, 2, -1])
    units = independent_units(labels)
    assert units.labels.tolist() == labels.tolist()
    assert units.sizes.tolist() == [1, 1, 1, 1]
    values = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_array_equal(units.means(values), values)


def test_means_of_many_rows_are_the_means_of_each() -> None:
    rng = np.random.default_rng(1)
    labels, clusters, rows = rng.integers(0, 2, 20), rng.integers(0, 6, 20), rng.normal(size=(4, 20))
    units = independent_units(labels, clusters)
    np.testing.assert_allclose(units.means(rows), [units.means(row) for row in rows])


@pytest.mark.parametrize(
    ("labels", "clusters"), [([], None), ([0, 1], [0]), ([[0, 1]], [[0, 1]]), ([0, 1], [0, 1, 2])]
)
def test_units_refuse(labels: object, clusters: object) -> None:
    with pytest.raises(InputError, match="units: labels"):
        independent_units(labels, clusters)  # type: ignore[arg-type]


def sets_of(clusters: np.ndarray) -> list[list[int]]:
    return sorted(np.flatnonzero(clusters == c).tolist() for c in np.unique(clusters))


@quick
@given(st.lists(st.tuples(st.integers(-2, 6), st.integers(0, 6)), min_size=1, max_size=15))
def test_joined_clusters_hang_together_through_either(pairs: list[tuple[int, int]]) -> None:
    first, second = map(np.array, zip(*pairs, strict=True))
    assert sets_of(joined(first, second)) == slow.together(first, second)
    assert sets_of(joined(first, second)) == sets_of(joined(second, first))


def test_a_chain_through_both_clusterings_is_one() -> None:
    assert sets_of(joined([0, 0, 1, 1, 2], [0, 1, 1, 2, 3])) == [[0, 1, 2, 3], [4]]


def test_a_clustering_joined_with_itself_stays_as_it_is() -> None:
    clusters = np.array([4, 4, 9, 1, 9])
    assert sets_of(joined(clusters, clusters)) == [[0, 1], [2, 4], [3]]
    assert sets_of(joined(clusters, np.arange(5))) == sets_of(clusters)
