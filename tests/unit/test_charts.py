from __future__ import annotations

import re
from dataclasses import fields
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from auditor.findings import concluded
from auditor.records import Audit
from auditor.report.charts.classes import ClassCharts, claim_rulers, class_charts
from auditor.report.charts.style import PRINT, SCREEN, STAND_INS, Chart
from auditor.report.view.audit import ReportView, build_view
from tests.sample import hostile


@pytest.fixture(scope="module")
def view(audit: Audit) -> ReportView:
    return build_view(audit)


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - our own


def all_charts(drawn: ClassCharts) -> list[Chart]:
    charts: list[Chart] = []
    for field in fields(drawn):
        value = getattr(drawn, field.name)
        if isinstance(value, Chart):
            charts.append(value)
        elif value is not None:
            charts.extend(value.values())
    return charts


@pytest.fixture(scope="module")
def charts(view: ReportView) -> list[Chart]:
    return [chart for c in view.classes for chart in all_charts(class_charts(c, margin=0.1, colours=SCREEN))]


def test_every_kind_of_chart_is_drawn(charts: list[Chart]) -> None:
    kinds = {re.sub(r"^class-\d+(-bank-\d+)?-", "", chart.key) for chart in charts}
    assert kinds == {"occlusion", "scores", "importance", "responses", "layers", "effects"} | {
        "chart-contrast", "chart-in-context"
    }  # fmt: skip


def test_the_chart_of_contrasts_leaves_the_probe_to_the_table(view: ReportView) -> None:
    """Its label has room for how the groups were matched; of an interval, a chart says enough."""
    (row,) = view.classes[1].contrasts[0].rows
    assert row.apart
    chart = class_charts(view.classes[1], margin=0.1, colours=SCREEN).contrasts["contrast"]
    assert "AUC" not in chart.svg
    assert row.how in chart.description
    assert words_of(chart) >= set(row.how.split())


def words_of(chart: Chart) -> set[str]:
    """Every word that a reader sees."""
    texts = [e.text or "" for e in parse(chart.svg).iter() if e.tag.endswith(("}text", "}tspan"))]
    return set(" ".join(texts).split())


def test_the_label_of_a_contrast_is_wrapped_not_cut(view: ReportView) -> None:
    (row,) = view.classes[1].contrasts[1].rows
    drawn = class_charts(view.classes[1], margin=0.1, colours=SCREEN)
    assert row.how == "in 24 pictures of the class, 36 independent pairs"
    assert words_of(drawn.contrasts["in-context"]) >= set(f"{row.title} {row.how}".split())


def test_charts_are_deterministic(view: ReportView, charts: list[Chart]) -> None:
    again = all_charts(class_charts(view.classes[0], margin=0.1, colours=SCREEN))
    assert [chart.svg for chart in again] == [chart.svg for chart in charts][: len(again)]


def test_charts_speak_to_who_cannot_see_them(charts: list[Chart]) -> None:
    for chart in charts:
        root = parse(chart.svg)
        linked = any(element.tag.endswith("}a") for element in root.iter())
        assert root.get("role") == ("group" if linked else "img")  # a picture may hold no links
        labelled = root.get("aria-labelledby", "").split()
        texts = {e.get("id"): e.text for e in root if e.tag.endswith(("title", "desc"))}
        assert [texts[name] for name in labelled] == [chart.title, chart.description]
    scores = next(chart for chart in charts if chart.key.endswith("scores"))
    assert "Banded 0.62 [0.57, 0.67], associated" in scores.description


def test_charts_need_no_inline_style_and_leave_no_stand_in(charts: list[Chart]) -> None:
    for chart in charts:
        assert " style=" not in chart.svg
        assert "<style" not in chart.svg
        assert not any(stand_in in chart.svg for stand_in in STAND_INS.values())
        assert "var(--chart-" in chart.svg
        assert "font-family" in chart.svg


def test_ids_do_not_collide_on_a_page(charts: list[Chart]) -> None:
    ids = [name for chart in charts for name in re.findall(r'\bid="([^"]+)"', chart.svg)]
    assert len(ids) == len(set(ids))
    for chart in charts:
        own = set(re.findall(r'\bid="([^"]+)"', chart.svg))
        assert set(re.findall(r"url\(#([^)]+)\)", chart.svg)) <= own
        assert set(re.findall(r'xlink:href="#([^"]+)"', chart.svg)) <= own


def test_names_of_rows_lead_to_the_table_on_screen_alone(view: ReportView) -> None:
    section = view.classes[0]
    rows = section.banks[0].charted
    for colours in (SCREEN, PRINT):
        chart = class_charts(section, margin=0.1, colours=colours).scores[section.banks[0].key]
        links = [e for e in parse(chart.svg).iter() if e.tag.endswith("}a")]
        on_screen = colours is SCREEN
        assert [e.get("href") for e in links] == [f"#{row.anchor}" for row in rows if on_screen]
        assert all(e.get("tabindex") == "-1" for e in links)
        for row in rows:
            assert (f'id="{row.anchor}-drawn"' in chart.svg) is on_screen


