"""The short form of an evaluation, as part of an audit: from images and occluders that the audit has anyway.

Nothing is learned for it. The images are those that the model recognises, so that clean accuracy is 1 by
construction. The occluders of reference classes take part as other classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from auditor.context import AuditContext
from auditor.evaluate.attack import attack_of
from auditor.evaluate.bench import Subject
from auditor.evaluate.distillation import Material, distillation_of
from auditor.evaluate.photos import ClassPhotos
from auditor.evaluation_records import Experiment
from auditor.explain.stage_one import StageOne

SEEDS = 3


def short_form(
    context: AuditContext, classes: Sequence[StageOne], references: Sequence[StageOne]
) -> list[Experiment]:
    """Attack and distillation on the images of the audit.

    Args:
        context: The audit.
        classes: Stage one of every audited class that has images.
        references: Stage one of the reference classes.
    """
    if not classes:
        return []
    subjects = [_subject(one) for one in classes]
    others = [_subject(one) for one in references]
    material = Material(context, subjects, [_divided(one.photos) for one in others], SEEDS)
    return [
        _timed(lambda: attack_of(context, subjects, [*subjects, *others])),
        _timed(lambda: distillation_of(material)),
    ]


def _timed(experiment: Callable[[], Experiment]) -> Experiment:
    started = time.monotonic()
    return experiment().model_copy(update={"duration_s": time.monotonic() - started})


def _subject(one: StageOne) -> Subject:
    count = len(one.images.pixels)
    known = np.ones(count, bool)
    photos = ClassPhotos(
        label=one.label,
        pixels=one.images.pixels,
        names=one.images.names,
        learn=np.arange(count) < one.images.record.learned,
        right=known,
        steady=known,
    )
    return Subject(photos, one)


def _divided(photos: ClassPhotos) -> ClassPhotos:
    """Every fourth image held out. None was learned on for another class."""
    return replace(photos, learn=np.arange(len(photos.pixels)) % 4 > 0)
