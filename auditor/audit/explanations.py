"""Explanations: what rests on occluders that hold. The paper's score, and what each layer says.

The importance of a concept (AfI) is tested and concluded. Layers are shown; no conclusion rests on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from auditor.audit.forward import Shown
from auditor.audit.importance import concluded_importances, importances
from auditor.audit.layout import BankLayout
from auditor.audit.occluders import Occluders
from auditor.context import AuditContext
from auditor.explain.reference_classes import ReferenceClasses
from auditor.explain.responses import layer_responses
from auditor.explain.stage_one import StageOne
from auditor.models.loaded import ClassLabel
from auditor.randomness import stream
from auditor.records import ClassLayer, Finding, Importance, LayerEffect
from auditor.statistics.agreement import Specificity, class_specificity
from auditor.statistics.effects import standardised_effects
from auditor.statistics.mmd import PaperScores, paper_scores
from auditor.statistics.samples import REFERENCE

Maps = Mapping[str, NDArray[np.float32]]
"""Layer to [images, detectors, positions]."""


@dataclass(frozen=True)
class ConceptExplanation:
    """What the class's detectors respond to a concept."""

    paper_score: float | None
    """Share of the bank's total, 0 to 1; ``None`` where there is nothing to share."""
    paper_score_sd: float | None
    layers: list[LayerEffect]
    importance: Importance | None = None
    """``None`` where it is not measured."""


@dataclass(frozen=True)
class ClassExplanation:
    """What rests on the occluder of one class; empty where it does not hold."""

    layers: list[ClassLayer] = field(default_factory=list)
    specific: bool | None = None
    """Whether the layers say of this class what they do not say of any class."""
    concepts: dict[tuple[str, str], ConceptExplanation] = field(default_factory=dict)
    """Bank and concept to what is known of it."""


def explain(
    context: AuditContext,
    occluders: Occluders,
    shown: Sequence[Shown],
    benchmark: Maps,
    findings: Sequence[Finding],
) -> list[ClassExplanation]:
    """Read concepts and layers off the detectors of every class whose occluder holds.

    Args:
        context: The audit.
        occluders: Of every class.
        shown: The banks, as the model saw them.
        benchmark: Detector maps of random photos; empty where there are none.
        findings: Concluded; each importance is set beside the finding of the same concept.
    """
    measured = concluded_importances(importances(context, occluders, shown), findings)
    places = {one.label.index: place for place, one in enumerate(occluders.held)}
    found = []
    for one in occluders.classes:
        place = places.get(one.label.index)
        if one.stage_one is None or place is None:
            found.append(ClassExplanation())
            continue
        specificity = _specificity(context, one.stage_one, occluders.references)
        concepts: dict[tuple[str, str], ConceptExplanation] = {}
        for bank in shown:
            maps = maps_of(bank.forward.maps, place), maps_of(benchmark, place)
            concepts |= _concepts(context, one.stage_one, occluders.references, bank, *maps)
        concepts = {
            key: replace(concept, importance=measured.get((one.label.index, *key)))
            for key, concept in concepts.items()
        }
        layers = _layers(one.stage_one, specificity)
        found.append(ClassExplanation(layers, specificity.specific, concepts))
    return found


def maps_of(maps: Maps, place: int) -> dict[str, NDArray[np.float32]]:
    """Layer to one class's maps, [images, positions]."""
    return {layer: values[:, place] for layer, values in maps.items()}


def _specificity(context: AuditContext, one: StageOne, references: ReferenceClasses) -> Specificity:
    """How far channel importance agrees between refits, and with reference classes."""
    refits = {layer: rows[1:] if len(rows) > 1 else rows for layer, rows in one.importance.items()}
    return class_specificity(refits, {layer: references.importance(layer) for layer in context.layer_names})


def _layers(one: StageOne, specificity: Specificity) -> list[ClassLayer]:
    rows = []
    for agreement in specificity.layers:
        main = one.importance[agreement.layer][0]
        signed = one.signed[agreement.layer][0]
        total = float(np.abs(signed).sum())
        rows.append(
            ClassLayer(
                layer=agreement.layer,
                reliability=agreement.reliability,
                similarity=agreement.similarity,
                success_mass=float(np.clip(signed, 0, None).sum()) / total if total else None,
                top_channels=[int(c) for c in np.argsort(-main)[:5]],
            )
        )
    return rows


def _concepts(
    context: AuditContext,
    one: StageOne,
    references: ReferenceClasses,
    shown: Shown,
    maps: Maps,
    random: Maps,
) -> dict[tuple[str, str], ConceptExplanation]:
    """Bank and concept to the paper's score and the effect in each layer."""
    layout = shown.layout
    paper = class_paper_scores(context, one.label, layout, maps, random)
    layers = _layer_effects(context, one, references, shown)
    found = {}
    for name, mean, sd in zip(layout.names, paper.mean, paper.sd, strict=True):
        measured = not np.isnan(mean)
        found[layout.bank.name, name] = ConceptExplanation(
            paper_score=float(np.clip(mean, 0.0, 1.0)) if measured else None,
            paper_score_sd=float(sd) if measured else None,
            layers=layers[name],
        )
    return found


def class_paper_scores(
    context: AuditContext, label: ClassLabel, layout: BankLayout, maps: Maps, random: Maps
) -> PaperScores:
    """The paper's scores of one class over one bank.

    Args:
        context: Runs, seed and whether the paper is followed to the letter.
        label: The class.
        layout: The bank.
        maps: Layer to the class's detector maps of the bank's images, [images, positions].
        random: The same of random photos to compare with; empty: the bank's other images.

    Raises:
        InputError: A concept, or what it is compared with, has fewer than 2 images.
    """
    labels = layout.labels
    if random:
        maps = {layer: np.concatenate([maps[layer], random[layer]]) for layer in maps}
        count = len(maps[context.layer_names[0]])
        labels = np.concatenate([labels, np.full(count - len(labels), REFERENCE)])
    return paper_scores(
        maps,
        labels,
        benchmark=np.arange(len(layout.labels), len(labels)) if random else None,
        runs=context.settings.runs,
        rng=stream(context.settings.seed, "benchmark sets", layout.bank.name, label.index),
        exact=context.settings.paper_exact,
    )


def _layer_effects(
    context: AuditContext, one: StageOne, references: ReferenceClasses, shown: Shown
) -> dict[str, list[LayerEffect]]:
    """Concept to its effect on the class-specific detector of each layer."""
    layout = shown.layout
    by_layer = layer_responses(
        shown.forward.channels,
        activation={layer: one.clean[layer][0] for layer in context.layer_names},
        reference={layer: references.clean(layer) for layer in context.layer_names},
    )
    found = standardised_effects(np.stack(list(by_layer.values())), layout.labels, concepts=len(layout.names))
    low, high = found.interval(context.settings.alpha)
    return {
        name: [
            LayerEffect(
                layer=layer,
                effect=float(found.effect[row, column]),
                low=float(low[row, column]),
                high=float(high[row, column]),
            )
            for row, layer in enumerate(by_layer)
        ]
        for column, name in enumerate(layout.names)
    }