def test_text_stays_text(charts: list[Chart]) -> None:
    scores = next(chart for chart in charts if chart.key.endswith("scores"))
    texts = [e.text for e in parse(scores.svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "Banded" in texts


def test_print_has_plain_colours(view: ReportView) -> None:
    for chart in all_charts(class_charts(view.classes[0], margin=0.1, colours=PRINT, side_by_side=True)):
        assert "var(" not in chart.svg


def test_rows_of_both_scores_lie_at_the_same_height(view: ReportView) -> None:
    drawn = class_charts(view.classes[0], margin=0.1, colours=PRINT, side_by_side=True)
    key = view.classes[0].banks[0].key
    boxes = [parse(c.svg).get("viewBox", "").split() for c in (drawn.scores[key], drawn.importance[key])]
    assert boxes[0][3] == boxes[1][3]


ATTACKS = [
    "</text><script>alert(1)</script>",
    "$\\frac{1}{0}$ $x^{",
    "a & b <i> \"q\" 'z'",
    "\x00\x1b[31m\u202eevil\ud800",
    "]]>&lt;!--",
    "x" * 5000,
    "",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_names_are_only_text(audit: Audit, attack: str) -> None:
    view = build_view(hostile(audit, attack))
    for c in view.classes[1:2]:  # the one that has every kind of chart
        for chart in all_charts(class_charts(c, margin=view.margin, colours=SCREEN)):
            root = parse(chart.svg)
            tags = {element.tag.rpartition("}")[2] for element in root.iter()}
            plain = {"svg", "title", "desc", "g", "defs", "path", "text", "use", "rect", "clipPath"}
            assert tags <= plain | {"a"}
            assert all(e.get("href", "").startswith("#class-") for e in root.iter() if e.tag.endswith("}a"))


def test_nothing_of_matplotlib_is_changed(view: ReportView) -> None:
    before = dict(mpl.rcParams)
    class_charts(view.classes[0], margin=0.1, colours=SCREEN)
    assert dict(mpl.rcParams) == before


def test_nothing_measured_is_nothing_drawn(audit: Audit) -> None:
    missing = dict.fromkeys(
        (
            "effect",
            "low",
            "high",
            "adjusted_low",
            "adjusted_high",
            "p_value",
            "p_adjusted",
            "mean",
            "mean_other",
        )
    )
    findings = [concluded(f.model_copy(update=missing)) for f in audit.findings if f.class_name == "lipstick"]
    assert {f.conclusion for f in findings} == {"not measured"}
    bare = [
        d.model_copy(update={"importance": None, "paper_score": None, "layers": [], "responses": []})
        for d in audit.classes[1].concepts
    ]
    lipstick = audit.classes[1].model_copy(update={"concepts": bare, "layers": []})
    view = build_view(audit.model_copy(update={"classes": [lipstick], "findings": findings}))
    drawn = class_charts(view.classes[0], margin=None, colours=SCREEN)
    assert (drawn.scores, drawn.importance, drawn.responses, drawn.effects) == ({}, {}, {}, {})
    assert drawn.layers is None
    assert drawn.contrasts == {}


def test_what_was_not_explained_is_not_drawn(view: ReportView) -> None:
    drawn = class_charts(view.classes[2], margin=0.1, colours=SCREEN)  # its occluder does not hold
    assert (drawn.occlusion, drawn.layers, drawn.importance, drawn.effects) == (None, None, {}, {})
    assert list(drawn.scores) == list(drawn.responses) == [view.classes[2].banks[0].key]


def lines(svg: str, colour: str) -> list[list[float]]:
    """Every line of a colour as left end, right end and width."""
    found = []
    for path in parse(svg).iter("{http://www.w3.org/2000/svg}path"):
        seen = re.fullmatch(r"\s*M ([\d.]+) ([\d.]+)\s+L ([\d.]+) ([\d.]+)\s*", path.get("d", ""))
        if seen and path.get("stroke") == colour and seen[2] == seen[4]:
            found.append([float(seen[1]), float(seen[3]), float(path.get("stroke-width", 1.0))])
    return found


def test_the_thin_line_is_the_interval_that_conclusions_rest_on(view: ReportView) -> None:
    """Both intervals of the one concept that speaks against the class, to scale."""
    svg = class_charts(view.classes[0], margin=0.1, colours=SCREEN).scores[view.classes[0].banks[0].key].svg
    row = next(r for r in view.classes[0].banks[0].rows if r.title == "Dotted")
    found = row.finding
    assert None not in (found.low, found.high, found.adjusted_low, found.adjusted_high)
    thin, thick = sorted(lines(svg, "var(--chart-against)"), key=lambda line: line[2])
    assert thin[0] < thick[0] < thick[1] < thin[1]
    share = (found.high - found.low) / (found.adjusted_high - found.adjusted_low)  # type: ignore[operator]
    assert (thick[1] - thick[0]) / (thin[1] - thin[0]) == pytest.approx(share, abs=0.01)


def test_a_ruler_says_where_both_means_stand(view: ReportView) -> None:
    first = claim_rulers(view, colours=SCREEN, width=400.0)[0]
    assert first is not None
    assert first.description == (
        "From 0, out of the question, to 1, certain: 0.72 on images labelled Banded, 0.10 on images "
        "compared with."
    )
    assert "Banded 0.72" in first.svg
    assert "images compared with 0.10" in first.svg


def test_a_mark_tells_its_values_where_a_pointer_rests_on_it(charts: list[Chart]) -> None:
    scores = next(chart for chart in charts if chart.key.endswith("-scores"))
    root = ElementTree.fromstring(scores.svg)  # noqa: S314 (our own)
    told = [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "Banded: 0.62 [0.57, 0.67], associated" in told
    assert not [e for e in root.iter() if (e.get("id") or "").startswith("tip:")]
