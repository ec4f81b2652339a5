"""Distillation (CVPR 2020, Table 2): a small student sees only a meta-detector, and must tell the class.

Two forms. The paper's: every channel, any other class. A harder one: few channels, and neighbouring classes.
Where uniform or permuted weights do as well as AfI's, a form says nothing about importance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.evaluate.answers import distillation_answers
from auditor.evaluate.bench import Bench, Subject
from auditor.evaluate.photos import ClassPhotos
from auditor.evaluate.tables import mean_cell, mean_row
from auditor.evaluation_records import Estimate, Experiment, Table, TableRow
from auditor.explain.detector import detect, pool
from auditor.explain.gradients import gradient_importance
from auditor.explain.student import Examples, student_accuracy
from auditor.images.class_images import normalised
from auditor.models import taps
from auditor.randomness import stream
from auditor.records import Skipped
from auditor.statistics.arrays import IntArray

Weights = Mapping[str, NDArray[np.float32]]
"""Layer to channel importance [channels]."""

AFI, WITHOUT_T, GRADIENT, UNIFORM, PERMUTED = (
    *("AfI", "AfI without t", "gradient-based (TCAV's)", "uniform weights", "AfI's weights permuted"),
)
SCHEMES = (AFI, WITHOUT_T, GRADIENT, UNIFORM, PERMUTED)
FEW = 0.02
"""Share of a layer's channels that the harder form keeps: those of largest weight."""
NEIGHBOURS = 3
"""Classes, nearest by the model's own answers, that are the negatives of the harder form."""
FORMS = ("as in the paper", "few channels, neighbouring classes")
FEWEST = 4
"""Fewest photos of a class in either part."""


@dataclass(frozen=True)
class _Task:
    """One class against others in one form."""

    subject: int
    form: int
    images: tuple[IntArray, IntArray]
    """Learned on and held out: [images, 2] class and photo, of ``pool``; the class's own first."""
    own: tuple[int, int]
    """How many of each part are the class's own."""


def distillation(bench: Bench) -> Experiment:
    """Accuracy of students by the weights of the meta-detector that they see."""
    skipped: list[Skipped] = []
    everything = (*bench.photos, *bench.others)
    without_t = _without_t(bench)
    tasks = _tasks(bench, everything, skipped)
    rows: list[list[TableRow]] = [[], []]
    if tasks:
        detectors = _all_detectors(bench, without_t)
        seen = _see(bench, everything, tasks, detectors)
        with bench.context.progress.stage("students", len(tasks)) as stage:
            for task, features in zip(tasks, seen, strict=True):
                rows[task.form].append(_row(bench, task, features))
                stage.advance()
    tables = [_table(FORMS[form], some) for form, some in enumerate(rows) if some]
    leads = [_leads(FORMS[form], some) for form, some in enumerate(rows) if some]
    return Experiment(
        step="distillation",
        title="Distillation",
        about="A student of 32, 16 and 2 neurons sees only the outputs of the class's meta-detector and must "
        "tell the class's photos from others that the model gets right. The better the importance, the more "
        "the student can tell. Uniform and permuted weights show what a student can do without any.",
        source="Table 2",
        answers=distillation_answers(tables, leads),
        tables=[*tables, *leads],
        skipped=skipped,
    )


def _without_t(bench: Bench) -> dict[int, Weights]:
    """Class index to channel importance learned without the transformation t."""
    learned = bench.learned(bench.with_settings(noise=0.0, rotation=0.0))
    return {one.label.index: _main(one) for one in learned}


def _main(subject: Subject) -> Weights:
    return {layer: rows[0] for layer, rows in subject.stage_one.importance.items()}


def _tasks(bench: Bench, everything: Sequence[ClassPhotos], skipped: list[Skipped]) -> list[_Task]:
    """Every class against others, both forms; classes with too few photos are skipped."""
    tasks = []
    for place, subject in enumerate(bench.subjects):
        near = _neighbours(bench, subject, everything)
        for form, classes in enumerate((set(range(len(everything))), near)):
            made = _task(bench, place, form, everything, classes)
            if made is None:
                what = f"distillation of class '{subject.label.name}', {FORMS[form]}"
                needed = f"{FEWEST} photos of the class and {FEWEST} of others in either part"
                skipped.append(
                    Skipped(what=what, reason=f"too few photos that the model gets right; needed: {needed}")
                )
            else:
                tasks.append(made)
    return tasks


