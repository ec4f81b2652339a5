"""The top of a report: the gate's verdict where a policy was given, and what of the audit can be used."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from auditor.cli import main
from auditor.compare import release
from auditor.errors import InputError
from auditor.findings import concluded
from auditor.policy.kept import VERDICT_FILE, keep_verdict, kept_verdict
from auditor.policy.releases import gate_release
from auditor.policy.verdict import Ruling, Verdict
from auditor.records import Audit, Explanation, Finding, SanityCheck
from auditor.report import render_format, write_reports
from auditor.report.view.standing import Standing, standings
from auditor.store.directory import read_audit, write_audit
from auditor.store.pdf import read_pdf
from auditor.verify import verify
from tests import sample
from tests.hostile import NAMES, hostile
from tests.releases import audit_of, audited_class, concept, contrast, failed

POLICY = "format_version = 2\n[[association]]\nlargest_effect = {}\n"
CLAIM = concept(effect=0.5, low=0.4, high=0.6)
WITHHELD = concept("dotted", effect=0.5, low=0.4, high=0.6, checks=[failed()])
MISSING = concept("grid", **dict.fromkeys(("effect", "low", "high", "p_value", "p_adjusted")))
ABSENT = "the bank has no images of it"


def _photos(*findings: Finding, **fields: object) -> Audit:
    return audit_of(audited_class(*(findings or (CLAIM,)), **({"source": "folder"} | fields)))  # type: ignore[arg-type]


def _scores(audit: Audit) -> Standing:
    scores, explanations, _ = standings(audit)
    assert (scores.kind, explanations.kind) == ("Scores", "Explanations")
    return scores


def _missing(name: str, reason: str) -> Finding:
    check = failed("enough independent images").model_copy(update={"reason": reason})
    return concluded(MISSING.model_copy(update={"subject": name, "checks": [check]}))


@pytest.mark.parametrize(
    ("findings", "word", "tone", "said", "details"),
    [
        ([CLAIM], "usable", "good", "Every check that concerns them passed.", ()),
        # A check that could not be run forbids nothing.
        (
            [
                concept(
                    effect=0.5, low=0.4, high=0.6, checks=[failed().model_copy(update={"passed": None})]
                )
            ],
            "usable", "good", "Every check that concerns them passed.", (),
        ),
        # An open question is no fault of a check.
        ([concept(effect=0.1, low=0.05, high=0.15)], "usable", "good", "Every check that", ()),
        (
            [CLAIM, WITHHELD],
            "usable in part", "warn", "Checks withhold 1 of 2 findings.",
            ("the sanity check 'random concept' failed for bank 'textures'",),
        ),
        (
            [CLAIM, WITHHELD, _missing("a", ABSENT), _missing("b", ABSENT)],
            "usable in part", "warn", "Checks withhold 1 of 4 findings; 2 not measured.",
            ("the sanity check 'random concept' failed for bank 'textures'", ABSENT),
        ),
        (
            [WITHHELD, _missing("a", ABSENT)],
            "not usable", "bad", "Every finding is withheld by a check, or was not measured.",
            ("the sanity check 'random concept' failed for bank 'textures'", ABSENT),
        ),
        (
            [CLAIM, *(_missing(name, f"reason {name}") for name in "abcde")],
            "usable in part", "warn", "Checks withhold 0 of 6 findings; 5 not measured.",
            ("reason a", "reason b", "reason c", "and 2 other reasons"),
        ),
    ],
)  # fmt: skip
def test_scores_are_usable_as_far_as_checks_hold(
    findings: list[Finding], word: str, tone: str, said: str, details: tuple[str, ...]
) -> None:
    scores = _scores(_photos(*findings))
    assert (scores.word, scores.tone, scores.details) == (word, tone, details)
    assert scores.text.startswith(said)


def test_scores_rest_neither_on_images_nor_on_the_occluder() -> None:
    sanity = SanityCheck(
        name="random occluder", concerns="explanation", expectation="", observed=0.9, threshold=0.4,
        passed=False,
    )  # fmt: skip
    for audit in (_photos(success=0.1), _photos(source="impressions"), _photos(checks=[sanity])):
        assert _scores(audit).word == "usable"


def test_nothing_measured_is_nothing_to_use() -> None:
    for audit in (
        _photos().model_copy(update={"findings": []}),
        _photos().model_copy(update={"findings": [], "classes": []}),
    ):
        scores = _scores(audit)
        assert (scores.word, scores.tone, scores.text) == ("not measured", "bad", "Nothing was measured.")


def _explained(*reasons: str) -> Standing:
    """Of classes that were not measured for these reasons; an empty one was measured."""
    audit = audit_of(
        *(audited_class(CLAIM, index=i, name=f"class {i}", synset="") for i in range(len(reasons)))
    )
    classes = [
        c.model_copy(update={"explanation": Explanation(measured=not reason, reason=reason or "as measured")})
        for c, reason in zip(audit.classes, reasons, strict=True)
    ]
    return standings(audit.model_copy(update={"classes": classes}))[1]


@pytest.mark.parametrize(
    ("reasons", "word", "details"),
    [
        (("",), "usable", ()),
        (("no images",), "not measured", ("“class 0”: no images",)),
        (("no images", ""), "usable in part", ("“class 0”: no images",)),
        (("no images", "no images"), "not measured", ("every class: no images",)),
        (("no images", "", "no images"), "usable in part", ("“class 0” and “class 2”: no images",)),
        (("a", "b"), "not measured", ("“class 0”: a", "“class 1”: b")),
        (
            ("a",) * 5 + ("",), "usable in part",
            ("“class 0”, “class 1”, “class 2” and 2 more: a",),
        ),
        (
            ("a", "b", "c", "d", "e"), "not measured",
            ("“class 0”: a", "“class 1”: b", "“class 2”: c", "and 2 other reasons"),
        ),
    ],
)  # fmt: skip
def test_explanations_are_usable_where_they_were_measured(
    reasons: tuple[str, ...], word: str, details: tuple[str, ...]
) -> None:
    found = _explained(*reasons)
    assert (found.kind, found.word, found.details) == ("Explanations", word, details)
    assert found.tone == ("good" if word == "usable" else "warn")
    assert ("not shown; scores do not rest on them" in found.text) == (word != "usable")


def _verdict(folder: Path, tolerance: float, audit: Audit | None = None) -> Verdict:
    policy = folder / "policy.toml"
    policy.write_text(POLICY.format(tolerance))
    write_audit(folder, audit or _photos(), {})
    return gate_release(folder, policy, today=date(2026, 11, 23))


@pytest.mark.parametrize(("tolerance", "word"), [(0.3, "failed"), (0.6, "passed"), (0.5, "inconclusive")])
def test_the_gate_comes_first_and_names_what_decided(tmp_path: Path, tolerance: float, word: str) -> None:
    audit = _photos()
    gate, scores, explanations, _ = standings(audit, _verdict(tmp_path, tolerance, audit))
    assert (gate.kind, gate.word) == ("Release gate", word)
    assert (scores.kind, explanations.kind) == ("Scores", "Explanations")
    assert "23 November 2026" in gate.text
    if word == "passed":
        assert gate.details == ()
    else:
        assert gate.details[0].startswith("zebra × textures/banded: 0.50 [0.40, 0.60]")


def _grown(name: str, growth: float | None, measured: str) -> Ruling:
    return Ruling(
        rule="growth", kind="association growth", class_name="zebra", bank="textures", subject=name,
        effect=growth, low=growth, high=growth, p_adjusted=0.001, measured=measured, outcome=measured,
        reason="beyond" if measured == "fail" else "within",
    )  # fmt: skip


def _since(*rulings: Ruling, baseline: bool = True) -> tuple[Standing, ...]:
    audit = _photos()
    before = release(audit).model_copy(update={"label": "1.4", "created": "2026-05-01T08:00:00Z"})
    verdict = Verdict(
        outcome="pass", policy="p", audit=release(audit), baseline=before if baseline else None,
        day=date(2026, 11, 23), rulings=list(rulings), notes=[],
    )  # fmt: skip
    return standings(audit, verdict)


def test_with_a_baseline_the_change_since_then_comes_second() -> None:
    rulings = [_grown("a", 0.01, "pass"), _grown("b", 0.2, "fail"), _grown("c", 0.3, "fail")]
    gate, change, *others = _since(*rulings, _grown("d", None, "inconclusive"))
    assert gate.of_release
    assert (change.kind, change.word, change.of_release) == ("Since the last release", "grown", True)
    assert change.text == (
        "Since bundled:efficientnet_lite0, release 1.4, audited 1 May 2026, 08:00 UTC, of 3 findings 2 grew "
        "by more than the policy tolerates, 0 are undecided and 1 grew by no more. 1 could not be compared."
    )
    assert [detail.partition(":")[0] for detail in change.details] == [
        "zebra × textures/c", "zebra × textures/b"
    ]  # fmt: skip
    assert not any(one.of_release for one in others)


@pytest.mark.parametrize(
    ("rulings", "word", "said"),
    [
        ([_grown("a", 0.01, "pass")], "no growth", "of 1 finding 0 grew by more"),
        ([_grown("a", 0.1, "inconclusive")], "inconclusive", "1 is undecided"),
        ([_grown("a", None, "inconclusive")], "not tested", "no finding could be compared"),
        ([], "not tested", "the policy limits no growth"),
    ],
)
def test_the_change_says_when_nothing_is_shown(rulings: list[Ruling], word: str, said: str) -> None:
    change = _since(*rulings)[1]
    assert change.word == word
    assert said in change.text


def test_without_a_baseline_nothing_is_said_of_change() -> None:
    assert [one.kind for one in _since(baseline=False)][:2] == ["Release gate", "Scores"]


def test_the_gate_decides_nothing_about_what_a_check_withholds(tmp_path: Path) -> None:
    audit = _photos(WITHHELD)
    gate, scores, *_ = standings(audit, _verdict(tmp_path, 0.3, audit))
    assert (gate.word, scores.word) == ("inconclusive", "not usable")
    assert "the sanity check 'random concept' failed" in gate.details[0]


@pytest.mark.slow
def test_a_report_begins_with_verdicts_findings_and_what_was_not_tested(tmp_path: Path) -> None:
    whole = sample.build(tmp_path)
    zebra = whole.classes[0].model_copy(update={"pictures": [], "concepts": []})
    write_audit(tmp_path, whole.model_copy(update={"classes": [zebra], "findings": whole.of_class(340)}))
    (tmp_path / "policy.toml").write_text(POLICY.format(0.3))
    keep_verdict(tmp_path, gate_release(tmp_path, tmp_path / "policy.toml"))
    audit = read_audit(tmp_path)
    pdf = render_format(audit, tmp_path, name="pdf")
    pdf = read_pdf(pdf, where="report.pdf")
    # The verdicts stand at the top; with three of them, what follows may run over to the second page.
    first = " ".join(pdf.pages[:2])
    assert all(words in pdf.pages[0] for words in ("Release gate: ✗ failed", "Scores: ✓ usable"))
    for words in (
        "Release gate",
        "failed",
        "zebra × textures/banded",
        "Scores",
        "Explanations",
        "Not tested",
        "Decision of the reviewer",
    ):
        assert words in first, words
    assert first.count("corrected p = 0.010") == 5  # two decided, three claimed
    without = render_format(audit, tmp_path / "elsewhere", name="pdf")
    (only,) = read_pdf(without, where="report.pdf").pages[:1]
    for words in ("Scores", "Explanations", "Not tested", "Decision of the reviewer"):
        assert words in only
    assert "Release gate" not in only
    assert pdf.attachments[VERDICT_FILE] == (tmp_path / VERDICT_FILE).read_bytes()
    page = render_format(audit, tmp_path, name="html").decode()
    assert page.index('id="verdict"') < page.index('id="found"') < page.index('id="not-tested"')
    assert "Release gate" in page
    assert "Release gate: failed" in render_format(audit, tmp_path, name="markdown").decode()

    write_reports(tmp_path, audit)
    for path in (tmp_path, tmp_path / "report.pdf"):
        checks = {c.name: c.outcome for c in verify(path).checks}
        assert checks["report.pdf: numbers"] == "ok"
        assert checks["report.pdf: gate verdict"] == "not checked"


def test_a_verdict_on_another_audit_is_not_shown(tmp_path: Path) -> None:
    verdict = _verdict(tmp_path, 0.3)
    keep_verdict(tmp_path, verdict)
    assert kept_verdict(tmp_path, _photos()) == verdict
    later = _photos().model_copy(update={"created": "2027-01-01T00:00:00Z"})
    assert kept_verdict(tmp_path, later) is None
    (tmp_path / VERDICT_FILE).write_text("{")
    with pytest.raises(InputError, match=r"gate\.json': the whole"):
        kept_verdict(tmp_path, _photos())


def test_render_with_a_policy_keeps_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_audit(tmp_path, _photos(), {})
    (tmp_path / "policy.toml").write_text(POLICY.format(0.6))
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
    plain = audit_of(audited_class(CLAIM, contrast(effect=0.05, low=0.03, high=0.07)))
    audit = hostile(plain, text)
    keep_verdict(tmp_path, _verdict(tmp_path, 0.3, audit))
    audit = read_audit(tmp_path)
    page = render_format(audit, tmp_path, name="html").decode()
    assert "Release gate" in page
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "\x07" not in page


def test_the_banks_say_whether_groups_were_compared_and_with_what(audit: Audit) -> None:
    grouped = {bank.name for bank in audit.banks if bank.groups}

    def banks(*, kept: bool = True, screening: bool = False) -> Standing:
        of = [
            bank.model_copy(update={"screening": screening and bank.name in grouped})
            for bank in audit.banks
            if kept or bank.name not in grouped
        ]
        return standings(audit.model_copy(update={"banks": of}))[-1]

    assert (banks().word, banks().tone) == ("groups compared", "good")
    assert banks().text == "Tested with “Generated textures” and “Portraits by perceived gender”."
    none = banks(kept=False)
    assert (none.word, none.tone) == ("no groups compared", "warn")
    assert none.text.endswith("No groups were compared: nothing is said of perceived gender or race.")
    screened = banks(screening=True)
    assert (screened.word, screened.tone) == ("groups screened only", "warn")
    said = "“Portraits by perceived gender” only screens: what shows there needs photos."
    assert screened.text.endswith(said)


@pytest.mark.parametrize(
    ("more", "less", "gender", "race"),
    [
        ("women", "men", "compared", "no groups of that name were compared"),
        (
            "styled-woman",
            "styled-man",
            "screened with rendered people",
            "no groups of that name were compared",
        ),
        ("black", "white", "no groups of that name were compared", "compared"),
        ("tall", "short", "no groups of that name were compared", "no groups of that name were compared"),
    ],
)
def test_the_box_of_banks_says_what_people_were_compared_by(
    audit: Audit, more: str, less: str, gender: str, race: str
) -> None:
    findings = [
        f.model_copy(update={"more": more, "less": less}) if f.of_groups else f for f in audit.findings
    ]
    box = standings(audit.model_copy(update={"findings": findings}))[-1]
    assert box.details == (f"Perceived gender: {gender}", f"Perceived race: {race}")
