from __future__ import annotations

import csv
import io
import json
import re
import shlex
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from huggingface_hub import ModelCard

from auditor.compare import compare
from auditor.errors import InputError
from auditor.policy import Policy, judge
from auditor.records import CLAIMS, Audit, ConceptDetail, ContrastDetail, Probe, SanityCheck
from auditor.report.escape import csv_text, markdown_code, markdown_text, sarif_text
from auditor.report.formats import csv as as_csv
from auditor.report.formats import html as as_html
from auditor.report.formats import json as as_json
from auditor.report.formats import junit as as_junit
from auditor.report.formats import markdown as as_markdown
from auditor.report.formats import modelcard as as_modelcard
from auditor.report.formats import sarif as as_sarif
from auditor.report.formats.mlflow import metrics
from auditor.report.view.gate import sentence
from auditor.report.words import apart_text, importance_text
from auditor.store.directory import parse_audit
from tests.releases import audit_of, audited_class, concept, contrast, failed, in_context
from tests.sample import build
from tests.sarif import sarif_errors


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return build(tmp_path_factory.mktemp("sample"))


def _sanity(name: str = "random concept", *, passed: bool | None = True) -> SanityCheck:
    return SanityCheck(
        name=name, concerns="associations", bank="textures", expectation="as said", observed=0.4,
        threshold=0.1, unit="share of sets", passed=passed,
        note="" if passed is not None else "too few concepts",
    )  # fmt: skip


def _small(**fields: Any) -> Audit:
    strong = concept(
        effect=0.3, low=0.22, high=0.38, adjusted_low=0.2, adjusted_high=0.4,
        p_value=0.0001, p_adjusted=0.0004, q_value=0.0003, rank=1, taken_for_class=2,
    )  # fmt: skip
    vague = concept("dotted", effect=0.1, low=0.05, high=0.15)
    held = concept("grid", effect=0.3, low=0.2, high=0.4, checks=[failed()])
    missing = concept("woven", **dict.fromkeys(("effect", "low", "high", "p_value", "p_adjusted", "q_value")))
    pair = contrast(
        effect=-0.04, low=-0.05, high=-0.03, adjusted_low=-0.06, adjusted_high=-0.02, matched=True,
        log_difference=-0.71,
    )  # fmt: skip
    checks = [_sanity(passed=False), _sanity("random occluder"), _sanity("another class", passed=None)]
    result, findings = audited_class(strong, vague, held, missing, pair, checks=checks)
    detail = ConceptDetail(bank="textures", concept="banded", paper_score=0.5, paper_score_sd=0.01)
    return audit_of((result.model_copy(update={"concepts": [detail]}), findings), **fields)


def test_json_is_the_audit(sample: Audit) -> None:
    text = as_json.render(sample, Path())
    again = parse_audit(text.encode(), where="test")
    assert as_json.render(again, Path()) == text
    assert [c.name for c in again.classes] == [c.name for c in sample.classes]


