"""AfI, stage one, and what rests on it: optional, and told only where the occluder holds.

Scores and contrasts are read off the model's output and need none of this. Layers, detectors and the
paper's score rest on the class's images and on an occluder. Where that occluder changes less than half of
the images it never saw, none of them was measured, and the report says so once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from auditor.audit.checks import HELD, another_occluder, random_occluder
from auditor.audit.context import AuditContext
from auditor.audit.forward import Shown
from auditor.audit.layout import BankLayout
from auditor.errors import InputError, StorageError
from auditor.explain.reference_classes import ReferenceClasses, learn_reference_classes
from auditor.explain.responses import layer_responses
from auditor.explain.stage_one import StageOne, cached_stage_one
from auditor.models.loaded import ClassLabel
from auditor.randomness import stream
from auditor.records import (
    ClassLayer,
    ConceptDetail,
    Explanation,
    LayerEffect,
    SanityCheck,
    Skipped,
)
from auditor.statistics.agreement import Specificity, class_specificity
from auditor.statistics.arrays import FloatArray
from auditor.statistics.effects import deciles_of, standardised_effects
from auditor.statistics.mmd import paper_scores
from auditor.statistics.samples import RANDOM, REFERENCE
from auditor.store.directory import WORK


@dataclass(frozen=True)
class Explained:
    """Stage one of one class, as far as it could be done."""

    label: ClassLabel
    fit: StageOne | None
    record: Explanation
    specificity: Specificity | None = None
    checks: tuple[SanityCheck, ...] = ()
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Explanations:
    """Stage one of every class, and the reference classes."""

    classes: tuple[Explained, ...]
    references: ReferenceClasses
    held: tuple[StageOne, ...] = field(default=())
    """Of the classes whose occluder holds; their detectors are read off the banks, in this order."""

    def place(self, index: int) -> int | None:
        """Position of a class among ``held``."""
        return next((i for i, fit in enumerate(self.held) if fit.label.index == index), None)


def explain(context: AuditContext) -> Explanations:
    """Learn the occluders of every class, and reference classes where one holds.

    Raises:
        StorageError: The work folder cannot be written.
    """
    found = [_learn(context, label) for label in context.classes]
    held = tuple(one.fit for one in found if one.fit is not None and one.record.measured)
    references = (
        learn_reference_classes(
            context.model,
            context.classes,
            context.layers,
            settings=context.settings,
            precision=context.precision,
            progress=context.progress,
            cache=context.cache,
        )
        if held
        else ReferenceClasses((), (), {layer.name: layer.channels for layer in context.layers})
    )
    return Explanations(tuple(_checked(context, one, references) for one in found), references, held)


def _learn(context: AuditContext, label: ClassLabel) -> Explained:
    folder = context.settings.out / WORK
    try:
        fit = cached_stage_one(
            context.model,
            label,
            context.layer_names,
            settings=context.settings,
            precision=context.precision,
            progress=context.progress,
            folder=folder,
        )
    except InputError as failure:
        context.progress.note(f"{label.name}: scores only, no explanation: {failure}")
        skipped = Skipped(what=f"explanation of class '{label.name}'", reason=str(failure))
        reason = f"the class has no usable images ({failure})"
        return Explained(label, None, Explanation(measured=False, reason=reason), skipped=(skipped,))
    except OSError as failure:
        raise StorageError(f"cannot write '{folder}': {failure.strerror or failure}") from failure
    return Explained(label, fit, explanation_of(fit), skipped=fit.images.skipped)


def explanation_of(fit: StageOne) -> Explanation:
    """Whether the occluder holds on images that it never saw."""
    share, held = fit.occluder.success_heldout, fit.images.record.heldout
    if share is None or not held:
        why = "no image was held out, so nothing is known about images the occluder never saw"
        return Explanation(measured=False, reason=why)
    changed = f"the occluder changed the model's answer on {round(share * held)} of {held} held-out images"
    if share < HELD:
        return Explanation(measured=False, reason=f"{changed}, need half of them")
    return Explanation(measured=True, reason=changed)


def _checked(context: AuditContext, one: Explained, references: ReferenceClasses) -> Explained:
    if one.fit is None:
        return one
    checks = (random_occluder(one.fit), another_occluder(context.model, one.fit, references.fits))
    if not one.record.measured:
        return Explained(one.label, one.fit, one.record, None, checks, one.skipped)
    failed = [check for check in checks if check.passed is False]
    record = one.record
    if failed:
        names = " and ".join(f"'{check.name}'" for check in failed)
        record = Explanation(measured=False, reason=f"the sanity check {names} failed")
    refits = {layer: _refit_rows(rows) for layer, rows in one.fit.importance.items()}
    reference = {layer: references.importance(layer) for layer in context.layer_names}
    specificity = class_specificity(refits, reference)
    return Explained(one.label, one.fit, record, specificity, checks, one.skipped)


def _refit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The refits, or the main occluder alone where there were none."""
    return rows[1:] if len(rows) > 1 else rows


