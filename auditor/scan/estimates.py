"""The effect of every concept and contrast on every class, in both parts of a bank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.scan.answers import Answers
from auditor.scan.parts import Part, Parts
from auditor.statistics.arrays import FloatArray, standardise_rows
from auditor.statistics.classwise import FEWEST_CLASSES
from auditor.statistics.effects import Errors

SAME = 1e-9
"""Range of e over all images below which a class answers the same to everything."""


@dataclass(frozen=True)
class Both:
    """One kind of effect in both parts, [classes, columns] each."""

    screening: Errors
    confirming: Errors


@dataclass(frozen=True)
class Estimates:
    """One bank's effects on every class."""

    concepts: Both
    """Columns are :attr:`Parts.concepts`."""
    contrasts: Both
    """Columns are :attr:`Parts.contrasts`."""
    constant: NDArray[np.bool_]
    """[classes] Whether the class's probability is the same for every image."""
    others: FloatArray | None
    """[confirming images] Sum over classes of standardised logarithms; ``None`` for models of few classes."""


def estimate(parts: Parts, answers: Answers, advance: Callable[[int], None] = lambda _: None) -> Estimates:
    """Effects of all classes, some hundred at a time.

    Args:
        parts: The bank.
        answers: To all its images.
        advance: Told how many classes have been done.
    """
    found: list[tuple[Both, Both]] = []
    constant = []
    many = answers.classes >= FEWEST_CLASSES and bool(parts.contrasts)
    others = np.zeros(len(parts.confirming.positions)) if many else None
    for start, stop in answers.blocks():
        values = answers.log_scaled(start, stop)
        found.append(effects_of(parts, values))
        constant.append(np.ptp(values, axis=1) < SAME)
        if others is not None:
            logs = answers.logarithms(start, stop)[:, parts.confirming.positions]
            others += standardise_rows(logs).sum(axis=0)
        advance(stop - start)
    concepts, contrasts = (_stacked([block[kind] for block in found]) for kind in (0, 1))
    return Estimates(concepts, contrasts, np.concatenate(constant), others)


def effects_of(parts: Parts, values: FloatArray) -> tuple[Both, Both]:
    """Of concepts, and of contrasts; ``values`` are [rows, images]."""
    sides = [(side, values[:, side.positions]) for side in (parts.screening, parts.confirming)]
    concepts = (_concepts(side, parts.concepts, own) for side, own in sides)
    contrasts = (_contrasts(side, parts.contrasts, own) for side, own in sides)
    return Both(*concepts), Both(*contrasts)


def logarithm(parts: Parts, answers: Answers, others: FloatArray | None, index: int) -> FloatArray:
    """[confirming images] Logarithm of a class's probability, less the others' mean where there are many."""
    own = answers.logarithms(index, index + 1)[:, parts.confirming.positions]
    if others is None:
        return np.asarray(own[0])
    standard = standardise_rows(own)[0]
    return np.asarray(standard - (others - standard) / (answers.classes - 1))


def _concepts(side: Part, names: Sequence[str], values: FloatArray) -> Errors:
    if not names:
        return _none(len(values))
    found = side.layout.sample.errors(values, floor=True)
    columns = [side.layout.measurable.index(name) for name in names]
    return Errors(found.effect[:, columns], found.error[:, columns], found.df[columns])


def _contrasts(side: Part, which: Sequence[int], values: FloatArray) -> Errors:
    found = [side.groups[i].sample.errors(values, floor=True) for i in which]
    if not found:
        return _none(len(values))
    effect, error = (np.hstack([getattr(one, name) for one in found]) for name in ("effect", "error"))
    return Errors(effect, error, np.concatenate([one.df for one in found]))


def _none(rows: int) -> Errors:
    return Errors(np.zeros((rows, 0)), np.zeros((rows, 0)), np.zeros(0))


def _stacked(blocks: Sequence[Both]) -> Both:
    """The classes of all blocks below one another."""

    def one(sides: Sequence[Errors]) -> Errors:
        effect, error = (np.vstack([getattr(side, name) for side in sides]) for name in ("effect", "error"))
        return Errors(effect, error, sides[0].df)

    return Both(one([b.screening for b in blocks]), one([b.confirming for b in blocks]))