def test_csv_has_one_row_for_every_finding_with_its_numbers(sample: Audit) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv.render(sample, Path()))))
    assert [(r["class_name"], r["subject"]) for r in rows] == [
        (f.class_name, f.subject) for f in sample.findings
    ]
    small = list(csv.DictReader(io.StringIO(as_csv.render(_small(), Path()))))
    assert [r["kind"] for r in small] == [*["association"] * 4, "contrast"]
    assert small[0] == {
        "kind": "association", "class_index": "340", "class_name": "zebra", "synset": "n02391049",
        "bank": "textures", "subject": "banded", "matched": "", "n": "60", "n_other": "300",
        "independent": "60", "independent_other": "300", "effect": "0.3", "low": "0.22", "high": "0.38",
        "adjusted_low": "0.2", "adjusted_high": "0.4", "p_value": "0.0001", "p_adjusted": "0.0004",
        "q_value": "0.0003", "family": "3", "alpha": "0.05", "margin": "0.1", "conclusion": "associated",
        "withheld": "False", "reason": "the whole interval lies beyond the margin, and the test rejects",
        "minimum_detectable": "0.05", "class_share": "0.1", "taken_for_class": "2", "log_difference": "",
        "rank": "1", "paper_score": "0.5", "paper_score_sd": "0.01", "importance": "",
        "importance_adjusted_low": "", "importance_adjusted_high": "", "importance_p_adjusted": "",
        "importance_conclusion": "", "views": "", "probe_auc": "", "probe_low": "", "probe_high": "",
        "probe_p": "",
    }  # fmt: skip
    assert tuple(small[0]) == as_csv.COLUMNS
    assert (small[2]["conclusion"], small[2]["withheld"]) == ("inconclusive", "True")
    assert small[2]["reason"] == "the sanity check 'random concept' failed for bank 'textures'"
    assert {small[3][c] for c in ("effect", "low", "adjusted_low", "p_adjusted", "q_value")} == {""}
    assert small[3]["conclusion"] == "not measured"
    assert small[4]["effect"] == "-0.04"
    assert small[4]["subject"] == "women/men"
    assert small[4]["matched"] == "True"
    assert small[4]["log_difference"] == "-0.71"
    assert small[4]["paper_score"] == ""


def test_junit_counts_what_it_holds() -> None:
    root = ElementTree.fromstring(as_junit.render(_small(), Path()))  # noqa: S314 (our own)
    (suite,) = root.findall("testsuite")
    assert suite.attrib == {
        "name": "zebra",
        "tests": "8",
        "failures": "1",
        "errors": "0",
        "skipped": "4",
        "time": "0",
    }
    assert {k: v for k, v in root.attrib.items() if k != "name"} == {
        k: v for k, v in suite.attrib.items() if k != "name"
    }
    outcomes = {c.get("name"): c[0].tag if len(c) else "passed" for c in suite.findall("testcase")}
    assert outcomes == {
        "sanity check: random concept, textures": "failure",
        "sanity check: random occluder, textures": "passed",
        "sanity check: another class, textures": "skipped",
        "textures/banded": "system-out",
        "textures/dotted": "skipped",
        "textures/grid": "skipped",
        "textures/woven": "skipped",
        "faces/women against men (matched)": "system-out",
    }
    said = {c.get("name"): c[0].text for c in suite.findall("testcase") if len(c)}
    assert said["textures/grid"] == (
        "inconclusive: effect 0.30 [0.20, 0.40], corrected p = 0.001. "
        "the sanity check 'random concept' failed for bank 'textures'"
    )
    assert said["faces/women against men (matched)"] == (
        "more with men: effect −0.040 [−0.060, −0.020], corrected p = 0.001"
    )
    assert said["sanity check: random concept, textures"] == (
        "as said. Observed 0.40 share of sets, threshold 0.10."
    )


