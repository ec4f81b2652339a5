"""Matching: groups become comparable, or the contrast is called inconclusive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from auditor.banks.balance import BALANCED, MAX_STRATUM, match_groups, smd
from auditor.banks.bank import BankImage


def image(name: str, **covariates: str | float) -> BankImage:
    return BankImage(name=name, load=lambda: Image.new("RGB", (1, 1)), sha256="0" * 64, covariates=covariates)


def group(n: int, rng: np.random.Generator, *, age: float, light: float, share: float) -> list[BankImage]:
    return [
        image(
            f"{age}/{i}",
            age=float(rng.normal(age, 10)),
            brightness=float(rng.normal(light, 0.1)),
            site="ward" if rng.uniform() < share else "lab",
        )
        for i in range(n)
    ]


def test_confounded_groups_are_balanced() -> None:
    rng = np.random.default_rng(0)
    older = group(300, rng, age=45, light=0.45, share=0.7)
    younger = group(300, rng, age=38, light=0.52, share=0.4)
    found = match_groups(older, younger, match=("site", "age", "brightness"), rng=rng)
    assert found.reason == ""
    assert len(found.more) == len(found.less) >= 100
    table = {row.covariate: row for row in found.balance}
    assert set(table) == {"age", "brightness", "site: lab", "site: ward"}
    for row in table.values():
        assert row.smd_before is not None
        assert row.smd_after is not None
        assert abs(row.smd_before) > 0.4
        assert abs(row.smd_after) <= BALANCED
    assert table["site: ward"].smd_after == 0


def test_pairs_agree_in_categories_and_lie_within_the_caliper() -> None:
    rng = np.random.default_rng(1)
    a, b = (group(120, rng, age=age, light=0.5, share=0.5) for age in (40, 44))
    found = match_groups(a, b, match=("site", "age"), rng=rng)
    ages = [i.covariates["age"] for i in (*a, *b)]
    assert found.caliper is not None
    for i, j in zip(found.more, found.less, strict=True):
        assert a[i].covariates["site"] == b[j].covariates["site"]
        gap = abs(float(a[i].covariates["age"]) - float(b[j].covariates["age"]))
        assert gap <= found.caliper * float(np.std(np.asarray(ages, float))) + 1e-9
    assert len(set(found.more)) == len(found.more)
    assert len(set(found.less)) == len(found.less)


def test_too_few_matches_are_inconclusive_and_use_nothing() -> None:
    rng = np.random.default_rng(2)
    a = group(60, rng, age=70, light=0.5, share=1.0)
    b = group(60, rng, age=25, light=0.5, share=1.0)
    found = match_groups(a, b, match=("age",), rng=rng)
    assert found.more == found.less == ()
    assert found.reason.startswith("too few matched images: ")
    assert found.reason.endswith("pairs, need 30")
    apart = match_groups(
        [image(str(i), site="ward") for i in range(50)],
        [image(str(i), site="lab") for i in range(50)],
        match=("site",),
        rng=rng,
    )
    assert apart.reason == "too few matched images: 0 pairs, need 30"


def test_a_covariate_that_nobody_states_is_told_and_not_matched() -> None:
    rng = np.random.default_rng(3)
    a, b = (group(40, rng, age=40, light=0.5, share=1.0) for _ in range(2))
    found = match_groups(a, b, match=("site", "race"), rng=rng)
    assert found.ignored == ("race",)
    assert len(found.more) == 40


def test_an_image_that_does_not_state_a_number_is_not_matched() -> None:
    rng = np.random.default_rng(4)
    a = [image(f"a{i}", age=30.0) for i in range(35)] + [image("unknown")]
    b = [image(f"b{i}", age=30.0) for i in range(36)]
    found = match_groups(a, b, match=("age",), rng=rng)
    assert len(found.more) == 35
    assert 35 not in found.more


def test_large_strata_are_cut_to_a_random_part() -> None:
    a = [image(f"a{i}", site="x") for i in range(MAX_STRATUM + 50)]
    b = [image(f"b{i}", site="x") for i in range(40)]
    found = match_groups(a, b, match=("site",), rng=np.random.default_rng(5))
    assert len(found.less) == 40
    assert max(found.more) < len(a)


def test_matching_is_repeatable() -> None:
    groups = [group(80, np.random.default_rng(s), age=40, light=0.5, share=0.5) for s in (6, 7)]
    first, again = (
        match_groups(*groups, match=("site", "age"), rng=np.random.default_rng(0)) for _ in range(2)
    )
    assert first == again


def test_smd_by_hand() -> None:
    assert smd([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]) == pytest.approx(-1.0)
    assert smd([1.0, 1.0], [1.0, 1.0]) == 0
    assert smd([1.0, 1.0], [2.0, 2.0]) is None
    assert smd([1.0], [1.0, 2.0]) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-100, 100), min_size=3, max_size=20),
    st.lists(st.floats(-100, 100), min_size=3, max_size=20),
)
def test_smd_changes_sign_with_the_groups(a: list[float], b: list[float]) -> None:
    forth, back = smd(a, b), smd(b, a)
    assert (forth is None) == (back is None)
    if forth is not None and back is not None:
        assert forth == pytest.approx(-back)
