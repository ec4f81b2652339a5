"""The one place that concludes: every case, written down as a table."""

from __future__ import annotations

import itertools
import math
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.findings import (
    ENOUGH,
    Judged,
    Numbers,
    Range,
    conclude,
    conclude_all,
    conclude_change,
    conclude_importances,
    conclude_variant,
    concluded,
    fallen,
    family_words,
    numbers_of,
)
from auditor.records import CLAIMS, Check, Conclusion, Finding, Importance, Variant
from tests.oracles import statistics_loops as slow
from tests.releases import concept, contrast, failed

MARGIN, ALPHA = 0.1, 0.05
WITHIN = Range.within(MARGIN)

# Where the adjusted interval lies. Its ends belong to it, and the margin's belong to the margin.
INTERVALS = {
    "above": [(0.11, 0.3), (0.1001, 0.1001), (0.5, 0.5)],
    "below": [(-0.3, -0.11), (-0.1001, -0.1001)],
    "within": [(-0.1, 0.1), (0.0, 0.0), (0.02, 0.09), (-0.1, -0.1), (0.1, 0.1)],
    "across": [(-0.05, 0.11), (0.1, 0.3), (-0.3, -0.1), (-0.2, 0.2), (-0.11, 0.1), (-0.1, 0.1001)],
}

# What the failed checks forbid, for every set of them.
FAILED = {
    "none": (),
    "effect": ("effect",),
    "absence": ("absence",),
    "both": ("both",),
    "effect, absence": ("effect", "absence"),
    "effect, both": ("effect", "both"),
    "absence, both": ("absence", "both"),
}

POS, NEG, NIL, OPEN, KEPT = (
    "associated",
    "negatively associated",
    "not associated",
    "inconclusive",
    "withheld",
)
"""KEPT: inconclusive, because a check and not the numbers stands in the way."""

# Interval, failed checks: what may be said where p is at most alpha, and where it is above.
TABLE = {
    ("above", "none"): (POS, OPEN),
    ("above", "effect"): (KEPT, KEPT),
    ("above", "absence"): (POS, OPEN),
    ("above", "both"): (KEPT, KEPT),
    ("above", "effect, absence"): (KEPT, KEPT),
    ("above", "effect, both"): (KEPT, KEPT),
    ("above", "absence, both"): (KEPT, KEPT),
    ("below", "none"): (NEG, OPEN),
    ("below", "effect"): (KEPT, KEPT),
    ("below", "absence"): (NEG, OPEN),
    ("below", "both"): (KEPT, KEPT),
    ("below", "effect, absence"): (KEPT, KEPT),
    ("below", "effect, both"): (KEPT, KEPT),
    ("below", "absence, both"): (KEPT, KEPT),
    ("within", "none"): (NIL, NIL),
    ("within", "effect"): (NIL, NIL),
    ("within", "absence"): (KEPT, KEPT),
    ("within", "both"): (KEPT, KEPT),
    ("within", "effect, absence"): (KEPT, KEPT),
    ("within", "effect, both"): (KEPT, KEPT),
    ("within", "absence, both"): (KEPT, KEPT),
    ("across", "none"): (OPEN, OPEN),
    ("across", "effect"): (OPEN, OPEN),
    ("across", "absence"): (OPEN, OPEN),
    ("across", "both"): (KEPT, KEPT),
    ("across", "effect, absence"): (OPEN, OPEN),
    ("across", "effect, both"): (KEPT, KEPT),
    ("across", "absence, both"): (KEPT, KEPT),
}


def check(forbids: str, passed: bool | None = False, name: str = "") -> Check:
    return Check.model_validate(
        {"name": name or forbids, "passed": passed, "forbids": forbids, "reason": f"because of {forbids}"}
    )


def said(judged: Judged) -> str:
    return KEPT if judged.withheld else judged.conclusion


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(itertools.product(INTERVALS, FAILED))


