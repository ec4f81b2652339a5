"""JUnit XML: an audit's controls and findings, or a verdict, as test cases.

JUnit knows no "could not tell". In a verdict an inconclusive finding is an ``error``, so that no
dashboard shows it green; in an audit alone, which judges nothing, it is ``skipped``.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from auditor.policy.verdict import Finding, Verdict
from auditor.records import Audit, ClassResult, Control
from auditor.report.gate_text import sentence
from auditor.report.words import clean, interval, number, p_phrase

Case = ElementTree.Element


def render(audit: Audit, directory: Path) -> str:
    """One suite for every class: each control passes or fails, each finding is reported.

    Without a policy nothing is forbidden, so an association is no failure; ``auditor gate`` judges.
    """
    suites = [_suite("audit", [_control("audit", c) for c in audit.controls])] if audit.controls else []
    suites += [_suite(result.name, _class_cases(result)) for result in audit.classes]
    return _document(f"auditor: {audit.model.name}", suites)


def render_verdict(verdict: Verdict) -> str:
    """One suite for every rule of the policy, one case for every finding."""
    suites = [
        _suite(rule, [_finding_case(f) for f in findings])
        for rule, findings in groupby(verdict.findings, key=lambda f: f.rule)
    ]
    if not suites:
        case = _case("policy", "findings")
        _add(case, "error", "nothing was tested", kind="inconclusive")
        suites = [_suite("policy", [case])]
    return _document(f"auditor gate: {verdict.audit.model}", suites)


def _class_cases(result: ClassResult) -> list[Case]:
    cases = [_control(result.name, c) for c in result.controls]
    for seen in result.concepts:
        case = _case(result.name, f"{seen.bank}/{seen.concept}")
        text = f"{seen.direction}: score {number(seen.score)} {interval(seen.score_low, seen.score_high)}, "
        _report(case, seen.direction, text + p_phrase(seen.p_adjusted, name="corrected p"), seen.reason)
        cases.append(case)
    for pair in result.contrasts:
        matched = "matched" if pair.matched else "not matched"
        case = _case(result.name, f"{pair.bank}/{pair.more} against {pair.less} ({matched})")
        ends = interval(pair.difference_low, pair.difference_high)
        text = f"{pair.direction}: difference {number(pair.difference)} {ends}, "
        _report(case, pair.direction, text + p_phrase(pair.p_adjusted, name="corrected p"), pair.reason)
        cases.append(case)
    return cases


def _report(case: Case, direction: str, text: str, reason: str) -> None:
    if direction == "inconclusive":
        _add(case, "skipped", f"{text}. {reason}".strip())
    else:
        ElementTree.SubElement(case, "system-out").text = clean(text)


def _control(owner: str, control: Control) -> Case:
    case = _case(owner, f"control: {control.name}")
    text = f"{control.expectation} Observed {number(control.observed)} {control.unit}, "
    text += f"threshold {number(control.threshold)}. {control.note}".strip()
    if control.passed is False:
        _add(case, "failure", text, kind="control")
    elif control.passed is None:
        _add(case, "skipped", f"not run. {control.note}".strip())
    return case


def _finding_case(finding: Finding) -> Case:
    about = "/".join(part for part in (finding.bank, finding.subject) if part) or finding.kind
    suffix = " (growth)" if finding.kind.endswith("growth") else ""
    case = _case(finding.class_name or finding.rule, about + suffix)
    if finding.outcome == "fail":
        _add(case, "failure", sentence(finding), kind=finding.kind)
    elif finding.outcome == "inconclusive":
        _add(case, "error", sentence(finding), kind="inconclusive")
    else:
        ElementTree.SubElement(case, "system-out").text = clean(sentence(finding))
    return case


def _case(owner: str, name: str) -> Case:
    return ElementTree.Element("testcase", classname=clean(owner), name=clean(name), time="0")


def _add(case: Case, tag: str, message: str, *, kind: str = "") -> None:
    attributes = {"message": clean(message)} | ({"type": kind} if kind else {})
    ElementTree.SubElement(case, tag, attributes).text = clean(message)


def _suite(name: str, cases: Iterable[Case]) -> Case:
    suite = ElementTree.Element("testsuite", name=clean(name))
    suite.extend(cases)
    _count(suite, [suite])
    return suite


def _document(name: str, suites: list[Case]) -> str:
    root = ElementTree.Element("testsuites", name=clean(name))
    root.extend(suites)
    _count(root, suites)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="UTF-8"?>\n', "\n")
    )


def _count(element: Case, suites: list[Case]) -> None:
    cases = [case for suite in suites for case in suite.iter("testcase")]
    element.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    element.set("time", "0")
