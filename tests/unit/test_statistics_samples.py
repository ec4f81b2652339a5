"""Who is compared with whom: concepts against others, reference images or counterfactuals; groups; pairs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.errors import InputError
from auditor.statistics.effects import Effect, Inference
from auditor.statistics.samples import RANDOM, REFERENCE, ConceptSample, GroupSample, group_sample
from tests.oracles import statistics_loops as slow

quick = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 10**6)
INFERENCE = Inference(permutations=199, bootstrap=400, alpha=0.05, family=4)


def concepts(
    seed: int = 0, *, reference: bool = True, clustered: bool = True
) -> tuple[ConceptSample, np.ndarray]:
    """Three concepts in a jumble, with random photos among them, and a response."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2, REFERENCE if reference else 1, RANDOM], [18, 25, 20, 30, 9])
    labels = rng.permutation(labels)
    clusters = rng.integers(0, 40, len(labels)) if clustered else np.arange(len(labels))
    values = rng.gamma(2.0, size=len(labels)) + 0.6 * labels + 0.5 * rng.normal(size=41)[clusters % 41]
    return ConceptSample(labels, clusters), values


def with_counterfactuals(seed: int = 0) -> tuple[ConceptSample, np.ndarray, list[float]]:
    """Two concepts whose pictures all exist without the concept as well; the last are the differences."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, REFERENCE], [14, 12, 26])
    counterfactual = np.full(52, -1)
    counterfactual[:26] = 26 + rng.permutation(26)
    clusters = np.concatenate([rng.integers(0, 9, 14), rng.integers(20, 28, 12), np.arange(50, 76)])
    values = rng.normal(size=52)
    differences = [values[i] - values[counterfactual[i]] for i in range(26)]
    return ConceptSample(labels, clusters, counterfactual), values, differences


# --- concepts ---


@pytest.mark.parametrize("reference", [True, False], ids=["reference", "others"])
@pytest.mark.parametrize("clustered", [True, False])
def test_concepts_are_those_of_the_loops(reference: bool, clustered: bool) -> None:
    sample, values = concepts(reference=reference, clustered=clustered)
    groups = slow.unit_values(values, sample.labels, sample.clusters)
    groups.pop(RANDOM)  # only the paper's score is measured against random photos
    assert sample.units == {label: len(units) for label, units in groups.items()}
    assert sample.measurable == [0, 1, 2]
    assert sample.unmeasurable == {}
    errors = sample.errors(np.stack([values, -3 * values]))
    effects = sample.effects(values, inference=INFERENCE, rng=np.random.default_rng(1))
    for label, found in enumerate(effects):
        effect, error = slow.effect(groups, label), slow.standard_error(groups, label)
        assert found.effect == pytest.approx(effect)
        assert found.standard_error == pytest.approx(error)
        assert (found.n, found.units) == (np.sum(sample.labels == label), len(groups[label]))
        others = slow.compared_with(groups, label)
        assert found.units_other == sum(len(groups[k]) for k in others)
        assert found.n_other == sum(np.sum(sample.labels == k) for k in others)
        np.testing.assert_allclose(errors.effect[:, label], [effect, -3 * effect])
        np.testing.assert_allclose(errors.error[:, label], [error, 3 * error])
        assert errors.df[label] == slow.degrees_of_freedom(groups, label)


def test_random_photos_are_not_used() -> None:
    sample, values = concepts()
    assert (REFERENCE, RANDOM) == (-1, -2)  # as they stand in the arrays of every audit
    shouted = np.where(sample.labels == RANDOM, 1e6, values)
    np.testing.assert_array_equal(sample.errors(values[None]).effect, sample.errors(shouted[None]).effect)
    assert not (sample.labels[sample.used] == RANDOM).any()


def test_counterfactuals_are_those_of_the_loops() -> None:
    sample, values, differences = with_counterfactuals()
    groups = slow.unit_values(differences, sample.labels[:26], sample.clusters[:26])
    effects = sample.effects(values, inference=INFERENCE, rng=np.random.default_rng(1))
    errors = sample.errors(values[None])
    np.testing.assert_allclose(sample.take(values), differences)
    for label, found in enumerate(effects):
        effect = slow.effect(groups, label, against_zero=True)
        error = slow.standard_error(groups, label, against_zero=True)
        assert (found.effect, found.standard_error) == (pytest.approx(effect), pytest.approx(error))
        assert errors.effect[0, label] == pytest.approx(effect)
        assert errors.error[0, label] == pytest.approx(error)
        assert (found.units, found.units_other) == (len(groups[label]), 0)
        assert (found.n, found.n_other) == ((14, 12)[label], 0)


@pytest.mark.parametrize("which", [0, 2])
def test_images_left_out_are_as_if_they_had_never_been(which: int) -> None:
    sample, values = concepts(3)
    without = (sample.labels == which) & (np.arange(len(values)) % 3 == 0)
    found = sample.errors(values[None], without=without)
    kept = ConceptSample(sample.labels[~without], sample.clusters[~without])
    expected = kept.errors(values[None, ~without])
    for name in ("effect", "error", "df"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name))
    assert not np.allclose(found.effect, sample.errors(values[None]).effect)


def test_images_left_out_with_counterfactuals() -> None:
    sample, values, differences = with_counterfactuals(4)
    without = np.zeros(52, bool)
    without[[0, 3, 5]] = True
    kept = [i for i in range(26) if not without[i]]
    groups = slow.unit_values([differences[i] for i in kept], sample.labels[kept], sample.clusters[kept])
    found = sample.errors(values[None], without=without)
    np.testing.assert_allclose(
        found.effect[0], [slow.effect(groups, label, against_zero=True) for label in (0, 1)]
    )


@pytest.mark.parametrize(
    ("labels", "clusters", "measurable", "reasons"),
    [
        # Three images of one photo are one independent image.
        (
            [0, 0, 0, 1, 1, REFERENCE, REFERENCE],
            [5, 5, 5, 6, 7, 8, 9],
            [1],
            {0: "1 independent image, need 2"},
        ),
        ([0, 0, 1, 1, 2], [0, 1, 2, 3, 4], [0, 1], {2: "1 independent image, need 2"}),
        # Of two concepts one is left: there is nothing to compare it with.
        (
            [0, 0, 1, 1],
            [0, 1, 2, 2],
            [],
            {0: "there is no other concept to compare with", 1: "1 independent image, need 2"},
        ),
        ([0, 0, 0], [0, 1, 2], [], {0: "there is no other concept to compare with"}),
        # A lone concept may be compared with reference images, unless they are all one.
        ([0, 0, REFERENCE, REFERENCE], [0, 1, 2, 3], [0], {}),
        (
            [0, 0, 1, 1, REFERENCE, REFERENCE],
            [0, 1, 2, 3, 4, 4],
            [],
            {
                0: "the reference images are one independent image, need 2",
                1: "the reference images are one independent image, need 2",
            },
        ),
        # Random photos are no reference images.
        ([0, 0, RANDOM, RANDOM], [0, 1, 2, 3], [], {0: "there is no other concept to compare with"}),
    ],
)
def test_concepts_that_cannot_be_measured_say_why(
    labels: list[int], clusters: list[int], measurable: list[int], reasons: dict[int, str]
) -> None:
    sample = ConceptSample(np.array(labels), np.array(clusters))
    assert sample.measurable == measurable
    assert sample.unmeasurable == reasons
    if measurable:
        values = np.random.default_rng(0).normal(size=(1, len(labels)))
        assert sample.errors(values).effect.shape == (1, len(measurable))


def test_a_concept_that_cannot_be_measured_is_not_compared_with_either() -> None:
    labels, clusters = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 2, 3, 4, 4])
    values = np.array([1.0, 2.0, 5.0, 6.0, 100.0, 100.0])
    found = ConceptSample(labels, clusters).errors(values[None])
    np.testing.assert_allclose(found.effect, [[-4.0, 4.0]])


def test_counterfactuals_need_no_reference_images_of_their_own() -> None:
    labels = np.array([0, 0, 0, REFERENCE, REFERENCE, REFERENCE])
    sample = ConceptSample(labels, np.array([0, 1, 2, 9, 9, 9]), np.array([3, 4, 5, -1, -1, -1]))
    assert sample.measurable == [0]
    found = sample.errors(np.array([[1.0, 2.0, 6.0, 0.0, 0.0, 3.0]]))
    assert found.effect[0, 0] == pytest.approx(2.0)


def test_images_without_a_counterfactual_take_no_part() -> None:
    labels = np.array([0, 0, 0, 1, 1, REFERENCE, REFERENCE, REFERENCE, REFERENCE])
    sample = ConceptSample(labels, np.arange(9), np.array([5, -1, 6, 7, 8, -1, -1, -1, -1]))
    values = np.array([3.0, 100.0, 5.0, 7.0, 9.0, 1.0, 1.0, 2.0, 2.0])
    assert sample.used.tolist() == [0, 2, 3, 4]
    np.testing.assert_allclose(sample.errors(values[None]).effect, [[3.0, 6.0]])
    # An image may be another's counterfactual wherever it stands, the first place included.
    turned = ConceptSample(labels[::-1], np.arange(9), np.array([-1, -1, -1, -1, 0, 1, 2, -1, 3]))
    assert turned.used.tolist() == [4, 5, 6, 8]
    np.testing.assert_allclose(turned.errors(values[None, ::-1]).effect, [[3.0, 6.0]])


def test_concepts_keep_their_columns_when_one_in_the_middle_cannot_be_measured() -> None:
    labels, clusters = np.array([0, 0, 1, 2, 2, REFERENCE, REFERENCE]), np.arange(7)
    sample = ConceptSample(labels, clusters)
    assert sample.measurable == [0, 2]
    found = sample.errors(np.array([[1.0, 1.0, 50.0, 3.0, 3.0, 0.0, 0.0]]))
    np.testing.assert_allclose(found.effect, [[1.0, 3.0]])


# --- groups ---


def two_groups(seed: int = 0) -> tuple[GroupSample, np.ndarray]:
    """Clusters of one to four images in either group, and images of neither."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat([0, 1, 2], [30, 44, 6]))
    cluster = rng.integers(0, 15, 80) + 100 * group
    values = rng.gamma(2.0, size=80) + 0.8 * (group == 0) + rng.normal(size=400)[cluster % 400]
    return (
        group_sample(np.where(group == 0, cluster, -1), np.where(group == 1, cluster, -1), matched=False),
        values,
    )