def concept_details(
    context: AuditContext, one: Explained, explanations: Explanations, shown: Shown, response: FloatArray
) -> list[ConceptDetail]:
    """What else is known of a class and each concept of a bank.

    Args:
        context: The audit.
        one: Stage one of the class.
        explanations: Of every class.
        shown: The bank, as the model saw it.
        response: [images] e of the class.
    """
    layout = shown.layout
    values = layout.sample.take(response)
    deciles = {
        name: deciles_of(values[layout.sample.columns == column])
        for column, name in enumerate(layout.measurable)
    }
    details = [
        ConceptDetail(
            bank=layout.bank.name,
            concept=name,
            responses=list(deciles.get(name) or deciles_of(response[layout.positions(name)])),
        )
        for name in layout.names
    ]
    place = explanations.place(one.label.index)
    if one.fit is None or place is None or not one.record.measured:
        return details
    maps = {layer: shown.forward.maps[layer][:, place] for layer in context.layer_names}
    random = np.flatnonzero(layout.labels == RANDOM)
    paper = paper_scores(
        maps,
        np.maximum(layout.labels, REFERENCE),
        benchmark=random if len(random) else None,
        runs=context.settings.runs,
        rng=stream(context.settings.seed, "benchmark sets", layout.bank.name, one.label.index),
    )
    layers = _layer_effects(layout, one.fit, explanations.references, shown, context)
    return [
        detail.model_copy(
            update={
                "paper_score": None if np.isnan(mean) else float(np.clip(mean, 0.0, 1.0)),
                "paper_score_sd": None if np.isnan(mean) else float(sd),
                "layers": layers[detail.concept],
            }
        )
        for detail, mean, sd in zip(details, paper.mean, paper.sd, strict=True)
    ]


def _layer_effects(
    layout: BankLayout, fit: StageOne, references: ReferenceClasses, shown: Shown, context: AuditContext
) -> dict[str, list[LayerEffect]]:
    by_layer = layer_responses(
        shown.forward.channels,
        profile={layer: fit.clean[layer][0] for layer in context.layer_names},
        reference={layer: references.clean(layer) for layer in context.layer_names},
    )
    own = np.flatnonzero(layout.labels >= REFERENCE)
    found = standardised_effects(
        np.stack([values[own] for values in by_layer.values()]),
        layout.labels[own],
        concepts=len(layout.names),
    )
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


def layer_rows(one: Explained) -> list[ClassLayer]:
    """What each layer says about the class; nothing where the occluder does not hold."""
    if one.fit is None or one.specificity is None or not one.record.measured:
        return []
    rows = []
    for agreement in one.specificity.layers:
        main = one.fit.importance[agreement.layer][0]
        signed = one.fit.signed[agreement.layer][0]
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


def class_arrays(fits: Sequence[StageOne]) -> dict[str, NDArray[np.generic]]:
    """Occluders and channel importance, for ``arrays.npz``."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for fit in fits:
        prefix = f"class/{fit.label.index}"
        arrays[f"{prefix}/occluder"] = fit.perturbations[0]
        arrays |= {f"{prefix}/importance/{layer}": rows for layer, rows in fit.importance.items()}
    return arrays
