"""The difference between two groups at equal technical properties, by regression.

One group's photos may be more blurred, darker or more strongly compressed than the other's. Matching removes
differences in the matched properties. Regression on technical properties removes the linear part of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray
from auditor.statistics.effects import Errors


@dataclass(frozen=True)
class WithoutNuisance:
    """A difference between two groups at equal technical properties."""

    effects: Errors
    """[rows, 1] The differences, with standard errors; infinite where the properties determine the group."""
    explained: float
    """Adjusted R² of the group on the properties, 0 to 1. Near 1 the groups hardly overlap, and there is no
    difference at equal properties to estimate."""


def without_nuisance(
    values: ArrayLike, nuisance: ArrayLike, *, first: ArrayLike | None = None
) -> WithoutNuisance:
    """Regress a response on nuisance properties and on the group (least squares).

    Args:
        values: [rows, units] Response to each picture; without ``first``, the difference of each pair.
        nuisance: [units, properties] Properties of the pictures, or their differences; constant ones are
            left out.
        first: [units] Whether a picture is of the first group; ``None``: units are pairs.

    Raises:
        InputError: Shapes that do not fit, values that are not finite, or too few units.
    """
    rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
    x = np.asarray(nuisance, dtype=np.float64)
    if x.ndim != 2 or x.shape[0] != rows.shape[1] or not (np.isfinite(x).all() and np.isfinite(rows).all()):
        raise InputError(f"nuisance: shape {x.shape}, need finite [{rows.shape[1]} units, properties]")
    units = len(x)
    group = np.ones(units) if first is None else np.asarray(first, dtype=np.float64)
    if first is not None:
        x = np.column_stack([np.ones(units), x - x.mean(axis=0)])
    spread = np.sqrt((x**2).mean(axis=0))
    x = x[:, spread > 1e-12] / spread[spread > 1e-12]
    if units < x.shape[1] + 3:
        raise InputError(f"nuisance: {units} units for {x.shape[1]} properties, need {x.shape[1] + 3}")
    # Frisch and Waugh: regress on the part of the group that the properties do not explain.
    basis = _orthonormal(x)
    left = group - basis @ (basis.T @ group)
    length2 = float(left @ left)
    whole = float(((group - (0.0 if first is None else group.mean())) ** 2).sum())
    df = float(units - basis.shape[1] - 1)
    if length2 < 1e-9 * whole:
        nothing = np.zeros((len(rows), 1))
        return WithoutNuisance(Errors(nothing, nothing + np.inf, np.array([df])), 1.0)
    effect = rows @ left / length2
    cleaned = rows - (rows @ basis) @ basis.T
    variance = ((cleaned - effect[:, None] * left) ** 2).sum(axis=1) / df
    errors = Errors(effect[:, None], np.sqrt(variance / length2)[:, None], np.array([df]))
    by_chance = (units - (0 if first is None else 1)) / (units - basis.shape[1])
    return WithoutNuisance(errors, max(0.0, 1.0 - length2 / whole * by_chance))


def _orthonormal(x: FloatArray) -> FloatArray:
    """[units, rank] Basis of the columns' span; columns may be collinear."""
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return np.asarray(u[:, s > 1e-10 * s.max(initial=1e-300)])
