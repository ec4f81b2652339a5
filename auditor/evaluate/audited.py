"""What an audit says of every class and concept, for experiments that set something beside it.

Nothing is computed in another way than :mod:`auditor.audit` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.audit.assemble import in_order
from auditor.audit.explanations import Maps, class_paper_scores, maps_of
from auditor.audit.forward import Shown, random_photos, show_bank, show_benchmark
from auditor.audit.occluders import explanation_of
from auditor.audit.score import score
from auditor.banks import ConceptBank
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.evaluate.cost import Cost, measured
from auditor.evaluation_records import Estimate
from auditor.explain.stage_one import StageOne
from auditor.findings import conclude_all
from auditor.records import Finding, Skipped
from auditor.statistics.mmd import PaperScores


@dataclass(frozen=True)
class Audited:
    """The scores of every class and bank."""

    shown: tuple[Shown, ...]
    findings: dict[tuple[int, str, str], Finding]
    """Class index, bank and subject to what is concluded."""
    paper: dict[tuple[int, str], PaperScores]
    """Class index and bank to the paper's scores, in the order of the bank's concepts."""
    skipped: tuple[Skipped, ...]
    """Classes and banks without the paper's score."""
    effect_cost: Cost
    """Of one pass over the banks and the scores at the output."""
    paper_cost: Cost
    """Of the paper's scores, from the same pass."""

    def effect(self, index: int, bank: str, subject: str) -> Estimate | None:
        """The effect at the output with its 95% interval; ``None`` where it is not measured."""
        found = self.findings.get((index, bank, subject))
        if found is None or found.effect is None:
            return None
        return Estimate(value=found.effect, low=found.low, high=found.high, n=found.independent)

    def shares(self, index: int, shown: Shown) -> dict[str, tuple[float, float]]:
        """Concept to the paper's score and its standard deviation; without what is not measured."""
        found = self.paper.get((index, shown.layout.bank.name))
        if found is None:
            return {}
        rows = zip(shown.layout.names, found.mean.tolist(), found.sd.tolist(), strict=True)
        return {name: (mean, sd) for name, mean, sd in rows if mean == mean}


def audit_concepts(
    context: AuditContext, banks: Sequence[ConceptBank], learned: Sequence[StageOne]
) -> Audited:
    """Score every class against every bank.

    Args:
        context: Of the evaluation.
        banks: Each passes once for all classes.
        learned: Stage one of the classes that have one. Where the occluder does not hold, there is no
            paper's score, as in an audit.

    Raises:
        InputError: An image cannot be read any more.
    """
    held, skipped = _held(context, learned)
    with measured() as effect_cost:
        shown = tuple(show_bank(context, bank, held) for bank in banks)
        scores = score(context, shown)
    findings = conclude_all(in_order(context.classes, scores.findings))
    with measured() as paper_cost:
        random = show_benchmark(context, random_photos(context.settings.benchmark), held)
        paper = _paper(context, shown, held, random, skipped)
    return Audited(
        shown=shown,
        findings={(one.class_index, one.bank, one.subject): one for one in findings},
        paper=paper,
        skipped=tuple(skipped),
        effect_cost=effect_cost,
        paper_cost=paper_cost,
    )


def _held(context: AuditContext, learned: Sequence[StageOne]) -> tuple[list[StageOne], list[Skipped]]:
    """Occluders that hold, and why there is none of the other classes."""
    by_class = {one.label.index: one for one in learned}
    held, skipped = [], []
    for label in context.classes:
        what = f"the paper's score for class '{label.name}'"
        one = by_class.get(label.index)
        if one is None:
            skipped.append(Skipped(what=what, reason="no occluder could be learned for the class"))
        elif not (said := explanation_of(one)).measured:
            skipped.append(Skipped(what=what, reason=said.reason))
        else:
            held.append(one)
    return held, skipped


def _paper(
    context: AuditContext,
    shown: Sequence[Shown],
    held: Sequence[StageOne],
    random: Maps,
    skipped: list[Skipped],
) -> dict[tuple[int, str], PaperScores]:
    found = {}
    for bank in shown:
        name = bank.layout.bank.name
        for place, one in enumerate(held):
            maps, others = maps_of(bank.forward.maps, place), maps_of(random, place)
            try:
                found[one.label.index, name] = class_paper_scores(
                    context, one.label, bank.layout, maps, others
                )
            except InputError as failure:
                skipped.append(Skipped(what=f"the paper's score with bank '{name}'", reason=str(failure)))
                break
    return found
