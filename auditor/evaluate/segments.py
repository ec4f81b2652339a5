"""Smallest sufficient and smallest destroying concepts (CVPR 2020, section 4.3 and Figure 2).

Concepts are clusters of segments of the class's photos. They are found on one part of the photos; photos of
the other part are edited.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from auditor.audit.importance import late_layers
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.evaluate.answers import segments_answers
from auditor.evaluate.bench import Bench, Subject
from auditor.evaluate.photos import top1
from auditor.evaluate.tables import mean_cell, mean_row
from auditor.evaluation_records import (
    CurveLine,
    Curves,
    Estimate,
    Experiment,
    Gallery,
    Shot,
    ShotRow,
    Table,
    TableRow,
)
from auditor.explain.gradients import logit_gradients
from auditor.explain.segment_concepts import (
    RANDOM_SETS,
    Concepts,
    Seen,
    afi_scores,
    association_scores,
    find_concepts,
    published_scores,
    see,
    tcav_scores,
)
from auditor.explain.segments import (
    GREY,
    Segment,
    crop,
    inpainted,
    masks_by_concept,
    need_segmentation,
    removed,
    segments_of,
    shown,
)
from auditor.progress import Stage
from auditor.randomness import derived_seed, stream
from auditor.records import Skipped
from auditor.statistics.arrays import FloatArray, IntArray

STEPS, FIVE = 10, 5
"""Concepts edited at most, and those that the paper speaks of."""
MOST_LEARNED, MOST_HELD = 15, 10
"""Photos of a class that concepts are found on, and that are edited. More classes say more."""
MOST_DRAWS = 3
"""Random orders of a class."""
FEWEST_CONCEPTS = 2
ASSOCIATION, AFI, PUBLISHED, TCAV, RANDOM = (
    *("association", "AfI", "AfI as published", "TCAV", "random order"),
)
RANKINGS = (AFI, ASSOCIATION, PUBLISHED, TCAV, RANDOM)
EDITS = (
    *("concepts added to a blank image", "concepts removed, grey"),
    "concepts removed, colours diffused",
)
NOTES = (
    "Mean over classes; bands are 95% intervals over classes. Where a class has fewer concepts, all of them "
    f"stand from there on. TCAV: directions at the last layer against {RANDOM_SETS} sets of random segments; "
    "equal shares are ordered by how much the logit grows.",
    "As above. The concepts' place is grey.",
    "As above. Colours are diffused into the concepts' place from around it: coarse to fine, then blurred.",
)
"""Of the curve of each edit."""
LEADERS, BEHIND = (AFI, ASSOCIATION), (TCAV, RANDOM)
PICTURED_CLASSES, PICTURED_CONCEPTS, PICTURED_CROPS = 10, 6, 8
"""In galleries; crops are those of one concept."""
PICTURE_SIDE = 112

Order = NDArray[np.int64]
"""Concepts, most important first."""


@dataclass(frozen=True)
class Found:
    """The concepts of one class, and how each ranking scores them."""

    pixels: NDArray[np.uint8]
    """Photos that they were found on."""
    segments: Sequence[Segment]
    concepts: Concepts
    scores: Mapping[str, FloatArray]
    orders: Mapping[str, Sequence[Order]]
    """Ranking to its order, or to one for each draw."""


@dataclass(frozen=True)
class Measured:
    """What editing did to the photos of one class."""

    name: str
    found: Found
    accuracy: FloatArray
    """[edits, rankings, 1 + STEPS] Share of held-out photos that the model still gets right."""
    covered: FloatArray
    """[rankings, 1 + STEPS] Mean share of a photo's area that the concepts cover."""

    def effect(self) -> FloatArray:
        """[2, rankings, 1 + STEPS] Accuracy brought back by adding; lost by removing, mean of both fills."""
        return np.stack([self.accuracy[0], 1.0 - self.accuracy[1:].mean(axis=0)])


