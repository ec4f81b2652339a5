from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pypdf
import pytest

from auditor.changes import Comparison
from auditor.cli import main
from auditor.compare import compare
from auditor.records import Audit
from auditor.report.comparison import headline, render_html, render_json, render_markdown, render_pdf
from auditor.report.history import histories, release_names
from auditor.report.history import render_html as history_html
from auditor.report.history import render_markdown as history_markdown
from auditor.store import write_audit
from tests.hostile import NAMES, hostile
from tests.releases import another_model, audit_of, audited_class, concept, contrast


def _audit(score: float, **names: Any) -> Audit:
    strong = concept(score=score, score_low=score - 0.1, score_high=score + 0.1, direction="associated")
    return audit_of(audited_class(strong, concept("dotted"), contrasts=[contrast(matched=True)], **names))


def _comparison(text: str = "") -> Comparison:
    old, new = _audit(0.6), another_model(_audit(1.4))
    if text:
        old, new = hostile(old, text), hostile(new, text)
    return compare(old, new, rng=np.random.default_rng(0))


class _Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_what_changed_comes_first() -> None:
    comparison = _comparison()
    assert headline(comparison) == "Of 3 findings 1 has grown and 2 are unchanged."
    text = render_markdown(comparison)
    row = "| `zebra` | `textures/banded` | 0.60 | 1.40 | 0.80 | [0.66, 0.94] | &lt;0.001 | ▲ grown |"
    assert row in text
    assert "dotted" not in text
    numbers = json.loads(render_json(comparison))
    assert numbers["changes"][0]["difference"] == pytest.approx(0.8)


def test_the_page_holds_every_change_and_no_script() -> None:
    page = render_html(_comparison())
    assert all(text in page for text in ("textures/banded", "textures/dotted", "faces/women/men (matched)"))
    assert "0.80" in page
    tags = _Page(page).tags
    assert "script" not in tags
    assert tags.count("svg") == 1
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in page


@pytest.mark.parametrize("name", NAMES)
def test_pages_show_hostile_names_and_nothing_else(name: str) -> None:
    audits = [hostile(_audit(0.6), NAMES[name]), hostile(another_model(_audit(1.4)), NAMES[name])]
    plain = [_audit(0.6), another_model(_audit(1.4))]
    for seen, expected in (
        (render_html(_comparison(NAMES[name])), render_html(_comparison())),
        (history_html(audits), history_html(plain)),
    ):
        assert [t for t in _Page(seen).tags if t not in ("tspan", "br")] == _Page(expected).tags
        assert set(_Page(seen).attributes) <= set(_Page(expected).attributes)
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u202e]", seen)
    for text in (render_markdown(_comparison(NAMES[name])), history_markdown(audits)):
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u202e]", text)
        widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}
        assert len(widths) == 1


@pytest.mark.slow
def test_the_pdf_carries_its_numbers_and_is_the_same_every_time() -> None:
    pdf = render_pdf(_comparison())
    assert pdf == render_pdf(_comparison())
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert json.loads(reader.attachments["comparison.json"][0]) == json.loads(render_json(_comparison()))
    text = " ".join(page.extract_text() for page in reader.pages)
    assert "textures/banded" in text
    assert "0.80" in text


def test_a_history_has_the_finding_that_moved_most_first() -> None:
    audits = [_audit(0.6), another_model(_audit(1.4)), _audit(1.0)]
    (zebra,) = histories(audits)
    assert zebra.series[0].name == "textures/banded"
    assert [p[1] for p in zebra.series[0].points] == [0.6, 1.4, 1.0]
    assert release_names(audits) == [
        "1: bundled:efficientnet_lite0", "bundled:efficientnet_lite1", "3: bundled:efficientnet_lite0",
    ]  # fmt: skip
    assert "| `textures/banded` | ▲ 0.60 [0.50, 0.70] | ▲ 1.40 [1.30, 1.50] |" in history_markdown(audits)


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_audit(Path("v1"), _audit(0.6))
    write_audit(Path("v2"), another_model(_audit(1.4)))
    other = _audit(1.0)
    write_audit(Path("v3"), other.model_copy(update={"settings": {**other.settings, "seed": 1}}))
    assert main(["compare", "v1", "v2"]) == 0
    assert "1 has grown" in capsys.readouterr().out
    assert main(["compare", "v1", "v2", "-f", "html:c.html", "-f", "json:c.json", "--tolerance", "2"]) == 0
    assert json.loads(Path("c.json").read_text())["tolerance"] == 2
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
