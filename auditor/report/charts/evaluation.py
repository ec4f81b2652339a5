"""Curves of an evaluation, each with its interval, and bars, each with its standard deviation."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from auditor.evaluation_records import Bar, BarGroup, Bars, Curves
from auditor.report.charts.style import (
    ACCENT,
    INK,
    SMALL,
    SOFT,
    STAND_INS,
    Chart,
    Sheet,
    drawing,
    end_labels,
    lined,
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
GROUPS_ABREAST = 2
"""Groups of bars side by side; more start a new row."""
MOST_BARS = 8
"""Bars of a group: the first ones."""
BAR_ROW, NAMES = 190.0, 70.0
"""Points: height of a row of groups, and how much of it the names of the bars take."""


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


def bars_chart(bars: Bars, sheet: Sheet, *, key: str) -> Chart:
    """Grouped bars as in the paper's Figure 4; an error bar is a standard deviation over runs."""
    rows = -(-len(bars.groups) // GROUPS_ABREAST)
    shown = [BarGroup(name=group.name, bars=group.bars[:MOST_BARS]) for group in bars.groups]
    ends = [(one.value - (one.sd or 0), one.value + (one.sd or 0)) for group in shown for one in group.bars]
    low, high = min([0.0, *(end[0] for end in ends)]), max([0.01, *(end[1] for end in ends)])
    with drawing(max(1, rows) * BAR_ROW, sheet.width) as (figure, svg):
        for place, group in enumerate(shown):
            axes = _bar_axes(figure, place, rows)
            axes.set_ylim(low, high * 1.05)
            _draw_group(axes, group, labelled=place % GROUPS_ABREAST == 0)
        content = svg()
    found = [f"{clean(group.name)}: " + ", ".join(map(_told, group.bars)) for group in shown]
    return sheet.chart(content, key, clean(bars.title), f"{bars.unit}, with standard deviations", found)


def _bar_axes(figure: Figure, place: int, rows: int) -> Axes:
    """The place of one group: rows from the top, groups from the left."""
    row, column = divmod(place, GROUPS_ABREAST)
    height, width = rows * BAR_ROW, figure.get_figwidth() * 72
    each = (width - 44) / GROUPS_ABREAST
    bottom = height - (row + 1) * BAR_ROW + NAMES
    axes = figure.add_axes(
        ((40 + column * each) / width, bottom / height, (each - 14) / width, (BAR_ROW - NAMES - 22) / height)
    )
    lined(axes, "y")
    axes.tick_params(length=0, pad=4)
    axes.spines[:].set_visible(False)
    return axes


def _draw_group(axes: Axes, group: BarGroup, *, labelled: bool) -> None:
    places = range(len(group.bars))
    axes.bar(places, [one.value for one in group.bars], width=0.68, color=ACCENT, linewidth=0, zorder=2)
    for x, one in zip(places, group.bars, strict=True):
        if one.sd is not None:
            ends = [one.value - one.sd, one.value + one.sd]
            axes.plot([x, x], ends, color=INK, linewidth=1.3, solid_capstyle="butt", zorder=3)
    names = [shortened(clean(one.name), 13) for one in group.bars]
    axes.set_xticks(list(places), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.7, MOST_BARS - 0.3)
    axes.axhline(0, color=SOFT, linewidth=0.8, zorder=1)
    axes.set_title(shortened(clean(group.name), 28), loc="left", fontsize=SMALL, color=INK)
    if not labelled:
        axes.tick_params(axis="y", labelleft=False)


def _told(one: Bar) -> str:
    sd = "" if one.sd is None else f" (sd {number(one.sd)})"
    return f"{clean(one.name)} {number(one.value)}{sd}"
