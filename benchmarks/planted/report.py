"""Tables for a terminal and for docs/benchmarks-planted.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.planted.metrics import FIGURES, Figure


def cell(figure: Figure) -> str:
    """Value and interval; a dash where there is nothing to measure."""
    if np.isnan(figure.value):
        return "–"
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"


def markdown(title: str, rows: Mapping[str, Mapping[str, Figure]]) -> str:
    """One table: an estimator a row, a figure a column."""
    lines = [
        f"### {title}",
        "",
        "| estimator | " + " | ".join(FIGURES) + " |",
        "|---" * (len(FIGURES) + 1) + "|",
    ]
    for name, figures in rows.items():
        lines.append(f"| {name} | " + " | ".join(cell(figures[f]) for f in FIGURES) + " |")
    first = next(iter(rows.values()))
    counts = {figure: first[figure].n for figure in ("Spearman", "sign errors", "power 0.05", "FPR 0.05")}
    lines += [
        "",
        f"{counts['Spearman']} pairs; {counts['sign errors']} with a causal effect above 0.1, "
        f"{counts['power 0.05']} above 0.2, {counts['FPR 0.05']} below 0.02. "
        "In brackets 95% intervals from resampling models' concepts.",
    ]
    return "\n".join(lines)


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table of words."""
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
