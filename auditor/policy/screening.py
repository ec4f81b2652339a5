"""What a gate makes of banks that only screen: nothing, unless the policy allows it."""

from __future__ import annotations

from typing import Any

from auditor.findings import Numbers, Range, conclude, concluded
from auditor.records import Audit, Check, Finding, Skipped
from auditor.scan_records import Scan, ScanFinding

UNUSED = "it only screens; needed: allow_screening = true in the policy"


def for_gate(audit: Audit, *, allowed: bool) -> Audit:
    """The audit that rules are held against.

    Args:
        audit: As it was made.
        allowed: Whether the policy judges screening banks like others. Otherwise they are left out.
    """
    banks = {bank.name for bank in audit.banks if bank.screening}
    if not banks:
        return audit
    if allowed:
        return audit.model_copy(update={"findings": [_unlimited(f, banks) for f in audit.findings]})
    kept = [bank for bank in audit.banks if bank.name not in banks]
    return audit.model_copy(update={"banks": kept} | _left_out(audit, banks))


def scan_for_gate(scan: Scan, *, allowed: bool) -> Scan:
    """The scan that rules are held against; see :func:`for_gate`."""
    banks = {one.bank.name for one in scan.banks if one.bank.screening}
    if not banks:
        return scan
    if allowed:
        return scan.model_copy(update={"findings": [_claimed(f, banks) for f in scan.findings]})
    kept = [one for one in scan.banks if one.bank.name not in banks]
    return scan.model_copy(update={"banks": kept} | _left_out(scan, banks))


def _left_out(held: Audit | Scan, banks: set[str]) -> dict[str, Any]:
    """Findings without those of the banks, and the banks among what was skipped."""
    unused = [Skipped(what=f"bank '{name}'", reason=UNUSED) for name in sorted(banks)]
    return {
        "findings": [finding for finding in held.findings if finding.bank not in banks],
        "skipped": [*held.skipped, *unused],
    }


def warnings(audit: Audit | Scan) -> list[str]:
    """What screening banks found, which no rule was held against; a sentence each."""
    return [
        f"screening: {finding.class_name}: bank {finding.bank}, {finding.subject}, effect "
        f"{finding.effect:+.3f}; not judged, look with photos"
        for finding in audit.findings
        if finding.conclusion == "screening" and finding.effect is not None
    ]


def _unlimited(finding: Finding, banks: set[str]) -> Finding:
    if finding.bank not in banks:
        return finding
    return concluded(finding.model_copy(update={"checks": _others(finding.checks)}))


def _claimed(finding: ScanFinding, banks: set[str]) -> ScanFinding:
    if finding.bank not in banks or finding.conclusion != "screening":
        return finding
    judged = conclude(
        Numbers(finding.effect, finding.low, finding.high, finding.q_value),
        irrelevant=Range.within(finding.margin),
        alpha=finding.alpha,
        checks=_others(finding.checks),
    )
    update = {"checks": _others(finding.checks), "conclusion": judged.conclusion, "reason": judged.reason}
    return finding.model_copy(update=update)


def _others(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.forbids != "verdict"]
