"""The arrays of two audits, read together: the same images as two models saw them.

Whatever is missing, damaged or differs where it must not gives ``None``; the comparison then falls back
on the two recorded intervals and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray
from auditor.statistics.probability import TEMPERATURES, temperature_between
from auditor.statistics.samples import ConceptSample, GroupSample, group_sample
from auditor.statistics.units import joined

Arrays = Mapping[str, NDArray[Any]]


class Both:
    """The old and the new audit's arrays."""

    def __init__(self, old: Arrays | None, new: Arrays | None) -> None:
        """Take them as they were read; ``None`` where an audit has none."""
        self._old, self._new = old or {}, new or {}

    def temperature(self, banks: Sequence[str]) -> float | None:
        """What the new model's logits are to be divided by to be as sharp as the old one's on the banks."""
        if not self._same_temperatures() or not banks:
            return None
        old, new = np.zeros(len(TEMPERATURES)), np.zeros(len(TEMPERATURES))
        for bank in banks:
            ends = self._pair(f"bank/{bank}/entropy", (len(TEMPERATURES),))
            labels = self._agreed(f"bank/{bank}/label")
            if ends is None or labels is None:
                return None
            old += ends[0] * len(labels)
            new += ends[1] * len(labels)
        return temperature_between(old, new)

    def concepts(self, bank: str, count: int) -> ConceptSample | None:
        """The concepts of a bank, so many. Images that either audit puts together count as one."""
        labels = self._agreed(f"bank/{bank}/label")
        if labels is None or labels.ndim != 1 or labels.max(initial=-1) >= count:
            return None
        clusters = self._pair(f"bank/{bank}/cluster", labels.shape)
        key = f"bank/{bank}/counterfactual"
        counterfactual = self._agreed(key)
        if clusters is None or (counterfactual is None and (key in self._old or key in self._new)):
            return None
        if counterfactual is not None and (
            counterfactual.shape != labels.shape or counterfactual.max(initial=-1) >= len(labels)
        ):
            return None
        sample = ConceptSample(labels, joined(*clusters), counterfactual)
        return sample if sample.measurable else None

    def groups(self, bank: str, more: str, less: str, *, matched: bool) -> GroupSample | None:
        """Two groups, paired as the new audit pairs them: one pairing serves both models."""
        labels = self._agreed(f"bank/{bank}/label")
        prefix = f"bank/{bank}/contrast/{more}/{less}"
        first, second = self._new.get(f"{prefix}/more"), self._new.get(f"{prefix}/less")
        if labels is None or first is None or second is None:
            return None
        if first.shape != labels.shape or second.shape != labels.shape:
            return None
        try:
            sample = group_sample(first, second, matched=matched)
        except InputError:
            return None
        return sample if sample.measurable else None

    def responses(self, bank: str, old_class: int, new_class: int) -> tuple[FloatArray, FloatArray] | None:
        """[temperatures, images] e of one class by the old and by the new model."""
        labels = self._agreed(f"bank/{bank}/label")
        old = self._old.get(f"class/{old_class}/response/{bank}")
        new = self._new.get(f"class/{new_class}/response/{bank}")
        if labels is None or old is None or new is None or not self._same_temperatures():
            return None
        if old.shape != (len(TEMPERATURES), len(labels)) or new.shape != old.shape:
            return None
        if not (np.isfinite(old).all() and np.isfinite(new).all()):
            return None
        return old.astype(np.float64), new.astype(np.float64)

    def _agreed(self, key: str) -> NDArray[Any] | None:
        """An array that both audits have and that is the same in both."""
        old, new = self._old.get(key), self._new.get(key)
        return new if old is not None and new is not None and np.array_equal(old, new) else None

    def _pair(self, key: str, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """An array of one shape that both audits have."""
        old, new = self._old.get(key), self._new.get(key)
        if old is None or new is None or old.shape != shape or new.shape != shape:
            return None
        return old, new

    def _same_temperatures(self) -> bool:
        kept = self._agreed("temperatures")
        return kept is not None and kept.shape == (len(TEMPERATURES),) and np.allclose(kept, TEMPERATURES)
