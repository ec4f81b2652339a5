"""The top of a report: the gate's verdict where a policy was given, and how far to trust the audit."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from auditor.cli import main
from auditor.errors import InputError
from auditor.evidence import read_pdf
from auditor.policy.kept import VERDICT_FILE, keep_verdict, kept_verdict
from auditor.policy.verdict import Verdict
from auditor.records import Audit
from auditor.releases import gate_release
from auditor.report import render, write_reports
from auditor.report.standing import standings
from auditor.store import read_audit, write_audit
from auditor.verify import verify
from tests import sample
from tests.hostile import NAMES, hostile
from tests.releases import audit_of, audited_class, concept, contrast, control

POLICY = "[trust]\nrequired_controls = []\n[[association]]\nlargest_effect = {}\n"


def _photos(**fields: object) -> Audit:
    held = {"controls": [control()], "source": "folder"}
    return audit_of(audited_class(concept(score=1.5, score_low=1.2, score_high=1.8), **(held | fields)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("audit", "word", "said"),
    [
        (_photos(), "controls held", "Every control came out as it must"),
        (_photos(controls=[control(passed=False)]), "not to be relied on", "for every class"),
        (_photos(controls=[control(passed=None)]), "to be relied on in part", "1 control was not run"),
        (_photos(source="impressions"), "to be relied on in part", "No photos were given for “zebra”"),
        (_photos(success=0.3), "to be relied on in part", "fewer than half of the held-out images"),
        (_photos(specific=False), "to be relied on in part", "not specific"),
        (
            _photos().model_copy(update={"controls": [control("weights", passed=False)]}),
            "not to be relied on",
            "A control of the whole audit failed: “weights”",
        ),
        (_photos().model_copy(update={"classes": []}), "nothing to rely on", "No class"),
    ],
)
def test_trust_follows_from_controls_images_and_occluder(audit: Audit, word: str, said: str) -> None:
    (trust,) = standings(audit)
    assert (trust.kind, trust.word) == ("Trust", word)
    assert said in trust.text


def _verdict(folder: Path, tolerance: float, audit: Audit | None = None) -> Verdict:
    policy = folder / "policy.toml"
    policy.write_text(POLICY.format(tolerance))
    write_audit(folder, audit or _photos(), {})
    return gate_release(folder, policy, today=date(2026, 11, 23))


@pytest.mark.parametrize(("tolerance", "word"), [(1.0, "failed"), (2.0, "passed"), (1.5, "inconclusive")])
def test_the_gate_comes_first_and_names_what_decided(tmp_path: Path, tolerance: float, word: str) -> None:
    audit = audit_of(
        audited_class(concept(score=1.5, score_low=1.2, score_high=1.8, p_adjusted=0.001), source="folder")
    )
    gate, trust = standings(audit, _verdict(tmp_path, tolerance, audit))
    assert (gate.kind, gate.word, trust.kind) == ("Release gate", word, "Trust")
    assert "23 November 2026" in gate.text
    if word == "passed":
        assert gate.details == ()
    else:
        assert gate.details[0].startswith("zebra × textures/banded: 1.50 [1.20, 1.80]")


def test_the_first_page_shows_verdict_findings_trust_and_what_was_not_tested(tmp_path: Path) -> None:
    audit = sample.build(tmp_path)
    (tmp_path / "policy.toml").write_text(POLICY.format(1.0))
    keep_verdict(tmp_path, gate_release(tmp_path, tmp_path / "policy.toml"))
    audit = read_audit(tmp_path)
    pdf = render(audit, tmp_path, name="pdf")
    evidence = read_pdf(pdf, where="report.pdf")
    first = evidence.pages[0]
    for words in (
        "Release gate",
        "failed",
        "zebra × textures/banded",
        "Trust",
        "Not tested",
        "What was found",
    ):
        assert words in first, words
    assert first.count("corrected p") >= 3  # three findings with their numbers
    assert evidence.attachments[VERDICT_FILE] == (tmp_path / VERDICT_FILE).read_bytes()
    page = render(audit, tmp_path, name="html").decode()
    assert page.index('id="verdict"') < page.index('id="found"') < page.index('id="not-tested"')
    assert "Release gate" in page
    assert "Release gate: failed" in render(audit, tmp_path, name="markdown").decode()

    write_reports(tmp_path, audit)
    for path in (tmp_path, tmp_path / "report.pdf"):
        checks = {c.name: c.outcome for c in verify(path).checks}
        assert checks["report.pdf: numbers"] == "ok"
        assert checks["report.pdf: gate verdict"] == "not checked"


def test_a_verdict_on_another_audit_is_not_shown(tmp_path: Path) -> None:
    verdict = _verdict(tmp_path, 1.0)
    keep_verdict(tmp_path, verdict)
    assert kept_verdict(tmp_path, _photos()) == verdict
    later = _photos().model_copy(update={"created": "2027-01-01T00:00:00Z"})
    assert kept_verdict(tmp_path, later) is None
    (tmp_path / VERDICT_FILE).write_text("{")
    with pytest.raises(InputError, match=r"gate\.json': the whole"):
        kept_verdict(tmp_path, _photos())


def test_render_with_a_policy_keeps_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_audit(tmp_path, _photos(), {})
    (tmp_path / "policy.toml").write_text(POLICY.format(2.0))
    words = ["render", str(tmp_path), "--format", "markdown"]
    assert main([*words, "--policy", str(tmp_path / "policy.toml")]) == 0
    assert "Release gate: passed" in (tmp_path / "report.md").read_text()
    assert main(words) == 0
    assert "Release gate: passed" in (tmp_path / "report.md").read_text()
    capsys.readouterr()
    assert main([*words, "--baseline", str(tmp_path)]) == 2
    assert "--baseline is given without --policy" in capsys.readouterr().err


@pytest.mark.parametrize("text", [NAMES[k] for k in ("script", "image", "control", "bidi")])
def test_hostile_names_in_a_verdict_stay_text(text: str, tmp_path: Path) -> None:
    pair = contrast(difference=1.0, difference_low=0.9, difference_high=1.1, p_adjusted=0.001)
    plain = audit_of(audited_class(concept(score=1.5, score_low=1.2, score_high=1.8, p_adjusted=0.001),
                                   contrasts=[pair]))  # fmt: skip
    audit = hostile(plain, text)
    keep_verdict(tmp_path, _verdict(tmp_path, 1.0, audit))
    audit = read_audit(tmp_path)
    page = render(audit, tmp_path, name="html").decode()
    assert "Release gate" in page
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "\x07" not in page
