"""What an audit found, in plain words: one line for every class, and the claims to put first.

Nothing is concluded here. Every word follows from the conclusion that a finding carries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auditor.findings import fallen
from auditor.records import Audit, Conclusion, Finding
from auditor.report.words import (
    capital,
    clean,
    count,
    digits_of,
    effect_text,
    first_few,
    interval_text,
    listing,
    number,
    p_phrase,
    percent,
    quoted,
)

MOST_CLAIMS = 3
MOST_NAMED = 4
MOST_CONTRASTS = 2
"""Findings of groups with a sentence of their own."""

Title = Callable[[str, str], str]
"""Bank name and concept name to the title a reader knows."""


@dataclass(frozen=True)
class ClassSummary:
    """The outcome for one class."""

    word: str
    symbol: str
    tone: str
    sentence: str


@dataclass(frozen=True)
class ClaimRuler:
    """Two means of e, 0 to 1, with the words for what they are of."""

    own: float
    own_words: str
    other: float
    other_words: str


@dataclass(frozen=True)
class Claim:
    """One claim with the numbers that carry it."""

    finding: Finding
    sentence: str
    numbers: str
    way: str = ""
    """The size of the effect in words."""
    ruler: ClaimRuler | None = None
    """``None`` where the means were not stored."""

    @property
    def strength(self) -> float:
        """Distance from zero to the nearer end of the interval, in margins; orders claims."""
        ends = (abs(self.finding.adjusted_low or 0.0), abs(self.finding.adjusted_high or 0.0))
        return min(ends) / max(self.finding.margin, 1e-9)


def titles(audit: Audit) -> Title:
    """The titles of the audit's concepts."""
    known = {(b.name, c.name): c.title for b in audit.banks for c in b.concepts}
    return lambda bank, concept: known.get((bank, concept)) or concept


def class_summary(findings: Sequence[Finding], title: Title) -> ClassSummary:
    """One class in a word and a sentence or two."""
    if not any(f.conclusion != "not measured" for f in findings):
        return ClassSummary("nothing measured", "○", "open", "Nothing could be measured for this class.")
    sentence = " ".join([*_claimed(findings, title), *_unclaimed(findings)])
    claims = [f for f in findings if f.claimed]
    if any(f.conclusion == "associated" or f.of_groups for f in claims):
        return ClassSummary("association found", "▲", "found", sentence)
    if claims:
        return ClassSummary("negative association found", "▼", "against", sentence)
    if any(f.conclusion == "screening" for f in findings):
        return ClassSummary("screening: look with photos", "◇", "warn", sentence)
    if all(f.withheld or f.conclusion == "not measured" for f in findings):
        return ClassSummary("withheld", "✗", "bad", sentence)
    if any(f.conclusion == "inconclusive" for f in findings):
        return ClassSummary("inconclusive", "○", "open", sentence)
    return ClassSummary("no association found", "●", "none", sentence)


def _claimed(findings: Sequence[Finding], title: Title) -> list[str]:
    parts = []
    for conclusion, words in (
        ("associated", "Associated with images labelled {}."),
        ("negatively associated", "Negatively associated with images labelled {}."),
    ):
        parts += _labelled([f for f in findings if f.conclusion == conclusion], words, title)
    differences = [f for f in findings if f.of_groups and f.claimed]
    for finding in differences[:MOST_CONTRASTS]:
        words = contrast_words(finding, title)
        parts.append(f"{capital(words)}{'' if finding.matched else ' (groups not matched)'}.")
    parts += _left_out(differences, "And {} between groups.")
    screened = [f for f in findings if f.conclusion == "screening"]
    for sign, words in (
        (1, "Screening: associated with images labelled {}; look with photos."),
        (-1, "Screening: negatively associated with images labelled {}; look with photos."),
    ):
        parts += _labelled([f for f in screened if (f.effect or 0.0) * sign > 0], words, title)
    of_groups = sorted((f for f in screened if f.of_groups), key=lambda f: -abs(f.effect or 0.0))
    for finding in of_groups[:MOST_CONTRASTS]:
        parts.append(f"Screening: {contrast_words(finding, title)}; look with photos.")
    return [*parts, *_left_out(of_groups, "Screening: {} between groups; look with photos.")]


def _labelled(findings: Sequence[Finding], words: str, title: Title) -> list[str]:
    """The associations among findings in one sentence, largest effect first; none where there is none."""
    found = sorted((f for f in findings if f.kind == "association"), key=lambda f: -abs(f.effect or 0.0))
    if not found:
        return []
    names = [quoted(title(f.bank, f.subject)) for f in found]
    most = MOST_NAMED if len(names) <= MOST_NAMED else MOST_NAMED - 1  # "1 more" is no shorter
    return [words.format(listing(first_few(names, most)))]


def _left_out(findings: Sequence[Finding], words: str) -> list[str]:
    """How many findings of groups have no sentence of their own."""
    rest = len(findings) - MOST_CONTRASTS
    return [words.format(count(rest, "more difference"))] if rest > 0 else []


