"""An audit in Markdown, for a comment on a pull request: the decision first, the details folded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.policy.kept import kept_verdict
from auditor.records import Audit, Finding, Importance, Probe
from auditor.report import FORMATS
from auditor.report.escape import markdown_code, markdown_p, markdown_text
from auditor.report.view.audit import ReportView, build_view
from auditor.report.view.standing import Standing
from auditor.report.words import apart_text, count, effect_text, first_few, interval_text, said

MAX_ROWS = 40
"""Concepts shown over all classes; a comment may hold 65,536 characters, a reader holds fewer."""

PER_CLASS = 5
MAX_LISTED = 10
GATE = "Release gate"
"""Kind of the verdict among the standings."""
PAGE = FORMATS["html"]
EFFECT = (
    "An effect is a difference of the log-scaled class probability, which goes from 0, out of the question, "
    "to 1, certain. Its interval is adjusted for all tests of its kind."
)


def render(audit: Audit, directory: Path) -> str:
    """What was decided, found, can be used and was not tested; folded, the reasons and the numbers."""
    view = build_view(audit, kept_verdict(directory, audit))
    parts = [
        f"## Concept audit of {markdown_code(audit.model.name)}",
        *_decision(view),
        *_claims(audit, view),
        "### What can be used",
        "\n".join(_standing(s) for s in view.standings if s.kind != GATE),
        *_listed("Not tested", view.not_tested),
        *_beside(audit, directory),
        *fold("Reasons and warnings", _reasons(view)),
        *fold("Strongest effects of each class", strongest(audit)),
        *fold("Checks, explanations and images of each class", trust(view)),
        f"<sub>weights {markdown_code(audit.model.weights_sha256[:12])} · "
        f"{markdown_text(view.created)} · auditor {markdown_text(audit.environment.auditor)}</sub>",
    ]
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """A Markdown table of cells that are escaped already."""
    rule = ["---:" if i in right else "---" for i in range(len(header))]
    lines = [" | ".join(cells) for cells in (header, rule, *rows)]
    return "\n".join(f"| {line} |" for line in lines)


def fold(title: str, parts: Sequence[str]) -> list[str]:
    """Markdown behind a line that opens it; nothing where there is nothing to show."""
    if not parts:
        return []
    return [f"<details>\n<summary>{title}</summary>", *parts, "</details>"]


def _decision(view: ReportView) -> list[str]:
    gate = [s for s in view.standings if s.kind == GATE]
    if not gate:
        return [f"**{markdown_text(view.headline)}** No policy was applied, so nothing passed or failed."]
    details = "".join(f"\n- {markdown_text(detail)}" for one in gate for detail in one.details)
    return [f"{_standing(gate[0]).removeprefix('- ')}{details}", f"**{markdown_text(view.headline)}**"]


def _standing(one: Standing) -> str:
    return f"- **{one.symbol} {one.kind}: {markdown_text(one.word)}.** {markdown_text(one.text)}"


def _claims(audit: Audit, view: ReportView) -> list[str]:
    scanned = [markdown_text(view.scanned.sentence)] if view.scanned else []
    if not view.claims:
        return [markdown_text(view.no_claims), *scanned]
    lines = [f"- {markdown_text(c.sentence.rstrip('.'))}: {markdown_text(c.numbers)}" for c in view.claims]
    rest = sum(f.claimed for f in audit.findings) - len(lines)
    more = [f"- and {count(rest, 'more claim')}"] if rest else []
    return ["\n".join([*lines, *more]), EFFECT, *scanned]


def _beside(audit: Audit, directory: Path) -> list[str]:
    """A link to the page, where it lies or will lie beside."""
    asked = audit.settings.get("formats")
    if (directory / PAGE).is_file() or (isinstance(asked, list) and "html" in asked):
        return [f"Full report with charts and pictures: [{PAGE}]({PAGE})"]
    return []


def _reasons(view: ReportView) -> list[str]:
    why = [f"- {s.kind}: {markdown_text(d)}" for s in view.standings if s.kind != GATE for d in s.details]
    return [*(["\n".join(why)] if why else []), *warnings(view)]


def warnings(view: ReportView) -> list[str]:
    """Each warning of the report as a quotation."""
    return [f"> **{markdown_text(b.title)}** {markdown_text(b.text)}" for b in view.banners]


def strongest(audit: Audit) -> list[str]:
    """A table of the strongest effects of each class, and how many rows it leaves out."""
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


def trust(view: ReportView) -> list[str]:
    """A table of what of each class can be used; none where there is no class."""
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
