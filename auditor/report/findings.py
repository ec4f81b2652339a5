"""What an audit found, in plain words: a verdict for every class and the findings to put first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from auditor.records import ClassResult, ConceptResult, ContrastResult
from auditor.report.words import clean, count, interval, listing, number, p_phrase, percent, quoted

MAX_FINDINGS = 3

Title = Callable[[str, str], str]
"""Bank name and concept name to the title a reader knows."""


@dataclass(frozen=True)
class Verdict:
    """The outcome for one class."""

    word: str
    symbol: str
    tone: str
    sentence: str


@dataclass(frozen=True)
class Finding:
    """One claim that the numbers carry, with those numbers."""

    class_position: int
    """Position of the class in the audit."""
    kind: Literal["concept", "contrast"]
    position: int
    """Position in the class's list of that kind."""
    sentence: str
    evidence: str
    direction: str
    strength: float
    """Distance from zero to the nearer end of the interval; orders findings."""


def failed_controls(result: ClassResult) -> list[str]:
    """Names of the class's controls that failed, each once: some are run for every bank."""
    names = (clean(control.name) for control in result.controls if control.passed is False)
    return list(dict.fromkeys(names))


def verdict(result: ClassResult, title: Title, *, failed: Sequence[str] = ()) -> Verdict:
    """Judge one class from the controls first, then from its directions.

    ``failed`` names controls of the whole audit that failed.
    """
    failed = [*failed, *failed_controls(result)]
    if failed:
        return Verdict(
            "not to be relied on",
            "✗",
            "bad",
            f"{'The control' if len(failed) == 1 else 'The controls'} {listing([quoted(f) for f in failed])} "
            "failed, so nothing is claimed about this class.",
        )
    by_direction: dict[str, list[ConceptResult]] = {}
    for concept in result.concepts:
        by_direction.setdefault(concept.direction, []).append(concept)
    associated = _titles(by_direction.get("associated", []), title)
    inhibiting = _titles(by_direction.get("inhibiting", []), title)
    differing = [c for c in decisive_contrasts(result) if c.direction in ("more", "less")]
    sentence = " ".join(_sentences(associated, inhibiting, differing, by_direction, result, title))
    if associated or differing:
        return Verdict("association found", "▲", "found", sentence)
    if inhibiting:
        return Verdict("inhibition found", "▼", "against", sentence)
    contrasts = decisive_contrasts(result)
    if by_direction.get("inconclusive") or any(c.direction == "inconclusive" for c in contrasts):
        return Verdict("inconclusive", "○", "open", sentence)
    if not result.concepts and not result.contrasts:
        return Verdict("nothing measured", "○", "open", "No concept could be measured for this class.")
    return Verdict("no association found", "●", "none", sentence)


def _titles(concepts: list[ConceptResult], title: Title) -> list[str]:
    ranked = sorted(concepts, key=lambda c: -abs(c.score or 0))
    return [quoted(title(c.bank, c.concept)) for c in ranked]


def _sentences(
    associated: list[str],
    inhibiting: list[str],
    differing: list[ContrastResult],
    by_direction: dict[str, list[ConceptResult]],
    result: ClassResult,
    title: Title,
) -> list[str]:
    parts = []
    if associated:
        parts.append(f"Associated with images labelled {listing(_shortened(associated))}.")
    for contrast in differing[:2]:
        parts.append(_contrast_claim(contrast, title))
    if inhibiting:
        parts.append(f"Inhibited by images labelled {listing(_shortened(inhibiting))}.")
    open_, ruled_out = (by_direction.get(key, []) for key in ("inconclusive", "not associated"))
    tail = []
    if ruled_out:
        tail.append(f"{count(len(ruled_out), 'concept')} not associated")
    if open_:
        tail.append(f"{count(len(open_), 'concept')} inconclusive")
    undecided = [c for c in decisive_contrasts(result) if c.direction == "inconclusive"]
    if undecided:
        tail.append(f"{count(len(undecided), 'contrast')} inconclusive")
    if tail:
        parts.append(listing(tail) + ".")
    return parts


def _shortened(names: list[str], most: int = 4) -> list[str]:
    return names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]


