"""What stands at the very top of a report: the gate's verdict if there is one, and what can be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.policy.verdict import Verdict
from auditor.records import Audit, ClassResult
from auditor.report.view.gate import OUTCOMES, condensed, headline, sentence
from auditor.report.words import capital, clean, count, first_few, listing, quoted

MOST_NAMED = 3


@dataclass(frozen=True)
class Standing:
    """One verdict: a word, why, and what it rests on."""

    kind: str
    """``Release gate``, ``Scores``, ``Explanations`` or ``Banks``."""
    word: str
    symbol: str
    tone: str
    text: str
    details: tuple[str, ...] = ()


def standings(audit: Audit, verdict: Verdict | None = None) -> tuple[Standing, ...]:
    """The gate's verdict first, where a policy was given; then what of the audit can be used."""
    gate = [_gate(verdict)] if verdict is not None else []
    return (*gate, _scores(audit), _explanations(audit), _banks(audit))


def _gate(verdict: Verdict) -> Standing:
    word = OUTCOMES[verdict.outcome]
    against = f", compared with {clean(verdict.baseline.title)}" if verdict.baseline else ""
    decisive = [r for r in verdict.rulings if r.outcome == verdict.outcome != "pass"]
    # An established excess before an open question that the policy counts as failure.
    decisive.sort(key=lambda r: r.measured != "fail")
    details = [f"{clean(r.title)}: {clean(sentence(r))}" for r, _ in condensed(decisive)]
    head = headline(verdict).partition(": ")[2]
    return Standing(
        kind="Release gate",
        word=word.text,
        symbol=word.symbol,
        tone=word.tone,
        text=f"{capital(head)}. Policy {quoted(verdict.policy)}, on "
        f"{verdict.day.day} {verdict.day:%B %Y}{against}.",
        details=tuple(first_few(details, MOST_NAMED, "and {} more; 'auditor gate' lists them")),
    )


def _scores(audit: Audit) -> Standing:
    """Whether scores and contrasts can be used."""
    if not audit.findings:
        return Standing("Scores", "not measured", "✗", "bad", "Nothing was measured.")
    withheld = [f for f in audit.findings if f.withheld]
    missing = [f for f in audit.findings if f.conclusion == "not measured"]
    reasons = list(dict.fromkeys(clean(f.reason) for f in [*withheld, *missing]))
    shown = _with_others(reasons)
    total = len(audit.findings)
    if len(withheld) + len(missing) == total:
        text = "Every finding is withheld by a check, or was not measured."
        return Standing("Scores", "not usable", "✗", "bad", text, tuple(shown))
    if withheld or missing:
        text = f"Checks withhold {len(withheld)} of {count(total, 'finding')}"
        text += f"; {len(missing)} not measured." if missing else "."
        return Standing("Scores", "usable in part", "!", "warn", text, tuple(shown))
    text = "Every check that concerns them passed. Below is what an audit cannot show."
    return Standing("Scores", "usable", "✓", "good", text)


def _explanations(audit: Audit) -> Standing:
    """Whether what rests on the occluder can be used."""
    usable = [c for c in audit.classes if c.explanation.measured]
    absent = [c for c in audit.classes if not c.explanation.measured]
    if not absent:
        text = "Layers and detector pictures rest on an occluder that works on held-out images."
        return Standing("Explanations", "usable", "✓", "good", text)
    reasons: dict[str, list[ClassResult]] = {}
    for result in absent:
        reasons.setdefault(clean(result.explanation.reason), []).append(result)
    details = _with_others([f"{_named(classes, audit)}: {reason}" for reason, classes in reasons.items()])
    text = "Importance, layers and detector pictures are not shown; scores do not rest on them."
    word = "usable in part" if usable else "not measured"
    return Standing("Explanations", word, "!", "warn", text, tuple(details))


def _banks(audit: Audit) -> Standing:
    """What the model was tested with, and whether groups were compared."""
    tested = listing([quoted(bank.title) for bank in audit.banks])
    grouped = [bank for bank in audit.banks if bank.groups]
    if not grouped:
        text = f"Tested with {tested}. No groups were compared: nothing is said of perceived gender or race."
        return Standing("Banks", "no groups compared", "!", "warn", text)
    screening = [bank for bank in grouped if bank.screening]
    text = f"Tested with {tested}."
    if not screening:
        return Standing("Banks", "groups compared", "✓", "good", text)
    names = listing([quoted(bank.title) for bank in screening])
    text += f" {names} only screen{'s' if len(screening) == 1 else ''}: what shows there needs photos."
    word = "groups screened only" if len(screening) == len(grouped) else "groups screened in part"
    return Standing("Banks", word, "!", "warn", text)


def _named(classes: Sequence[ClassResult], audit: Audit) -> str:
    if len(classes) == len(audit.classes) > 1:
        return "every class"
    return listing(first_few([quoted(c.name) for c in classes], MOST_NAMED))


def _with_others(reasons: list[str]) -> list[str]:
    others = count(len(reasons) - MOST_NAMED, "other reason")
    return first_few(reasons, MOST_NAMED, f"and {others}")
