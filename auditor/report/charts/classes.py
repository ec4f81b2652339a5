"""Every chart of one class, the same drawing for screen and print."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from auditor.report.charts.layers import effect_chart, layer_chart
from auditor.report.charts.occluder import occlusion_chart
from auditor.report.charts.ruler import ruler_chart
from auditor.report.charts.scanned import scanned_chart
from auditor.report.charts.scores import (
    DECILES,
    contrast_chart,
    importance_chart,
    response_chart,
    score_chart,
)
from auditor.report.charts.style import PHONE_WIDTH, PRINT_WIDTH, Chart, Sheet
from auditor.report.view.audit import ReportView
from auditor.report.view.classes import ClassView
from auditor.report.view.concepts import BankSection, ConceptRow

_LEFT_SHARE = 0.62
"""Of the width, for the effects, where importance stands beside them."""


@dataclass(frozen=True)
class ClassCharts:
    """The charts of one class; ``None`` where there is nothing to draw."""

    occlusion: Chart | None
    scores: Mapping[str, Chart]
    """By key of the bank's section; likewise below."""
    importance: Mapping[str, Chart]
    responses: Mapping[str, Chart]
    layers: Chart | None
    effects: Mapping[str, Chart]
    contrasts: Mapping[str, Chart]


def class_charts(
    view: ClassView,
    *,
    margin: float | None,
    contrast_margin: float | None = None,
    colours: Mapping[str, str],
    side_by_side: bool = False,
) -> ClassCharts:
    """Draw everything for one class.

    ``side_by_side`` makes importance a continuation of the effects' rows, without their names.
    """
    width = PRINT_WIDTH if side_by_side else PHONE_WIDTH
    sheet = Sheet(f"for class “{view.name}”", colours, width)
    at = view.anchor
    side_by_side = side_by_side and any(map(_has_importance, (r for s in view.banks for r in s.charted)))
    left, right = (sheet.narrowed(s) if side_by_side else sheet for s in (_LEFT_SHARE, 1 - _LEFT_SHARE))

    def of_banks(
        wanted: Callable[[ConceptRow], bool], draw: Callable[[BankSection], Chart]
    ) -> dict[str, Chart]:
        return {s.key: draw(s) for s in view.banks if any(map(wanted, s.charted))}

    return ClassCharts(
        occlusion=occlusion_chart(view.occlusion, sheet, key=f"{at}-occlusion") if view.occlusion else None,
        scores=of_banks(
            _has_effect, lambda s: score_chart(s.charted, left, key=f"{s.key}-scores", margin=margin)
        ),
        importance=of_banks(
            _has_importance,
            lambda s: importance_chart(s.charted, right, key=f"{s.key}-importance", named=not side_by_side),
        ),
        responses=of_banks(
            lambda row: len(row.responses) == DECILES,
            lambda s: response_chart(s.charted, sheet, key=f"{s.key}-responses"),
        ),
        layers=layer_chart(view.layers, sheet, key=f"{at}-layers") if view.layers else None,
        effects=of_banks(
            lambda row: len(row.layer_effects) > 1,
            lambda s: effect_chart(s.charted, sheet, key=f"{s.key}-effects"),
        ),
        contrasts={
            table.key: contrast_chart(table, sheet, key=f"{at}-chart-{table.key}", margin=contrast_margin)
            for table in view.contrasts
            if any(row.finding.effect is not None for row in table.rows)
        },
    )


def report_charts(
    view: ReportView, *, colours: Mapping[str, str], side_by_side: bool = False
) -> dict[str, ClassCharts]:
    """The charts of every class, by its anchor."""
    return {
        section.anchor: class_charts(
            section,
            margin=view.margin,
            contrast_margin=view.contrast_margin,
            colours=colours,
            side_by_side=side_by_side,
        )
        for section in view.detailed
    }


def scan_map(view: ReportView, *, colours: Mapping[str, str], width: float) -> Chart | None:
    """The map of the scan on the first page; ``None`` where there is no scan, or it confirmed nothing."""
    if view.scanned is None or view.scanned.map is None:
        return None
    return scanned_chart(view.scanned.map, Sheet("", colours, width), key="scan-map")


def claim_rulers(view: ReportView, *, colours: Mapping[str, str], width: float) -> tuple[Chart | None, ...]:
    """A ruler for every claim on the first page; ``None`` where its means were not stored."""
    return tuple(
        ruler_chart(claim.ruler, Sheet("", colours, width), key=f"claim-{i + 1}-ruler")
        if claim.ruler
        else None
        for i, claim in enumerate(view.claims)
    )


def _has_effect(row: ConceptRow) -> bool:
    return row.finding.effect is not None


def _has_importance(row: ConceptRow) -> bool:
    return row.importance is not None