def pairs(seed: int = 0) -> tuple[GroupSample, np.ndarray]:
    """Twelve pairs of which either side has one to three images, and images of neither."""
    rng = np.random.default_rng(seed)
    sides = [rng.permutation(np.concatenate([np.arange(12), rng.integers(0, 12, 12)])) for _ in range(2)]
    more, less = np.full(60, -1), np.full(60, -1)
    place = rng.permutation(60)
    more[place[:24]], less[place[24:48]] = sides
    shared = rng.normal(size=12) * 3
    values = rng.normal(size=60)
    values[place[:24]] += 0.7 + shared[sides[0]]
    values[place[24:48]] += shared[sides[1]]
    return group_sample(more, less, matched=True), values


@pytest.mark.parametrize("make", [two_groups, pairs])
@pytest.mark.parametrize("seed", [0, 1])
def test_contrasts_are_those_of_the_loops(make: object, seed: int) -> None:
    sample, values = make(seed)  # type: ignore[operator]
    groups = slow.contrast_groups(values, sample.more, sample.less, matched=sample.matched)
    found = sample.effect(values, inference=INFERENCE, rng=np.random.default_rng(1))
    effect = slow.effect(groups, 0, against_zero=sample.matched)
    error = slow.standard_error(groups, 0, against_zero=sample.matched)
    assert (found.effect, found.standard_error) == (pytest.approx(effect), pytest.approx(error))
    errors = sample.errors(np.stack([values, 2 * values]))
    np.testing.assert_allclose(errors.effect, [[effect], [2 * effect]])
    np.testing.assert_allclose(errors.error, [[error], [2 * error]])
    assert errors.df.shape == (1,)
    flat = [value for units in groups.values() for value in units]
    np.testing.assert_allclose(sample.unit_values(values), flat)
    np.testing.assert_allclose(sample.unit_values(np.stack([values, -values])), [flat, [-v for v in flat]])
    assert sample.first.tolist() == [label == 0 for label, units in groups.items() for _ in units]
    assert (found.n, found.n_other) == (np.sum(sample.more >= 0), np.sum(sample.less >= 0))
    assert (found.units, found.units_other) == sample.units
    assert sample.units == (len(groups[0]), len(groups[0 if sample.matched else 1]))
    sides = slow.contrast_groups(values, sample.more, sample.less, matched=False)
    means = sample.side_means(values)
    np.testing.assert_allclose(means, [slow.mean(sides[0]), slow.mean(sides[1])])
    assert means[0] - means[1] == pytest.approx(found.effect)
    assert sample.measurable


