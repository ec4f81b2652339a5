"""Which findings a rule applies to, and what it names that was not tested, which a gate must not pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from auditor.policy.rules import Association, Contrast, class_matches, matches, pair_matches
from auditor.records import Audit, ClassResult, Finding, FindingKind, Skipped

Gap = tuple[ClassResult | None, str, str, str]
"""Class, bank, subject, reason."""


def kind_of(rule: Association | Contrast) -> FindingKind:
    """The kind of finding that a rule is about."""
    if isinstance(rule, Association):
        return "association"
    return "in context" if rule.pictures == "in context" else "contrast"


def targets(audit: Audit, rule: Association | Contrast) -> Iterator[tuple[ClassResult, Finding]]:
    """What a rule applies to."""
    kind = kind_of(rule)
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


def untested(audit: Audit, rule: Association | Contrast) -> Iterator[Gap]:
    """Everything that the rule names and the audit did not test."""
    yield from _names(audit, rule)
    yield from _contrasts(audit, rule) if isinstance(rule, Contrast) else _associations(audit, rule)


def _names(audit: Audit, rule: Association | Contrast) -> Iterator[Gap]:
    """Classes and banks that the rule names and the audit lacks."""
    for name in rule.classes:
        if not any(class_matches(c, [name]) for c in audit.classes):
            yield None, "", "", f"class '{name}' was not audited{_why(audit.skipped, name)}"
    for name in rule.banks:
        if not any(matches(b.name, [name]) for b in audit.banks):
            yield None, name, "", f"bank '{name}' was not measured{_why(audit.skipped, name)}"


def _associations(audit: Audit, rule: Association) -> Iterator[Gap]:
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


def _contrasts(audit: Audit, rule: Contrast) -> Iterator[Gap]:
    """Pairs of groups that the rule names and no class has, or that some class has and another lacks."""
    kind = kind_of(rule)
    found = {
        (f.bank, f.more, f.less) for f in audit.findings if f.kind == kind and matches(f.bank, rule.banks)
    }
    for name in rule.groups:
        if not any(pair_matches(more, less, [name]) for _, more, less in found):
            yield None, "", name, f"contrast '{name}' {_unmeasured(audit, kind, rule.banks, name)}"
    for name in rule.banks if found and kind == "in context" else ():
        if not any(matches(bank, [name]) for bank, _, _ in found):
            yield None, name, "", f"bank '{name}' {_unmeasured(audit, kind, [name], name)}"
    for result in audit.classes:
        if not class_matches(result, rule.classes):
            continue
        strict = rule.matched == "require"
        own = [f for f in audit.of_class(result.index) if f.kind == kind and (f.matched or not strict)]
        measured = {(f.bank, f.more, f.less) for f in own}
        for bank, more, less in sorted(found - measured):
            if pair_matches(more, less, rule.groups):
                why = _why([*result.skipped, *audit.skipped], f"{more}/{less}")
                how = " in context" if kind == "in context" else " in matched groups" if strict else ""
                yield result, bank, f"{more}/{less}", f"was not measured{how}{why}"


_BANK_LEFT_OUT = re.compile(r"(?:contrasts of )?bank '(.+)'(?: in context)?")


def _unmeasured(audit: Audit, kind: FindingKind, banks: list[str], name: str) -> str:
    """That something was not measured, and why; in context, because nobody asked or a bank was left out."""
    if kind != "in context":
        return f"was not measured{_why(audit.skipped, name)}"
    if not audit.settings.get("in_context") and not any(f.kind == kind for f in audit.findings):
        return "was not measured in context: the audit was made without --in-context"
    left_out = [(_BANK_LEFT_OUT.fullmatch(s.what), s.reason) for s in audit.skipped]
    reasons = [reason for bank, reason in left_out if bank and matches(bank[1], banks)]
    return f"was not measured in context{f': {reasons[0]}' if reasons else _why(audit.skipped, name)}"


def _why(skipped: Sequence[Skipped], name: str) -> str:
    reasons = [s.reason for s in skipped if f"'{name}'" in s.what]
    return f": {reasons[0]}" if reasons else ""
