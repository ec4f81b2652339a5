"""The mean of differences that share people and scenes: every person stands in several scenes.

Neither the differences of one person nor those in one scene are independent. The interval counts both as
drawn by chance; the test swaps the two pictures of whole units.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.effects import POWER, Effect, Errors, Inference, permutation_p

_AT_ONCE = 1_000
"""Permutations held in memory together."""


@dataclass(frozen=True, eq=False)
class Crossed:
    """Which unit (persons that belong together) and which scene each difference is of."""

    units: IntArray
    """[differences] 0, 1, ..."""
    scenes: IntArray
    """[differences] 0, 1, ..."""

    def __post_init__(self) -> None:
        """Refuse what has no interval."""
        for name, of in (("units", self.units), ("scenes", self.scenes)):
            if len(np.unique(of)) < 2:
                raise InputError(f"{name}: {len(np.unique(of))}, need 2 or more")

    @cached_property
    def weights(self) -> FloatArray:
        """[differences] Each unit counts the same, whatever the number of its differences; they sum to 1."""
        _, unit, size = np.unique(self.units, return_inverse=True, return_counts=True)
        return np.asarray(1.0 / (len(size) * size[unit.ravel()]))

    def means(self, values: ArrayLike) -> FloatArray:
        """[...] Means of ``values`` [..., differences], each unit counting the same."""
        return np.asarray(np.asarray(values, dtype=np.float64) @ self.weights)

    def error(self, values: FloatArray) -> tuple[float, float]:
        """Standard error of the mean of ``values`` [differences], and its degrees of freedom.

        Two-way clustered (Cameron, Gelbach and Miller 2011, equation 2.8), each part with its finite-sample
        factor, and never less than either part alone. Degrees of freedom are those of the fewer clusters.
        """
        apart = self.weights * (values - self.means(values))
        cells = self.units.astype(np.int64) * (int(self.scenes.max()) + 1) + self.scenes
        of_units, units = _summed(apart, self.units)
        of_scenes, scenes = _summed(apart, self.scenes)
        of_cells, _ = _summed(apart, cells)
        variance = max(of_units + of_scenes - of_cells, of_units, of_scenes)
        return float(np.sqrt(variance)), min(units, scenes) - 1.0

    def errors(self, values: FloatArray) -> Errors:
        """Means of ``values`` [rows, differences] as effects [rows, 1], with their standard errors."""
        found = [self.error(row) for row in values]
        return Errors(
            self.means(values)[:, None],
            np.array([[error] for error, _ in found]),
            np.array([df for _, df in found[:1]]),
        )

    def interval(self, values: FloatArray, level: float) -> tuple[float, float, float]:
        """Mean of ``values`` [differences] and the ends of Student's interval at 1 - ``level``."""
        middle = float(self.means(values))
        error, df = self.error(values)
        half = float(stats.t.ppf(1.0 - level / 2.0, df)) * error
        return middle, middle - half, middle + half

    def effect(self, values: ArrayLike, *, inference: Inference, rng: np.random.Generator) -> Effect:
        """Mean difference with interval and test.

        Args:
            values: [differences] The response with one picture of a pair less that with the other.
            inference: Permutations, level, family. Resamples are not drawn.
            rng: Draws the swaps.
        """
        given = np.asarray(values, dtype=np.float64)
        level = inference.alpha / inference.family
        middle = float(self.means(given))
        error, df = self.error(given)
        half, adjusted = (float(stats.t.ppf(1.0 - at / 2.0, df)) * error for at in (inference.alpha, level))
        count, scenes = len(given), len(np.unique(self.scenes))
        return Effect(
            n=count,
            units=len(np.unique(self.units)),
            n_other=count,
            units_other=scenes,
            effect=middle,
            low=middle - half,
            high=middle + half,
            adjusted_low=middle - adjusted,
            adjusted_high=middle + adjusted,
            p_value=permutation_p(middle, self._swapped(given, inference.permutations, rng)),
            minimum_detectable=float(stats.t.ppf(1.0 - level / 2.0, df) + stats.t.ppf(POWER, df)) * error,
            standard_error=error,
        )

    def _swapped(self, values: FloatArray, draws: int, rng: np.random.Generator) -> FloatArray:
        """[draws] The mean with the two pictures of each unit exchanged at even chance."""
        _, unit = np.unique(self.units, return_inverse=True)
        of_unit = np.bincount(unit.ravel(), weights=self.weights * values)
        found = []
        for start in range(0, draws, _AT_ONCE):
            signs = rng.integers(0, 2, (min(_AT_ONCE, draws - start), len(of_unit))) * 2 - 1
            found.append(signs @ of_unit)
        return np.concatenate(found)


def _summed(values: FloatArray, clusters: NDArray[np.int64]) -> tuple[float, int]:
    """Sum of squares of the clusters' sums with its finite-sample factor, and the number of clusters."""
    _, place = np.unique(clusters, return_inverse=True)
    sums = np.bincount(place.ravel(), weights=values)
    return float((sums**2).sum()) * len(sums) / (len(sums) - 1), len(sums)
