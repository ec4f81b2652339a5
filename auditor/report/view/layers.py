"""The layers of a class: how reliable each is, and which concepts are strongest there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import ClassResult, LayerRecord
from auditor.report.view.concepts import BankSection
from auditor.report.view.parts import Shot
from auditor.report.view.pictures import shots_of
from auditor.report.words import DASH, clean, number

MAX_PER_LAYER = 3
"""Pictures."""
MAX_LAYER_CONCEPTS = 5


@dataclass(frozen=True)
class LayerRow:
    """One layer: cells, pictures, and what the chart draws."""

    name: str
    shape: str
    reliability: str
    similarity: str
    channels: str
    reliability_value: float | None
    similarity_value: float | None
    shots: tuple[Shot, ...]
    effects: tuple[tuple[str, str], ...]
    """Title and effect of the concepts that are strongest here."""


def layer_rows(
    result: ClassResult, layers: Sequence[LayerRecord], sections: Sequence[BankSection]
) -> tuple[LayerRow, ...]:
    """One row for every layer that the class's occluder was read in."""
    shapes = {layer.name: f"{layer.channels} × {layer.height} × {layer.width}" for layer in layers}
    return tuple(
        LayerRow(
            name=clean(entry.layer),
            shape=shapes.get(entry.layer, DASH),
            reliability=number(entry.reliability),
            similarity=number(entry.similarity),
            channels=", ".join(str(c) for c in entry.top_channels) or DASH,
            reliability_value=entry.reliability,
            similarity_value=entry.similarity,
            shots=shots_of(result, ("detector",), MAX_PER_LAYER, layer=entry.layer),
            effects=_strongest(clean(entry.layer), sections),
        )
        for entry in result.layers
    )


def _strongest(layer: str, sections: Sequence[BankSection]) -> tuple[tuple[str, str], ...]:
    effects = [
        (row.title, effect)
        for section in sections
        for row in section.rows
        for name, effect in row.layer_effects
        if name == layer
    ]
    effects.sort(key=lambda pair: -abs(pair[1]))
    return tuple((title, number(effect)) for title, effect in effects[:MAX_LAYER_CONCEPTS])


def specific_sentence(specific: bool | None) -> str:
    """Whether the detector is specific to the class."""
    if specific is None:
        return "Whether the detector is specific to this class was not measured."
    if specific:
        return "The detector is specific to this class: it differs from those of the reference classes."
    return "The detector is not specific to this class: the detectors of other classes look the same."
