"""Curves of an evaluation, each with its interval."""

from __future__ import annotations

from auditor.evaluation_records import Curves
from auditor.report.charts.style import (
    ACCENT,
    INK,
    SOFT,
    STAND_INS,
    Chart,
    Sheet,
    drawing,
    end_labels,
    plain_axes,
    shortened,
)
from auditor.report.words import clean, number

HEIGHT = 220.0
"""Points."""
LOOKS = (
    (ACCENT, "-", "o"),
    (STAND_INS["against"], "--", "s"),
    (STAND_INS["good"], "-.", "^"),
    (STAND_INS["bad"], (0, (4, 1, 1, 1)), "D"),
    (SOFT, ":", "v"),
    (INK, (0, (1, 1)), "x"),
)
"""Colour, line and marker; told apart without colour as well."""


def curves_chart(curves: Curves, sheet: Sheet, *, key: str) -> Chart:
    """Lines over common positions; a band is the 95% interval."""
    with drawing(HEIGHT, sheet.width) as (figure, svg):
        axes = plain_axes(figure)
        ends = []
        for place, line in enumerate(curves.lines):
            colour, style, marker = LOOKS[place % len(LOOKS)]
            values = [point.value for point in line.points]
            axes.plot(
                curves.x, values, color=colour, linestyle=style, marker=marker, markersize=4, linewidth=1.6
            )
            low = [p.value if p.low is None else p.low for p in line.points]
            high = [p.value if p.high is None else p.high for p in line.points]
            axes.fill_between(curves.x, low, high, color=colour, alpha=0.12, linewidth=0)
            ends.append((shortened(clean(line.name), 18), values[-1], colour))
        axes.set_xlabel(curves.x_title)
        axes.set_ylabel(curves.y_title)
        axes.margins(x=0.03)
        end_labels(axes, ends, axes.get_xlim()[1])
        content = svg()
    found = [
        f"{clean(line.name)}: "
        + ", ".join(f"{x:g} {number(p.value)}" for x, p in zip(curves.x, line.points, strict=True))
        for line in curves.lines
    ]
    return sheet.chart(content, key, clean(curves.title), f"{curves.y_title} over {curves.x_title}", found)
