"""How every chart of a report is drawn: colours of the page, figures, axes, and the SVG at the end.

matplotlib lays a chart out in stand-in colours. The caller names the colours of the page: CSS variables
on screen, so that a chart follows light and dark; plain colours in print. No global state of matplotlib
is used or changed, and the same data give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from auditor.records import Finding, Importance
from auditor.report.charts.svg import PLACE, TIP, tidy
from auditor.report.words import said

_PRINTED = {
    "ink": "#1c2430",
    "soft": "#5b6675",
    "line": "#d5dae1",
    "band": "#eef1f5",
    "page": "#ffffff",
    "accent": "#1d5fa8",
    "found": "#1d5fa8",
    "against": "#a8530b",
    "none": "#5b6675",
    "open": "#5b6675",
    "bad": "#b3261e",
    "good": "#2b6e3f",
}
"""Colours by name. Tones of outcomes use the same names as ``words.Word.tone``."""
STAND_INS = {name: f"#0102{i:02x}" for i, name in enumerate(_PRINTED, start=3)}
SCREEN = {stand_in: f"var(--chart-{name})" for name, stand_in in STAND_INS.items()}
PRINT = {STAND_INS[name]: colour for name, colour in _PRINTED.items()}
FONT = "Inter, 'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"

INK, SOFT, LINE, BAND, PAGE, ACCENT = (
    STAND_INS[name] for name in ("ink", "soft", "line", "band", "page", "accent")
)
TEXT = 11.0
SMALL = 10.5
FINE = 9.5
"""Where hundreds of names stand on one page."""
ROW = 19.5
"""Height of a row of a chart in points."""
PRINT_WIDTH = 520.0
SCREEN_WIDTH = 420.0
PHONE_WIDTH = 350.0
"""What a phone has. There, a point is a pixel, and text of ten can be read."""
MARKERS = {"found": "^", "against": "v", "none": "o", "open": "o"}
MAX_LABEL = 22
"""Characters of a row's name; the table has the whole."""


@dataclass(frozen=True)
class Chart:
    """A chart, and what it shows for readers who cannot see it."""

    key: str
    title: str
    description: str
    svg: Markup
    """The XML writer has escaped its texts."""


@dataclass(frozen=True)
class Sheet:
    """What a chart is drawn on."""

    subject: str
    """End of the title: ``for class “zebra”``."""
    colours: Mapping[str, str]
    """Stand-in to colour of the page: ``SCREEN`` or ``PRINT``."""
    width: float = SCREEN_WIDTH
    """Points."""

    @property
    def linked(self) -> bool:
        """Whether a reader can follow links: on screen."""
        return self.colours is SCREEN

    def narrowed(self, share: float) -> Sheet:
        """The same at a share of the width."""
        return replace(self, width=self.width * share)

    def chart(self, svg: bytes, key: str, title: str, start: str, items: Sequence[str] = ()) -> Chart:
        """The finished chart.

        Args:
            svg: As matplotlib wrote it.
            key: Unique on the page.
            title: Without the subject.
            start: Begins the description.
            items: What it goes on with.
        """
        title = f"{title} {self.subject}"
        description = f"{start}: {'; '.join(items)}." if items else f"{start}."
        text = tidy(svg, key=key, title=title, description=description, colours=self.colours, font=FONT)
        return Chart(key=key, title=title, description=description, svg=Markup(text))  # noqa: S704


@contextmanager
def drawing(height: float, width: float) -> Iterator[tuple[Figure, Any]]:
    """A figure of ``width`` by ``height`` points in our style, and a function that gives its SVG."""
    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "auditor",
        "text.parse_math": False,  # a name may hold a dollar sign
        "text.usetex": False,
        "font.family": "DejaVu Sans",  # ships with matplotlib, so that the layout is the same everywhere
        "font.size": TEXT,
        "axes.unicode_minus": True,
        "axes.edgecolor": SOFT,
        "axes.labelcolor": SOFT,
        "axes.labelsize": SMALL,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "text.color": INK,
        "path.simplify": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)

        def svg() -> bytes:
            buffer = io.BytesIO()
            figure.patch.set_visible(False)
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)  # type: ignore[no-untyped-call]
            return buffer.getvalue()

        yield figure, svg


