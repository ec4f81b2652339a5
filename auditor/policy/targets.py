"""Which findings of an audit a rule applies to."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.policy.rules import Association, Contrast, class_matches, matches, pair_matches
from auditor.records import Audit, ClassResult, Finding


def targets(audit: Audit, rule: Association | Contrast) -> Iterator[tuple[ClassResult, Finding]]:
    """What a rule applies to."""
    kind = "contrast" if isinstance(rule, Contrast) else "association"
    for result in audit.classes:
        if class_matches(result, rule.classes):
            for finding in audit.of_class(result.index):
                if finding.kind == kind and matches(finding.bank, rule.banks) and _named(finding, rule):
                    yield result, finding


def _named(finding: Finding, rule: Association | Contrast) -> bool:
    if isinstance(rule, Association):
        return matches(finding.subject, rule.concepts)
    counts = rule.matched == "prefer" or bool(finding.matched)
    return counts and pair_matches(finding.more, finding.less, rule.groups)
