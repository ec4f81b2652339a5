"""Every chart of a report as one SVG, the same drawing for screen and print.

matplotlib lays the chart out in stand-in colours; the caller names the colours of the page (CSS
variables on screen, so that a chart follows light and dark; plain colours in print). No global
state of matplotlib is used or changed, and the same data give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from auditor.report.charts.svg import tidy
from auditor.report.view.classes import ClassView, ContrastRow, LayerRow, OcclusionFigure, Row
from auditor.report.words import number, percent

# Stand-ins for the colours of the page. Tones of outcomes use the same names as ``words.Word.tone``.
STAND_INS = {
    "ink": "#010203",
    "soft": "#010204",
    "line": "#010205",
    "band": "#010206",
    "page": "#010207",
    "accent": "#010208",
    "found": "#010209",
    "against": "#01020a",
    "none": "#01020b",
    "open": "#01020c",
    "bad": "#01020d",
    "good": "#01020e",
}
SCREEN = {stand_in: f"var(--chart-{name})" for name, stand_in in STAND_INS.items()}
PRINT = {
    STAND_INS[name]: colour
    for name, colour in {
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
    }.items()
}
FONT = "Inter, 'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"

_INK, _SOFT, _LINE, _BAND, _PAGE, _ACCENT = (
    STAND_INS[n] for n in ("ink", "soft", "line", "band", "page", "accent")
)
_TEXT = 11.0
_SMALL = 9.5
_ROW = 19.5
"""Height of a row of a chart in points."""
PRINT_WIDTH = 520.0
SCREEN_WIDTH = 420.0
"""Narrow enough that a phone shows it whole and its text can still be read."""
_LEFT_SHARE = 0.66
"""Of the width, for the scores, where the paper's score stands beside them."""
_MARKERS = {"found": "^", "against": "v", "none": "o", "open": "o"}
MAX_LABEL = 22
"""Signs of a row's name; the table has the whole."""


@dataclass(frozen=True)
class Chart:
    """A chart, and what it shows for who cannot see it."""

    key: str
    title: str
    description: str
    svg: str


@dataclass(frozen=True)
class ClassCharts:
    """The charts of one class; ``None`` where there is nothing to draw."""

    occlusion: Chart | None
    scores: Mapping[str, Chart]
    """By key of the bank's section; likewise below."""
    paper: Mapping[str, Chart]
    responses: Mapping[str, Chart]
    layers: Chart | None
    effects: Mapping[str, Chart]
    contrasts: Chart | None


def class_charts(
    view: ClassView,
    *,
    margin: float | None,
    contrast_margin: float | None = None,
    colours: Mapping[str, str],
    side_by_side: bool = False,
) -> ClassCharts:
    """Draw everything for one class.

    ``side_by_side`` makes the paper's score a continuation of the scores' rows, without their names.
    """
    of = f"for class “{view.name}”"
    key = view.anchor
    sections = view.banks
    width = PRINT_WIDTH if side_by_side else SCREEN_WIDTH
    side_by_side = side_by_side and any(row.paper_value is not None for s in sections for row in s.charted)
    return ClassCharts(
        occlusion=occlusion(view.occlusion, key=f"{key}-occlusion", of=of, colours=colours, width=width)
        if view.occlusion
        else None,
        scores={
            s.key: scores(
                s.charted,
                margin=margin,
                key=f"{s.key}-scores",
                of=of,
                colours=colours,
                width=width * _LEFT_SHARE if side_by_side else width,
            )
            for s in sections
            if any(row.value is not None for row in s.charted)
        },
        paper={
            s.key: paper(
                s.charted,
                key=f"{s.key}-paper",
                of=of,
                colours=colours,
                width=width * (1 - _LEFT_SHARE) if side_by_side else width,
                named=not side_by_side,
            )
            for s in sections
            if any(row.paper_value is not None for row in s.charted)
        },
        responses={
            s.key: responses(s.charted, key=f"{s.key}-responses", of=of, colours=colours, width=width)
            for s in sections
            if any(len(row.responses) == _DECILES for row in s.charted)
        },
        layers=layers(view.layers, key=f"{key}-layers", of=of, colours=colours, width=width)
        if view.layers
        else None,
        effects={
            s.key: effects(s.charted, key=f"{s.key}-effects", of=of, colours=colours, width=width)
            for s in sections
            if any(len(row.effects) > 1 for row in s.charted)
        },
        contrasts=contrasts(
            view.contrasts,
            margin=contrast_margin,
            key=f"{key}-contrasts",
            of=of,
            colours=colours,
            width=width,
        )
        if any(c.value is not None for c in view.contrasts)
        else None,
    )


