"""The contrasts of a class: how two groups were made comparable, and how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import BankRecord, ClassResult, ContrastDetail, CovariateBalance, Finding, FindingKind
from auditor.report.view.parts import FindingRow, Shot, item_anchor, noun_of
from auditor.report.view.summary import Title
from auditor.report.words import apart_text, clean, count, digits_of, listing, number

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
    """How the groups were made comparable, or where they were pasted."""
    apart: str
    """Whether the model tells the groups apart; empty where no probe was learned. Charts leave it out."""
    n: str
    means: str
    """Mean e in either group."""
    logarithm: str
    balance: tuple[BalanceRow, ...]


@dataclass(frozen=True)
class ContrastTable:
    """The contrasts of one kind."""

    key: str
    title: str
    note: str
    """What is compared, where the title does not say it."""
    caption: str
    positive: str
    """What a positive difference means."""
    rows: tuple[ContrastRow, ...]
    shots: tuple[Shot, ...] = ()
    """Pictures with people pasted in."""


def contrast_tables(
    result: ClassResult, findings: Sequence[Finding], banks: Sequence[BankRecord], anchor: str, title: Title
) -> tuple[ContrastTable, ...]:
    """The contrasts of a class, of people alone and in its own pictures; kinds without any are left out."""
    alone = _rows(result, findings, "contrast", anchor, title)
    pasted = _rows(result, findings, "in context", anchor, title)
    allowed = {bank.name for bank in banks if bank.report_images}
    shots = tuple(
        Shot(p.path, clean(p.alt), clean(title(p.bank, p.concept)))
        for p in result.pictures
        if p.kind == "in context" and p.bank in allowed
    )
    what = "impression" if result.images and result.images.source == "impressions" else "photo"
    tables = (
        ContrastTable(
            "contrast",
            "Contrasts between groups",
            "",
            "Differences of the log-scaled class probability between groups",
            "the class is associated more with the group named first",
            alone,
        ),
        ContrastTable(
            "in-context",
            "Contrasts in context",
            f"Both images of a pair are pasted, in turn, into the same place of the same {what} of the "
            "class, beside the object. Only the pasted image differs, so the difference is an effect of "
            "exchanging it.",
            "Differences of the log-scaled class probability in the class's own pictures",
            "the class is answered more with the group named first pasted in",
            pasted,
            shots[:MOST_PASTED],
        ),
    )
    return tuple(table for table in tables if table.rows)


MOST_PASTED = 4
"""Pictures with people pasted in that are shown of a class."""


def _rows(
    result: ClassResult, findings: Sequence[Finding], kind: FindingKind, anchor: str, title: Title
) -> tuple[ContrastRow, ...]:
    details = {(d.bank, d.more, d.less): d for d in result.contrasts}
    own = [f for f in findings if f.kind == kind]
    return tuple(
        _row(f, details.get((f.bank, f.more, f.less)), item_anchor(anchor, noun_of(kind), i), title)
        for i, f in enumerate(own)
    )


def _row(finding: Finding, detail: ContrastDetail | None, anchor: str, title: Title) -> ContrastRow:
    balance = detail.balance if detail and finding.kind == "contrast" else []
    more, less = (clean(title(finding.bank, group)) for group in (finding.more, finding.less))
    means = (number(mean, digits=digits_of(finding.kind)) for mean in (finding.mean, finding.mean_other))
    return ContrastRow(
        anchor=anchor,
        title=f"{more} against {less}",
        finding=finding,
        how=_how(finding, balance),
        apart=apart_text(detail.apart if detail and finding.kind == "contrast" else None, finding.alpha),
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
    if finding.kind == "in context":
        if finding.effect is None:
            return "in the class's own pictures"
        pictures = count(finding.independent_other, "picture")
        return f"in {pictures} of the class, {count(finding.independent, 'independent pair')}"
    if not finding.matched:
        return "not matched"
    names = listing(list(dict.fromkeys(clean(b.covariate.partition(":")[0]) for b in balance)))
    how = f"matched on {names}" if names else "matched"
    return f"{how}, {count(finding.independent, 'independent pair')}"


def _balanced(smd: float | None) -> str:
    if smd is None:
        return "not measured"
    return "balanced" if abs(smd) < _WELL_BALANCED else "differs"
