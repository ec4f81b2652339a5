"""The map of a scan on an audit's first page: classes by what was confirmed for them."""

from __future__ import annotations

import math

from auditor.report.charts.drawn import Drawing, at, fitted, rectangle, triangle
from auditor.report.charts.style import FINE, Chart, Sheet
from auditor.report.view.scanned import ScannedMap

_LETTER = 5.6
"""Mean width of a letter in points, with some room."""
_CELL = 13.0
_LETTERS = 24
"""Of a name; the table has the whole."""
_SLANT = math.radians(40)


def scanned_chart(view: ScannedMap, sheet: Sheet, *, key: str) -> Chart:
    """A triangle for everything that is drawn, up or down; darker, the larger the effect."""
    names = [fitted(name, _LETTERS) for name, _ in view.classes]
    heads = [fitted(about, _LETTERS) for about in view.abouts]
    left = _LETTER * max(map(len, names)) + 12
    longest = _LETTER * max(map(len, heads))
    top = longest * math.sin(_SLANT) + 12
    wide = min(44.0, (sheet.width - left - longest * math.cos(_SLANT)) / len(heads))
    bottom = top + len(names) * _CELL
    drawing = Drawing(sheet, width=sheet.width, height=bottom + 6 + 12 * len(view.legend))
    grid = "".join(
        f"M{at(left)} {at(top + i * _CELL)}h{at(len(heads) * wide)}" for i in range(len(names) + 1)
    )
    grid += "".join(f"M{at(left + j * wide)} {at(top)}v{at(bottom - top)}" for j in range(len(heads) + 1))
    for cell in view.cells:
        x, y = left + cell.column * wide, top + cell.row * _CELL
        tone, share = ("found" if cell.up else "against"), min(1.0, cell.share)
        drawing.fill(rectangle(x, y, wide, _CELL), tone, opacity=0.15 + 0.55 * share)
    drawing.line(grid, "line", width=0.5)
    for cell in view.cells:
        x, y = left + (cell.column + 0.5) * wide, top + (cell.row + 0.5) * _CELL
        drawing.fill(triangle(x, y, up=cell.up), "ink", halo=True)
    for j, head in enumerate(heads):
        drawing.text(left + (j + 0.5) * wide, top - 5, head, turn=-40, size=FINE)
    for i, (name, (_, audited)) in enumerate(zip(names, view.classes, strict=True)):
        tone = "found" if audited else "soft"
        drawing.text(left - 7, top + (i + 0.75) * _CELL, name, anchor="end", tone=tone, size=FINE)
    for i, line in enumerate(view.legend):
        drawing.text(left, bottom + 13 + i * 12, line, tone="soft", size=FINE)
    return drawing.chart(key, "What the scan confirmed", view.words)