def scores(
    rows: Sequence[Row],
    *,
    margin: float | None,
    key: str,
    of: str,
    colours: Mapping[str, str],
    width: float,
) -> Chart:
    """Ranked concepts: effect, 95% interval, adjusted interval, equivalence margin."""
    with _figure(len(rows) * _ROW + 58, width) as (figure, canvas):
        axes = _rows_axes(figure, [row.title for row in rows], label_width=_label_width(width))
        _margin(axes, margin)
        for y, row in enumerate(rows):
            _whisker(axes, y, row)
        axes.set_xlabel("effect; thick: 95% interval, thin: adjusted")
        axes.axvline(0, color=_SOFT, linewidth=0.8, zorder=1)
        svg = canvas()
    found = [f"{row.title} {row.effect} {row.interval}, {row.word.text}" for row in rows]
    return _chart(
        svg, key, f"Concept effects {of}", _summary("Ranked from largest to smallest effect", found), colours
    )


def paper(
    rows: Sequence[Row],
    *,
    key: str,
    of: str,
    colours: Mapping[str, str],
    width: float,
    named: bool = True,
) -> Chart:
    """The paper's score with the standard deviation over benchmark draws, in the order of the effects."""
    with _figure(len(rows) * _ROW + 58, width) as (figure, canvas):
        axes = _rows_axes(
            figure,
            [row.title if named else "" for row in rows],
            label_width=_label_width(width) if named else 8,
        )
        for y, row in enumerate(rows):
            if row.paper_value is None:
                continue
            axes.barh(y, row.paper_value, height=0.5, color=_LINE, zorder=2)
            if row.paper_sd is not None:
                low = max(0.0, row.paper_value - row.paper_sd)
                _line(axes, low, row.paper_value + row.paper_sd, y, _INK, 1.2)
        axes.set_xlim(left=0)
        if not named:
            axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.set_xlabel("paper's score and sd")
        svg = canvas()
    found = [f"{row.title} {row.paper}" for row in rows]
    return _chart(svg, key, f"Paper's score {of}", _summary("In the order of the effects", found), colours)


_DECILES = 11


def responses(rows: Sequence[Row], *, key: str, of: str, colours: Mapping[str, str], width: float) -> Chart:
    """How the detector's response spreads over each concept's images, in deciles."""
    rows = [row for row in rows if len(row.responses) == _DECILES]
    with _figure(len(rows) * _ROW + 58, width) as (figure, canvas):
        axes = _rows_axes(figure, [row.title for row in rows], label_width=_label_width(width))
        axes.axvline(0, color=_SOFT, linewidth=0.8, zorder=1)
        for y, row in enumerate(rows):
            r = row.responses
            _line(axes, r[0], r[10], y, _SOFT, 0.8)
            for low, high, height, strength in (
                (1, 9, 0.5, 0.22),
                (2, 8, 0.5, 0.28),
                (3, 7, 0.5, 0.34),
                (4, 6, 0.5, 0.4),
            ):
                axes.barh(
                    y, r[high] - r[low], left=r[low], height=height, color=_ACCENT, alpha=strength, zorder=2
                )
            axes.plot([r[5], r[5]], [y - 0.34, y + 0.34], color=_INK, linewidth=1.6, zorder=3)
        axes.set_xlabel("log-scaled class probability per image")
        svg = canvas()
    found = [f"{row.title} median {number(row.responses[5])}" for row in rows]
    return _chart(
        svg, key, f"Distribution of responses {of}", _summary("Deciles for each concept", found), colours
    )


