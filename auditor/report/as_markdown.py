"""An audit in Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.policy.kept import kept_verdict
from auditor.records import Audit, ClassResult
from auditor.report.escape import markdown_code, markdown_text
from auditor.report.findings import decisive_contrasts
from auditor.report.view import ReportView, build_view
from auditor.report.words import CONTRASTS, DIRECTIONS, interval, number, p_text

MAX_ROWS = 40
"""Concepts shown over all classes; a comment may hold 65,536 characters, a reader holds fewer."""

PER_CLASS = 5
MAX_LISTED = 10


def render(audit: Audit, directory: Path) -> str:
    """The first page of the report: what was found, how far to trust it, what was not tested."""
    view = build_view(audit, kept_verdict(directory, audit))
    parts = [
        f"## Concept audit of {markdown_code(audit.model.name)}",
        *_standings(view),
        markdown_text(view.headline),
        *_banners(view),
        *_findings(view),
        *_strongest(audit),
        *_trust(view),
        *_listed("Not tested", view.not_tested),
        f"<sub>weights {markdown_code(audit.model.weights_sha256[:12])} · "
        f"{markdown_text(view.created)} · auditor {markdown_text(audit.environment.auditor)}</sub>",
    ]
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """A Markdown table of cells that are escaped already."""
    rule = ["---:" if i in right else "---" for i in range(len(header))]
    lines = [" | ".join(cells) for cells in (header, rule, *rows)]
    return "\n".join(f"| {line} |" for line in lines)


def _standings(view: ReportView) -> list[str]:
    return [
        f"**{s.symbol} {s.kind}: {markdown_text(s.word)}.** {markdown_text(s.text)}"
        + "".join(f"\n- {markdown_text(detail)}" for detail in s.details)
        for s in view.standings
    ]


def _banners(view: ReportView) -> list[str]:
    return [f"> **{markdown_text(b.title)}** {markdown_text(b.text)}" for b in view.banners]


def _findings(view: ReportView) -> list[str]:
    if not view.findings:
        return [markdown_text(view.no_findings)]
    return ["\n".join(f"- {markdown_text(f.sentence)} ({markdown_text(f.evidence)})" for f in view.findings)]


def _strongest(audit: Audit) -> list[str]:
    header = ("class", "concept", "", "score", "95% interval", "corrected p", "n")
    rows = [row for result in audit.classes for row in _class_rows(result)]
    if not rows:
        return []
    parts = ["### Strongest per class", table(header, rows[:MAX_ROWS], right=(3, 5, 6))]
    if len(rows) > MAX_ROWS:
        parts.append(f"{len(rows) - MAX_ROWS} more rows are in the report.")
    return parts


def _class_rows(result: ClassResult) -> list[tuple[str, ...]]:
    measured = [c for c in result.concepts if c.score is not None]
    measured.sort(key=lambda c: -abs(c.score or 0.0))
    rows: list[tuple[str, ...]] = [
        (
            markdown_code(result.name),
            markdown_code(f"{c.bank}/{c.concept}"),
            f"{DIRECTIONS[c.direction].symbol} {c.direction}",
            number(c.score),
            interval(c.score_low, c.score_high),
            _p(c.p_adjusted),
            str(c.n),
        )
        for c in measured[:PER_CLASS]
    ]
    for d in decisive_contrasts(result):
        pair = f"{markdown_code(f'{d.bank}/{d.more}')} against {markdown_code(d.less)}"
        rows.append(
            (
                markdown_code(result.name),
                pair + ("" if d.matched else " (not matched)"),
                f"{CONTRASTS[d.direction].symbol} {d.direction}",
                number(d.difference),
                interval(d.difference_low, d.difference_high),
                _p(d.p_adjusted),
                f"{d.n_more} + {d.n_less}",
            )
        )
    return rows


def _p(value: float | None) -> str:
    return p_text(value).replace("<", "&lt;").replace(">", "&gt;")


def _trust(view: ReportView) -> list[str]:
    header = ("class", "occluder, held-out images", "random occluder", "images", "controls")
    rows = [
        (
            markdown_code(row.name),
            f"{markdown_text(row.heldout)} of {markdown_text(row.heldout_n)}",
            markdown_text(row.random),
            markdown_text(row.images),
            f"{row.controls.symbol} {markdown_text(row.controls.text)}",
        )
        for row in view.trust[:MAX_ROWS]
    ]
    return ["### How far to trust it", table(header, rows)] if rows else []


def _listed(title: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    lines = [f"- {markdown_text(item)}" for item in items[:MAX_LISTED]]
    if len(items) > MAX_LISTED:
        lines.append(f"- and {len(items) - MAX_LISTED} more")
    return [f"### {title}", "\n".join(lines)]
