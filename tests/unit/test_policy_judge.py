"""The gate's truth table, and what trust, coverage, growth and waivers make of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.compare import Comparison, compare
from auditor.policy import (
    Association,
    Contrast,
    Expected,
    Policy,
    Ruling,
    Trust,
    Verdict,
    Waiver,
    judge,
    parse_policy,
)
from auditor.policy.judge import rule_on, rule_on_growth
from auditor.records import Audit, Check, Finding, Skipped
from auditor.report.formats.policy import policy_template
from tests.releases import (
    CONTRAST_MARGIN,
    MARGIN,
    SETTINGS,
    another_model,
    audit_of,
    audited_class,
    concept,
    contrast,
    failed,
    in_context,
)

TODAY = date(2026, 11, 23)
TOLERANCE = 0.2
"""Of the rules here; twice the margin of the audits."""

ABOVE: dict[str, Any] = {"effect": 0.5, "low": 0.4, "high": 0.6}
BELOW: dict[str, Any] = {"effect": -0.5, "low": -0.6, "high": -0.4}
ACROSS: dict[str, Any] = {"effect": 0.2, "low": 0.1, "high": 0.3}
NOT_SURE: dict[str, Any] = ABOVE | {"p_value": 0.01, "p_adjusted": 0.2}
MISSING: dict[str, Any] = dict.fromkeys(("effect", "low", "high", "p_value", "p_adjusted"))


def _policy(**fields: Any) -> Policy:
    rules: dict[str, Any] = {"association": [Association(largest_effect=TOLERANCE)]}
    return Policy(**({"format_version": 2} | rules | fields))


def _of_contrasts(**fields: Any) -> Policy:
    return _policy(association=[], contrast=[Contrast(**fields)])


def _judged(audit: Audit, policy: Policy | None = None, **more: Any) -> Verdict:
    return judge(audit, policy or _policy(), today=TODAY, **more)


def _one(finding: Finding, policy: Policy | None = None) -> Ruling:
    verdict = _judged(audit_of(audited_class(finding)), policy)
    (ruling,) = verdict.rulings
    assert verdict.outcome == ruling.outcome
    return ruling


def _check(name: str, *, passed: bool | None, forbids: str = "both") -> Check:
    return Check.model_validate({"name": name, "passed": passed, "forbids": forbids, "reason": "as seen"})


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, "pass"),
        (ABOVE, "fail"),
        (BELOW, "fail"),
        (ACROSS, "inconclusive"),
        (NOT_SURE, "inconclusive"),
        (MISSING, "inconclusive"),
        (ABOVE | {"p_adjusted": None}, "inconclusive"),
        ({"low": None}, "inconclusive"),
        ({"low": 0.05, "high": -0.05}, "inconclusive"),
        # Exactly at the tolerance is within it.
        ({"effect": 0.15, "low": 0.1, "high": TOLERANCE}, "pass"),
        ({"effect": -0.15, "low": -TOLERANCE, "high": -0.1}, "pass"),
        (ABOVE | {"low": TOLERANCE}, "inconclusive"),
        (BELOW | {"high": -TOLERANCE}, "inconclusive"),
        # Exactly alpha is small enough.
        (ABOVE | {"p_adjusted": 0.05}, "fail"),
        (ABOVE | {"p_adjusted": 0.0501}, "inconclusive"),
        # Claimed by the audit, and surely within what the policy tolerates: a pass.
        ({"effect": 0.15, "low": 0.11, "high": 0.19}, "pass"),
    ],
)
def test_what_the_numbers_say(numbers: dict[str, Any], expected: str) -> None:
    ruling = _one(concept(**numbers))
    assert (ruling.measured, ruling.outcome) == (expected, expected)


def test_the_adjusted_interval_decides_and_the_plain_one_does_not() -> None:
    wide = ABOVE | {"adjusted_low": 0.15, "adjusted_high": 0.85}
    ruling = _one(concept(**wide))
    assert ruling.outcome == "inconclusive"
    assert (ruling.low, ruling.high) == (0.15, 0.85)
    assert _one(concept(adjusted_low=-0.25, adjusted_high=0.25)).outcome == "inconclusive"


NUMBERS: dict[str, dict[str, Any]] = {"within": {}, "beyond": ABOVE, "across": ACROSS, "missing": MISSING}
FORBIDS = ("none", "effect", "absence", "both")

TRUTH = [
    # numbers, what a failed check forbids, enough data -> measured, trusted
    ("within", "none", True, "pass", True),
    ("within", "none", False, "inconclusive", False),
    ("within", "effect", True, "pass", True),
    ("within", "effect", False, "inconclusive", False),
    ("within", "absence", True, "inconclusive", False),
    ("within", "absence", False, "inconclusive", False),
    ("within", "both", True, "inconclusive", False),
    ("within", "both", False, "inconclusive", False),
    ("beyond", "none", True, "fail", True),
    ("beyond", "none", False, "fail", True),
    ("beyond", "effect", True, "inconclusive", False),
    ("beyond", "effect", False, "inconclusive", False),
    ("beyond", "absence", True, "fail", True),
    ("beyond", "absence", False, "fail", True),
    ("beyond", "both", True, "inconclusive", False),
    ("beyond", "both", False, "inconclusive", False),
    ("across", "none", True, "inconclusive", True),
    ("across", "none", False, "inconclusive", False),
    ("across", "effect", True, "inconclusive", True),
    ("across", "effect", False, "inconclusive", False),
    ("across", "absence", True, "inconclusive", True),
    ("across", "absence", False, "inconclusive", False),
    ("across", "both", True, "inconclusive", False),
    ("across", "both", False, "inconclusive", False),
    ("missing", "none", True, "inconclusive", False),
    ("missing", "none", False, "inconclusive", False),
    ("missing", "effect", True, "inconclusive", False),
    ("missing", "effect", False, "inconclusive", False),
    ("missing", "absence", True, "inconclusive", False),
    ("missing", "absence", False, "inconclusive", False),
    ("missing", "both", True, "inconclusive", False),
    ("missing", "both", False, "inconclusive", False),
]


def counts_as(measured: str, *, trusted: bool, means: str, waived: bool) -> str:
    """What a measured answer counts as, by what the policy makes of doubt and whether it is waived."""
    if measured == "pass" or (waived and (measured == "fail" or trusted)):
        return "pass"
    if measured == "fail" or means == "fail":
        return "fail"
    return "pass" if means == "pass" and trusted else "inconclusive"


@pytest.mark.parametrize(("numbers", "forbids", "enough", "measured", "trusted"), TRUTH)
def test_truth_table(numbers: str, forbids: str, enough: bool, measured: str, trusted: bool) -> None:
    checks = [] if forbids == "none" else [failed(forbids=forbids)]
    finding = concept(**NUMBERS[numbers], independent=60 if enough else 19, checks=checks)
    for means, waived in product(("fail", "warn", "pass"), (False, True)):
        ruling = _one(finding, _policy(inconclusive=means, waiver=[_waiver()] if waived else []))
        assert (ruling.measured, ruling.trusted) == (measured, trusted)
        assert ruling.outcome == counts_as(measured, trusted=trusted, means=means, waived=waived)
        assert (ruling.waiver is not None) == (waived and measured != "pass" and trusted)


def test_the_table_is_complete() -> None:
    assert len(TRUTH) == 4 * 4 * 2
    assert {row[:3] for row in TRUTH} == set(product(NUMBERS, FORBIDS, (True, False)))


@given(
    low=st.floats(-3, 3),
    width=st.floats(0, 3),
    p=st.floats(1e-6, 1),
    tolerance=st.floats(0, 2),
    side=st.sampled_from(["either", "associated", "negatively associated"]),
)
def test_fail_and_pass_exclude_each_other_and_agree_with_the_interval(
    low: float, width: float, p: float, tolerance: float, side: str
) -> None:
    high = low + width
    finding = concept(effect=(low + high) / 2, low=low, high=high, p_adjusted=p)
    outcome = rule_on(finding, tolerance=tolerance, alpha=0.05, side=side).outcome
    limited = {
        "either": (-tolerance, tolerance),
        "associated": (-9, tolerance),
        "negatively associated": (-tolerance, 9),
    }[side]
    inside = limited[0] <= low and high <= limited[1]
    beyond = high < limited[0] or low > limited[1]
    claimed = (low > MARGIN or high < -MARGIN) and p <= 0.05
    assert outcome == ("pass" if inside else "fail" if beyond and claimed else "inconclusive")


@pytest.mark.parametrize(
    ("side", "numbers", "expected", "said"),
    [
        ("associated", ABOVE, "fail", "beyond the tolerated 0.2 upward"),
        ("associated", BELOW, "pass", "within the tolerated 0.2 upward"),
        ("associated", ACROSS, "inconclusive", "tolerated 0.2 upward"),
        ("negatively associated", ABOVE, "pass", "within the tolerated 0.2 downward"),
        ("negatively associated", BELOW, "fail", "beyond the tolerated 0.2 downward"),
        ("either", BELOW, "fail", "beyond the tolerated ±0.2"),
    ],
)
def test_a_rule_may_limit_one_sign_only(side: Any, numbers: dict[str, Any], expected: str, said: str) -> None:
    policy = _policy(association=[Association(largest_effect=TOLERANCE, side=side)])
    ruling = _one(concept(**numbers), policy)
    assert ruling.outcome == expected
    assert said in ruling.reason


BETWEEN: dict[str, Any] = {"effect": 0.07, "low": 0.06, "high": 0.08}
"""Beyond a tolerance of 0.05, within the audit's margin of 0.1."""


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (BETWEEN, "inconclusive"),
        ({"effect": -0.07, "low": -0.08, "high": -0.06}, "inconclusive"),
        # Across the margin, and beyond the tolerance: not claimed either.
        ({"effect": 0.1, "low": 0.06, "high": 0.14}, "inconclusive"),
        ({"effect": 0.13, "low": 0.101, "high": 0.16}, "fail"),
        ({"effect": 0.0, "low": -0.05, "high": 0.05}, "pass"),
    ],
)
def test_a_rule_never_fails_on_what_the_audit_does_not_claim(numbers: dict[str, Any], expected: str) -> None:
    strict = Association(largest_effect=0.05)
    ruling = _one(concept(**numbers), _policy(association=[strict]))
    assert (ruling.measured, ruling.outcome) == (expected, expected)
    if expected == "inconclusive":
        assert ruling.trusted
        assert ruling.reason == (
            "beyond the tolerated ±0.05, but the audit claims nothing within its margin of 0.1; audit again "
            "with a margin of 0.05 or less"
        )