def _unclaimed(findings: Sequence[Finding]) -> list[str]:
    withheld = [f for f in findings if f.withheld]
    tail = []
    for kind, noun, plural in (
        ("association", "concept", "concepts"),
        ("contrast", "contrast", "contrasts"),
        ("in context", "contrast in context", "contrasts in context"),
    ):
        own = [f for f in findings if f.kind == kind and not f.withheld]
        for conclusion, words in (
            ("not associated", "not associated" if kind == "association" else "without a difference"),
            ("inconclusive", "inconclusive"),
            ("not measured", "not measured"),
        ):
            n = sum(f.conclusion == conclusion for f in own)
            if n:
                tail.append(f"{count(n, noun, plural)} {words}")
    sentences = [f"{listing(tail)}."] if tail else []
    reasons = list(dict.fromkeys(f.reason for f in withheld))
    if reasons:
        more = f" and {count(len(reasons) - 1, 'other reason')}" if len(reasons) > 1 else ""
        sentences.append(f"{count(len(withheld), 'finding')} withheld: {clean(reasons[0])}{more}.")
    return sentences


def all_claims(findings: Sequence[Finding], title: Title) -> list[Claim]:
    """Every claim, strongest first."""
    claims = [claim(finding, title) for finding in findings if finding.claimed]
    return sorted(claims, key=lambda one: -one.strength)


def first_claims(findings: Sequence[Finding], title: Title) -> list[Claim]:
    """The claims to put first, strongest first; a class comes twice only after every class came once.

    Where there is a claim about groups, the strongest is always among them.
    """
    ranked = all_claims(findings, title)
    chosen = [one for one in ranked if one.finding.of_groups][:1]
    for again in (False, True):
        for one in ranked:
            seen = {other.finding.class_index for other in chosen}
            wanted = one not in chosen and (again or one.finding.class_index not in seen)
            if wanted and len(chosen) < MOST_CLAIMS:
                chosen.append(one)
    return sorted(chosen, key=lambda one: -one.strength)


def claim(finding: Finding, title: Title) -> Claim:
    """One claim in words."""
    name = quoted(finding.class_name)
    if finding.of_groups:
        sentence = f"The class {name} is {contrast_words(finding, title)}."
        units = (
            f"{finding.independent} matched pairs"
            if finding.matched
            else f"{finding.independent} and {finding.independent_other} images, not matched on anything"
        )
    else:
        label = quoted(title(finding.bank, finding.subject))
        verb = "is" if finding.conclusion == "associated" else "is negatively"
        sentence = f"The class {name} {verb} associated with images labelled {label}."
        units = count(finding.independent, "independent image")
    parts = [
        f"effect {effect_text(finding)} {interval_text(finding)}",
        p_phrase(finding.p_adjusted, name="corrected p"),
        units,
    ]
    numbers = "; ".join([", ".join(parts), *_notes(finding)])
    return Claim(finding, sentence, numbers, _way(finding), _ruler(finding, title))


def _way(finding: Finding) -> str:
    """How far the model goes towards the class, in tenths or hundredths."""
    size = abs(finding.effect or 0.0)
    parts, unit = (round(size * 10), "tenth") if size >= 0.095 else (round(size * 100), "hundredth")
    if not parts:
        return ""
    words = count(parts, unit) if parts > 12 else f"{_NUMBERS[parts]} {unit}{'' if parts == 1 else 's'}"
    down = "" if (finding.effect or 0.0) > 0.0 or finding.of_groups else ", downwards"
    return f"{capital(words)} of the way from “out of the question” to “certain”{down}."


_NUMBERS = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    "twelve",
)


def _ruler(finding: Finding, title: Title) -> ClaimRuler | None:
    if finding.mean is None or finding.mean_other is None:
        return None
    if finding.of_groups:
        own, other = (title(finding.bank, name) for name in (finding.more, finding.less))
        return ClaimRuler(finding.mean, clean(own), finding.mean_other, clean(other))
    own = title(finding.bank, finding.subject)
    return ClaimRuler(finding.mean, clean(own), finding.mean_other, "images compared with")


def _notes(finding: Finding) -> list[str]:
    """How unusual it is among classes, and what it depends on."""
    found = []
    if finding.class_share is not None:
        found.append(share_words(finding.class_share))
    if finding.taken_for_class:
        found.append(
            f"the model takes {finding.taken_for_class} of {count(finding.n, 'image')} for the class itself"
        )
    if names := fallen(finding):
        found.append(f"would not be claimed {listing([variant_words(name) for name in names])}")
    return found


def share_words(share: float) -> str:
    """How many other classes respond as strongly."""
    if share == 0:
        return "no other class of the model responds as strongly"
    return f"{percent(share)} of the model's other classes respond at least as strongly"


def variant_words(name: str) -> str:
    """A variant in a sentence."""
    name = clean(name)
    return f"at {name}" if name.startswith("temperature") else name


def variants_text(finding: Finding) -> str:
    """How a finding moves: its effect in every variant."""
    digits = digits_of(finding.kind)
    words: dict[Conclusion, str] = {
        "associated": "",
        "negatively associated": "",
        "not associated": ", within the margin",
        "inconclusive": ", across the margin",
    }
    return "; ".join(
        f"{number(v.effect, digits=digits)} {variant_words(v.name)}{words.get(v.conclusion, '')}"
        for v in finding.variants
    )


def contrast_words(finding: Finding, title: Title) -> str:
    """Which group a class is associated with more."""
    first, second = title(finding.bank, finding.more), title(finding.bank, finding.less)
    if (finding.effect or 0.0) < 0.0:
        first, second = second, first
    if finding.kind == "in context":
        return (
            f"answered more in its own pictures with images labelled {quoted(first)} pasted in than with "
            f"images labelled {quoted(second)}"
        )
    return f"associated more with images labelled {quoted(first)} than with images labelled {quoted(second)}"
