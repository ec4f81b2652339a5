"""The one place that draws conclusions: from effect, interval, p-value, margin and checks.

Pure functions, no torch. The pipeline calls them once and stores the answer in ``audit.json``. Reports,
gate, comparison, history and trackers read it. The gate holds the same numbers and the same checks
against its own tolerance, by the same function.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from auditor.records import CLAIMS, Check, Conclusion, Finding, FindingKind, Importance, SeenIn, Status
from auditor.statistics.multiplicity import benjamini_yekutieli, holm

ENOUGH = "enough independent images"
"""Name of the check that an effect and an importance share."""
SCREENING = "photos"
"""Name of the check that a bank of rendered pictures fails."""


@dataclass(frozen=True)
class Judged:
    """What may be said, and why."""

    conclusion: Conclusion
    reason: str
    withheld: bool = False
    """Whether a check, and not the numbers, prevents a conclusion."""


@dataclass(frozen=True)
class Numbers:
    """One effect as it is concluded from; ``None`` where it was not measured."""

    effect: float | None
    low: float | None
    """Lower end of the interval adjusted for the family."""
    high: float | None
    p_adjusted: float | None
    """Corrected p-value of "no effect at all"."""


@dataclass(frozen=True)
class Moved:
    """What may be said of a change."""

    status: Status
    reason: str
    withheld: bool = False
    """Whether a check withholds the finding in either release."""


@dataclass(frozen=True)
class Range:
    """Effects that do not matter: from ``low`` to ``high``, ends included."""

    low: float
    high: float

    @classmethod
    def within(cls, margin: float) -> Range:
        """As far up as down."""
        return cls(-margin, margin)


def conclude(seen: Numbers, *, irrelevant: Range, alpha: float, checks: Sequence[Check] = ()) -> Judged:
    """What may be said of one effect.

    Args:
        seen: Effect, adjusted interval, corrected p-value.
        irrelevant: Effects that do not matter.
        alpha: Largest tolerated chance of any false claim in the family.
        checks: Those that concern this very finding; one that failed forbids what it says.
    """
    effect, low, high, p_adjusted = seen.effect, seen.low, seen.high, seen.p_adjusted
    if effect is None or low is None or high is None or p_adjusted is None:
        reason = _reasons(c for c in checks if c.passed is False)
        return Judged("not measured", reason or "there is no number to conclude from")
    if not all(map(math.isfinite, (effect, low, high, p_adjusted))) or not low <= high:
        return Judged("not measured", "the interval is not one: its ends are not finite or not in order")
    if low > irrelevant.high or high < irrelevant.low:
        claim: Conclusion = "associated" if low > irrelevant.high else "negatively associated"
        if against := _against(checks, "effect"):
            return Judged("inconclusive", _reasons(against), withheld=True)
        if p_adjusted > alpha:
            return Judged("inconclusive", "the test does not reject, although the interval would")
        if screens := _against(checks, "verdict"):
            return Judged("screening", _reasons(screens))
        return Judged(claim, "the whole interval lies beyond the margin, and the test rejects")
    if irrelevant.low <= low and high <= irrelevant.high:
        if against := _against(checks, "absence"):
            return Judged("inconclusive", _reasons(against), withheld=True)
        if screens := _against(checks, "verdict"):
            return Judged(
                "inconclusive", f"the whole interval lies within the margin, but {_reasons(screens)}"
            )
        return Judged("not associated", "the whole interval lies within the margin")
    if against := _against(checks, "either"):
        return Judged("inconclusive", _reasons(against), withheld=True)
    return Judged("inconclusive", "the interval reaches across the margin")


def concluded(finding: Finding) -> Finding:
    """The finding with what may be said of it, by its own margin and alpha."""
    judged = conclude(
        numbers_of(finding),
        irrelevant=Range.within(finding.margin),
        alpha=finding.alpha,
        checks=finding.checks,
    )
    return finding.model_copy(update=vars(judged))


def conclude_all(findings: Sequence[Finding]) -> list[Finding]:
    """Correct the p-values of each kind of finding as one family, and conclude.

    Findings without a p-value were not tested: they belong to no family.
    """
    corrected: dict[int, tuple[float, float]] = {}
    for kind in get_args(FindingKind):
        tested = [i for i, f in enumerate(findings) if f.kind == kind and f.p_value is not None]
        p = [findings[i].p_value or 1.0 for i in tested]
        if p:
            corrected |= dict(zip(tested, zip(holm(p), benjamini_yekutieli(p), strict=True), strict=True))
    settled = []
    for i, finding in enumerate(findings):
        if i in corrected:
            adjusted, q = corrected[i]
            finding = finding.model_copy(update={"p_adjusted": float(adjusted), "q_value": float(q)})
        settled.append(concluded(finding))
    return settled


def conclude_importances(measured: Sequence[tuple[Importance, Finding]]) -> list[Importance]:
    """Correct the p-values of all importances as one family, conclude, and set them beside the findings.

    An importance is claimed where the concept differs from other images under the class's detectors, *and*
    the class differs from reference classes. Its p-value is therefore the larger of both.

    Args:
        measured: Every importance, with the concluded finding of the same class and concept.
    """
    corrected = holm([max(one.p_benchmark, one.p_class) for one, _ in measured])
    settled = []
    for (one, finding), adjusted in zip(measured, corrected, strict=True):
        judged = conclude(
            Numbers(one.effect, one.adjusted_low, one.adjusted_high, float(adjusted)),
            irrelevant=Range.within(one.margin),
            alpha=one.alpha,
            checks=[check for check in finding.checks if check.name in (ENOUGH, SCREENING)],
        )
        settled.append(
            one.model_copy(
                update={
                    "p_adjusted": float(adjusted),
                    "conclusion": judged.conclusion,
                    "reason": judged.reason,
                    "views": _views(finding.conclusion, judged.conclusion),
                }
            )
        )
    return settled


def _views(output: Conclusion, features: Conclusion) -> SeenIn:
    """Which of the two conclusions are claims."""
    if output in CLAIMS and features in CLAIMS:
        return "both" if output == features else "opposite directions"
    if output in CLAIMS:
        return "output only"
    return "features only" if features in CLAIMS else "neither"


def family_words(classes: int, associations: int, contrasts: int, in_context: int = 0) -> str:
    """Which tests were corrected together, in words.

    Args:
        classes: Classes audited.
        associations: Concepts tested for each of them.
        contrasts: Contrasts tested for each of them.
        in_context: Contrasts in context, over all classes.
    """
    parts = []
    for count, one, many in ((associations, "concept", "concepts"), (contrasts, "contrast", "contrasts")):
        if count:
            total = classes * count
            parts.append(
                f"{total} {'test' if total == 1 else 'tests'} of {many}, corrected together ({classes} "
                f"{'class' if classes == 1 else 'classes'} times {count} {one if count == 1 else many})"
            )
    if in_context:
        tests = "test" if in_context == 1 else "tests"
        parts.append(f"{in_context} {tests} of contrasts in context, corrected together")
    return "; ".join(parts) or "nothing was tested"


def numbers_of(finding: Finding) -> Numbers:
    """What is concluded from."""
    return Numbers(finding.effect, finding.adjusted_low, finding.adjusted_high, finding.p_adjusted)


def conclude_variant(effect: float, low: float, high: float, *, margin: float) -> Conclusion:
    """What the numbers alone would say: for showing how a conclusion moves, never for making one."""
    return conclude(Numbers(effect, low, high, 0.0), irrelevant=Range.within(margin), alpha=1.0).conclusion


def fallen(finding: Finding) -> list[str]:
    """Names of the variants in which a claim would not stand."""
    if not finding.claimed:
        return []
    return [v.name for v in finding.variants if v.conclusion != finding.conclusion]


def conclude_change(was: Finding, now: Finding, change: Numbers, *, tolerance: float) -> Moved:
    """What may be said of one finding in two releases.

    Args:
        was: In the release before.
        now: In the new one; both measured at one temperature.
        change: Of the effect, new less old; its interval is adjusted for all changes compared.
        tolerance: Largest change that counts as none.
    """
    if change.effect is None or change.low is None or change.high is None or change.p_adjusted is None:
        return Moved("inconclusive", "not measured in both", withheld=True)
    if not all(map(math.isfinite, (change.effect, change.low, change.high, change.p_adjusted))):
        return Moved("inconclusive", "the interval of the change is not finite", withheld=True)
    held_back = [
        f"in the {which} release nothing may be said of it: {finding.reason}"
        for which, finding in (("old", was), ("new", now))
        if finding.withheld or finding.conclusion == "not measured"
    ]
    if held_back:
        return Moved("inconclusive", "; ".join(held_back), withheld=True)
    claims = Claims(was.claimed, now.claimed, was.effect or 0.0, now.effect or 0.0)
    return conclude_moved(claims, change, tolerance=tolerance, alpha=now.alpha)


@dataclass(frozen=True)
class Claims:
    """Which of two releases claims a finding, and its effect in both."""

    was: bool
    now: bool
    old: float
    new: float


def conclude_moved(claims: Claims, change: Numbers, *, tolerance: float, alpha: float) -> Moved:
    """What may be said of a change by its numbers alone; they must all be there and finite.

    Args:
        claims: Of both releases.
        change: New less old; its interval is adjusted for all changes compared.
        tolerance: Largest change that counts as none.
        alpha: Largest corrected p-value of an established change.
    """
    if change.low is None or change.high is None or change.p_adjusted is None:
        return Moved("inconclusive", "not measured in both", withheld=True)
    if -tolerance <= change.low and change.high <= tolerance:
        return Moved("unchanged", "the whole interval of the change lies within the tolerance")
    if change.p_adjusted > alpha or change.low <= 0.0 <= change.high:
        return Moved("inconclusive", "so large a change may be chance, and one that matters is not excluded")
    if claims.was and claims.now and claims.old * claims.new < 0.0:
        return Moved("new", "the direction turned round")
    if claims.now and not claims.was:
        return Moved("new", "claimed now and not before")
    if claims.was and not claims.now:
        return Moved("gone", "claimed before and not now")
    further = abs(claims.new) > abs(claims.old)
    return Moved("grown" if further else "shrunk", "the change is established")


def _against(checks: Sequence[Check], said: str) -> list[Check]:
    """Failed checks that forbid what would be said: ``effect``, ``absence``, ``either`` or ``verdict``."""
    also = () if said == "verdict" else ("both",)
    return [c for c in checks if c.passed is False and c.forbids in (said, *also)]


def _reasons(checks: Iterable[Check]) -> str:
    return "; ".join(dict.fromkeys(c.reason for c in checks))
