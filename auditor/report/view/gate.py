"""A verdict in sentences: what the terminal, the step summary and the top of a report say of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.policy.verdict import Outcome, Ruling, Verdict
from auditor.report.words import Word, digits_of, interval, number, p_phrase

OUTCOMES: dict[Outcome, Word] = {
    "pass": Word("passed", "✓", "good"),
    "fail": Word("failed", "✗", "bad"),
    "inconclusive": Word("inconclusive", "?", "warn"),
}
HEADLINES: dict[Outcome, str] = {
    "pass": "passed: every finding lies within the policy",
    "fail": "failed: an effect beyond the policy is established",
    "inconclusive": "inconclusive: not everything could be shown to lie within the policy",
}


NEXT_STEP = (
    "Look at the class in the report. An association that is meant goes into [[expected]] of the policy, an "
    "excess that its owner accepts until a date into [[waiver]]"
)
"""What to do after a failure."""


def headline(verdict: Verdict) -> str:
    """``failed: ... (2 failed, 1 inconclusive, 30 passed, 1 of them waived)``.

    A failure says whether an effect or an open question made it one.
    """
    text = (
        f"{verdict.count('fail')} failed, {verdict.count('inconclusive')} inconclusive, "
        f"{verdict.count('pass')} passed"
    )
    waived = f", {verdict.waived} of them waived" if verdict.waived else ""
    outcome = HEADLINES[verdict.outcome]
    failed = [f for f in verdict.rulings if f.outcome == "fail"]
    if failed and all(f.measured == "inconclusive" for f in failed):
        outcome = "failed: not everything could be decided, and the policy counts that as failure"
    return f"{outcome} ({text}{waived})"


def sentence(ruling: Ruling) -> str:
    """``growth: 0.31 [0.20, 0.42], corrected p < 0.001: beyond the tolerated 0.1 upward``."""
    if ruling.effect is None:
        return ruling.reason
    digits = digits_of(ruling.kind)
    ends = interval(ruling.low, ruling.high, digits=digits)
    p = p_phrase(ruling.p_adjusted, name="corrected p")
    return f"{kind_words(ruling)}{number(ruling.effect, digits=digits)} {ends}, {p}: {ruling.reason}"


def condensed(rulings: Sequence[Ruling]) -> Iterator[tuple[Ruling, int]]:
    """Findings in order; those of a class that share a reason not to be concluded from count as one."""
    groups: dict[object, list[Ruling]] = {}
    for position, ruling in enumerate(rulings):
        alike = (ruling.rule, ruling.class_name, ruling.reason) if not ruling.trusted else position
        groups.setdefault(alike, []).append(ruling)
    for group in groups.values():
        yield group[0], len(group)


def kind_words(ruling: Ruling) -> str:
    """What kind of number the ruling is about, ready to stand before it."""
    if ruling.kind == "in context growth":
        return "growth in context: "
    if ruling.kind.endswith("growth"):
        return "growth: "
    if ruling.kind == "in context":
        return "in context: "
    return {True: "matched groups: ", False: "groups not matched: ", None: ""}[ruling.matched]