def test_a_contrast_is_held_against_its_own_margin() -> None:
    inside = {"effect": 0.012, "low": 0.011, "high": 0.013}
    ruling = _one(contrast(**inside), _of_contrasts(largest_difference=0.01))
    assert ruling.outcome == "inconclusive"
    assert f"its margin of {CONTRAST_MARGIN:g}" in ruling.reason


def test_a_looser_alpha_of_a_rule_establishes_no_more_than_the_audit_claims() -> None:
    """The audit asks for 0.01 and the rule for 0.05; the margin is not what stands in the way."""
    finding = concept(**ABOVE, alpha=0.01, p_adjusted=0.03)
    assert finding.conclusion == "inconclusive"
    ruling = _one(finding, _policy(alpha=0.05))
    assert (ruling.measured, ruling.outcome) == ("inconclusive", "inconclusive")
    assert "margin" not in ruling.reason
    assert finding.reason in ruling.reason


def test_a_stricter_alpha_of_a_rule_counts_for_that_rule() -> None:
    finding = concept(**ABOVE, p_adjusted=0.03)
    assert _one(finding).outcome == "fail"
    strict = Association(largest_effect=TOLERANCE, alpha=0.01)
    ruling = _one(finding, _policy(association=[strict]))
    assert (ruling.outcome, ruling.alpha) == ("inconclusive", 0.01)


