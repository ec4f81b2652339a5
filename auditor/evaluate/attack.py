"""Attack (CVPR 2020, Table 1): accuracy on photos with the class's occluder subtracted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from auditor.evaluate.answers import attack_answers
from auditor.evaluate.bench import Bench, Subject
from auditor.evaluate.photos import top1
from auditor.evaluate.tables import mean_row, share_cell
from auditor.evaluation_records import Estimate, Experiment, Table, TableRow
from auditor.explain.occluder import occlude, random_like

COLUMNS = (
    *("clean, learned on", "occluded, learned on", "clean, held out", "occluded, held out"),
    *("random of the same size, held out", "another class's occluder, held out"),
)


def attack(bench: Bench) -> Experiment:
    """Top-1 accuracy, clean and occluded, with both checks."""
    subjects = bench.subjects
    rows = []
    with bench.context.progress.stage("attack", len(subjects)) as stage:
        for place in range(len(subjects)):
            rows.append(_row(bench, subjects, place))
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


def _row(bench: Bench, subjects: Sequence[Subject], place: int) -> TableRow:
    model, batch = bench.context.model, bench.settings.batch_size
    subject = subjects[place]
    photos, index = subject.photos, subject.label.index
    learn, held = photos.inputs(model, photos.learn), photos.inputs(model, ~photos.learn)
    delta = _delta(bench, subject)
    generator = torch.Generator().manual_seed(bench.draw("random", index))

    def right(inputs: Tensor) -> Estimate | None:
        return share_cell(top1(model, inputs, index, batch=batch))

    others = [other for other in subjects if other is not subject]
    by_another = [top1(model, occlude(model, held, _delta(bench, o)), index, batch=batch) for o in others]
    return TableRow(
        name=subject.label.name,
        cells=[
            share_cell(photos.right[photos.learn]),
            right(occlude(model, learn, delta)),
            share_cell(photos.right[~photos.learn]),
            right(occlude(model, held, delta)),
            right(occlude(model, held, random_like(delta, generator))),
            # Photos are the same under every other occluder: an interval would count them again.
            Estimate(value=float(np.mean(by_another)), n=len(held)) if by_another and len(held) else None,
        ],
    )


def _delta(bench: Bench, subject: Subject) -> Tensor:
    return torch.from_numpy(subject.stage_one.perturbations[0]).to(bench.context.model.device)
