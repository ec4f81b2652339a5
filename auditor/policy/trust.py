"""What a policy asks for beyond the audit's own checks, in words."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.policy.rules import Trust, matches
from auditor.records import Finding


def unmet(finding: Finding, trust: Trust) -> list[str]:
    """Required checks that concern a finding and could not be run; none if there are none."""
    return [
        f"the required check '{check.name}' was not run: {check.reason}"
        for check in finding.checks
        if check.passed is None and matches(check.name, trust.required_checks)
    ]


def never_run(findings: Sequence[Finding], trust: Trust) -> list[str]:
    """Required checks that no finding of the audit has."""
    known = {check.name for finding in findings for check in finding.checks}
    return [
        f"the required check '{required}' was run for no finding"
        for required in trust.required_checks
        if not any(matches(name, [required]) for name in known)
    ]


def weakness(finding: Finding, trust: Trust) -> list[str]:
    """Reasons why a finding could have missed an effect; none if there are none."""
    found = []
    sides = [finding.independent]
    if finding.independent_other:
        sides.append(finding.independent_other)
    if min(sides) < trust.smallest_n:
        found.append(f"{min(sides)} independent images, the policy needs {trust.smallest_n}")
    if (limit := trust.largest_minimum_detectable) is not None:
        seen = finding.minimum_detectable
        if seen is None:
            found.append("the minimum detectable effect was not determined")
        elif seen > limit:
            found.append(f"only effects from {seen:.3g} up could be seen, the policy needs {limit:g}")
    return found