def test_a_rule_may_say_what_doubt_counts_as_for_itself() -> None:
    lenient = Association(largest_effect=TOLERANCE, inconclusive="pass")
    assert _one(concept(**ACROSS), _policy(association=[lenient], inconclusive="fail")).outcome == "pass"


@pytest.mark.parametrize(
    ("trust", "numbers", "said"),
    [
        ({}, {"checks": [failed()]}, "the sanity check 'random concept' failed for bank 'textures'"),
        ({"required_checks": ["random *"]}, {"checks": [failed()]}, "check 'random concept' failed"),
        (
            {"required_checks": ["Random concept"]},
            {"checks": [_check("random concept", passed=None)]},
            "the required check 'random concept' was not run: as seen",
        ),
        (
            {"required_checks": ["random concept"]},
            ABOVE | {"checks": [_check("random concept", passed=None)]},
            "the required check 'random concept' was not run: as seen",
        ),
        ({"smallest_n": 61}, {}, "60 independent images, the policy needs 61"),
        # Of a matched contrast pairs count, of which both sides have equally many.
        ({"smallest_n": 61}, {"independent": 100, "independent_other": 60}, "60 independent images, the"),
        (
            {"largest_minimum_detectable": 0.04},
            {},
            "only effects from 0.05 up could be seen, the policy needs 0.04",
        ),
        (
            {"largest_minimum_detectable": 0.04},
            {"minimum_detectable": None},
            "the minimum detectable effect was not determined",
        ),
    ],
)
def test_below_a_floor_nothing_passes(trust: dict[str, Any], numbers: dict[str, Any], said: str) -> None:
    ruling = _one(concept(**numbers), _policy(trust=Trust(**trust), inconclusive="pass", waiver=[_waiver()]))
    assert ruling.outcome == "inconclusive"
    assert said in ruling.reason
    assert not ruling.trusted


@pytest.mark.parametrize(
    ("trust", "numbers"),
    [
        ({"smallest_n": 60}, {}),
        # Differences from counterfactuals have no other side.
        ({"smallest_n": 60}, {"n_other": 0, "independent_other": 0}),
        ({"largest_minimum_detectable": 0.05}, {}),
        ({"required_checks": ["random *"]}, {"checks": [_check("random concept", passed=True)]}),
        ({}, {"checks": [_check("random concept", passed=None)]}),
        ({}, {"minimum_detectable": None}),
    ],
)
def test_at_or_above_the_floors_a_good_result_passes(trust: dict[str, Any], numbers: dict[str, Any]) -> None:
    assert _one(concept(**numbers), _policy(trust=Trust(**trust))).outcome == "pass"


def test_too_few_images_do_not_undo_an_established_excess() -> None:
    trust = Trust(smallest_n=61, largest_minimum_detectable=0.01)
    assert _one(concept(**ABOVE), _policy(trust=trust)).outcome == "fail"


def test_a_required_check_that_no_finding_has_is_a_gap() -> None:
    policy = _policy(trust=Trust(required_checks=["random concept", "enough *"]), inconclusive="pass")
    verdict = _judged(audit_of(audited_class(concept())), policy)
    assert verdict.outcome == "inconclusive"
    gap, rest = verdict.rulings
    assert (gap.rule, gap.kind, gap.trusted) == ("trust", "coverage", False)
    assert gap.reason == "the required check 'random concept' was run for no finding"
    assert rest.outcome == "pass"
    assert (
        _judged(audit_of(audited_class(concept())), policy.model_copy(update={"inconclusive": "fail"})).count(
            "fail"
        )
        == 1
    )


