"""The occluders of every class: AfI, stage one, and whether anything may rest on it.

An occluder is tested on images that it never saw. Where it changes the answer on fewer than half of
them, or a sanity check fails, layers, detectors and the paper's score are not measured. Scores need none
of this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.audit.checks import HELD, another_occluder, random_occluder
from auditor.audit.scores_first import NOT_ASKED
from auditor.context import AuditContext
from auditor.errors import InputError, StorageError
from auditor.explain.reference_classes import (
    ReferenceClasses,
    learn_reference_classes,
    no_reference_classes,
)
from auditor.explain.stage_one import StageOne, cached_stage_one, unlabelled_photos
from auditor.models.loaded import ClassLabel
from auditor.records import Explanation, SanityCheck, Skipped
from auditor.store.directory import WORK


@dataclass(frozen=True)
class ClassOccluder:
    """Stage one of one class."""

    label: ClassLabel
    stage_one: StageOne | None
    """``None`` where the class has no usable images, or explanations were not asked for."""
    record: Explanation
    checks: tuple[SanityCheck, ...] = ()
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Occluders:
    """Stage one of every class, and the reference classes."""

    classes: tuple[ClassOccluder, ...]
    references: ReferenceClasses
    skipped: tuple[Skipped, ...] = ()
    """Photos without labels that could not be used."""

    @property
    def held(self) -> tuple[StageOne, ...]:
        """Of the classes whose explanation is measured. Detectors are read in this order."""
        return tuple(one.stage_one for one in self.classes if one.stage_one and one.record.measured)

    @property
    def detectors(self) -> tuple[StageOne, ...]:
        """Whose detectors see the banks: held classes, then reference classes; none where none is held."""
        return (*self.held, *self.references.classes) if self.held else ()

    @property
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Occluders and channel importance, for ``arrays.npz``."""
        arrays: dict[str, NDArray[np.generic]] = {}
        for one in self.held:
            prefix = f"class/{one.label.index}"
            arrays[f"{prefix}/occluder"] = one.perturbations[0]
            arrays |= {f"{prefix}/importance/{layer}": rows for layer, rows in one.importance.items()}
        return arrays


def learn_occluders(context: AuditContext) -> Occluders:
    """Learn the occluders of every class, and reference classes where one holds.

    Raises:
        StorageError: The work folder cannot be written.
    """
    if context.settings.scores_only:
        return no_occluders(context, NOT_ASKED)
    photos = unlabelled_photos(context)
    found = [_learn(context, label) for label in context.classes]
    any_holds = any(one.record.measured for one in found)
    references = learn_reference_classes(context) if any_holds else no_reference_classes(context)
    checked = tuple(_checked(context, one, references) for one in found)
    return Occluders(checked, references, photos.skipped if photos else ())


def no_occluders(context: AuditContext, reason: str) -> Occluders:
    """None of any class, with the reason."""
    record = Explanation(measured=False, reason=reason)
    classes = tuple(ClassOccluder(label, None, record) for label in context.classes)
    return Occluders(classes, no_reference_classes(context))


def _learn(context: AuditContext, label: ClassLabel) -> ClassOccluder:
    folder = context.settings.out / WORK
    try:
        found = cached_stage_one(context, label, folder)
    except InputError as failure:
        context.progress.note(f"{label.name}: scores only, no explanation: {failure}")
        skipped = Skipped(what=f"explanation of class '{label.name}'", reason=str(failure))
        reason = f"the class has no usable images ({failure})"
        return ClassOccluder(label, None, Explanation(measured=False, reason=reason), skipped=(skipped,))
    except OSError as failure:
        raise StorageError(f"cannot write '{folder}': {failure.strerror or failure}") from failure
    return ClassOccluder(label, found, explanation_of(found), skipped=found.images.skipped)


def explanation_of(found: StageOne) -> Explanation:
    """Whether the occluder holds on images that it never saw."""
    share, held = found.occluder.success_heldout, found.images.record.heldout
    if share is None or not held:
        why = "no image was held out, so nothing is known about images the occluder never saw"
        return Explanation(measured=False, reason=why)
    changed = f"the occluder changed the model's answer on {round(share * held)} of {held} held-out images"
    if share < HELD:
        return Explanation(measured=False, reason=f"{changed}, need half of them")
    return Explanation(measured=True, reason=changed)


def _checked(context: AuditContext, one: ClassOccluder, references: ReferenceClasses) -> ClassOccluder:
    if one.stage_one is None:
        return one
    checks = (
        random_occluder(one.stage_one),
        another_occluder(context.model, one.stage_one, references.classes),
    )
    record = one.record
    failed = [f"'{check.name}'" for check in checks if check.passed is False]
    if record.measured and failed:
        reason = f"the sanity check {' and '.join(failed)} failed"
        record = Explanation(measured=False, reason=reason)
    return ClassOccluder(one.label, one.stage_one, record, checks, one.skipped)