def test_sarif_follows_its_schema_and_names_what_was_found(sample: Audit) -> None:
    for audit in (sample, _small()):
        assert sarif_errors(as_sarif.render(audit, Path())) == []
    run = json.loads(as_sarif.render(_small(), Path()))["runs"][0]
    assert [(r["ruleId"], r["kind"], r["level"]) for r in run["results"]] == [
        ("sanity-check", "fail", "warning"),
        ("association", "informational", "none"),
        ("contrast", "informational", "none"),
    ]
    assert "images labelled women against men" in run["results"][2]["message"]["text"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_names_the_rule_of_a_contrast_in_context() -> None:
    pair = contrast(effect=0.05, low=0.03, high=0.07)
    audit = audit_of(audited_class(pair.model_copy(update={"kind": "in context", "matched": True})))
    text = as_sarif.render(audit, Path())
    assert sarif_errors(text) == []
    (result,) = json.loads(text)["runs"][0]["results"]
    assert result["ruleId"] == "in-context"
    assert (
        "women against men in bank faces, pasted into the class's own pictures: " in result["message"]["text"]
    )


def test_a_verdict_tells_contrasts_in_context_from_those_of_people_alone() -> None:
    """In every format, of levels and of growth; else two rulings of one pair read the same."""
    above = {"effect": 0.06, "low": 0.05, "high": 0.07}
    audit = audit_of(audited_class(contrast(matched=True, **above), in_context(**above)))
    rules: list[dict[str, Any]] = [
        {"name": "both", "largest_difference": 0.02, "largest_growth": 0.001, "pictures": pictures}
        for pictures in ("alone", "in context")
    ]
    policy = Policy.model_validate({"format_version": 2, "contrast": rules})
    today = date(2026, 11, 27)
    verdict = judge(audit, policy, today=today, baseline=audit, comparison=compare(audit, audit))
    assert [r.kind for r in verdict.rulings] == [
        "contrast", "contrast growth", "in context", "in context growth"
    ]  # fmt: skip
    said = [sentence(r).partition(":")[0] for r in verdict.rulings]
    assert said == ["matched groups", "growth", "in context", "growth in context"]
    root = ElementTree.fromstring(as_junit.render_verdict(verdict))  # noqa: S314 (our own)
    assert [case.get("name") for case in root.iter("testcase")] == [
        "faces/women/men", "faces/women/men (growth)",
        "faces/women/men (in context)", "faces/women/men (in context) (growth)",
    ]  # fmt: skip
    results = json.loads(as_sarif.render_verdict(verdict))["runs"][0]["results"]
    assert len({r["message"]["text"] for r in results}) == 4
    assert len({r["partialFingerprints"]["auditor/v1"] for r in results}) == 4
    assert _logical(results) == [
        *["zebra / faces / women/men"] * 2,
        *["zebra / faces / women/men (in context)"] * 2,
    ]
    claims = json.loads(as_sarif.render(audit, Path()))["runs"][0]["results"]
    assert _logical(claims) == ["zebra / faces / women/men", "zebra / faces / women/men (in context)"]
    assert len({r["partialFingerprints"]["auditor/v1"] for r in claims}) == 2
    for text in (as_sarif.render_verdict(verdict), as_sarif.render(audit, Path())):
        assert sarif_errors(text) == []


def _logical(results: list[dict[str, Any]]) -> list[str]:
    return [r["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] for r in results]


def test_sarif_fingerprints_stay_when_numbers_change() -> None:
    def fingerprints(effect: float) -> list[str]:
        strong = concept(effect=effect, low=0.2, high=0.9)
        log = json.loads(as_sarif.render(audit_of(audited_class(strong)), Path()))
        return [r["partialFingerprints"]["auditor/v1"] for r in log["runs"][0]["results"]]

    assert fingerprints(0.5) == fingerprints(0.6)
    assert len(fingerprints(0.5)) == 1
    claimed = {"effect": 0.3, "low": 0.2, "high": 0.4}
    both = audit_of(audited_class(concept("a", **claimed), concept("b", **claimed)))
    found = json.loads(as_sarif.render(both, Path()))["runs"][0]["results"]
    assert len({r["partialFingerprints"]["auditor/v1"] for r in found}) == 2


def test_markdown_fits_into_a_comment(sample: Audit) -> None:
    text = as_markdown.render(sample, Path())
    assert len(text) < 8000
    assert "| `zebra` | `textures/banded` | ▲ associated | 0.62 | [0.57, 0.67] | 0.010 | 60 |" in text
    assert (
        "| `lipstick` | `portraits/women` against `men`, told apart (AUC 0.91 [0.86, 0.95]) | "
        "○ inconclusive | 0.061 | [0.031, 0.091] |" in text
    )
    assert "88 pairs" in text
    assert "Not tested" in text
    many = [
        audited_class(*(concept(f"c{i}") for i in range(40)), index=k, name=f"class {k}", synset="")
        for k in range(60)
    ]
    assert len(as_markdown.render(audit_of(*many), Path())) < 65_536


def test_markdown_begins_with_the_decision_and_folds_the_rest(sample: Audit, tmp_path: Path) -> None:
    text = as_markdown.render(sample, tmp_path)
    open_part, *folded = text.split("<details>")
    assert open_part.splitlines()[2].startswith("**For 1 of 3 classes an association was found")
    assert "No policy was applied, so nothing passed or failed." in open_part
    claimed = (
        "- The class “zebra” is associated with images labelled “Banded”: effect 0.62 \\[0.57, 0.67\\], "
    )
    assert claimed in open_part
    order = ["An effect is a difference", "### What can be used", "### Not tested"]
    assert sorted(order, key=open_part.index) == order
    assert len(open_part) < 2500
    assert len(folded) == text.count("</details>") == 3
    assert "| `zebra` |" not in open_part
    assert "report.html" not in text
    (tmp_path / "report.html").touch()
    beside = as_markdown.render(sample, tmp_path)
    assert "Full report with charts and pictures: [report.html](report.html)" in beside
    asked = sample.model_copy(update={"settings": {**sample.settings, "formats": ["html", "markdown"]}})
    assert as_markdown.render(asked, Path()) == beside


def test_a_model_card_says_what_was_found_to_who_knows_nothing_of_audits(sample: Audit) -> None:
    text = as_modelcard.render(sample, Path())
    heads = [line[4:] for line in text.splitlines() if line.startswith("### ")]
    assert heads == [
        "What was tested", "What was found", "What this does not say", "How to repeat it"
    ]  # fmt: skip
    assert "AfI" not in text
    assert "Six tenths of the way from “out of the question” to “certain”." in text
    assert "(effect 0.62 \\[0.57, 0.67\\], corrected p = 0.010, 60 independent images;" in text
    assert f"Of {len(sample.findings)} comparisons: 2 show an association, 1 a negative one, " in text
    assert "not facts about a person" in text
    with_none = audit_of(audited_class(concept("dotted", effect=0.1, low=0.05, high=0.15)))
    assert "Nothing is claimed." in as_modelcard.render(with_none, Path())


def test_a_model_card_holds_the_command_that_repeats_the_audit(sample: Audit) -> None:
    settings = {
        **sample.settings, "classes": ["zebra", "tench, Tinca"], "images": "/home/me/photos", "strict": True,
        "banks": ["textures", "/home/me/faces"], "in_context": True, "labels": "/home/me/l.txt", "seed": 0,
    }  # fmt: skip
    text = as_modelcard.render(sample.model_copy(update={"settings": settings}), Path())
    assert "/home/me" not in text
    command = text.split("```sh\n")[1].split("\n```")[0].replace("\\\n", "")
    program, subcommand, *words = shlex.split(command)
    assert (program, subcommand) == ("auditor", "run")
    given = dict(zip(words[:4:2], words[1:4:2], strict=True))
    assert given == {"--model": "bundled:efficientnet_lite0", "--classes": 'zebra,"tench, Tinca"'}
    assert {"--in-context", "--images", "PHOTOS", "textures,faces", "--seed", "FILE"} <= set(words)
    assert not {"--strict", "--device", "--margin"} & set(words)
    file = sample.model_copy(update={"settings": {**settings, "model": "file:/home/me/net.pt"}})
    assert "--model file:PATH" in as_modelcard.render(file, Path())


README = """---
license: apache-2.0   # a comment that must stay
tags: [a,   b]
---

# My model

Text   with trailing spaces.   \n\ttab
"""


def test_a_model_card_keeps_everything_else_to_the_byte(sample: Audit) -> None:
    section = as_modelcard.render(sample, Path())
    once = as_modelcard.merge(README, section)
    assert once.startswith(README)
    assert once.count(as_modelcard.START) == 1
    edited = once.replace("# My model", "# My better model") + "\nAfterwards.\n"
    other = as_modelcard.render(_small(), Path())
    twice = as_modelcard.merge(edited, other)
    before, rest = twice.split(as_modelcard.START)
    assert before == edited.split(as_modelcard.START)[0]
    assert rest.split(as_modelcard.END)[1] == edited.split(as_modelcard.END)[1]
    assert as_modelcard.merge(twice, other) == twice
    card = ModelCard(twice)
    assert card.data.license == "apache-2.0"
    assert "# My better model" in card.text
    assert "Concept audit of" in card.text


def test_a_model_card_keeps_its_line_endings(sample: Audit) -> None:
    merged = as_modelcard.merge("a\r\nb\r\n", as_modelcard.render(sample, Path()))
    assert not re.search(r"(?<!\r)\n", merged)
    assert as_modelcard.merge("", as_modelcard.render(sample, Path())).startswith(as_modelcard.START)


@pytest.mark.parametrize(("start", "end"), [(1, 0), (0, 1), (2, 2), (2, 1)])
def test_a_model_card_with_unclear_marks_is_left_alone(start: int, end: int) -> None:
    readme = f"{as_modelcard.START}\n" * start + f"{as_modelcard.END}\n" * end
    with pytest.raises(InputError, match="needed one of each"):
        as_modelcard.merge(readme, "x")
    with pytest.raises(InputError, match="needed one of each"):
        as_modelcard.merge(f"{as_modelcard.END}{as_modelcard.START}", "x")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("-zebra", "'-zebra"),
        (" @x", "' @x"),
        ("zebra", "zebra"),
        ("'x", "''x"),
        ("a=1", "a=1"),
    ],
)
def test_a_cell_that_looks_like_a_formula_is_text(text: str, cell: str) -> None:
    assert csv_text(text) == cell


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("zebra", "`zebra`"), ("a|b", "`a\\|b`"), ("`x`", "`` `x` ``"), ("", "(empty)"), ("a\nb", "`a b`")],
)
def test_a_name_in_markdown_is_code(text: str, escaped: str) -> None:
    assert markdown_code(text) == escaped


