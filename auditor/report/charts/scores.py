"""Charts with one row per concept or contrast."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from matplotlib.ticker import MaxNLocator

from auditor.report.charts.style import (
    ACCENT,
    INK,
    ROW,
    SOFT,
    Chart,
    Sheet,
    drawing,
    label_width,
    link_rows,
    margin_band,
    rows_axes,
    segment,
    shortened,
    whisker,
)
from auditor.report.view.concepts import ConceptRow
from auditor.report.view.contrasts import ContrastRow, ContrastTable
from auditor.report.words import number

DECILES = 11
_BELOW = 58.0
"""Points for the scale below the rows, and its label."""
_LETTER, _LINE = 5.6, 13.0
"""Mean width of a letter and distance of lines in points, with some room."""
MOST_LINES = 4
"""Of either part of a contrast's label; the table has the whole."""
_BANDS = ((1, 9, 0.22), (2, 8, 0.28), (3, 7, 0.34), (4, 6, 0.4))
"""First decile, last decile and opacity of each band of a distribution."""


def score_chart(rows: Sequence[ConceptRow], sheet: Sheet, *, key: str, margin: float | None) -> Chart:
    """Ranked concepts: effect, 95% interval, adjusted interval, equivalence margin."""
    with drawing(len(rows) * ROW + _BELOW, sheet.width) as (figure, svg):
        axes = rows_axes(figure, [shortened(row.title) for row in rows], width=label_width(sheet.width))
        margin_band(axes, margin)
        for y, row in enumerate(rows):
            whisker(axes, y, row.finding, tip=f"{row.title}: {row.effect} {row.interval}, {row.word.text}")
        if sheet.linked:
            link_rows(axes, [row.anchor for row in rows])
        axes.set_xlabel("effect; thick: 95% interval, thin: adjusted")
        axes.axvline(0, color=SOFT, linewidth=0.8, zorder=1)
        content = svg()
    found = [f"{row.title} {row.effect} {row.interval}, {row.word.text}" for row in rows]
    return sheet.chart(content, key, "Concept effects", "Ranked from largest to smallest effect", found)


def contrast_chart(table: ContrastTable, sheet: Sheet, *, key: str, margin: float | None) -> Chart:
    """Differences between groups with their intervals."""
    rows = [row for row in table.rows if row.finding.effect is not None]
    room = 0.42 * sheet.width
    labels = [_in_lines(row, room) for row in rows]
    lines = max(label.count("\n") for label in labels)
    with drawing(len(rows) * (ROW + lines * _LINE) + _BELOW, sheet.width) as (figure, svg):
        axes = rows_axes(figure, labels, width=room)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        margin_band(axes, margin)
        for y, row in enumerate(rows):
            whisker(axes, y, row.finding, tip=f"{row.title}: {row.effect} {row.interval}, {row.word.text}")
        if sheet.linked:
            link_rows(axes, [row.anchor for row in rows])
        axes.axvline(0, color=SOFT, linewidth=0.8, zorder=1)
        axes.set_xlabel("difference; thick: 95% interval, thin: adjusted")
        content = svg()
    found = [f"{r.title}, {r.how}: {r.effect} {r.interval}, {r.word.text}" for r in rows]
    return sheet.chart(content, key, table.title, "Each with its interval", found)


def _in_lines(row: ContrastRow, room: float) -> str:
    """Both groups, and how they were made comparable, in as many lines as they need.

    Args:
        row: The contrast.
        room: Width in points.
    """
    letters = int(room / _LETTER)
    texts = (row.title, row.how)
    return "\n".join(
        line for text in texts for line in wrap(text, letters, max_lines=MOST_LINES, placeholder="…")
    )


def importance_chart(rows: Sequence[ConceptRow], sheet: Sheet, *, key: str, named: bool = True) -> Chart:
    """The importance of each concept (AfI) with its intervals and margin, in the order of the effects."""
    with drawing(len(rows) * ROW + _BELOW, sheet.width) as (figure, svg):
        labels = [shortened(row.title) if named else "" for row in rows]
        axes = rows_axes(figure, labels, width=label_width(sheet.width) if named else 8)
        measured = [row.importance for row in rows if row.importance]
        margin_band(axes, measured[0].margin if measured else None)
        for y, row in enumerate(rows):
            if row.importance:
                whisker(axes, y, row.importance, tip=f"{row.title}: {row.importance_text}")
        axes.axvline(0, color=SOFT, linewidth=0.8, zorder=1)
        if not named:
            axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel("importance (AfI)")
        content = svg()
    found = [f"{row.title} {row.importance_text}, {row.views}" for row in rows]
    return sheet.chart(content, key, "Concept importance", "In the order of the effects", found)


def response_chart(rows: Sequence[ConceptRow], sheet: Sheet, *, key: str) -> Chart:
    """How the log-scaled class probability spreads over each concept's images, in deciles."""
    rows = [row for row in rows if len(row.responses) == DECILES]
    with drawing(len(rows) * ROW + _BELOW, sheet.width) as (figure, svg):
        axes = rows_axes(figure, [shortened(row.title) for row in rows], width=label_width(sheet.width))
        axes.axvline(0, color=SOFT, linewidth=0.8, zorder=1)
        for y, row in enumerate(rows):
            r = row.responses
            segment(axes, r[0], r[10], y, SOFT, 0.8)
            for low, high, opacity in _BANDS:
                axes.barh(y, r[high] - r[low], left=r[low], height=0.5, color=ACCENT, alpha=opacity, zorder=2)
            axes.plot([r[5], r[5]], [y - 0.34, y + 0.34], color=INK, linewidth=1.6, zorder=3)
        axes.set_xlabel("log-scaled class probability per image")
        content = svg()
    found = [f"{row.title} median {number(row.responses[5])}" for row in rows]
    return sheet.chart(content, key, "Distribution of responses", "Deciles for each concept", found)
