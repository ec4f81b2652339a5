"""User-defined concept attribution, as section 4.5 and Figure 4, with the audit's effect beside it.

The paper averages importance over runs with random sets. The audit's own effect is read off the model's
output and has an interval over the concept's images.
"""

from __future__ import annotations

from auditor.audit.forward import Shown
from auditor.evaluate.answers import first_concept_answer
from auditor.evaluate.audited import Audited
from auditor.evaluate.bench import Bench
from auditor.evaluation_records import Answer, Bar, BarGroup, Bars, Estimate, Experiment, Table, TableRow
from auditor.models.loaded import ClassLabel
from auditor.settings import EvaluationSettings

STRONGEST = 8
"""Most concepts of a class that the figure shows; the table has all."""
CLASSES_A_FIGURE = 6
UNIT = "share of the bank's total, 0 to 1"
COLUMNS = ["the paper's score", "sd over random sets", "effect at the output"]


def concepts(bench: Bench) -> Experiment:
    """The importance of every concept to every class, by the paper and at the output."""
    audited, classes = bench.audited, bench.context.classes
    answers: list[Answer] = []
    tables: list[Table] = []
    bars: list[Bars] = []
    for shown in audited.shown:
        bars += _bars(bench, audited, shown)
        for label in classes:
            tables += _tables(bench, audited, shown, label)
            answers += _answers(audited, shown, label)
        tables += _contrasts(bench, audited, shown)
    return Experiment(
        step="concepts",
        title="User-defined concept attribution",
        about="How important is each concept of a bank to a class? The paper compares what the class's "
        "detectors make of the concept's images with what they make of random images; its score is a share "
        "of the bank's total and has no sign. The audit's effect is how much more the model's output says "
        "the class on the concept's images than on those they are compared with.",
        source="section 4.5, Figure 4",
        answers=answers,
        tables=tables,
        bars=bars,
        skipped=list(audited.skipped),
    )


def deviation_note(settings: EvaluationSettings) -> str:
    """What the standard deviation is over, and what it is not."""
    if settings.paper_exact:
        over = f"{settings.runs} draws of half as many images as the smallest concept has, and one random set"
        why = "all draws are from the same concept images"
    else:
        over, why = f"{settings.runs} random sets", "all sets are compared with the same concept images"
    return f"Mean and standard deviation over {over}. The deviation is no uncertainty of the concept: {why}."


def _ranked(audited: Audited, shown: Shown, label: ClassLabel) -> list[tuple[str, float, float]]:
    """Concept, the paper's score and its deviation, the largest score first."""
    shares = audited.shares(label.index, shown)
    return sorted(((name, *found) for name, found in shares.items()), key=lambda row: -row[1])


def _bars(bench: Bench, audited: Audited, shown: Shown) -> list[Bars]:
    groups = []
    for label in bench.context.classes:
        ranked = _ranked(audited, shown, label)[:STRONGEST]
        if ranked:
            made = [Bar(name=name, value=mean, sd=sd) for name, mean, sd in ranked]
            groups.append(BarGroup(name=label.name, bars=made))
    return [
        Bars(
            title=f"Importance of the concepts of bank '{shown.layout.bank.name}', by the paper's score",
            unit=UNIT,
            groups=groups[start : start + CLASSES_A_FIGURE],
            note=f"At most the {STRONGEST} strongest concepts of a class. {deviation_note(bench.settings)}",
        )
        for start in range(0, len(groups), CLASSES_A_FIGURE)
    ]


def _tables(bench: Bench, audited: Audited, shown: Shown, label: ClassLabel) -> list[Table]:
    """Concepts that make findings with their effect; groups, which only contrasts compare, without."""
    layout, shares = shown.layout, audited.shares(label.index, shown)
    order = [name for name, *_ in _ranked(audited, shown, label)]
    order += [name for name in layout.names if name not in shares]
    rows: dict[bool, list[TableRow]] = {True: [], False: []}
    for name in order:
        paper: list[Estimate | None] = [None, None]
        if name in shares:
            paper = [Estimate(value=value, n=bench.settings.runs) for value in shares[name]]
        findable = name in layout.findable
        effect = audited.effect(label.index, layout.bank.name, name)
        rows[findable].append(TableRow(name=name, cells=[*paper, effect] if findable else paper))
    titles = {True: f"images labelled in bank '{layout.bank.name}'", False: f"groups of '{layout.bank.name}'"}
    note = f"{deviation_note(bench.settings)} Of the effect: 95% interval over the concept's images."
    return [
        Table(
            title=f"{label.name}: {titles[findable]}",
            unit=f"score: {UNIT}; effect: -1 to 1" if findable else UNIT,
            rows_are="concept",
            columns=COLUMNS if findable else COLUMNS[:2],
            rows=found,
            note=note if findable else deviation_note(bench.settings),
        )
        for findable, found in rows.items()
        if any(cell is not None for row in found for cell in row.cells)
    ]


def _contrasts(bench: Bench, audited: Audited, shown: Shown) -> list[Table]:
    """Differences between groups at the output; nothing where the bank declares none."""
    bank, declared = shown.layout.bank.name, shown.layout.declared_contrasts()
    rows = [
        TableRow(
            name=label.name,
            cells=[audited.effect(label.index, bank, f"{one.more}/{one.less}") for one in declared],
        )
        for label in bench.context.classes
    ]
    if not any(cell is not None for row in rows for cell in row.cells):
        return []
    return [
        Table(
            title=f"Differences between groups of bank '{bank}' at the output",
            unit="difference of the log-scaled class probability, -1 to 1",
            rows_are="class",
            columns=[f"images labelled “{one.more}” less images labelled “{one.less}”" for one in declared],
            rows=rows,
            note=f"What images labelled so in bank '{bank}' do; not what people are. 95% interval over "
            "independent images or pairs, without the audit's correction for many tests.",
        )
    ]


def _answers(audited: Audited, shown: Shown, label: ClassLabel) -> list[Answer]:
    layout, shares = shown.layout, audited.shares(label.index, shown)
    scores, effects = {}, {}
    for name in layout.findable:
        effect = audited.effect(label.index, layout.bank.name, name)
        if name in shares and effect is not None:
            scores[name], effects[name] = shares[name][0], effect
    answer = first_concept_answer(f"{label.name}, bank '{layout.bank.name}'", scores, effects)
    return [answer] if answer else []
