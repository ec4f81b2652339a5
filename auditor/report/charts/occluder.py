"""The chart of what the occluder does."""

from __future__ import annotations

from auditor.report.charts.style import ACCENT, INK, LINE, PAGE, ROW, Chart, Sheet, drawing, label, rows_axes
from auditor.report.view.classes import OcclusionFigure
from auditor.report.words import percent


def occlusion(data: OcclusionFigure, sheet: Sheet, *, key: str) -> Chart:
    """The class's probability before and after, and how often the prediction changed."""
    rows = len(data.bars) + 1
    before, after = data.before, data.after
    with drawing(rows * (ROW + 2) + 52, sheet.width) as (figure, svg):
        labels = ["class probability", *(name for name, _ in data.bars)]
        axes = rows_axes(figure, labels, width=min(160.0, 0.37 * sheet.width))
        axes.set_xlim(-0.02, 1.12)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25%", "50%", "75%", "100%"])
        axes.annotate(
            "",
            xy=(after, 0),
            xytext=(before, 0),
            arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.4, "shrinkA": 4, "shrinkB": 1},
        )
        axes.plot([before], [0], "o", markersize=7, markerfacecolor=PAGE, markeredgecolor=INK, zorder=3)
        if abs(before - after) < 0.3:  # two labels would lie on each other
            both = f"{percent(before)} before, {percent(after)} after"
            label(axes, max(before, after), 0, both, left=max(before, after) > 0.4, above=True)
        else:
            label(axes, before, 0, f"{percent(before)} before", left=before > 0.75, above=True)
            label(axes, after, 0, f"{percent(after)} after", left=after > 0.6, above=True)
        for y, (name, value) in enumerate(data.bars, start=1):
            axes.barh(y, value, height=0.46, color=LINE if "check" in name else ACCENT, zorder=2)
            label(axes, value, y, percent(value), left=False)
        axes.axhline(0.6, color=LINE, linewidth=0.8)
        axes.set_ylim(rows - 0.4, -0.75)
        axes.set_xlabel("top: mean probability; below: predictions changed")
        content = svg()
    found = [f"{name}: {percent(value)} of predictions changed" for name, value in data.bars]
    start = f"Mean probability of the class {percent(before)} before and {percent(after)} after"
    return sheet.chart(content, key, "Effect of the occluder", start, found)
