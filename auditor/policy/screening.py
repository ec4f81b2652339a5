"""What a gate makes of banks that only screen: nothing, unless the policy allows it."""

from __future__ import annotations

from auditor.findings import concluded
from auditor.records import Audit, Check, Conclusion, Finding, Skipped
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
    unused = [Skipped(what=f"bank '{name}'", reason=UNUSED) for name in sorted(banks)]
    return audit.model_copy(
        update={
            "banks": [bank for bank in audit.banks if bank.name not in banks],
            "findings": [finding for finding in audit.findings if finding.bank not in banks],
            "skipped": [*audit.skipped, *unused],
        }
    )


def scan_for_gate(scan: Scan, *, allowed: bool) -> Scan:
    """The scan that rules are held against; see :func:`for_gate`."""
    banks = {one.bank.name for one in scan.banks if one.bank.screening}
    if not banks:
        return scan
    if allowed:
        return scan.model_copy(update={"findings": [_claimed(f, banks) for f in scan.findings]})
    unused = [Skipped(what=f"bank '{name}'", reason=UNUSED) for name in sorted(banks)]
    return scan.model_copy(
        update={
            "banks": [one for one in scan.banks if one.bank.name not in banks],
            "findings": [finding for finding in scan.findings if finding.bank not in banks],
            "skipped": [*scan.skipped, *unused],
        }
    )


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
    claim: Conclusion = "associated" if (finding.effect or 0.0) > 0.0 else "negatively associated"
    return finding.model_copy(update={"checks": _others(finding.checks), "conclusion": claim})


def _others(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.forbids != "verdict"]