@pytest.mark.parametrize("p", [1e-9, 0.0499, 0.05, 0.0501, 1.0])
@pytest.mark.parametrize(("where", "against"), TABLE)
def test_every_case(where: str, against: str, p: float) -> None:
    expected = TABLE[where, against][p > ALPHA]
    checks = [check(forbids) for forbids in FAILED[against]]
    # What passed, and what could not be tested, forbids nothing.
    idle = [check(forbids, passed) for forbids in ("effect", "absence", "both") for passed in (True, None)]
    for low, high in INTERVALS[where]:
        seen = Numbers((low + high) / 2, low, high, p)
        for given_checks in (checks, [*idle, *checks], [*checks, *idle]):
            judged = conclude(seen, irrelevant=WITHIN, alpha=ALPHA, checks=given_checks)
            assert said(judged) == expected, (low, high)
            assert judged.conclusion == (OPEN if expected == KEPT else expected)
            assert judged.reason


@pytest.mark.parametrize("missing", [m for m in itertools.product([False, True], repeat=4) if any(m)])
@pytest.mark.parametrize("against", FAILED)
def test_without_a_number_there_is_nothing_to_conclude(missing: tuple[bool, ...], against: str) -> None:
    numbers = [None if gone else number for gone, number in zip(missing, (0.4, 0.3, 0.5, 0.001), strict=True)]
    checks = [check(forbids) for forbids in FAILED[against]]
    judged = conclude(Numbers(*numbers), irrelevant=WITHIN, alpha=ALPHA, checks=checks)
    assert (judged.conclusion, judged.withheld) == ("not measured", False)
    reasons = "; ".join(f"because of {forbids}" for forbids in FAILED[against])
    assert judged.reason == (reasons or "there is no number to conclude from")


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_concludes_nothing(place: int, odd: float) -> None:
    numbers = [0.4, 0.3, 0.5, 0.001]
    numbers[place] = odd
    judged = conclude(Numbers(*numbers), irrelevant=WITHIN, alpha=ALPHA)
    assert (judged.conclusion, judged.withheld) == ("not measured", False)
    assert "not finite" in judged.reason


def test_an_interval_whose_ends_are_not_in_order_is_none() -> None:
    for low, high in ((0.5, 0.3), (0.02, -0.02)):
        judged = conclude(Numbers(0.0, low, high, 0.001), irrelevant=WITHIN, alpha=ALPHA)
        assert judged.conclusion == "not measured"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 0.0, NIL),
        (1e-12, 0.2, POS),
        (-0.2, -1e-12, NEG),
        (0.0, 0.2, OPEN),
        (-0.2, 0.0, OPEN),
        (-0.2, 0.2, OPEN),
    ],
)
def test_with_a_margin_of_0_zero_alone_is_irrelevant(low: float, high: float, expected: str) -> None:
    seen = Numbers((low + high) / 2, low, high, 0.001)
    assert conclude(seen, irrelevant=Range.within(0.0), alpha=ALPHA).conclusion == expected


@pytest.mark.parametrize(
    ("irrelevant", "low", "high", "expected"),
    [
        # Everything below 0.1 is tolerated: nothing can be too low.
        (Range(-math.inf, 0.1), -0.9, -0.8, NIL),
        (Range(-math.inf, 0.1), -0.9, 0.1, NIL),
        (Range(-math.inf, 0.1), 0.11, 0.2, POS),
        (Range(-math.inf, 0.1), -0.9, 0.2, OPEN),
        # Everything above -0.1.
        (Range(-0.1, math.inf), 0.8, 0.9, NIL),
        (Range(-0.1, math.inf), -0.1, 0.9, NIL),
        (Range(-0.1, math.inf), -0.3, -0.11, NEG),
        (Range(-0.1, math.inf), -0.3, 0.9, OPEN),
        # Everything: there is nothing to find.
        (Range(-math.inf, math.inf), -0.9, 0.9, NIL),
        # From 0.2 to 0.4, as one who asks for an effect of about 0.3 would have it.
        (Range(0.2, 0.4), 0.25, 0.3, NIL),
        (Range(0.2, 0.4), 0.0, 0.1, NEG),
        (Range(0.2, 0.4), 0.45, 0.5, POS),
        (Range(0.2, 0.4), 0.1, 0.3, OPEN),
    ],
)
def test_a_range_may_lie_on_one_side(irrelevant: Range, low: float, high: float, expected: str) -> None:
    seen = Numbers((low + high) / 2, low, high, 0.001)
    assert conclude(seen, irrelevant=irrelevant, alpha=ALPHA).conclusion == expected


