"""The gate on a scan: what fails, what is doubtful, and what a policy says of that."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from auditor.cli import main
from auditor.compare.scans import ScanChange, ScanComparison, scan_release
from auditor.errors import InputError
from auditor.files import save_arrays
from auditor.policy import LoadedPolicy, Policy, Ruling, Verdict, Waiver
from auditor.policy.load import parse_policy
from auditor.policy.rules import ScanRule
from auditor.policy.scans import judge_scan
from auditor.records import Check, Skipped
from auditor.scan_records import Scan, ScanFinding
from auditor.store.scans import write_scan
from tests import sample
from tests.sarif import sarif_errors
from tests.scans import ABOVE, finding, scan_of

TODAY = date(2026, 11, 23)
TOLERANCE = 0.2
BELOW: dict[str, Any] = {"effect": -0.5, "low": -0.6, "high": -0.4, "conclusion": "negatively associated"}
ACROSS: dict[str, Any] = {"effect": 0.2, "low": 0.12, "high": 0.28}
WITHIN: dict[str, Any] = {"effect": 0.15, "low": 0.11, "high": 0.19}
WITHHELD: dict[str, Any] = ABOVE | {
    "checks": [Check(name="at equal image quality", passed=False, forbids="effect", reason="darker")],
    "conclusion": "inconclusive",
    "reason": "darker",
}
VAGUE: dict[str, Any] = {"effect": 0.15, "low": -0.1, "high": 0.4, "conclusion": "inconclusive"}


def judged(scan: Scan, *rules: ScanRule, comparison: ScanComparison | None = None, **fields: Any) -> Verdict:
    held = rules or (ScanRule(kind="association", largest_effect=TOLERANCE),)
    policy = Policy(format_version=2, scan=list(held), **fields)
    return judge_scan(scan, LoadedPolicy(policy, "", {}), today=TODAY, comparison=comparison)


def one(verdict: Verdict) -> Ruling:
    (ruling,) = verdict.rulings
    assert verdict.outcome == ruling.outcome
    return ruling


def waiver(**fields: Any) -> Waiver:
    usual = {"classes": ["zebra"], "concepts": ["banded"], "owner": "A", "reason": "known", "expires": TODAY}
    return Waiver(**(usual | fields))


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (None, "pass"),
        (ABOVE, "fail"),
        (BELOW, "fail"),
        (WITHIN, "pass"),
        (ACROSS, "inconclusive"),
        (ABOVE | {"low": TOLERANCE}, "inconclusive"),
        (BELOW | {"high": -TOLERANCE}, "inconclusive"),
        ({"effect": 0.15, "low": 0.11, "high": TOLERANCE}, "pass"),
        (ABOVE | {"q_value": 0.05}, "fail"),
        (WITHHELD, "inconclusive"),
        (VAGUE, "pass"),  # not confirmed: a scan limits what is
    ],
)
def test_what_the_numbers_say(numbers: dict[str, Any] | None, expected: str) -> None:
    scan = scan_of() if numbers is None else scan_of(finding(**numbers))
    ruling = one(judged(scan))
    assert (ruling.measured, ruling.outcome) == (expected, expected)
    assert ruling.kind == "association scan"
    assert ruling.trusted is (numbers != WITHHELD)
    named = numbers not in (None, WITHIN, VAGUE) and expected != "pass"
    assert ruling.class_name == ("zebra" if named else "")


def test_a_pass_says_how_many_were_confirmed_in_how_many_classes() -> None:
    assert one(judged(scan_of(finding(**WITHIN)))).reason == "of 1 confirmed in 3 classes none reaches 0.2"


@pytest.mark.parametrize(("means", "outcome"), [("fail", "fail"), ("warn", "inconclusive"), ("pass", "pass")])
@pytest.mark.parametrize("of_rule", [True, False])
def test_what_doubt_counts_as(means: Any, outcome: str, of_rule: bool) -> None:
    rule = ScanRule(kind="association", largest_effect=TOLERANCE, inconclusive=means if of_rule else None)
    general = {} if of_rule else {"inconclusive": means}
    assert judged(scan_of(finding(**ACROSS)), rule, **general).outcome == outcome
    strict = "fail" if means == "fail" else "inconclusive"
    assert judged(scan_of(finding(**WITHHELD)), rule, **general).outcome == strict, "a check never passes"
    untested = rule.model_copy(update={"banks": ["people"]})
    assert judged(scan_of(), untested, **general).outcome == strict, "what was not tested never passes"


def test_a_stricter_level_of_the_policy_holds() -> None:
    scan = scan_of(finding(q_value=0.03))
    assert judged(scan, alpha=0.01).outcome == "inconclusive"
    assert one(judged(scan, alpha=0.01)).alpha == 0.01
    assert judged(scan, alpha=0.04).outcome == "fail"
    assert one(judged(scan, alpha=0.2)).alpha == 0.05, "the scan's own level"


# --- waivers ---


def test_a_waiver_covers_what_it_names_until_it_expires() -> None:
    scan = scan_of(finding())
    ruling = one(judged(scan, waiver=[waiver()]))
    assert (ruling.outcome, ruling.measured) == ("pass", "fail")
    assert "waived by A until 2026-11-23: known" in ruling.reason
    for other in ({"classes": ["cat"]}, {"banks": ["faces"]}, {"concepts": ["dotted"]}):
        verdict = judged(scan, waiver=[waiver(**other)])
        assert verdict.outcome == "fail"
        assert "the waiver of A (until 2026-11-23) was not needed" in verdict.notes
    late = judged(scan, waiver=[waiver(expires=date(2026, 11, 22))])
    assert late.outcome == "fail"
    assert "the waiver of A expired on 2026-11-22 and was not applied" in late.notes
    assert judged(scan_of(finding(**ACROSS)), waiver=[waiver()]).outcome == "pass"


def test_a_waiver_never_covers_a_failed_check() -> None:
    verdict = judged(scan_of(finding(**WITHHELD)), waiver=[waiver()])
    ruling = one(verdict)
    assert (ruling.outcome, ruling.waiver, ruling.trusted) == ("inconclusive", None, False)
    assert ruling.reason == "nothing is concluded: darker"


def test_a_waiver_of_groups_covers_contrasts_in_either_order() -> None:
    rule = ScanRule(kind="contrast", largest_effect=TOLERANCE)
    scan = scan_of(finding("women/men"))
    for groups in (["women/men"], ["men/women"]):
        assert judged(scan, rule, waiver=[waiver(concepts=[], groups=groups)]).outcome == "pass"
    assert judged(scan, rule, waiver=[waiver(concepts=["*"])]).outcome == "fail"


# --- what was not tested ---


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"banks": ["textures", "people"]}, "bank 'people' was not scanned (scanned: textures, faces)"),
        ({"classes": ["zebra", "zebr"]}, "the model has no class 'zebr'"),
        ({"subjects": ["banded", "lined"]}, "association 'lined' of banks * was not scanned: too few"),
        ({"banks": ["faces"]}, "association '*' of banks faces was not scanned"),
    ],
)
def test_everything_that_a_rule_names_must_have_been_scanned(fields: dict[str, Any], said: str) -> None:
    rule = ScanRule(kind="association", largest_effect=TOLERANCE, **fields)
    scan = scan_of(skipped=[Skipped(what="concept 'textures/lined'", reason="too few")])
    verdict = judged(scan, rule)
    assert verdict.outcome == "inconclusive"
    assert said in [r.reason for r in verdict.rulings if r.kind == "coverage"]
    assert all(not r.trusted for r in verdict.rulings if r.kind == "coverage")


def test_what_fails_fails_whatever_else_was_not_tested() -> None:
    rule = ScanRule(kind="association", largest_effect=TOLERANCE, banks=["textures", "people"])
    assert judged(scan_of(finding()), rule).outcome == "fail"
    assert judged(scan_of(finding(), fewest=5)).outcome == "fail"
    assert judged(scan_of(finding()), ScanRule(kind="association", largest_effect=0.05)).outcome == "fail"


def test_few_images_and_a_tolerance_below_the_margin_never_pass() -> None:
    few = one(judged(scan_of(fewest=19)))
    assert (few.outcome, few.kind) == ("inconclusive", "coverage")
    assert few.reason == "19 independent confirming images, the policy needs 20"
    strict = one(judged(scan_of(), ScanRule(kind="association", largest_effect=0.05)))
    assert strict.outcome == "inconclusive"
    assert strict.reason.endswith("scan again with a margin of 0.05 or less")
    assert judged(scan_of(), ScanRule(kind="contrast", largest_effect=0.05)).outcome == "pass"


def test_rules_apply_to_the_kind_classes_banks_and_subjects_that_they_name() -> None:
    scan = scan_of(finding(), finding("women/men"))
    expected = {
        ("association", "classes", "ZEBRA"): "fail",
        ("association", "classes", "1"): "fail",
        ("association", "classes", "cat"): "pass",
        ("association", "subjects", "dotted"): "pass",
        ("contrast", "subjects", "men/women"): "fail",
        ("contrast", "banks", "fa*"): "fail",
    }
    for (kind, field, value), outcome in expected.items():
        rule = ScanRule.model_validate({"kind": kind, "largest_effect": TOLERANCE, field: [value]})
        assert judged(scan, rule).outcome == outcome, value


# --- against a baseline ---


def changed(found: ScanFinding, status: str, *, was: bool = False, now: bool = True) -> ScanChange:
    return ScanChange.model_validate(
        {
            **{k: getattr(found, k) for k in ("kind", "class_index", "class_name", "bank", "subject")},
            "old": 0.0, "new": 0.5, "difference": 0.5, "low": 0.4, "high": 0.6, "p_adjusted": 0.001,
            "was_confirmed": was, "now_confirmed": now, "status": status, "reason": "",
        }
    )  # fmt: skip


def compared(*changes: ScanChange) -> ScanComparison:
    this = scan_release(scan_of())
    return ScanComparison(old=this, new=this, alpha=0.05, changes=list(changes), notes=["a note"])


NEW = ScanRule(kind="association", most_new=0)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (("new", False, True), "fail"),
        (("new", True, True), "fail"),  # the direction turned round
        (("inconclusive", False, True), "inconclusive"),
        (("inconclusive", True, True), "pass"),
        (("unchanged", False, True), "pass"),
        (("gone", True, False), "pass"),
        (("grown", True, True), "pass"),
    ],
)
def test_new_findings_are_counted(change: tuple[str, bool, bool], outcome: str) -> None:
    found = finding()
    scan = scan_of(*([found] if change[2] else []))
    verdict = judged(scan, NEW, comparison=compared(changed(found, change[0], was=change[1], now=change[2])))
    assert one(verdict).outcome == outcome
    assert "a note" in verdict.notes
    assert ("zebra × textures/banded" in one(verdict).reason) == (outcome != "pass")


def test_as_many_new_ones_as_are_tolerated_pass() -> None:
    two = [finding("banded"), finding("dotted")]
    comparison = compared(*(changed(found, "new") for found in two))
    outcomes = [
        judged(scan_of(*two), NEW.model_copy(update={"most_new": most}), comparison=comparison).outcome
        for most in (1, 2)
    ]
    assert outcomes == ["fail", "pass"]


def test_a_waived_new_finding_does_not_count_and_only_then_the_waiver_was_needed() -> None:
    scan = scan_of(finding())
    verdict = judged(scan, NEW, comparison=compared(changed(finding(), "new")), waiver=[waiver()])
    assert verdict.outcome == "pass"
    assert not any("not needed" in note for note in verdict.notes)
    same = compared(changed(finding(), "unchanged", was=True))
    assert any("not needed" in note for note in judged(scan, NEW, comparison=same, waiver=[waiver()]).notes)


def test_a_finding_of_a_class_that_the_baseline_lacks_may_be_new() -> None:
    ruling = one(judged(scan_of(finding()), NEW, comparison=compared()))
    assert ruling.outcome == "inconclusive"
    assert ruling.reason == "0 new and 1 perhaps new, at most 0 tolerated: zebra × textures/banded"
    assert judged(scan_of(finding(**WITHHELD)), NEW, comparison=compared()).outcome == "pass"


def test_without_a_baseline_new_findings_were_not_counted() -> None:
    ruling = one(judged(scan_of(), NEW))
    assert (ruling.outcome, ruling.kind) == ("inconclusive", "coverage")
    assert "no baseline was given" in ruling.reason
    assert judged(scan_of(), NEW, inconclusive="fail").outcome == "fail"
    both = NEW.model_copy(update={"largest_effect": TOLERANCE})
    assert judged(scan_of(), both, baseline="optional").outcome == "pass"


# --- policies and pipelines ---

SCAN_RULE = "format_version = 2\n[[scan]]\nkind = 'association'\nlargest_effect = 0.2\n"
AUDIT_RULE = "format_version = 2\n[[association]]\nlargest_effect = 0.2\n"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[[scan]]\nkind = 'association'", 2, "needs 'largest_effect' or 'most_new'"),
        ("[[scan]]\nlargest_effect = 0.2", 2, "'kind' is missing"),
        ("[[scan]]\nkind = 'association'\nlargest_efect = 0.2", 4, "did you mean 'largest_effect'?"),
        ("[[scan]]\nkind = 'both'\nmost_new = 1", 3, "'both' given"),
        ("[[scan]]\nkind = 'contrast'\nmost_new = -1", 4, "-1 given"),
        ("[[scan]]\nkind = 'contrast'\nlargest_effect = -0.1", 4, "-0.1 given"),
        ("[[scan]]\nkind = 'contrast'\nmost_new = 1\nbanks = []", 5, "[] given"),
        ("name = 'x'", 1, "needs at least one [[association]], [[contrast]] or [[scan]]"),
    ],
)
def test_an_error_in_a_rule_names_its_line(text: str, line: int, said: str) -> None:
    policy, problems, _ = parse_policy(f"format_version = 2\n{text}\n")
    assert policy is None
    assert [p.line for p in problems if said in p.message] == [line]


def test_a_verdict_names_the_line_of_its_rule() -> None:
    policy, _, lines = parse_policy(AUDIT_RULE + "\n" + SCAN_RULE.split("\n", 1)[1])
    assert policy is not None
    verdict = judge_scan(scan_of(finding()), LoadedPolicy(policy, "p.toml", lines), today=TODAY)
    assert one(verdict).line == 5


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "scan.toml").write_text(SCAN_RULE)
    (tmp_path / "audit.toml").write_text(AUDIT_RULE)
    return tmp_path


def gate(scan: Scan, *more: str) -> int:
    write_scan(Path("scan"), scan, {})
    return main(["gate", "scan", "--policy", "scan.toml", *more])


@pytest.mark.parametrize(
    ("found", "status", "said"),
    [
        ((), 0, "gate passed"),
        ((finding(),), 3, "gate failed"),
        ((finding(**ACROSS),), 4, "gate inconclusive"),
    ],
)
@pytest.mark.usefixtures("here")
def test_the_exit_status_is_the_answer(
    found: tuple[ScanFinding, ...], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(scan_of(*found)) == status
    assert said in capsys.readouterr().out
    assert gate(scan_of(*found), "--all") == status
    assert "of 0 confirmed" in capsys.readouterr().out or found


@pytest.mark.usefixtures("here")
def test_every_format_of_a_verdict_is_written() -> None:
    names = ("text", "github", "markdown", "json", "junit", "sarif")
    formats = [part for name in names for part in ("--format", f"{name}:{name}.out")]
    assert gate(scan_of(finding(), finding("women/men", **WITHHELD)), *formats) == 3
    assert all(Path(f"{name}.out").stat().st_size for name in names)
    assert Verdict.model_validate_json(Path("json.out").read_text()).outcome == "fail"
    assert sarif_errors(Path("sarif.out").read_text()) == []
    assert "zebra" in Path("junit.out").read_text()


def test_a_policy_for_the_other_kind_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scan(here / "scan", scan_of(), {})
    sample.build(here / "audit")
    assert main(["gate", "audit", "-p", "scan.toml"]) == 2
    assert "has rules for scans only, and 'audit' is an audit" in capsys.readouterr().err
    assert main(["gate", "scan", "-p", "audit.toml"]) == 2
    assert "has no rule for a scan; needed: [[scan]] with kind" in capsys.readouterr().err
    assert main(["policy", "check", "scan.toml"]) == 0
    (here / "both.toml").write_text(AUDIT_RULE + SCAN_RULE.split("\n", 1)[1])
    assert main(["gate", "scan", "-p", "both.toml"]) == 0
    assert main(["gate", "audit", "-p", "both.toml"]) == 3


def test_a_baseline_must_be_a_scan_made_alike(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample.build(here / "audit")
    scan = scan_of()
    assert gate(scan, "--baseline", "audit") == 2
    assert "needed a scan's directory" in capsys.readouterr().err
    other = scan.model_copy(update={"settings": scan.settings | {"seed": 1}})
    for name, one_scan in (("v1", other), ("v2", scan)):
        save_arrays(here / name / "arrays.npz", {})
        digest = hashlib.sha256((here / name / "arrays.npz").read_bytes()).hexdigest()
        write_scan(here / name, one_scan.model_copy(update={"arrays_sha256": digest}), {})
    assert main(["gate", "v2", "-p", "scan.toml", "--baseline", "v1"]) == 2
    assert "setting 'seed' is 1 in the old scan, 0 in the new" in capsys.readouterr().err
    assert main(["gate", "v2", "-p", "scan.toml", "--baseline", "v2"]) == 0


def test_a_rule_for_scans_alone_needs_a_policy_that_has_one() -> None:
    policy = Policy.model_validate({"format_version": 2, "association": [{"largest_effect": 0.1}]})
    with pytest.raises(InputError, match="has no rule for a scan"):
        judge_scan(scan_of(), LoadedPolicy(policy, "p", {}), today=TODAY)
