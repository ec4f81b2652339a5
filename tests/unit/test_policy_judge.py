"""The gate's truth table, and what trust, coverage and waivers make of it."""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.compare import compare
from auditor.policy import Association, Contrast, Policy, Trust, Verdict, Waiver, decide, judge
from auditor.policy.judge import Measurement
from auditor.records import Audit, ConceptResult, Skipped
from tests.releases import another_model, audit_of, audited_class, concept, contrast, control

TODAY = date(2026, 11, 23)

ABOVE: dict[str, Any] = {
    "score": 1.0,
    "score_low": 0.7,
    "score_high": 1.3,
    "p_value": 0.0001,
    "p_adjusted": 0.001,
}
BELOW: dict[str, Any] = {
    "score": -1.0,
    "score_low": -1.3,
    "score_high": -0.7,
    "p_value": 0.0001,
    "p_adjusted": 0.001,
}
ACROSS: dict[str, Any] = {
    "score": 0.6,
    "score_low": 0.3,
    "score_high": 0.9,
    "p_value": 0.0001,
    "p_adjusted": 0.001,
}
NOT_SURE: dict[str, Any] = ABOVE | {"p_value": 0.01, "p_adjusted": 0.2}
NOTHING: dict[str, Any] = dict.fromkeys(("score", "score_low", "score_high", "p_value", "p_adjusted"))


def _policy(**fields: Any) -> Policy:
    rules: dict[str, Any] = {"association": [Association(largest_effect=0.5)]}
    return Policy(**(rules | fields))


def _judged(audit: Audit, policy: Policy | None = None, **more: Any) -> Verdict:
    return judge(audit, policy or _policy(), today=TODAY, **more)


def _one(result: ConceptResult, policy: Policy | None = None, **class_fields: Any) -> tuple[str, str]:
    verdict = _judged(audit_of(audited_class(result, **class_fields)), policy)
    (finding,) = verdict.findings
    assert verdict.outcome == finding.outcome
    return finding.measured, finding.outcome


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, "pass"),
        (ABOVE, "fail"),
        (BELOW, "fail"),
        (ACROSS, "inconclusive"),
        (NOT_SURE, "inconclusive"),
        (NOTHING, "inconclusive"),
        (ABOVE | {"p_adjusted": None}, "inconclusive"),
        ({"score_low": None}, "inconclusive"),
        ({"score_low": 0.1, "score_high": -0.1}, "inconclusive"),
        # Exactly at the tolerance is within it; exactly alpha is not below it.
        ({"score": 0.4, "score_low": 0.3, "score_high": 0.5}, "pass"),
        (ABOVE | {"score_low": 0.5}, "inconclusive"),
        (ABOVE | {"p_adjusted": 0.05}, "inconclusive"),
        (ABOVE | {"p_adjusted": 0.0499}, "fail"),
        # Significant, and surely small: that is a pass, not a finding.
        ({"score": 0.3, "score_low": 0.2, "score_high": 0.4, "p_adjusted": 0.0001}, "pass"),
    ],
)
def test_what_the_numbers_say(numbers: dict[str, Any], expected: str) -> None:
    assert _one(concept(**numbers)) == (expected, expected)


TRUTH = [
    # numbers, trusted, enough data -> measured
    ("within", True, True, "pass"),
    ("within", True, False, "inconclusive"),
    ("within", False, True, "inconclusive"),
    ("within", False, False, "inconclusive"),
    ("beyond", True, True, "fail"),
    ("beyond", True, False, "fail"),
    ("beyond", False, True, "inconclusive"),
    ("beyond", False, False, "inconclusive"),
    ("across", True, True, "inconclusive"),
    ("across", True, False, "inconclusive"),
    ("across", False, True, "inconclusive"),
    ("across", False, False, "inconclusive"),
]


@pytest.mark.parametrize(("numbers", "trusted", "enough", "measured"), TRUTH)
@pytest.mark.parametrize("means", ["fail", "warn", "pass"])
@pytest.mark.parametrize("waived", [False, True])
def test_truth_table(
    numbers: str, trusted: bool, enough: bool, measured: str, means: str, waived: bool
) -> None:
    values = {"within": {}, "beyond": ABOVE, "across": ACROSS}[numbers]
    result = concept(**values, n=60 if enough else 19)
    waiver = Waiver(
        classes=["zebra"], concepts=["banded"], owner="A", reason="known", expires=date(2027, 1, 1)
    )
    policy = _policy(inconclusive=means, waiver=[waiver] if waived else [])
    seen, outcome = _one(result, policy, controls=[control(passed=trusted)])
    assert seen == measured
    # Whether the answer is merely imprecise, which a policy may let pass and a waiver may cover.
    imprecise = numbers == "across" and trusted and enough
    if measured == "fail":
        expected = "pass" if waived else "fail"
    elif measured == "pass" or (imprecise and waived):
        expected = "pass"
    else:
        expected = {"fail": "fail", "warn": "inconclusive", "pass": "pass" if imprecise else "inconclusive"}[
            means
        ]
    assert outcome == expected


