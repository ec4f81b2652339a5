from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pypdf
import pytest

from auditor.cli import main
from auditor.compare import Comparison, compare
from auditor.compare.records import Release
from auditor.records import Audit, Finding
from auditor.report.formats.comparison import (
    comparison_headline,
    comparison_html,
    comparison_json,
    comparison_markdown,
    comparison_pdf,
)
from auditor.report.formats.history import histories, history_html, history_markdown, release_names
from auditor.store.directory import write_audit
from tests.hostile import NAMES, hostile
from tests.releases import another_model, audit_of, audited_class, concept, contrast, failed

UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u202e]")


def _sure(name: str, effect: float, half: float = 0.05, **more: Any) -> Finding:
    return concept(name, effect=effect, low=effect - half, high=effect + half, **more)


def _audit(effect: float, **names: Any) -> Audit:
    findings = (_sure("banded", effect), concept("dotted"), contrast(matched=True))
    return audit_of(audited_class(*findings, **names))


def _comparison(text: str = "") -> Comparison:
    old, new = _audit(0.3), another_model(_audit(0.7))
    if text:
        old, new = hostile(old, text), hostile(new, text)
    return compare(old, new)


def _all_statuses() -> tuple[Audit, Audit]:
    """One finding of every status."""
    old = [
        _sure("appeared", 0.0), _sure("increased", 0.3), _sure("decreased", 0.8), _sure("vanished", 0.5),
        _sure("steady", 0.3), _sure("unclear", 0.3, half=0.5), _sure("held back", 0.3, checks=[failed()]),
    ]  # fmt: skip
    new = [
        _sure("appeared", -0.5), _sure("increased", 0.8), _sure("decreased", 0.3), _sure("vanished", 0.0),
        _sure("steady", 0.3), _sure("unclear", 0.35, half=0.5), _sure("held back", 0.9),
    ]  # fmt: skip
    return audit_of(audited_class(*old)), another_model(audit_of(audited_class(*new)))


SIGNS = {
    "appeared": "✚ new",
    "increased": "▲ grown",
    "decreased": "▼ shrunk",
    "vanished": "✖ gone",
    "steady": "● unchanged",
    "unclear": "? inconclusive",
    "held back": "? inconclusive",
}
"""Concept to what every form of the comparison says of it."""


