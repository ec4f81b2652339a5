"""The list of a scan: every class with something selected, worst first, and what its profile shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from auditor.report.escape import terminal_text
from auditor.report.view.parts import Shot
from auditor.report.words import (
    Word,
    capital,
    clean,
    count,
    digits_of,
    interval,
    number,
    p_phrase,
    p_text,
    percent,
    said,
    unit_share,
)
from auditor.scan_records import Scan, ScanBank, ScanFinding

MOST_CHARTED = 400
"""Classes, worst first, whose profile has a chart; with their words alone a thousand fit one page."""
MOST_DRAWN = 7_500
"""Lines of all profiles together; with more, each shows its largest effects alone."""
FEWEST_DRAWN = 10
LONGEST = 100
"""Letters of a name; scan.json has the whole."""
SUMMED_UP = 4
"""Findings of a class that its row names; its profile has all."""


@dataclass(frozen=True)
class ScanRow:
    """Something selected: its cells are words, and charts draw the numbers of ``finding`` itself."""

    finding: ScanFinding
    title: str
    """The concept as its bank calls it, or the two groups."""
    bank: str
    """Title."""
    name: str
    """Of the class."""
    anchor: str
    """Of the class's profile."""

    @property
    def word(self) -> Word:
        """The conclusion."""
        word = said(self.finding)
        return replace(word, text=terminal_text(word.text, longest=LONGEST))

    @property
    def brief(self) -> str:
        """What it is about; of a contrast, the conclusion."""
        return self.word.text if self.finding.kind == "contrast" else self.title

    @property
    def digits(self) -> int:
        """Decimals of its effects."""
        return digits_of(self.finding.kind)

    @property
    def effect(self) -> str:
        """On the confirming images."""
        return number(self.finding.effect, digits=self.digits)

    @property
    def interval(self) -> str:
        """Adjusted for selection."""
        return interval(self.finding.low, self.finding.high, digits=self.digits)

    @property
    def screened(self) -> str:
        """The effect on the screening images."""
        return number(self.finding.screened_effect, digits=self.digits)

    @property
    def q(self) -> str:
        """The corrected p-value for a cell."""
        return p_text(self.finding.q_value)

    @property
    def severity(self) -> str:
        """Size in margins."""
        return f"{number(self.finding.severity, digits=1)} ×"

    @property
    def sentence(self) -> str:
        """The conclusion with what it is about."""
        one = self.finding
        if one.kind == "contrast":
            more, less = (shown_name(name) for name in (one.more, one.less))
            return f"{capital(self.word.text)}: images labelled “{more}” and “{less}”, {self.how}"
        return f"{capital(self.word.text)}: images labelled “{self.title}”"

    @property
    def how(self) -> str:
        """Of a contrast, whether the groups were matched."""
        return {True: "matched", False: "not matched", None: ""}[self.finding.matched]

    @property
    def evidence(self) -> str:
        """What the confirming images say, and how many they are."""
        one = self.finding
        units = f"{one.independent:,} and {one.independent_other:,} of them independent"
        if one.matched:
            units = f"in {count(one.independent, 'matched pair')}"
        elif (one.independent, one.independent_other) == (one.n, one.n_other):
            units = "all independent"
        return (
            f"{p_phrase(one.q_value, name='q')}; {number(one.severity, digits=1)} times the margin of "
            f"{one.margin:g}; {count(one.n, 'image')} against {one.n_other:,}, {units}"
        )

    @property
    def share(self) -> str:
        """How many other classes do the same."""
        value = self.finding.class_share
        if value is None:
            return ""
        if value == 0:
            return "No other class has an effect as large on this side."
        return f"{percent(value)} of the other classes have an effect at least as large on this side."

    @property
    def reason(self) -> str:
        """Why it is not confirmed."""
        return "" if self.finding.confirmed else clean(self.finding.reason)

    @property
    def withheld(self) -> list[str]:
        """Names of the failed checks whose words the reason has."""
        if self.finding.confirmed:
            return []
        failed = [check for check in self.finding.checks if check.passed is False]
        return [clean(check.name) for check in failed if check.reason in self.finding.reason]

    @property
    def shots(self) -> list[Shot]:
        """The images on which the class's probability is largest."""
        return [
            Shot(
                path=driver.path,
                alt=f"Image {clean(driver.image)} of the bank",
                caption=unit_share(driver.value),
            )
            for driver in self.finding.drivers
        ]


@dataclass(frozen=True)
class Line:
    """One effect of a class with its interval at the level of everything selected."""

    title: str
    effect: float
    low: float | None
    high: float | None
    row: ScanRow | None
    """What was concluded, if it was selected."""


@dataclass(frozen=True)
class Forest:
    """Effects of a class for the concepts, or contrasts, of a bank."""

    key: str
    title: str
    noun: str
    lines: list[Line]
    """Largest first."""
    left_out: int
    margin: float
    digits: int


@dataclass(frozen=True)
class ClassRow:
    """A class in the list, and its profile."""

    anchor: str
    name: str
    index: int
    twin: bool
    """Whether another class has its name."""
    rows: list[ScanRow]
    """What was selected, worst first; what is confirmed comes first."""
    forests: list[Forest]

    @property
    def shown(self) -> list[ScanRow]:
        """What the row names: what is confirmed or, if nothing is, what was selected."""
        return (self.confirmed or self.rows)[:SUMMED_UP]

    @property
    def more(self) -> int:
        """How many it does not name."""
        return len(self.confirmed or self.rows) - len(self.shown)

    @property
    def confirmed(self) -> list[ScanRow]:
        """What is claimed."""
        return [row for row in self.rows if row.finding.confirmed]

    @property
    def search(self) -> str:
        """What the search field compares with."""
        words = [self.name, str(self.index), *(row.title for row in self.rows), *(r.bank for r in self.rows)]
        words += [row.finding.subject for row in self.rows]
        return clean(" ".join(dict.fromkeys(word.lower() for word in words)))