def test_the_table_is_complete() -> None:
    rows = {row[:3] for row in TRUTH}
    assert rows == set(product(("within", "beyond", "across"), (True, False), (True, False)))


@given(
    low=st.floats(-3, 3),
    width=st.floats(0, 3),
    p=st.floats(1e-6, 1),
    tolerance=st.floats(0, 2),
    sides=st.sampled_from(["either", "associated", "inhibiting"]),
)
def test_fail_and_pass_exclude_each_other_and_agree_with_the_interval(
    low: float, width: float, p: float, tolerance: float, sides: Any
) -> None:
    high = low + width
    outcome = decide(Measurement((low + high) / 2, low, high, p), tolerance=tolerance, alpha=0.05, side=sides)
    inside = {
        "either": (-tolerance, tolerance),
        "associated": (-9, tolerance),
        "inhibiting": (-tolerance, 9),
    }[sides]
    if outcome == "pass":
        assert inside[0] <= low
        assert high <= inside[1]
    if outcome == "fail":
        assert p < 0.05
        assert high < inside[0] or low > inside[1]


@pytest.mark.parametrize(
    ("side", "numbers", "expected"),
    [
        ("associated", ABOVE, "fail"),
        ("associated", BELOW, "pass"),
        ("inhibiting", ABOVE, "pass"),
        ("inhibiting", BELOW, "fail"),
    ],
)
def test_a_rule_may_limit_one_sign_only(side: Any, numbers: dict[str, Any], expected: str) -> None:
    policy = _policy(association=[Association(largest_effect=0.5, side=side)])
    assert _one(concept(**numbers), policy)[1] == expected


def test_the_simultaneous_interval_is_stricter_about_failing_and_not_about_passing() -> None:
    wide = concept(**ABOVE, score_adjusted_low=0.4, score_adjusted_high=1.6)
    assert _one(wide)[1] == "fail"
    assert _one(wide, _policy(interval="simultaneous"))[1] == "inconclusive"
    small = concept(score_adjusted_low=-0.7, score_adjusted_high=0.7)
    assert _one(small, _policy(interval="simultaneous"))[1] == "pass"


@pytest.mark.parametrize(
    ("trust", "class_fields", "said"),
    [
        ({}, {"success": 0.49}, "changed 0.49 of the held-out images"),
        ({}, {"success": None}, "not measured on held-out images"),
        ({}, {"specific": False}, "says the same about other classes"),
        ({}, {"controls": [control(passed=False)]}, "control 'random concept' failed (0.3 against 0.2)"),
        (
            {"blocking_controls": ["random *"]},
            {"controls": [control(passed=False)]},
            "control 'random concept' failed",
        ),
        (
            {"blocking_controls": ["permuted *"], "required_controls": ["random concept"]},
            {"controls": [control(passed=False)]},
            "control 'random concept' failed",
        ),
        ({"required_controls": ["random concept"]}, {}, "'random concept' was not run"),
        ({"required_controls": ["random concept"]}, {"controls": [control(passed=None)]}, "was not run"),
        ({"class_images": ["folder", "hf:*"]}, {}, "come from 'impressions'"),
        ({"smallest_n": 61}, {}, "60 images, the policy needs 61"),
        ({"largest_smallest_detectable": 0.1}, {}, "only effects from 0.2 up"),
    ],
)
def test_below_a_floor_nothing_passes(trust: dict[str, Any], class_fields: dict[str, Any], said: str) -> None:
    policy = _policy(trust=Trust(**trust), inconclusive="pass")
    verdict = _judged(audit_of(audited_class(concept(), **class_fields)), policy)
    assert verdict.outcome == "inconclusive"
    assert said in verdict.findings[0].reason
    assert not verdict.findings[0].trusted


@pytest.mark.parametrize(
    ("trust", "class_fields"),
    [
        ({"occluder_success": None}, {"success": None}),
        ({"occluder_success": 0.0}, {"success": None}),
        ({"occluder_success": 0.7}, {"success": 0.7}),
        ({"smallest_n": 60}, {}),
        ({"largest_smallest_detectable": 0.2}, {}),
        ({"blocking_controls": ["random *"]}, {"controls": [control("permuted channels", passed=False)]}),
        ({"required_controls": ["random *"]}, {"controls": [control()]}),
        ({"class_images": ["hf:*"]}, {"source": "hf:owner/photos"}),
        ({"specific": False}, {"specific": False}),
        ({}, {"controls": [control(passed=None)]}),
    ],
)
def test_at_or_above_the_floors_a_good_result_passes(
    trust: dict[str, Any], class_fields: dict[str, Any]
) -> None:
    audit = audit_of(audited_class(concept(), **class_fields))
    assert _judged(audit, _policy(trust=Trust(**trust))).outcome == "pass"


