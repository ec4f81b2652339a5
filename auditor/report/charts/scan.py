"""The drawings of a scan: the map of classes and concepts, strips of contrasts, a class's profile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditor.report.charts.drawn import (
    Drawing,
    Scale,
    at,
    circle,
    fitted,
    rectangle,
    ruled,
    triangle,
)
from auditor.report.charts.style import FINE, Chart, Sheet
from auditor.report.view.scan_charts import MapView, StripView
from auditor.report.view.scan_rows import Forest, ScanRow
from auditor.report.words import count, interval, number

STEPS = 7
"""Shades of a colour."""
LETTER = 5.6
"""Mean width of a letter in points, with some room."""
LINE = 13.5
"""Height of a row of a profile."""
STRIP_LINE = 15.0


@dataclass(frozen=True)
class MapSize:
    """Measures of a map in points."""

    cell: float
    """Height of a row."""
    widest: float
    """Of a column."""
    across: float
    """That columns share out, if they are not too many for it."""
    text: float = 11.0
    letters: int = 26
    """Of a class's name."""

    @property
    def letter(self) -> float:
        """Mean width of a letter, with some room."""
        return LETTER * self.text / FINE


SCREEN_MAP = MapSize(cell=19.0, widest=38.0, across=650.0)
PRINT_MAP = MapSize(cell=12.4, widest=24.0, across=385.0, text=8.5, letters=24)


def map_chart(view: MapView, sheet: Sheet, size: MapSize = SCREEN_MAP, *, linked: bool = True) -> Chart:
    """Classes by concepts in shades of two colours; a triangle marks what is confirmed."""
    rows, columns = view.effects.shape
    names = [fitted(name, size.letters) for name, _ in view.classes]
    heads = [fitted(title, 22) for title in view.concepts]
    left = size.letter * max(map(len, names)) + 10
    slant = math.radians(60)
    top = size.letter * max(map(len, heads)) * math.sin(slant) + 14
    wide = min(size.widest, max(0.8 * size.cell, size.across / columns))
    legend_top = top + rows * size.cell + 16
    ends = [(j + 0.5) * wide + size.letter * len(head) * math.cos(slant) for j, head in enumerate(heads)]
    width = max(left + max(columns * wide, *ends) + 8, 400.0)
    drawing = Drawing(sheet, width=width, height=legend_top + 44)
    largest = _largest(view)
    for level in range(-STEPS, STEPS + 1):
        cells = [
            rectangle(left + j * wide, top + i * size.cell, wide, size.cell)
            for i, j in zip(*np.nonzero(_levels(view.effects, largest) == level), strict=True)
        ]
        if level:
            drawing.fill("".join(cells), _tone(level), opacity=_opacity(level))
    grid = "".join(f"M{at(left)} {at(top + i * size.cell)}h{at(columns * wide)}" for i in range(rows + 1))
    grid += "".join(f"M{at(left + j * wide)} {at(top)}v{at(rows * size.cell)}" for j in range(columns + 1))
    drawing.line(grid, "line", width=0.5)
    for j, head in enumerate(heads):
        drawing.text(left + (j + 0.5) * wide + 3, top - 6, head, turn=-60, size=size.text)
    for i, name in enumerate(names):
        start = drawing.marks
        drawing.text(left - 7, top + (i + 0.68) * size.cell, name, anchor="end", size=size.text)
        if linked:
            drawing.linked(view.classes[i][1], f"{view.classes[i][0]}: to its profile", start)
    for (i, j), row in view.rows.items():
        start = drawing.marks
        x, y = left + (j + 0.5) * wide, top + (i + 0.5) * size.cell
        if linked:
            drawing.fill(rectangle(x - wide / 2, y - size.cell / 2, wide, size.cell), "page", opacity=0.0)
        drawing.fill(triangle(x, y, up=_up(row), size=0.24 * size.cell), "ink", halo=True)
        if linked:
            drawing.linked(
                row.anchor,
                f"{row.name}, {row.title}: {row.effect} {row.interval}, confirmed",
                start,
                tabbed=False,
            )
    _legend(drawing, largest, legend_top)
    return drawing.chart(
        view.key, f"Map of classes and concepts: {view.title}", _map_words(view), sized=linked
    )


