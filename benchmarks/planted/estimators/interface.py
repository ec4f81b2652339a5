"""What every estimator takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.planted.subject import Subject

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """One class against every concept of the bank."""

    effects: FloatArray
    """[concepts] in the estimator's own unit; its size and sign are what is compared with the truth."""
    lows: FloatArray
    """[concepts] ends of the 95% interval; nan where the estimator has none."""
    highs: FloatArray
    p_values: FloatArray
    """[concepts] of "no effect"; nan where the estimator has none."""


@dataclass(frozen=True)
class Estimator:
    """A named way from a model and a bank to estimates."""

    name: str
    fn: Callable[[Subject, int, np.random.Generator], Estimate]
    """Of the subject, the class index and the source of every draw."""
    needs_occluders: bool = False
    what: str = ""
    """One line for the table."""


def without_tests(effects: FloatArray) -> Estimate:
    """An estimate that comes without interval and p-value."""
    nothing = np.full(len(effects), np.nan)
    return Estimate(effects, nothing, nothing, nothing)
