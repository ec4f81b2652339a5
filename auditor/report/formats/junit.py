"""JUnit XML: an audit's sanity checks and findings, or a verdict, as test cases.

JUnit knows no "could not tell". In a verdict an inconclusive ruling is an ``error``, so that no
dashboard shows it green; in an audit alone, which judges nothing, it is ``skipped``.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from auditor.policy.verdict import Ruling, Verdict
from auditor.records import Audit, Finding, Importance, Probe, SanityCheck
from auditor.report.view.gate import sentence
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

Case = ElementTree.Element


def render(audit: Audit, directory: Path) -> str:
    """One suite for every class: each sanity check passes or fails, each finding is reported.

    Without a policy nothing is forbidden, so an association is no failure; ``auditor gate`` judges.
    """
    suites = []
    for result in audit.classes:
        checks = [_check(result.name, check) for check in result.sanity_checks]
        findings = [
            _finding_case(f, audit.importance_of(f), audit.probe_of(f)) for f in audit.of_class(result.index)
        ]
        suites.append(_suite(result.name, [*checks, *findings]))
    return _document(f"auditor: {audit.model.name}", suites)


def render_verdict(verdict: Verdict) -> str:
    """One suite for every rule of the policy, one case for every ruling."""
    suites = [
        _suite(rule, [_ruling_case(r) for r in rulings])
        for rule, rulings in groupby(verdict.rulings, key=lambda r: r.rule)
    ]
    if not suites:
        case = _case("policy", "rulings")
        _add(case, "error", "nothing was tested", kind="inconclusive")
        suites = [_suite("policy", [case])]
    return _document(f"auditor gate: {verdict.audit.model}", suites)


def _finding_case(finding: Finding, importance: Importance | None, probe: Probe | None) -> Case:
    subject = finding.subject
    if finding.of_groups:
        matched = "matched" if finding.matched else "not matched"
        matched = "in context" if finding.kind == "in context" else matched
        subject = f"{finding.more} against {finding.less} ({matched})"
    case = _case(finding.class_name, f"{finding.bank}/{subject}")
    text = (
        f"{said(finding).text}: effect {effect_text(finding)} {interval_text(finding)}, "
        f"{p_phrase(finding.p_adjusted, name='corrected p')}"
    )
    for further in filter(None, (importance_text(importance), apart_text(probe, finding.alpha))):
        text += f"; {further}"
    if finding.conclusion in ("screening", "inconclusive", "not measured"):
        _add(case, "skipped", f"{text}. {finding.reason}".strip())
    else:
        ElementTree.SubElement(case, "system-out").text = clean(text)
    return case


def _check(owner: str, check: SanityCheck) -> Case:
    bank = f", {check.bank}" if check.bank else ""
    case = _case(owner, f"sanity check: {check.name}{bank}")
    text = f"{check.expectation}. Observed {number(check.observed)} {check.unit}, "
    text += f"threshold {number(check.threshold)}. {check.note}".strip()
    if check.passed is False:
        _add(case, "failure", text, kind="sanity check")
    elif check.passed is None:
        _add(case, "skipped", f"not run. {check.note}".strip())
    return case


def _ruling_case(ruling: Ruling) -> Case:
    about = "/".join(part for part in (ruling.bank, ruling.subject) if part) or ruling.kind
    suffix = " (in context)" if ruling.kind.startswith("in context") else ""
    suffix += " (growth)" if ruling.kind.endswith("growth") else ""
    case = _case(ruling.class_name or ruling.rule, about + suffix)
    if ruling.outcome == "fail":
        _add(case, "failure", sentence(ruling), kind=ruling.kind)
    elif ruling.outcome == "inconclusive":
        _add(case, "error", sentence(ruling), kind="inconclusive")
    else:
        ElementTree.SubElement(case, "system-out").text = clean(sentence(ruling))
    return case


def _case(owner: str, name: str) -> Case:
    return ElementTree.Element("testcase", classname=clean(owner), name=clean(name), time="0")


def _add(case: Case, tag: str, message: str, *, kind: str = "") -> None:
    attributes = {"message": clean(message)} | ({"type": kind} if kind else {})
    ElementTree.SubElement(case, tag, attributes).text = clean(message)


def _suite(name: str, cases: Iterable[Case]) -> Case:
    suite = ElementTree.Element("testsuite", name=clean(name))
    suite.extend(cases)
    return suite


def _document(name: str, suites: list[Case]) -> str:
    root = ElementTree.Element("testsuites", name=clean(name))
    root.extend(suites)
    for element in (root, *suites):
        cases = list(element.iter("testcase"))
        element.set("tests", str(len(cases)))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
        element.set("time", "0")
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'
