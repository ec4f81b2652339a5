"""Charts of releases: two side by side, or many in a row. Colours and SVG as in every report."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from auditor.compare import Change
from auditor.report.charts.classes import FONT, STAND_INS, Chart
from auditor.report.charts.svg import tidy
from auditor.report.words import digits_of, interval, number

WIDTH = 520.0
"""Points, as of every chart of a report."""
ROW = 22.0
LABEL_SHARE = 0.43
LONGEST_LABEL = 38
LONGEST_RELEASES = 80
"""Characters of the names of all releases together, side by side."""
MOST_LINES = 8
"""Lines that a reader can tell apart by their ends' names."""

_STYLES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "v", "D", "P", "X", "*")


def release_chart(
    rows: Sequence[tuple[str, Change]], *, key: str, of: str, colours: Mapping[str, str]
) -> Chart:
    """An open mark for the old release, a filled one for the new, each on its interval.

    Args:
        rows: Label and change, in order.
        key: Unique on the page.
        of: End of the title: ``of zebra``.
        colours: Stand-in to colour of the page.
    """

    def draw(figure: Figure) -> None:
        height = figure.get_figheight() * 72
        axes = figure.add_axes((LABEL_SHARE, 42 / height, 0.97 - LABEL_SHARE, 1 - 50 / height))
        axes.axvline(0, color=STAND_INS["soft"], linewidth=0.8)
        for y, (_, change) in enumerate(rows):
            for shift, value, low, high, fill, colour in (
                (-0.16, change.old, change.old_low, change.old_high, STAND_INS["page"], STAND_INS["soft"]),
                (0.16, change.new, change.new_low, change.new_high, STAND_INS["accent"], STAND_INS["accent"]),
            ):
                if low is not None and high is not None:
                    axes.plot([low, high], [y + shift] * 2, color=colour, linewidth=1.6)
                if value is not None:
                    axes.plot(
                        [value], [y + shift], "o", markersize=6, markerfacecolor=fill, markeredgecolor=colour
                    )
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), [_short(label) for label, _ in rows])
        axes.tick_params(axis="y", length=0, labelcolor=STAND_INS["ink"], labelsize=9.5)
        axes.set_xlabel("open: before, filled: after; with 95% intervals")
        axes.grid(axis="x", color=STAND_INS["line"], linewidth=0.6)

    found = [
        f"{label} {number(c.old, digits=n)} {interval(c.old_low, c.old_high, digits=n)} before, "
        f"{number(c.new, digits=n)} {interval(c.new_low, c.new_high, digits=n)} after"
        for label, c, n in ((label, c, digits_of(c.kind)) for label, c in rows)
    ]
    height = max(len(rows), 1) * ROW + 56
    return _chart(draw, height, key, f"Before and after {of}", "; ".join(found) or "Nothing.", colours)


def history_chart(
    series: Sequence[tuple[str, Sequence[tuple[int, float, float | None, float | None]], int]],
    releases: Sequence[str],
    *,
    key: str,
    of: str,
    colours: Mapping[str, str],
) -> Chart:
    """Effects over releases, each with its interval.

    Args:
        series: Name; for each release it was measured in position, effect, low, high; decimals in words.
        releases: Names of the releases, first to last.
        key: Unique on the page.
        of: End of the title.
        colours: Stand-in to colour of the page.
    """
    shown = series[:MOST_LINES]
    tones = ("accent", "against", "good", "bad")
    legend = 16.0 * -(-len(shown) // 2) + 8

    def draw(figure: Figure) -> None:
        tall = figure.get_figheight() * 72
        axes = figure.add_axes((0.09, (legend + 30) / tall, 0.89, 1 - (legend + 40) / tall))
        axes.axhline(0, color=STAND_INS["soft"], linewidth=0.8)
        for i, (_, points, _) in enumerate(shown):
            colour = STAND_INS[tones[i % len(tones)]]
            shift = (i - (len(shown) - 1) / 2) * 0.05
            x = [p[0] + shift for p in points]
            for position, point in zip(x, points, strict=True):
                if point[2] is not None and point[3] is not None:
                    axes.plot([position] * 2, [point[2], point[3]], color=colour, linewidth=1.0)
            axes.plot(
                x,
                [p[1] for p in points],
                linestyle=_STYLES[i // len(tones) % len(_STYLES)],
                marker=_MARKERS[i],
                markersize=5.5,
                color=colour,
                linewidth=1.6,
                label=_short(shown[i][0]),
            )
        axes.set_xticks(
            range(len(releases)), [_ending(name, LONGEST_RELEASES // len(releases)) for name in releases]
        )
        axes.set_xlim(-0.5, len(releases) - 0.5)
        axes.set_ylabel("effect")
        axes.grid(axis="y", color=STAND_INS["line"], linewidth=0.6)
        if shown:
            figure.legend(loc="lower left", bbox_to_anchor=(0.07, 0), ncols=2, frameon=False, fontsize=9.5)

    found = [
        f"{name}: " + ", ".join(f"{releases[p[0]]} {number(p[1], digits=digits)}" for p in points)
        for name, points, digits in shown
    ]
    return _chart(
        draw, 240.0 + legend, key, f"Effects over releases {of}", "; ".join(found) or "Nothing.", colours
    )


def _chart(
    draw: Callable[[Figure], None],
    height: float,
    key: str,
    title: str,
    description: str,
    colours: Mapping[str, str],
) -> Chart:
    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "auditor",
        "text.parse_math": False,  # a name may hold a dollar sign
        "font.family": "DejaVu Sans",  # ships with matplotlib: the same layout everywhere
        "font.size": 10.5,
        "axes.edgecolor": STAND_INS["line"],
        "axes.labelcolor": STAND_INS["soft"],
        "axes.labelsize": 9.5,
        "xtick.color": STAND_INS["soft"],
        "ytick.color": STAND_INS["soft"],
        "text.color": STAND_INS["ink"],
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        draw(figure)
        for axes in figure.axes:
            axes.patch.set_visible(False)
            axes.set_axisbelow(True)
        figure.patch.set_visible(False)
        buffer = io.BytesIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)  # type: ignore[no-untyped-call]
    svg = tidy(buffer.getvalue(), key=key, title=title, description=description, colours=colours, font=FONT)
    return Chart(key, title, description, svg)


def _short(text: str, longest: int = LONGEST_LABEL) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _ending(text: str, longest: int) -> str:
    """Of releases' names, the end tells them apart."""
    return text if len(text) <= longest else "…" + text[1 - longest :]