def segments(bench: Bench) -> Experiment:
    """Accuracy while concepts are added and removed, in the order of each ranking.

    Raises:
        InputError: scikit-image is not installed.
    """
    need_segmentation("experiment 'segments'")
    skipped: list[Skipped] = []
    measured: list[Measured] = []
    galleries: list[Gallery] = []
    with bench.context.progress.stage("concepts of segments", len(bench.subjects)) as stage:
        for subject in bench.subjects:
            started = time.process_time()
            try:
                one = _measure(bench.context, subject, draws=min(bench.settings.seeds, MOST_DRAWS))
            except InputError as failure:
                reason = str(failure)
                skipped.append(Skipped(what=f"segments of class '{subject.label.name}'", reason=reason))
            else:
                measured.append(one)
                if len(galleries) < PICTURED_CLASSES:
                    galleries.append(_gallery(bench, subject, one))
                took = time.process_time() - started
                bench.context.progress.note(f"{subject.label.name}: {took:.0f} s of processor time")
            stage.advance()
    tables = _tables(measured) if measured else []
    return Experiment(
        step="segments",
        title="Sufficient and destroying concepts",
        about="Photos of the class are cut into segments, and segments that the model sees alike make a "
        "concept. If a ranking of concepts is right, its first few added to a blank image bring the class "
        "back, and its first few removed from a photo take the class away, sooner than in another order.",
        source="Figure 2",
        answers=segments_answers(tables),
        tables=tables,
        curves=[_curves(edit, measured) for edit in range(len(EDITS))] if measured else [],
        galleries=galleries,
        skipped=skipped,
    )


# --- concepts and their order ---


def _measure(context: AuditContext, subject: Subject, *, draws: int) -> Measured:
    photos = subject.photos
    learned = np.flatnonzero(photos.learn & photos.right)[:MOST_LEARNED]
    held = np.flatnonzero(~photos.learn & photos.right)[:MOST_HELD]
    with context.progress.stage(f"{subject.label.name}: concepts", len(learned)) as stage:
        found = _find(context, subject, learned, stage, draws)
    with context.progress.stage(f"{subject.label.name}: edited photos", len(held)) as stage:
        accuracy, covered = _edit_all(context, subject, photos.pixels[held], found, stage)
    return Measured(subject.label.name, found, accuracy, covered)


def _find(context: AuditContext, subject: Subject, learned: IntArray, stage: Stage, draws: int) -> Found:
    """Concepts of the photos learned on, in every order."""
    model, index, settings = context.model, subject.label.index, context.settings
    pixels = subject.photos.pixels[learned]
    cut: list[Segment] = []
    for photo, picture in enumerate(pixels):
        cut += segments_of(picture, photo)
        stage.advance()
    importance = {layer: subject.stage_one.importance[layer][0] for layer in context.layer_names}
    seen = see(model, (pixels, cut), index, weights=importance, batch=settings.batch_size)
    photo_of = np.array([one.photo for one in cut])
    seed = derived_seed(settings.seed, "segments", index)
    concepts = find_concepts(seen.embedding, photo_of, seed=seed)
    if concepts.count < FEWEST_CONCEPTS:
        raise InputError(
            f"concepts that several photos show, among {len(cut)} segments of {len(learned)} photos: "
            f"{concepts.count}; needed: {FEWEST_CONCEPTS}"
        )
    gradients = logit_gradients(
        model,
        subject.photos.inputs(model, learned),
        index,
        context.layer_names[-1],
        batch=settings.batch_size,
    )
    return _ranked(context, index, Found(pixels, cut, concepts, {}, {}), (seen, gradients), draws)


def _ranked(
    context: AuditContext, index: int, found: Found, seen: tuple[Seen, NDArray[np.float32]], draws: int
) -> Found:
    """The same with scores and orders."""
    concepts, seed = found.concepts, context.settings.seed
    photo_of = np.array([one.photo for one in found.segments])

    def rng(purpose: str) -> np.random.Generator:
        return stream(seed, "segments", purpose, index)

    late = late_layers(context.layer_names)
    share, growth = tcav_scores(seen[0], concepts, seen[1], rng(TCAV))
    scores = {
        AFI: afi_scores(seen[0], concepts, photo_of, late, rng(AFI)),
        ASSOCIATION: association_scores(seen[0], concepts),
        PUBLISHED: published_scores(seen[0], concepts, runs=context.settings.runs, rng=rng(PUBLISHED)),
        TCAV: share,
    }
    orders: dict[str, Sequence[Order]] = {
        name: [strongest_first(values)] for name, values in scores.items() if name != TCAV
    }
    # Where the last layer is linear in the logit, every image gives the same share.
    orders[TCAV] = [strongest_first(share, growth)]
    random = rng(RANDOM)
    orders[RANDOM] = [random.permutation(concepts.count) for _ in range(draws)]
    return Found(found.pixels, found.segments, concepts, scores, orders)


def strongest_first(scores: FloatArray, then: FloatArray | None = None) -> Order:
    """Places of the scores, largest first; equal ones by ``then``, and then in the order given."""
    keys = (-scores,) if then is None else (-then, -scores)
    return np.lexsort(keys)


# --- edited photos ---


