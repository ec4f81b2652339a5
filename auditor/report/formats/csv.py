"""An audit's findings as CSV, one row each: for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from auditor.records import Audit, ConceptDetail, Probe
from auditor.report.escape import csv_text

COLUMNS = (
    *("kind", "class_index", "class_name", "synset", "bank", "subject", "matched", "n", "n_other"),
    *("independent", "independent_other", "effect", "low", "high", "adjusted_low", "adjusted_high"),
    *("p_value", "p_adjusted", "q_value", "family", "alpha", "margin", "conclusion", "withheld", "reason"),
    *("minimum_detectable", "class_share", "taken_for_class", "log_difference", "rank"),
    *("paper_score", "paper_score_sd"),
    *("importance", "importance_adjusted_low", "importance_adjusted_high", "importance_p_adjusted"),
    *("importance_conclusion", "views"),
    *("probe_auc", "probe_low", "probe_high", "probe_p"),
)
"""Effects are differences of the log-scaled class probability; ``n_other`` counts what is compared with.
``probe_`` is how well the groups of a contrast are told apart."""


def render(audit: Audit, directory: Path) -> str:
    """A header and one row for every finding; an empty cell is "not measured"."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows(audit))
    return text.getvalue()


def rows(audit: Audit) -> Iterator[dict[str, Any]]:
    """One mapping with the keys :data:`COLUMNS` for every finding, values as measured."""
    for result in audit.classes:
        details = {(d.bank, d.concept): d for d in result.concepts}
        for finding in audit.of_class(result.index):
            detail = details.get((finding.bank, finding.subject)) if finding.kind == "association" else None
            known = {"synset": result.synset} | _explained(detail) | _apart(audit.probe_of(finding))
            yield {name: known[name] if name in known else getattr(finding, name) for name in COLUMNS}


def _explained(detail: ConceptDetail | None) -> dict[str, Any]:
    """The columns of what rests on occluders."""
    one = detail.importance if detail else None
    return {
        "paper_score": detail.paper_score if detail else None,
        "paper_score_sd": detail.paper_score_sd if detail else None,
        "importance": one.effect if one else None,
        "importance_adjusted_low": one.adjusted_low if one else None,
        "importance_adjusted_high": one.adjusted_high if one else None,
        "importance_p_adjusted": one.p_adjusted if one else None,
        "importance_conclusion": one.conclusion if one else None,
        "views": one.views if one else None,
    }


def _apart(probe: Probe | None) -> dict[str, float | None]:
    """The columns of the probe."""
    return {
        "probe_auc": probe.auc if probe else None,
        "probe_low": probe.low if probe else None,
        "probe_high": probe.high if probe else None,
        "probe_p": probe.p_value if probe else None,
    }


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return csv_text(value) if isinstance(value, str) else value