def test_a_range_within_a_margin_is_symmetric() -> None:
    assert Range.within(0.3) == Range(-0.3, 0.3)


@given(
    st.floats(-1, 1), st.floats(0, 1), st.floats(0.001, 1), st.floats(0, 0.5), st.sampled_from(list(FAILED))
)
def test_a_mirrored_effect_is_concluded_in_the_mirror(
    low: float, width: float, p: float, margin: float, against: str
) -> None:
    checks = [check(forbids) for forbids in FAILED[against]]
    one, two = (
        conclude(
            Numbers(sum(ends) / 2, *ends, p), irrelevant=Range.within(margin), alpha=ALPHA, checks=checks
        )
        for ends in ((low, low + width), (-low - width, -low))
    )
    turned = {POS: NEG, NEG: POS}
    assert two.conclusion == turned.get(one.conclusion, one.conclusion)
    assert (one.withheld, one.reason) == (two.withheld, two.reason)


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 1))
def test_more_uncertainty_never_makes_a_claim(low: float, width: float, more: float, p: float) -> None:
    narrow = conclude(Numbers(low, low, low + width, p), irrelevant=WITHIN, alpha=ALPHA).conclusion
    wide = conclude(
        Numbers(low, low - more, low + width + more, min(1.0, p + more)), irrelevant=WITHIN, alpha=ALPHA
    ).conclusion
    assert wide in (narrow, OPEN)


def test_reasons_are_those_of_the_checks_that_stand_in_the_way() -> None:
    checks = [
        check("effect", name="a"),
        check("absence", name="b"),
        check("both", True, name="c"),
        check("effect", name="d").model_copy(update={"reason": "too blurred"}),
        check("effect", name="e"),
    ]
    judged = conclude(Numbers(0.3, 0.2, 0.4, 0.001), irrelevant=WITHIN, alpha=ALPHA, checks=checks)
    assert judged.reason == "because of effect; too blurred"  # each once, in order
    absent = conclude(Numbers(0.0, 0.0, 0.0, 0.001), irrelevant=WITHIN, alpha=ALPHA, checks=checks)
    assert absent.reason == "because of absence"


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ((0.3, 0.2, 0.4, 0.01), "the whole interval lies beyond the margin, and the test rejects"),
        ((0.3, 0.2, 0.4, 0.06), "the test does not reject, although the interval would"),
        ((0.0, -0.1, 0.1, 0.9), "the whole interval lies within the margin"),
        ((0.1, 0.0, 0.2, 0.01), "the interval reaches across the margin"),
    ],
)
def test_every_conclusion_says_why(numbers: tuple[float, ...], reason: str) -> None:
    assert conclude(Numbers(*numbers), irrelevant=WITHIN, alpha=ALPHA).reason == reason


def test_claims_are_the_conclusions_that_say_that_there_is_something() -> None:
    assert {POS, NEG} == CLAIMS
    assert {POS, NEG, NIL, OPEN, "screening", "not measured"} == set(get_args(Conclusion))


# --- findings ---


def unsettled(**numbers: Any) -> Finding:
    """An association as the pipeline makes it, before anything is concluded."""
    finding = concept(**numbers)
    return finding.model_copy(update={"conclusion": "not measured", "reason": ""})


def test_a_finding_is_concluded_from_its_adjusted_interval() -> None:
    """The 95% interval lies beyond the margin; the one for the whole family reaches across it."""
    seen = unsettled(effect=0.2, low=0.12, high=0.28, adjusted_low=0.09, adjusted_high=0.31)
    assert conclude(Numbers(0.2, 0.12, 0.28, 0.001), irrelevant=WITHIN, alpha=ALPHA).conclusion == POS
    assert concluded(seen).conclusion == OPEN
    assert not concluded(seen).claimed
    assert concluded(seen).reason == "the interval reaches across the margin"
    absent = unsettled(effect=0.0, low=-0.09, high=0.09, adjusted_low=-0.11, adjusted_high=0.11)
    assert concluded(absent).conclusion == OPEN


def test_a_finding_is_concluded_from_its_corrected_p_value() -> None:
    seen = unsettled(effect=0.2, low=0.15, high=0.25, p_value=0.01, p_adjusted=0.06)
    assert concluded(seen).conclusion == OPEN
    assert concluded(seen.model_copy(update={"p_adjusted": 0.05})).conclusion == POS


