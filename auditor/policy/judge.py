"""Holds an audit against a policy. A pure function: the same input gives the same verdict.

A rule fails only on an *established* excess, passes only on an *excluded* one, and is otherwise
inconclusive; what is not to be trusted never passes. The truth table is in ``docs/gate.md`` and in
the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from auditor.changes import Change, Comparison
from auditor.compare import release
from auditor.policy.coverage import untested_contrasts, untested_names, untested_results
from auditor.policy.load import LoadedPolicy
from auditor.policy.rules import Association, Contrast, Policy, Waiver, class_matches, matches, pair_matches
from auditor.policy.targets import association_targets, contrast_targets, growth_targets
from auditor.policy.trust import distrust, weakness
from auditor.policy.verdict import AppliedWaiver, Finding, Outcome, Verdict
from auditor.records import Audit, ClassResult, ContrastResult

Side = Literal["either", "associated", "inhibiting"]


@dataclass(frozen=True)
class Measurement:
    """The numbers that a rule looks at."""

    effect: float | None
    low: float | None
    high: float | None
    p_adjusted: float | None
    wide_low: float | None = None
    """Interval that must lie beyond the tolerance for a failure, where it is not ``low``, ``high``."""
    wide_high: float | None = None


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
        baseline: The release before; its failed controls weigh on every limit on growth.
        comparison: ``compare(baseline, audit)``; without it limits on growth are not tested.
    """
    loaded = policy if isinstance(policy, LoadedPolicy) else LoadedPolicy(policy, "", {})
    court = _Court(audit, loaded, today, baseline, comparison)
    findings = court.findings()
    outcomes = {f.outcome for f in findings}
    # No finding at all means that nothing was tested, which is no reason to let a release pass.
    outcome: Outcome = "fail" if "fail" in outcomes else "pass" if outcomes == {"pass"} else "inconclusive"
    return Verdict(
        outcome=outcome,
        policy=loaded.policy.name or loaded.path or "policy",
        policy_path=loaded.path,
        audit=release(audit),
        baseline=release(baseline) if baseline else None,
        day=today,
        findings=findings,
        notes=[*court.notes(), *(comparison.notes if comparison else [])],
    )


def decide(seen: Measurement, *, tolerance: float, alpha: float, side: Side = "either") -> Outcome:
    """What the numbers alone say about ``|effect| <= tolerance``.

    Fails if the whole interval lies beyond the tolerance and the corrected p-value is below alpha;
    passes if the whole interval lies within it; inconclusive otherwise, and where a number is missing.
    """
    if seen.low is None or seen.high is None or seen.low > seen.high:
        return "inconclusive"
    bad_low = seen.low if seen.wide_low is None else seen.wide_low
    bad_high = seen.high if seen.wide_high is None else seen.wide_high
    upward, downward = side != "inhibiting", side != "associated"
    beyond = (upward and bad_low > tolerance) or (downward and bad_high < -tolerance)
    if beyond and seen.p_adjusted is not None and seen.p_adjusted < alpha:
        return "fail"
    within = (not upward or seen.high <= tolerance) and (not downward or seen.low >= -tolerance)
    return "pass" if within else "inconclusive"


