"""Distillation (CVPR 2020, Table 2): a small student sees only a meta-detector, and must tell the class.

Two forms. The paper's: every channel, any other class. A harder one: few channels, and neighbouring classes.
Where uniform or permuted weights do as well as AfI's, a form says nothing about importance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.context import AuditContext
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
from auditor.randomness import derived_seed, stream
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
class Material:
    """What the test is made from."""

    context: AuditContext
    subjects: Sequence[Subject]
    """Classes whose meta-detectors are tested."""
    others: Sequence[ClassPhotos]
    """Photos of further classes."""
    seeds: int
    """Students, and draws of permuted weights."""
    without_t: Mapping[int, Weights] = field(default_factory=dict)
    """Class index to importance learned without the transformation t; empty where it was not learned."""

    @property
    def photos(self) -> list[ClassPhotos]:
        """Of every class; those of the subjects come first, in the same order."""
        return [*(one.photos for one in self.subjects), *self.others]


@dataclass(frozen=True)
class _Task:
    """One class against others in one form."""

    subject: int
    """Place of the class among subjects, and among photos."""
    form: int
    learned: IntArray
    """[images, 2] Class and photo, places in :attr:`Material.photos`; the first half are the class's own."""
    heldout: IntArray


Detectors = Mapping[str, Sequence[Weights]]
"""Scheme to its meta-detector, or to one for each seed."""


def distillation(bench: Bench) -> Experiment:
    """Accuracy of students by the weights of the meta-detector that they see."""
    subjects = bench.subjects
    indices = {one.label.index for one in subjects}
    without_t = bench.learned(bench.with_settings(noise=0.0, rotation=0.0))
    return distillation_of(
        Material(
            bench.context,
            subjects,
            [*(one for one in bench.photos if one.label.index not in indices), *bench.others],
            bench.settings.seeds,
            {one.label.index: _main(one) for one in without_t},
        )
    )


def distillation_of(material: Material) -> Experiment:
    """The same from material at hand."""
    skipped: list[Skipped] = []
    tasks = list(_tasks(material, skipped))
    rows: list[list[TableRow]] = [[] for _ in FORMS]
    if tasks:
        detectors = _detectors(material)
        own = [detectors[task.subject][task.form] for task in tasks]
        seen = _see(material, tasks, own)
        with material.context.progress.stage("students", len(tasks)) as stage:
            for task, schemes, found in zip(tasks, own, seen, strict=True):
                rows[task.form].append(_row(material, task, schemes, found))
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


def _main(subject: Subject) -> Weights:
    return {layer: rows[0] for layer, rows in subject.stage_one.importance.items()}


# --- which images ---