def contrasts(
    rows: Sequence[ContrastRow],
    *,
    margin: float | None,
    key: str,
    of: str,
    colours: Mapping[str, str],
    width: float,
) -> Chart:
    """Differences between groups with their intervals."""
    rows = [row for row in rows if row.value is not None]
    with _figure(len(rows) * (_ROW + 10) + 58, width) as (figure, canvas):
        labels = [f"{_short(r.label, 34)}\n{_short(r.how, 40)}" for r in rows]
        axes = _rows_axes(figure, labels, shorten=False, label_width=0.42 * width)
        _margin(axes, margin)
        for y, row in enumerate(rows):
            _whisker(axes, y, row)
        axes.axvline(0, color=_SOFT, linewidth=0.8, zorder=1)
        axes.set_xlabel("difference; thick: 95% interval, thin: adjusted")
        svg = canvas()
    found = [f"{r.label}, {r.how}: {r.effect} {r.interval}, {r.word.text}" for r in rows]
    return _chart(
        svg, key, f"Contrasts between groups {of}", _summary("Each with its interval", found), colours
    )


def occlusion(data: OcclusionFigure, *, key: str, of: str, colours: Mapping[str, str], width: float) -> Chart:
    """The class's probability before and after, and how often the prediction changed."""
    rows = len(data.bars) + 1
    with _figure(rows * (_ROW + 2) + 52, width) as (figure, canvas):
        labels = ["class probability", *(label for label, _ in data.bars)]
        axes = _rows_axes(figure, labels, label_width=min(160.0, 0.37 * width))
        axes.set_xlim(-0.02, 1.12)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25%", "50%", "75%", "100%"])
        before, after = data.before, data.after
        axes.annotate(
            "",
            xy=(after, 0),
            xytext=(before, 0),
            arrowprops={"arrowstyle": "-|>", "color": _INK, "linewidth": 1.4, "shrinkA": 4, "shrinkB": 1},
        )
        axes.plot([before], [0], "o", markersize=7, markerfacecolor=_PAGE, markeredgecolor=_INK, zorder=3)
        if abs(before - after) < 0.3:  # two labels would lie on each other
            both = f"{percent(before)} before, {percent(after)} after"
            _label(axes, max(before, after), 0, both, left=max(before, after) > 0.4, above=True)
        else:
            _label(axes, before, 0, f"{percent(before)} before", left=before > 0.75, above=True)
            _label(axes, after, 0, f"{percent(after)} after", left=after > 0.6, above=True)
        for y, (label, value) in enumerate(data.bars, start=1):
            colour = _LINE if "check" in label else _ACCENT
            axes.barh(y, value, height=0.46, color=colour, zorder=2)
            _label(axes, value, y, percent(value), left=False)
        axes.axhline(0.6, color=_LINE, linewidth=0.8)
        axes.set_ylim(rows - 0.4, -0.75)
        axes.set_xlabel("top: mean probability; below: predictions changed")
        svg = canvas()
    found = [f"{label}: {percent(value)} of predictions changed" for label, value in data.bars]
    start = f"Mean probability of the class {percent(before)} before and {percent(after)} after"
    return _chart(svg, key, f"Effect of the occluder {of}", _summary(start, found), colours)


