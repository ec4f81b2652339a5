"""What every format owes its reader, whatever names an audit holds. Runs over all formats."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from auditor.cli.run import summary
from auditor.policy import Policy, Verdict, judge, load_policy, parse_policy
from auditor.records import Audit
from auditor.report.formats import csv as as_csv
from auditor.report.formats import json as as_json
from auditor.report.formats import junit as as_junit
from auditor.report.formats import markdown as as_markdown
from auditor.report.formats import modelcard as as_modelcard
from auditor.report.formats import sarif as as_sarif
from auditor.report.formats.gate import github_annotations, terminal_lines, verdict_markdown
from auditor.report.formats.policy import policy_template
from auditor.report.words import clean
from auditor.settings import Settings
from tests.hostile import NAMES, hostile
from tests.sample import build
from tests.sarif import sarif_errors

TEXTS: dict[str, Callable[[Audit], str]] = {
    "json": lambda audit: as_json.render(audit, Path()),
    "csv": lambda audit: as_csv.render(audit, Path()),
    "markdown": lambda audit: as_markdown.render(audit, Path()),
    "junit": lambda audit: as_junit.render(audit, Path()),
    "sarif": lambda audit: as_sarif.render(audit, Path()),
    "modelcard": lambda audit: as_modelcard.render(audit, Path()),
    "gate junit": lambda audit: as_junit.render_verdict(_verdict(audit)),
    "gate sarif": lambda audit: as_sarif.render_verdict(_verdict(audit)),
    "gate markdown": lambda audit: verdict_markdown(_verdict(audit)),
    "gate github": lambda audit: github_annotations(_verdict(audit)),
    "gate text": lambda audit: "\n".join(line for line, _ in terminal_lines(_verdict(audit), every=True)),
    "gate json": lambda audit: as_json.render_verdict(_verdict(audit)),
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return build(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module", params=NAMES)
def spoilt(request: pytest.FixtureRequest, sample: Audit) -> Audit:
    return hostile(sample, NAMES[request.param])


def _verdict(audit: Audit) -> Verdict:
    policy, problems, _ = parse_policy(policy_template(audit))
    assert problems == []
    assert isinstance(policy, Policy)
    return judge(audit, policy, today=date(2026, 11, 23))


@pytest.mark.parametrize("name", TEXTS)
def test_the_same_audit_gives_the_same_text_and_it_can_be_stored(name: str, spoilt: Audit) -> None:
    text = TEXTS[name](spoilt)
    assert text == TEXTS[name](spoilt)
    assert len(text) > 100
    assert text.encode("utf-8")
    if name not in ("json", "gate json"):
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u202e]", text)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)


@pytest.mark.parametrize("name", ["json", "csv", "markdown", "junit", "modelcard"])
def test_a_contrast_in_context_is_told_apart_from_one_of_people_alone(name: str, sample: Audit) -> None:
    assert [f.kind for f in sample.findings if f.of_groups] == ["contrast", "in context"]
    assert "in context" in TEXTS[name](sample)


def _tags(markdown: str) -> list[str]:
    """Of what a host would show that lets HTML through."""
    parser = _Tags()
    parser.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))
    return parser.tags


@pytest.mark.parametrize("name", ["markdown", "modelcard", "gate markdown"])
def test_markdown_shows_names_and_nothing_else(name: str, spoilt: Audit, sample: Audit) -> None:
    expected, seen = _tags(TEXTS[name](sample)), _tags(TEXTS[name](spoilt))
    assert set(seen) <= set(expected) | {"code"}
    for tag in ("table", "tr", "th", "td", "h2", "h3", "blockquote"):
        assert seen.count(tag) == expected.count(tag), tag


@pytest.mark.parametrize("name", ["junit", "gate junit"])
def test_xml_holds_the_names_as_text(name: str, spoilt: Audit, sample: Audit) -> None:
    root = ElementTree.fromstring(TEXTS[name](spoilt))  # noqa: S314 (our own)
    plain = ElementTree.fromstring(TEXTS[name](sample))  # noqa: S314 (our own)
    assert [e.tag for e in root.iter()] == [e.tag for e in plain.iter()]
    owners = {case.get("classname") for case in root.iter("testcase")}
    assert {clean(c.name) for c in spoilt.classes} <= owners


@pytest.mark.parametrize("name", ["sarif", "gate sarif"])
def test_sarif_stays_valid(name: str, spoilt: Audit) -> None:
    text = TEXTS[name](spoilt)
    assert sarif_errors(text) == []
    for result in json.loads(text)["runs"][0]["results"]:
        message = result["message"]["text"]
        assert not re.search(r"(?<!\\)[\[\]]", message)
        assert "{" not in message.replace("{{", "")


def test_csv_cells_are_neither_formulas_nor_broken(spoilt: Audit) -> None:
    rows = list(csv.reader(io.StringIO(as_csv.render(spoilt, Path()), newline="")))
    assert {len(row) for row in rows} == {len(as_csv.COLUMNS)}
    assert len(rows) == 1 + len(spoilt.findings)
    text_columns = [as_csv.COLUMNS.index(c) for c in ("class_name", "synset", "bank", "subject", "reason")]
    for row in rows[1:]:
        for column in text_columns:
            assert not row[column].lstrip().startswith(("=", "+", "-", "@", "|", "%"))


def test_annotations_are_one_command_a_line(spoilt: Audit, sample: Audit) -> None:
    lines = github_annotations(_verdict(spoilt)).splitlines()
    assert all(re.match(r"^::(error|warning|notice) title=[^:,]*::", line) for line in lines)
    assert len(lines) == len(github_annotations(_verdict(sample)).splitlines())


def test_a_terminal_gets_one_line_for_each(spoilt: Audit, sample: Audit) -> None:
    lines = [line for line, _ in terminal_lines(_verdict(spoilt), every=True)]
    assert len(lines) == len(list(terminal_lines(_verdict(sample), every=True)))
    assert not any("\n" in line or "\x1b" in line for line in lines)
    assert not any(line.startswith("::") for line in lines)


SEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\u202e]")


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_of_a_run_is_one_plain_line_for_each_class(name: str, sample: Audit) -> None:
    spoilt = hostile(sample, NAMES[name])
    lines = summary(spoilt, Settings(model="m", classes=("c",)))[: len(spoilt.classes)]
    for line, result in zip(lines, spoilt.classes, strict=True):
        assert line.startswith(f"{clean(result.name)}: ")
        assert "\n" not in line
        assert not SEEN.search(line)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_no_sign_that_acts_unseen(name: str, sample: Audit) -> None:
    assert not SEEN.search(hostile(sample, NAMES[name])._repr_html_())


def test_a_model_card_can_be_merged_again_and_again(spoilt: Audit) -> None:
    section = as_modelcard.render(spoilt, Path())
    card = as_modelcard.merge("# Model\n", section)
    assert as_modelcard.merge(card, section) == card


def test_a_policy_written_from_any_names_is_valid_and_names_them(spoilt: Audit, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(policy_template(spoilt), encoding="utf-8")
    policy = load_policy(path).policy
    names = [n.encode("utf-8", "replace").decode() for n in (c.name for c in spoilt.classes)]
    assert policy.association[0].classes == names
    assert policy.waiver == []