def decisive_contrasts(result: ClassResult) -> list[ContrastResult]:
    """One contrast for each pair of groups: the matched one where there is one."""
    chosen: dict[tuple[str, str, str], ContrastResult] = {}
    for contrast in result.contrasts:
        key = (contrast.bank, contrast.more, contrast.less)
        if key not in chosen or contrast.matched:
            chosen[key] = contrast
    return list(chosen.values())


def findings(classes: list[ClassResult], title: Title) -> list[Finding]:
    """The findings to put first, strongest first, every class heard before one is heard twice.

    Classes with a failed control have none. A contrast, where one was found, is always among them.
    """
    found = [finding for i, result in enumerate(classes) for finding in class_findings(i, result, title)]
    chosen: list[Finding] = []
    contrasts = [f for f in found if f.kind == "contrast"]
    if contrasts:
        chosen.append(contrasts[0] if len(contrasts) == 1 else max(contrasts, key=lambda f: f.strength))
    heard: set[int] = {f.class_position for f in chosen}
    ranked = sorted(found, key=lambda f: -f.strength)
    for again in (False, True):
        for finding in ranked:
            if len(chosen) == MAX_FINDINGS:
                break
            if finding not in chosen and (again or finding.class_position not in heard):
                chosen.append(finding)
                heard.add(finding.class_position)
    return sorted(chosen, key=lambda f: -f.strength)


def _others(share: float | None) -> str:
    """How unusual the class is with it: a finding that many classes share says little about one."""
    return "" if share is None else f"; {percent(share)} of the model's other classes as far"


def class_findings(position: int, result: ClassResult, title: Title) -> list[Finding]:
    """Everything claimed about one class, strongest first; nothing where a control failed."""
    if failed_controls(result):
        return []
    name = quoted(result.name)
    found = []
    for i, concept in enumerate(result.concepts):
        if concept.direction not in ("associated", "inhibiting"):
            continue
        label = quoted(title(concept.bank, concept.concept))
        sentence = (
            f"The class {name} is associated with images labelled {label}."
            if concept.direction == "associated"
            else f"Images labelled {label} lower the model's evidence for the class {name}."
        )
        found.append(
            Finding(
                class_position=position,
                kind="concept",
                position=i,
                sentence=sentence,
                evidence=f"score {number(concept.score)} {interval(concept.score_low, concept.score_high)}, "
                f"{p_phrase(concept.p_adjusted, name='corrected p')}, {count(concept.n, 'image')}"
                f"{_others(concept.class_share)}",
                direction=concept.direction,
                strength=_strength(concept.score, concept.score_low, concept.score_high),
            )
        )
    for contrast in decisive_contrasts(result):
        if contrast.direction not in ("more", "less"):
            continue
        found.append(
            Finding(
                class_position=position,
                kind="contrast",
                position=next(i for i, c in enumerate(result.contrasts) if c is contrast),
                sentence=f"The class {name} is {_contrast_words(contrast, title)}.",
                evidence=f"difference {number(contrast.difference)} "
                f"{interval(contrast.difference_low, contrast.difference_high)}, "
                f"{p_phrase(contrast.p_adjusted, name='corrected p')}, "
                f"{contrast.n_more} and {contrast.n_less} images, "
                f"{'matched' if contrast.matched else 'not matched on anything'}"
                f"{_others(contrast.class_share)}",
                direction=contrast.direction,
                strength=_strength(contrast.difference, contrast.difference_low, contrast.difference_high),
            )
        )
    return sorted(found, key=lambda f: -f.strength)


def _contrast_words(contrast: ContrastResult, title: Title) -> str:
    first, second = title(contrast.bank, contrast.more), title(contrast.bank, contrast.less)
    if contrast.direction == "less":
        first, second = second, first
    return f"associated more with images labelled {quoted(first)} than with images labelled {quoted(second)}"


def _contrast_claim(contrast: ContrastResult, title: Title) -> str:
    words = _contrast_words(contrast, title)
    return words[0].upper() + words[1:] + ("." if contrast.matched else " (groups not matched).")


def _strength(value: float | None, low: float | None, high: float | None) -> float:
    if low is None or high is None:
        return abs(value or 0.0)
    return min(abs(low), abs(high))