def test_a_failed_control_of_the_whole_audit_touches_every_class() -> None:
    audit = audit_of(audited_class(concept()), controls=[control("randomised weights", passed=False)])
    assert _judged(audit).outcome == "inconclusive"


def test_the_gate_fails_if_one_of_many_fails_and_needs_all_to_pass() -> None:
    good, bad, open_ = concept("a"), concept("b", **ABOVE), concept("c", **ACROSS)
    assert _judged(audit_of(audited_class(good, bad, open_))).outcome == "fail"
    assert _judged(audit_of(audited_class(good, open_))).outcome == "inconclusive"
    assert _judged(audit_of(audited_class(good))).outcome == "pass"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            Association(classes=["apron"], largest_effect=1),
            "class 'apron' was not audited: 9 recognised, need 20",
        ),
        (Association(banks=["scenes"], largest_effect=1), "bank 'scenes' was not measured"),
        (Association(concepts=["band"], largest_effect=1), "concept 'band' is in none of the banks"),
        (Association(classes=["a*"], largest_effect=1), "class 'a*' was not audited"),
        (Contrast(groups=["women/men"], largest_difference=1), "contrast 'women/men' was not measured"),
        (Association(largest_effect=1), "class 'apron' was skipped"),
    ],
)
def test_what_was_not_tested_does_not_pass(rule: Association | Contrast, said: str) -> None:
    key = "contrast" if isinstance(rule, Contrast) else "association"
    skipped = [Skipped(what="class 'apron'", reason="9 recognised, need 20")]
    audit = audit_of(audited_class(concept()), skipped=skipped)
    verdict = _judged(audit, Policy(inconclusive="pass", **{key: [rule]}))
    assert verdict.outcome == "inconclusive"
    assert any(said in f.reason and f.kind == "coverage" for f in verdict.findings)


def test_a_concept_measured_for_one_class_only_is_a_gap() -> None:
    other = audited_class(concept("a"), index=1, name="lynx", synset="n01")
    audit = audit_of(audited_class(concept("a"), concept("b")), other)
    gaps = [f for f in _judged(audit).findings if f.kind == "coverage"]
    assert [(f.class_name, f.subject) for f in gaps] == [("lynx", "b")]


@pytest.mark.parametrize("names", [["zebra"], ["ZEBRA"], ["340"], ["n02391049"], ["z*"], ["n02*"]])
def test_classes_go_by_name_synset_index_or_pattern(names: list[str]) -> None:
    other = audited_class(concept(**ABOVE), index=1, name="lynx", synset="n01")
    audit = audit_of(audited_class(concept()), other)
    verdict = _judged(audit, _policy(association=[Association(classes=names, largest_effect=0.5)]))
    assert [f.class_name for f in verdict.findings] == ["zebra"]


def test_a_name_with_brackets_matches_itself() -> None:
    audit = audit_of(audited_class(concept(), name="bus [school]", synset=""))
    policy = _policy(association=[Association(classes=["bus [school]"], largest_effect=0.5)])
    assert _judged(audit, policy).outcome == "pass"


@pytest.mark.parametrize("groups", [["women/men"], ["men/women"], ["*/*"], ["wo*/m*"]])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_contrast_fails_in_either_order_and_direction(groups: list[str], sign: int) -> None:
    ends = sorted((0.3 * sign, 0.7 * sign))
    seen = contrast(difference=0.5 * sign, difference_low=ends[0], difference_high=ends[1], p_adjusted=0.001)
    policy = Policy(contrast=[Contrast(groups=groups, largest_difference=0.2)])
    assert _judged(audit_of(audited_class(contrasts=[seen])), policy).outcome == "fail"


@pytest.mark.parametrize(
    ("matching", "outcomes"),
    [("prefer", ["pass"]), ("require", ["pass"]), ("any", ["fail", "pass"])],
)
def test_the_matched_comparison_goes_first(matching: Any, outcomes: list[str]) -> None:
    raw = contrast(difference=0.5, difference_low=0.3, difference_high=0.7, p_adjusted=0.001)
    matched = contrast(matched=True)
    policy = Policy(contrast=[Contrast(largest_difference=0.2, matched=matching)])
    verdict = _judged(audit_of(audited_class(contrasts=[raw, matched])), policy)
    assert [f.outcome for f in verdict.findings] == outcomes


def test_an_unmatched_contrast_does_not_do_where_a_matched_one_is_required() -> None:
    policy = Policy(contrast=[Contrast(largest_difference=0.2, matched="require")])
    verdict = _judged(audit_of(audited_class(contrasts=[contrast()])), policy)
    assert verdict.outcome == "inconclusive"
    assert "not measured in matched groups" in verdict.findings[0].reason


