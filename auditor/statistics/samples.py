"""A bank's images as samples: which images are compared with which, and which count as one.

An audit makes a sample once for all classes. A comparison of two releases makes the same sample from the
stored labels and uses it on the differences between the releases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.effects import Effect, Errors, Inference, effects_with_errors, mean_effects
from auditor.statistics.units import independent_units

REFERENCE = -1
"""Label of a bank's reference images."""
RANDOM = -2
"""Label of random photos, which only the paper's score uses."""


@dataclass(frozen=True)
class ConceptSample:
    """Concepts, and the images that they are compared with."""

    labels: IntArray
    """[images] Number of the concept, :data:`REFERENCE` or :data:`RANDOM`."""
    clusters: IntArray
    """[images] Images of one cluster count as one."""
    counterfactual: IntArray | None = None
    """[images] Position of the same picture without the concept, -1 if there is none."""

    @cached_property
    def units(self) -> dict[int, int]:
        """Label of a concept or of the reference images to its number of independent images."""
        known = np.unique(self.labels[self.labels >= REFERENCE])
        return {int(label): len(np.unique(self.clusters[self.labels == label])) for label in known}

    @cached_property
    def unmeasurable(self) -> dict[int, str]:
        """Concepts without a measurable effect, with the reason."""
        concepts = {label: count for label, count in self.units.items() if label >= 0}
        alone = {
            label: f"{count} independent image{'' if count == 1 else 's'}, need 2"
            for label, count in concepts.items()
            if count < 2
        }
        if self.counterfactual is not None:
            return alone
        if self.units.get(REFERENCE, 2) < 2:
            return dict.fromkeys(concepts, "the reference images are one independent image, need 2") | alone
        if REFERENCE not in self.units and len(concepts) - len(alone) < 2:
            return dict.fromkeys(concepts, "there is no other concept to compare with") | alone
        return alone

    @cached_property
    def measurable(self) -> list[int]:
        """Concepts with a measurable effect, in order: the columns of all results."""
        return [label for label in self.units if label >= 0 and label not in self.unmeasurable]

    @cached_property
    def used(self) -> IntArray:
        """[used] Positions of the images in use."""
        part = np.isin(self.labels, self.measurable)
        if self.counterfactual is None:
            return np.flatnonzero(part | (self.labels == REFERENCE))
        return np.flatnonzero(part & (self.counterfactual >= 0))

    @cached_property
    def columns(self) -> IntArray:
        """[used] Column of each image's concept, or :data:`REFERENCE`."""
        place = {label: column for column, label in enumerate(self.measurable)} | {REFERENCE: REFERENCE}
        return np.array([place[int(label)] for label in self.labels[self.used]], dtype=np.int64)

    def take(self, values: FloatArray) -> FloatArray:
        """[..., used] Responses [..., images], or their differences from those to the counterfactuals."""
        if self.counterfactual is None:
            return np.asarray(values[..., self.used])
        return np.asarray(values[..., self.used] - values[..., self.counterfactual[self.used]])

    def effects(self, values: FloatArray, *, inference: Inference, rng: np.random.Generator) -> list[Effect]:
        """The effect of every measurable concept on ``values`` [images]."""
        return mean_effects(
            self.take(values),
            self.columns,
            concepts=len(self.measurable),
            inference=inference,
            rng=rng,
            clusters=self.clusters[self.used],
            against_zero=self.counterfactual is not None,
        )

    def errors(
        self, values: FloatArray, *, without: NDArray[np.bool_] | None = None, floor: bool = False
    ) -> Errors:
        """Effects [rows, measurable concepts] on ``values`` [rows, images], by a formula.

        ``without`` [images] marks images to leave out; ``floor`` as for
        :func:`~auditor.statistics.effects.effects_with_errors`.
        """
        kept = np.ones(len(self.used), np.bool_) if without is None else ~without[self.used]
        return effects_with_errors(
            self.take(values)[:, kept],
            self.columns[kept],
            concepts=len(self.measurable),
            clusters=self.clusters[self.used][kept],
            against_zero=self.counterfactual is not None,
            floor=floor,
        )