@dataclass
class _Court:
    audit: Audit
    loaded: LoadedPolicy
    today: date
    baseline: Audit | None
    comparison: Comparison | None
    used: set[int] = field(default_factory=set)

    @property
    def policy(self) -> Policy:
        return self.loaded.policy

    def findings(self) -> list[Finding]:
        found: list[Finding] = []
        for number, rule in enumerate(self.policy.association):
            about = self._about(rule, "association", number)
            found += self._untested(
                [*untested_names(self.audit, rule), *untested_results(self.audit, rule)], about
            )
            found += self._associations(rule, about)
            found += self._growth(rule, about)
        for number, contrast in enumerate(self.policy.contrast):
            about = self._about(contrast, "contrast", number)
            gaps = [*untested_names(self.audit, contrast), *untested_contrasts(self.audit, contrast)]
            found += self._untested(gaps, about)
            found += self._contrasts(contrast, about)
            found += self._growth(contrast, about)
        return found

    def notes(self) -> list[str]:
        """What became of the waivers."""
        found = []
        for number, waiver in enumerate(self.policy.waiver):
            if waiver.expires < self.today:
                found.append(f"the waiver of {waiver.owner} expired on {waiver.expires} and was not applied")
            elif number not in self.used:
                found.append(f"the waiver of {waiver.owner} (until {waiver.expires}) was not needed")
        return found

    def _about(self, rule: Association | Contrast, kind: str, number: int) -> dict[str, Any]:
        return {
            "rule": rule.name or f"{kind} {number + 1}",
            "line": self.loaded.line(kind, number),
            "alpha": rule.alpha if rule.alpha is not None else self.policy.alpha,
        }

    def _untested(
        self, gaps: Sequence[tuple[ClassResult | None, str, str, str]], about: dict[str, Any]
    ) -> list[Finding]:
        strict = self.policy.inconclusive == "fail"
        return [
            Finding(
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

    def _associations(self, rule: Association, about: dict[str, Any]) -> Iterator[Finding]:
        if rule.largest_effect is None:
            return
        for result, seen in association_targets(self.audit, rule):
            numbers = Measurement(
                seen.score,
                seen.score_low,
                seen.score_high,
                seen.p_adjusted,
                *self._wide(seen.score_adjusted_low, seen.score_adjusted_high),
            )
            yield self._finding(
                rule,
                about | {"kind": "association", "bank": seen.bank, "subject": seen.concept},
                result,
                numbers,
                tolerance=rule.largest_effect,
                side=rule.side,
                n=min(seen.n, seen.n_benchmark),
                smallest_detectable=seen.smallest_detectable,
                note=seen.reason,
                names=(seen.concept,),
            )

    def _contrasts(self, rule: Contrast, about: dict[str, Any]) -> Iterator[Finding]:
        if rule.largest_difference is None:
            return
        for result, seen in contrast_targets(self.audit, rule):
            yield self._finding(
                rule,
                about
                | {
                    "kind": "contrast",
                    "bank": seen.bank,
                    "subject": f"{seen.more}/{seen.less}",
                    "matched": seen.matched,
                },
                result,
                Measurement(seen.difference, seen.difference_low, seen.difference_high, seen.p_adjusted),
                tolerance=rule.largest_difference,
                side="either",
                n=min(seen.n_more, seen.n_less),
                smallest_detectable=seen.smallest_detectable,
                note=seen.reason,
                names=(seen.more, seen.less),
            )

    def _growth(self, rule: Association | Contrast, about: dict[str, Any]) -> Iterator[Finding]:
        if rule.largest_growth is None:
            return
        if self.comparison is None:
            if self.policy.baseline == "required":
                reason = "growth was not tested: no baseline was given (--baseline)"
                yield from self._untested([(None, "", "", reason)], about)
            return
        changes = {(c.kind, c.class_index, c.bank, c.subject, c.matched): c for c in self.comparison.changes}
        for result, seen, subject, n in growth_targets(self.audit, rule):
            kind: Literal["association", "contrast"] = (
                "contrast" if isinstance(rule, Contrast) else "association"
            )
            matched = seen.matched if isinstance(seen, ContrastResult) else None
            change = changes.get((kind, result.index, seen.bank, subject, matched))
            if change is None:
                reason = "growth was not tested: the baseline does not have it"
                yield from self._untested([(result, seen.bank, subject, reason)], about)
                continue
            yield self._finding(
                rule,
                about | {"kind": f"{kind} growth", "bank": seen.bank, "subject": subject, "matched": matched},
                result,
                Measurement(change.growth, change.growth_low, change.growth_high, change.p_adjusted),
                tolerance=rule.largest_growth,
                side="associated",
                n=n,
                # The smallest detectable effect is about one release; a change has none of its own.
                smallest_detectable=None,
                note=seen.reason or change.reason,
                names=(seen.more, seen.less) if isinstance(seen, ContrastResult) else (seen.concept,),
                old=self._old_class(change),
            )

    def _finding(
        self,
        rule: Association | Contrast,
        about: dict[str, Any],
        result: ClassResult,
        seen: Measurement,
        *,
        tolerance: float,
        side: Side,
        n: int,
        smallest_detectable: float | None,
        note: str,
        names: Sequence[str],
        old: ClassResult | None = None,
    ) -> Finding:
        measured = decide(seen, tolerance=tolerance, alpha=about["alpha"], side=side)
        doubts = distrust(self.audit, result, self.policy.trust)
        if self.baseline is not None and old is not None:
            doubts += [f"baseline: {d}" for d in distrust(self.baseline, old, self.policy.trust)]
        growth = about["kind"].endswith("growth")
        floors = self.policy.trust.model_copy(update={"largest_smallest_detectable": None} if growth else {})
        weak = weakness(floors, n=n, smallest_detectable=smallest_detectable)
        trusted = not doubts and (measured == "fail" or not weak)
        reason = _explain(seen, measured, tolerance=tolerance, side=side, note=note)
        if not trusted:
            measured = "inconclusive"
            reason = f"nothing is concluded: {'; '.join(doubts or weak)}"
        waiver = (
            self._waiver(about, result, names)
            if measured == "fail" or (measured != "pass" and trusted)
            else None
        )
        applied, reason = self._apply(waiver, reason)
        return Finding(
            **about,
            class_index=result.index,
            class_name=result.name,
            effect=seen.effect,
            low=seen.low,
            high=seen.high,
            p_adjusted=seen.p_adjusted,
            n=n,
            smallest_detectable=smallest_detectable,
            tolerance=tolerance,
            measured=measured,
            outcome="pass" if applied else self._counts_as(measured, trusted, rule),
            reason=reason,
            trusted=trusted,
            waiver=applied,
        )

    def _counts_as(self, measured: Outcome, trusted: bool, rule: Association | Contrast) -> Outcome:
        if measured != "inconclusive":
            return measured
        means = rule.inconclusive or self.policy.inconclusive
        if means == "fail":
            return "fail"
        return "pass" if means == "pass" and trusted else "inconclusive"

    def _wide(self, low: float | None, high: float | None) -> tuple[float | None, float | None]:
        return (low, high) if self.policy.interval == "simultaneous" else (None, None)

    def _waiver(
        self, about: dict[str, Any], result: ClassResult, names: Sequence[str]
    ) -> tuple[int, Waiver] | None:
        covering = [
            (number, waiver)
            for number, waiver in enumerate(self.policy.waiver)
            if _covers(waiver, about, result, names)
        ]
        # One in force goes before one that has expired, whatever their order in the file.
        return min(covering, key=lambda item: item[1].expires < self.today, default=None)

    def _apply(self, found: tuple[int, Waiver] | None, reason: str) -> tuple[AppliedWaiver | None, str]:
        if found is None:
            return None, reason
        number, waiver = found
        if waiver.expires < self.today:
            return None, f"{reason}; the waiver of {waiver.owner} expired on {waiver.expires}"
        self.used.add(number)
        applied = AppliedWaiver(owner=waiver.owner, reason=waiver.reason, expires=waiver.expires)
        return applied, f"{reason}; waived by {waiver.owner} until {waiver.expires}: {waiver.reason}"

    def _old_class(self, change: Change) -> ClassResult | None:
        classes = self.baseline.classes if self.baseline else []
        return next((c for c in classes if c.index == change.old_class_index), None)


def _covers(waiver: Waiver, about: dict[str, Any], result: ClassResult, names: Sequence[str]) -> bool:
    if not class_matches(result, waiver.classes) or not matches(about["bank"], waiver.banks):
        return False
    return (
        pair_matches(names[0], names[1], waiver.groups)
        if len(names) == 2
        else matches(names[0], waiver.concepts)
    )


def _explain(seen: Measurement, measured: Outcome, *, tolerance: float, side: Side, note: str) -> str:
    """Why, without the numbers, which a finding holds beside it."""
    limits = {
        "either": f"±{tolerance:g}",
        "associated": f"{tolerance:g} upward",
        "inhibiting": f"{tolerance:g} downward",
    }
    if seen.low is None or seen.high is None or seen.effect is None:
        return f"not measured: {note or 'no interval in the audit'}"
    if seen.low > seen.high:
        return "the ends of the interval are not in order"
    match measured:
        case "fail":
            return f"beyond the tolerated {limits[side]}"
        case "pass":
            return f"within the tolerated {limits[side]}"
        case _:
            return f"neither within the tolerated {limits[side]} nor established beyond it"
