"""Banks that only screen: nothing is claimed from them, a gate leaves them out, and every report says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from auditor.audit.concepts import Response
from auditor.audit.forward import Shown
from auditor.audit.groups import EveryClass, Groups, contrast, sample_groups
from auditor.findings import SCREENING, Numbers, Range, conclude, conclude_all, concluded
from auditor.images.technical import TECHNICAL
from auditor.models.loaded import ClassLabel
from auditor.policy.judge import judge
from auditor.policy.load import parse_policy
from auditor.policy.rules import Contrast, Policy
from auditor.policy.screening import _claimed
from auditor.records import Audit, Check, Conclusion, Finding
from auditor.report.formats.policy import policy_template
from auditor.report.view.summary import class_summary, titles
from auditor.report.words import said
from auditor.statistics.classwise import FEWEST_CLASSES
from auditor.statistics.probability import Tempered
from tests.releases import audit_of, audited_class, concept, in_context
from tests.releases import contrast as made_contrast
from tests.scans import finding as scan_finding
from tests.unit.test_audit_groups import SETTINGS, two_groups

SCREENS = Check(
    name=SCREENING, passed=False, forbids="verdict", reason="the bank only screens: look with photos"
)
FAILED = Check(name="dark", passed=False, forbids="both", reason="too dark")
DAY = date(2026, 11, 27)


@pytest.mark.parametrize(
    ("low", "high", "p", "checks", "conclusion", "withheld"),
    [
        (0.2, 0.4, 0.001, [SCREENS], "screening", False),
        (-0.4, -0.2, 0.001, [SCREENS], "screening", False),
        (0.2, 0.4, 0.2, [SCREENS], "inconclusive", False),
        (0.2, 0.4, 0.001, [SCREENS, FAILED], "inconclusive", True),
        (-0.05, 0.05, 1.0, [SCREENS], "inconclusive", False),
        (0.0, 0.4, 0.001, [SCREENS], "inconclusive", False),
        (0.2, 0.4, 0.001, [SCREENS.model_copy(update={"passed": True})], "associated", False),
    ],
)
def test_no_verdict_is_drawn_from_a_bank_that_screens(
    low: float, high: float, p: float, checks: list[Check], conclusion: Conclusion, withheld: bool
) -> None:
    seen = Numbers((low + high) / 2, low, high, p)
    judged = conclude(seen, irrelevant=Range.within(0.1), alpha=0.05, checks=checks)
    assert (judged.conclusion, judged.withheld) == (conclusion, withheld)


def screened(audit: Audit, effect: float = 0.3) -> Audit:
    """The audit, its contrasts measured on a bank that screens and all with this effect."""
    banks = {f.bank for f in audit.findings if f.kind == "contrast"}

    def on_screen(finding: Finding) -> Finding:
        if finding.kind != "contrast":
            return finding
        numbers = {"effect": effect, "p_adjusted": 0.001, "p_value": 0.001, "checks": [SCREENS]}
        ends = {"adjusted_low": effect - 0.05, "adjusted_high": effect + 0.05}
        return concluded(finding.model_copy(update=numbers | ends))

    return audit.model_copy(
        update={
            "banks": [b.model_copy(update={"screening": b.name in banks}) for b in audit.banks],
            "findings": [on_screen(f) for f in audit.findings],
        }
    )


def contrasted(groups: Groups, shown: Shown) -> Finding:
    response = Response(Tempered(shown.logits).log_scaled(0), shown.logits.argmax(axis=1) == 0)
    every = EveryClass.of(shown.logits)
    label = ClassLabel(0, "zebra")
    return contrast(groups, shown, label, response, every, settings=SETTINGS, family=1)


def contrasts(audit: Audit) -> list[Finding]:
    return [f for f in audit.findings if f.kind == "contrast"]


def test_a_gate_leaves_screening_banks_out_and_notes_what_they_found(audit: Audit) -> None:
    audit = screened(audit)
    policy = Policy(format_version=2, contrast=[Contrast(largest_difference=0.1)])
    verdict = judge(audit, policy, today=DAY)
    assert {ruling.kind for ruling in verdict.rulings} == {"coverage"}, "no contrast was tested on photos"
    notes = [note for note in verdict.notes if note.startswith("screening: ")]
    assert len(notes) == len(contrasts(audit)) > 0
    assert "effect +0.300; not judged, look with photos" in notes[0]


def test_a_gate_judges_screening_banks_where_the_policy_allows_it(audit: Audit) -> None:
    rule = Contrast(largest_difference=0.1)
    policy = Policy(format_version=2, contrast=[rule], allow_screening=True)
    verdict = judge(screened(audit), policy, today=DAY)
    assert verdict.outcome == "fail"
    assert not [note for note in verdict.notes if note.startswith("screening")]
    within = judge(screened(audit, 0.01), policy, today=DAY).rulings
    assert [r.measured for r in within if r.kind == "contrast"] == ["pass"] * len(contrasts(audit))


def test_a_first_policy_leaves_screening_banks_out(audit: Audit) -> None:
    held = screened(audit)
    text = policy_template(held)
    assert contrasts(held)[0].bank not in text
    assert "# allow_screening = true" in text
    assert f'"{SCREENING}"' not in text, "a check that no judged finding has would never be met"


def test_a_first_policy_leaves_contrasts_in_context_alone() -> None:
    """It gates the next audit as well, which may be made without --in-context."""
    alone = audit_of(audited_class(concept(), made_contrast()))
    claimed = in_context(effect=0.3, low=0.2, high=0.4)
    both = audit_of(audited_class(concept(), made_contrast(), claimed, in_context("old", "young")))
    assert "enough pictures of the class" not in policy_template(both)
    assert "in context" not in policy_template(both)
    assert policy_template(both) == policy_template(alone)
    policy, problems, _ = parse_policy(policy_template(both))
    assert not problems
    assert policy is not None
    assert {r.kind for r in judge(both, policy, today=DAY).rulings} == {"association", "contrast"}
    assert judge(alone, policy, today=DAY).outcome == "pass"


def test_a_rule_that_names_a_screening_bank_is_not_met_in_silence(audit: Audit) -> None:
    audit = screened(audit)
    bank = contrasts(audit)[0].bank
    policy = Policy(format_version=2, contrast=[Contrast(banks=[bank], largest_difference=0.1)])
    verdict = judge(audit, policy, today=DAY)
    assert verdict.outcome == "inconclusive"
    assert any("allow_screening = true" in ruling.reason for ruling in verdict.rulings)


@pytest.mark.parametrize("effect", [0.3, -0.3])
def test_words_name_the_group_and_ask_for_photos(audit: Audit, effect: float) -> None:
    audit = screened(audit, effect)
    finding = contrasts(audit)[0]
    more, less = (finding.more, finding.less) if effect > 0 else (finding.less, finding.more)
    assert said(finding).text == f"screening: more with {more}"
    own = [f for f in audit.of_class(finding.class_index) if f.kind == "contrast"]
    title = titles(audit)
    summary = class_summary(own, title)
    assert summary.word == "screening: look with photos"
    first, second = title(finding.bank, more), title(finding.bank, less)
    assert f"“{first}” than with images labelled “{second}”; look with photos." in summary.sentence
    assert "associated more" in summary.sentence
    assert "Screening: " in summary.sentence


@pytest.mark.parametrize("screening", [True, False])
def test_technical_differences_within_rendered_pairs_withhold_nothing(screening: bool) -> None:
    """One twin is darker by construction: a variant where pairs are rendered, else a failed check."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0.0, 0.3, (120, FEWEST_CLASSES))
    logits[:60, 0] += 2.0
    technical = rng.standard_normal((120, len(TECHNICAL)))
    technical[:60, 0] += 6.0
    shown = two_groups(logits, technical=technical)
    bank = replace(shown.layout.bank, screening=screening)
    shown = replace(shown, layout=replace(shown.layout, bank=bank))
    [groups] = sample_groups(shown.layout, settings=SETTINGS)
    [finding] = conclude_all([contrasted(groups, shown)])
    assert finding.conclusion == ("screening" if screening else "inconclusive")
    failed = {c.name for c in finding.checks if c.passed is False and c.forbids != "absence"}
    assert failed == ({SCREENING} if screening else {"comparable pictures"})


@pytest.mark.parametrize(("effect", "conclusion"), [(0.3, "associated"), (-0.3, "negatively associated")])
def test_a_scan_s_finding_is_concluded_anew_where_the_policy_allows_it(
    effect: float, conclusion: Conclusion
) -> None:
    numbers = {"effect": effect, "low": effect - 0.05, "high": effect + 0.05, "q_value": 0.001}
    held = scan_finding("women/men", conclusion="screening", checks=[SCREENS], **numbers)
    assert _claimed(held, {"faces"}).conclusion == conclusion
    assert _claimed(held, {"other"}) == held
