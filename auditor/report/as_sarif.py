"""SARIF 2.1.0: an audit's failed controls and findings, or a verdict, as static analysis results.

A finding has no line of code. A verdict points at the rule in the policy file that it broke, an
audit at ``audit.json``; class and concept are the logical location. A waiver is a suppression.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePath
from typing import Any

from auditor.policy.verdict import Finding, Verdict
from auditor.records import Audit, ClassResult, Control
from auditor.report.escape import sarif_text, uri
from auditor.report.gate_text import sentence
from auditor.report.words import clean, interval, number, p_phrase

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

RULES = {
    "association": "A class is associated with a concept more strongly than tolerated.",
    "contrast": "A class is associated with one group more than with another beyond what is tolerated.",
    "association-growth": "An association grew over the baseline beyond what is tolerated.",
    "contrast-growth": "A contrast grew over the baseline beyond what is tolerated.",
    "coverage": "Something that the policy names was not tested.",
    "control": "A measurement whose outcome is known beforehand came out otherwise.",
}
"""Identifier to description."""


def render(audit: Audit, directory: Path) -> str:
    """Failed controls as warnings, established findings for information; an audit alone judges nothing."""
    results = [r for c in audit.controls if (r := _control_result(None, c))]
    for seen in audit.classes:
        results += [r for c in seen.controls if (r := _control_result(seen, c))]
        results += _class_results(seen)
    return _log(results, audit.environment.auditor, audit.model.name, audit.model.weights_sha256)


def render_verdict(verdict: Verdict, *, version: str) -> str:
    """Failures as errors, what could not be decided as warnings, the rest as passed.

    Args:
        verdict: The gate's answer.
        version: Of auditor.
    """
    place = _place(uri(_relative(verdict.policy_path) or "policy.toml"))
    results = []
    for finding in verdict.findings:
        place_of_rule = json.loads(json.dumps(place))
        place_of_rule["physicalLocation"]["region"] = {"startLine": max(finding.line, 1)}
        results.append(_finding_result(finding, place_of_rule))
    return _log(results, version, verdict.audit.model, verdict.audit.weights_sha256)


def _finding_result(finding: Finding, place: dict[str, Any]) -> dict[str, Any]:
    levels = {"fail": ("fail", "error"), "inconclusive": ("fail", "warning"), "pass": ("pass", "none")}
    # A waived failure is still a failure; the suppression says who answers for it.
    kind, level = levels["fail" if finding.waiver and finding.measured == "fail" else finding.outcome]
    about = (finding.class_name, finding.bank, finding.subject)
    result = _result(
        finding.kind.replace(" ", "-"),
        f"{finding.title}: {sentence(finding)}",
        kind=kind,
        level=level,
        place=place | _logical(*about),
        identity=(finding.rule, finding.kind, str(finding.matched), *about),
    )
    result["properties"] = {
        "rule": clean(finding.rule),
        "measured": finding.measured,
        "outcome": finding.outcome,
        "trusted": finding.trusted,
    } | {
        key: value
        for key in ("effect", "low", "high", "p_adjusted", "n", "tolerance", "alpha", "smallest_detectable")
        if (value := getattr(finding, key)) is not None
    }
    if finding.waiver:
        words = f"{finding.waiver.owner}, until {finding.waiver.expires}: {finding.waiver.reason}"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": clean(words)}]
    return result


def _class_results(seen: ClassResult) -> list[dict[str, Any]]:
    place = _place("audit.json")
    results = []
    for c in seen.concepts:
        if c.direction in ("associated", "inhibiting"):
            text = f"{seen.name}, images labelled {c.concept} in bank {c.bank}: {c.direction}, "
            text += f"score {number(c.score)} {interval(c.score_low, c.score_high)}, "
            about = (seen.name, c.bank, c.concept)
            text += p_phrase(c.p_adjusted, name="corrected p")
            results.append(_note("association", text, place | _logical(*about), about))
    for d in seen.contrasts:
        if d.direction in ("more", "less"):
            text = f"{seen.name}, images labelled {d.more} against {d.less} in bank {d.bank}: {d.direction}, "
            text += f"difference {number(d.difference)} {interval(d.difference_low, d.difference_high)}, "
            about = (seen.name, d.bank, f"{d.more}/{d.less}")
            text += p_phrase(d.p_adjusted, name="corrected p")
            place_of_pair = place | _logical(*about)
            results.append(_note("contrast", text, place_of_pair, (*about, str(d.matched))))
    return results


def _note(rule: str, text: str, place: dict[str, Any], identity: tuple[str, ...]) -> dict[str, Any]:
    return _result(rule, text, kind="informational", level="none", place=place, identity=(rule, *identity))


def _control_result(seen: ClassResult | None, control: Control) -> dict[str, Any] | None:
    if control.passed is not False:
        return None
    owner = seen.name if seen else ""
    text = f"{owner or 'audit'}, control {control.name} failed: {control.expectation} "
    text += f"Observed {number(control.observed)}, threshold {number(control.threshold)}. {control.note}"
    place = _place("audit.json") | _logical(owner, control.name)
    identity = ("control", owner, control.name)
    return _result("control", text.strip(), kind="fail", level="warning", place=place, identity=identity)


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


def _place(where: str) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": where}, "region": {"startLine": 1}}}


def _logical(*parts: str) -> dict[str, Any]:
    names = [clean(part) for part in parts if part]
    if not names:
        return {}
    return {"logicalLocations": [{"name": names[-1], "fullyQualifiedName": " / ".join(names)}]}


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
            {"id": name, "shortDescription": {"text": text}, "defaultConfiguration": {"level": "error"}}
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