def test_a_sentence_in_markdown_has_no_markup() -> None:
    assert markdown_text("*a* [b](c) <d>") == "\\*a\\* \\[b\\]\\(c\\) &lt;d&gt;"
    assert "@everyone" not in markdown_text("@everyone")
    assert "://" not in markdown_text("https://evil.example")


def test_a_sarif_message_has_no_links_or_placeholders() -> None:
    assert sarif_text("[a](1) {0}") == "\\[a\\](1) {{0}}"


def test_every_format_tells_what_the_features_show(sample: Audit) -> None:
    seen = [(f, one) for f in sample.findings if (one := sample.importance_of(f)) is not None]
    assert seen
    assert all(f.kind == "association" for f, _ in seen)
    junit = as_junit.render(sample, Path())
    results = json.loads(as_sarif.render(sample, Path()))["runs"][0]["results"]
    said = " ".join(result["message"]["text"].replace("\\", "") for result in results)
    told = metrics(sample)
    for finding, one in seen:
        words = importance_text(one)
        assert words.endswith(f"seen in: {one.views}")
        assert f"{abs(one.effect):.3f}" in words
        assert words in junit
        assert not finding.claimed or words in said
        place = f"{finding.class_name}/{finding.bank}/{finding.subject}"
        assert told[f"{place}/importance"] == one.effect
        assert told[f"{place}/importance_claimed"] == float(one.conclusion in CLAIMS)
    rows = [line for line in as_markdown.render(sample, Path()).splitlines() if line.startswith("| `")]
    assert any(line.endswith(f"| {one.views} |") for line in rows for _, one in seen)