def test_pairs_are_tested_by_their_signs() -> None:
    rng = np.random.default_rng(2)
    pair = np.tile(np.arange(9), 2)
    first = np.repeat([True, False], 9)
    values = rng.normal(size=18) + 0.8 * first + np.tile(rng.normal(size=9) * 10, 2)
    sample = group_sample(np.where(first, pair, -1), np.where(first, -1, pair), matched=True)
    inference = dataclasses.replace(INFERENCE, permutations=9999)
    found = sample.effect(values, inference=inference, rng=rng)
    units = {0: [values[i] - values[9 + i] for i in range(9)]}
    expected = slow.exact_p(units, 0, against_zero=True)
    assert found.p_value == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 9999))
    # Pairs take out what the pictures share; as two groups the same images say nothing.
    cluster = np.arange(18)
    apart = group_sample(np.where(first, cluster, -1), np.where(first, -1, cluster), matched=False)
    assert apart.effect(values, inference=inference, rng=rng).standard_error > 3 * found.standard_error


@quick
@given(seeds, st.sampled_from([two_groups, pairs]))
def test_swapped_groups_flip_the_sign(seed: int, make: object) -> None:
    sample, values = make(seed)  # type: ignore[operator]
    swapped = group_sample(sample.less, sample.more, matched=sample.matched)
    one = sample.effect(values, inference=INFERENCE, rng=np.random.default_rng(seed))
    two = swapped.effect(values, inference=INFERENCE, rng=np.random.default_rng(seed))
    assert one.effect == pytest.approx(-two.effect)
    assert one.standard_error == pytest.approx(two.standard_error)
    assert (one.n, one.units, one.n_other, one.units_other) == (
        two.n_other,
        two.units_other,
        two.n,
        two.units,
    )
    if sample.matched:  # the same draws, so that everything is the mirror image
        assert one.p_value == two.p_value
        for low, high in (("low", "high"), ("adjusted_low", "adjusted_high")):
            assert getattr(one, low) == pytest.approx(-getattr(two, high))
            assert getattr(one, high) == pytest.approx(-getattr(two, low))
        assert one.minimum_detectable == pytest.approx(two.minimum_detectable)