def _edit_all(
    context: AuditContext, subject: Subject, pixels: NDArray[np.uint8], found: Found, stage: Stage
) -> tuple[FloatArray, FloatArray]:
    """Accuracy and covered area, as in :class:`Measured`; mean over photos and over the draws of an order."""
    size, per_photo = (pixels.shape[1], pixels.shape[2]), []
    last = context.layer_names[-1]
    for picture in pixels:
        cut = segments_of(picture, 0)
        seen = see(
            context.model,
            (picture[None], cut),
            subject.label.index,
            weights={last: subject.stage_one.importance[last][0]},
            batch=context.settings.batch_size,
        )
        labels = found.concepts.nearest(seen.embedding)
        masks = masks_by_concept(cut, labels.tolist(), found.concepts.count, size)
        per_photo.append(_edit(context, subject.label.index, picture, masks, found.orders))
        stage.advance()
    accuracies, areas = zip(*per_photo, strict=True)
    return np.mean(accuracies, axis=0), np.mean(areas, axis=0)


def _edit(
    context: AuditContext,
    index: int,
    picture: NDArray[np.uint8],
    masks: NDArray[np.bool_],
    orders: Mapping[str, Sequence[Order]],
) -> tuple[FloatArray, FloatArray]:
    """One photo under every edit [edits, rankings, 1 + STEPS]; share of its area [rankings, 1 + STEPS].

    Args:
        context: The audit.
        index: The class.
        picture: [height, width, channels].
        masks: [concepts, height, width] Where it shows each concept.
        orders: As in :class:`Found`.
    """
    unions = [first_concepts(masks, order) for name in RANKINGS for order in orders[name]]
    counts = [len(orders[name]) for name in RANKINGS]
    flat = np.concatenate(unions)
    # Most prefixes repeat: many concepts are not in the photo.
    _, first, place = np.unique(
        np.packbits(flat.reshape(len(flat), -1), axis=1), axis=0, return_index=True, return_inverse=True
    )
    distinct = torch.from_numpy(flat[first])
    still = edited_right(context, index, picture, distinct)[:, place.ravel()].astype(np.float64)
    area = flat.reshape(len(flat), -1).mean(axis=1)
    starts = np.cumsum([0, *counts[:-1]])

    def by_ranking(values: FloatArray) -> FloatArray:
        """Mean over the draws of each order, of values [..., orders, 1 + STEPS]."""
        sums = np.add.reduceat(values.reshape(*values.shape[:-1], -1, STEPS + 1), starts, axis=-2)
        return np.asarray(sums / np.array(counts)[:, None])

    return by_ranking(still), by_ranking(area)


def first_concepts(masks: NDArray[np.bool_], order: Order) -> NDArray[np.bool_]:
    """[1 + STEPS, height, width] Where the first 0, 1, 2, ... concepts are; all, once there are no more."""
    steps = np.zeros((STEPS + 1, *masks.shape[1:]), bool)
    for step in range(1, STEPS + 1):
        steps[step] = steps[step - 1]
        if step <= len(order):
            steps[step] |= masks[order[step - 1]]
    return steps


def edited_right(
    context: AuditContext, index: int, picture: NDArray[np.uint8], masks: Tensor
) -> NDArray[np.bool_]:
    """[edits, masks] Whether the model takes the edited photo for the class."""
    pixels = torch.from_numpy(picture).permute(2, 0, 1).float().to(context.model.device) / 255
    batch, model = context.settings.batch_size, context.model
    found: list[list[NDArray[np.bool_]]] = [[] for _ in EDITS]
    for part in masks.to(context.model.device).split(batch):
        for edit, made in enumerate((shown, removed, inpainted)):
            inputs = model.normalise(made(pixels, part))
            found[edit].append(top1(model, inputs, index, batch=batch))
    return np.stack([np.concatenate(parts) for parts in found])


# --- what is shown ---


def _tables(measured: Sequence[Measured]) -> list[Table]:
    effects = np.stack([one.effect() for one in measured])
    names = [one.name for one in measured]
    titles = (
        "Accuracy brought back by the first five concepts",
        "Accuracy lost without the first five concepts",
    )
    return [
        *(_at_five(title, names, effects[:, kind, :, FIVE]) for kind, title in enumerate(titles)),
        _areas(measured),
        _leads(effects[:, :, :, 1:].mean(axis=3)),
    ]


def _at_five(title: str, names: Sequence[str], values: FloatArray) -> Table:
    """``values`` are [classes, rankings]."""
    rows = [
        TableRow(name=name, cells=[Estimate(value=float(one)) for one in row])
        for name, row in zip(names, values, strict=True)
    ]
    return Table(
        title=title,
        unit="share of clean accuracy, 0 to 1",
        rows_are="class",
        columns=list(RANKINGS),
        rows=[mean_row("mean of classes", rows), *rows],
        note="Held-out photos that the model gets right: clean accuracy is 1. Losses are means of both "
        "fills. 95% intervals over classes.",
    )


