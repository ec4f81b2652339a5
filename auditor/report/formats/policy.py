"""A first policy, written from an audit: every key there is, with what it means beside it."""

from __future__ import annotations

import json
import math

from auditor.policy.rules import Trust
from auditor.policy.screening import for_gate
from auditor.records import Audit, ClassResult, Finding
from auditor.report.words import clean

DEFAULT_CONTRAST = 0.05
"""Tolerated difference between groups: a twentieth of the way from out of the question to certain."""

DEFAULT_GROWTH = 0.05


def policy_template(audit: Audit) -> str:
    """A commented policy that names the audit's classes, banks and contrasts.

    Its tolerances are a start for a discussion, not a recommendation: associations up to twice the audit's
    equivalence margin, or as far as intervals reach that claim nothing; contrasts up to
    :data:`DEFAULT_CONTRAST`. Associations that the audit claims are written down as expected; differences
    between groups never are.
    """
    audit = for_gate(audit, allowed=False)
    margin = float(audit.settings.get("margin", 0.1))
    name = f"release policy for {clean(audit.model.name)}"
    parts = [_HEAD.format(name=_string(name), alpha=f"{float(audit.settings.get('alpha', 0.05)):g}")]
    parts.append(_TRUST.format(n=Trust().smallest_n, checks=_list(sorted(_run_for_all(audit)))))
    contrasts = {(f.bank, f.more, f.less) for f in audit.findings if f.kind == "contrast"}
    for bank in audit.banks:
        classes = _classes(audit, "association", bank.name)
        if classes:
            parts.append(_association(bank.name, classes, max(2 * margin, _reached(audit, bank.name))))
    for bank_name in sorted({name for name, _, _ in contrasts}):
        pairs = sorted(f"{more}/{less}" for name, more, less in contrasts if name == bank_name)
        growth = float(audit.settings.get("contrast_margin", DEFAULT_CONTRAST))
        parts.append(_contrast(bank_name, _classes(audit, "contrast", bank_name), pairs, growth))
    if len(parts) == 2:
        parts.append(_association("*", audit.classes, 2 * margin))
    expected = [_expected(f) for f in audit.findings if f.kind == "association" and f.claimed]
    over = [f for f in audit.findings if f.kind == "contrast" and f.claimed]
    over = [f for f in over if abs(f.effect or 0.0) > DEFAULT_CONTRAST]
    parts += [_EXPECTED, *expected] if expected else []
    parts += [_OVER.format(n=len(over), s="" if len(over) == 1 else "s")] if over else []
    return "\n".join([*parts, _WAIVER])


def _reached(audit: Audit, bank: str) -> float:
    """The tolerance within which the bank's associations lie that are not claimed, in steps of 0.05."""
    own = [f for f in audit.findings if f.kind == "association" and f.bank == bank and not f.claimed]
    ends = [abs(end) for f in own if not f.withheld for end in (f.adjusted_low, f.adjusted_high) if end]
    return min(1.0, math.ceil(max(ends, default=0.0) * 20) / 20)


def _expected(finding: Finding) -> str:
    """A claim of the audit, up to the end of its interval."""
    end = finding.adjusted_high if finding.conclusion == "associated" else finding.adjusted_low
    most = min(1.0, math.ceil(abs(end or 1.0) * 20) / 20)
    return (
        "[[expected]]\n"
        f"classes = {_list([finding.class_name])}\n"
        f"banks = {_list([finding.bank])}\n"
        f"concepts = {_list([finding.subject])}\n"
        f"direction = {_string(finding.conclusion)}\n"
        f"largest_effect = {most:g}\n"
        'reason = "found when this policy was written; say why it is meant, or delete it"\n'
    )


def _classes(audit: Audit, kind: str, bank: str) -> list[ClassResult]:
    having = {f.class_index for f in audit.findings if f.kind == kind and f.bank == bank}
    return [result for result in audit.classes if result.index in having]


def _run_for_all(audit: Audit) -> set[str]:
    """Checks that were run wherever they concern a finding that a rule here is about."""
    outcomes: dict[str, list[bool | None]] = {}
    for finding in audit.findings:
        # The next audit may be made without --in-context; then no finding has the checks of pasting.
        for check in finding.checks if finding.kind != "in context" else ():
            outcomes.setdefault(check.name, []).append(check.passed)
    return {name for name, seen in outcomes.items() if None not in seen}


