"""A claim on a ruler from "out of the question" to "certain"."""

from __future__ import annotations

from matplotlib.axes import Axes

from auditor.report.charts.style import (
    ACCENT,
    INK,
    LINE,
    SMALL,
    SOFT,
    Chart,
    Sheet,
    drawing,
)
from auditor.report.view.summary import ClaimRuler

_HEIGHT = 58.0
_NEAR = 0.14
"""A mark nearer to an end than this has its words to one side."""


def ruler_chart(ruler: ClaimRuler, sheet: Sheet, *, key: str) -> Chart:
    """Mean log-scaled probability on the images with the label, and on those that they are compared with."""
    with drawing(_HEIGHT, sheet.width) as (figure, svg):
        axes = figure.add_axes((0.03, 0.46, 0.94, 0.22))
        axes.set_xlim(0, 1)
        axes.set_ylim(-1, 1)
        axes.axis("off")
        axes.plot([0, 1], [0, 0], color=LINE, linewidth=5, solid_capstyle="round", zorder=1)
        for tick in range(11):
            axes.plot([tick / 10] * 2, [-0.5, 0.5], color=SOFT, linewidth=0.5, zorder=2)
        axes.plot([ruler.other, ruler.own], [0, 0], color=ACCENT, linewidth=5, zorder=3)
        axes.plot([ruler.other], [0], "o", color=SOFT, markersize=7, zorder=4)
        axes.plot([ruler.own], [0], "D", color=ACCENT, markersize=7, zorder=5)
        _text(axes, ruler.own, f"{ruler.own_words} {ruler.own:.2f}", INK, above=True)
        _text(axes, ruler.other, f"{ruler.other_words} {ruler.other:.2f}", SOFT, above=False)
        for x, text, side in ((0, "0 out of the question", "left"), (1, "1 certain", "right")):
            axes.text(x, -3.2, text, ha=side, va="top", fontsize=SMALL, color=SOFT, clip_on=False)
        content = svg()
    start = (
        f"From 0, out of the question, to 1, certain: {ruler.own:.2f} on images labelled {ruler.own_words}, "
        f"{ruler.other:.2f} on {ruler.other_words}"
    )
    return sheet.chart(content, key, "Mean log-scaled probability", start)


def _text(axes: Axes, x: float, text: str, colour: str, *, above: bool) -> None:
    side = "left" if x < _NEAR else "right" if x > 1 - _NEAR else "center"
    axes.text(
        x,
        1.1 if above else -1.1,
        text,
        ha=side,
        va="bottom" if above else "top",
        fontsize=SMALL,
        color=colour,
        clip_on=False,
    )
