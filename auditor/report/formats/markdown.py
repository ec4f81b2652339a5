"""An audit in Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.policy.kept import kept_verdict
from auditor.records import Audit, Finding, Importance, Probe
from auditor.report.escape import markdown_code, markdown_p, markdown_text
from auditor.report.view.audit import ReportView, build_view
from auditor.report.view.standing import Standing
from auditor.report.words import apart_text, effect_text, first_few, interval_text, said

MAX_ROWS = 40
"""Concepts shown over all classes; a comment may hold 65,536 characters, a reader holds fewer."""

GATE = "Release gate"
"""The standing that comes before everything else."""
PER_CLASS = 5
MAX_LISTED = 10


def render(audit: Audit, directory: Path) -> str:
    """The first page of the report: what was found, what can be used, what was not tested."""
    view = build_view(audit, kept_verdict(directory, audit))
    parts = [
        f"## Concept audit of {markdown_code(audit.model.name)}",
        *_standings([one for one in view.standings if one.kind == GATE]),
        markdown_text(view.headline),
        *_claims(view),
        *_standings([one for one in view.standings if one.kind != GATE]),
        *([markdown_text(view.scanned.sentence)] if view.scanned else []),
        *_listed("Not tested", view.not_tested),
        *_folded("Strongest per class", _strongest(audit)),
        *_folded("What can be used", [*_banners(view), *_trust(view)]),
        *_link(audit),
        f"<sub>weights {markdown_code(audit.model.weights_sha256[:12])} · "
        f"{markdown_text(view.created)} · auditor {markdown_text(audit.environment.auditor)}</sub>",
    ]
    return "\n\n".join(parts) + "\n"


def _folded(title: str, parts: Sequence[str]) -> list[str]:
    """Details that a reader opens; the empty lines let a host render the Markdown within."""
    return [f"<details><summary>{title}</summary>", *parts, "</details>"] if parts else []


def _link(audit: Audit) -> list[str]:
    """Where the whole report lies: beside this file."""
    names = {"html": "report.html", "pdf": "report.pdf"}
    made = [f"[{file}]({file})" for kind, file in names.items() if kind in audit.settings.get("formats", ())]
    return [f"The whole report: {', '.join(made)}"] if made else []


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """A Markdown table of cells that are escaped already."""
    rule = ["---:" if i in right else "---" for i in range(len(header))]
    lines = [" | ".join(cells) for cells in (header, rule, *rows)]
    return "\n".join(f"| {line} |" for line in lines)


def _standings(standings: Sequence[Standing]) -> list[str]:
    return [
        f"**{s.symbol} {s.kind}: {markdown_text(s.word)}.** {markdown_text(s.text)}"
        + "".join(f"\n- {markdown_text(detail)}" for detail in s.details)
        for s in standings
    ]


def _banners(view: ReportView) -> list[str]:
    return [f"> **{markdown_text(b.title)}** {markdown_text(b.text)}" for b in view.banners]


def _claims(view: ReportView) -> list[str]:
    if not view.claims:
        return [markdown_text(view.no_claims)]
    return ["\n".join(f"- {markdown_text(c.sentence)} ({markdown_text(c.numbers)})" for c in view.claims)]


def _strongest(audit: Audit) -> list[str]:
    header = ("class", "concept", "", "effect", "adjusted interval", "corrected p", "n", "seen in")
    rows = [row for result in audit.classes for row in _class_rows(audit, audit.of_class(result.index))]
    if not rows:
        return []
    parts = [table(header, rows[:MAX_ROWS], right=(3, 5, 6))]
    if len(rows) > MAX_ROWS:
        parts.append(f"{len(rows) - MAX_ROWS} more rows are in the report.")
    return parts


def _class_rows(audit: Audit, findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    measured = [f for f in findings if f.kind == "association" and f.effect is not None]
    measured.sort(key=lambda f: -abs(f.effect or 0.0))
    shown = (*measured[:PER_CLASS], *(f for f in findings if f.of_groups))
    return [_row(f, audit.importance_of(f), audit.probe_of(f)) for f in shown]


def _row(finding: Finding, importance: Importance | None, probe: Probe | None) -> tuple[str, ...]:
    about = markdown_code(f"{finding.bank}/{finding.subject}")
    n = str(finding.independent)
    if finding.of_groups:
        about = f"{markdown_code(f'{finding.bank}/{finding.more}')} against {markdown_code(finding.less)}"
        about += (
            " in context" if finding.kind == "in context" else "" if finding.matched else " (not matched)"
        )
        apart = apart_text(probe, finding.alpha)
        about += f", {apart}" if apart else ""
        n = f"{finding.independent} pairs" if finding.matched else f"{n} + {finding.independent_other}"
    word = said(finding)
    return (
        markdown_code(finding.class_name),
        about,
        f"{word.symbol} {markdown_text(word.text)}",
        effect_text(finding),
        interval_text(finding),
        markdown_p(finding.p_adjusted),
        n,
        importance.views if importance else "",
    )


def _trust(view: ReportView) -> list[str]:
    header = ("class", "sanity checks", "explanation", "images")
    rows = [
        (
            markdown_code(section.name),
            f"{section.checks_summary.symbol} {markdown_text(section.checks_summary.text)}",
            markdown_text(section.explanation_word),
            markdown_text(section.images_word),
        )
        for section in view.classes[:MAX_ROWS]
    ]
    return [table(header, rows)] if rows else []


def _listed(title: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    lines = [f"- {markdown_text(item)}" for item in items]
    return [f"### {title}", "\n".join(first_few(lines, MAX_LISTED, "- and {} more"))]
