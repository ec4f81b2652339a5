"""Charts of releases: two side by side, or many in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditor.compare import Change
from auditor.records import Finding
from auditor.report.charts.style import (
    ACCENT,
    INK,
    PAGE,
    PRINT_WIDTH,
    SMALL,
    SOFT,
    STAND_INS,
    Chart,
    Sheet,
    drawing,
    lined,
    shortened,
)
from auditor.report.words import digits_of, effect_text, interval, number

ROW = 22.0
LABEL_SHARE = 0.43
LONGEST_LABEL = 38
LONGEST_RELEASES = 80
"""Characters of the names of all releases together, side by side."""
MOST_LINES = 8
"""Lines that a reader can keep apart."""

_STYLES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "v", "D", "P", "X", "*")
_TONES = ("accent", "against", "good", "bad")

Series = tuple[str, Mapping[int, Finding]]
"""Name of a finding, and the finding as each release has it that measured it, by the release's position."""


def release_chart(rows: Sequence[tuple[str, Change]], sheet: Sheet, *, key: str) -> Chart:
    """An open mark for the old release, a filled one for the new, each on its interval.

    Args:
        rows: Label and change, in order.
        sheet: What to draw on.
        key: Unique on the page.
    """
    height = max(len(rows), 1) * ROW + 56
    with drawing(height, PRINT_WIDTH) as (figure, svg):
        axes = figure.add_axes((LABEL_SHARE, 42 / height, 0.97 - LABEL_SHARE, 1 - 50 / height))
        axes.axvline(0, color=SOFT, linewidth=0.8)
        for y, (_, change) in enumerate(rows):
            for shift, value, low, high, fill, colour in (
                (-0.16, change.old, change.old_low, change.old_high, PAGE, SOFT),
                (0.16, change.new, change.new_low, change.new_high, ACCENT, ACCENT),
            ):
                if low is not None and high is not None:
                    axes.plot([low, high], [y + shift] * 2, color=colour, linewidth=1.6)
                if value is not None:
                    axes.plot(
                        [value], [y + shift], "o", markersize=6, markerfacecolor=fill, markeredgecolor=colour
                    )
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), [shortened(name, LONGEST_LABEL) for name, _ in rows])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_xlabel("open: before, filled: after; with 95% intervals")
        lined(axes, "x")
        content = svg()
    found = [
        f"{name} {number(c.old, digits=n)} {interval(c.old_low, c.old_high, digits=n)} before, "
        f"{number(c.new, digits=n)} {interval(c.new_low, c.new_high, digits=n)} after"
        for name, c, n in ((name, c, digits_of(c.kind)) for name, c in rows)
    ]
    return sheet.chart(content, key, "Before and after", "Effects with their 95% intervals", found)


def history_chart(series: Sequence[Series], releases: Sequence[str], sheet: Sheet, *, key: str) -> Chart:
    """Effects over releases, each with its interval.

    Args:
        series: The findings.
        releases: Names of the releases, first to last.
        sheet: What to draw on.
        key: Unique on the page.
    """
    shown = series[:MOST_LINES]
    legend = 16.0 * -(-len(shown) // 2) + 8
    height = 240.0 + legend
    with drawing(height, PRINT_WIDTH) as (figure, svg):
        axes = figure.add_axes((0.09, (legend + 30) / height, 0.89, 1 - (legend + 40) / height))
        axes.axhline(0, color=SOFT, linewidth=0.8)
        for i, (name, found) in enumerate(shown):
            colour = STAND_INS[_TONES[i % len(_TONES)]]
            x = [position + (i - (len(shown) - 1) / 2) * 0.05 for position in found]
            for place, one in zip(x, found.values(), strict=True):
                if one.adjusted_low is not None and one.adjusted_high is not None:
                    ends = [one.adjusted_low, one.adjusted_high]
                    axes.plot([place] * 2, ends, color=colour, linewidth=1.0)
            axes.plot(
                x,
                [one.effect or 0.0 for one in found.values()],
                linestyle=_STYLES[i // len(_TONES) % len(_STYLES)],
                marker=_MARKERS[i],
                markersize=5.5,
                color=colour,
                linewidth=1.6,
                label=shortened(name, LONGEST_LABEL),
            )
        longest = LONGEST_RELEASES // len(releases)
        axes.set_xticks(range(len(releases)), [_ending(name, longest) for name in releases])
        axes.set_xlim(-0.5, len(releases) - 0.5)
        axes.set_ylabel("effect")
        lined(axes, "y")
        if shown:
            figure.legend(loc="lower left", bbox_to_anchor=(0.07, 0), ncols=2, frameon=False, fontsize=SMALL)
        content = svg()
    words = [
        f"{name}: " + ", ".join(f"{releases[i]} {effect_text(one)}" for i, one in found.items())
        for name, found in shown
    ]
    return sheet.chart(content, key, "Effects over releases", "Effects with their intervals", words)


def _ending(text: str, longest: int) -> str:
    """The end of a release's name, which tells it from the others."""
    return text if len(text) <= longest else "…" + text[1 - longest :]