def test_a_finding_brings_its_own_margin_and_alpha() -> None:
    seen = unsettled(effect=0.2, low=0.15, high=0.25, p_adjusted=0.03)
    assert concluded(seen).conclusion == POS
    assert concluded(seen.model_copy(update={"margin": 0.3})).conclusion == NIL
    assert concluded(seen.model_copy(update={"margin": 0.15})).conclusion == OPEN
    assert concluded(seen.model_copy(update={"alpha": 0.01})).conclusion == OPEN
    assert numbers_of(seen) == Numbers(0.2, 0.15, 0.25, 0.03)


def test_a_finding_whose_check_failed_is_withheld_and_nothing_else_changes() -> None:
    seen = unsettled(effect=0.2, low=0.15, high=0.25, checks=[failed()])
    found = concluded(seen)
    assert (found.conclusion, found.withheld) == (OPEN, True)
    assert found.reason == "the sanity check 'random concept' failed for bank 'textures'"
    assert [c.name for c in found.checks if c.passed is False] == ["random concept"]
    decided = {"conclusion", "withheld", "reason"}
    assert found.model_dump(exclude=decided) == seen.model_dump(exclude=decided)
    again = concluded(found.model_copy(update={"checks": []}))
    assert (again.conclusion, again.withheld) == (POS, False)


def raw(p: float | None, *, kind: str = "association", name: str = "x", **numbers: Any) -> Finding:
    ends = {"effect": 0.5, "low": 0.4, "high": 0.6} | numbers
    made = concept(name, **ends) if kind == "association" else contrast(name, "rest", **ends)
    return made.model_copy(
        update={"p_value": p, "p_adjusted": None, "q_value": None, "conclusion": "not measured"}
    )


def test_p_values_of_each_kind_are_one_family() -> None:
    p = {"association": [0.01, 0.04, 0.0004, 0.3], "contrast": [0.02, 0.03, 0.02]}
    jumbled = [("contrast", 0), ("association", 0), ("association", 1), ("contrast", 1)]
    jumbled += [("association", 2), ("contrast", 2), ("association", 3)]
    findings = [raw(p[kind][i], kind=kind, name=f"{kind}{i}") for kind, i in jumbled]
    settled = conclude_all(findings)
    assert [f.subject for f in settled] == [f.subject for f in findings]  # in the order given
    for kind in p:
        own = [f for f in settled if f.kind == kind]
        np.testing.assert_allclose([f.p_adjusted for f in own], slow.holm(p[kind]))
        np.testing.assert_allclose([f.q_value for f in own], slow.benjamini_yekutieli(p[kind]))
        assert [f.p_value for f in own] == p[kind]
    # 0.01 of four associations is 0.03, 0.04 is 0.08; all three contrasts are 0.06.
    assert [f.conclusion for f in settled if f.kind == "association"] == [POS, OPEN, POS, OPEN]
    assert [f.conclusion for f in settled if f.kind == "contrast"] == [OPEN, OPEN, OPEN]


def test_what_was_not_tested_belongs_to_no_family() -> None:
    absent = raw(None, effect=None, low=None, high=None, adjusted_low=None, adjusted_high=None)
    settled = conclude_all([absent, raw(0.02), absent, raw(0.04, kind="contrast"), absent])
    assert [f.conclusion for f in settled] == ["not measured", POS, "not measured", POS, "not measured"]
    # Two families of one test each: nothing is corrected.
    assert [f.p_adjusted for f in settled] == [None, 0.02, None, 0.04, None]
    assert [f.q_value for f in settled] == [None, 0.02, None, 0.04, None]


def test_a_finding_that_is_withheld_still_counts_in_its_family() -> None:
    """Whoever looks at two tests has looked at two, whatever may be said afterwards."""
    settled = conclude_all([raw(0.03, checks=[failed()]), raw(0.03)])
    assert [f.p_adjusted for f in settled] == [0.06, 0.06]
    assert [f.withheld for f in settled] == [True, False]
    assert settled[1].conclusion == OPEN


def test_nothing_to_conclude() -> None:
    assert conclude_all([]) == []