@dataclass(frozen=True, eq=False)
class GroupSample:
    """One group of images against another, as pairs or as two sets of independent images."""

    more: IntArray
    """[images] Number of the pair (of the cluster, if groups are not matched) of each image of the first
    group; -1 for other images."""
    less: IntArray
    """[images] The same for the second group."""
    matched: bool
    """Units are pairs, with the same numbers in both groups."""

    @cached_property
    def positions(self) -> tuple[IntArray, IntArray]:
        """Positions of each group's images."""
        return np.flatnonzero(self.more >= 0), np.flatnonzero(self.less >= 0)

    @cached_property
    def units(self) -> tuple[int, int]:
        """Independent units of each group; if matched, the number of pairs twice."""
        return len(np.unique(self.more[self.more >= 0])), len(np.unique(self.less[self.less >= 0]))

    @property
    def measurable(self) -> bool:
        """Whether there is an effect to measure."""
        return min(self.units) >= 2

    @cached_property
    def first(self) -> NDArray[np.bool_]:
        """[units] Whether a unit is of the first group; if matched, all are."""
        return np.arange(self._means.shape[0]) < self.units[0]

    def swapped_by_lot(self, rng: np.random.Generator) -> GroupSample:
        """Of matched groups: each pair, at even chance, with its sides exchanged."""
        swapped = rng.random(int(max(self.more.max(), self.less.max())) + 1) < 0.5
        swap = np.where(self.more >= 0, swapped[self.more], (self.less >= 0) & swapped[self.less])
        return GroupSample(
            np.where(swap, self.less, self.more), np.where(swap, self.more, self.less), matched=True
        )

    def unit_values(self, values: FloatArray) -> FloatArray:
        """[..., units] Means over units of ``values`` [..., images]; differences of such means for pairs."""
        return np.asarray((self._means @ np.asarray(values, dtype=np.float64).T).T)

    def side_means(self, values: FloatArray) -> tuple[float, float]:
        """Mean of ``values`` [images] over the units of each group; their difference is the effect."""
        sides = zip((self.more, self.less), self.positions, strict=True)
        more, less = (
            float(independent_units(position * 0, units[position]).means(values[position]).mean())
            for units, position in sides
        )
        return more, less

    def effect(self, values: FloatArray, *, inference: Inference, rng: np.random.Generator) -> Effect:
        """The effect on ``values`` [images]: first group less second group."""
        effect = mean_effects(
            self.unit_values(values),
            self._labels,
            concepts=1 if self.matched else 2,
            inference=inference,
            rng=rng,
            against_zero=self.matched,
        )[0]
        counts = [len(side) for side in self.positions]
        return replace(effect, n=counts[0], n_other=counts[1], units_other=self.units[1])

    def errors(self, values: FloatArray, *, floor: bool = False) -> Errors:
        """The same [rows, 1] on ``values`` [rows, images], by a formula."""
        found = effects_with_errors(
            self.unit_values(values),
            self._labels,
            concepts=1 if self.matched else 2,
            against_zero=self.matched,
            floor=floor,
        )
        return Errors(found.effect[:, :1], found.error[:, :1], found.df[:1])

    @cached_property
    def _labels(self) -> IntArray:
        return np.where(self.first, 0, 1).astype(np.int64)

    @cached_property
    def _means(self) -> csr_matrix:
        """[units, images] Maps image values to unit values."""
        rows, columns, weights = [], [], []
        for side, (units, position) in enumerate(zip((self.more, self.less), self.positions, strict=True)):
            _, unit, size = np.unique(units[position], return_inverse=True, return_counts=True)
            start = 0 if self.matched or side == 0 else self.units[0]
            rows.append(unit.ravel() + start)
            columns.append(position)
            weights.append((-1.0 if self.matched and side else 1.0) / size[unit.ravel()])
        count = self.units[0] if self.matched else sum(self.units)
        return csr_matrix(
            (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))),
            shape=(count, len(self.more)),
        )


def group_sample(more: IntArray, less: IntArray, *, matched: bool) -> GroupSample:
    """The sample, checked.

    Raises:
        InputError: An image in both groups, or pairs of which one side is missing.
    """
    if more.shape != less.shape or np.any((more >= 0) & (less >= 0)):
        raise InputError("contrast: an image lies in both groups, need each in one")
    if matched and not np.array_equal(np.unique(more[more >= 0]), np.unique(less[less >= 0])):
        raise InputError("contrast: a pair lacks one of its sides, need both")
    return GroupSample(more, less, matched)