def _tasks(material: Material, skipped: list[Skipped]) -> Iterator[_Task]:
    """Every class against others, both forms; classes with too few photos are skipped."""
    count = len(material.photos)
    for place, subject in enumerate(material.subjects):
        forms = (set(range(count)) - {place}, _neighbours(material, place))
        for form, classes in enumerate(forms):
            rng = stream(material.context.settings.seed, "negatives", subject.label.index, form)
            parts = [_part(material, place, sorted(classes), learn=learn, rng=rng) for learn in (True, False)]
            if min(map(len, parts)) >= 2 * FEWEST:
                yield _Task(place, form, parts[0], parts[1])
                continue
            seen = " and ".join(str(len(part) // 2) for part in parts)
            skipped.append(
                Skipped(
                    what=f"distillation of class '{subject.label.name}', {FORMS[form]}",
                    reason=f"{seen} photos that the model gets right to learn on and held out, with as many "
                    f"of others; needed: {FEWEST} of each",
                )
            )


def _part(
    material: Material, place: int, classes: Sequence[int], *, learn: bool, rng: np.random.Generator
) -> IntArray:
    """[images, 2] As many photos of the class as of others, of one part; the model gets all of them right."""
    own = rng.permutation(_right(material, [place], learn=learn))
    others = rng.permutation(_right(material, classes, learn=learn))
    count = min(len(own), len(others))
    return np.concatenate([own[:count], others[:count]])


def _right(material: Material, classes: Sequence[int], *, learn: bool) -> IntArray:
    """[n, 2] Class and photo, of every photo of one part that the model gets right."""
    photos = material.photos
    rows = [
        (place, int(photo))
        for place in classes
        for photo in np.flatnonzero(photos[place].right & (photos[place].learn == learn))
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def _neighbours(material: Material, place: int) -> set[int]:
    """The classes that the model gives most to on photos of this class learned on."""
    photos, model = material.photos, material.context.model
    inputs = photos[place].inputs(model, photos[place].learn)
    with torch.inference_mode():
        batches = inputs.split(material.context.settings.batch_size)
        logits = torch.cat([model.module(part).float() for part in batches])
    near = logits.mean(0).cpu().numpy()
    order = sorted(range(len(photos)), key=lambda other: -near[photos[other].label.index])
    return set([other for other in order if other != place][:NEIGHBOURS])


# --- detectors ---


def _detectors(material: Material) -> list[list[Detectors]]:
    """[class][form] The meta-detectors of every scheme."""
    found, context = [], material.context
    with context.progress.stage("gradients", len(material.subjects)) as stage:
        for subject in material.subjects:
            photos, index = subject.photos, subject.label.index
            inputs = photos.inputs(context.model, photos.learn & photos.right)
            measured = {AFI: _main(subject)}
            if index in material.without_t:
                measured[WITHOUT_T] = material.without_t[index]
            measured[GRADIENT] = gradient_importance(context.model, inputs, index, context.layer_names)
            found.append(_forms(material, index, measured))
            stage.advance()
    return found


def _forms(material: Material, index: int, measured: Mapping[str, Weights]) -> list[Detectors]:
    """[form] The detectors of one class: measured ones, uniform ones, permuted ones."""
    afi = measured[AFI]
    permuted, random = [], []
    for seed in range(material.seeds):
        rng = stream(material.context.settings.seed, "permuted", index, seed)
        permuted.append({layer: rng.permutation(weights) for layer, weights in afi.items()})
        random.append({layer: rng.permutation(_few(w) > 0).astype(np.float32) for layer, w in afi.items()})
    uniform = {layer: np.ones_like(weights) for layer, weights in afi.items()}
    paper: Detectors = {
        **{name: [one] for name, one in measured.items()},
        UNIFORM: [uniform],
        PERMUTED: permuted,
    }
    few: Detectors = {
        name: [{layer: _few(w) for layer, w in one.items()} for one in some] for name, some in paper.items()
    }
    return [paper, {**few, UNIFORM: random}]  # of uniform weights no channel is the largest


def _few(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weights with all but the largest set to 0."""
    kept = np.argsort(-weights, kind="stable")[: max(1, round(FEW * len(weights)))]
    made = np.zeros_like(weights)
    made[kept] = weights[kept]
    return made


Seen = Mapping[tuple[int, int], NDArray[np.float32]]
"""Class and photo to the outputs of a task's detectors, [detectors, features], in the order of schemes."""


def _see(material: Material, tasks: Sequence[_Task], detectors: Sequence[Detectors]) -> list[Seen]:
    """What each task's detectors make of its photos. One pass over all photos."""
    context, photos, layers = material.context, material.photos, material.context.layer_names
    stacked = [
        {
            layer: torch.from_numpy(np.stack([one[layer] for some in of.values() for one in some]))
            for layer in layers
        }
        for of in detectors
    ]
    wanted: dict[tuple[int, int], list[int]] = {}
    for number, task in enumerate(tasks):
        for place, photo in np.concatenate([task.learned, task.heldout]).tolist():
            wanted.setdefault((place, photo), []).append(number)
    found: list[dict[tuple[int, int], NDArray[np.float32]]] = [{} for _ in tasks]
    keys, batch = sorted(wanted), context.settings.batch_size
    with (
        torch.inference_mode(),
        taps.record(context.model.module, layers) as outputs,
        context.progress.stage("meta-detectors", len(keys)) as stage,
    ):
        for start in range(0, len(keys), batch):
            some = keys[start : start + batch]
            pixels = np.stack([photos[place].pixels[photo] for place, photo in some])
            context.model.module(normalised(context.model, pixels))
            maps = {layer: pool(outputs[layer].float()).cpu() for layer in layers}
            for row, key in enumerate(some):
                for number in wanted[key]:
                    parts = [detect(maps[layer][row][None], stacked[number][layer]) for layer in layers]
                    found[number][key] = torch.cat([part[0].flatten(1) for part in parts], dim=1).numpy()
            stage.advance(len(some))
    return list(found)


# --- students ---


def _row(material: Material, task: _Task, schemes: Detectors, seen: Seen) -> TableRow:
    """Mean accuracy of the students over seeds, by scheme."""
    label = material.subjects[task.subject].label

    def examples(images: IntArray, detector: int) -> Examples:
        rows = np.stack([seen[(place, photo)][detector] for place, photo in images.tolist()])
        return Examples(rows, np.arange(len(rows)) < len(rows) // 2)

    cells, first = [], 0
    for name in SCHEMES:
        count = len(schemes.get(name, ()))
        accuracies = [
            student_accuracy(
                examples(task.learned, first + seed % count),
                examples(task.heldout, first + seed % count),
                seed=derived_seed(material.context.settings.seed, "student", label.index, task.form, seed),
            )
            for seed in range(material.seeds if count else 0)
        ]
        cells.append(mean_cell(accuracies))
        first += count
    return TableRow(name=label.name, cells=cells)


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
    made = [
        TableRow(name=row.name, cells=[_lead(row.cells[0], other) for other in row.cells[1:]]) for row in rows
    ]
    return Table(
        title=f"Lead of AfI over other weights, {form}",
        unit="difference of accuracy, -1 to 1",
        rows_are="class",
        columns=list(SCHEMES[1:]),
        rows=[mean_row("mean of classes", made, least=-1.0), *made],
        note="95% intervals over classes; each class is its own comparison.",
    )


def _lead(afi: Estimate | None, other: Estimate | None) -> Estimate | None:
    return None if afi is None or other is None else Estimate(value=afi.value - other.value)
