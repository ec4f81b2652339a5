from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.errors import InputError
from auditor.statistics.arrays import standardise_rows
from auditor.statistics.contrasts import (
    _estimate,
    contrast_direction,
    group_contrasts,
    group_differences,
)
from auditor.statistics.inference import variance_over_images
from auditor.statistics.strata import permuted_differences, stratified_difference, stratify
from tests.oracles import statistics_loops as slow

SETTINGS = {"permutations": 99, "bootstrap": 200, "alpha": 0.05, "margin": 0.2}
IMAGES = 40


def setting(seed=0, refits=3, strata=4, paired=False):
    """Responses, two groups and strata of unequal sizes; one stratum lacks the second group."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(IMAGES)
    if paired:
        first, second = order[:15], order[15:30]
        stratum = np.full(IMAGES, 99)
        stratum[first], stratum[second] = np.arange(15), np.arange(15)
        # One stratum of two against one: mostly, not only, pairs.
        stratum[order[30]], first = 3, np.append(first, order[30])
    else:
        first, second = order[:18], order[18:32]
        stratum = rng.integers(0, strata, IMAGES)
        stratum[second[stratum[second] == 2]] = 1
        stratum[first[:2]], stratum[second[:2]] = 0, 0
    image = rng.gamma(2.0, size=IMAGES) + 0.5 * (stratum % 5)
    image[first] += 0.8
    return image + 0.3 * rng.normal(size=(refits, IMAGES)), first, second, stratum


def contrast_of(values, first, second, stratum, seed=1, **changes):
    return group_contrasts(
        values,
        {"women": first, "men": second},
        strata=stratum,
        rng=np.random.default_rng(seed),
        **(SETTINGS | changes),
    )[0]


def laid_out(first, second, stratum):
    design = stratify(first, second, stratum, name="a - b")
    place = {int(image): i for i, image in enumerate(design.order)}
    cells = [
        ([place[int(i)] for i in a], [place[int(i)] for i in b])
        for a, b in slow.usable_strata(list(first), list(second), list(stratum))
    ]
    return design, cells


@pytest.mark.parametrize("paired", [False, True])
def test_contrasts_are_those_of_the_loops(paired):
    values, first, second, stratum = setting(paired=paired)
    cells = slow.usable_strata(list(first), list(second), list(stratum))
    expected = [slow.contrast_difference(row, cells) / slow.within_sd(row, cells) for row in values]
    found = contrast_of(values, first, second, stratum)
    assert found.effect == pytest.approx(slow.mean(expected))
    np.testing.assert_allclose(found.refit_effects, expected)
    np.testing.assert_allclose(group_differences(values, first, second, strata=stratum), expected)
    assert found.strata == len(cells)
    assert (found.n_more, found.n_less) == (sum(len(a) for a, _ in cells), sum(len(b) for _, b in cells))
    assert found.paired is paired
    assert (found.more, found.less) == ("women", "men")


@pytest.mark.parametrize("paired", [False, True])
def test_variance_is_that_of_the_loops_and_of_what_is_resampled(paired):
    values, first, second, stratum = setting(paired=paired)
    design, cells = laid_out(first, second, stratum)
    rows = values[:, design.order]
    difference, variance = stratified_difference(rows, design)
    oracle = slow.paired_variance if paired else slow.contrast_variance
    np.testing.assert_allclose(difference, [slow.contrast_difference(row, cells) for row in rows])
    np.testing.assert_allclose(variance, [oracle(row, cells) for row in rows])
    sign = np.where(design.first, 1.0, -1.0) * design.share
    for row, expected in zip(rows, variance, strict=True):
        resampled = design.as_resampled(sign * row)[None]
        assert variance_over_images(resampled, design.resampled)[0] == pytest.approx(expected)


def weighted_contrast(row, cells, weights):
    """The effect when images count ``weights`` times; strata keep their weight, the sd its correction."""
    strata = slow.stratum_weights(cells)
    sides, spreads = [], []
    for side in (0, 1):
        shares = {}
        for w, cell in zip(strata, cells, strict=True):
            total = sum(weights[i] for i in cell[side])
            shares |= {i: w * weights[i] / total for i in cell[side]}
        middle = sum(share * row[i] for i, share in shares.items())
        spread = sum(share * (row[i] - middle) ** 2 for i, share in shares.items())
        equal = [w / len(cell[side]) for w, cell in zip(strata, cells, strict=True) for _ in cell[side]]
        sides.append(middle)
        spreads.append(spread / (1 - sum(share**2 for share in equal)))
    return (sides[0] - sides[1]) / np.sqrt(slow.mean(spreads))


def test_influence_is_the_derivative_of_the_contrast():
    # Large cells, where the corrections for degrees of freedom are about 1.
    rng = np.random.default_rng(0)
    images = 400
    first, second = np.arange(0, images, 2), np.arange(1, images, 2)
    stratum = rng.integers(0, 2, images)
    row = rng.gamma(2.0, size=images) + 1.5 * (np.arange(images) % 2 == 0)
    design, cells = laid_out(first, second, stratum)
    ordered = row[design.order]
    got = _estimate(ordered[None], design)
    place = design.resampled.order
    for position in range(0, images, 37):
        image = int(place[position])
        up, down = np.ones(images), np.ones(images)
        up[image] += 1e-4
        down[image] -= 1e-4
        slope = weighted_contrast(ordered, cells, up) - weighted_contrast(ordered, cells, down)
        assert got.influence[position] == pytest.approx(slope / 2e-4 * images / 2, rel=0.03, abs=0.02)


def test_estimates_of_the_difference_are_on_the_scale_of_all_images():
    values, first, second, stratum = setting()
    design, cells = laid_out(first, second, stratum)
    rows = standardise_rows(values[:, design.order])
    got = _estimate(values[:, design.order], design)
    average = rows.mean(axis=0)
    assert got.difference == pytest.approx(slow.contrast_difference(average, cells))
    assert got.difference_variance == pytest.approx(slow.contrast_variance(average, cells))
    assert got.difference_held < got.difference_variance
    assert got.scale == pytest.approx(slow.mean([slow.within_sd(row, cells) for row in rows]))
    assert got.null_variance > 0
    assert got.image_df == len(rows[0]) - 2 * len(cells)


@pytest.mark.parametrize("paired", [False, True])
def test_permutations_stay_within_strata(paired):
    values, first, second, stratum = setting(refits=1, paired=paired)
    design, cells = laid_out(first, second, stratum)
    row = values[0, design.order]
    got = permuted_differences(row, design, permutations=20, rng=np.random.default_rng(2))
    keys = np.random.default_rng(2).random((20, len(row)))
    oracle = slow.paired_variance if paired else slow.contrast_variance
    for draw, of_draw in zip(keys, got, strict=True):
        order = sorted(range(len(row)), key=lambda i: (design.stratum[i], draw[i]))
        assert (design.stratum[order] == design.stratum).all()
        shuffled = row[order]
        expected = slow.contrast_difference(shuffled, cells) / np.sqrt(oracle(shuffled, cells))
        assert of_draw == pytest.approx(expected)


def test_permutations_are_drawn_in_chunks_as_they_would_be_at_once(monkeypatch):
    values, first, second, stratum = setting(refits=1)
    design, _ = laid_out(first, second, stratum)
    row = values[0, design.order]
    at_once = permuted_differences(row, design, permutations=23, rng=np.random.default_rng(3))
    monkeypatch.setattr("auditor.statistics.strata.CHUNK_VALUES", 5 * len(row))
    in_chunks = permuted_differences(row, design, permutations=23, rng=np.random.default_rng(3))
    np.testing.assert_allclose(in_chunks, at_once)


def test_what_strata_explain_is_not_taken_for_a_difference():
    rng = np.random.default_rng(3)
    stratum = np.repeat([0, 1], 60)
    # Nearly all women in the bright stratum, nearly all men in the dark one.
    woman = np.concatenate([rng.random(60) < 0.85, rng.random(60) < 0.15])
    values = 3.0 * stratum + rng.normal(size=120)
    groups = np.flatnonzero(woman), np.flatnonzero(~woman)
    naive = contrast_of(values, *groups, np.zeros(120, int), permutations=499)
    matched = contrast_of(values, *groups, stratum, permutations=499)
    assert naive.direction == "less"
    assert matched.p_value > 0.05
    assert abs(matched.effect) < 0.5


def test_all_pairs_and_their_directions():
    rng = np.random.default_rng(4)
    group = np.arange(300) % 3
    values = rng.normal(size=(3, 300)) * 0.1 + rng.normal(size=300) + 1.5 * (group == 1)
    members = {name: np.flatnonzero(group == k) for k, name in enumerate(["a", "b", "c"])}
    found = group_contrasts(
        values, members, strata=None, rng=rng, **(SETTINGS | {"permutations": 199, "margin": 0.6})
    )
    assert [(f.more, f.less) for f in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [f.direction for f in found] == ["less", "no difference", "more"]
    turned = group_contrasts(
        values, members, strata=None, pairs=[("c", "b")], rng=rng, **(SETTINGS | {"permutations": 199})
    )
    assert turned[0].effect == pytest.approx(-found[2].effect)


def test_no_pairs_no_contrasts():
    assert (
        group_contrasts(np.ones((1, 4)), {"a": [0]}, strata=None, rng=np.random.default_rng(0), **SETTINGS)
        == []
    )


@pytest.mark.parametrize(
    ("low", "high", "p", "expected"),
    [
        (0.3, 0.9, 0.01, "more"),
        (0.3, 0.9, 0.05, "inconclusive"),
        (-0.9, -0.3, 0.01, "less"),
        (-0.9, -0.3, 0.05, "inconclusive"),
        (-0.2, 0.2, 0.01, "no difference"),
        (-0.1, 0.3, 0.01, "inconclusive"),
        (0.2, 0.9, 0.01, "inconclusive"),
        (-0.9, -0.2, 0.01, "inconclusive"),
        (-0.3, 0.1, 0.5, "inconclusive"),
    ],
)
def test_directions(low, high, p, expected):
    assert contrast_direction(low, high, p, alpha=0.05, margin=0.2) == expected


@pytest.mark.parametrize(
    ("members", "strata", "pairs", "message"),
    [
        ({"a": [0, 1, 2], "b": [2, 3]}, None, None, "1 images named twice"),
        ({"a": [0, 1], "b": [2, 3]}, [0, 0, 1, 1], None, "0 and 0 images"),
        ({"a": [0, 1], "b": [2, 3]}, [0, 0, 0, 1], None, "2 and 1 images"),
        ({"a": [0, 1], "b": [2, 3]}, None, [("a", "z")], "no group 'z'"),
    ],
)
def test_contrasts_refuse(members, strata, pairs, message):
    with pytest.raises(InputError, match=message):
        group_contrasts(
            np.ones((1, 4)), members, strata=strata, pairs=pairs, rng=np.random.default_rng(0), **SETTINGS
        )


quick = settings(max_examples=15, deadline=None)


@quick
@given(st.integers(0, 10**6), st.booleans(), st.floats(0.01, 100), st.floats(-20, 20))
def test_scale_shift_and_sign(seed, paired, scale, shift):
    values, *groups = setting(seed, refits=1, paired=paired)
    one = contrast_of(values, *groups)
    two = contrast_of(values * scale + shift, *groups)
    flipped = contrast_of(-values, *groups)
    assert two.effect == pytest.approx(one.effect, abs=1e-6)
    assert (two.low, two.high) == (pytest.approx(one.low, abs=1e-6), pytest.approx(one.high, abs=1e-6))
    assert two.p_value == one.p_value == flipped.p_value
    assert flipped.effect == pytest.approx(-one.effect)
    assert flipped.low == pytest.approx(-one.high)
    assert 0 < one.p_value <= 1


@quick
@given(st.integers(0, 10**6))
def test_groups_exchanged_turn_the_sign(seed):
    values, first, second, stratum = setting(seed)
    one, two = contrast_of(values, first, second, stratum), contrast_of(values, second, first, stratum)
    assert one.effect == pytest.approx(-two.effect)
    assert one.error_images == pytest.approx(two.error_images)


@quick
@given(st.integers(0, 10**6))
def test_the_order_of_images_changes_nothing_that_is_not_drawn(seed):
    values, first, second, stratum = setting(seed)
    order = np.random.default_rng(seed).permutation(IMAGES)
    where = np.argsort(order)
    one = contrast_of(values, first, second, stratum)
    two = contrast_of(values[:, order], where[first], where[second], stratum[order])
    for name in ("effect", "standard_error", "refit_effects"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=1e-9)