TOLD = Probe(auc=0.931, low=0.8842, high=0.9671, p_value=0.001)
NOT_TOLD = Probe(auc=0.462, low=0.3501, high=0.5829, p_value=0.747)
UNMEASURED = dict.fromkeys(("effect", "low", "high", "p_value", "p_adjusted", "q_value"))


def _probed(probe: Probe | None, **numbers: Any) -> Audit:
    """An association, a contrast and the same in context; of the contrast the probe is recorded."""
    pair = contrast(**{"effect": 0.05, "low": 0.03, "high": 0.07} | numbers)
    pasted = pair.model_copy(update={"kind": "in context", "matched": True})
    result, findings = audited_class(concept(), pair, pasted)
    details = [
        ContrastDetail(bank="faces", more="old", less="young", apart=NOT_TOLD),
        ContrastDetail(bank="faces", more="women", less="men", apart=probe),
    ]
    return audit_of((result.model_copy(update={"contrasts": details}), findings))


@pytest.mark.parametrize(
    ("probe", "numbers", "words"),
    [
        (TOLD, {}, "told apart (AUC 0.93 [0.88, 0.97])"),
        (NOT_TOLD, UNMEASURED, "not told apart (AUC 0.46 [0.35, 0.58])"),
    ],
)
def test_every_format_tells_whether_groups_are_told_apart(
    probe: Probe, numbers: dict[str, Any], words: str
) -> None:
    """Once, beside the contrast: not beside the association or the contrast in context."""
    audit = _probed(probe, **numbers)
    assert apart_text(probe, 0.05) == words
    assert [audit.probe_of(f) for f in audit.findings] == [None, probe, None]
    markdown = as_markdown.render(audit, Path())
    assert f"| `faces/women` against `men` (not matched), {words} |" in markdown
    assert markdown.count("told apart") == 1
    cases = {c.get("name"): c[0].text or "" for c in ElementTree.fromstring(  # noqa: S314 (our own)
        as_junit.render(audit, Path())).iter("testcase")}  # fmt: skip
    assert [name for name, text in cases.items() if words in text] == [
        "faces/women against men (not matched)"
    ]
    assert as_html.render(audit, Path()).count(f">not matched, {words}</span>") == 1
    told = {name: value for name, value in metrics(audit).items() if "/probe_" in name}
    place = "zebra/faces/women - men unmatched"
    assert told == {f"{place}/probe_auc": probe.auc, f"{place}/probe_p": probe.p_value}
    claims = json.loads(as_sarif.render(audit, Path()))["runs"][0]["results"]
    said = [claim["message"]["text"].replace("\\", "") for claim in claims if claim["ruleId"] == "contrast"]
    assert [text.endswith(f"; {words}") for text in said] == ([] if numbers else [True])


