"""Lists of undisputed associations: read, checked, and scored. NumPy only."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auditor.errors import InputError


@dataclass(frozen=True)
class Pair:
    """A class of the model and the concept of a bank that a person expects first."""

    class_name: str
    bank: str
    expected: tuple[str, ...]
    """Concepts any of which will do."""
    where: str
    """File and line, for messages."""

    @property
    def named(self) -> tuple[str, ...]:
        """Concepts that the bank must have."""
        return self.expected


@dataclass(frozen=True)
class Expectation:
    """A class and two groups of a bank: images of ``more`` are expected to raise it above ``less``."""

    class_name: str
    bank: str
    more: str
    less: str
    where: str

    @property
    def named(self) -> tuple[str, ...]:
        """Concepts that the bank must have."""
        return self.more, self.less


@dataclass(frozen=True)
class Summary:
    """How well one estimator ranks, over some pairs."""

    pairs: int
    mrr: float
    """Mean of 1 / rank of the expected concept, (0, 1]."""
    mrr_low: float
    """95% interval, classes resampled."""
    mrr_high: float
    top1: float
    """Share of pairs whose expected concept comes first."""
    top1_low: float
    top1_high: float


def read_pairs(path: Path) -> list[Pair]:
    """Rows of ``class,bank,concept``; alternatives separated by ``|``.

    Raises:
        InputError: the file cannot be read, a column is missing, or a cell is empty.
    """
    return [
        Pair(
            row["class"], row["bank"], tuple(a.strip() for a in row["concept"].split("|") if a.strip()), where
        )
        for row, where in _rows(path, ("class", "bank", "concept"))
    ]


def read_expectations(path: Path) -> list[Expectation]:
    """Rows of ``class,bank,more,less``.

    Raises:
        InputError: as :func:`read_pairs`.
    """
    return [
        Expectation(row["class"], row["bank"], row["more"], row["less"], where)
        for row, where in _rows(path, ("class", "bank", "more", "less"))
    ]


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[dict[str, str], str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as failure:
        raise InputError(f"pairs '{path}': cannot be read as UTF-8 text ({failure})") from failure
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    missing = [c for c in columns if c not in (reader.fieldnames or [])]
    if missing:
        raise InputError(
            f"pairs '{path}': columns {', '.join(reader.fieldnames or ['none'])}; needed: {','.join(columns)}"
        )
    rows = []
    for row in reader:
        where = f"{path.name}, line {reader.line_num}"
        cells = {c: (row[c] or "").strip() for c in columns}
        empty = [c for c, cell in cells.items() if not cell.strip("|")]
        if empty:
            raise InputError(f"{where}: no {empty[0]}; needed: {','.join(columns)}")
        rows.append((cells, where))
    if not rows:
        raise InputError(f"pairs '{path}': no rows below the heading; needed: one or more")
    return rows


def check_concepts(wanted: Sequence[str], known: Sequence[str], *, bank: str, where: str) -> list[int]:
    """Positions in ``known`` of every wanted concept.

    Raises:
        InputError: the bank has no concept of that name.
    """
    folded = {name.casefold(): place for place, name in enumerate(known)}
    for name in wanted:
        if name.casefold() not in folded:
            raise InputError(
                f"{where}: bank '{bank}' has no concept '{name}'; it has: {', '.join(sorted(known))}"
            )
    return [folded[name.casefold()] for name in wanted]


def rank_of(scores: ArrayLike, expected: Sequence[int]) -> float:
    """Place of the best expected concept, 1 for the largest score; ties share their mean place."""
    values = np.asarray(scores, dtype=np.float64)
    best = values[list(expected)].max()
    others = np.delete(values, list(expected))
    return 1.0 + float((others > best).sum()) + 0.5 * float((others == best).sum())


def summarise(
    ranks: Sequence[float], classes: Sequence[str], *, draws: int = 2000, rng: np.random.Generator
) -> Summary:
    """MRR and top-1 with percentile intervals from resampling classes, each with all its pairs."""
    place = np.asarray(ranks, dtype=np.float64)
    reciprocal, first = 1.0 / place, (place == 1.0).astype(np.float64)
    (mrr, *mrr_ends), (top1, *top1_ends) = _over_classes([reciprocal, first], classes, draws=draws, rng=rng)
    return Summary(len(place), mrr, *mrr_ends, top1, *top1_ends)


def leads(
    ranks: Mapping[str, Sequence[float]],
    classes: Sequence[str],
    *,
    draws: int = 2000,
    rng: np.random.Generator,
) -> list[str]:
    """How far the first estimator is ahead of each other one in MRR, with intervals over classes."""
    ours, *others = ranks
    lines = []
    for other in others:
        ahead = 1.0 / np.asarray(ranks[ours]) - 1.0 / np.asarray(ranks[other])
        [(mean, low, high)] = _over_classes([ahead], classes, draws=draws, rng=rng)
        lines.append(f"Ahead of {other} in MRR by {mean:+.2f} ({low:+.2f} to {high:+.2f}).")
    return lines


def _over_classes(
    values: Sequence[NDArray[np.float64]], classes: Sequence[str], *, draws: int, rng: np.random.Generator
) -> list[tuple[float, float, float]]:
    """Mean and ends of the 95% interval of each, the same classes resampled for all."""
    names = sorted(set(classes))
    member = np.array([[name == c for c in classes] for name in names], dtype=np.float64)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws) @ member
    count = drawn.sum(axis=1)
    found = []
    for row in values:
        low, high = np.quantile(drawn @ row / count, [0.025, 0.975])
        found.append((float(row.mean()), float(low), float(high)))
    return found


def table(results: Mapping[str, Mapping[str, Summary]]) -> str:
    """Markdown: a row for each estimator, two columns for each group of pairs."""
    groups = list(next(iter(results.values()))) if results else []
    head = "| estimator | " + " | ".join(f"{g}: MRR | {g}: top-1" for g in groups) + " |"
    rule = "|---|" + "---|" * (2 * len(groups))
    lines = [head, rule]
    for name, found in results.items():
        cells = []
        for g in groups:
            s = found[g]
            cells.append(f"{s.mrr:.2f} ({s.mrr_low:.2f} to {s.mrr_high:.2f})")
            cells.append(f"{s.top1:.2f} ({s.top1_low:.2f} to {s.top1_high:.2f})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
