"""Two releases side by side: the comparison as Markdown, JSON, HTML and PDF."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup

from auditor.compare import Change, Comparison
from auditor.records import Status
from auditor.report.charts.releases import release_chart
from auditor.report.charts.style import PRINT, SCREEN, Chart, Sheet
from auditor.report.escape import markdown_code, markdown_p, markdown_text
from auditor.report.formats.markdown import table
from auditor.report.templates import content_policy, rendered, static
from auditor.report.words import (
    Word,
    clean,
    count,
    digits_of,
    interval,
    listing,
    moment,
    number,
    p_text,
    subject_words,
)

STATUSES: dict[Status, Word] = {
    "new": Word("new", "✚", "bad"),
    "grown": Word("grown", "▲", "bad"),
    "shrunk": Word("shrunk", "▼", "good"),
    "gone": Word("gone", "✖", "good"),
    "inconclusive": Word("inconclusive", "?", "open"),
    "unchanged": Word("unchanged", "●", "none"),
}
"""In the order in which a reader wants them."""

MAX_ROWS = 40
MAX_DRAWN = 24
"""Findings of a class that its chart shows, those that changed most."""


@dataclass(frozen=True)
class ChangeRow:
    """A change as a table shows it."""

    name: str
    old: str
    old_interval: str
    new: str
    new_interval: str
    difference: str
    difference_interval: str
    p: str
    status: Word
    reason: str


def comparison_headline(comparison: Comparison) -> str:
    """How many findings have which status: ``Of 26 findings 1 is new and 25 are unchanged.``."""
    counted = []
    for status, word in STATUSES.items():
        one, many = ("has", "have") if status in ("grown", "shrunk") else ("is", "are")
        if n := comparison.count(status):
            counted.append(f"{n} {one if n == 1 else many} {word.text}")
    if not counted:
        return "The audits have no finding in common."
    return f"Of {count(len(comparison.changes), 'finding')} {listing(counted)}."


def comparison_markdown(comparison: Comparison) -> str:
    """Short enough for a comment on a pull request: what changed, then how many did not."""
    old, new = (markdown_code(r.title) for r in (comparison.old, comparison.new))
    changed = [c for c in _ordered(comparison.changes) if c.status not in ("unchanged", "inconclusive")]
    parts = [f"## Concept audits compared: {old} → {new}", markdown_text(comparison_headline(comparison))]
    header = ("class", "finding", "old", "new", "change", "adjusted interval", "corrected p", "")
    rows = [_markdown_row(c) for c in changed]
    if rows:
        parts.append(table(header, rows[:MAX_ROWS], right=(2, 3, 4, 6)))
    if len(rows) > MAX_ROWS:
        parts.append(f"{len(rows) - MAX_ROWS} more changed.")
    parts += ["\n".join(f"- {markdown_text(note)}" for note in comparison.notes)] if comparison.notes else []
    parts.append(
        f"<sub>unchanged: the whole adjusted interval of the change within ±{comparison.tolerance:g} "
        f"(associations) or ±{comparison.contrast_tolerance:g} (contrasts); changed: it excludes 0 and the "
        f"corrected p is at most {comparison.alpha:g}</sub>"
    )
    return "\n\n".join(parts) + "\n"


def comparison_json(comparison: Comparison) -> str:
    """Every number of the comparison."""
    text = json.dumps(comparison.model_dump(), indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace").decode() + "\n"


def comparison_html(comparison: Comparison) -> str:
    """One file that needs nothing else: no network, no script."""
    style = static("report.css") + static("comparison.css")
    return _page(
        comparison, SCREEN, style=style, policy=content_policy(style=style), draw=lambda chart: chart.svg
    )


def comparison_pdf(comparison: Comparison) -> bytes:
    """For print and for the file; tagged, with the comparison attached as JSON."""
    from auditor.report.formats.pdf import drawn_into, printed, stated_time

    numbers = comparison_json(comparison).encode()
    content: dict[str, tuple[bytes, str]] = {}

    page = _page(comparison, PRINT, style="", policy="", draw=drawn_into(content))
    return printed(
        page,
        styles=[static("print.css"), static("comparison-print.css")],
        content=content,
        created=stated_time(comparison.new.created),
        identifier=hashlib.sha256(numbers).hexdigest()[:32],
        attachments=[("comparison.json", numbers, "Every number of this comparison", "Data")],
    )


def _page(
    comparison: Comparison,
    colours: Mapping[str, str],
    *,
    style: str,
    policy: str,
    draw: Callable[[Chart], Markup],
) -> str:
    classes = [
        _class_changes(position, name, list(changes), colours)
        for position, (name, changes) in enumerate(groupby(comparison.changes, key=lambda c: c.class_name))
    ]
    return rendered(
        "comparison.html.j2",
        title=f"{clean(comparison.old.title)} → {clean(comparison.new.title)}",
        headline=comparison_headline(comparison),
        sides=[
            (label, clean(release.title), release.weights_sha256, moment(release.created))
            for label, release in (("before", comparison.old), ("after", comparison.new))
        ],
        classes=classes,
        notes=[clean(note) for note in comparison.notes],
        tolerance=f"{comparison.tolerance:g}",
        contrast_tolerance=f"{comparison.contrast_tolerance:g}",
        alpha=f"{comparison.alpha:g}",
        style=style,
        policy=policy,
        draw=draw,
    )


def _class_changes(
    position: int, name: str, changes: list[Change], colours: Mapping[str, str]
) -> dict[str, Any]:
    """The changes of one class as the template shows them."""
    ordered = _ordered(changes)
    statuses = [
        f"{n} {word.text}" for s, word in STATUSES.items() if (n := sum(c.status == s for c in changes))
    ]
    return {
        "anchor": f"class-{position}",
        "name": clean(name),
        "sentence": f"{count(len(changes), 'finding')}: {listing(statuses)}.",
        "rows": [_row(c) for c in ordered],
        "chart": release_chart(
            [(f"{STATUSES[c.status].symbol} {subject_words(c)}", c) for c in ordered[:MAX_DRAWN]],
            Sheet(f"of {clean(name)}", colours),
            key=f"c{position}",
        ),
    }


def _ordered(changes: Sequence[Change]) -> list[Change]:
    order = list(STATUSES)
    return sorted(changes, key=lambda c: (order.index(c.status), -abs(c.difference or 0.0)))


def _row(change: Change) -> ChangeRow:
    digits = digits_of(change.kind)
    return ChangeRow(
        name=subject_words(change),
        old=number(change.old, digits=digits),
        old_interval=interval(change.old_low, change.old_high, digits=digits),
        new=number(change.new, digits=digits),
        new_interval=interval(change.new_low, change.new_high, digits=digits),
        difference=number(change.difference, digits=digits),
        difference_interval=interval(change.adjusted_low, change.adjusted_high, digits=digits),
        p=p_text(change.p_adjusted),
        status=STATUSES[change.status],
        reason=clean(change.reason),
    )


def _markdown_row(change: Change) -> tuple[str, ...]:
    row = _row(change)
    return (
        markdown_code(change.class_name),
        markdown_code(row.name),
        row.old,
        row.new,
        row.difference,
        row.difference_interval,
        markdown_p(change.p_adjusted),
        f"{row.status.symbol} {row.status.text}",
    )
