"""Holds a scan against a policy's ``[[scan]]`` rules. A pure function.

A scan shows what is there. What it does not confirm may be there all the same. Therefore a rule limits what
is *confirmed*: it fails where the whole adjusted interval of a confirmed finding lies beyond the tolerance,
and passes where nothing confirmed reaches it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from auditor.compare.scans import ScanChange, ScanComparison, scan_release
from auditor.errors import InputError
from auditor.findings import Judged, Numbers, Range, conclude
from auditor.policy.load import LoadedPolicy
from auditor.policy.rules import Policy, ScanRule, Waiver, matches, pair_matches, waiver_notes
from auditor.policy.screening import scan_for_gate, warnings
from auditor.policy.verdict import AppliedWaiver, Outcome, Ruling, Verdict, outcome_of
from auditor.records import CLAIMS, Skipped
from auditor.scan_records import Scan, ScanBank, ScanFinding

Found = TypeVar("Found", ScanFinding, ScanChange)

EXAMPLE = '[[scan]] with kind = "contrast" and largest_effect = 0.5'


def judge_scan(
    scan: Scan, loaded: LoadedPolicy, *, today: date, comparison: ScanComparison | None = None
) -> Verdict:
    """The verdict on a scan.

    Args:
        scan: The candidate's.
        loaded: What is tolerated.
        today: Waivers that expired before this day do not count.
        comparison: With the scan of the release before, for limits on new findings.

    Raises:
        InputError: The policy has no rule for scans.
    """
    if not loaded.policy.scan:
        raise InputError(f"policy '{loaded.path}': has no rule for a scan; needed: {EXAMPLE}")
    allowed = loaded.policy.allow_screening
    court = _Court(scan_for_gate(scan, allowed=allowed), loaded, today, comparison)
    rulings = [
        ruling for number, rule in enumerate(loaded.policy.scan) for ruling in court.rulings(number, rule)
    ]
    return Verdict(
        outcome=outcome_of(rulings),
        policy=loaded.policy.name or loaded.path or "policy",
        policy_path=loaded.path,
        audit=scan_release(scan),
        baseline=comparison.old if comparison else None,
        day=today,
        rulings=rulings,
        notes=[
            *court.notes(),
            *([] if allowed else warnings(scan)),
            *(comparison.notes if comparison else []),
        ],
    )


@dataclass
class _Court:
    scan: Scan
    loaded: LoadedPolicy
    today: date
    comparison: ScanComparison | None
    used: set[int] = field(default_factory=set)

    @property
    def policy(self) -> Policy:
        return self.loaded.policy

    def rulings(self, number: int, rule: ScanRule) -> Iterator[Ruling]:
        about = {
            "rule": rule.name or f"scan {number + 1}",
            "line": self.loaded.line("scan", number),
            "alpha": min(self.policy.alpha, float(self.scan.settings["alpha"])),
        }
        gaps = list(self._gaps(rule))
        for gap in gaps:
            yield self._open(rule, about, gap)
        if not self._held(rule):
            return
        if rule.largest_effect is not None:
            yield from self._levels(rule, about, rule.largest_effect, gaps)
        if rule.most_new is not None and (self.comparison or self.policy.baseline == "required"):
            yield self._new(rule, about, rule.most_new)

    def notes(self) -> list[str]:
        limit = "a scan shows what is there; what it does not confirm may be there all the same"
        return [limit, *waiver_notes(self.policy.waiver, self.used, self.today)]

    def _held(self, rule: ScanRule) -> list[str]:
        """What was scanned of the things that the rule names."""
        return [
            subject
            for one in self._banks(rule)
            for subject in _scanned(one, rule.kind)
            if _names(rule.kind, subject, rule.subjects)
        ]

    def _banks(self, rule: ScanRule) -> list[ScanBank]:
        return [one for one in self.scan.banks if matches(one.bank.name, rule.banks)]

    def _gaps(self, rule: ScanRule) -> Iterator[str]:
        """What the rule names and the scan did not test well enough."""
        for name in rule.classes:
            if not any(_is_class(known, i, [name]) for i, known in enumerate(self.scan.classes)):
                yield f"the model has no class '{name}'"
        for name in rule.banks:
            if not any(matches(one.bank.name, [name]) for one in self.scan.banks):
                seen = ", ".join(one.bank.name for one in self.scan.banks)
                yield f"bank '{name}' was not scanned (scanned: {seen})"
        for name in rule.subjects:
            if not self._held(rule.model_copy(update={"subjects": [name]})):
                where = f"{rule.kind} '{name}' of banks {', '.join(rule.banks)}"
                yield f"{where} was not scanned{_why(self.scan.skipped, name)}"
        held = [one for one in self._banks(rule) if _scanned(one, rule.kind)]
        few = min((_fewest(one, rule.kind) for one in held), default=0)
        if self._held(rule) and few < self.policy.trust.smallest_n:
            yield f"{few} independent confirming images, the policy needs {self.policy.trust.smallest_n}"

    def _levels(
        self, rule: ScanRule, about: dict[str, Any], tolerance: float, gaps: Sequence[str]
    ) -> Iterator[Ruling]:
        beyond = 0
        for finding in self._concerned(rule, self.scan.findings):
            # The size of what is confirmed is limited, not its absence: no check is asked again.
            judged = conclude(
                Numbers(finding.effect, finding.low, finding.high, finding.q_value),
                irrelevant=Range.within(tolerance),
                alpha=about["alpha"],
            )
            if judged.conclusion in CLAIMS or (finding.confirmed and judged.conclusion != "not associated"):
                beyond += 1
                yield self._ruling(rule, about, finding, tolerance, judged)
        margin = float(self.scan.settings["margin" if rule.kind == "association" else "contrast_margin"])
        if tolerance < margin:
            reason = f"the scan confirms nothing within its margin of {margin:g}, and the rule tolerates less"
            yield self._open(rule, about, f"{reason}; scan again with a margin of {tolerance:g} or less")
        elif not beyond and not gaps:
            confirmed = sum(f.confirmed for f in self._concerned(rule, self.scan.findings))
            reason = (
                f"of {confirmed} confirmed in {len(self.scan.classes):,} classes none reaches {tolerance:g}"
            )
            yield Ruling(
                **about, kind=_kind(rule), tolerance=tolerance, measured="pass", outcome="pass", reason=reason
            )

    def _ruling(
        self, rule: ScanRule, about: dict[str, Any], finding: ScanFinding, tolerance: float, judged: Judged
    ) -> Ruling:
        measured: Outcome = "fail" if finding.confirmed and judged.conclusion in CLAIMS else "inconclusive"
        outcome = measured if measured == "fail" else self._doubt(rule)
        waiver = self._waiver(finding) if finding.confirmed else None
        if measured == "fail":
            reason = f"beyond the tolerated ±{tolerance:g}"
        elif finding.confirmed:
            undecided = f"neither within the tolerated ±{tolerance:g} nor established beyond it"
            reason = f"{undecided}: {judged.reason}"
        else:
            reason = f"nothing is concluded: {finding.reason}"
            outcome = "fail" if outcome == "fail" else "inconclusive"
        if waiver:
            reason = f"{reason}; waived by {waiver.owner} until {waiver.expires}: {waiver.reason}"
        return Ruling(
            **about,
            kind=_kind(rule),
            class_index=finding.class_index,
            class_name=finding.class_name,
            bank=finding.bank,
            subject=finding.subject,
            matched=finding.matched,
            effect=finding.effect,
            low=finding.low,
            high=finding.high,
            p_adjusted=finding.q_value,
            n=min((n for n in (finding.independent, finding.independent_other) if n), default=0),
            tolerance=tolerance,
            measured=measured,
            outcome="pass" if waiver else outcome,
            reason=reason,
            trusted=finding.confirmed,
            waiver=waiver,
        )

    def _new(self, rule: ScanRule, about: dict[str, Any], most: int) -> Ruling:
        if self.comparison is None:
            return self._open(
                rule, about, "new findings were not counted: no baseline was given (--baseline)"
            )
        changes = self._concerned(rule, self.comparison.changes)
        compared = {(c.kind, c.class_index, c.bank, c.subject) for c in changes}
        new = [c for c in changes if c.status == "new" and not self._waiver(c)]
        unsure = [
            c for c in changes if c.now_confirmed and not c.was_confirmed and c.status == "inconclusive"
        ]
        # A class that the baseline does not have, or has by another name, was compared with nothing.
        alone = [f for f in self._concerned(rule, self.scan.confirmed) if f.key not in compared]
        either: list[ScanFinding | ScanChange] = [*unsure, *alone]
        perhaps = [one for one in either if not self._waiver(one)]
        named = ", ".join(f"{one.class_name} × {one.bank}/{one.subject}" for one in (*new, *perhaps)[:3])
        reason = f"{len(new)} new and {len(perhaps)} perhaps new, at most {most} tolerated"
        reason += f": {named}" if named else ""
        measured: Outcome = (
            "fail" if len(new) > most else "inconclusive" if len(new) + len(perhaps) > most else "pass"
        )
        outcome = self._doubt(rule) if measured == "inconclusive" else measured
        return Ruling(**about, kind=_kind(rule), measured=measured, outcome=outcome, reason=reason)

    def _concerned(self, rule: ScanRule, found: Sequence[Found]) -> list[Found]:
        return [
            one
            for one in found
            if one.kind == rule.kind
            and matches(one.bank, rule.banks)
            and _names(one.kind, one.subject, rule.subjects)
            and _is_class(one.class_name, one.class_index, rule.classes)
        ]

    def _open(self, rule: ScanRule, about: dict[str, Any], reason: str) -> Ruling:
        outcome: Outcome = "fail" if self._doubt(rule) == "fail" else "inconclusive"
        return Ruling(
            **about, kind="coverage", measured="inconclusive", outcome=outcome, reason=reason, trusted=False
        )

    def _doubt(self, rule: ScanRule) -> Outcome:
        means = rule.inconclusive or self.policy.inconclusive
        return {"fail": "fail", "pass": "pass", "warn": "inconclusive"}[means]  # type: ignore[return-value]

    def _waiver(self, found: ScanFinding | ScanChange) -> AppliedWaiver | None:
        for number, waiver in enumerate(self.policy.waiver):
            if waiver.expires >= self.today and _covers(waiver, found):
                self.used.add(number)
                return AppliedWaiver(owner=waiver.owner, reason=waiver.reason, expires=waiver.expires)
        return None


def _why(skipped: Sequence[Skipped], name: str) -> str:
    reasons = [skip.reason for skip in skipped if f"/{name}'" in skip.what]
    return f": {reasons[0]}" if reasons else ""


def _covers(waiver: Waiver, found: ScanFinding | ScanChange) -> bool:
    if not matches(found.bank, waiver.banks):
        return False
    if not _is_class(found.class_name, found.class_index, waiver.classes):
        return False
    named = waiver.groups if found.kind == "contrast" else waiver.concepts
    return bool(named) and _names(found.kind, found.subject, named)


def _names(kind: str, subject: str, patterns: list[str]) -> bool:
    if kind == "association":
        return matches(subject, patterns)
    more, _, less = subject.partition("/")
    return pair_matches(more, less, patterns) or patterns == ["*"]


def _is_class(name: str, index: int, patterns: list[str]) -> bool:
    return matches(name, patterns) or matches(str(index), patterns)


def _kind(rule: ScanRule) -> Any:
    return f"{rule.kind} scan"


def _scanned(one: ScanBank, kind: str) -> list[str]:
    return one.concepts if kind == "association" else one.contrasts


def _fewest(one: ScanBank, kind: str) -> int:
    return one.fewest if kind == "association" else one.fewest_of_groups
