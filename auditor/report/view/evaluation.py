"""An evaluation in words: what a page shows of it, decided once for every format."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.evaluation_records import (
    Answer,
    Bars,
    Curves,
    Estimate,
    Evaluation,
    Experiment,
    Gallery,
    Table,
)
from auditor.records import Skipped
from auditor.report.words import Word, clean, count, duration_words, interval, listing, moment, number

HELD: dict[bool | None, Word] = {
    True: Word("yes", "✔", "good"),
    False: Word("no", "✖", "bad"),
    None: Word("undecided", "?", "open"),
}


@dataclass(frozen=True)
class Cell:
    """A number as a table shows it."""

    value: str
    interval: str


@dataclass(frozen=True)
class RowView:
    """One line of a table."""

    name: str
    cells: list[Cell]


@dataclass(frozen=True)
class TableView:
    """Numbers of one unit side by side."""

    title: str
    unit: str
    rows_are: str
    columns: list[str]
    rows: list[RowView]
    note: str


@dataclass(frozen=True)
class AnswerView:
    """One question and what the numbers say."""

    question: str
    word: Word
    sentence: str


@dataclass(frozen=True)
class ExperimentView:
    """One experiment as a page shows it."""

    anchor: str
    title: str
    about: str
    source: str
    answers: list[AnswerView]
    tables: list[TableView]
    curves: list[Curves]
    bars: list[Bars]
    galleries: list[Gallery]
    skipped: list[Skipped]
    took: str


@dataclass(frozen=True)
class EvaluationView:
    """Everything that a page shows."""

    title: str
    model: str
    headline: str
    facts: list[tuple[str, str]]
    experiments: list[ExperimentView]
    skipped: list[Skipped]


def build_evaluation_view(evaluation: Evaluation) -> EvaluationView:
    """What a page shows of an evaluation."""
    model = evaluation.model
    return EvaluationView(
        title=f"How faithful are audits of {clean(model.name)}?",
        model=clean(model.name),
        headline=headline(evaluation.experiments),
        facts=[
            ("Model", f"{clean(model.name)}, {clean(model.architecture)}"),
            ("Weights (SHA-256)", model.weights_sha256),
            ("Classes", listing([clean(name) for name in evaluation.classes])),
            ("Photos", clean(str(evaluation.settings.get("images", "")))),
            ("Evaluated", moment(evaluation.created)),
            ("Took", duration_words(evaluation.duration_s)),
        ],
        experiments=[experiment_view(one) for one in evaluation.experiments],
        skipped=[_skipped(one) for one in evaluation.skipped],
    )


def headline(experiments: list[Experiment]) -> str:
    """How many questions the numbers answer, and how: ``Of 12 questions 7 are answered yes ...``."""
    answers = [answer for one in experiments for answer in one.answers]
    if not answers:
        return "No question could be answered."
    parts = [
        f"{n} {'is' if n == 1 else 'are'} {'undecided' if held is None else f'answered {word.text}'}"
        for held, word in HELD.items()
        if (n := sum(answer.held is held for answer in answers))
    ]
    return f"Of {count(len(answers), 'question')} {listing(parts)}."


def experiment_view(one: Experiment) -> ExperimentView:
    """One experiment as a page shows it."""
    return ExperimentView(
        anchor=one.step,
        title=one.title,
        about=one.about,
        source=f"CVPR 2020, {one.source}" if one.source else "not in the paper",
        answers=[_answer(answer) for answer in one.answers],
        tables=[_table(table) for table in one.tables],
        curves=one.curves,
        bars=one.bars,
        galleries=one.galleries,
        skipped=[_skipped(skip) for skip in one.skipped],
        took=duration_words(one.duration_s),
    )


def _answer(answer: Answer) -> AnswerView:
    return AnswerView(clean(answer.question), HELD[answer.held], clean(answer.sentence))


def _skipped(one: Skipped) -> Skipped:
    return Skipped(what=clean(one.what), reason=clean(one.reason))


def _table(table: Table) -> TableView:
    return TableView(
        title=clean(table.title),
        unit=table.unit,
        rows_are=table.rows_are,
        columns=[clean(name) for name in table.columns],
        rows=[RowView(clean(row.name), [_cell(one) for one in row.cells]) for row in table.rows],
        note=table.note,
    )


def _cell(one: Estimate | None) -> Cell:
    if one is None:
        return Cell("not measured", "")
    return Cell(number(one.value), interval(one.low, one.high) if one.low is not None else "")