def _waiver(**fields: Any) -> Waiver:
    values: dict[str, Any] = {
        "classes": ["zebra"], "concepts": ["banded"], "owner": "A. Reviewer",
        "reason": "stripes are the point",
        "expires": TODAY,
    }  # fmt: skip
    return Waiver(**(values | fields))


def test_a_waiver_holds_through_its_last_day_and_is_named() -> None:
    audit = audit_of(audited_class(concept(**ABOVE)))
    verdict = _judged(audit, _policy(waiver=[_waiver()]))
    assert verdict.outcome == "pass"
    assert verdict.waived == 1
    assert verdict.findings[0].measured == "fail"
    assert "waived by A. Reviewer until 2026-11-23: stripes are the point" in verdict.findings[0].reason
    assert verdict.notes == []


def test_an_expired_waiver_does_not_hold_and_is_named() -> None:
    audit = audit_of(audited_class(concept(**ABOVE)))
    verdict = _judged(audit, _policy(waiver=[_waiver(expires=date(2026, 11, 22))]))
    assert verdict.outcome == "fail"
    assert "waiver of A. Reviewer expired on 2026-11-22" in verdict.findings[0].reason
    assert "was not applied" in verdict.notes[0]


def test_one_waiver_in_force_outweighs_an_expired_one() -> None:
    audit = audit_of(audited_class(concept(**ABOVE)))
    waivers = [_waiver(expires=date(2020, 1, 1), owner="Old"), _waiver(owner="New")]
    verdict = _judged(audit, _policy(waiver=waivers))
    assert verdict.findings[0].waiver is not None
    assert verdict.findings[0].waiver.owner == "New"


@pytest.mark.parametrize(
    "fields",
    [
        {"classes": ["lynx"]},
        {"banks": ["faces"]},
        {"concepts": ["dotted"]},
        {"concepts": [], "groups": ["*/*"]},
    ],
)
def test_a_waiver_for_something_else_does_not_hold(fields: dict[str, Any]) -> None:
    audit = audit_of(audited_class(concept(**ABOVE)))
    verdict = _judged(audit, _policy(waiver=[_waiver(**fields)]))
    assert verdict.outcome == "fail"
    assert "was not needed" in verdict.notes[0]


def test_a_limit_on_growth_needs_a_baseline_unless_the_policy_says_otherwise() -> None:
    audit = audit_of(audited_class(concept()))
    rules = [Association(largest_effect=0.5, largest_growth=0.1)]
    assert _judged(audit, _policy(association=rules)).outcome == "inconclusive"
    assert _judged(audit, _policy(association=rules, baseline="optional")).outcome == "pass"


def _grown(old: ConceptResult, new: ConceptResult, **class_fields: Any) -> Verdict:
    before = audit_of(audited_class(old, **class_fields))
    after = another_model(audit_of(audited_class(new)))
    comparison = compare(before, after, rng=np.random.default_rng(0))
    policy = _policy(association=[Association(largest_growth=0.1)])
    return judge(after, policy, today=TODAY, baseline=before, comparison=comparison)


def test_growth_beyond_the_limit_fails_and_shrinking_passes() -> None:
    small = concept(score=0.2, score_low=0.15, score_high=0.25)
    large = concept(score=0.8, score_low=0.75, score_high=0.85, p_adjusted=0.001)
    assert _grown(small, large).outcome == "fail"
    assert _grown(large, small).outcome == "pass"
    assert _grown(small, small.model_copy(update={"score": 0.21})).outcome == "pass"
    vague = concept(score=0.3, score_low=-0.1, score_high=0.7)
    assert _grown(small, vague).outcome == "inconclusive"


def test_a_baseline_with_a_failed_control_cannot_vouch_for_anything() -> None:
    verdict = _grown(concept(), concept(), controls=[control(passed=False)])
    assert verdict.outcome == "inconclusive"
    assert "baseline: control 'random concept' failed" in verdict.findings[0].reason


def test_a_finding_that_the_baseline_lacks_is_not_tested() -> None:
    before = audit_of(audited_class(concept("a")))
    after = another_model(audit_of(audited_class(concept("a"), concept("b"))))
    after = after.model_copy(update={"banks": before.banks})
    comparison = compare(before, after, rng=np.random.default_rng(0))
    policy = _policy(association=[Association(largest_growth=0.3)])
    verdict = judge(after, policy, today=TODAY, baseline=before, comparison=comparison)
    assert [(f.kind, f.subject) for f in verdict.findings if not f.trusted] == [("coverage", "b")]


def test_the_same_input_gives_the_same_verdict() -> None:
    audit = audit_of(audited_class(concept(**ABOVE), concept("b", **ACROSS)))
    assert _judged(audit) == _judged(audit)
