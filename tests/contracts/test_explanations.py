"""What rests on the class's images and its occluder is shown where it was measured, and nowhere else.

Where it was not, the reason is said, once in the class's section. And models of few classes are announced.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.records import Audit, Explanation
from tests.readers import markdown_rows, page_of, pdf_chapters, plain_markdown, rendered, words_of
from tests.releases import audit_of, audited_class, concept

REASON = "the occluder changed the model's answer on 1 of 6 held-out images, need half of them"
OF_THE_EXPLANATION = ("occluder", "occluded", "detector", "overlay")
"""Kinds of pictures that rest on the occluder."""


@pytest.fixture(scope="module")
def golf_ball(audit: Audit) -> Audit:
    """The class of the sample whose occluder does not hold; pictures of it are in the audit all the same."""
    (result,) = [c for c in audit.classes if c.name == "golf ball"]
    assert result.explanation.reason == REASON
    assert {p.kind for p in result.pictures} >= {"occluder", "occluded", "detector"}
    return audit.model_copy(update={"classes": [result], "findings": audit.of_class(result.index)})


@pytest.fixture(scope="module")
def golf_ball_article(golf_ball: Audit, sample_directory: Path) -> Any:
    return next(page_of(rendered(golf_ball, "html", sample_directory)).iter("article"))


@pytest.fixture(scope="module")
def golf_ball_chapter(golf_ball: Audit, sample_directory: Path) -> str:
    return pdf_chapters(golf_ball, rendered(golf_ball, "pdf", sample_directory))["golf ball"]


UNTOLD = (
    "Layer by layer",
    "Reliability",
    "Importance (AfI)",
    "Seen in",
    "Strongest channels",
    "The occluder, and what",
)
"""Headings of what rests on the explanation."""


def test_the_page_shows_no_explanation_that_was_not_measured(
    golf_ball_article: Any, golf_ball: Audit
) -> None:
    text = words_of(golf_ball_article)
    assert not [heading for heading in UNTOLD if heading in text]
    shown = [image.get("alt") for image in golf_ball_article.iter("img")]
    pictures = golf_ball.classes[0].pictures
    assert shown == [p.alt for p in pictures if p.kind == "impression"]
    assert not {p.alt for p in pictures if p.kind in OF_THE_EXPLANATION} & set(shown)
    assert not [s for s in golf_ball_article.iter("section") if s.get("data-layers") is not None]
    charts = [e.text for e in golf_ball_article.iter("{http://www.w3.org/2000/svg}title")]
    titles = [c.partition(" for class")[0] for c in charts if " for class" in c]
    assert titles == ["Concept effects", "Distribution of responses"]


@pytest.mark.slow
def test_the_pdf_shows_no_explanation_that_was_not_measured(golf_ball_chapter: str) -> None:
    assert not [heading for heading in UNTOLD if heading in golf_ball_chapter]


def test_no_list_of_findings_shows_the_paper_s_score_of_it(golf_ball: Audit) -> None:
    rows = list(csv.DictReader(io.StringIO(rendered(golf_ball, "csv"))))
    assert {(row["paper_score"], row["paper_score_sd"]) for row in rows} == {("", "")}
    assert {(row["importance"], row["views"]) for row in rows} == {("", "")}
    (result,) = json.loads(rendered(golf_ball, "json"))["classes"]
    assert result["layers"] == []
    assert result["explanation"] == {"measured": False, "reason": REASON}
    assert {(d["paper_score"], len(d["layers"])) for d in result["concepts"]} == {(None, 0)}
    for text in (rendered(golf_ball, "junit"), rendered(golf_ball, "sarif")):
        assert "aper" not in text


def test_no_detector_is_spoken_of_where_none_was_measured(golf_ball_article: Any) -> None:
    assert "detector fires" not in words_of(golf_ball_article)
    assert not [s for s in golf_ball_article.iter("section") if "detector" in (s.get("aria-label") or "")]


def test_no_overlay_is_shown_where_no_detector_was_measured(audit: Audit, sample_directory: Path) -> None:
    zebra = audit.classes[0]
    assert [p for p in zebra.pictures if p.kind == "overlay"]
    bare = [
        d.model_copy(update={"paper_score": None, "paper_score_sd": None, "layers": []})
        for d in zebra.concepts
    ]
    unmeasured = Explanation(measured=False, reason=REASON)
    changed = zebra.model_copy(update={"explanation": unmeasured, "layers": [], "concepts": bare})
    page = rendered(audit.model_copy(update={"classes": [changed]}), "html", sample_directory)
    shown = {image.get("alt") for image in page_of(page).iter("img")}
    assert shown == {p.alt for p in zebra.pictures if p.kind == "photo"}


def test_the_page_says_once_in_the_class_s_section_why(golf_ball_article: Any) -> None:
    assert words_of(golf_ball_article).lower().count(REASON) == 1
    (note,) = [p for p in golf_ball_article.iter("p") if "note" in (p.get("class") or "").split()]
    assert words_of(note) == (
        f"Importance, layers, detector pictures and the paper's score: not measured. T{REASON[1:]}. "
        "Scores and contrasts are computed from the model's output and do not rest on them."
    )


@pytest.mark.slow
def test_the_pdf_says_once_in_the_class_s_section_why(golf_ball_chapter: str) -> None:
    assert golf_ball_chapter.lower().count(REASON) == 1


def test_what_was_measured_is_shown_without_an_excuse(audit: Audit, sample_directory: Path) -> None:
    zebra, lipstick, golf = page_of(rendered(audit, "html", sample_directory)).iter("article")
    for article in (zebra, lipstick):
        text = words_of(article)
        assert not [heading for heading in UNTOLD if heading not in text]
        assert "not measured. " not in text
        assert "do not rest on them" not in text
    assert not [heading for heading in UNTOLD if heading in words_of(golf)]


def test_short_outputs_say_that_it_was_not_measured_and_why(golf_ball: Audit) -> None:
    for text in (rendered(golf_ball, "markdown"), rendered(golf_ball, "modelcard")):
        assert "not shown; scores do not rest on them" in plain_markdown(text)
        (row,) = markdown_rows(text, "Checks, explanations and images of each class</summary>")
        assert row[0] == "`golf ball`"
        assert row[2] == f"not measured: {REASON}"
    notebook = page_of(golf_ball._repr_html_())
    assert f"not measured: {REASON}" in words_of(notebook.find(".//table"))
    assert notebook.findall(".//img") == []


CHANCE = {2: "0.63", 10: "0.29", 49: "0.18"}
"""Classes to ln 2 / ln(1 + classes): e of a class at chance."""

BANNERS: dict[str, Callable[[Audit], str]] = {
    "html": lambda audit: words_of(page_of(rendered(audit, "html"))),
    "pdf": lambda audit: rendered(audit, "pdf"),
    "markdown": lambda audit: plain_markdown(rendered(audit, "markdown")),
    "modelcard": lambda audit: plain_markdown(rendered(audit, "modelcard")),
    "notebook": lambda audit: words_of(page_of(audit._repr_html_())),
}


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        *((name, n) for name in BANNERS if name != "pdf" for n in (2, 10, 49, 50, 1000)),
        *(pytest.param("pdf", n, marks=pytest.mark.slow) for n in (2, 10, 1000)),
    ],
)
def test_a_model_of_few_classes_is_announced(name: str, classes: int) -> None:
    audit = audit_of(audited_class(concept(effect=0.3, low=0.2, high=0.4)))
    audit = audit.model_copy(update={"model": audit.model.model_copy(update={"classes": classes})})
    text = BANNERS[name](audit)
    assert text.count("A model of few classes") == (classes < 50)
    assert text.count("Of two classes, what one gains in probability the other loses") == (classes == 2)
    if classes < 50:
        assert f"The model has {classes} classes. A model that guesses gives a class a" in text
        assert f"a log-scaled probability of {CHANCE[classes]}." in text
