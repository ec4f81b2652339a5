"""The contrasts of a class: how two groups were made comparable, and how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import ClassResult, ContrastDetail, CovariateBalance, Finding
from auditor.report.view.parts import FindingRow, item_anchor
from auditor.report.view.summary import Title
from auditor.report.words import clean, count, digits_of, listing, number

_WELL_BALANCED = 0.1
"""Standardised mean difference below which a covariate is commonly taken as balanced."""


@dataclass(frozen=True)
class BalanceRow:
    """How one covariate differs between the groups."""

    covariate: str
    before: str
    after: str
    verdict: str


@dataclass(frozen=True)
class ContrastRow(FindingRow):
    """One contrast."""

    how: str
    n: str
    means: str
    """Mean e in either group."""
    logarithm: str
    balance: tuple[BalanceRow, ...]


def contrast_rows(
    result: ClassResult, findings: Sequence[Finding], anchor: str, title: Title
) -> tuple[ContrastRow, ...]:
    """One row for every contrast of the class."""
    details = {(d.bank, d.more, d.less): d for d in result.contrasts}
    own = [f for f in findings if f.kind == "contrast"]
    return tuple(
        _row(f, details.get((f.bank, f.more, f.less)), item_anchor(anchor, "contrast", i), title)
        for i, f in enumerate(own)
    )


def _row(finding: Finding, detail: ContrastDetail | None, anchor: str, title: Title) -> ContrastRow:
    balance = detail.balance if detail else []
    more, less = (clean(title(finding.bank, group)) for group in (finding.more, finding.less))
    means = (number(mean, digits=digits_of(finding.kind)) for mean in (finding.mean, finding.mean_other))
    return ContrastRow(
        anchor=anchor,
        title=f"{more} against {less}",
        finding=finding,
        how=_how(finding, balance) + _apart(detail),
        n=f"{finding.n:,} / {finding.n_other:,}",
        means=" / ".join(means),
        logarithm=number(finding.log_difference),
        balance=tuple(
            BalanceRow(
                covariate=clean(b.covariate),
                before=number(b.smd_before),
                after=number(b.smd_after),
                verdict=_balanced(b.smd_after if finding.matched else b.smd_before),
            )
            for b in balance
        ),
    )


def _how(finding: Finding, balance: Sequence[CovariateBalance]) -> str:
    if not finding.matched:
        return "not matched"
    names = listing(list(dict.fromkeys(clean(b.covariate.partition(":")[0]) for b in balance)))
    how = f"matched on {names}" if names else "matched"
    return f"{how}, {count(finding.independent, 'independent pair')}"


def _apart(detail: ContrastDetail | None) -> str:
    if detail is None or detail.apart is None:
        return ""
    auc, low, high = (number(end) for end in (detail.apart.auc, detail.apart.low, detail.apart.high))
    return f"; told apart with AUC {auc} [{low}, {high}]"


def _balanced(smd: float | None) -> str:
    if smd is None:
        return "not measured"
    return "balanced" if abs(smd) < _WELL_BALANCED else "differs"