def test_a_required_check_need_only_be_run_for_what_it_concerns() -> None:
    audit = audit_of(
        audited_class(concept(checks=[_check("random concept", passed=True)]), contrast(checks=[]))
    )
    policy = _policy(
        trust=Trust(required_checks=["random concept"]), contrast=[Contrast(largest_difference=0.05)]
    )
    assert _judged(audit, policy).outcome == "pass"


def test_the_gate_fails_if_one_of_many_fails_and_needs_all_to_pass() -> None:
    good, bad, open_ = concept("a"), concept("b", **ABOVE), concept("c", **ACROSS)
    assert _judged(audit_of(audited_class(good, bad, open_))).outcome == "fail"
    assert _judged(audit_of(audited_class(good, open_))).outcome == "inconclusive"
    assert _judged(audit_of(audited_class(good))).outcome == "pass"
    assert _judged(audit_of(audited_class())).outcome == "inconclusive"  # nothing was tested


@pytest.mark.parametrize(
    ("alpha", "rule_alpha", "permutations", "reached"),
    [
        (0.05, None, 199, True),  # 3 tests / 200 = 0.015
        (0.05, None, 59, True),  # 3 / 60 is exactly 0.05
        (0.05, None, 58, False),
        (0.01, None, 199, False),
        (0.05, 0.01, 199, False),
        (0.05, 0.02, 199, True),
    ],
)
def test_an_alpha_out_of_reach_of_the_permutations_is_noted(
    alpha: float, rule_alpha: float | None, permutations: int, reached: bool
) -> None:
    rule = Association(largest_effect=TOLERANCE, alpha=rule_alpha)
    audit = audit_of(audited_class(concept()), settings=SETTINGS | {"permutations": permutations})
    notes = _judged(audit, _policy(alpha=alpha, association=[rule])).notes
    assert bool(notes) != reached
    if not reached:
        assert len(notes) == 1
        assert notes[0].endswith(
            f" can be established at alpha {min(alpha, rule_alpha or 1):g}: the smallest corrected p-value "
            f"of {permutations} permutations and 3 tests is {3 / (1 + permutations):.2g}"
        )


def test_what_is_out_of_reach_is_told_of_the_family_that_a_rule_is_about() -> None:
    """Of 199 permutations, three contrasts can reach 0.02 and 39 associations cannot."""
    audit = audit_of(audited_class(concept(family=39), contrast(family=3)))
    contrasts = _policy(alpha=0.02, association=[], contrast=[Contrast(largest_difference=0.05)])
    assert _judged(audit, contrasts).notes == []
    (note,) = _judged(audit, _policy(alpha=0.02)).notes
    assert "199 permutations and 39 tests is 0.2" in note


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
        (
            Association(concepts=["braided"], largest_effect=1),
            "was not measured: 12 images, need 30",
        ),
    ],
)
def test_what_was_not_tested_does_not_pass(rule: Association | Contrast, said: str) -> None:
    key = "contrast" if isinstance(rule, Contrast) else "association"
    skipped = [
        Skipped(what="class 'apron'", reason="9 recognised, need 20"),
        Skipped(what="concept 'textures/braided'", reason="12 images, need 30"),
    ]
    audit = audit_of(audited_class(concept("banded"), concept("braided")), skipped=skipped)
    audit = audit.model_copy(update={"findings": audit.findings[:1]})
    verdict = _judged(audit, _policy(inconclusive="pass", **({"association": []} | {key: [rule]})))
    assert verdict.outcome == "inconclusive"
    assert any(said in r.reason and r.kind == "coverage" for r in verdict.rulings)


def test_a_concept_measured_for_one_class_only_is_a_gap() -> None:
    other = audited_class(concept("a"), index=1, name="lynx", synset="n01")
    audit = audit_of(audited_class(concept("a"), concept("b")), other)
    gaps = [r for r in _judged(audit).rulings if r.kind == "coverage"]
    assert [(r.class_name, r.subject) for r in gaps] == [("lynx", "b")]


def test_groups_of_a_bank_make_no_gap_where_no_association_is_told_of_them() -> None:
    audit = audit_of(audited_class(concept(bank="faces"), contrast()))
    assert audit.banks[0].groups == ["men", "women"]
    assert {c.name for c in audit.banks[0].concepts} == {"banded", "men", "women"}
    assert [r.subject for r in _judged(audit).rulings] == ["banded"]


ASKED = SETTINGS | {"in_context": True}
NOT_PASTED = Skipped(what="contrasts of bank 'faces' in context", reason="its images are not pasted")


