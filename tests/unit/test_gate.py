"""``auditor gate`` and ``auditor policy`` as a pipeline calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from auditor.cli import main
from auditor.policy import load_policy
from auditor.records import Audit, Check, Finding
from auditor.store.directory import write_audit
from tests.releases import (
    MARGIN,
    another_model,
    audit_of,
    audited_class,
    concept,
    contrast,
    failed,
    write_release,
)
from tests.sarif import sarif_errors

STRONG: dict[str, Any] = {"effect": 0.5, "low": 0.4, "high": 0.6}
VAGUE: dict[str, Any] = {"effect": 0.2, "low": 0.1, "high": 0.3}

RULE = "format_version = 2\n[[association]]\nname = 'textures'\nlargest_effect = 0.2\n"
GROWTH = "format_version = 2\n[[association]]\nname = 'growth'\nlargest_growth = 0.05\n"
WAIVER = """
[[waiver]]
classes = ["zebra"]
concepts = ["banded"]
owner = "A"
reason = "known"
expires = 2026-11-30
"""


@pytest.fixture(autouse=True)
def _outside_of_any_pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def _gate(audit: Audit, *more: str, policy: str = RULE) -> int:
    write_audit(Path("audit"), audit)
    Path("policy.toml").write_text(policy)
    return main(["gate", "audit", "--policy", "policy.toml", *more])


@pytest.mark.parametrize(
    ("numbers", "status", "said"),
    [({}, 0, "gate passed"), (STRONG, 3, "gate failed"), (VAGUE, 4, "gate inconclusive")],
)
def test_the_exit_status_is_the_answer(
    numbers: dict[str, Any], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _gate(audit_of(audited_class(concept(**numbers)))) == status
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gate", "audit"], "Missing option '--policy'"),
        (["gate", "nothing", "-p", "policy.toml"], "no such file or directory"),
        (["gate", "audit", "-p", "nothing.toml"], "policy nothing.toml: cannot be read"),
        (
            ["gate", "audit", "-p", "policy.toml", "--format", "word"],
            "no format 'word', needed one of text, github",
        ),
        (["gate", "audit", "-p", "policy.toml", "--today", "soon"], "--today"),
        (["gate", "audit", "-p", "bad.toml"], "bad.toml, line 3: association 1: unknown key 'largest_efect'"),
        (["gate", "audit", "-p", "old.toml"], "old.toml, line 1: 'format_version' is missing"),
        (["gate", "cut", "-p", "policy.toml"], "not complete JSON"),
        (["gate", "newer", "-p", "policy.toml"], "format version 99"),
        (["gate", "audit", "-p", "policy.toml", "--baseline", "other"], "bank 'textures' has other images"),
    ],
)
def test_what_cannot_be_judged_is_status_2_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = audit_of(audited_class(concept()))
    _gate(audit)
    capsys.readouterr()
    Path("bad.toml").write_text("format_version = 2\n[[association]]\nlargest_efect = 1\n")
    Path("old.toml").write_text("[[association]]\nlargest_effect = 1\n")
    whole = Path("audit/audit.json").read_text()
    for name, text in (
        ("cut", whole[:500]),
        ("newer", whole.replace('"format_version": 3', '"format_version": 99')),
    ):
        Path(name).mkdir()
        Path(name, "audit.json").write_text(text)
    bank = audit.banks[0].model_copy(update={"digest": "c" * 64})
    write_audit(Path("other"), audit.model_copy(update={"banks": [bank]}))
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_summary_that_cannot_be_written_is_an_error_of_the_tool(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "no/such/folder/summary.md")
    assert _gate(audit_of(audited_class(concept()))) == 1
    assert "step summary" in capsys.readouterr().err


def test_a_terminal_shows_failures_first_and_what_passed_on_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    audit = audit_of(audited_class(concept("a"), concept("b", **VAGUE), concept("c", **STRONG)))
    assert _gate(audit) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "gate failed: an effect beyond the policy is established (1 failed, 1 inconclusive, 1 passed)"
    )
    assert [line.split("  [")[0] for line in lines if line[0] in "✗?✓"] == [
        "✗ zebra × textures/c", "? zebra × textures/b",
    ]  # fmt: skip
    assert "    0.50 [0.40, 0.60], corrected p = 0.001: beyond the tolerated ±0.2" in lines
    assert _gate(audit, "--all") == 3
    assert "✓ zebra × textures/a" in capsys.readouterr().out


def test_one_reason_for_a_whole_class_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    audit = audit_of(audited_class(*(concept(f"c{i}", checks=[failed()]) for i in range(9))))
    assert _gate(audit) == 4
    out = capsys.readouterr().out
    assert "? zebra × textures/c0 and 8 more" in out
    assert out.count("the sanity check 'random concept' failed") == 1


def test_a_waiver_is_shown_and_expires(capsys: pytest.CaptureFixture[str]) -> None:
    audit = audit_of(audited_class(concept(**STRONG)))
    assert _gate(audit, "--today", "2026-11-30", policy=RULE + WAIVER) == 0
    assert "waived by A until 2026-11-30: known" in capsys.readouterr().out
    assert _gate(audit, "--today", "2026-12-01", policy=RULE + WAIVER) == 3
    assert "the waiver of A expired on 2026-11-30" in capsys.readouterr().out


def test_files_are_written_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    audit = audit_of(audited_class(concept("a"), concept("b", **VAGUE), concept("c", **STRONG)))
    formats = ["junit:g.xml", "sarif:g.sarif", "json:g.json", "markdown:g.md", "github:g.txt", "text:g.log"]
    assert _gate(audit, *(part for name in formats for part in ("--format", name))) == 3
    assert capsys.readouterr().out == ""
    root = ElementTree.parse("g.xml").getroot()  # noqa: S314 (our own)
    assert {k: root.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "1", "skipped": "0",
    }  # fmt: skip
    text = Path("g.sarif").read_text()
    assert sarif_errors(text) == []
    results = json.loads(text)["runs"][0]["results"]
    assert [(r["kind"], r["level"]) for r in results] == [
        ("fail", "warning"),
        ("fail", "error"),
    ]
    place = results[0]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("policy.toml", 2)
    verdict = json.loads(Path("g.json").read_text())
    assert verdict["outcome"] == "fail"
    assert [f["outcome"] for f in verdict["rulings"]] == ["pass", "inconclusive", "fail"]
    assert "| ✗ fail | `zebra` | `textures/c` | 0.50 | [0.40, 0.60] | 0.20 |" in Path("g.md").read_text()
    assert (
        Path("g.txt")
        .read_text()
        .startswith("::error file=policy.toml,line=2,title=textures%3A zebra × textures/c::0.50 [0.40, 0.60]")
    )
    assert Path("g.log").read_text().startswith("gate failed")


def test_a_waived_failure_is_a_suppressed_result() -> None:
    audit = audit_of(audited_class(concept(**STRONG)))
    assert _gate(audit, "--today", "2026-11-30", "-f", "sarif:g.sarif", policy=RULE + WAIVER) == 0
    text = Path("g.sarif").read_text()
    assert sarif_errors(text) == []
    (result,) = json.loads(text)["runs"][0]["results"]
    assert result["level"] == "error"
    assert result["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "A, until 2026-11-30: known"}
    ]


def test_in_github_actions_findings_are_annotations_and_a_summary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("before\n")
    assert _gate(audit_of(audited_class(concept(**STRONG)))) == 3
    assert "::error file=policy.toml,line=2,title=" in capsys.readouterr().out
    summary = Path("summary.md").read_text()
    assert summary.startswith("before\n## ✗ Concept audit gate failed")


def _releases(*shifts: float) -> list[Audit]:
    """Releases v1, v2, ... on disk: on images of ``banded`` the class rises by so many logits."""
    return [
        write_release(
            Path(f"v{i}"),
            shift=shift,
            noise=np.random.default_rng(i),
            images=np.random.default_rng(0),
        )
        for i, shift in enumerate(shifts, start=1)
    ]


def test_a_planted_association_stops_the_second_release(capsys: pytest.CaptureFixture[str]) -> None:
    old, _ = _releases(0.0, 2.0)
    Path("policy.toml").write_text(GROWTH)
    arguments = ["gate", "v2", "--policy", "policy.toml", "--baseline", "v1"]
    assert main(arguments) == 3
    out = capsys.readouterr().out
    assert "✗ zebra × textures/banded  [growth]" in out
    assert "growth: 0.3" in out  # the class's e rises by a third of its range
    write_audit(Path("v1b"), another_model(old))  # without arrays the intervals are too wide to tell
    assert main(["gate", "v1b", "--policy", "policy.toml", "--baseline", "v1"]) == 4
    assert "treat the two releases as independent" in capsys.readouterr().out


def test_a_release_that_did_not_change_passes_a_limit_on_growth(capsys: pytest.CaptureFixture[str]) -> None:
    _releases(0.0, 0.0)
    Path("policy.toml").write_text(GROWTH)
    assert main(["gate", "v2", "--policy", "policy.toml", "--baseline", "v1"]) == 0
    assert "3 passed" in capsys.readouterr().out


def test_growth_without_a_baseline_is_inconclusive(capsys: pytest.CaptureFixture[str]) -> None:
    assert _gate(audit_of(audited_class(concept())), policy=GROWTH) == 4
    assert "no baseline was given (--baseline)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (concept(**VAGUE), "neither within the tolerated ±0.2 nor established beyond it"),
        (concept(checks=[failed()]), "nothing is concluded: the sanity check 'random concept' failed"),
    ],
)
def test_doubt_that_counts_as_failure_is_not_called_an_effect(
    finding: Finding, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = RULE.replace("[[", 'inconclusive = "fail"\n[[')
    assert _gate(audit_of(audited_class(finding)), policy=strict) == 3
    out = capsys.readouterr().out
    assert out.startswith(
        "gate failed: not everything could be decided, and the policy counts that as failure"
    )
    assert said in out


def test_what_the_audit_does_not_claim_is_told_with_its_margin(capsys: pytest.CaptureFixture[str]) -> None:
    narrow = RULE.replace("0.2", "0.05")
    assert _gate(audit_of(audited_class(concept(effect=0.07, low=0.06, high=0.08))), policy=narrow) == 4
    out = capsys.readouterr().out
    assert "0.07 [0.06, 0.08], corrected p = 0.001: beyond the tolerated ±0.05, but the audit claims" in out
    assert "audit again with a margin of 0.05 or less" in out


def test_contrasts_are_shown_to_three_digits(capsys: pytest.CaptureFixture[str]) -> None:
    rule = "format_version = 2\n[[contrast]]\nlargest_difference = 0.02\n"
    wide = contrast(matched=True, effect=0.061, low=0.05, high=0.072)
    assert _gate(audit_of(audited_class(wide)), policy=rule) == 3
    assert "matched groups: 0.061 [0.050, 0.072], corrected p = 0.001" in capsys.readouterr().out


def test_policy_init_writes_a_policy_for_this_audit(capsys: pytest.CaptureFixture[str]) -> None:
    run = Check(name="random concept", passed=True, forbids="both", reason="")
    not_run = Check(name="at equal image quality", passed=None, forbids="effect", reason="")
    audit = audit_of(audited_class(concept(checks=[run]), contrast(matched=True, checks=[run, not_run])))
    write_audit(Path("audit"), audit)
    assert main(["policy", "init", "audit", "--out", "p.toml"]) == 0
    policy = load_policy("p.toml").policy
    assert policy.association[0].classes == ["zebra"]
    assert policy.association[0].banks == ["textures"]
    assert policy.association[0].largest_effect == 2 * MARGIN
    assert policy.contrast[0].groups == ["women/men"]
    assert policy.contrast[0].banks == ["faces"]
    assert policy.contrast[0].largest_difference == 0.05
    assert policy.trust.required_checks == ["random concept"]
    assert policy.alpha == 0.05
    assert main(["policy", "check", "p.toml"]) == 0
    assert "valid, 2 rules, 0 expected associations, 0 waivers" in capsys.readouterr().out
    assert main(["gate", "audit", "-p", "p.toml"]) == 0
    assert main(["policy", "init", "audit", "--out", "p.toml"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["policy", "init", "audit", "--out", "p.toml", "--force"]) == 0


def test_a_written_policy_names_no_group_as_a_concept() -> None:
    """A bank that only sets groups against each other has no association to limit."""
    write_audit(Path("audit"), audit_of(audited_class(contrast())))
    assert main(["policy", "init", "audit", "--out", "p.toml"]) == 0
    policy = load_policy("p.toml").policy
    assert policy.association == []
    assert main(["gate", "audit", "-p", "p.toml"]) == 0


def test_every_commented_key_of_a_written_policy_is_valid(tmp_path: Path) -> None:
    write_audit(Path("audit"), audit_of(audited_class(concept(), contrast())))
    assert main(["policy", "init", "audit", "--out", "p.toml"]) == 0
    lines = Path("p.toml").read_text().splitlines()
    keys = (
        "largest_",
        "alpha =",
        "inconclusive =",
        "[[waiver]]",
        "classes =",
        "concepts =",
        "owner =",
        "reason =",
        "expires =",
    )
    opened = [
        line.removeprefix("# ") if line.startswith(tuple(f"# {k}" for k in keys)) else line for line in lines
    ]
    assert sum(a != b for a, b in zip(lines, opened, strict=True)) == 11
    Path("open.toml").write_text("\n".join(opened))
    policy = load_policy("open.toml").policy
    assert len(policy.waiver) == 1
    assert policy.trust.largest_minimum_detectable == 0.1
    assert policy.association[0].largest_growth == 0.05
    assert policy.contrast[0].largest_growth == 0.015


def test_policy_check_lists_every_fault_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.toml").write_text("alhpa = 1\n[[association]]\nlargest_effect = -1\n")
    assert main(["policy", "check", "p.toml"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["p.toml:1", "p.toml:1", "p.toml:3"]
    assert lines[0].startswith("p.toml:1: 'format_version' is missing: this auditor reads version 2")


def test_the_gate_needs_no_torch() -> None:
    code = (
        "import sys, auditor.cli.gate, auditor.cli.policy, auditor.policy.releases\n"
        "import auditor.report.formats.sarif, auditor.report.formats.gate, auditor.report.formats.junit\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'weasyprint', 'click')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
