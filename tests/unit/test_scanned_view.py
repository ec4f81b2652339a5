"""The scan behind an audit, as the audit's reports tell it."""

from __future__ import annotations

import re
from pathlib import Path

from auditor.records import Audit, ScannedRow, ScanSummary
from auditor.report.charts.classes import scan_map
from auditor.report.charts.style import SCREEN
from auditor.report.formats import html, markdown
from auditor.report.view.audit import build_view
from auditor.report.view.scanned import MOST_MAPPED, scanned_view
from tests import sample


def summary(*rows: ScannedRow) -> ScanSummary:
    return ScanSummary(
        created="2026-11-27T03:00:00+00:00",
        sha256="ab" * 32,
        classes=1000,
        banks=["textures", "faces"],
        looked_at=33_000,
        confirmed=7,
        classes_confirmed=5,
        strongest=list(rows),
    )


def row(kind: str, subject: str, *, audited: bool, index: int = 3) -> ScannedRow:
    return ScannedRow(
        kind=kind,
        class_index=index,
        class_name="a <b>",
        bank="faces",
        subject=subject,
        effect=-0.12345,
        low=-0.2,
        high=-0.0512,
        audited=audited,
    )


def audit_of(tmp_path: Path, scan: ScanSummary | None) -> Audit:
    return sample.build(tmp_path).model_copy(update={"scan": scan})


def test_an_audit_of_named_classes_tells_of_no_scan(tmp_path: Path) -> None:
    assert scanned_view(audit_of(tmp_path, None)) is None
    assert "What the scan confirmed" not in html.render(audit_of(tmp_path, None), tmp_path)


def test_a_contrast_has_three_decimals_and_a_concept_two_whatever_its_name(tmp_path: Path) -> None:
    rows = row("contrast", "women/men", audited=True), row("association", "wet/dry", audited=False, index=4)
    seen = scanned_view(audit_of(tmp_path, summary(*rows)))
    assert seen is not None
    assert [(one.effect, one.ends) for one in seen.rows] == [
        ("−0.123", "[−0.200, −0.051]"),
        ("−0.12", "[−0.20, −0.05]"),
    ]
    assert [one.audited for one in seen.rows] == ["in this audit", ""]


def test_the_map_has_a_place_for_each_of_the_strongest(tmp_path: Path) -> None:
    rows = [
        row("association", "wet", audited=False, index=4).model_copy(update={"effect": 0.4}),
        row("contrast", "women/men", audited=True),
        row("contrast", "women/men", audited=False, index=4).model_copy(update={"effect": -0.05}),
    ]
    audit = audit_of(tmp_path, summary(*rows))
    view = build_view(audit)
    assert view.scanned is not None
    assert view.scanned.map is not None
    assert view.scanned.map.classes == (("a <b>", False), ("a <b>", True))
    assert view.scanned.map.abouts == ("wet", "women / men")
    places = [(one.row, one.column, one.up) for one in view.scanned.map.cells]
    assert places == [(0, 0, True), (1, 1, False), (0, 1, False)]
    assert view.scanned.map.cells[0].share == view.scanned.map.cells[1].share == 1.0
    chart = scan_map(view, colours=SCREEN, width=350.0)
    assert chart is not None
    assert "a <b>: wet 0.40" in chart.description
    assert str(chart.svg) in html.render(audit, tmp_path)


def test_of_many_classes_the_map_has_the_first(tmp_path: Path) -> None:
    rows = [row("association", f"c{i}", audited=False, index=i) for i in range(12)]
    view = scanned_view(audit_of(tmp_path, summary(*rows)))
    assert view is not None
    assert view.map is not None
    assert len(view.map.classes) == len(view.map.abouts) == len(view.map.cells) == MOST_MAPPED


def test_nothing_confirmed_has_no_map(tmp_path: Path) -> None:
    view = build_view(audit_of(tmp_path, summary()))
    assert view.scanned is not None
    assert view.scanned.map is None
    assert scan_map(view, colours=SCREEN, width=350.0) is None


def test_the_sentence_is_true_in_every_format(tmp_path: Path) -> None:
    rows = row("contrast", "women/men", audited=True), row("association", "wet", audited=False, index=4)
    audit = audit_of(tmp_path, summary(*rows))
    page, text = html.render(audit, tmp_path), markdown.render(audit, tmp_path)
    for said in (
        "33,000 pairs, 7 findings confirmed in 5 classes",
        "Of the classes of its 2 strongest findings, in multiples of the margin, 1 is audited here.",
    ):
        assert said in page
        assert said in text.replace("\\", "")
    assert "Below" not in next(line for line in text.splitlines() if "33,000 pairs" in line)
    assert "a &lt;b&gt;" in page
    assert re.search(r"beyond the scan.{1,5}s screening", page)
