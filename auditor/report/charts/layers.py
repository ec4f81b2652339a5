"""Charts over the layers of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from auditor.report.charts.style import (
    ACCENT,
    MARKERS,
    PAGE,
    SOFT,
    STAND_INS,
    Chart,
    Sheet,
    drawing,
    end_labels,
    plain_axes,
    shortened,
)
from auditor.report.view.concepts import ConceptRow
from auditor.report.view.layers import LayerRow
from auditor.report.words import number

HEIGHT = 190.0
"""Points."""
_EFFECT_LINES = 5
_LINE_STYLES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1)))


def layer_chart(rows: Sequence[LayerRow], sheet: Sheet, *, key: str) -> Chart:
    """Per layer: reliability between refits, similarity to other classes."""
    other = STAND_INS["against"]
    series = (
        ("reliability", [row.reliability_value for row in rows], "o", "-", ACCENT),
        ("similarity to\nother classes", [row.similarity_value for row in rows], "s", "--", other),
    )
    with drawing(HEIGHT, sheet.width) as (figure, svg):
        axes = plain_axes(figure)
        ends = []
        for label, values, marker, style, colour in series:
            points = [(i, v) for i, v in enumerate(values) if v is not None]
            if not points:
                continue
            _line(axes, points, style, marker=marker, markersize=5, linewidth=1.6, color=colour)
            ends.append((label, points[-1][1], colour))
        low = min([0.0, *(v for _, vs, *_ in series for v in vs if v is not None)])
        axes.set_ylim(min(-0.05 if low < 0 else 0.0, low * 1.1), 1.05)
        end_labels(axes, ends, len(rows) - 0.62)
        axes.axhline(0, color=SOFT, linewidth=0.8)
        _layer_ticks(axes, [row.name for row in rows])
        axes.set_ylabel("rank correlation")
        content = svg()
    found = [f"{r.name}: reliability {r.reliability}, similarity {r.similarity}" for r in rows]
    return sheet.chart(content, key, "Reliability and similarity of each layer", "First to last layer", found)


def effect_chart(rows: Sequence[ConceptRow], sheet: Sheet, *, key: str) -> Chart:
    """The strongest concepts' effect in each layer."""
    drawable = [row for row in rows if len(row.layer_effects) > 1]
    drawable.sort(key=lambda row: -max(abs(effect) for _, effect in row.layer_effects))
    strongest = drawable[:_EFFECT_LINES]
    names = list(dict.fromkeys(layer for row in strongest for layer, _ in row.layer_effects))
    with drawing(HEIGHT, sheet.width) as (figure, svg):
        axes = plain_axes(figure)
        axes.axhline(0, color=SOFT, linewidth=0.8)
        ends = []
        for row, style in zip(strongest, _LINE_STYLES, strict=False):
            points = [(names.index(layer), effect) for layer, effect in row.layer_effects]
            tone = row.word.tone
            colour = STAND_INS[tone] if tone in ("found", "against") else SOFT
            _line(axes, points, style, marker=MARKERS[tone], markersize=4.5, linewidth=1.5, color=colour)
            ends.append((shortened(row.title, 16), points[-1][1], colour))
        end_labels(axes, ends, len(names) - 0.85)
        _layer_ticks(axes, names)
        axes.set_ylabel("effect in the layer")
        axes.yaxis.set_major_locator(MaxNLocator(5))
        content = svg()
    found = [
        f"{row.title}: " + ", ".join(f"{layer} {number(e)}" for layer, e in row.layer_effects)
        for row in strongest
    ]
    return sheet.chart(content, key, "Strongest concepts layer by layer", "Effect per layer", found)


def _line(axes: Axes, points: Sequence[tuple[int, float]], style: Any, **look: Any) -> None:
    axes.plot(*zip(*points, strict=True), linestyle=style, markeredgecolor=PAGE, zorder=3, **look)


def _layer_ticks(axes: Axes, names: Sequence[str]) -> None:
    """Name at most eight layers; more would run into each other."""
    step = max(1, -(-len(names) // 8))
    shown = [i for i in range(len(names)) if i % step == 0]
    turned = len(shown) > 5 or max(map(len, names)) > 12
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xticks(
        shown,
        [shortened(names[i], 16) for i in shown],
        rotation=30 if turned else 0,
        ha="right" if turned else "center",
        rotation_mode="anchor",
    )
