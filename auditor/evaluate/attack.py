"""Attack (CVPR 2020, Table 1): accuracy on photos with the class's occluder subtracted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.context import AuditContext
from auditor.evaluate.answers import attack_answers
from auditor.evaluate.bench import Bench, Subject
from auditor.evaluate.photos import top1
from auditor.evaluate.tables import mean_row, share_cell
from auditor.evaluation_records import Estimate, Experiment, Table, TableRow
from auditor.explain.occluder import occlude, random_like
from auditor.randomness import derived_seed

COLUMNS = (
    *("clean, learned on", "occluded, learned on", "clean, held out", "occluded, held out"),
    *("random of the same size, held out", "another class's occluder, held out"),
)


def attack(bench: Bench) -> Experiment:
    """Top-1 accuracy, clean and occluded, with both checks."""
    return attack_of(bench.context, bench.subjects, bench.subjects)


def attack_of(context: AuditContext, subjects: Sequence[Subject], others: Sequence[Subject]) -> Experiment:
    """The same from subjects at hand.

    Args:
        context: The audit.
        subjects: Classes to attack.
        others: Classes whose occluders a class is tested with as well; its own is left out.
    """
    rows = []
    with context.progress.stage("attack", len(subjects)) as stage:
        for subject in subjects:
            rows.append(_row(context, subject, [one for one in others if one.label != subject.label]))
            stage.advance()
    table = Table(
        title="Top-1 accuracy on the class's photos",
        unit="share of photos, 0 to 1",
        rows_are="class",
        columns=list(COLUMNS),
        rows=[mean_row("mean of classes", rows), *rows] if rows else [],
        note="Every readable photo counts, those that the model gets wrong as well. Occluders are learned "
        "on photos of the first part that the model recognises. 95% intervals: of a class over its photos, "
        "of the mean over classes.",
    )
    return Experiment(
        step="attack",
        title="Attack",
        about="If the occluder takes away what the model knows the class by, the model no longer takes "
        "the class's photos for the class. A random perturbation of the same size, or the occluder of "
        "another class, should change little.",
        source="Table 1",
        answers=attack_answers(table),
        tables=[table] if rows else [],
    )


def _row(context: AuditContext, subject: Subject, others: Sequence[Subject]) -> TableRow:
    model, photos, index = context.model, subject.photos, subject.label.index
    learn, held = photos.inputs(model, photos.learn), photos.inputs(model, ~photos.learn)
    delta = _delta(context, subject)
    generator = torch.Generator().manual_seed(derived_seed(context.settings.seed, "random", index))

    def right(inputs: Tensor, perturbation: Tensor) -> NDArray[np.bool_]:
        occluded = occlude(model, inputs, perturbation)
        return top1(model, occluded, index, batch=context.settings.batch_size)

    by_another = [right(held, _delta(context, other)) for other in others]
    return TableRow(
        name=subject.label.name,
        cells=[
            share_cell(photos.right[photos.learn]),
            share_cell(right(learn, delta)),
            share_cell(photos.right[~photos.learn]),
            share_cell(right(held, delta)),
            share_cell(right(held, random_like(delta, generator))),
            # Photos are the same under every other occluder: an interval would count them again.
            Estimate(value=float(np.mean(by_another)), n=len(held)) if by_another and len(held) else None,
        ],
    )


def _delta(context: AuditContext, subject: Subject) -> Tensor:
    return torch.from_numpy(subject.stage_one.perturbations[0]).to(context.model.device)