@pytest.mark.parametrize(
    ("rule", "pasted", "fields", "said"),
    [
        ({}, [], {}, "contrast '*/*' was not measured in context: the audit was made without --in-context"),
        (
            {"groups": ["men/women"], "largest_difference": None, "largest_growth": 0.1},
            [],
            {},
            "contrast 'men/women' was not measured in context: the audit was made without --in-context",
        ),
        ({}, [], {"settings": ASKED, "skipped": [NOT_PASTED]}, "in context: its images are not pasted"),
        ({"groups": ["old/young"]}, [in_context()], {}, "contrast 'old/young' was not measured in context"),
        (
            {"banks": ["faces", "other"]},
            [in_context(bank="other")],
            {"settings": ASKED, "skipped": [NOT_PASTED]},
            "bank 'faces' was not measured in context: its images are not pasted",
        ),
    ],
)
@pytest.mark.parametrize("means", ["pass", "warn", "fail"])
def test_what_was_not_pasted_does_not_pass_a_rule_on_pictures(
    rule: dict[str, Any], pasted: list[Finding], fields: dict[str, Any], said: str, means: str
) -> None:
    """The same people alone are there, and nothing of them is taken for what the rule asks."""
    audit = audit_of(audited_class(contrast(), *pasted), **fields)
    policy = _of_contrasts(**({"largest_difference": 0.05, "pictures": "in context"} | rule))
    verdict = _judged(audit, policy.model_copy(update={"inconclusive": means, "baseline": "optional"}))
    assert verdict.outcome == ("fail" if means == "fail" else "inconclusive")
    (gap,) = [r for r in verdict.rulings if r.kind == "coverage"]
    assert (gap.trusted, gap.waiver, gap.measured) == (False, None, "inconclusive")
    assert said in gap.reason
    assert ("--in-context" in gap.reason) == (not pasted and "settings" not in fields)
    assert {r.kind for r in verdict.rulings} <= {"coverage", "in context"}


def test_a_bank_that_only_screens_is_named_where_a_rule_on_pictures_finds_nothing() -> None:
    audit = audit_of(audited_class(contrast(), in_context()), settings=ASKED)
    bank = audit.banks[0].model_copy(update={"screening": True})
    audit = audit.model_copy(update={"banks": [bank]})
    policy = _of_contrasts(largest_difference=0.05, pictures="in context")
    assert any("in context: it only screens" in r.reason for r in _judged(audit, policy).rulings)
    allowed = policy.model_copy(update={"allow_screening": True})
    assert [r.kind for r in _judged(audit, allowed).rulings] == ["in context"]


def test_a_class_that_lacks_what_another_has_in_context_is_a_gap() -> None:
    other = audited_class(contrast(), index=1, name="lynx", synset="n01")
    audit = audit_of(audited_class(in_context()), other)
    verdict = _judged(audit, _of_contrasts(largest_difference=0.05, pictures="in context"))
    gaps = [r for r in verdict.rulings if r.kind == "coverage"]
    assert [(r.class_name, r.subject, r.reason) for r in gaps] == [
        ("lynx", "women/men", "was not measured in context")
    ]


@pytest.mark.parametrize(("pictures", "kind"), [("alone", "contrast"), ("in context", "in context")])
def test_a_rule_is_about_people_alone_or_in_context(pictures: Any, kind: str) -> None:
    claimed = {"effect": 0.06, "low": 0.05, "high": 0.07}
    for pair in ((contrast(**claimed), in_context()), (contrast(), in_context(**claimed))):
        verdict = _judged(
            audit_of(audited_class(*pair)), _of_contrasts(largest_difference=0.02, pictures=pictures)
        )
        (ruling,) = verdict.rulings
        assert ruling.kind == kind
        found = next(f for f in pair if f.kind == kind)
        assert ruling.outcome == ("fail" if found.claimed else "pass")


@pytest.mark.parametrize("names", [["zebra"], ["ZEBRA"], ["340"], ["n02391049"], ["z*"], ["n02*"]])
def test_classes_go_by_name_synset_index_or_pattern(names: list[str]) -> None:
    other = audited_class(concept(**ABOVE), index=1, name="lynx", synset="n01")
    audit = audit_of(audited_class(concept()), other)
    verdict = _judged(audit, _policy(association=[Association(classes=names, largest_effect=TOLERANCE)]))
    assert [r.class_name for r in verdict.rulings] == ["zebra"]


def test_a_name_with_brackets_matches_itself() -> None:
    audit = audit_of(audited_class(concept(), name="bus [school]", synset=""))
    policy = _policy(association=[Association(classes=["bus [school]"], largest_effect=TOLERANCE)])
    assert _judged(audit, policy).outcome == "pass"


@pytest.mark.parametrize("groups", [["women/men"], ["men/women"], ["*/*"], ["wo*/m*"]])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_contrast_fails_in_either_order_and_direction(groups: list[str], sign: int) -> None:
    low, high = sorted((0.05 * sign, 0.07 * sign))
    seen = contrast(effect=0.06 * sign, low=low, high=high)
    policy = _of_contrasts(groups=groups, largest_difference=0.02)
    assert _judged(audit_of(audited_class(seen)), policy).outcome == "fail"


@pytest.mark.parametrize(("matching", "outcome"), [("prefer", "fail"), ("require", "inconclusive")])
def test_an_unmatched_contrast_does_where_a_matched_one_is_not_required(matching: Any, outcome: str) -> None:
    seen = contrast(matched=False, effect=0.06, low=0.05, high=0.07)
    ruling = _one(seen, _of_contrasts(largest_difference=0.02, matched=matching))
    assert ruling.outcome == outcome
    assert ("not measured in matched groups" in ruling.reason) == (matching == "require")