def _largest(view: MapView) -> float:
    """End of the colour scale: the largest effect, rounded up to a tenth."""
    largest = float(np.nanmax(np.abs(view.effects), initial=0.1))
    return math.ceil(largest * 10 - 1e-9) / 10


def _levels(
    effects: np.ndarray[tuple[int, ...], np.dtype[np.float64]], largest: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Shade of each effect, signed; NaN has none."""
    return np.asarray(np.rint(np.nan_to_num(effects) / largest * STEPS), dtype=np.float64)


def _tone(level: int) -> str:
    return "found" if level > 0 else "against"


def _opacity(level: int) -> float:
    return 0.97 * math.pow(abs(level) / STEPS, 1.1)


def _up(row: ScanRow) -> bool:
    return (row.finding.effect or 0.0) > 0.0


def _legend(drawing: Drawing, largest: float, top: float) -> None:
    """Shades from negative to positive with their values, and what the triangles mean."""
    step = 12.0
    start = 8.0
    for level in range(-STEPS, STEPS + 1):
        box = rectangle(start + (level + STEPS) * step, top, step, 10)
        if level:
            drawing.fill(box, _tone(level), opacity=_opacity(level))
        drawing.line(box, "line", width=0.5)
    width = (2 * STEPS + 1) * step
    for share, value, anchor in ((0.0, -largest, "start"), (0.5, 0.0, "middle"), (1.0, largest, "end")):
        drawing.text(start + share * width, top + 22, number(value, digits=1), tone="soft", anchor=anchor)
    drawing.text(start + width / 2, top + 36, "effect on the confirming images", tone="soft", anchor="middle")
    right = start + width + 22
    for line, up, words in (
        (5, True, "confirmed: associated"),
        (21, False, "confirmed: negatively associated"),
    ):
        drawing.fill(triangle(right, top + line, up=up, size=4), "ink")
        drawing.text(right + 10, top + line + 3.5, words, tone="soft")


def _map_words(view: MapView) -> str:
    rows, columns = view.effects.shape
    found = [f"{row.name}: {row.title} {row.effect} {row.interval}" for row in view.rows.values()]
    start = (
        f"{count(rows, 'class', 'classes')} by {count(columns, 'concept')}, in an order that sets alike ones "
        f"side by side; {count(len(found), 'pair')} confirmed"
    )
    return f"{start}: {'; '.join(found[:20])}{'; and more, all in the list' if len(found) > 20 else ''}."


def strip_chart(view: StripView, sheet: Sheet, *, linked: bool = True, letters: int = 22) -> Chart:
    """Confirmed classes, ranked, over the effects of all other classes."""
    left, right = LETTER * min(letters, max(len(row.name) for row in view.rows)) + 12, sheet.width - 124
    top, bottom = 18.0, 22.0 + len(view.rows) * STRIP_LINE
    ends = [value for row in view.rows for value in (row.finding.low, row.finding.high) if value is not None]
    scale = Scale([*view.others, *ends, -view.margin, view.margin], left=left, right=right)
    drawing = Drawing(sheet, width=sheet.width, height=bottom + 34)
    others = _bars([scale(value) for value in view.others])
    shape = "".join(rectangle(start, top, end - start, bottom - top) for start, end in others)
    drawing.fill(shape, "soft", opacity=0.28)
    ruled(drawing, scale, top=top, bottom=bottom, margin=view.margin)
    drawing.text(scale(0.0) - 5, 10, f"◂ more: {fitted(view.less, 16)}", tone="against", anchor="end")
    drawing.text(scale(0.0) + 5, 10, f"more: {fitted(view.more, 16)} ▸", tone="found")
    for position, row in enumerate(view.rows):
        y = top + 2 + (position + 0.5) * STRIP_LINE
        start = drawing.marks
        drawing.text(2, y + 3.5, fitted(row.name, letters))
        if linked:
            drawing.linked(row.anchor, f"{row.name}: to its profile", start)
        _whisker(drawing, scale, row, y)
        drawing.text(sheet.width - 2, y + 3.5, f"{row.effect} {row.interval}", anchor="end", size=9)
    drawing.text(
        (left + right) / 2,
        bottom + 27,
        "difference on the confirming images; dashed: margin",
        tone="soft",
        anchor="middle",
    )
    found = [f"{row.name} {row.effect} {row.interval}" for row in view.rows]
    return drawing.chart(
        view.key,
        f"Contrast over all classes: {view.title}, {view.bank}",
        f"Confirmed classes over grey lines of the other {len(view.others):,}: {'; '.join(found)}.",
    )


def _bars(places: Sequence[float], width: float = 0.8) -> list[tuple[float, float]]:
    """A bar around each place, those that touch joined: no browser draws them darker than one."""
    bars: list[tuple[float, float]] = []
    for place in sorted(places):
        start, end = place - width / 2, place + width / 2
        if bars and start <= bars[-1][1]:
            start = bars.pop()[0]
        bars.append((start, end))
    return bars


def _whisker(drawing: Drawing, scale: Scale, row: ScanRow, y: float) -> None:
    one, tone = row.finding, row.word.tone
    if one.low is not None and one.high is not None:
        drawing.line(f"M{at(scale(one.low))} {at(y)}H{at(scale(one.high))}", tone, width=2)
    if one.effect is None:
        return
    x = scale(one.effect)
    if one.confirmed:
        drawing.fill(triangle(x, y, up=_up(row), size=4), tone, halo=True)
    else:
        drawing.fill(circle(x, y, 2.8), "page")
        drawing.line(circle(x, y, 2.8), tone, width=1.4)


def forest_chart(view: Forest, sheet: Sheet) -> Chart:
    """All effects of a class with their intervals; what was selected is coloured."""
    labels = [fitted(line.title, 20) for line in view.lines]
    left, right = LETTER * max(map(len, labels)) + 10, sheet.width - 112
    top, bottom = 4.0, 8.0 + len(view.lines) * LINE
    ends = [v for line in view.lines for v in (line.effect, line.low, line.high) if v is not None]
    scale = Scale([*ends, -view.margin, view.margin], left=left, right=right)
    drawing = Drawing(sheet, width=sheet.width, height=bottom + 18)
    ruled(drawing, scale, top=top, bottom=bottom, margin=view.margin)
    heights = [top + 2 + (position + 0.5) * LINE for position in range(len(view.lines))]
    drawing.texts(2, [(y + 3.5, label) for y, label in zip(heights, labels, strict=True)])
    values = [_numbers(line.effect, line.low, line.high, view.digits) for line in view.lines]
    drawing.texts(
        sheet.width - 2, [(y + 3.5, value) for y, value in zip(heights, values, strict=True)], anchor="end"
    )
    whiskers, dots = [], []
    for y, line in zip(heights, view.lines, strict=True):
        if line.row is not None:
            _whisker(drawing, scale, line.row, y)
            continue
        dots.append(f"M{at(scale(line.effect))} {at(y)}h0")
        if line.low is not None and line.high is not None:
            whiskers.append(f"M{at(scale(line.low))} {at(y)}H{at(scale(line.high))}")
    drawing.line("".join(whiskers), "soft", width=1)
    drawing.line("".join(dots), "soft", width=4.4, dots=True)
    return drawing.chart(
        view.key, f"Effects for the {view.noun}s of {view.title}", _forest_words(view), font=False
    )


def _numbers(effect: float, low: float | None, high: float | None, digits: int) -> str:
    return f"{number(effect, digits=digits)} {interval(low, high, digits=digits)}"


def _forest_words(view: Forest) -> str:
    chosen = [line.row for line in view.lines if line.row is not None]
    words = "; ".join(f"{row.title} {row.effect} {row.interval}, {row.word.text}" for row in chosen)
    rest = [line.effect for line in view.lines if line.row is None]
    if not rest:
        return f"Selected: {words}."
    low, high = (number(value, digits=view.digits) for value in (min(rest), max(rest)))
    return f"Selected: {words}. The other {count(len(rest), view.noun)}: from {low} to {high}."
