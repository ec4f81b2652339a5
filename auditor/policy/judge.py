"""Holds an audit against a policy. A pure function: the same input gives the same verdict.

A rule fails only on what the audit claims and what lies beyond the rule's tolerance. It passes only
where the whole adjusted interval lies within the tolerance and no check forbids to say so. Everything
else is inconclusive. The same function concludes here and in the report
(:func:`auditor.findings.conclude`); docs/gate.md has the truth table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from auditor.compare import Change, Comparison, release
from auditor.findings import Judged, Numbers, Range, conclude, numbers_of
from auditor.policy.coverage import Gap, kind_of, targets, untested
from auditor.policy.load import LoadedPolicy
from auditor.policy.rules import (
    Association,
    Contrast,
    Expected,
    Policy,
    Waiver,
    class_matches,
    matches,
    pair_matches,
    waiver_notes,
)
from auditor.policy.screening import for_gate, warnings
from auditor.policy.trust import never_run, unmet, weakness
from auditor.policy.verdict import AppliedWaiver, Outcome, Ruling, Verdict, outcome_of
from auditor.records import Audit, ClassResult, Finding
from auditor.statistics.multiplicity import smallest_p

Rule = Association | Contrast


@dataclass(frozen=True)
class Answer:
    """What the numbers and the checks say, before waivers and before what the policy makes of doubt."""

    outcome: Outcome
    reason: str
    trusted: bool = True
    """False: a check withholds it, or the policy asks for more. It never passes."""


def judge(
    audit: Audit,
    policy: Policy | LoadedPolicy,
    *,
    today: date,
    baseline: Audit | None = None,
    comparison: Comparison | None = None,
) -> Verdict:
    """The verdict on an audit.

    Args:
        audit: The candidate.
        policy: What is tolerated.
        today: Waivers that expired before this day do not count.
        baseline: The release before. What a policy asks of a finding it asks of this one's, too.
        comparison: ``compare(baseline, audit)``; without it limits on growth are not tested.
    """
    loaded = policy if isinstance(policy, LoadedPolicy) else LoadedPolicy(policy, "", {})
    allowed = loaded.policy.allow_screening
    before = for_gate(baseline, allowed=allowed) if baseline else None
    court = _Court(for_gate(audit, allowed=allowed), loaded, today, comparison, before)
    rulings = court.rulings()
    return Verdict(
        outcome=outcome_of(rulings),
        policy=loaded.policy.name or loaded.path or "policy",
        policy_path=loaded.path,
        audit=release(audit),
        baseline=release(baseline) if baseline else None,
        day=today,
        rulings=rulings,
        notes=[
            *court.notes(),
            *([] if allowed else warnings(audit)),
            *(comparison.notes if comparison else []),
        ],
    )


def rule_on(
    finding: Finding,
    *,
    tolerance: float,
    alpha: float,
    side: str = "either",
    expected: Expected | None = None,
) -> Answer:
    """What may be said of ``|effect| <= tolerance``.

    Args:
        finding: Of the audit.
        tolerance: Largest size the rule allows.
        alpha: Largest corrected p-value of an established effect.
        side: Which sign is limited: ``either``, ``associated`` or ``negatively associated``.
        expected: What the finding may be beyond the tolerance; ``None``: nothing.
    """
    if finding.withheld:
        return _withheld(finding.reason)
    irrelevant = Range(
        -math.inf if side == "associated" else -tolerance,
        math.inf if side == "negatively associated" else tolerance,
    )
    if expected is not None:
        return _rule_on_expected(finding, irrelevant, expected, alpha)
    judged = conclude(numbers_of(finding), irrelevant=irrelevant, alpha=alpha, checks=finding.checks)
    limit = {"either": f"±{tolerance:g}", "associated": f"{tolerance:g} upward"}.get(
        side, f"{tolerance:g} downward"
    )
    if finding.claimed:
        return _answer(judged, limit)
    unclaimed = f"beyond the tolerated {limit}, but the audit does not claim it: {finding.reason}"
    if tolerance < finding.margin:
        unclaimed = (
            f"beyond the tolerated {limit}, but the audit claims nothing within its margin of "
            f"{finding.margin:g}; audit again with a margin of {tolerance:g} or less"
        )
    return _answer(judged, limit, unclaimed=unclaimed)


def _rule_on_expected(finding: Finding, tolerated: Range, expected: Expected, alpha: float) -> Answer:
    """The same where one direction is expected up to a size."""
    most = expected.largest_effect
    if expected.direction == "associated":
        allowed, words = Range(tolerated.low, max(tolerated.high, most)), f"{most:g} upward"
    else:
        allowed, words = Range(min(tolerated.low, -most), tolerated.high), f"{most:g} downward"
    judged = conclude(numbers_of(finding), irrelevant=allowed, alpha=alpha, checks=finding.checks)
    if judged.withheld:
        return _withheld(judged.reason)
    if judged.conclusion == "not associated":
        return Answer("pass", f"within what is expected, up to {words}: {expected.reason}")
    beyond = "" if finding.claimed else f"beyond what is expected, but not claimed: {finding.reason}"
    return _answer(judged, f"and expected {words}", unclaimed=beyond)


def rule_on_growth(change: Change, *, tolerance: float, alpha: float) -> Answer:
    """The same of growth over a baseline, away from zero.

    Args:
        change: Of the comparison.
        tolerance: Largest growth the rule allows.
        alpha: Largest corrected p-value of an established change.
    """
    if change.withheld:
        return _withheld(change.reason)
    judged = conclude(_growth_of(change), irrelevant=Range(-math.inf, tolerance), alpha=alpha)
    limit = f"{tolerance:g} upward"
    return _answer(judged, limit, unclaimed="" if change.status in ("new", "grown") else _undecided(limit))


def _growth_of(change: Change) -> Numbers:
    return Numbers(change.growth, change.growth_low, change.growth_high, change.p_adjusted)


def _answer(judged: Judged, limit: str, *, unclaimed: str = "") -> Answer:
    """``unclaimed`` says why nobody claims an effect that the numbers alone put beyond the limit."""
    if judged.withheld:
        return _withheld(judged.reason)
    match judged.conclusion:
        case "not associated":
            return Answer("pass", f"within the tolerated {limit}")
        case "not measured":
            return Answer("inconclusive", f"not measured: {judged.reason}", trusted=False)
        case "inconclusive":
            return Answer("inconclusive", _undecided(limit))
    return Answer("inconclusive", unclaimed) if unclaimed else Answer("fail", f"beyond the tolerated {limit}")


def _undecided(limit: str) -> str:
    return f"neither within the tolerated {limit} nor established beyond it"


def _withheld(reason: str) -> Answer:
    return Answer("inconclusive", f"nothing is concluded: {reason}", trusted=False)


@dataclass
class _Court:
    audit: Audit
    loaded: LoadedPolicy
    today: date
    comparison: Comparison | None
    baseline: Audit | None = None
    used: set[int] = field(default_factory=set)

    @property
    def policy(self) -> Policy:
        return self.loaded.policy

    @property
    def rules(self) -> Mapping[str, Sequence[Rule]]:
        return {"association": self.policy.association, "contrast": self.policy.contrast}

    def rulings(self) -> list[Ruling]:
        missing = never_run(self.audit.findings, self.policy.trust)
        general = {"rule": "trust", "line": self.loaded.line("trust"), "alpha": self.policy.alpha}
        found = self._untested([(None, "", "", reason) for reason in missing], general)
        for kind, rules in self.rules.items():
            for number, rule in enumerate(rules):
                about = {
                    "rule": rule.name or f"{kind} {number + 1}",
                    "line": self.loaded.line(kind, number),
                    "alpha": rule.alpha if rule.alpha is not None else self.policy.alpha,
                }
                found += self._untested(untested(self.audit, rule), about)
                found += self._levels(rule, about)
                found += self._growth(rule, about)
        return found

    def notes(self) -> list[str]:
        """What became of the waivers, and whether the audit could establish anything."""
        waived = waiver_notes(self.policy.waiver, self.used, self.today)
        return [*waived, *self._not_seen(), *self._out_of_reach()]

    def _not_seen(self) -> Iterator[str]:
        """What is expected and not claimed: a model that lost it has changed."""
        found = [(r, f) for r in self.audit.classes for f in self.audit.of_class(r.index)]
        for one in self.policy.expected:
            seen = [f for r, f in found if one.covers(r, f)]
            if not any(f.conclusion == one.direction for f in seen):
                yield (
                    f"expected and not found: {', '.join(one.classes)} {one.direction} with "
                    f"{', '.join(one.concepts)}"
                )

    def _out_of_reach(self) -> Iterator[str]:
        permutations = int(self.audit.settings.get("permutations", 0))
        for kind, rules in self.rules.items():
            kinds = {kind_of(rule) for rule in rules}
            family = max((f.family for f in self.audit.findings if f.kind in kinds), default=0)
            alpha = min((rule.alpha or self.policy.alpha for rule in rules), default=1.0)
            smallest = smallest_p(permutations, family) if family and permutations else 0.0
            if smallest > alpha:
                yield (
                    f"no {kind} can be established at alpha {alpha:g}: the smallest corrected p-value of "
                    f"{permutations} permutations and {family} tests is {smallest:.2g}"
                )

    def _untested(self, gaps: Iterable[Gap], about: dict[str, Any]) -> list[Ruling]:
        strict = self.policy.inconclusive == "fail"
        return [
            Ruling(
                **about,
                kind="coverage",
                class_index=result.index if result else None,
                class_name=result.name if result else "",
                bank=bank,
                subject=subject,
                measured="inconclusive",
                outcome="fail" if strict else "inconclusive",
                reason=reason,
                trusted=False,
            )
            for result, bank, subject, reason in gaps
        ]

    def _levels(self, rule: Rule, about: dict[str, Any]) -> Iterator[Ruling]:
        if isinstance(rule, Association):
            tolerance, side = rule.largest_effect, rule.side
        else:
            tolerance, side = rule.largest_difference, "either"
        if tolerance is None:
            return
        for result, finding in targets(self.audit, rule):
            meant = next((one for one in self.policy.expected if one.covers(result, finding)), None)
            measured = rule_on(finding, tolerance=tolerance, alpha=about["alpha"], side=side, expected=meant)
            yield self._ruling(
                rule,
                about | {"kind": finding.kind, "minimum_detectable": finding.minimum_detectable},
                result,
                finding,
                numbers=numbers_of(finding),
                measured=self._trusted(measured, finding),
                tolerance=tolerance,
            )

    def _growth(self, rule: Rule, about: dict[str, Any]) -> Iterator[Ruling]:
        if rule.largest_growth is None:
            return
        if self.comparison is None:
            if self.policy.baseline == "required":
                reason = "growth was not tested: no baseline was given (--baseline)"
                yield from self._untested([(None, "", "", reason)], about)
            return
        changes = {(c.class_index, (c.kind, c.bank, c.subject)): c for c in self.comparison.changes}
        before = {(f.class_index, f.key): f for f in self.baseline.findings} if self.baseline else {}
        for result, finding in targets(self.audit, rule):
            change = changes.get((result.index, finding.key))
            if change is None:
                reason = "growth was not tested: the baseline does not have it"
                yield from self._untested([(result, finding.bank, finding.subject, reason)], about)
                continue
            measured = rule_on_growth(change, tolerance=rule.largest_growth, alpha=about["alpha"])
            yield self._ruling(
                rule,
                about | {"kind": f"{finding.kind} growth"},
                result,
                finding,
                numbers=_growth_of(change),
                measured=self._trusted(measured, finding, before.get((change.old_class_index, finding.key))),
                tolerance=rule.largest_growth,
            )

    def _trusted(self, measured: Answer, finding: Finding, before: Finding | None = None) -> Answer:
        """What the policy asks for beyond the audit's own checks; of growth, in both releases."""
        trust = self.policy.trust
        missing, weak = unmet(finding, trust), weakness(finding, trust)
        if before is not None:
            missing += [f"in the baseline, {reason}" for reason in unmet(before, trust)]
            weak += [f"in the baseline, {reason}" for reason in weakness(before, trust)]
        if measured.outcome == "fail":
            weak = []
        if measured.trusted and (missing or weak):
            return _withheld("; ".join([*missing, *weak]))
        return measured

    def _ruling(
        self,
        rule: Rule,
        about: dict[str, Any],
        result: ClassResult,
        finding: Finding,
        *,
        numbers: Numbers,
        measured: Answer,
        tolerance: float,
    ) -> Ruling:
        doubtful = measured.outcome == "inconclusive" and measured.trusted
        applied, reason = None, measured.reason
        if measured.outcome == "fail" or doubtful:
            applied, reason = self._waived(result, finding, reason)
        sides = [n for n in (finding.independent, finding.independent_other) if n]
        return Ruling(
            **about,
            class_index=result.index,
            class_name=result.name,
            bank=finding.bank,
            subject=finding.subject,
            matched=finding.matched,
            effect=numbers.effect,
            low=numbers.low,
            high=numbers.high,
            p_adjusted=numbers.p_adjusted,
            n=min(sides, default=0),
            tolerance=tolerance,
            measured=measured.outcome,
            outcome="pass" if applied else self._counts_as(measured, rule),
            reason=reason,
            trusted=measured.trusted,
            waiver=applied,
        )

    def _counts_as(self, measured: Answer, rule: Rule) -> Outcome:
        if measured.outcome != "inconclusive":
            return measured.outcome
        means = rule.inconclusive or self.policy.inconclusive
        if means == "fail":
            return "fail"
        return "pass" if means == "pass" and measured.trusted else "inconclusive"

    def _waived(self, result: ClassResult, finding: Finding, reason: str) -> tuple[AppliedWaiver | None, str]:
        """The waiver that is applied, if there is one, and the reason with what became of it."""
        numbered = enumerate(self.policy.waiver)
        covering = [(number, waiver) for number, waiver in numbered if _covers(waiver, result, finding)]
        if not covering:
            return None, reason
        # One in force goes before one that has expired, whatever their order in the file.
        number, waiver = min(covering, key=lambda item: item[1].expires < self.today)
        if waiver.expires < self.today:
            return None, f"{reason}; the waiver of {waiver.owner} expired on {waiver.expires}"
        self.used.add(number)
        applied = AppliedWaiver(owner=waiver.owner, reason=waiver.reason, expires=waiver.expires)
        return applied, f"{reason}; waived by {waiver.owner} until {waiver.expires}: {waiver.reason}"


def _covers(waiver: Waiver, result: ClassResult, finding: Finding) -> bool:
    if not class_matches(result, waiver.classes) or not matches(finding.bank, waiver.banks):
        return False
    if finding.of_groups:
        return pair_matches(finding.more, finding.less, waiver.groups)
    return matches(finding.subject, waiver.concepts)