def test_swapped_groups_are_told_with_the_same_certainty() -> None:
    """A contrast has no first group: which one the bank names first must not widen its interval."""
    rng = np.random.default_rng(0)
    first = np.arange(300) < 8
    sides = np.where(first, np.arange(300), -1), np.where(first, -1, np.arange(300))
    values = rng.normal(size=300)
    # Many draws: what is left between the two is the chance of the resamples.
    inference = Inference(permutations=199, bootstrap=20_000, alpha=0.05, family=20)
    one = group_sample(*sides, matched=False).effect(values, inference=inference, rng=rng)
    two = group_sample(*sides[::-1], matched=False).effect(values, inference=inference, rng=rng)
    assert one.adjusted_high - one.adjusted_low == pytest.approx(
        two.adjusted_high - two.adjusted_low, rel=0.05
    )


@quick
@given(seeds, st.sampled_from([two_groups, pairs]))
def test_the_order_of_images_changes_nothing(seed: int, make: object) -> None:
    """Not even what is drawn: units stand in the order of their numbers."""
    sample, values = make(seed)  # type: ignore[operator]
    order = np.random.default_rng(seed).permutation(len(values))
    moved = group_sample(sample.more[order], sample.less[order], matched=sample.matched)
    one = sample.effect(values, inference=INFERENCE, rng=np.random.default_rng(1))
    two = moved.effect(values[order], inference=INFERENCE, rng=np.random.default_rng(1))
    np.testing.assert_allclose(dataclasses.astuple(one), dataclasses.astuple(two), rtol=1e-9, atol=1e-12)


