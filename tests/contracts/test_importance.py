"""The importance of a concept is told the same by every format that tells it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from auditor.records import Audit, Importance
from tests.readers import page_of, rendered, words_of


def importances(audit: Audit) -> dict[tuple[str, str], Importance]:
    """By class and title of the concept."""
    return {
        (result.name, d.concept): d.importance
        for result in audit.classes
        for d in result.concepts
        if d.importance
    }


def test_every_view_occurs_in_the_sample(audit: Audit) -> None:
    found = {one.views for one in importances(audit).values()}
    assert found >= {"both", "output only", "neither"}


def test_csv_and_json_tell_the_stored_importance(audit: Audit) -> None:
    known = importances(audit)
    rows = {(r["class_name"], r["subject"]): r for r in csv.DictReader(io.StringIO(rendered(audit, "csv")))}
    for key, one in known.items():
        row = rows[key]
        assert float(row["importance"]) == float(f"{one.effect:.6g}")
        assert float(row["importance_adjusted_low"]) == float(f"{one.adjusted_low:.6g}")
        assert (row["importance_conclusion"], row["views"]) == (one.conclusion, one.views)
    told = json.loads(rendered(audit, "json"))
    for result in told["classes"]:
        for detail in result["concepts"]:
            one = known.get((result["name"], detail["concept"]))
            assert (detail["importance"] or {}).get("effect") == (one.effect if one else None)


def test_the_page_and_the_pdf_show_number_interval_and_view(audit: Audit, sample_directory: Path) -> None:
    page = page_of(rendered(audit, "html", sample_directory))
    cells = {
        (article.get("aria-labelledby") or "", row.get("id")): [words_of(c) for c in row.iter("td")]
        for article in page.iter("article")
        for row in article.iter("tr")
    }
    shown = [" ".join(texts) for texts in cells.values()]
    printed = " ".join(rendered(audit, "pdf", sample_directory).split())
    for one in importances(audit).values():
        minus = "\N{MINUS SIGN}"
        value = f"{one.effect:.2f}".replace("-", minus)
        low, high = (f"{end:.2f}".replace("-", minus) for end in (one.adjusted_low, one.adjusted_high))
        if 0.0 in (float(f"{abs(v):.2f}") for v in (one.effect, one.adjusted_low, one.adjusted_high)):
            continue  # shown with a significant digit more
        text = f"{value} [{low}, {high}]"
        assert any(text in line and one.views in line for line in shown), text
        assert text in printed, text


def test_a_class_whose_occluder_does_not_hold_has_none(audit: Audit, sample_directory: Path) -> None:
    (golf_ball,) = [c for c in audit.classes if c.name == "golf ball"]
    alone = audit.model_copy(update={"classes": [golf_ball], "findings": audit.of_class(golf_ball.index)})
    assert "Seen in" not in words_of(next(page_of(rendered(alone, "html", sample_directory)).iter("article")))