@given(st.lists(st.tuples(st.floats(0.001, 1.0), st.booleans()), min_size=1, max_size=12))
def test_concluding_twice_is_concluding_once(tests: list[tuple[float, bool]]) -> None:
    findings = [raw(p, kind="contrast" if other else "association") for p, other in tests]
    once = conclude_all(findings)
    assert conclude_all(once) == once


# --- variants ---


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.11, 0.3, POS),
        (-0.3, -0.11, NEG),
        (-0.1, 0.1, NIL),
        (0.05, 0.3, OPEN),
        (0.1, 0.3, OPEN),
        (-0.3, 0.3, OPEN),
    ],
)
def test_a_variant_is_told_by_its_numbers_alone(low: float, high: float, expected: str) -> None:
    assert conclude_variant((low + high) / 2, low, high, margin=MARGIN) == expected


def test_a_variant_without_finite_numbers_says_nothing() -> None:
    assert conclude_variant(0.2, -math.inf, math.inf, margin=MARGIN) == "not measured"


def variants(*conclusions: str) -> list[Variant]:
    return [
        Variant.model_validate({"name": f"v{i}", "effect": 0, "low": 0, "high": 0, "conclusion": conclusion})
        for i, conclusion in enumerate(conclusions)
    ]


@pytest.mark.parametrize(("sign", "own"), [(1, POS), (-1, NEG)])
def test_a_claim_falls_where_a_variant_says_anything_else(sign: int, own: str) -> None:
    ends = sorted((0.2 * sign, 0.4 * sign))
    claim = concept(
        effect=0.3 * sign, low=ends[0], high=ends[1], variants=variants(POS, NEG, NIL, OPEN, "not measured")
    )
    assert claim.conclusion == own
    assert fallen(claim) == [
        f"v{i}" for i, other in enumerate((POS, NEG, NIL, OPEN, "not measured")) if other != own
    ]
    assert fallen(claim.model_copy(update={"variants": variants(own, own)})) == []


def test_what_is_no_claim_cannot_fall() -> None:
    assert fallen(concept(variants=variants(POS, OPEN))) == []
    assert fallen(concept(effect=0.3, low=0.0, high=0.6, variants=variants(POS, NIL))) == []
    held_back = concept(effect=0.3, low=0.2, high=0.4, variants=variants(NIL), checks=[failed()])
    assert held_back.withheld
    assert fallen(held_back) == []


# --- families in words ---


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((3, 13, 0), "39 tests of concepts, corrected together (3 classes times 13 concepts)"),
        ((1, 1, 0), "1 test of concepts, corrected together (1 class times 1 concept)"),
        ((1, 13, 0), "13 tests of concepts, corrected together (1 class times 13 concepts)"),
        ((2, 0, 1), "2 tests of contrasts, corrected together (2 classes times 1 contrast)"),
        ((1, 0, 2), "2 tests of contrasts, corrected together (1 class times 2 contrasts)"),
        (
            (2, 5, 3),
            "10 tests of concepts, corrected together (2 classes times 5 concepts); "
            "6 tests of contrasts, corrected together (2 classes times 3 contrasts)",
        ),
        ((4, 0, 0), "nothing was tested"),
    ],
)
def test_families_in_words(counts: tuple[int, int, int], expected: str) -> None:
    assert family_words(*counts) == expected


# --- two releases ---

TOLERANCE = 0.05
UP, DOWN = concept(effect=0.3, low=0.2, high=0.4), concept(effect=-0.3, low=-0.4, high=-0.2)
NONE, VAGUE = concept(), concept(effect=0.1, low=0.0, high=0.2)
HELD = concept(effect=0.3, low=0.2, high=0.4, checks=[failed()])
ABSENT = concept(
    effect=None, low=None, high=None, adjusted_low=None, adjusted_high=None, p_value=None, p_adjusted=None
)
STATES = {"up": UP, "down": DOWN, "none": NONE, "vague": VAGUE, "held": HELD, "absent": ABSENT}

