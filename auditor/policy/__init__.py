"""The release gate: a policy, and the verdict on an audit. Needs no torch."""

from __future__ import annotations

from auditor.policy.judge import judge
from auditor.policy.load import LoadedPolicy, Problem, load_policy, parse_policy, read_problems
from auditor.policy.rules import Association, Contrast, Expected, Policy, Trust, Waiver
from auditor.policy.verdict import EXIT_STATUS, AppliedWaiver, Ruling, Verdict

__all__ = [
    "EXIT_STATUS",
    "AppliedWaiver",
    "Association",
    "Contrast",
    "Expected",
    "LoadedPolicy",
    "Policy",
    "Problem",
    "Ruling",
    "Trust",
    "Verdict",
    "Waiver",
    "judge",
    "load_policy",
    "parse_policy",
    "read_problems",
]
