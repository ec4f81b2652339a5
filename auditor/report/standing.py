"""What stands at the very top of a report: the gate's verdict if there is one, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.policy.verdict import Outcome, Verdict
from auditor.records import Audit, ClassResult
from auditor.report.class_view import untrusted
from auditor.report.words import clean, count, listing, quoted

FEW_HIDDEN = 0.5
"""Share of held-out images hidden below which much of what the model uses may be missing."""
MOST_NAMED = 3


@dataclass(frozen=True)
class Standing:
    """One verdict: a word, why, and what it rests on."""

    kind: str
    """``Release gate`` or ``Trust``."""
    word: str
    symbol: str
    tone: str
    text: str
    details: tuple[str, ...] = ()


_GATE: dict[Outcome, tuple[str, str, str]] = {
    "pass": ("passed", "✓", "good"),
    "fail": ("failed", "✗", "bad"),
    "inconclusive": ("inconclusive", "?", "warn"),
}


def standings(audit: Audit, verdict: Verdict | None = None) -> tuple[Standing, ...]:
    """The gate's verdict first, where a policy was given; then how far the audit is to be trusted."""
    return (*([_gate(verdict)] if verdict is not None else []), _trust(audit))


def _gate(verdict: Verdict) -> Standing:
    # Not at the top: the words of a verdict are made for the terminal and stand above the reports.
    from auditor.report.gate_text import condensed, headline, sentence

    word, symbol, tone = _GATE[verdict.outcome]
    against = f", compared with {clean(verdict.baseline.model)}" if verdict.baseline else ""
    decisive = [f for f in verdict.findings if f.outcome == verdict.outcome != "pass"]
    # An established excess before an open question that the policy counts as failure.
    decisive.sort(key=lambda f: f.measured != "fail")
    named = list(condensed(decisive))
    details = [f"{clean(f.title)}: {clean(sentence(f))}" for f, _ in named[:MOST_NAMED]]
    if len(named) > MOST_NAMED:
        details.append(f"and {len(named) - MOST_NAMED} more; 'auditor gate' lists them")
    head = headline(verdict).partition(": ")[2]
    return Standing(
        kind="Release gate",
        word=word,
        symbol=symbol,
        tone=tone,
        text=f"{head[0].upper()}{head[1:]}. Policy {quoted(verdict.policy)}, on "
        f"{verdict.day.day} {verdict.day:%B %Y}{against}.",
        details=tuple(details),
    )


def _trust(audit: Audit) -> Standing:
    general = [quoted(c.name) for c in audit.controls if c.passed is False]
    failed = [c for c in audit.classes if untrusted(c)]
    if not audit.classes:
        return _standing("nothing to rely on", "✗", "bad", "No class could be audited.")
    if general:
        return _standing(
            "not to be relied on", "✗", "bad", f"A control of the whole audit failed: {listing(general)}."
        )
    if len(failed) == len(audit.classes):
        return _standing("not to be relied on", "✗", "bad", "A control failed for every class.")
    doubts = _doubts(audit, failed)
    if doubts:
        return _standing("to be relied on in part", "!", "warn", f"{_sentence(doubts)}.")
    return _standing(
        "controls held",
        "✓",
        "good",
        "Every control came out as it must. What an audit cannot say stands below all the same.",
    )


def _doubts(audit: Audit, failed: list[ClassResult]) -> list[str]:
    def named(classes: list[ClassResult]) -> str:
        if len(classes) == len(audit.classes) > 1:
            return "every class"
        names = [quoted(c.name) for c in classes[:MOST_NAMED]]
        more = len(classes) - len(names)
        return listing([*names, f"{more} more"] if more else names)

    groups = (
        (failed, "a control failed for {}, about which nothing is claimed"),
        (
            [c for c in audit.classes if c.images.source == "impressions"],
            "no photos were given for {}, images made from the model stood in",
        ),
        (
            [
                c
                for c in audit.classes
                if c.occluder.success_heldout is not None and c.occluder.success_heldout < FEW_HIDDEN
            ],
            "the occluder hides {} in fewer than half of the held-out images",
        ),
        ([c for c in audit.classes if c.specific is False], "the detector of {} is not specific to it"),
    )
    doubts = [text.format(named(classes)) for classes, text in groups if classes]
    open_ = sum(c.passed is None for r in audit.classes for c in r.controls)
    open_ += sum(c.passed is None for c in audit.controls)
    if open_:
        doubts.append(f"{count(open_, 'control was', 'controls were')} not run")
    return doubts


def _standing(word: str, symbol: str, tone: str, text: str) -> Standing:
    return Standing("Trust", word, symbol, tone, text)


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return text[0].upper() + text[1:]