# Before and after: what an established change is called. "-": nothing may be said of one of the two.
CHANGES = {
    "up": {"up": "size", "down": "new", "none": "gone", "vague": "gone", "held": "-", "absent": "-"},
    "down": {"up": "new", "down": "size", "none": "gone", "vague": "gone", "held": "-", "absent": "-"},
    "none": {"up": "new", "down": "new", "none": "size", "vague": "size", "held": "-", "absent": "-"},
    "vague": {"up": "new", "down": "new", "none": "size", "vague": "size", "held": "-", "absent": "-"},
    "held": dict.fromkeys(STATES, "-"),
    "absent": dict.fromkeys(STATES, "-"),
}


def test_the_states_are_what_they_are_called() -> None:
    assert [f.conclusion for f in STATES.values()] == [POS, NEG, NIL, OPEN, OPEN, "not measured"]
    assert [f.withheld for f in STATES.values()] == [False] * 4 + [True, False]
    assert set(CHANGES) == set(STATES)


@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATES, STATES)))
def test_every_change(before: str, after: str) -> None:
    was, now, expected = STATES[before], STATES[after], CHANGES[before][after]
    established = [
        Numbers(0.2, 0.06, 0.3, 0.01),
        Numbers(-0.2, -0.3, -0.01, 0.05),
        Numbers(0.2, 0.01, 0.3, 0.05),
    ]
    for change in established:
        moved = conclude_change(was, now, change, tolerance=TOLERANCE)
        if expected == "-":
            assert (moved.status, moved.withheld) == ("inconclusive", True)
            continue
        assert not moved.withheld
        grown = "grown" if abs(now.effect or 0) > abs(was.effect or 0) else "shrunk"
        assert moved.status == (grown if expected == "size" else expected)
    for change, status in (
        (Numbers(0.0, -0.05, 0.05, 0.9), "unchanged"),  # the ends belong to the tolerance
        (Numbers(0.03, 0.01, 0.05, 0.001), "unchanged"),  # real, and too small to matter
        (Numbers(0.2, 0.06, 0.3, 0.051), "inconclusive"),  # the test does not reject
        (Numbers(0.1, -0.01, 0.2, 0.01), "inconclusive"),  # the interval holds 0
        (Numbers(0.1, 0.0, 0.2, 0.01), "inconclusive"),
        (Numbers(-0.1, -0.2, 0.0, 0.01), "inconclusive"),
    ):
        moved = conclude_change(was, now, change, tolerance=TOLERANCE)
        assert moved.status == ("inconclusive" if expected == "-" else status), change
        assert moved.withheld is (expected == "-")


@pytest.mark.parametrize("missing", range(4))
def test_a_change_that_was_not_measured_is_withheld(missing: int) -> None:
    numbers: list[float | None] = [0.2, 0.1, 0.3, 0.001]
    numbers[missing] = None
    moved = conclude_change(UP, NONE, Numbers(*numbers), tolerance=TOLERANCE)
    assert (moved.status, moved.withheld) == ("inconclusive", True)
    assert moved.reason == "not measured in both"


@pytest.mark.parametrize("place", range(4))
def test_a_change_that_is_not_finite_establishes_nothing(place: int) -> None:
    numbers = [0.2, 0.1, 0.3, 0.001]
    numbers[place] = math.nan
    assert conclude_change(UP, NONE, Numbers(*numbers), tolerance=TOLERANCE).status == "inconclusive"


REASONS = {
    OPEN: "the sanity check 'random concept' failed for bank 'textures'",
    "not measured": "there is no number to conclude from",
}


def test_what_holds_a_change_back_is_named_for_either_release() -> None:
    change = Numbers(0.2, 0.1, 0.3, 0.001)
    for was, now, releases in ((HELD, UP, ["old"]), (UP, HELD, ["new"]), (ABSENT, HELD, ["old", "new"])):
        reason = conclude_change(was, now, change, tolerance=TOLERANCE).reason
        assert reason == "; ".join(
            f"in the {name} release nothing may be said of it: {REASONS[finding.conclusion]}"
            for name, finding in zip(("old", "new"), (was, now), strict=True)
            if name in releases
        )


def test_a_change_is_held_against_the_new_releases_alpha() -> None:
    change = Numbers(0.2, 0.1, 0.3, 0.03)
    strict = UP.model_copy(update={"alpha": 0.01})
    assert conclude_change(NONE, UP, change, tolerance=TOLERANCE).status == "new"
    assert conclude_change(NONE, strict, change, tolerance=TOLERANCE).status == "inconclusive"
    assert conclude_change(strict, UP, change, tolerance=TOLERANCE).status != "inconclusive"