class _Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def _text(page: str) -> str:
    """What is written between the tags, in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_what_changed_comes_first() -> None:
    comparison = _comparison()
    assert comparison_headline(comparison) == "Of 3 findings 1 has grown and 2 are unchanged."
    text = comparison_markdown(comparison)
    # Half widths of 0.05 add up to 0.071, and 1.22 times that for three changes at once.
    row = "| `zebra` | `textures/banded` | 0.30 | 0.70 | 0.40 | [0.31, 0.49] | &lt;0.001 | ▲ grown |"
    assert row in text
    assert "dotted" not in text
    numbers = json.loads(comparison_json(comparison))
    assert numbers["changes"][0]["difference"] == pytest.approx(0.4)
    assert numbers["temperature"] is None


def test_every_status_has_its_sign_and_the_ones_that_changed_stand_first() -> None:
    comparison = compare(*_all_statuses())
    assert comparison_headline(comparison) == (
        "Of 7 findings 1 is new, 1 has grown, 1 has shrunk, 1 is gone, 2 are inconclusive and 1 is unchanged."
    )
    rows = [line for line in comparison_markdown(comparison).splitlines() if line.startswith("| `zebra`")]
    shown = {row.split("`")[3].removeprefix("textures/"): row.rsplit("|", 2)[1].strip() for row in rows}
    assert shown == {name: sign for name, sign in SIGNS.items() if sign[0] not in "●?"}
    page = comparison_html(comparison)
    table = page[page.index('class="data changes"') :]
    # Within a status, the largest change first.
    order = ["appeared", "increased", "decreased", "vanished", "held back", "unclear", "steady"]
    assert re.findall(r'<th scope="row">textures/([a-z ]+?)(?: <span|</th>)', table) == order
    assert re.findall(r'data-label="Status" class="tone-(\w+)">(.*?)</td>', table) == [
        (tone, SIGNS[name])
        for tone, name in zip(("bad", "bad", "good", "good", "open", "open", "none"), order, strict=True)
    ]
    drawn = page.split("<desc", 1)[1].split("</desc>")[0]
    for name, sign in SIGNS.items():
        assert f"{sign[0]} textures/{name} " in drawn


def test_why_nothing_is_said_stands_beside_it() -> None:
    page = _text(comparison_html(compare(*_all_statuses())))
    assert (
        "textures/held back in the old release nothing may be said of it: the sanity check 'random concept' "
        "failed for bank 'textures'"
    ) in page.replace("&#39;", "'")


def test_the_page_holds_every_change_and_no_script() -> None:
    page = comparison_html(_comparison())
    assert all(text in page for text in ("textures/banded", "textures/dotted", "faces/women/men (matched)"))
    assert "0.40" in page
    assert "[−0.009, 0.009]" in page  # a contrast: three decimals, adjusted for three changes
    tags = _Page(page).tags
    assert "script" not in tags
    assert tags.count("svg") == 1
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in page


def test_how_sharpness_was_compared_stands_on_the_page_and_in_the_comment() -> None:
    comparison = _comparison()
    assert len(comparison.notes) == 2
    for note in comparison.notes:
        assert f"<li>{note}</li>" in comparison_html(comparison)
        assert f"- {note}" in comparison_markdown(comparison)


@pytest.fixture(scope="module")
def plain() -> tuple[_Page, _Page]:
    """The pages of a comparison and of a history whose names are plain."""
    audits = [_audit(0.3), another_model(_audit(0.7))]
    return _Page(comparison_html(_comparison())), _Page(history_html(audits))


@pytest.mark.parametrize("name", NAMES)
def test_pages_show_hostile_names_and_nothing_else(name: str, plain: tuple[_Page, _Page]) -> None:
    audits = [hostile(_audit(0.3), NAMES[name]), hostile(another_model(_audit(0.7)), NAMES[name])]
    for seen, expected in zip(
        (comparison_html(_comparison(NAMES[name])), history_html(audits)), plain, strict=True
    ):
        page = _Page(seen)
        assert [t for t in page.tags if t not in ("tspan", "br")] == expected.tags
        assert set(page.attributes) <= set(expected.attributes)
        assert not UNSAFE.search(seen)
    for text in (comparison_markdown(_comparison(NAMES[name])), history_markdown(audits)):
        assert not UNSAFE.search(text)
        widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}
        assert len(widths) == 1


@pytest.mark.slow
def test_the_pdf_carries_its_numbers_and_is_the_same_every_time() -> None:
    pdf = comparison_pdf(_comparison())
    assert pdf == comparison_pdf(_comparison())
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert json.loads(reader.attachments["comparison.json"][0]) == json.loads(comparison_json(_comparison()))
    text = " ".join(page.extract_text() for page in reader.pages)
    assert "textures/banded" in text
    assert "0.40" in text


def test_a_history_has_the_finding_that_moved_most_first() -> None:
    audits = [_audit(0.3), another_model(_audit(0.7)), _audit(0.5)]
    (zebra,) = histories(audits)
    name, found = zebra.series[0]
    assert name == "textures/banded"
    assert [finding.effect for finding in found.values()] == [0.3, 0.7, 0.5]
    assert release_names(audits) == [
        "1: bundled:efficientnet_lite0", "bundled:efficientnet_lite1", "3: bundled:efficientnet_lite0",
    ]  # fmt: skip
    text = history_markdown(audits)
    assert "| `textures/banded` | ▲ 0.30 [0.25, 0.35] | ▲ 0.70 [0.65, 0.75] | ▲ 0.50 [0.45, 0.55] |" in text
    assert "| `faces/women/men (matched)` | ● 0.000 [−0.005, 0.005] |" in text


@pytest.mark.parametrize(
    ("finding", "cell"),
    [
        (_sure("banded", 0.5), "▲ 0.50 [0.45, 0.55]"),
        (_sure("banded", -0.5), "▼ −0.50 [−0.55, −0.45]"),
        (_sure("banded", 0.0), "● 0.00 [−0.05, 0.05]"),
        (_sure("banded", 0.1), "○ 0.10 [0.05, 0.15]"),
        # The numbers alone would claim it; a check withholds it.
        (_sure("banded", 0.5, checks=[failed()]), "○ 0.50 [0.45, 0.55]"),
        # Sign and interval are those that the conclusion rests on.
        (_sure("banded", 0.15, adjusted_low=0.09, adjusted_high=0.21), "○ 0.15 [0.09, 0.21]"),
        (concept("banded", effect=None, low=None, high=None, p_value=None, p_adjusted=None), "–"),
    ],
)
def test_a_history_shows_the_sign_of_every_conclusion(finding: Finding, cell: str) -> None:
    known = _sure("banded", 0.3)
    audits = [audit_of(audited_class(known)), another_model(audit_of(audited_class(finding)))]
    rows = [[part.strip() for part in line.split("|")] for line in history_markdown(audits).splitlines()]
    assert ["", "`textures/banded`", "▲ 0.30 [0.25, 0.35]", cell, ""] in rows
    assert f"textures/banded ▲ 0.30 [0.25, 0.35] {cell}" in _text(history_html(audits))


def test_a_finding_of_a_group_keeps_its_sign_in_a_history() -> None:
    more = contrast(matched=True, effect=0.06, low=0.05, high=0.07)
    less = contrast(matched=True, effect=-0.06, low=-0.07, high=-0.05)
    text = history_markdown([audit_of(audited_class(c)) for c in (more, less)])
    assert "| `faces/women/men (matched)` | ▲ 0.060 [0.050, 0.070] | ▼ −0.060 [−0.070, −0.050] |" in text


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_audit(Path("v1"), _audit(0.3))
    write_audit(Path("v2"), another_model(_audit(0.7)))
    other = _audit(0.5)
    write_audit(Path("v3"), other.model_copy(update={"settings": {**other.settings, "seed": 1}}))
    assert main(["compare", "v1", "v2"]) == 0
    assert "1 has grown" in capsys.readouterr().out
    assert main(["compare", "v1", "v2", "-f", "html:c.html", "-f", "json:c.json", "--tolerance", "1"]) == 0
    written = json.loads(Path("c.json").read_text())
    assert written["tolerance"] == 1
    assert [c["status"] for c in written["changes"]] == ["unchanged"] * 3
    assert main(["compare", "v1", "v2", "-f", "json:d.json", "--contrast-tolerance", "0.001"]) == 0
    assert json.loads(Path("d.json").read_text())["changes"][2]["status"] == "inconclusive"
    assert Path("c.html").read_text().startswith("<!doctype html>")
    assert main(["history", "v1", "v2", "--html", "h.html"]) == 0
    assert "<svg" in Path("h.html").read_text()
    capsys.readouterr()
    for arguments, said in (
        (["compare", "v1", "v3"], "setting 'seed' is 0 in the old audit, 1 in the new"),
        (["compare", "v1", "v2", "-f", "pdf"], "a PDF goes to a file"),
        (["compare", "v1", "v2", "-f", "word"], "no format 'word'"),
        (["history", "v1"], "1 audit, needed 2 or more"),
        (["history", "v1", "v3"], "cannot be compared"),
    ):
        assert main(arguments) == 2
        assert said in capsys.readouterr().err


def test_a_stated_version_stands_beside_the_model() -> None:
    assert Release(model="m", weights_sha256="0", created="", label="2.3").title == "m, release 2.3"
    assert Release(model="m", weights_sha256="0", created="").title == "m"