@pytest.mark.parametrize("matching", ["prefer", "require"])
def test_a_matched_contrast_does_for_every_rule(matching: Any) -> None:
    seen = contrast(matched=True, effect=0.06, low=0.05, high=0.07)
    ruling = _one(seen, _of_contrasts(largest_difference=0.02, matched=matching))
    assert (ruling.outcome, ruling.matched) == ("fail", True)


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
    assert verdict.rulings[0].measured == "fail"
    assert "waived by A. Reviewer until 2026-11-23: stripes are the point" in verdict.rulings[0].reason
    assert verdict.notes == []


def test_an_expired_waiver_does_not_hold_and_is_named() -> None:
    audit = audit_of(audited_class(concept(**ABOVE)))
    verdict = _judged(audit, _policy(waiver=[_waiver(expires=date(2026, 11, 22))]))
    assert verdict.outcome == "fail"
    assert "waiver of A. Reviewer expired on 2026-11-22" in verdict.rulings[0].reason
    assert "was not applied" in verdict.notes[0]


def test_one_waiver_in_force_outweighs_an_expired_one() -> None:
    audit = audit_of(audited_class(concept(**ABOVE)))
    waivers = [_waiver(expires=date(2020, 1, 1), owner="Old"), _waiver(owner="New")]
    verdict = _judged(audit, _policy(waiver=waivers))
    assert verdict.rulings[0].waiver is not None
    assert verdict.rulings[0].waiver.owner == "New"


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


@pytest.mark.parametrize("groups", [["women/men"], ["men/women"]])
def test_a_waiver_of_a_pair_holds_in_context_too(groups: list[str]) -> None:
    """Of one pair of groups: how they were shown to the model does not matter to it."""
    audit = audit_of(audited_class(in_context(effect=0.06, low=0.05, high=0.07)))
    policy = _of_contrasts(largest_difference=0.02, pictures="in context")
    assert _judged(audit, policy).outcome == "fail"
    waived = policy.model_copy(update={"waiver": [_waiver(concepts=[], groups=groups)]})
    (ruling,) = _judged(audit, waived).rulings
    assert (ruling.kind, ruling.measured, ruling.outcome) == ("in context", "fail", "pass")
    assert ruling.waiver is not None
    other = policy.model_copy(update={"waiver": [_waiver(concepts=[], groups=["old/young"])]})
    assert _judged(audit, other).outcome == "fail"


def test_a_waiver_of_a_pair_holds_in_either_order() -> None:
    audit = audit_of(audited_class(contrast(effect=0.06, low=0.05, high=0.07)))
    policy = _of_contrasts(largest_difference=0.02)
    assert _judged(audit, policy).outcome == "fail"
    waived = policy.model_copy(update={"waiver": [_waiver(concepts=[], groups=["men/women"])]})
    assert _judged(audit, waived).outcome == "pass"


# Growth


def _sure(effect: float, half: float = 0.01, **more: Any) -> Finding:
    return concept(effect=effect, low=effect - half, high=effect + half, **more)


def _compared(old: Finding, new: Finding, **fields: Any) -> tuple[Audit, Audit, Comparison]:
    """Two releases of one finding; without arrays the two intervals are taken as independent."""
    before, after = audit_of(audited_class(old)), another_model(audit_of(audited_class(new)))
    return before, after, compare(before, after, **fields)


def _grown(old: Finding, new: Finding, policy: Policy | None = None, **fields: Any) -> Verdict:
    before, after, comparison = _compared(old, new, **fields)
    usual = _policy(association=[Association(largest_growth=0.1)], inconclusive="warn")
    return _judged(after, policy or usual, baseline=before, comparison=comparison)


def _one_growth(old: Finding, new: Finding, policy: Policy | None = None, **fields: Any) -> Ruling:
    (ruling,) = _grown(old, new, policy, **fields).rulings
    return ruling


@pytest.mark.parametrize(
    ("old", "new", "status", "outcome", "growth"),
    [
        # The margin of 0.1 is the tolerance of a change as well as the limit on growth.
        (_sure(0.0), _sure(0.5), "new", "fail", 0.5),
        (_sure(0.3), _sure(0.6), "grown", "fail", 0.3),
        (_sure(-0.3), _sure(-0.6), "grown", "fail", 0.3),
        (_sure(0.6), _sure(0.3), "shrunk", "pass", -0.3),
        (_sure(0.5), _sure(0.0), "gone", "pass", -0.5),
        (_sure(0.3), _sure(0.35), "unchanged", "pass", 0.05),
        (_sure(0.3), _sure(0.4), "grown", "inconclusive", 0.1),
        (_sure(0.3), _sure(0.35, half=0.2), "inconclusive", "inconclusive", 0.05),
        # Turned round: all of the new effect is growth.
        (_sure(0.5), _sure(-0.5), "new", "fail", 0.5),
        (_sure(0.02), _sure(-0.15), "new", "fail", 0.15),
        (_sure(0.5), _sure(-0.05), "gone", "pass", 0.05),
        (_sure(0.5), _sure(-0.1), "gone", "inconclusive", 0.1),
    ],
)
def test_growth(old: Finding, new: Finding, status: str, outcome: str, growth: float) -> None:
    verdict = _grown(old, new)
    (ruling,) = verdict.rulings
    assert (verdict.outcome, ruling.measured, ruling.outcome) == (outcome, outcome, outcome)
    assert ruling.kind == "association growth"
    assert ruling.tolerance == 0.1
    assert ruling.trusted
    assert ruling.effect == pytest.approx(growth)
    (change,) = _compared(old, new)[2].changes
    assert change.status == status
    assert (ruling.low, ruling.high) == (change.growth_low, change.growth_high)