def _areas(measured: Sequence[Measured]) -> Table:
    """Means over 1 to 10 concepts, and how much of a photo five concepts are."""
    accuracy = np.stack([one.accuracy for one in measured])[:, :, :, 1:].mean(axis=3)
    covered = np.stack([one.covered for one in measured])[:, :, FIVE]
    columns = ("brought back by adding", "lost by removing, grey", "lost by removing, colours diffused")
    values = [accuracy[:, 0], 1.0 - accuracy[:, 1], 1.0 - accuracy[:, 2], covered]
    return Table(
        title="Areas under the curves, and area of the photo",
        unit="0 to 1",
        rows_are="order",
        columns=[*columns, "area of five concepts"],
        rows=[
            TableRow(name=name, cells=[mean_cell(one[:, place].tolist()) for one in values])
            for place, name in enumerate(RANKINGS)
        ],
        note="Means over the first 1 to 10 concepts; more is better. An order that starts with large "
        "concepts changes more of the photo: the last column says how much. 95% intervals over classes.",
    )


def _leads(areas: FloatArray) -> Table:
    """By how much one order is ahead of another, class by class; ``areas`` are [classes, 2, rankings]."""
    rows = []
    for leader in LEADERS:
        for other in BEHIND:
            lead = areas[:, :, RANKINGS.index(leader)] - areas[:, :, RANKINGS.index(other)]
            cells = [mean_cell(lead[:, kind].tolist(), least=-1.0) for kind in range(2)]
            rows.append(TableRow(name=f"{leader} over {other}", cells=cells))
    return Table(
        title="Leads",
        unit="difference of areas under the curves, -1 to 1",
        rows_are="order",
        columns=["adding", "removing"],
        rows=rows,
        note="95% intervals over classes; each class is its own comparison. Removing is the mean of both "
        "fills.",
    )


def _curves(edit: int, measured: Sequence[Measured]) -> Curves:
    values = np.stack([one.accuracy[edit] for one in measured])
    lines = []
    for place, name in enumerate(RANKINGS):
        points = [mean_cell(values[:, place, step].tolist()) for step in range(STEPS + 1)]
        lines.append(CurveLine(name=name, points=[point for point in points if point]))
    return Curves(
        title=f"Accuracy, {EDITS[edit]}",
        x=list(range(STEPS + 1)),
        x_title=EDITS[edit],
        y_title="top-1 accuracy",
        lines=lines,
        note=NOTES[edit],
    )


def _gallery(bench: Bench, subject: Subject, measured: Measured) -> Gallery:
    found, rows = measured.found, []
    order = strongest_first(found.scores[ASSOCIATION])[:PICTURED_CONCEPTS].tolist()
    for rank, concept in enumerate(order, 1):
        told = ", ".join(f"{name} {values[concept]:.2f}" for name, values in found.scores.items())
        shots = []
        for place, member in enumerate(found.concepts.members(concept)[:PICTURED_CROPS].tolist(), 1):
            path = f"pictures/segments-{subject.label.index}-{rank}-{place}.jpg"
            picture = segment_picture(found.pixels, found.segments[member])
            bench.pictures[path] = jpeg(picture)
            alt = f"segment {place} of concept {rank} of {measured.name}"
            shots.append(Shot(path=path, alt=alt, width=picture.width, height=picture.height))
        rows.append(ShotRow(name=f"concept {rank}: {told}", shots=shots))
    return Gallery(
        title=f"{measured.name}: concepts of strongest association",
        rows=rows,
        note=f"{found.concepts.count} concepts of {len(found.segments)} segments. The most typical segments "
        "come first.",
    )


def segment_picture(pixels: NDArray[np.uint8], segment: Segment) -> Image.Image:
    """A segment in its box, in the middle of a grey square."""
    part = (crop(pixels, segment) * 255).round().astype(np.uint8)
    picture = Image.fromarray(np.broadcast_to(part, (*part.shape[:2], 3)).copy(), "RGB")
    return ImageOps.pad(picture, (PICTURE_SIDE, PICTURE_SIDE), color=(round(GREY * 255),) * 3)


def jpeg(picture: Image.Image) -> bytes:
    """Encoded, quality 88."""
    stored = io.BytesIO()
    picture.save(stored, "JPEG", quality=88, optimize=True)
    return stored.getvalue()