def layers(rows: Sequence[LayerRow], *, key: str, of: str, colours: Mapping[str, str], width: float) -> Chart:
    """Per layer: reliability between refits, similarity to other classes."""
    with _figure(190, width) as (figure, canvas):
        axes = _plain_axes(figure)
        x = range(len(rows))
        series = (
            ("reliability", [row.reliability_value for row in rows], "o", "-", _ACCENT),
            (
                "similarity to\nother classes",
                [row.similarity_value for row in rows],
                "s",
                "--",
                STAND_INS["against"],
            ),
        )
        ends = []
        for label, values, marker, style, colour in series:
            points = [(i, v) for i, v in zip(x, values, strict=True) if v is not None]
            if not points:
                continue
            axes.plot(
                *zip(*points, strict=True),
                linestyle=style,
                marker=marker,
                markersize=5,
                linewidth=1.6,
                color=colour,
                markeredgecolor=_PAGE,
                zorder=3,
            )
            ends.append((label, points[-1][1], colour))
        low = min([0.0, *(v for _, vs, *_ in series for v in vs if v is not None)])
        axes.set_ylim(min(-0.05 if low < 0 else 0.0, low * 1.1), 1.05)
        _end_labels(axes, ends, len(rows) - 0.62)
        axes.axhline(0, color=_SOFT, linewidth=0.8)
        _layer_ticks(axes, [row.name for row in rows])
        axes.set_ylabel("rank correlation")
        svg = canvas()
    found = [f"{r.name}: reliability {r.reliability}, similarity {r.similarity}" for r in rows]
    return _chart(svg, key, f"What each layer says {of}", _summary("First to last layer", found), colours)


_EFFECT_LINES = 5
_LINE_STYLES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1)))


def effects(rows: Sequence[Row], *, key: str, of: str, colours: Mapping[str, str], width: float) -> Chart:
    """The strongest concepts' effect in each layer."""
    strongest = sorted(
        (r for r in rows if len(r.effects) > 1), key=lambda r: -max(abs(e) for _, e in r.effects)
    )
    strongest = strongest[:_EFFECT_LINES]
    names = list(dict.fromkeys(layer for row in strongest for layer, _ in row.effects))
    with _figure(190, width) as (figure, canvas):
        axes = _plain_axes(figure)
        axes.axhline(0, color=_SOFT, linewidth=0.8)
        ends = []
        for row, style in zip(strongest, _LINE_STYLES, strict=False):
            points = [(names.index(layer), effect) for layer, effect in row.effects]
            colour = STAND_INS[row.word.tone] if row.word.tone in ("found", "against") else _SOFT
            axes.plot(
                *zip(*points, strict=True),
                linestyle=style,
                marker=_MARKERS[row.word.tone],
                markersize=4.5,
                linewidth=1.5,
                color=colour,
                markeredgecolor=_PAGE,
                zorder=3,
            )
            ends.append((_short(row.title, 16), points[-1][1], colour))
        _end_labels(axes, ends, len(names) - 0.85)
        _layer_ticks(axes, names)
        axes.set_ylabel("effect in the layer")
        axes.yaxis.set_major_locator(MaxNLocator(5))
        svg = canvas()
    found = [
        f"{row.title}: " + ", ".join(f"{layer} {number(e)}" for layer, e in row.effects) for row in strongest
    ]
    return _chart(
        svg, key, f"Strongest concepts layer by layer {of}", _summary("Effect per layer", found), colours
    )


@contextmanager
def _figure(height: float, width: float) -> Iterator[tuple[Figure, Any]]:
    """A figure of ``width`` by ``height`` points in our style, and a function that gives its SVG."""
    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "auditor",
        "text.parse_math": False,  # a name may hold a dollar sign
        "text.usetex": False,
        "font.family": "DejaVu Sans",  # ships with matplotlib, so that the layout is the same everywhere
        "font.size": _TEXT,
        "axes.unicode_minus": True,
        "axes.edgecolor": _SOFT,
        "axes.labelcolor": _SOFT,
        "axes.labelsize": _SMALL,
        "xtick.color": _SOFT,
        "ytick.color": _SOFT,
        "xtick.labelsize": _SMALL,
        "ytick.labelsize": _SMALL,
        "text.color": _INK,
        "path.simplify": False,
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


