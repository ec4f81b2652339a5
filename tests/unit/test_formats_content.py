from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from huggingface_hub import ModelCard

from auditor.errors import InputError
from auditor.records import Audit
from auditor.report import as_csv, as_json, as_junit, as_markdown, as_modelcard, as_sarif
from auditor.report.escape import csv_text, markdown_code, markdown_text, sarif_text
from auditor.store import parse_audit
from tests.releases import audit_of, audited_class, concept, contrast, control
from tests.sample import build
from tests.sarif import sarif_errors


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return build(tmp_path_factory.mktemp("sample"))


def _small(**fields: Any) -> Audit:
    strong = concept(score=1.0, score_low=0.7, score_high=1.3, p_adjusted=0.0004, direction="associated")
    vague = concept("dotted", direction="inconclusive", reason="too few")
    pair = contrast(
        difference=-0.4, difference_low=-0.6, difference_high=-0.2, direction="less", matched=True
    )
    controls = [control(passed=False), control("random occluder"), control("another class", passed=None)]
    return audit_of(audited_class(strong, vague, contrasts=[pair], controls=controls), **fields)


def test_json_is_the_audit(sample: Audit) -> None:
    text = as_json.render(sample, Path())
    again = parse_audit(text.encode(), where="test")
    assert as_json.render(again, Path()) == text
    assert [c.name for c in again.classes] == [c.name for c in sample.classes]


def test_csv_has_one_row_for_every_finding_with_its_numbers(sample: Audit) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv.render(sample, Path()))))
    assert len(rows) == sum(len(c.concepts) + len(c.contrasts) for c in sample.classes)
    small = list(csv.DictReader(io.StringIO(as_csv.render(_small(), Path()))))
    assert [r["kind"] for r in small] == ["association", "association", "contrast"]
    assert small[0] == {
        **dict.fromkeys(as_csv.COLUMNS, ""),
        "kind": "association", "class_index": "340", "class_name": "zebra", "synset": "n02391049",
        "bank": "textures", "subject": "banded", "n": "60", "n_other": "300", "effect": "1", "low": "0.7",
        "high": "1.3", "p_value": "0.5", "p_adjusted": "0.0004", "direction": "associated",
        "smallest_detectable": "0.2", "paper_score": "0.5", "paper_score_sd": "0.01",
    }  # fmt: skip
    assert small[2]["effect"] == "-0.4"
    assert small[2]["subject"] == "women/men"
    assert small[2]["matched"] == "True"


def test_junit_counts_what_it_holds() -> None:
    root = ElementTree.fromstring(as_junit.render(_small(), Path()))  # noqa: S314 (our own)
    (suite,) = root.findall("testsuite")
    assert suite.attrib == {
        "name": "zebra",
        "tests": "6",
        "failures": "1",
        "errors": "0",
        "skipped": "2",
        "time": "0",
    }
    outcomes = {c.get("name"): c[0].tag if len(c) else "passed" for c in suite.findall("testcase")}
    assert outcomes == {
        "control: random concept": "failure",
        "control: random occluder": "passed",
        "control: another class": "skipped",
        "textures/banded": "system-out",
        "textures/dotted": "skipped",
        "faces/women against men (matched)": "system-out",
    }


def test_sarif_follows_its_schema_and_names_what_was_found(sample: Audit) -> None:
    for audit in (sample, _small()):
        assert sarif_errors(as_sarif.render(audit, Path())) == []
    run = json.loads(as_sarif.render(_small(), Path()))["runs"][0]
    assert [(r["ruleId"], r["kind"], r["level"]) for r in run["results"]] == [
        ("control", "fail", "warning"),
        ("association", "informational", "none"),
        ("contrast", "informational", "none"),
    ]
    assert "images labelled women against men" in run["results"][2]["message"]["text"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_fingerprints_stay_when_numbers_change() -> None:
    def fingerprints(score: float) -> list[str]:
        strong = concept(score=score, score_low=0.6, score_high=2.0, direction="associated")
        log = json.loads(as_sarif.render(audit_of(audited_class(strong)), Path()))
        return [r["partialFingerprints"]["auditor/v1"] for r in log["runs"][0]["results"]]

    assert fingerprints(1.0) == fingerprints(1.1)
    both = audit_of(audited_class(concept("a", direction="associated"), concept("b", direction="associated")))
    found = json.loads(as_sarif.render(both, Path()))["runs"][0]["results"]
    assert len({r["partialFingerprints"]["auditor/v1"] for r in found}) == 2


def test_markdown_fits_into_a_comment(sample: Audit) -> None:
    text = as_markdown.render(sample, Path())
    assert len(text) < 8000
    assert "| `zebra` | `textures/banded` | ▲ associated | 1.62 | [1.43, 1.81] |" in text
    assert "Not tested" in text
    many = [
        audited_class(*(concept(f"c{i}") for i in range(40)), index=k, name=f"class {k}", synset="")
        for k in range(60)
    ]
    assert len(as_markdown.render(audit_of(*many), Path())) < 65_536


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