def test_a_direction_that_turned_round_is_new() -> None:
    moved = conclude_change(UP, DOWN, Numbers(-0.6, -0.8, -0.4, 0.001), tolerance=TOLERANCE)
    assert (moved.status, moved.reason) == ("new", "the direction turned round")


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [(0.3, 0.5, "grown"), (0.5, 0.3, "shrunk"), (-0.3, -0.5, "grown"), (-0.5, -0.3, "shrunk")],
)
def test_grown_is_further_from_zero_on_either_side(before: float, after: float, status: str) -> None:
    was, now = (concept(effect=e, low=e - 0.05, high=e + 0.05) for e in (before, after))
    change = after - before
    seen = Numbers(change, change - 0.06, change + 0.06, 0.001)
    assert conclude_change(was, now, seen, tolerance=TOLERANCE).status == status


def importance(effect: float = 0.3, half: float = 0.1, **changes: Any) -> Importance:
    values: dict[str, Any] = {
        "mmd": 0.4, "mmd_sd": 0.01, "signed": effect, "reference": 0.0, "effect": effect,
        "low": effect - half / 2, "high": effect + half / 2,
        "adjusted_low": effect - half, "adjusted_high": effect + half,
        "p_benchmark": 0.001, "p_class": 0.001, "p_adjusted": None, "family": 1, "alpha": 0.05,
        "margin": 0.05, "references": 8, "conclusion": "not measured", "reason": "", "views": "neither",
    }  # fmt: skip
    return Importance.model_validate(values | changes)


CLAIMED = {
    "effect": 0.3,
    "low": 0.2,
    "high": 0.4,
    "adjusted_low": 0.2,
    "adjusted_high": 0.4,
    "p_adjusted": 0.001,
}
"""Numbers of a finding that is claimed."""


@pytest.mark.parametrize(
    ("numbers", "features", "conclusion", "views"),
    [
        (CLAIMED, 0.3, "associated", "both"),
        (CLAIMED, -0.3, "negatively associated", "opposite directions"),
        (CLAIMED, 0.0, "inconclusive", "output only"),
        ({}, 0.3, "associated", "features only"),
        ({}, 0.0, "inconclusive", "neither"),
    ],
)
def test_an_importance_is_set_beside_its_finding(
    numbers: dict[str, float], features: float, conclusion: str, views: str
) -> None:
    finding = concept("banded", **numbers) if numbers else concept("banded", effect=0.0, low=-0.3, high=0.3)
    (settled,) = conclude_importances([(importance(features), concluded(finding))])
    assert (settled.conclusion, settled.views) == (conclusion, views)


@pytest.mark.parametrize("weak", ["p_benchmark", "p_class"])
def test_an_importance_needs_both_tests(weak: str) -> None:
    (settled,) = conclude_importances([(importance(**{weak: 0.2}), concept("banded"))])
    assert settled.conclusion == "inconclusive"
    assert settled.p_adjusted == pytest.approx(0.2)


def test_importances_are_one_family() -> None:
    pairs = [(importance(p_class=p), concept(str(p))) for p in (0.001, 0.02, 0.03)]
    settled = conclude_importances(pairs)
    assert [one.p_adjusted for one in settled] == pytest.approx([0.003, 0.04, 0.04])


def test_an_importance_within_the_margin_is_ruled_out() -> None:
    (settled,) = conclude_importances([(importance(0.01, 0.02), concept("banded"))])
    assert settled.conclusion == "not associated"


def test_an_importance_of_few_images_is_withheld() -> None:
    few = Check(name=ENOUGH, passed=False, forbids="both", reason="12 independent images, need 30")
    other = Check(name="random concept", passed=False, forbids="both", reason="sanity check failed")
    (withheld,) = conclude_importances([(importance(), concept("banded", checks=[few]))])
    assert (withheld.conclusion, withheld.reason) == ("inconclusive", few.reason)
    (kept,) = conclude_importances([(importance(), concept("banded", checks=[other]))])
    assert kept.conclusion == "associated"  # that check is about the output


def test_no_importance_is_no_family() -> None:
    assert conclude_importances([]) == []
