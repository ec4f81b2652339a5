"""A first policy, written from an audit: every key there is, with what it means beside it."""

from __future__ import annotations

import json

from auditor.policy.rules import Trust
from auditor.records import Audit, ClassResult
from auditor.report.words import clean

DEFAULT_CONTRAST = 0.2
"""Tolerated difference between groups, in standard deviations: what is usually called a small effect."""

DEFAULT_GROWTH = 0.1


def policy_template(audit: Audit) -> str:
    """A commented policy that names the audit's classes, banks and contrasts.

    Its tolerances are a start for a discussion, not a recommendation: associations up to twice the
    audit's margin of relevance, contrasts up to :data:`DEFAULT_CONTRAST`.
    """
    margin = float(audit.settings.get("margin", 0.1))
    controls = sorted(_run_for_all(audit))
    name = f"release policy for {clean(audit.model.name)}"
    parts = [_HEAD.format(name=_string(name), alpha=_alpha(audit))]
    parts.append(
        _TRUST.format(success=f"{_success_floor(audit):g}", n=Trust().smallest_n, controls=_list(controls))
    )
    contrasts = {(c.bank, c.more, c.less) for r in audit.classes for c in r.contrasts}
    for bank in audit.banks:
        classes = [r for r in audit.classes if any(c.bank == bank.name for c in r.concepts)]
        grouped = any(bank.name == name for name, _, _ in contrasts)
        # People's groups are compared with one another; their association as such says little.
        if classes and not grouped:
            parts.append(_association(bank.name, classes, 2 * margin))
    for bank_name in sorted({name for name, _, _ in contrasts}):
        pairs = sorted(f"{more}/{less}" for name, more, less in contrasts if name == bank_name)
        classes = [r for r in audit.classes if any(c.bank == bank_name for c in r.contrasts)]
        parts.append(_contrast(bank_name, classes, pairs))
    if not contrasts and not any("[[association]]" in part for part in parts):
        parts.append(_association("*", audit.classes, 2 * margin))
    return "\n".join([*parts, _WAIVER])


def _success_floor(audit: Audit) -> float:
    made = any(result.images.source == "impressions" for result in audit.classes)
    return 0.0 if made else Trust().occluder_success or 0.0


def _run_for_all(audit: Audit) -> set[str]:
    """Controls that every class had: one that is idle where nothing was found cannot be required."""
    general = {c.name for c in audit.controls if c.passed is not None}
    each = [{c.name for c in result.controls if c.passed is not None} for result in audit.classes]
    return general | (set.intersection(*each) if each else set())


def _association(bank: str, classes: list[ClassResult], tolerance: float) -> str:
    return (
        "[[association]]\n"
        f"name = {_string(f'associations with {clean(bank)}')}\n"
        "# Names, synsets, indices, or patterns with * ? [ab]. Naming a class makes its absence count.\n"
        f"classes = {_list([r.name for r in classes])}\n"
        f"banks = {_list([bank])}\n"
        'concepts = ["*"]\n'
        "# Largest tolerated score, as a share of full evidence (0 to 1).\n"
        f"largest_effect = {tolerance:g}\n"
        '# "either" limits both signs, "associated" or "inhibiting" only one.\n'
        'side = "either"\n'
        "# How much it may grow over --baseline, away from zero.\n"
        f"# largest_growth = {DEFAULT_GROWTH:g}\n"
        "# alpha = 0.01              # in place of the policy's, for this rule\n"
        '# inconclusive = "fail"     # in place of the policy\'s, for this rule\n'
    )


def _contrast(bank: str, classes: list[ClassResult], pairs: list[str]) -> str:
    return (
        "[[contrast]]\n"
        f"name = {_string(f'differences between groups of {clean(bank)}')}\n"
        f"classes = {_list([r.name for r in classes])}\n"
        f"banks = {_list([bank])}\n"
        "# Pairs of groups; either order matches, and the limit holds in both directions.\n"
        f"groups = {_list(pairs)}\n"
        '# "prefer": the matched comparison where there is one; "require": nothing else; "any": all.\n'
        'matched = "prefer"\n'
        "# Largest tolerated difference, in standard deviations of the response within groups.\n"
        f"largest_difference = {DEFAULT_CONTRAST:g}\n"
        "# How much it may grow over --baseline.\n"
        f"# largest_growth = {DEFAULT_GROWTH:g}\n"
    )


_HEAD = """\
# A release policy for `auditor gate`. docs/gate.md explains every key.
#
# A rule fails only where an effect beyond its tolerance is established: the whole interval lies
# beyond it and the corrected p-value is below alpha. It passes only where the whole interval lies
# within it. Everything else is inconclusive. A failed control or low trust never passes.

format_version = 1
name = {name}

# An effect is established only where its corrected p-value is below this.
alpha = {alpha}

# What an answer that is too imprecise counts as: "fail", "warn" (exit status 4) or "pass".
inconclusive = "warn"

# Which interval must lie beyond the tolerance for a failure: "95%", or "simultaneous", which was
# widened for all comparisons.
interval = "95%"

# Whether limits on growth may go unchecked where no --baseline is given: "required" or "optional".
baseline = "required"
"""

_TRUST = """\
[trust]
# Below these, nothing is concluded about a class.
# Smallest share of held-out images whose class the occluder must change. Scores and contrasts do not rest on
# the occluder, the report's layers do; one learned on images made from the model hides no held-out image.
# 0 asks for nothing.
occluder_success = {success}
# Controls that must have been run and passed. One that failed counts even if it is not named.
required_controls = {controls}
# Where the class's images may come from: "folder", "hf:*", "impressions" (made from the model).
class_images = ["*"]
# Refuse a detector that was measured to say the same about any class.
specific = true
# Below these, nothing passes, but an established excess still fails.
smallest_n = {n}
# Largest tolerated smallest detectable effect: with a larger one, silence means nothing.
# largest_smallest_detectable = 0.5
"""

_WAIVER = """\
# A known excess that somebody answers for until a date. It never covers a failed control.
# [[waiver]]
# classes = ["..."]
# concepts = ["..."]          # or groups = ["women/men"]
# owner = "who answers for it"
# reason = "why it is tolerated"
# expires = 2027-03-01        # last day on which it holds
"""


def _alpha(audit: Audit) -> str:
    return f"{float(audit.settings.get('alpha', 0.05)):g}"


def _string(text: str) -> str:
    """A TOML basic string: the escapes of JSON, and DEL, which JSON leaves as it is."""
    settled = text.encode("utf-8", "replace").decode()
    return json.dumps(settled, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(names: list[str]) -> str:
    return f"[{', '.join(map(_string, names))}]"