def test_growth_within_the_tolerance_of_a_change_is_not_established() -> None:
    """Beyond the rule's limit, but the comparison was asked to call so small a change none."""
    before, after = _sure(0.3), _sure(0.45)
    assert _grown(before, after).outcome == "fail"
    ruling = _one_growth(before, after, tolerance=0.2)
    assert (ruling.measured, ruling.trusted) == ("inconclusive", True)


@pytest.mark.parametrize("which", ["old", "new"])
@pytest.mark.parametrize("effects", [(0.3, 0.6), (0.3, 0.3), (0.6, 0.3)])
def test_what_a_check_withholds_in_either_release_has_no_growth(
    which: str, effects: tuple[float, float]
) -> None:
    checks = {which: [failed()]}
    before, after = (
        _sure(effect, checks=checks.get(name, []))
        for name, effect in zip(("old", "new"), effects, strict=True)
    )
    ruling = _one_growth(before, after)
    assert (ruling.measured, ruling.outcome, ruling.trusted) == ("inconclusive", "inconclusive", False)
    assert f"in the {which} release nothing may be said of it: the sanity check" in ruling.reason


def test_what_was_not_measured_in_the_baseline_has_no_growth() -> None:
    ruling = _one_growth(concept(**MISSING), _sure(0.5))
    assert (ruling.measured, ruling.trusted) == ("inconclusive", False)
    assert "not measured in both" in ruling.reason


def test_growth_asks_for_as_much_trust_as_levels_do() -> None:
    rule = [Association(largest_growth=0.1)]
    few = _policy(association=rule, trust=Trust(smallest_n=61))
    assert not _one_growth(_sure(0.3), _sure(0.3), few).trusted
    assert _one_growth(_sure(0.3), _sure(0.6), few).outcome == "fail"
    required = _policy(association=rule, trust=Trust(required_checks=["random concept"]))
    run, not_run = ([_check("random concept", passed=passed)] for passed in (True, None))
    assert _one_growth(_sure(0.3, checks=run), _sure(0.3, checks=run), required).outcome == "pass"
    assert not _one_growth(_sure(0.3, checks=run), _sure(0.3, checks=not_run), required).trusted


def test_a_baseline_without_a_required_check_cannot_vouch_for_anything() -> None:
    """What the baseline overstates, the new release seems not to have grown by."""
    policy = _policy(
        association=[Association(largest_growth=0.1)], trust=Trust(required_checks=["random concept"])
    )
    run, not_run = ([_check("random concept", passed=passed)] for passed in (True, None))
    ruling = _one_growth(_sure(0.3, checks=not_run), _sure(0.3, checks=run), policy)
    assert (ruling.outcome, ruling.trusted) == ("inconclusive", False)


def test_a_stricter_alpha_of_a_rule_counts_for_growth() -> None:
    (change,) = _compared(_sure(0.3), _sure(0.6))[2].changes
    doubtful = change.model_copy(update={"p_adjusted": 0.03})
    assert rule_on_growth(doubtful, tolerance=0.1, alpha=0.05).outcome == "fail"
    assert rule_on_growth(doubtful, tolerance=0.1, alpha=0.03).outcome == "fail"
    assert rule_on_growth(doubtful, tolerance=0.1, alpha=0.029).outcome == "inconclusive"


def test_a_limit_on_growth_needs_a_baseline_unless_the_policy_says_otherwise() -> None:
    audit = audit_of(audited_class(concept()))
    rules = [Association(largest_effect=TOLERANCE, largest_growth=0.1)]
    verdict = _judged(audit, _policy(association=rules))
    assert verdict.outcome == "inconclusive"
    assert [r.reason for r in verdict.rulings if not r.trusted] == [
        "growth was not tested: no baseline was given (--baseline)"
    ]
    assert _judged(audit, _policy(association=rules, baseline="optional")).outcome == "pass"


@pytest.mark.parametrize("baseline", ["required", "optional"])
def test_a_finding_that_the_baseline_lacks_is_not_tested(baseline: Any) -> None:
    before = audit_of(audited_class(concept("a")))
    after = another_model(audit_of(audited_class(concept("a"), concept("b"))))
    after = after.model_copy(update={"banks": before.banks})
    comparison = compare(before, after)
    policy = _policy(association=[Association(largest_growth=0.1)], baseline=baseline)
    verdict = _judged(after, policy, baseline=before, comparison=comparison)
    assert [(r.kind, r.subject, r.reason) for r in verdict.rulings if not r.trusted] == [
        ("coverage", "b", "growth was not tested: the baseline does not have it")
    ]
    assert verdict.outcome == "inconclusive"