def _task(
    bench: Bench, place: int, form: int, everything: Sequence[ClassPhotos], classes: set[int]
) -> _Task | None:
    label = bench.subjects[place].label
    mine = next(i for i, one in enumerate(everything) if one.label.index == label.index)
    rng = stream(bench.settings.seed, "negatives", label.index, form)
    images, own = [], []
    for learn in (True, False):
        positive = _right(everything, [mine], learn=learn)
        negative = _right(everything, sorted(classes - {mine}), learn=learn)
        count = min(len(positive), len(negative))
        if count < FEWEST:
            return None
        chosen = rng.permutation(len(negative))[:count]
        images.append(np.concatenate([rng.permutation(positive)[:count], negative[chosen]]))
        own.append(count)
    return _Task(place, form, (images[0], images[1]), (own[0], own[1]))


def _right(everything: Sequence[ClassPhotos], classes: Sequence[int], *, learn: bool) -> IntArray:
    """[n, 2] Class and photo of every photo of one part that the model gets right."""
    rows = [
        (place, int(photo))
        for place in classes
        for photo in np.flatnonzero(everything[place].right & (everything[place].learn == learn))
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def _neighbours(bench: Bench, subject: Subject, everything: Sequence[ClassPhotos]) -> set[int]:
    """The classes that the model gives most probability on photos of this class learned on."""
    photos, model = subject.photos, bench.context.model
    inputs = photos.inputs(model, photos.learn)
    with torch.inference_mode():
        logits = torch.cat([model.module(part).float() for part in inputs.split(bench.settings.batch_size)])
    near = logits.mean(0).cpu().numpy()
    order = sorted(range(len(everything)), key=lambda place: -near[everything[place].label.index])
    return set(
        [place for place in order if everything[place].label.index != subject.label.index][:NEIGHBOURS]
    )


# --- detectors ---


def _all_detectors(bench: Bench, without_t: Mapping[int, Weights]) -> list[list[list[Weights]]]:
    """[class][form][detector] Weights of the meta-detectors; permuted ones, one for each seed, come last."""
    found = []
    with bench.context.progress.stage("gradients", len(bench.subjects)) as stage:
        for subject in bench.subjects:
            photos, index = subject.photos, subject.label.index
            inputs = photos.inputs(bench.context.model, photos.learn & photos.right)
            gradient = gradient_importance(bench.context.model, inputs, index, bench.context.layer_names)
            found.append(
                _forms(bench, index, {AFI: _main(subject), WITHOUT_T: without_t[index], GRADIENT: gradient})
            )
            stage.advance()
    return found


def _forms(bench: Bench, index: int, measured: Mapping[str, Weights]) -> list[list[Weights]]:
    """[form][detector] Weights: measured ones, uniform ones, permuted ones."""
    afi = measured[AFI]
    uniform = {layer: np.ones_like(weights) for layer, weights in afi.items()}
    permuted, random = [], []
    for seed in range(bench.settings.seeds):
        rng = stream(bench.settings.seed, "permuted", index, seed)
        permuted.append({layer: rng.permutation(weights) for layer, weights in afi.items()})
        random.append(
            {layer: rng.permutation(_few(weights) > 0).astype(np.float32) for layer, weights in afi.items()}
        )
    few = [{layer: _few(w) for layer, w in one.items()} for one in (*measured.values(), *permuted)]
    count = len(measured)
    return [[*measured.values(), uniform, *permuted], [*few[:count], *random, *few[count:]]]


def _few(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weights with all but the largest set to 0."""
    kept = np.argsort(-weights, kind="stable")[: max(1, round(FEW * len(weights)))]
    made = np.zeros_like(weights)
    made[kept] = weights[kept]
    return made


def _see(
    bench: Bench,
    everything: Sequence[ClassPhotos],
    tasks: Sequence[_Task],
    detectors: Sequence[Sequence[Sequence[Weights]]],
) -> list[dict[tuple[int, int], NDArray[np.float32]]]:
    """For each task: (class, photo) to its detectors' outputs [detectors, features]. One pass in all."""
    model, layers = bench.context.model, bench.context.layer_names
    stacked = [
        {
            layer: torch.from_numpy(np.stack([w[layer] for w in detectors[t.subject][t.form]]))
            for layer in layers
        }
        for t in tasks
    ]
    wanted: dict[tuple[int, int], list[int]] = {}
    for number, task in enumerate(tasks):
        for part in task.images:
            for place, photo in part.tolist():
                wanted.setdefault((place, photo), []).append(number)
    found: list[dict[tuple[int, int], NDArray[np.float32]]] = [{} for _ in tasks]
    keys = sorted(wanted)
    batch = bench.settings.batch_size
    with (
        torch.inference_mode(),
        taps.record(model.module, layers) as outputs,
        bench.context.progress.stage("meta-detectors", len(keys)) as stage,
    ):
        for start in range(0, len(keys), batch):
            some = keys[start : start + batch]
            pixels = np.stack([everything[place].pixels[photo] for place, photo in some])
            model.module(normalised(model, pixels))
            maps = {layer: pool(outputs[layer].float()).cpu() for layer in layers}
            for row, key in enumerate(some):
                for number in wanted[key]:
                    parts = [
                        detect(maps[layer][row][None], stacked[number][layer])[0].flatten(1)
                        for layer in layers
                    ]
                    found[number][key] = torch.cat(parts, dim=1).numpy()
            stage.advance(len(some))
    return found


# --- students ---


def _row(bench: Bench, task: _Task, features: Mapping[tuple[int, int], NDArray[np.float32]]) -> TableRow:
    """Mean accuracy of the students over seeds, by scheme."""
    seeds = bench.settings.seeds
    index = bench.subjects[task.subject].label.index

    def examples(part: int, detector: int) -> Examples:
        rows = [features[(place, photo)][detector] for place, photo in task.images[part].tolist()]
        return Examples(np.stack(rows), np.arange(len(rows)) < task.own[part])

    def accuracy(detector: int, seed: int) -> float:
        own = bench.draw("student", index, task.form, seed)
        return student_accuracy(examples(0, detector), examples(1, detector), seed=own)

    cells = []
    for scheme in range(len(SCHEMES)):
        # Behind the measured schemes: uniform (of the harder form: one draw per seed), then permuted by seed.
        first = {UNIFORM: 3, PERMUTED: 4 if task.form == 0 else 3 + seeds}.get(SCHEMES[scheme], scheme)
        varies = SCHEMES[scheme] == PERMUTED or (SCHEMES[scheme] == UNIFORM and task.form == 1)
        found = [accuracy(first + seed * varies, seed) for seed in range(seeds)]
        cells.append(mean_cell(found))
    return TableRow(name=bench.subjects[task.subject].label.name, cells=cells)


def _table(form: str, rows: Sequence[TableRow]) -> Table:
    return Table(
        title=f"Accuracy of students, {form}",
        unit="share of held-out photos, 0 to 1; chance is 0.5",
        rows_are="class",
        columns=list(SCHEMES),
        rows=[mean_row("mean of classes", rows), *rows],
        note="95% intervals: of a class over the students' seeds, of the mean over classes. Photos of a "
        "class and of others are as many; the student learns from one part and is tested on the other.",
    )


def _leads(form: str, rows: Sequence[TableRow]) -> Table:
    """By how much AfI is ahead, class by class."""
    made = []
    for row in rows:
        afi, *others = [one.value for one in row.cells if one is not None]
        made.append(TableRow(name=row.name, cells=[Estimate(value=afi - other) for other in others]))
    return Table(
        title=f"Lead of AfI over other weights, {form}",
        unit="difference of accuracy, -1 to 1",
        rows_are="class",
        columns=list(SCHEMES[1:]),
        rows=[mean_row("mean of classes", made, least=-1.0), *made],
        note="95% intervals over classes; each class is its own comparison.",
    )