def rows_axes(figure: Figure, labels: Sequence[str], *, width: float) -> Axes:
    """Axes with one row per label, first on top; the labels take ``width`` points."""
    height = figure.get_figheight() * 72
    left = width / (figure.get_figwidth() * 72)
    axes = figure.add_axes((left, 40 / height, 0.98 - left, 1 - 46 / height))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), list(labels))
    # Names start at the left edge, in line with the text of the page.
    axes.tick_params(axis="y", length=0, labelsize=TEXT, labelcolor=INK, pad=width - 2)
    for tick in axes.get_yticklabels():
        tick.set_horizontalalignment("left")
    axes.tick_params(axis="x", length=0, pad=5)
    lined(axes, "x")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.labelpad = 6
    axes.use_sticky_edges = False
    axes.margins(x=0.06)
    axes.spines[:].set_visible(False)
    return axes


def link_rows(axes: Axes, anchors: Sequence[str]) -> None:
    """Make each row's name a link to its row in the table, and a place that the row links back to."""
    for tick, anchor in zip(axes.get_yticklabels(), anchors, strict=True):
        tick.set_url(f"#{anchor}")
        tick.set_gid(f"{PLACE}{chart_anchor(anchor)}")


def chart_anchor(anchor: str) -> str:
    """The place in a chart that belongs to a row of a table."""
    return f"{anchor}-drawn"


def lined(axes: Axes, axis: Literal["x", "y"]) -> None:
    """Grid lines behind the drawing, and the page's own background."""
    axes.grid(axis=axis, color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)


def label_width(width: float) -> float:
    """Points for the names of rows in a figure of ``width`` points."""
    return min(150.0, 0.37 * width)


def plain_axes(figure: Figure) -> Axes:
    """Axes over layers, with room at the right for the names of lines."""
    width = figure.get_figwidth() * 72
    axes = figure.add_axes((48 / width, 0.24, 1 - 148 / width, 0.71))
    lined(axes, "y")
    axes.tick_params(length=0, pad=5)
    axes.spines[:].set_visible(False)
    return axes


def margin_band(axes: Axes, margin: float | None) -> None:
    """Shade the equivalence margin."""
    if margin:
        axes.axvspan(-margin, margin, color=BAND, linewidth=0, zorder=0)
        for side in (-margin, margin):
            axes.axvline(side, color=LINE, linewidth=0.8, linestyle=(0, (3, 2)), zorder=0.5)


def whisker(axes: Axes, y: int, finding: Finding | Importance, *, tip: str = "") -> None:
    """The estimate on its two intervals: the 95% one, and thin the one that conclusions rest on.

    ``tip`` is shown where a pointer rests on the mark.
    """
    tone = said(finding).tone
    colour = STAND_INS[tone]
    if finding.adjusted_low is not None and finding.adjusted_high is not None:
        segment(axes, finding.adjusted_low, finding.adjusted_high, y, colour, 0.9)
    if finding.low is not None and finding.high is not None:
        segment(axes, finding.low, finding.high, y, colour, 2.4)
    if finding.effect is not None:
        (mark,) = axes.plot(
            [finding.effect],
            [y],
            marker=MARKERS.get(tone, "o"),
            markersize=7.5,
            markeredgecolor=colour,
            markerfacecolor=PAGE if tone == "open" else colour,
            markeredgewidth=1.4,
            zorder=4,
        )
        if tip:
            mark.set_gid(f"{TIP}{tip}")


def segment(axes: Axes, low: float, high: float, y: float, colour: str, width: float) -> None:
    """A horizontal line."""
    axes.plot([low, high], [y, y], color=colour, linewidth=width, solid_capstyle="round", zorder=3)


def label(axes: Axes, x: float, y: float, text: str, *, left: bool, above: bool = False) -> None:
    """A small text beside a point."""
    axes.annotate(
        text,
        (x, y),
        xytext=(-6 if left else 6, 9 if above else 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        fontsize=SMALL,
        color=INK,
    )


def shortened(text: str, most: int = MAX_LABEL) -> str:
    """A name that fits; its end is cut off."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def end_labels(axes: Axes, ends: Sequence[tuple[str, float, str]], x: float) -> None:
    """Names of lines at their right end, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    line = 0.1 * (high - low)
    ends = sorted(ends, key=lambda end: end[1])
    half = [0.5 * line * (1 + label.count("\n")) for label, *_ in ends]
    places: list[float] = []
    for (_, value, _), own in zip(ends, half, strict=True):
        below = places[-1] + half[len(places) - 1] + own if places else low + own
        places.append(max(value, below))
    ceiling = high
    for i in reversed(range(len(places))):  # push back down what was pushed out at the top
        places[i] = min(places[i], ceiling - half[i])
        ceiling = places[i] - half[i]
    for (label, _, colour), y in zip(ends, places, strict=True):
        axes.text(x, y, label, color=colour, fontsize=SMALL, va="center", ha="left", clip_on=False)
    axes.set_ylim(low, high)