def test_a_contrast_that_was_matched_in_one_release_only_is_not_tested() -> None:
    before = audit_of(audited_class(contrast(matched=False)))
    after = another_model(audit_of(audited_class(contrast(matched=True))))
    policy = _of_contrasts(largest_growth=0.05)
    verdict = _judged(after, policy, baseline=before, comparison=compare(before, after))
    assert [r.reason for r in verdict.rulings] == ["growth was not tested: the baseline does not have it"]


def test_the_growth_of_a_contrast_is_named() -> None:
    before = audit_of(audited_class(contrast(matched=True)))
    after = another_model(audit_of(audited_class(contrast(matched=True, effect=0.1, low=0.09, high=0.11))))
    policy = _of_contrasts(groups=["men/women"], largest_growth=0.05)
    verdict = _judged(after, policy, baseline=before, comparison=compare(before, after))
    (ruling,) = verdict.rulings
    assert verdict.outcome == "fail"
    assert ruling.kind == "contrast growth"
    assert ruling.title == "zebra × faces/women/men"
    assert verdict.baseline is not None
    assert verdict.baseline.model == before.model.name


@pytest.mark.parametrize(
    ("new", "outcome"), [(lambda: _sure(0.6), "fail"), (lambda: _sure(0.35, half=0.2), "inconclusive")]
)
def test_growth_can_be_waived(new: Callable[[], Finding], outcome: str) -> None:
    policy = _policy(association=[Association(largest_growth=0.1)])
    assert _grown(_sure(0.3), new(), policy).outcome == outcome
    waived = policy.model_copy(update={"waiver": [_waiver()]})
    assert _grown(_sure(0.3), new(), waived).outcome == "pass"


def test_the_same_input_gives_the_same_verdict() -> None:
    audit = audit_of(audited_class(concept(**ABOVE), concept("b", **ACROSS)))
    assert _judged(audit) == _judged(audit)


# What is expected.


def _expecting(**more: Any) -> Policy:
    fields: dict[str, Any] = {"classes": ["zebra"], "concepts": ["banded"], "reason": "zebras are striped"}
    return _policy(expected=[Expected(**(fields | more))])


def test_an_expected_association_passes_and_says_why() -> None:
    ruling = _one(concept(**ABOVE), _expecting())
    assert ruling.outcome == "pass"
    assert ruling.reason == "within what is expected, up to 1 upward: zebras are striped"


@pytest.mark.parametrize(
    ("expected", "seen", "outcome"),
    [
        ({"largest_effect": 0.6}, ABOVE, "pass"),
        ({"largest_effect": 0.3}, ABOVE, "fail"),
        ({"largest_effect": 0.5}, ABOVE, "inconclusive"),
        ({}, BELOW, "fail"),
        ({"direction": "negatively associated"}, BELOW, "pass"),
        ({"direction": "negatively associated"}, ABOVE, "fail"),
        ({"classes": ["horse"]}, ABOVE, "fail"),
        ({"concepts": ["dotted"]}, ABOVE, "fail"),
        ({"banks": ["faces"]}, ABOVE, "fail"),
    ],
)
def test_what_is_expected_is_one_direction_of_one_finding_up_to_a_size(
    expected: dict[str, Any], seen: dict[str, Any], outcome: str
) -> None:
    assert _one(concept(**seen), _expecting(**expected)).outcome == outcome


def test_a_failed_check_withholds_an_expected_association_too() -> None:
    ruling = _one(concept(**ABOVE, checks=[failed("both")]), _expecting())
    assert (ruling.outcome, ruling.trusted) == ("inconclusive", False)


def test_what_is_expected_and_not_found_is_noted() -> None:
    notes = _judged(audit_of(audited_class(concept(**BELOW))), _expecting()).notes
    assert "expected and not found: zebra associated with banded" in notes
    assert not _judged(audit_of(audited_class(concept(**ABOVE))), _expecting()).notes


def test_differences_between_groups_are_never_expected() -> None:
    policy = Policy(
        format_version=2,
        contrast=[Contrast(largest_difference=0.05)],
        expected=[Expected(classes=["*"], concepts=["*"], reason="no")],
    )
    finding = contrast(effect=0.3, low=0.2, high=0.4)
    assert _judged(audit_of(audited_class(finding)), policy).outcome == "fail"


def test_the_first_policy_is_passed_by_the_audit_it_was_written_from() -> None:
    audit = audit_of(audited_class(concept(**ABOVE), concept("dotted", **BELOW)))
    policy, problems, _ = parse_policy(policy_template(audit))
    assert not problems
    assert policy is not None
    assert len(policy.expected) == 2
    assert _judged(audit, policy).outcome == "pass"
    stronger = audit_of(audited_class(concept(effect=0.8, low=0.7, high=0.9), concept("dotted", **BELOW)))
    assert _judged(stronger, policy).outcome == "fail"
