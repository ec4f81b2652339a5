"""A verdict in words: on a terminal, as GitHub annotations, as a step summary or comment."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.policy.verdict import Outcome, Ruling, Verdict
from auditor.report.escape import (
    annotation_property,
    annotation_text,
    markdown_code,
    markdown_p,
    markdown_text,
    terminal_text,
)
from auditor.report.formats.markdown import table
from auditor.report.view.gate import NEXT_STEP, OUTCOMES, condensed, headline, kind_words, sentence
from auditor.report.words import count, digits_of, interval, number

COLOURS: dict[Outcome, str] = {"pass": "green", "fail": "red", "inconclusive": "yellow"}

MAX_ROWS = 50
MAX_ANNOTATIONS = 10
"""GitHub shows no more of each level for a step."""


def terminal_lines(verdict: Verdict, *, every: bool = False) -> Iterator[tuple[str, Outcome | None]]:
    """Lines for a terminal with the outcome that colours them: failures first.

    Args:
        verdict: The gate's answer.
        every: Passed findings too, not only their number.
    """
    yield f"gate {headline(verdict)}", verdict.outcome
    yield f"  {terminal_text(verdict.audit.title)}, policy {terminal_text(verdict.policy)}", None
    if verdict.baseline:
        name, created = terminal_text(verdict.baseline.title), terminal_text(verdict.baseline.created)
        yield f"  baseline {name}, audited {created}", None
    for outcome in ("fail", "inconclusive", "pass"):
        shown = [f for f in verdict.rulings if f.outcome == outcome]
        if outcome == "pass" and not every:
            shown = [f for f in shown if f.waiver]
        for ruling, alike in condensed(shown):
            more = f" and {alike - 1} more" if alike > 1 else ""
            title = f"{terminal_text(ruling.title)}{more}  [{terminal_text(ruling.rule)}]"
            yield f"{OUTCOMES[ruling.outcome].symbol} {title}", ruling.outcome
            text = ruling.reason if alike > 1 else sentence(ruling)
            yield f"    {terminal_text(text, longest=600)}", None
    for note in verdict.notes:
        yield f"note: {terminal_text(note, longest=600)}", None
    if verdict.outcome == "fail":
        yield f"next: {NEXT_STEP[0].lower()}{NEXT_STEP[1:]}", None


def github_annotations(verdict: Verdict) -> str:
    """Workflow commands that show failures and open questions beside the policy's lines."""
    lines = []
    for level, outcome in (("error", "fail"), ("warning", "inconclusive")):
        found = [f for f in verdict.rulings if f.outcome == outcome]
        for ruling, _ in list(condensed(found))[:MAX_ANNOTATIONS]:
            place = (
                f"file={annotation_property(verdict.policy_path)},line={ruling.line},"
                if verdict.policy_path
                else ""
            )
            title = annotation_property(terminal_text(f"{ruling.rule}: {ruling.title}"))
            lines.append(f"::{level} {place}title={title}::{annotation_text(sentence(ruling))}")
    return "\n".join([*lines, f"::notice title=auditor gate::{annotation_text(headline(verdict))}"]) + "\n"


def verdict_markdown(verdict: Verdict) -> str:
    """For a step summary or a comment on a pull request."""
    parts = [
        f"## {OUTCOMES[verdict.outcome].symbol} Concept audit gate {markdown_text(headline(verdict))}",
        f"Model {markdown_code(verdict.audit.title)}, "
        f"weights {markdown_code(verdict.audit.weights_sha256[:12])}, "
        f"policy {markdown_code(verdict.policy)}"
        + (f", baseline {markdown_code(verdict.baseline.title)}" if verdict.baseline else ""),
    ]
    shown = [f for o in ("fail", "inconclusive") for f in verdict.rulings if f.outcome == o]
    shown += [f for f in verdict.rulings if f.outcome == "pass" and f.waiver]
    header = ("", "class", "finding", "effect", "adjusted interval", "tolerated", "corrected p", "why")
    rows = [_row(f, alike) for f, alike in condensed(shown)]
    if rows:
        parts.append(table(header, rows[:MAX_ROWS], right=(3, 5, 6)))
    if len(rows) > MAX_ROWS:
        parts.append(f"{len(rows) - MAX_ROWS} more rows are not shown.")
    passed = verdict.count("pass") - verdict.waived
    if passed:
        parts.append(f"{OUTCOMES['pass'].symbol} {count(passed, 'finding')} within the policy.")
    if verdict.notes:
        parts.append("\n".join(f"- {markdown_text(note)}" for note in verdict.notes))
    return "\n\n".join(parts) + "\n"


def _row(ruling: Ruling, alike: int) -> tuple[str, ...]:
    state = "✓ waived" if ruling.waiver else f"{OUTCOMES[ruling.outcome].symbol} {ruling.outcome}"
    owner = markdown_code(ruling.class_name) if ruling.class_name else ""
    if alike > 1:
        return (state, owner, f"{alike} findings", "", "", "", "", markdown_text(ruling.reason))
    about = "/".join(part for part in (ruling.bank, ruling.subject) if part)
    return (
        state,
        owner,
        " ".join(
            filter(None, (markdown_code(about) if about else "", kind_words(ruling).removesuffix(": ")))
        ),
        number(ruling.effect, digits=digits_of(ruling.kind)),
        interval(ruling.low, ruling.high, digits=digits_of(ruling.kind)),
        number(ruling.tolerance, digits=digits_of(ruling.kind)),
        markdown_p(ruling.p_adjusted),
        markdown_text(ruling.reason),
    )
