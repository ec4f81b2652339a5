"""The images that two audits both showed to their models: read from the arrays, drawn once for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.paired import (
    Draws,
    FloatArray,
    IntArray,
    Moments,
    concept_effects,
    contrast_effects,
    draw_images,
    draw_pairs,
    label_column,
    moments,
)

Arrays = Mapping[str, NDArray[Any]]
BoolArray = NDArray[np.bool_]
Effects = tuple[FloatArray, FloatArray]
"""[resamples + 1, refits] of the old and of the new model under the same draws."""


@dataclass(frozen=True)
class _Sample:
    used: IntArray
    """Positions of the images that are drawn from, in the bank of ``images``."""
    draws: Draws
    """Of the images used."""
    images: int
    twins: IntArray | None = None
    """Positions of the same pictures without the concept."""

    def take(self, responses: NDArray[Any]) -> FloatArray:
        """[refits, used] Responses to the images used, or their differences from the twins'."""
        values = np.asarray(responses, dtype=np.float64)
        return values[:, self.used] - (0.0 if self.twins is None else values[:, self.twins])


@dataclass(frozen=True)
class Seen:
    """What both models made of the same draws, for one class and one bank."""

    labels: IntArray
    """[images used]"""
    names: Sequence[str]
    """Of the labels 0, 1, ..."""
    against_zero: bool
    """Responses are differences from twins."""
    old: Moments
    new: Moments

    def concept(self, name: str) -> Effects | None:
        """One concept against what it is compared with."""
        column = label_column(self.labels, self.names, name)
        if column is None:
            return None
        return (
            concept_effects(self.old, column, labels=self.labels, against_zero=self.against_zero),
            concept_effects(self.new, column, labels=self.labels, against_zero=self.against_zero),
        )

    def contrast(self, more: str, less: str) -> Effects | None:
        """One group against another."""
        first, second = (label_column(self.labels, self.names, name) for name in (more, less))
        if first is None or second is None:
            return None
        return contrast_effects(self.old, first, second), contrast_effects(self.new, first, second)


class SameImages:
    """The arrays of two audits. Whatever is missing, damaged or differs between them gives ``None``."""

    def __init__(self, old: Arrays, new: Arrays, *, rng: np.random.Generator, resamples: int) -> None:
        self._old, self._new = old, new
        self._rng, self._resamples = rng, resamples
        self._samples: dict[str, _Sample | None] = {}

    def of_concepts(self, bank: str, names: Sequence[str], old_class: int, new_class: int) -> Seen | None:
        """The responses that scores are made from."""
        sample = self._twins(bank) or self._bank(bank)
        return self._seen("response", bank, names, sample, old_class, new_class)

    def of_groups(self, bank: str, names: Sequence[str], old_class: int, new_class: int) -> Seen | None:
        """The responses that contrasts are made from."""
        return self._seen("contrast", bank, names, self._bank(bank), old_class, new_class)

    def of_pairs(
        self, bank: str, names: Sequence[str], more: str, less: str, old_class: int, new_class: int
    ) -> Seen | None:
        """The same, of the pairs of a matched contrast alone."""
        sample = self._pairs(bank, names, more, less)
        return self._seen("contrast", bank, (more, less), sample, old_class, new_class)

    def _seen(
        self,
        kind: str,
        bank: str,
        names: Sequence[str],
        sample: _Sample | None,
        old_class: int,
        new_class: int,
    ) -> Seen | None:
        if sample is None:
            return None
        old = self._old.get(f"class/{old_class}/{kind}/{bank}")
        new = self._new.get(f"class/{new_class}/{kind}/{bank}")
        if old is None or new is None:
            return None
        if any(a.ndim != 2 or a.shape[1] != sample.images or not np.isfinite(a).all() for a in (old, new)):
            return None
        drawn = sample.draws
        return Seen(
            drawn.labels,
            names,
            sample.twins is not None,
            moments(sample.take(old), drawn),
            moments(sample.take(new), drawn),
        )

    def _agreed(self, key: str) -> NDArray[Any] | None:
        old, new = self._old.get(key), self._new.get(key)
        return new if old is not None and new is not None and np.array_equal(old, new) else None

    def _bank(self, bank: str) -> _Sample | None:
        if bank not in self._samples:
            labels, used = self._agreed(f"bank/{bank}/label"), self._compared(bank)
            drawn = None
            if labels is not None and used is not None and used.shape == labels.shape:
                drawn = self._sample(np.flatnonzero(used), labels)
            self._samples[bank] = drawn
        return self._samples[bank]

    def _twins(self, bank: str) -> _Sample | None:
        """Concept images each beside its twin, drawn together; ``None`` where the bank has no twins."""
        key = f"bank/{bank}/twin"
        if key not in self._samples:
            labels, twin = self._agreed(f"bank/{bank}/label"), self._agreed(key)
            self._samples[key] = None
            if labels is not None and twin is not None and twin.shape == labels.shape:
                used = np.flatnonzero(twin >= 0)
                if len(used) and twin.max() < len(labels):
                    self._samples[key] = self._sample(used, labels, twins=twin[used])
        return self._samples[key]

    def _sample(self, used: IntArray, labels: NDArray[Any], *, twins: IntArray | None = None) -> _Sample:
        drawn = draw_images(labels[used], rng=self._rng, resamples=self._resamples)
        return _Sample(used, drawn, len(labels), twins)

    def _compared(self, bank: str) -> BoolArray | None:
        """[images] Which took part in auditor's scores: not photos that only the paper's score uses."""
        key = f"bank/{bank}/compared"
        if key not in self._old and key not in self._new:
            labels = self._new.get(f"bank/{bank}/label")
            return None if labels is None else np.ones(labels.shape, dtype=np.bool_)
        agreed = self._agreed(key)
        return None if agreed is None else np.asarray(agreed, dtype=np.bool_)

    def _pairs(self, bank: str, names: Sequence[str], more: str, less: str) -> _Sample | None:
        key = f"bank/{bank}/pair/{more}/{less}"
        if key not in self._samples:
            labels, pair = self._agreed(f"bank/{bank}/label"), self._agreed(key)
            self._samples[key] = None
            if labels is not None and pair is not None and {more, less} <= set(names):
                sides = [labels == list(names).index(name) for name in (more, less)]
                if pair.shape == labels.shape and _one_of_each(pair, *sides):
                    used = pair >= 0
                    drawn = draw_pairs(pair[used], sides[0][used], rng=self._rng, resamples=self._resamples)
                    self._samples[key] = _Sample(np.flatnonzero(used), drawn, len(labels))
        return self._samples[key]


def _one_of_each(pair: NDArray[Any], more: BoolArray, less: BoolArray) -> bool:
    """Whether every pair, of two or more, has exactly one image of each group."""
    first, second = (np.sort(pair[side & (pair >= 0)]) for side in (more, less))
    every = np.unique(pair[pair >= 0])
    return len(every) >= 2 and np.array_equal(first, every) and np.array_equal(second, every)
