"""What an evaluation holds: how far the audit's method can be believed on one model.

``evaluation.json`` is one :class:`Evaluation`. Each experiment of the paper is one :class:`Experiment`, made
of tables, curves, bars and galleries, so that a report shows an experiment without knowing which one it is.
Nothing here imports torch.
"""

from __future__ import annotations

from typing import Any, Literal

from auditor.records import Count, Environment, ModelRecord, Record, Skipped
from auditor.settings import Step

EVALUATION_VERSION = 1


class Estimate(Record):
    """One number with its uncertainty."""

    value: float
    """In the unit of its table or curve."""
    low: float | None = None
    """Lower end of the 95% interval; ``None`` where nothing was repeated."""
    high: float | None = None
    n: Count = 1
    """How many values it is the mean of; of a share, how many images."""


class TableRow(Record):
    """One line of a table."""

    name: str
    cells: list[Estimate | None]
    """One for each column; ``None`` where it was not measured."""


class Table(Record):
    """Numbers of one unit side by side."""

    title: str
    unit: str
    """``share of images, 0 to 1``."""
    rows_are: str
    """What stands in the first column: ``class``."""
    columns: list[str]
    rows: list[TableRow]
    note: str = ""
    """What the intervals are over, and what else a reader must know."""


class CurveLine(Record):
    """One line of a figure."""

    name: str
    points: list[Estimate]
    """One for each position."""


class Curves(Record):
    """A figure of lines over common positions."""

    title: str
    x: list[float]
    x_title: str
    y_title: str
    lines: list[CurveLine]
    note: str = ""


class Bar(Record):
    """One bar of a figure."""

    name: str
    value: float
    sd: float | None = None
    """Half the length of the error bar: a standard deviation over runs, no interval."""


class BarGroup(Record):
    """Bars that belong together: the concepts of one class."""

    name: str
    bars: list[Bar]


class Bars(Record):
    """A figure of grouped bars, as the paper's Figure 4."""

    title: str
    unit: str
    """``share of the bank's total, 0 to 1``."""
    groups: list[BarGroup]
    note: str = ""


class Shot(Record):
    """One picture."""

    path: str
    """Relative to the directory of the evaluation, with forward slashes."""
    alt: str
    caption: str = ""
    width: Count
    height: Count


class ShotRow(Record):
    """Pictures that belong together."""

    name: str
    shots: list[Shot]


class Gallery(Record):
    """Pictures in rows."""

    title: str
    rows: list[ShotRow]
    note: str = ""


class Answer(Record):
    """One question put to the method, and the answer that the numbers give.

    :mod:`auditor.evaluate.answers` decides it, once.
    """

    question: str
    held: bool | None
    """``None``: the intervals do not decide."""
    sentence: str
    """What was seen, with what was needed."""


class Experiment(Record):
    """One experiment of the paper on this model."""

    step: Step
    title: str
    about: str
    """What is done and why, for a reader who does not know the paper."""
    source: str
    """Where the paper does the same: ``Table 1``; empty where it does not."""
    answers: list[Answer] = []
    tables: list[Table] = []
    curves: list[Curves] = []
    bars: list[Bars] = []
    galleries: list[Gallery] = []
    skipped: list[Skipped] = []
    duration_s: float = 0.0

    @property
    def measured(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.tables or self.curves or self.bars or self.galleries)


class Evaluation(Record):
    """Every experiment on one model."""

    format_version: Literal[1] = 1
    kind: Literal["evaluation"] = "evaluation"
    created: str
    """UTC, ISO 8601."""
    duration_s: float
    model: ModelRecord
    settings: dict[str, Any]
    environment: Environment
    classes: list[str]
    """Names of the classes that took part."""
    experiments: list[Experiment]
    skipped: list[Skipped] = []
