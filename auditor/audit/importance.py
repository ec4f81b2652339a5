"""MMD concept importance of every class and concept: what the features encode, beside what the output does.

Needs occluders that hold, and reference classes: detectors of unrelated classes agree in most of what they
respond to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from auditor.audit.forward import Shown
from auditor.audit.occluders import Occluders
from auditor.context import AuditContext
from auditor.findings import conclude_importances
from auditor.randomness import stream
from auditor.records import Finding, Importance, LayerImportance
from auditor.settings import Settings
from auditor.statistics.importance import (
    Importances,
    UnitSample,
    benchmark_test,
    class_specific,
    mmd_importance,
    sample_units,
)
from auditor.statistics.multiplicity import permutations_needed
from auditor.statistics.samples import REFERENCE

SHARE_OF_LAYERS = 1 / 6
"""Share of the layers, nearest to the output, that an importance is measured in. In earlier layers detectors
of unrelated classes respond alike (docs/afi.md)."""
FEWEST_REFERENCES = 4
"""Fewest reference classes whose spread says how far classes differ."""

Key = tuple[int, str, str]
"""Class, bank and concept."""


def why_not_measured(occluders: Occluders) -> str | None:
    """Why no importance is measured although an occluder holds; ``None`` where it is."""
    count = len(occluders.references.classes)
    if not occluders.held or count >= FEWEST_REFERENCES:
        return None
    return f"{count} reference classes, need {FEWEST_REFERENCES} to know how far classes differ"


def importances(context: AuditContext, occluders: Occluders, shown: Sequence[Shown]) -> dict[Key, Importance]:
    """Every concept that makes findings, for every class whose occluder holds; not yet concluded.

    Args:
        context: The audit.
        occluders: Of every class, with the reference classes.
        shown: The banks, as the model saw them under :attr:`Occluders.detectors`.
    """
    if not occluders.held or why_not_measured(occluders):
        return {}
    banks = [(one, names) for one in shown if (names := _names(one))]
    family = len(occluders.held) * sum(len(names) for _, names in banks)
    found: dict[Key, Importance] = {}
    for one, names in banks:
        with context.progress.stage(f"bank {one.layout.bank.name}: importance", len(occluders.held)) as stage:
            bank = _Bank(context, one, names, len(occluders.held), family)
            for place, of_class in enumerate(occluders.held):
                index = of_class.label.index
                parts = zip(names, bank.of_class(place, index), strict=True)
                found |= {(index, one.layout.bank.name, name): made for name, made in parts}
                stage.advance()
    return found


def concluded_importances(
    found: Mapping[Key, Importance], findings: Sequence[Finding]
) -> dict[Key, Importance]:
    """Conclude all importances of the audit as one family, each beside the finding of the same concept."""
    by_key = {(f.class_index, f.bank, f.subject): f for f in findings if f.kind == "association"}
    settled = conclude_importances([(one, by_key[key]) for key, one in found.items()])
    return dict(zip(found, settled, strict=True))


def late_layers(names: Sequence[str]) -> tuple[str, ...]:
    """The layers that an importance is measured in, of ``names`` from first to last; at least one."""
    return tuple(names[-math.ceil(len(names) * SHARE_OF_LAYERS) :])


def _names(shown: Shown) -> list[str]:
    """Concepts that have an importance: those that make findings and have something to compare with."""
    measurable = shown.layout.measurable
    return [name for name in shown.layout.findable if name in measurable]


def _permutations(settings: Settings, family: int) -> int:
    """Twice as many as can reach significance in the family, at most those of the settings."""
    return min(settings.permutations, max(999, 2 * permutations_needed(family, settings.alpha)))


class _Bank:
    """One bank under all detectors."""

    def __init__(
        self, context: AuditContext, shown: Shown, names: Sequence[str], classes: int, family: int
    ) -> None:
        self._context, self._family, self._classes = context, family, classes
        self._bank = shown.layout.bank.name
        place = {shown.layout.names.index(name): column for column, name in enumerate(names)}
        self._sample: UnitSample = sample_units(
            [place.get(int(label), REFERENCE) for label in shown.layout.labels],
            concepts=len(names),
            clusters=shown.layout.clusters,
            rng=stream(context.settings.seed, "importance units", self._bank),
        )
        self._layers = late_layers(context.layer_names)
        maps = {layer: shown.forward.maps[layer] for layer in self._layers}
        self._found: Importances = mmd_importance(maps, self._sample, tested=classes)

    def of_class(self, place: int, index: int) -> list[Importance]:
        """The importance of every concept for one class."""
        settings, found = self._context.settings, self._found
        references = np.arange(self._classes, found.mmd.shape[1])  # after the audited classes'
        test = benchmark_test(
            found.kernels[place],
            self._sample,
            runs=settings.runs,
            permutations=_permutations(settings, self._family),
            rng=stream(settings.seed, "importance", self._bank, index),
        )
        specific = class_specific(found, place, references)
        low, high = specific.interval(settings.alpha)
        adjusted_low, adjusted_high = specific.interval(settings.alpha / self._family)
        numbers = {
            "mmd": test.mean,
            "signed": found.signed[place],
            "reference": found.signed[references].mean(axis=0),
            "effect": specific.effect,
            "low": low,
            "high": high,
            "adjusted_low": adjusted_low,
            "adjusted_high": adjusted_high,
            "p_benchmark": test.p_value,
            "p_class": specific.p_value,
        }
        by_layer = (found.sign * found.mmd)[:, place]
        return [
            Importance(
                **{name: float(values[column]) for name, values in numbers.items()},
                mmd_sd=None if test.sd is None else float(test.sd[column]),
                p_adjusted=None,
                family=self._family,
                alpha=settings.alpha,
                margin=settings.importance_margin,
                references=len(references),
                layers=[
                    LayerImportance(layer=layer, importance=float(value))
                    for layer, value in zip(self._layers, by_layer[:, column], strict=True)
                ],
                conclusion="not measured",
                reason="not concluded yet",
                views="neither",
            )
            for column in range(self._sample.concepts)
        ]
