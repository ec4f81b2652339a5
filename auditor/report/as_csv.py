"""An audit's findings as CSV, one row each: for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from auditor.records import Audit, ClassResult
from auditor.report.escape import csv_text

COLUMNS = (
    *("kind", "class_index", "class_name", "synset", "bank", "subject", "matched", "n", "n_other"),
    *("effect", "low", "high", "adjusted_low", "adjusted_high", "p_value", "p_adjusted", "q_value"),
    *("direction", "smallest_detectable", "rank", "paper_score", "paper_score_sd", "reason"),
)
"""Scores are shares of full evidence, contrasts in standard deviations; ``n_other`` is the benchmark, or the
group that ``subject`` names second."""


def render(audit: Audit, directory: Path) -> str:
    """A header and one row for every concept and contrast of every class; an empty cell is "not measured"."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows(audit))
    return text.getvalue()


def rows(audit: Audit) -> Iterator[dict[str, Any]]:
    """One mapping with the keys :data:`COLUMNS` for every finding, values as measured."""
    for result in audit.classes:
        yield from _concepts(result)
        yield from _contrasts(result)


def _concepts(result: ClassResult) -> Iterator[dict[str, Any]]:
    for seen in result.concepts:
        yield _about(result) | {
            "kind": "association",
            "bank": seen.bank,
            "subject": seen.concept,
            "n": seen.n,
            "n_other": seen.n_benchmark,
            "effect": seen.score,
            "low": seen.score_low,
            "high": seen.score_high,
            "adjusted_low": seen.score_adjusted_low,
            "adjusted_high": seen.score_adjusted_high,
            "p_value": seen.p_value,
            "p_adjusted": seen.p_adjusted,
            "q_value": seen.q_value,
            "direction": seen.direction,
            "smallest_detectable": seen.smallest_detectable,
            "rank": seen.rank,
            "paper_score": seen.paper_score,
            "paper_score_sd": seen.paper_score_sd,
            "reason": seen.reason,
        }


def _contrasts(result: ClassResult) -> Iterator[dict[str, Any]]:
    for seen in result.contrasts:
        yield _about(result) | {
            "kind": "contrast",
            "bank": seen.bank,
            "subject": f"{seen.more}/{seen.less}",
            "matched": seen.matched,
            "n": seen.n_more,
            "n_other": seen.n_less,
            "effect": seen.difference,
            "low": seen.difference_low,
            "high": seen.difference_high,
            "p_value": seen.p_value,
            "p_adjusted": seen.p_adjusted,
            "q_value": seen.q_value,
            "direction": seen.direction,
            "smallest_detectable": seen.smallest_detectable,
            "reason": seen.reason,
        }


def _about(result: ClassResult) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(COLUMNS)
    return empty | {"class_index": result.index, "class_name": result.name, "synset": result.synset}


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return csv_text(value) if isinstance(value, str) else value
