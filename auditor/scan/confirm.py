"""From effects to findings: select on one part, confirm on the other, conclude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from auditor.audit.concepts import enough, screens
from auditor.audit.groups import ImageByImage, contrast_checks, probe_checks
from auditor.context import AuditContext
from auditor.findings import Numbers, Range, conclude
from auditor.records import Check
from auditor.scan.answers import Looked
from auditor.scan.estimates import Both, Estimates, logarithm
from auditor.scan.parts import Parts, needing
from auditor.scan_records import Kind, ScanFamily, ScanFinding
from auditor.settings import Settings
from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.effects import class_shares
from auditor.statistics.samples import ConceptSample
from auditor.statistics.selection import beyond_margin_p, confirm, same_side, select


@dataclass(frozen=True)
class ScannedBank:
    """One bank: its parts, the model's answers, the effects."""

    parts: Parts
    looked: Looked
    estimates: Estimates

    def both(self, kind: Kind) -> Both:
        """The effects of one kind."""
        return self.estimates.concepts if kind == "association" else self.estimates.contrasts


@dataclass(frozen=True)
class Selected:
    """What the screening part of one bank points at, for one kind."""

    rows: IntArray
    """[selected] Classes."""
    columns: IntArray
    """[selected]."""
    p_values: FloatArray
    """[selected] On the confirming part."""
    looked_at: int
    """Pairs of a class and a column."""


def margin_of(kind: Kind, settings: Settings) -> float:
    """The smallest effect of a kind that matters."""
    return settings.margin if kind == "association" else settings.contrast_margin


def selected_of(both: Both, margin: float) -> Selected:
    """Select on the screening part, test on the confirming part."""
    rows, columns = np.nonzero(select(both.screening, margin))
    p = beyond_margin_p(both.confirming, margin)[rows, columns]
    same = same_side(both.screening.effect[rows, columns], both.confirming.effect[rows, columns])
    return Selected(rows, columns, np.where(same, p, 1.0), both.screening.effect.size)


def findings_of(
    context: AuditContext, banks: Sequence[ScannedBank], kind: Kind, control: Check
) -> tuple[list[ScanFinding], ScanFamily]:
    """Everything selected of one kind over all banks, corrected together and concluded.

    Args:
        context: Model and settings.
        banks: Those scanned.
        kind: Associations, or contrasts.
        control: What labels drawn by lot say of this kind.
    """
    settings = context.settings
    selected = [selected_of(bank.both(kind), margin_of(kind, settings)) for bank in banks]
    corrected = confirm(np.concatenate([one.p_values for one in selected]), settings.alpha)
    found: list[ScanFinding] = []
    for bank, one in zip(banks, selected, strict=True):
        of_bank = _OfBank(context, bank, kind, one, Corrected(corrected.level, control))
        start = len(found)
        found += [of_bank.finding(k, float(corrected.q_value[start + k])) for k in range(len(one.rows))]
    family = ScanFamily(
        kind=kind,
        looked_at=sum(one.looked_at for one in selected),
        selected=len(found),
        confirmed=sum(finding.confirmed for finding in found),
        interval_level=corrected.level,
    )
    return found, family


@dataclass(frozen=True)
class Corrected:
    """What is the same for every finding of one kind."""

    level: float
    """1 minus the coverage of intervals."""
    control: Check