def test_the_csv_has_the_probe_of_contrasts_alone() -> None:
    columns = ("probe_auc", "probe_low", "probe_high", "probe_p")
    rows = list(csv.DictReader(io.StringIO(as_csv.render(_probed(TOLD), Path()))))
    assert [[row[name] for name in columns] for row in rows] == [
        [""] * 4, ["0.931", "0.8842", "0.9671", "0.001"], [""] * 4
    ]  # fmt: skip
    [_, values, _] = as_csv.rows(_probed(TOLD))
    assert {name: values[name] for name in columns} == {
        f"probe_{name.partition('_')[0]}": value for name, value in vars(TOLD).items()
    }


def test_where_no_probe_was_learned_no_format_tells_of_one() -> None:
    audit = _probed(None)
    for render in (as_markdown.render, as_junit.render, as_sarif.render, as_html.render):
        assert "told apart" not in render(audit, Path())
    assert not any("probe" in name for name in metrics(audit))
    row = list(csv.DictReader(io.StringIO(as_csv.render(audit, Path()))))[1]
    assert {row[name] for name in row if name.startswith("probe_")} == {""}


def test_a_probe_that_passes_is_one_at_most_at_alpha() -> None:
    assert apart_text(TOLD, 0.001).startswith("told apart")
    assert apart_text(TOLD, 0.0009).startswith("not told apart")
    assert apart_text(None, 0.05) == ""
