"""Two scans side by side, as Markdown and JSON."""

from __future__ import annotations

import json

from auditor.compare.scans import ScanChange, ScanComparison
from auditor.report.escape import markdown_code, markdown_p, markdown_text
from auditor.report.formats.comparison import STATUSES
from auditor.report.formats.markdown import table
from auditor.report.words import count, digits_of, interval, listing, number

MAX_ROWS = 40


def scan_comparison_markdown(comparison: ScanComparison) -> str:
    """What changed, then how many did not."""
    old, new = (markdown_code(release.model) for release in (comparison.old, comparison.new))
    counted = [f"{n} {word.text}" for status, word in STATUSES.items() if (n := comparison.count(status))]
    total = count(len(comparison.changes), "finding")
    head = f"Of {total} confirmed in either scan: {listing(counted)}." if counted else "Nothing is confirmed."
    changed = [change for change in comparison.changes if change.status != "unchanged"]
    parts = [f"## Scans compared: {old} → {new}", markdown_text(head)]
    if changed:
        header = ("class", "finding", "old", "new", "change", "adjusted interval", "corrected p", "")
        parts.append(table(header, [_row(change) for change in changed[:MAX_ROWS]], right=(2, 3, 4, 6)))
    if len(changed) > MAX_ROWS:
        parts.append(f"{len(changed) - MAX_ROWS} more.")
    if comparison.notes:
        parts.append("\n".join(f"- {markdown_text(note)}" for note in comparison.notes))
    return "\n\n".join(parts) + "\n"


def scan_comparison_json(comparison: ScanComparison) -> str:
    """Every field of the comparison."""
    return json.dumps(comparison.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def _row(change: ScanChange) -> tuple[str, ...]:
    digits = digits_of(change.kind)
    word = STATUSES[change.status]
    return (
        markdown_code(change.class_name),
        markdown_code(f"{change.bank}/{change.subject}"),
        number(change.old, digits=digits),
        number(change.new, digits=digits),
        number(change.difference, digits=digits),
        interval(change.low, change.high, digits=digits),
        markdown_p(change.p_adjusted),
        f"{word.symbol} {word.text}",
    )