class _OfBank:
    """The selected pairs of one bank, with what is computed once for all of them."""

    def __init__(
        self, context: AuditContext, bank: ScannedBank, kind: Kind, selected: Selected, corrected: Corrected
    ) -> None:
        self._context, self._bank, self._kind, self._selected = context, bank, kind, selected
        self._control = corrected.control
        both = bank.both(kind)
        rows, columns = selected.rows, selected.columns
        self._effect = both.confirming.effect[rows, columns]
        self._half = both.confirming.error[rows, columns] * stats.t.ppf(
            1.0 - corrected.level / 2.0, both.confirming.df[columns]
        )
        self._screened = both.screening.effect[rows, columns]
        effects = both.confirming.effect
        self._shares = [
            class_shares(effects[:, [column]], int(row))[0] for row, column in zip(rows, columns, strict=True)
        ]

    def finding(self, k: int, q_value: float) -> ScanFinding:
        """One finding, concluded."""
        settings = self._context.settings
        row, column = int(self._selected.rows[k]), int(self._selected.columns[k])
        effect, half = float(self._effect[k]), float(self._half[k])
        margin = margin_of(self._kind, settings)
        about = self._concept(column) if self._kind == "association" else self._contrast(column)
        units = "independent images" if not about["matched"] else "independent pairs"
        checks = [
            self._control,
            *screens(self._bank.parts.layout.bank),
            *self._seen(column),
            enough(
                min(about["independent"], about["independent_other"]),
                needing(self._bank.parts.layout.bank, settings),
                what=units,
            ),
        ]
        if (self._kind == "contrast" and abs(effect) - half > margin) or abs(effect) + half <= margin:
            checks += self._contrast_checks(row, column, effect)
        judged = conclude(
            Numbers(effect, effect - half, effect + half, q_value),
            irrelevant=Range.within(margin),
            alpha=settings.alpha,
            checks=checks,
        )
        return ScanFinding(
            kind=self._kind,
            class_index=row,
            class_name=self._context.model.labels[row].name,
            bank=self._bank.parts.layout.bank.name,
            **about,
            screened_effect=float(self._screened[k]),
            effect=effect,
            low=effect - half,
            high=effect + half,
            p_value=float(self._selected.p_values[k]),
            q_value=q_value,
            class_share=self._shares[k],
            alpha=settings.alpha,
            margin=margin,
            checks=checks,
            conclusion=judged.conclusion,
            reason=judged.reason,
        )

    def _concept(self, column: int) -> dict[str, Any]:
        parts = self._bank.parts
        layout, name = parts.confirming.layout, parts.concepts[column]
        compared = _compared(layout.sample, layout.names.index(name))
        units = len(np.unique(layout.clusters[compared])) if len(compared) else layout.independent(name)
        return {
            "subject": name,
            "matched": None,
            "n": len(layout.positions(name)),
            "n_other": len(compared),
            "independent": layout.independent(name),
            "independent_other": units,
        }

    def _contrast(self, column: int) -> dict[str, Any]:
        parts = self._bank.parts
        groups = parts.confirming.groups[parts.contrasts[column]]
        sides = groups.sample.positions
        return {
            "subject": groups.subject,
            "more": groups.contrast.more,
            "less": groups.contrast.less,
            "matched": groups.sample.matched,
            "n": len(sides[0]),
            "n_other": len(sides[1]),
            "independent": groups.sample.units[0],
            "independent_other": groups.sample.units[1],
        }

    def _seen(self, column: int) -> list[Check]:
        if self._kind != "contrast":
            return []
        parts = self._bank.parts
        groups = parts.confirming.groups[parts.contrasts[column]]
        return probe_checks(groups, self._context.settings.alpha)

    def _contrast_checks(self, row: int, column: int, effect: float) -> list[Check]:
        if self._kind != "contrast":
            return []
        parts, looked = self._bank.parts, self._bank.looked
        positions = parts.confirming.positions
        others = self._bank.estimates.others
        seen = ImageByImage(
            response=looked.answers.log_scaled(row, row + 1)[0, positions],
            logarithm=logarithm(parts, looked.answers, others, row),
            against=others is not None,
            technical=looked.technical[positions],
        )
        groups = parts.confirming.groups[parts.contrasts[column]]
        family = max(1, len(self._selected.rows))
        return contrast_checks(groups, seen, effect, settings=self._context.settings, family=family).checks


def _compared(sample: ConceptSample, own: int) -> IntArray:
    """Positions of the images compared with; none where the concept's own pictures without it serve."""
    if sample.counterfactual is not None:
        return np.zeros(0, dtype=np.int64)
    labels = sample.labels[sample.used]
    references = sample.used[labels < 0]
    return references if len(references) else sample.used[labels != own]
