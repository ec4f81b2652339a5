"""What stands at the very top of a report: the gate's verdict if there is one, and what can be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.compare.records import Release
from auditor.policy.verdict import Verdict
from auditor.records import Audit, ClassResult
from auditor.report.view.gate import OUTCOMES, condensed, headline, sentence
from auditor.report.words import Word, capital, clean, count, first_few, listing, moment, quoted

MOST_NAMED = 3
SUBJECTS = {
    "perceived gender": (("women", "men", "female", "male"), ("styled-woman", "styled-man")),
    "perceived race": (
        (
            *("black", "white", "asian", "indian", "east asian", "southeast asian"),
            *("latino hispanic", "middle eastern"),
        ),
        ("rendered-african", "rendered-european", "rendered-asian"),
    ),
}
"""What contrasts of people are about, with the groups of photos and of rendered people that show it."""


GATE, CHANGE = "Release gate", "Since the last release"


@dataclass(frozen=True)
class Standing:
    """One verdict: a word, why, and what it rests on."""

    kind: str
    """``Release gate``, ``Since the last release``, ``Scores``, ``Explanations`` or ``Banks``."""
    word: str
    symbol: str
    tone: str
    text: str
    details: tuple[str, ...] = ()

    @property
    def of_release(self) -> bool:
        """Whether a gate decided it; the others say what of the audit can be used."""
        return self.kind in (GATE, CHANGE)


def standings(audit: Audit, verdict: Verdict | None = None) -> tuple[Standing, ...]:
    """The gate's verdict first, where a policy was given; then what of the audit can be used.

    Where the gate had a baseline, what has changed since then comes second.
    """
    gate = [_gate(verdict)] if verdict is not None else []
    gate += [_change(verdict, verdict.baseline)] if verdict is not None and verdict.baseline else []
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
        kind=GATE,
        word=word.text,
        symbol=word.symbol,
        tone=word.tone,
        text=f"{capital(head)}. Policy {quoted(verdict.policy)}, on "
        f"{verdict.day.day} {verdict.day:%B %Y}{against}.",
        details=tuple(first_few(details, MOST_NAMED, "and {} more; 'auditor gate' lists them")),
    )


def _change(verdict: Verdict, baseline: Release) -> Standing:
    """How findings have grown since the baseline, as far as the policy limits it."""
    since = f"Since {clean(baseline.title)}, audited {moment(baseline.created)}"
    asked = [r for r in verdict.rulings if r.kind.endswith("growth")]
    held = [r for r in asked if r.effect is not None]
    if not held:
        why = "no finding could be compared" if asked else "the policy limits no growth"
        return Standing(CHANGE, "not tested", "?", "warn", f"{since}: {why}.")
    beyond = [r for r in held if r.measured == "fail"]
    unsettled = [r for r in held if r.measured == "inconclusive"]
    within = len(held) - len(beyond) - len(unsettled)
    text = (
        f"{since}, of {count(len(held), 'finding')} {len(beyond)} grew by more than the policy tolerates, "
        f"{len(unsettled)} {'is' if len(unsettled) == 1 else 'are'} undecided and {within} grew by no more."
    )
    if len(asked) > len(held):
        text += f" {len(asked) - len(held)} could not be compared."
    shown = sorted(beyond or unsettled, key=lambda r: -abs(r.effect or 0.0))
    details = [f"{clean(r.title)}: {clean(sentence(r))}" for r in shown]
    word = Word("grown", "✗", "bad") if beyond else OUTCOMES["inconclusive"]
    word = word if shown else Word("no growth", "✓", "good")
    return Standing(
        CHANGE, word.text, word.symbol, word.tone, text, tuple(first_few(details, MOST_NAMED, "and {} more"))
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


def _subjects(audit: Audit) -> tuple[str, ...]:
    """Of each subject, whether groups of people were compared."""
    measured = [f for f in audit.findings if f.of_groups and f.effect is not None]
    compared = {name.casefold() for f in measured for name in (f.more, f.less)}

    def word(photos: tuple[str, ...], rendered: tuple[str, ...]) -> str:
        if len(compared & set(photos)) > 1:
            return "compared"
        return (
            "screened with rendered people"
            if len(compared & set(rendered)) > 1
            else "no groups of that name were compared"
        )

    return tuple(f"{capital(subject)}: {word(*groups)}" for subject, groups in SUBJECTS.items())


def _banks(audit: Audit) -> Standing:
    """What the model was tested with, and whether groups were compared."""
    tested = listing([quoted(bank.title) for bank in audit.banks])
    grouped = [bank for bank in audit.banks if bank.groups]
    if not grouped:
        text = f"Tested with {tested}. No groups were compared: nothing is said of perceived gender or race."
        return Standing("Banks", "no groups compared", "!", "warn", text)
    subjects = _subjects(audit)
    screening = [bank for bank in grouped if bank.screening]
    text = f"Tested with {tested}."
    if not screening:
        return Standing("Banks", "groups compared", "✓", "good", text, subjects)
    names = listing([quoted(bank.title) for bank in screening])
    text += f" {names} only screen{'s' if len(screening) == 1 else ''}: what shows there needs photos."
    word = "groups screened only" if len(screening) == len(grouped) else "groups screened in part"
    return Standing("Banks", word, "!", "warn", text, subjects)


def _named(classes: Sequence[ClassResult], audit: Audit) -> str:
    if len(classes) == len(audit.classes) > 1:
        return "every class"
    return listing(first_few([quoted(c.name) for c in classes], MOST_NAMED))


def _with_others(reasons: list[str]) -> list[str]:
    others = count(len(reasons) - MOST_NAMED, "other reason")
    return first_few(reasons, MOST_NAMED, f"and {others}")