class Namer:
    """Names of classes, concepts and banks as the page shows them."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._same = Counter(scan.classes)
        self._titles = {
            (one.bank.name, concept.name): concept.title
            for one in scan.banks
            for concept in one.bank.concepts
        }
        self._banks = {one.bank.name: one.bank.title or one.bank.name for one in scan.banks}

    def twin(self, index: int) -> bool:
        """Whether another class has the name of this one."""
        return self._same[self._scan.classes[index]] > 1

    def plain(self, index: int) -> str:
        """Its name."""
        return shown_name(self._scan.classes[index])

    def of_class(self, index: int) -> str:
        """Its name, with its index where another has the same."""
        name = self.plain(index)
        return f"{name} ({index})" if self.twin(index) else name

    def subject(self, bank: str, subject: str) -> str:
        """A concept's title, or the groups of a contrast."""
        return shown_name(self._titles.get((bank, subject)) or subject)

    def bank(self, name: str) -> str:
        """A bank's title."""
        return shown_name(self._banks.get(name, name))

    def row(self, finding: ScanFinding) -> ScanRow:
        """A finding as the list shows it."""
        return ScanRow(
            finding=finding,
            title=self.subject(finding.bank, finding.subject),
            bank=self.bank(finding.bank),
            name=self.of_class(finding.class_index),
            anchor=anchor_of(finding.class_index),
        )


def shown_name(name: str) -> str:
    """A name on one line and not too long."""
    return terminal_text(name, longest=LONGEST).strip() or "(no name)"


def anchor_of(index: int) -> str:
    """Where a class's profile is found."""
    return f"class-{index}"


def class_rows(scan: Scan, effects: Mapping[str, NDArray[Any]]) -> list[ClassRow]:
    """Every class with something selected: first those with something confirmed, worst first."""
    namer = Namer(scan)
    found: dict[int, list[ScanRow]] = {}
    for finding in scan.findings:
        found.setdefault(finding.class_index, []).append(namer.row(finding))
    most = max(FEWEST_DRAWN, MOST_DRAWN // max(1, min(len(found), MOST_CHARTED)))
    return [
        ClassRow(
            anchor=anchor_of(index),
            name=namer.plain(index),
            index=index,
            twin=namer.twin(index),
            rows=rows,
            forests=_forests(scan, effects, namer, rows, most) if place < MOST_CHARTED else [],
        )
        for place, (index, rows) in enumerate(found.items())
    ]


def _forests(
    scan: Scan, effects: Mapping[str, NDArray[Any]], namer: Namer, rows: Sequence[ScanRow], most: int
) -> list[Forest]:
    index = rows[0].finding.class_index
    levels: dict[str, float] = {family.kind: family.interval_level for family in scan.families}
    own: dict[tuple[str, str, str], ScanRow] = {
        (row.finding.kind, row.finding.bank, row.finding.subject): row for row in rows
    }
    forests = []
    for position, one in enumerate(scan.banks):
        for kind, columns in (("association", one.concepts), ("contrast", one.contrasts)):
            selected = [own.get((kind, one.bank.name, name)) for name in columns]
            if not any(selected):
                continue
            titles = [namer.subject(one.bank.name, name) for name in columns]
            lines = _lines(effects, f"{one.bank.name}/{kind}", index, levels.get(kind, 1.0))
            every = [
                Line(title, *numbers, row) if row is None else _line(row)
                for title, numbers, row in zip(titles, lines, selected, strict=True)
            ]
            every = [line for line in every if np.isfinite(line.effect)]
            kept = sorted(every, key=lambda line: (line.row is None, -abs(line.effect)))[:most]
            margin = next(row.finding.margin for row in selected if row is not None)
            forests.append(
                Forest(
                    key=f"c{index}-{position}{kind[0]}",
                    title=namer.bank(one.bank.name),
                    noun="concept" if kind == "association" else "contrast",
                    lines=sorted(kept, key=lambda line: -line.effect),
                    left_out=len(every) - len(kept),
                    margin=margin,
                    digits=digits_of(kind),
                )
            )
    return forests


def _line(row: ScanRow) -> Line:
    one = row.finding
    return Line(row.title, float("nan") if one.effect is None else one.effect, one.low, one.high, row)


def _lines(
    effects: Mapping[str, NDArray[Any]], prefix: str, index: int, level: float
) -> list[tuple[float, float | None, float | None]]:
    """Effect and interval of every column for one class, on the confirming images."""
    effect, error, df = (
        np.asarray(effects[f"{prefix}/confirming/{name}"], dtype=np.float64)
        for name in ("effect", "error", "df")
    )
    half = error[index] * stats.t.ppf(1.0 - level / 2.0, df)
    return [
        (float(e), float(e - h), float(e + h)) if np.isfinite(h) else (float(e), None, None)
        for e, h in zip(effect[index], half, strict=True)
    ]


def shown_banks(scan: Scan, kind: str) -> list[ScanBank]:
    """Banks with something confirmed of a kind."""
    names = {finding.bank for finding in scan.confirmed if finding.kind == kind}
    return [one for one in scan.banks if one.bank.name in names]
