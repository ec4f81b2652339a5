"""What a policy names and an audit did not test. A gate must not pass what was not tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.policy.rules import Association, Contrast, class_matches, matches, pair_matches
from auditor.records import Audit, ClassResult, Skipped

Gap = tuple[ClassResult | None, str, str, str]
"""Class, bank, subject, reason."""


def untested_names(audit: Audit, rule: Association | Contrast) -> Iterator[Gap]:
    """Classes and banks that the rule names and the audit lacks."""
    for name in rule.classes:
        if not any(class_matches(c, [name]) for c in audit.classes):
            yield None, "", "", f"class '{name}' was not audited{_why(audit.skipped, name)}"
    for name in rule.banks:
        if not any(matches(b.name, [name]) for b in audit.banks):
            yield None, name, "", f"bank '{name}' was not measured{_why(audit.skipped, name)}"


def untested_associations(audit: Audit, rule: Association) -> Iterator[Gap]:
    """Concepts that a matched bank has and a matched class was not measured against.

    Concepts that a bank contrasts with each other have no association: contrasts cover them.
    """
    banks = [b for b in audit.banks if matches(b.name, rule.banks)]
    for name in rule.concepts:
        if banks and not any(matches(c.name, [name]) for b in banks for c in b.concepts):
            yield None, "", name, f"concept '{name}' is in none of the banks measured"
    for result in audit.classes:
        if not class_matches(result, rule.classes):
            continue
        measured = {(f.bank, f.subject) for f in audit.of_class(result.index) if f.kind == "association"}
        for bank in banks:
            for concept in bank.concepts:
                wanted = matches(concept.name, rule.concepts) and concept.name not in bank.groups
                if wanted and (bank.name, concept.name) not in measured:
                    why = _why([*result.skipped, *audit.skipped], f"{bank.name}/{concept.name}")
                    yield result, bank.name, concept.name, f"was not measured{why}"


def untested_contrasts(audit: Audit, rule: Contrast) -> Iterator[Gap]:
    """Pairs of groups that the rule names and no class has, or that some class has and another lacks."""
    found = {
        (f.bank, f.more, f.less)
        for f in audit.findings
        if f.kind == "contrast" and matches(f.bank, rule.banks)
    }
    for name in rule.groups:
        if not any(pair_matches(more, less, [name]) for _, more, less in found):
            yield None, "", name, f"contrast '{name}' was not measured{_why(audit.skipped, name)}"
    for result in audit.classes:
        if not class_matches(result, rule.classes):
            continue
        strict = rule.matched == "require"
        own = [f for f in audit.of_class(result.index) if f.kind == "contrast" and (f.matched or not strict)]
        measured = {(f.bank, f.more, f.less) for f in own}
        for bank, more, less in sorted(found - measured):
            if pair_matches(more, less, rule.groups):
                why = _why([*result.skipped, *audit.skipped], f"{more}/{less}")
                how = " in matched groups" if strict else ""
                yield result, bank, f"{more}/{less}", f"was not measured{how}{why}"


def _why(skipped: Sequence[Skipped], name: str) -> str:
    reasons = [s.reason for s in skipped if f"'{name}'" in s.what]
    return f": {reasons[0]}" if reasons else ""
