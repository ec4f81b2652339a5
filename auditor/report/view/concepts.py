"""The concepts of a class, bank by bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import BankRecord, ClassResult, ConceptDetail, Finding, Importance
from auditor.report.view.parts import FindingRow, item_anchor
from auditor.report.words import DASH, Word, capital, clean, interval, listing, number, said, unit_share

LEAST_SHOWN, MOST_SHOWN = 5, 10
"""Rows of the short table of a class; the whole one stands in the appendix."""
MAX_CHART_CONCEPTS = 16
"""Rows of a chart; more cannot be read. The table has them all."""


@dataclass(frozen=True)
class ConceptRow(FindingRow):
    """One concept."""

    n: str
    taken: str
    paper: str
    """The paper's score with its standard deviation over benchmark draws."""
    paper_value: float | None
    importance: Importance | None
    """``None`` where it is not measured."""
    responses: tuple[float, ...]
    layer_effects: tuple[tuple[str, float], ...]
    """Layer and effect."""

    @property
    def importance_text(self) -> str:
        """The class-specific importance with its adjusted interval."""
        one = self.importance
        if one is None:
            return DASH
        return f"{number(one.effect)} {interval(one.adjusted_low, one.adjusted_high)}"

    @property
    def importance_word(self) -> Word | None:
        """What is concluded from it."""
        return said(self.importance) if self.importance else None

    @property
    def views(self) -> str:
        """Where the association is seen: in the output, in the features, in both."""
        return self.importance.views if self.importance else DASH


@dataclass(frozen=True)
class BankSection:
    """The concepts of one bank, largest effect first."""

    key: str
    title: str
    rows: tuple[ConceptRow, ...]
    charted: tuple[ConceptRow, ...]
    note: str
    reasons: tuple[tuple[str, str], ...]
    """Why concepts are inconclusive: the reason, and the concepts it holds for."""

    @property
    def first(self) -> tuple[ConceptRow, ...]:
        """What a reader must see: claims, what a check withholds, and the largest effects, in their order."""
        largest = sorted(self.rows, key=lambda row: -abs(row.finding.effect or 0.0))[:LEAST_SHOWN]
        wanted = [row for row in self.rows if row.finding.claimed or row.finding.withheld or row in largest]
        if len(wanted) <= MOST_SHOWN:
            return tuple(wanted)
        kept = sorted(wanted, key=lambda row: (not row.finding.claimed, -abs(row.finding.effect or 0.0)))
        return tuple(row for row in wanted if row in kept[:MOST_SHOWN])

    @property
    def has_importance(self) -> bool:
        """Whether importance was measured."""
        return any(row.importance for row in self.rows)


def bank_sections(
    result: ClassResult, findings: Sequence[Finding], banks: Sequence[BankRecord], anchor: str
) -> tuple[BankSection, ...]:
    """One section for every bank that the class has associations with."""
    associations = [f for f in findings if f.kind == "association"]
    details = {(d.bank, d.concept): d for d in result.concepts}
    sections = []
    for i, name in enumerate(dict.fromkeys(f.bank for f in associations)):
        bank = next((b for b in banks if b.name == name), None)
        rows = [
            _row(f, details.get((f.bank, f.subject)), bank, item_anchor(anchor, "concept", j))
            for j, f in enumerate(associations)
            if f.bank == name
        ]
        rows.sort(key=_order)
        charted = _charted(rows)
        sections.append(
            BankSection(
                key=f"{anchor}-bank-{i + 1}",
                title=clean(bank.title if bank else name),
                rows=tuple(rows),
                charted=charted,
                note=_note(bank, len(charted), len(rows)),
                reasons=_reasons(rows),
            )
        )
    return tuple(sections)


def _row(finding: Finding, detail: ConceptDetail | None, bank: BankRecord | None, anchor: str) -> ConceptRow:
    known = next((c for c in bank.concepts if c.name == finding.subject), None) if bank else None
    score, sd = (detail.paper_score, detail.paper_score_sd) if detail else (None, None)
    paper = unit_share(score)
    if score is not None and sd is not None:
        paper += f" ± {unit_share(min(1.0, sd))}"
    n = f"{finding.n:,}"
    return ConceptRow(
        anchor=anchor,
        title=clean((known.title if known else "") or finding.subject),
        finding=finding,
        n=n if finding.n == finding.independent else f"{n} ({finding.independent:,})",
        taken=f"{finding.taken_for_class:,}" if finding.effect is not None else DASH,
        paper=paper,
        paper_value=score,
        importance=detail.importance if detail else None,
        responses=tuple(detail.responses) if detail else (),
        layer_effects=tuple((clean(e.layer), e.effect) for e in detail.layers) if detail else (),
    )


def _order(row: ConceptRow) -> tuple[bool, float, str]:
    """By effect, largest first; by name last."""
    effect = row.finding.effect
    return (effect is None, -(effect or 0.0), row.title)


def _charted(rows: Sequence[ConceptRow]) -> tuple[ConceptRow, ...]:
    """The largest in size, so that negative ones are not cut off at the end."""
    largest = sorted(rows, key=lambda row: (row.finding.effect is None, -abs(row.finding.effect or 0.0)))
    chosen = {row.anchor for row in largest[:MAX_CHART_CONCEPTS]}
    return tuple(row for row in rows if row.anchor in chosen)


def _note(bank: BankRecord | None, charted: int, total: int) -> str:
    parts = []
    if bank and bank.compared_with:
        parts.append(f"Concepts are compared with {clean(bank.compared_with)}.")
    if bank and bank.clusters:
        parts.append(f"Independent images: {clean(bank.clusters)}.")
    if total > charted:
        parts.append(
            f"The charts show the {charted} of {total} concepts with the largest effects, positive or "
            "negative; the table has all."
        )
    return " ".join(parts)


def _reasons(rows: Sequence[ConceptRow]) -> tuple[tuple[str, str], ...]:
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            by_reason.setdefault(row.reason, []).append(row.title)
    return tuple((capital(reason), listing(names)) for reason, names in by_reason.items())
