"""SARIF 2.1.0: an audit's failed sanity checks and claims, or a verdict, as static analysis results.

A finding has no line of code. A verdict points at the rule in the policy file that it broke, an
audit at ``audit.json``; class and concept are the logical location. A waiver is a suppression.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePath
from typing import Any

from auditor.policy.verdict import Ruling, Verdict
from auditor.records import Audit, ClassResult, Finding, Importance, Probe, SanityCheck
from auditor.report.escape import sarif_text, uri
from auditor.report.view.gate import NEXT_STEP, sentence
from auditor.report.words import (
    apart_text,
    clean,
    effect_text,
    importance_text,
    interval_text,
    number,
    p_phrase,
    said,
)
from auditor.version import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

RULES = {
    "association": "A class is associated with a concept more strongly than tolerated.",
    "contrast": "A class is associated with one group more than with another beyond what is tolerated.",
    "in-context": "A class's answer in its own pictures changes with the group of the person pasted in, "
    "beyond what is tolerated.",
    "association-growth": "An association grew over the baseline beyond what is tolerated.",
    "contrast-growth": "A contrast grew over the baseline beyond what is tolerated.",
    "in-context-growth": "Such a change grew over the baseline beyond what is tolerated.",
    "association-scan": "A scan confirms associations beyond what is tolerated.",
    "contrast-scan": "A scan confirms contrasts of groups beyond what is tolerated.",
    "coverage": "Something that the policy names was not tested.",
    "sanity-check": "A measurement whose outcome is known beforehand came out otherwise.",
}
"""Identifier to description."""
_MEANING = (
    "An effect is a difference of the log-scaled class probability, from 0, out of the question, to 1, "
    "certain. It counts only where the whole adjusted interval lies beyond the limit, the corrected test "
    "rejects, and no check forbids the claim."
)
_HELP = f"{NEXT_STEP}. Labels of people are perceptions by raters."


def render(audit: Audit, directory: Path) -> str:
    """Failed sanity checks as warnings, claims for information; an audit alone judges nothing."""
    failed = [(c, check) for c in audit.classes for check in c.sanity_checks if check.passed is False]
    results = [_check_result(c, check) for c, check in failed]
    claims = [f for f in audit.findings if f.claimed]
    results += [_claim(f, audit.importance_of(f), audit.probe_of(f)) for f in claims]
    return _log(results, audit.environment.auditor, audit.model.name, audit.model.weights_sha256)


def render_verdict(verdict: Verdict) -> str:
    """Failures as errors, what could not be decided as warnings, waived failures as suppressed.

    What passed is left out: code hosts list every result as an alert.
    """
    policy = uri(_relative(verdict.policy_path) or "policy.toml")
    problems = [r for r in verdict.rulings if r.outcome != "pass" or r.waiver]
    results = [_ruling_result(r, _place(policy, line=max(r.line, 1))) for r in problems]
    return _log(results, __version__, verdict.audit.model, verdict.audit.weights_sha256)


def _ruling_result(ruling: Ruling, place: dict[str, Any]) -> dict[str, Any]:
    levels = {"fail": ("fail", "error"), "inconclusive": ("fail", "warning"), "pass": ("pass", "none")}
    # A waived failure is still a failure; the suppression names who accepted it.
    kind, level = levels["fail" if ruling.waiver and ruling.measured == "fail" else ruling.outcome]
    about = (ruling.class_name, ruling.bank, ruling.subject)
    place |= _logical(*about[:2], _subject(ruling.subject, ruling.kind))
    result = _result(
        ruling.kind.replace(" ", "-"),
        f"{ruling.title}: {sentence(ruling)}",
        kind=kind,
        level=level,
        place=place,
        identity=(ruling.rule, ruling.kind, str(ruling.matched), *about),
    )
    result["properties"] = {
        "rule": clean(ruling.rule),
        "measured": ruling.measured,
        "outcome": ruling.outcome,
        "trusted": ruling.trusted,
    } | {
        key: value
        for key in ("effect", "low", "high", "p_adjusted", "n", "tolerance", "alpha", "minimum_detectable")
        if (value := getattr(ruling, key)) is not None
    }
    if ruling.waiver:
        words = f"{ruling.waiver.owner}, until {ruling.waiver.expires}: {ruling.waiver.reason}"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": clean(words)}]
    return result


def _claim(finding: Finding, importance: Importance | None, probe: Probe | None) -> dict[str, Any]:
    about = (finding.class_name, finding.bank, finding.subject)
    label = f"{finding.more} against {finding.less}" if finding.of_groups else finding.subject
    where = ", pasted into the class's own pictures" if finding.kind == "in context" else ""
    text = (
        f"{finding.class_name}, images labelled {label} in bank {finding.bank}{where}: {said(finding).text}, "
        f"effect "
        f"{effect_text(finding)} {interval_text(finding)}, {p_phrase(finding.p_adjusted, name='corrected p')}"
    )
    for further in filter(None, (importance_text(importance), apart_text(probe, finding.alpha))):
        text += f"; {further}"
    return _result(
        finding.kind.replace(" ", "-"),
        text,
        kind="informational",
        level="none",
        place=_place("audit.json") | _logical(*about[:2], _subject(finding.subject, finding.kind)),
        identity=(finding.kind, *about),
    )


def _check_result(seen: ClassResult, check: SanityCheck) -> dict[str, Any]:
    text = f"{seen.name}, sanity check {check.name} failed: {check.expectation}. "
    text += f"Observed {number(check.observed)}, threshold {number(check.threshold)}. {check.note}"
    place = _place("audit.json") | _logical(seen.name, check.bank, check.name)
    identity = ("sanity-check", seen.name, check.bank, check.name)
    return _result("sanity-check", text.strip(), kind="fail", level="warning", place=place, identity=identity)


def _result(
    rule: str, text: str, *, kind: str, level: str, place: dict[str, Any], identity: tuple[str, ...]
) -> dict[str, Any]:
    digest = hashlib.sha256("\0".join(identity).encode("utf-8", "replace")).hexdigest()
    return {
        "ruleId": rule,
        "ruleIndex": list(RULES).index(rule),
        "kind": kind,
        "level": level,
        "message": {"text": sarif_text(text)},
        "locations": [place],
        "partialFingerprints": {"auditor/v1": digest},
    }


def _place(where: str, *, line: int = 1) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": where}, "region": {"startLine": line}}}


def _logical(*parts: str) -> dict[str, Any]:
    names = [clean(part) for part in parts if part]
    if not names:
        return {}
    return {"logicalLocations": [{"name": names[-1], "fullyQualifiedName": " / ".join(names)}]}


def _subject(subject: str, kind: str) -> str:
    """A contrast in context is elsewhere than the same contrast of people alone."""
    return f"{subject} (in context)" if subject and kind.startswith("in context") else subject


def _relative(path: str) -> str:
    """Relative to where the command runs, which in a pipeline is the repository's root."""
    if not path:
        return ""
    try:
        return Path(path).resolve().relative_to(Path.cwd().resolve()).as_posix()
    except (OSError, ValueError):
        return PurePath(path).name


def _log(results: list[dict[str, Any]], version: str, model: str, weights: str) -> str:
    driver = {
        "name": "auditor",
        "semanticVersion": clean(version),
        "rules": [
            {
                "id": name,
                "shortDescription": {"text": text},
                "fullDescription": {"text": f"{text} {_MEANING}"},
                "help": {"text": _HELP},
                "defaultConfiguration": {"level": "error"},
            }
            for name, text in RULES.items()
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "utf16CodeUnits",
        "properties": {"model": clean(model), "weights_sha256": weights},
        "results": results,
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"