def duplicated(
    sample: GroupSample, values: np.ndarray, rng: np.random.Generator
) -> tuple[GroupSample, np.ndarray]:
    """Every image of one unit of either group twice."""
    twice = np.concatenate(
        [np.flatnonzero(units == rng.choice(units[units >= 0])) for units in (sample.more, sample.less)]
    )
    keep = np.concatenate([np.arange(len(values)), twice])
    return group_sample(sample.more[keep], sample.less[keep], matched=sample.matched), values[keep]


@quick
@given(seeds, st.sampled_from([two_groups, pairs]))
def test_copies_within_a_unit_change_nothing(seed: int, make: object) -> None:
    sample, values = make(seed)  # type: ignore[operator]
    copied, again = duplicated(sample, values, np.random.default_rng(seed))
    one = sample.effect(values, inference=INFERENCE, rng=np.random.default_rng(1))
    two = copied.effect(again, inference=INFERENCE, rng=np.random.default_rng(1))
    assert (two.n, two.n_other) != (one.n, one.n_other)
    counts = {"n": 0, "n_other": 0}
    np.testing.assert_allclose(
        dataclasses.astuple(dataclasses.replace(one, **counts)),
        dataclasses.astuple(dataclasses.replace(two, **counts)),
        rtol=1e-9,
        atol=1e-12,
    )


def claims(found: Effect) -> bool:
    return found.p_value <= 0.05 and (found.low > 0 or found.high < 0)


@pytest.mark.parametrize("matched", [True, False])
def test_photos_of_few_people_are_not_significant(matched: bool) -> None:
    """Under the null, ten photos of each person: one unit a person holds the level, ten do not."""
    rng = np.random.default_rng(5)
    people, photos = 16, 10
    person = np.repeat(np.arange(2 * people), photos)
    first = person < people
    image = np.tile(np.arange(people * photos), 2)
    by_person = np.where(first, person, person - people) if matched else person
    by_image = image if matched else np.arange(len(person))
    found = {"person": 0, "image": 0}
    inference = Inference(permutations=199, bootstrap=400, alpha=0.05)
    for _ in range(200):
        values = rng.normal(size=2 * people)[person] + 0.5 * rng.normal(size=len(person))
        for name, unit in (("person", by_person), ("image", by_image)):
            sample = group_sample(np.where(first, unit, -1), np.where(first, -1, unit), matched=matched)
            found[name] += claims(sample.effect(values, inference=inference, rng=rng))
    # Three standard errors above 5% of 200.
    assert found["person"] <= 10 + 3 * np.sqrt(200 * 0.05 * 0.95)
    assert found["image"] >= 80


@pytest.mark.parametrize(
    ("more", "less", "measurable"),
    [
        ([0, 1, -1, -1], [-1, -1, 2, 3], True),
        ([0, 0, -1, -1], [-1, -1, 2, 3], False),
        ([0, 1, -1, -1], [-1, -1, 3, 3], False),
        ([-1, -1, -1, -1], [-1, -1, 2, 3], False),
    ],
)
def test_two_units_of_either_group_are_needed(more: list[int], less: list[int], measurable: bool) -> None:
    sample = group_sample(np.array(more), np.array(less), matched=False)
    assert sample.measurable is measurable


@pytest.mark.parametrize(
    ("more", "less", "matched", "message"),
    [
        ([5, 1, 2], [-1, 0, -1], False, "an image lies in both groups"),
        ([5, 0, 2], [-1, 3, -1], False, "an image lies in both groups"),
        ([5, 3, 2], [-1, 0, -1], False, "an image lies in both groups"),
        ([0, 1, -1], [-1, -1], False, "an image lies in both groups"),
        ([0, 1, -1, -1], [-1, -1, 0, -1], True, "a pair lacks one of its sides"),
        ([0, -1, -1, -1], [-1, 0, 1, -1], True, "a pair lacks one of its sides"),
    ],
)
def test_groups_refuse(more: list[int], less: list[int], matched: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        group_sample(np.array(more), np.array(less), matched=matched)
