"""The findings of two releases measured again on the same images, and the differences between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from scipy import stats

from auditor.compare.align import class_pairs
from auditor.compare.both import Both
from auditor.findings import Numbers, conclude_all
from auditor.randomness import stream
from auditor.records import Audit, BankRecord, Finding, FindingKind
from auditor.statistics.arrays import FloatArray
from auditor.statistics.effects import Effect, Inference
from auditor.statistics.multiplicity import holm, permutations_needed
from auditor.statistics.probability import AS_IT_IS, at_temperature
from auditor.statistics.samples import ConceptSample, GroupSample

REPRODUCED_WITHIN = 0.01
"""By how much an effect made from the arrays may differ from the recorded one. Beyond it the arrays are not
what the effect was made from."""

Key = tuple[FindingKind, str, str]
"""Kind, bank and subject of a finding."""

Value = TypeVar("Value")

Shared = tuple[Finding, Finding, Finding]
"""A finding that both audits have: old, new at the old temperature, new as audited."""


def measured_again(old: Audit, new: Audit, both: Both, temperature: float) -> dict[tuple[int, Key], Finding]:
    """Every new finding at the old model's temperature, concluded again.

    A finding that the arrays do not reproduce stays as it was audited.
    """
    findings = {(f.class_index, f.key): f for f in new.findings}
    if temperature == 1.0:
        return findings
    for before, after in class_pairs(old, new):
        for bank in new.banks:
            responses = both.responses(bank.name, before.index, after.index)
            if responses is None:
                continue
            own = [f for f in new.of_class(after.index) if f.bank == bank.name]
            recorded = _means(both, bank, own, responses[1][AS_IT_IS])
            response = at_temperature(responses[1], temperature)
            effects = _effects(both, bank, own, response, _inference(new, own), "audit")
            for finding in own:
                effect = effects.get(finding.key)
                if effect is not None and _reproduced(recorded, finding.key, finding):
                    numbers = ("effect", "low", "high", "adjusted_low", "adjusted_high", "p_value")
                    again = {name: getattr(effect, name) for name in numbers}
                    findings[after.index, finding.key] = finding.model_copy(update=again)
    return dict(zip(findings, conclude_all(list(findings.values())), strict=True))


@dataclass(frozen=True)
class Move:
    """How far a finding moved."""

    numbers: Numbers
    low: float | None
    high: float | None
    p_value: float | None
    paired: bool


def moves(
    shared: Sequence[Shared],
    old: Audit,
    new: Audit,
    both: Both,
    temperature: float,
) -> list[Move]:
    """The effects of the differences between the releases, corrected for all of them together."""
    alpha = float(new.settings["alpha"])
    family = max(1, sum(was.effect is not None and now.effect is not None for was, now, _ in shared))
    paired: dict[tuple[int, Key], Effect] = {}
    for before, after in class_pairs(old, new):
        for bank in new.banks:
            responses = both.responses(bank.name, before.index, after.index)
            own = [s for s in shared if s[2].class_index == after.index and s[2].bank == bank.name]
            if responses is None or not own:
                continue
            inference = Inference(
                max(int(new.settings["permutations"]), permutations_needed(family, alpha)),
                int(new.settings["bootstrap"]),
                alpha,
                family,
            )
            earlier = responses[0][AS_IT_IS]
            difference = at_temperature(responses[1], temperature) - earlier
            audited = [finding for _, _, finding in own]
            moved = _effects(both, bank, audited, difference, inference, "change")
            before_again = _means(both, bank, audited, earlier)
            after_again = _means(both, bank, audited, responses[1][AS_IT_IS])
            for was, _, finding in own:
                recorded = _reproduced(before_again, finding.key, was) and _reproduced(
                    after_again, finding.key, finding
                )
                if recorded and finding.key in moved:
                    paired[after.index, finding.key] = moved[finding.key]
    found = [
        _paired(effect) if (effect := paired.get((f.class_index, f.key))) else _apart(was, now, family)
        for was, now, f in shared
    ]
    tested = [i for i, move in enumerate(found) if move.p_value is not None]
    for i, p in zip(tested, holm([found[i].p_value or 1.0 for i in tested]), strict=True):
        found[i] = replace(found[i], numbers=replace(found[i].numbers, p_adjusted=float(p)))
    return found


def _inference(audit: Audit, findings: Sequence[Finding]) -> dict[str, Inference]:
    """Kind to how findings of it were tested."""
    settings = audit.settings
    return {
        f.kind: Inference(int(settings["permutations"]), int(settings["bootstrap"]), f.alpha, f.family)
        for f in findings
        if f.family
    }


def _effects(
    both: Both,
    bank: BankRecord,
    findings: Sequence[Finding],
    response: FloatArray,
    inference: Inference | Mapping[str, Inference],
    purpose: str,
) -> dict[Key, Effect]:
    """The statistic of every tested finding on other responses [images] to the same images."""

    def draws(finding: Finding, *place: str | int) -> dict[str, Any]:
        how = inference if isinstance(inference, Inference) else inference[finding.kind]
        return {"inference": how, "rng": stream(0, purpose, finding.kind, bank.name, *place)}

    return _of_each(
        both,
        bank,
        [f for f in findings if f.p_value is not None],
        contrast=lambda sample, one: sample.effect(response, **draws(one, one.subject, one.class_index)),
        associations=lambda sample, one: sample.effects(response, **draws(one, one.class_index)),
    )


def _means(
    both: Both, bank: BankRecord, findings: Sequence[Finding], response: FloatArray
) -> dict[Key, float]:
    """The effects alone."""
    return _of_each(
        both,
        bank,
        findings,
        contrast=lambda sample, _: float(sample.errors(response[None]).effect[0, 0]),
        associations=lambda sample, _: [float(e) for e in sample.errors(response[None]).effect[0]],
    )


def _of_each(
    both: Both,
    bank: BankRecord,
    findings: Sequence[Finding],
    *,
    contrast: Callable[[GroupSample, Finding], Value],
    associations: Callable[[ConceptSample, Finding], Sequence[Value]],
) -> dict[Key, Value]:
    """A value for every finding of a bank that the arrays of both audits hold.

    Args:
        both: The arrays.
        bank: The bank.
        findings: Of one class.
        contrast: Gives it for one contrast; one in context is left out, for scenes differ between releases.
        associations: Gives it for all measurable concepts at once, from the first finding of one.
    """
    found: dict[Key, Value] = {}
    for finding in findings:
        if finding.kind == "contrast":
            groups = both.groups(bank.name, finding.more, finding.less, matched=bool(finding.matched))
            if groups is not None:
                found[finding.key] = contrast(groups, finding)
    own = [finding for finding in findings if finding.kind == "association"]
    concepts = both.concepts(bank.name, len(bank.concepts)) if own else None
    if concepts is None:
        return found
    names = [bank.concepts[label].name for label in concepts.measurable]
    by_name = dict(zip(names, associations(concepts, own[0]), strict=True))
    return found | {f.key: by_name[f.subject] for f in own if f.subject in by_name}


def _reproduced(means: Mapping[Key, float], key: Key, finding: Finding) -> bool:
    """Whether the arrays give the recorded effect, so that they are what it was made from."""
    return (
        finding.effect is not None and key in means and abs(means[key] - finding.effect) <= REPRODUCED_WITHIN
    )


def _paired(effect: Effect) -> Move:
    numbers = Numbers(effect.effect, effect.adjusted_low, effect.adjusted_high, effect.p_value)
    return Move(numbers, effect.low, effect.high, effect.p_value, paired=True)


def _apart(was: Finding, now: Finding, family: int) -> Move:
    """From the two recorded intervals, as if other images had been shown to either model.

    So are contrasts in context always: the scenes of two releases are not the same.
    """
    ends = (was.low, was.high, now.low, now.high, was.effect, now.effect)
    if any(end is None for end in ends):
        return Move(Numbers(None, None, None, None), None, None, None, paired=False)
    old_low, old_high, new_low, new_high, before, after = (float(end or 0.0) for end in ends)
    usual = 2.0 * float(stats.norm.ppf(1.0 - now.alpha / 2.0))
    error = math.hypot((old_high - old_low) / usual, (new_high - new_low) / usual)
    difference = after - before
    half = usual / 2.0 * error
    wide = float(stats.norm.ppf(1.0 - now.alpha / (2.0 * family))) * error
    p = float(2.0 * stats.norm.sf(abs(difference) / error)) if error > 0 else float(difference == 0.0)
    p = min(1.0, max(p, 1e-12))  # zero is not a probability that intervals can show
    numbers = Numbers(difference, difference - wide, difference + wide, p)
    return Move(numbers, difference - half, difference + half, p, paired=False)