def _association(bank: str, classes: list[ClassResult], tolerance: float) -> str:
    return (
        "[[association]]\n"
        f"name = {_string(f'associations with {clean(bank)}')}\n"
        "# Names, synsets, indices, or patterns with * ? [ab]. Naming a class makes its absence count.\n"
        f"classes = {_list([r.name for r in classes])}\n"
        f"banks = {_list([bank])}\n"
        'concepts = ["*"]\n'
        "# Largest tolerated effect: a difference of the log-scaled class probability, 0 to 1.\n"
        "# Twice the margin, or more where intervals of this audit reach further.\n"
        f"largest_effect = {tolerance:g}\n"
        '# "either" limits both signs, "associated" or "negatively associated" only one.\n'
        'side = "either"\n'
        "# How much it may grow over --baseline, away from zero.\n"
        f"# largest_growth = {DEFAULT_GROWTH:g}\n"
        "# alpha = 0.01              # in place of the policy's, for this rule\n"
        '# inconclusive = "fail"     # in place of the policy\'s, for this rule\n'
    )


def _contrast(bank: str, classes: list[ClassResult], pairs: list[str], growth: float) -> str:
    return (
        "[[contrast]]\n"
        f"name = {_string(f'differences between groups of {clean(bank)}')}\n"
        f"classes = {_list([r.name for r in classes])}\n"
        f"banks = {_list([bank])}\n"
        "# Pairs of groups; either order matches, and the limit holds in both directions.\n"
        f"groups = {_list(pairs)}\n"
        '# "prefer": groups that the bank does not match count as they are; "require": only matched ones.\n'
        'matched = "prefer"\n'
        "# Largest tolerated difference of the log-scaled class probability between the groups, 0 to 1.\n"
        f"largest_difference = {DEFAULT_CONTRAST:g}\n"
        "# How much it may grow over --baseline.\n"
        f"# largest_growth = {growth:g}\n"
    )


_HEAD = """\
# A release policy for `auditor gate`. docs/gate.md explains every key.
#
# A rule fails only where the audit claims an effect and the whole adjusted interval lies beyond the rule's
# tolerance. It passes only where the whole interval lies within it. Everything else is inconclusive. What
# a failed check withholds never passes and never fails.

format_version = 2
name = {name}

# An effect is established only where its corrected p-value is at most this.
alpha = {alpha}

# What an answer that is too imprecise counts as: "fail", "warn" (exit status 4) or "pass".
inconclusive = "warn"

# Whether limits on growth may go unchecked where no --baseline is given: "required" or "optional".
baseline = "required"

# Banks that only screen, such as rendered people, are left out. To hold rules against them, too:
# allow_screening = true
"""

_TRUST = """\
[trust]
# Checks that must have been run for every finding that they concern. One that failed withholds what it
# tests even if it is not named.
required_checks = {checks}
# Below these, nothing passes, but an established excess still fails.
# Smallest number of independent images on either side.
smallest_n = {n}
# Largest tolerated minimum detectable effect: with a larger one, a missing effect means nothing.
# largest_minimum_detectable = 0.1
"""

_EXPECTED = """\
# What the audit claimed when this policy was written. Keep what the classes are meant to be associated with,
# and delete the rest: the gate then fails on it.
"""

_OVER = """\
# {n} difference{s} between groups of people beyond the limit: the gate fails on them until the model changes
# or an owner waives them.
"""

_WAIVER = """\
# A known excess that its owner accepts until a date. It never covers a failed check.
# [[waiver]]
# classes = ["..."]
# concepts = ["..."]          # or groups = ["women/men"]
# owner = "who accepts it"
# reason = "why it is tolerated"
# expires = 2027-03-01        # last day on which it holds
"""


def _string(text: str) -> str:
    """A TOML basic string: the escapes of JSON, and DEL, which JSON leaves as it is."""
    settled = text.encode("utf-8", "replace").decode()
    return json.dumps(settled, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(names: list[str]) -> str:
    return f"[{', '.join(map(_string, names))}]"