def _rows_axes(figure: Figure, labels: Sequence[str], *, shorten: bool = True, label_width: float) -> Axes:
    """Axes with one row per label, first on top, and a grid that stays in the background."""
    height = figure.get_figheight() * 72
    left = label_width / (figure.get_figwidth() * 72)
    axes = figure.add_axes((left, 40 / height, 0.98 - left, 1 - 46 / height))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), [_short(label) if shorten else label for label in labels])
    # Names start at the left edge, in line with the text of the page.
    axes.tick_params(axis="y", length=0, labelsize=_TEXT, labelcolor=_INK, pad=label_width - 2)
    for tick in axes.get_yticklabels():
        tick.set_horizontalalignment("left")
    axes.tick_params(axis="x", length=0, pad=5)
    axes.grid(axis="x", color=_LINE, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.labelpad = 6
    axes.use_sticky_edges = False
    axes.margins(x=0.06)
    for side in axes.spines.values():
        side.set_visible(False)
    return axes


def _label_width(width: float) -> float:
    """Points for the names of rows in a figure of ``width`` points."""
    return min(150.0, 0.35 * width)


def _plain_axes(figure: Figure) -> Axes:
    width = figure.get_figwidth() * 72
    axes = figure.add_axes((48 / width, 0.24, 1 - 148 / width, 0.71))
    axes.grid(axis="y", color=_LINE, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    axes.tick_params(length=0, pad=5)
    for side in axes.spines.values():
        side.set_visible(False)
    return axes


def _layer_ticks(axes: Axes, names: Sequence[str]) -> None:
    """Name at most eight layers; more would run into each other."""
    step = max(1, -(-len(names) // 8))
    shown = [i for i in range(len(names)) if i % step == 0]
    turned = len(shown) > 5 or max(map(len, names)) > 12
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xticks(
        shown,
        [_short(names[i], 16) for i in shown],
        rotation=30 if turned else 0,
        ha="right" if turned else "center",
        rotation_mode="anchor",
    )


def _end_labels(axes: Axes, ends: Sequence[tuple[str, float, str]], x: float) -> None:
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
        axes.text(x, y, label, color=colour, fontsize=_SMALL, va="center", ha="left", clip_on=False)
    axes.set_ylim(low, high)


def _margin(axes: Axes, margin: float | None) -> None:
    if margin:
        axes.axvspan(-margin, margin, color=_BAND, linewidth=0, zorder=0)
        for side in (-margin, margin):
            axes.axvline(side, color=_LINE, linewidth=0.8, linestyle=(0, (3, 2)), zorder=0.5)


def _whisker(axes: Axes, y: int, row: Row | ContrastRow) -> None:
    """The estimate on its two intervals: the 95% one, and thin the one that conclusions rest on."""
    tone, value = row.word.tone, row.value
    colour = STAND_INS[tone]
    if row.wide_low is not None and row.wide_high is not None:
        _line(axes, row.wide_low, row.wide_high, y, colour, 0.9)
    if row.low is not None and row.high is not None:
        _line(axes, row.low, row.high, y, colour, 2.4)
    if value is not None:
        axes.plot(
            [value],
            [y],
            marker=_MARKERS.get(tone, "o"),
            markersize=7.5,
            markeredgecolor=colour,
            markerfacecolor=_PAGE if tone == "open" else colour,
            markeredgewidth=1.4,
            zorder=4,
        )


def _line(axes: Axes, low: float, high: float, y: float, colour: str, width: float) -> None:
    axes.plot([low, high], [y, y], color=colour, linewidth=width, solid_capstyle="round", zorder=3)


def _label(axes: Axes, x: float, y: float, text: str, *, left: bool, above: bool = False) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=(-6 if left else 6, 9 if above else 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        fontsize=_SMALL,
        color=_INK,
    )


def _short(text: str, most: int = MAX_LABEL) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _summary(start: str, items: Sequence[str]) -> str:
    return f"{start}: {'; '.join(items)}." if items else f"{start}."


def _chart(svg: bytes, key: str, title: str, description: str, colours: Mapping[str, str]) -> Chart:
    text = tidy(svg, key=key, title=title, description=description, colours=colours, font=FONT)
    return Chart(key=key, title=title, description=description, svg=text)
