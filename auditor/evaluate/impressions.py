"""Class impressions (CVPR 2020, section 4.4): from which layer on a picture of the class can be made.

A picture excites the class's meta-detector of one layer; total variation is its only prior. Whether the class
is in it is not looked at but asked of the model, and of another model, which the picture was not made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray

from auditor.errors import InputError
from auditor.evaluate.answers import EMERGED, impression_answers
from auditor.evaluate.bench import Bench, Subject
from auditor.evaluate.tables import mean_cell, mean_row, share_cell
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
from auditor.explain.pictures import encoded
from auditor.explain.visualise import VisualiseSettings, visualise
from auditor.images.class_images import normalised, to_bytes
from auditor.models import LoadedModel, find_classes, load_model
from auditor.models.loaded import ClassLabel
from auditor.randomness import stream
from auditor.records import LayerRecord, Skipped
from auditor.statistics.arrays import FloatArray
from auditor.statistics.probability import chance_level, log_scaled

MOST_LAYERS = 6
"""Layers from the middle to the last that pictures are made for."""
STARTS = 3
"""Pictures of each detector, each from noise of its own."""
STEPS = 64
PHOTOS = 2
"""Photos of a class shown beside its pictures."""
SIDE = 128
"""Side of a stored picture in pixels."""
OWN, PERMUTED = 0, 1
KINDS = ("the class's detector", "its weights permuted", "other classes' detectors")
E = "log-scaled probability of the class, 0 to 1"


@dataclass
class _Judge:
    """Who says what a picture shows, and what it said."""

    name: str
    model: LoadedModel
    columns: list[int | None]
    """Its output for each class; ``None`` where it does not know the class."""
    e: FloatArray
    """[made for, layers, own or permuted, starts, asked for] Log-scaled probability; NaN where there is no
    picture, or the judge does not know the class."""
    taken: FloatArray
    """[same] 1 where the class is the judge's answer, 0 where it is not; NaN as in :attr:`e`."""


@dataclass
class _Made:
    """The pictures, as far as they are shown, and what judges said of all."""

    subjects: tuple[Subject, ...]
    layers: list[LayerRecord]
    judges: list[_Judge]
    shown: dict[tuple[int, int, int], NDArray[np.uint8]] = field(default_factory=dict)
    """Class, layer, own or permuted: the picture of the first start, [height, width, channels]."""


def impressions(bench: Bench) -> Experiment:
    """Pictures of every class from several layers, judged."""
    skipped: list[Skipped] = []
    made = _make(bench, skipped) if bench.subjects else None
    tables: list[Table] = []
    curves: list[Curves] = []
    galleries: list[Gallery] = []
    answers = []
    if made is not None:
        emerged, leads = _emerged_table(made), _leads_table(made)
        answers = impression_answers(emerged, leads)
        firsts = [_first_table(made, judge) for judge in made.judges]
        tables = [emerged, leads, *firsts, *(_taken_table(made, judge) for judge in made.judges)]
        curves = [one for judge in made.judges if (one := _curves(made, judge)).lines]
        galleries = [_gallery(bench, made)]
    return Experiment(
        step="impressions",
        title="Class impressions",
        about="Pictures made to excite the class's meta-detector of one layer, with no other knowledge of "
        "what photos look like than that neighbouring pixels resemble each other. If the detector holds the "
        "class, its pictures are taken for the class: by the model, and by another model that they were not "
        "made from. Pictures by the same weights in permuted order show what such pictures get by luck.",
        source="Figure 3 and Table 3",
        answers=answers,
        tables=tables,
        curves=curves,
        galleries=galleries,
        skipped=skipped,
    )


# --- pictures ---


def chosen_layers(layers: Sequence[LayerRecord]) -> list[LayerRecord]:
    """At most :data:`MOST_LAYERS` of the layers, evenly from the middle to the last."""
    last = len(layers) - 1
    places = np.linspace(len(layers) // 2, last, min(MOST_LAYERS, last - len(layers) // 2 + 1))
    return [layers[place] for place in sorted({round(float(place)) for place in places})]


def _make(bench: Bench, skipped: list[Skipped]) -> _Made:
    subjects, layers = bench.subjects, chosen_layers(bench.context.layers)
    labels = [subject.label for subject in subjects]
    shape = (len(subjects), len(layers), 2, STARTS, len(subjects))
    made = _Made(subjects, layers, _judges(bench, labels, shape, skipped))
    with bench.context.progress.stage("impressions", len(subjects) * len(layers)) as stage:
        for place, subject in enumerate(subjects):
            for depth, layer in enumerate(layers):
                pixels = _pictures(bench, subject, layer.name)
                if pixels is None:
                    what = f"impressions of class '{subject.label.name}' from layer '{layer.name}'"
                    skipped.append(Skipped(what=what, reason="its occluder changes no channel of the layer"))
                else:
                    for judge in made.judges:
                        _ask(judge, (place, depth), pixels)
                    made.shown[place, depth, OWN] = pixels[0]
                    made.shown[place, depth, PERMUTED] = pixels[STARTS]
                stage.advance()
    return made


def _pictures(bench: Bench, subject: Subject, layer: str) -> NDArray[np.uint8] | None:
    """[2 STARTS, height, width, channels] By the class's weights, then permuted; ``None`` if all are 0."""
    model, index = bench.context.model, subject.label.index
    own = subject.stage_one.importance[layer][0]
    if not own.any():
        return None
    rng = stream(bench.settings.seed, "impressions", index, layer)
    weights = np.stack([own] * STARTS + [rng.permutation(own) for _ in range(STARTS)])
    images = visualise(
        model,
        layer,
        torch.from_numpy(weights).to(model.device),
        settings=VisualiseSettings(steps=STEPS, precision=bench.context.precision),
        generator=torch.Generator().manual_seed(int(rng.integers(2**31))),
    )
    return to_bytes(images.float())


# --- judges ---


def _judges(
    bench: Bench, labels: Sequence[ClassLabel], shape: tuple[int, ...], skipped: list[Skipped]
) -> list[_Judge]:
    """The model itself, and the independent one where it can judge."""

    def judge(name: str, model: LoadedModel, columns: list[int | None]) -> _Judge:
        return _Judge(name, model, columns, np.full(shape, np.nan), np.full(shape, np.nan))

    found = [judge("the model itself", bench.context.model, [label.index for label in labels])]
    if bench.settings.judge is None:
        return found
    try:
        other = independent_judge(bench.context.model, bench.settings.judge)
    except InputError as failure:
        skipped.append(Skipped(what="judgement by another model", reason=str(failure)))
        return found
    columns = [same_class(other, label) for label in labels]
    known = [column for column in columns if column is not None]
    for label, column in zip(labels, columns, strict=True):
        if column is None:
            what = f"judgement of class '{label.name}' by {other.name}"
            skipped.append(Skipped(what=what, reason="it has no class of that synset or name"))
    return [*found, judge(other.name, other, columns)] if known else found


def independent_judge(model: LoadedModel, spec: str) -> LoadedModel:
    """The model that judges another one's pictures, on the same device.

    Raises:
        InputError: It cannot be loaded, has the same weights, or sees other channels.
    """
    other = load_model(spec, device=model.device)
    if other.sha256 == model.sha256:
        raise InputError(f"judge '{spec}': has the weights of the model itself; needed: another model")
    if other.input.size[0] != model.input.size[0]:
        raise InputError(
            f"judge '{spec}': sees {other.input.size[0]} channels and the model {model.input.size[0]}; "
            "needed: equally many"
        )
    return other


def same_class(judge: LoadedModel, label: ClassLabel) -> int | None:
    """The judge's output for a class of another model, by synset or by name; ``None`` without one."""
    if label.synset:
        for other in judge.labels:
            if other.synset == label.synset:
                return other.index
    try:
        return find_classes(judge.labels, [f"name:{label.name}"])[0].index
    except InputError:
        return None


def _ask(judge: _Judge, place: tuple[int, int], pixels: NDArray[np.uint8]) -> None:
    """Note what a judge says of the pictures of one class and layer, for every class."""
    logits = answers_to(judge.model, pixels)
    e, answer = log_scaled(logits), logits.argmax(axis=1)
    for asked, column in enumerate(judge.columns):
        if column is not None:
            judge.e[(*place, ..., asked)] = e[:, column].reshape(2, STARTS)
            judge.taken[(*place, ..., asked)] = (answer == column).reshape(2, STARTS)


def answers_to(model: LoadedModel, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[pictures, classes] Logits for whole pictures of any size."""
    inputs = normalised(model, pixels)
    size = model.input.size[1:]
    if tuple(inputs.shape[2:]) != size:
        inputs = nnf.interpolate(inputs, size=size, mode="bilinear", antialias=True, align_corners=False)
    with torch.inference_mode():
        found: NDArray[np.float32] = model.module(inputs).float().cpu().numpy()
    return found


# --- numbers ---


def needed(judge: LoadedModel) -> float:
    """The log-scaled probability from which a judge is taken to see the class."""
    chance = chance_level(len(judge.labels))
    return chance + EMERGED * (1.0 - chance)


def first_layer(own: FloatArray, luck: FloatArray, *, least: float) -> int | None:
    """The first layer in whose pictures the class is; ``None`` where it is in none.

    Args:
        own: [layers, starts] Log-scaled probability of the class; NaN where there is no picture.
        luck: [layers, starts] The same for pictures by permuted weights.
        least: Mean that the class's pictures must reach, besides being above each permuted one.
    """
    mean, most = own.mean(axis=1), luck.max(axis=1)
    found = np.flatnonzero((mean >= least) & (mean > most))
    return int(found[0]) if len(found) else None


def _of(judge: _Judge, place: int) -> tuple[FloatArray, FloatArray] | None:
    """[layers, starts] Own and permuted of one class, of the layers that have pictures; ``None`` without."""
    own, luck = judge.e[place, :, OWN, :, place], judge.e[place, :, PERMUTED, :, place]
    return None if np.isnan(own).all() else (own, luck)


def _kinds(values: FloatArray, place: int, depth: int) -> list[list[float]]:
    """Of each of :data:`KINDS`, the values of one class in one layer: pictures, or means of other classes."""
    others = [
        float(values[other, depth, OWN, :, place].mean()) for other in range(len(values)) if other != place
    ]
    rows = [values[place, depth, OWN, :, place], values[place, depth, PERMUTED, :, place], np.array(others)]
    return [[float(value) for value in row if not np.isnan(value)] for row in rows]


def _by_layer(values: FloatArray, depth: int) -> list[Estimate | None]:
    """Of each of :data:`KINDS`, the mean over classes in one layer."""
    found = [_kinds(values, place, depth) for place in range(len(values))]
    return [
        mean_cell([float(np.mean(kinds[kind])) for kinds in found if kinds[kind]])
        for kind in range(len(KINDS))
    ]


def _emerged_table(made: _Made) -> Table:
    """In how many classes some layer's pictures show the class."""
    rows = []
    for judge in made.judges:
        pairs = [pair for place in range(len(made.subjects)) if (pair := _of(judge, place))]
        least = needed(judge.model)
        own = np.array([first_layer(o, p, least=least) is not None for o, p in pairs], bool)
        luck = np.array([first_layer(p, o, least=least) is not None for o, p in pairs], bool)
        rows.append(TableRow(name=judge.name, cells=[share_cell(own), share_cell(luck)]))
    return Table(
        title="Classes that emerge in some layer",
        unit="share of classes, 0 to 1",
        rows_are="judged by",
        columns=list(KINDS[:2]),
        rows=rows,
        note=f"A class emerges in a layer where the mean log-scaled probability of {STARTS} pictures is "
        f"{', '.join(f'{needed(judge.model):.2f} ({judge.name})' for judge in made.judges)} or more, half "
        "the way from chance to certainty, and above each of as many pictures by permuted weights. For "
        "permuted weights the rule is the same with both exchanged. 95% intervals over classes.",
    )


def _leads_table(made: _Made) -> Table:
    """By how much the best layer's pictures are ahead of permuted weights' best layer, class by class."""
    rows = []
    for place, subject in enumerate(made.subjects):
        pairs = [_of(judge, place) for judge in made.judges]
        leads = [
            None if pair is None else float(np.nanmax(pair[0].mean(axis=1)) - np.nanmax(pair[1].mean(axis=1)))
            for pair in pairs
        ]
        cells = [None if lead is None else Estimate(value=lead) for lead in leads]
        rows.append(TableRow(name=subject.label.name, cells=cells))
    return Table(
        title="Lead over permuted weights",
        unit="difference of the log-scaled probability, -1 to 1",
        rows_are="class",
        columns=[judge.name for judge in made.judges],
        rows=[mean_row("mean of classes", rows, least=-1.0), *rows],
        note="Each in its best layer, so that both had the same choice. 95% interval over classes.",
    )


def _first_table(made: _Made, judge: _Judge) -> Table:
    """Table 3: for each class the first layer whose pictures show it, with the layer's shape."""
    rows = []
    for place, subject in enumerate(made.subjects):
        pair = _of(judge, place)
        if pair is None:
            continue
        first = first_layer(*pair, least=needed(judge.model))
        depth = int(np.nanargmax(pair[0].mean(axis=1))) if first is None else first
        where = shaped(made.layers[depth])
        name = f"{subject.label.name}: {'in no layer; most in ' if first is None else ''}{where}"
        cells = [mean_cell(values) for values in _kinds(judge.e, place, depth)]
        rows.append(TableRow(name=name, cells=cells))
    return Table(
        title=f"First layer in which the class emerges, judged by {judge.name}",
        unit=E,
        rows_are="class: layer, height x width x channels",
        columns=list(KINDS),
        rows=rows,
        note=f"95% intervals over {STARTS} pictures, of other classes' detectors over classes.",
    )


def _taken_table(made: _Made, judge: _Judge) -> Table:
    rows = [
        TableRow(name=shaped(layer), cells=_by_layer(judge.taken, depth))
        for depth, layer in enumerate(made.layers)
    ]
    return Table(
        title=f"Pictures taken for the class, judged by {judge.name}",
        unit="share of pictures, 0 to 1",
        rows_are="layer, height x width x channels",
        columns=list(KINDS),
        rows=rows,
        note="Taken: the class is the judge's first answer. 95% intervals over classes.",
    )


def _curves(made: _Made, judge: _Judge) -> Curves:
    by_layer = [_by_layer(judge.e, depth) for depth in range(len(made.layers))]
    known = [depth for depth, cells in enumerate(by_layer) if cells[0] is not None]
    lines = []
    for kind, name in enumerate(KINDS):
        points = [cell for depth in known if (cell := by_layer[depth][kind]) is not None]
        if known and len(points) == len(known):
            lines.append(CurveLine(name=name, points=points))
    names = ", ".join(f"{depth + 1} {made.layers[depth].name}" for depth in known)
    return Curves(
        title=f"Probability of the class by layer, judged by {judge.name}",
        x=[float(depth + 1) for depth in known],
        x_title="layer, from the middle to the last",
        y_title="log-scaled probability",
        lines=lines,
        note=f"Mean over classes; a class counts by the mean of its {STARTS} pictures. Layers: {names}.",
    )


def shaped(layer: LayerRecord) -> str:
    """A layer with the shape of its output, as Table 3 has it."""
    return f"{layer.name}, {layer.height} x {layer.width} x {layer.channels}"


# --- gallery ---


def _gallery(bench: Bench, made: _Made) -> Gallery:
    """A row for each class: photos, a picture for each layer, and one by permuted weights."""
    rows = []
    for place, subject in enumerate(made.subjects):
        shots = _photos(bench, subject)
        for depth in range(len(made.layers)):
            shots += _shots(bench, made, (place, depth, OWN))
        depths = [depth for one, depth, _ in made.shown if one == place]
        if depths:
            shots += _shots(bench, made, (place, max(depths), PERMUTED))
        rows.append(ShotRow(name=subject.label.name, shots=shots))
    return Gallery(
        title="Class impressions",
        rows=rows,
        note="Photos of the class, then a picture for each layer from the middle to the last, then one by "
        "permuted weights. Each is the first of its starts, not the best. Below: the log-scaled probability "
        "of the class, 0 to 1.",
    )


def _photos(bench: Bench, subject: Subject) -> list[Shot]:
    photos = subject.photos
    name = subject.label.name
    chosen = np.flatnonzero(photos.right & photos.learn)[:PHOTOS]
    return [
        _shot(bench, f"{subject.label.index}-photo-{n + 1}", photos.pixels[i], f"Photo of {name}", "photo")
        for n, i in enumerate(chosen)
    ]


def _shots(bench: Bench, made: _Made, key: tuple[int, int, int]) -> list[Shot]:
    """The picture of one class and layer, with what judges say of it; none where there is none."""
    if key not in made.shown:
        return []
    place, depth, kind = key
    subject, layer = made.subjects[place], made.layers[depth].name
    said = [
        f"{float(judge.e[place, depth, kind, 0, place]):.2f} by {judge.name}"
        for judge in made.judges
        if judge.columns[place] is not None
    ]
    how = "" if kind == OWN else ", weights permuted"
    return [
        _shot(
            bench,
            f"{subject.label.index}-{('layer', 'permuted')[kind]}-{depth + 1}",
            made.shown[key],
            f"Picture made to excite the meta-detector of {subject.label.name} in layer {layer}{how}",
            f"{layer}{how}: {', '.join(said)}",
        )
    ]


def _shot(bench: Bench, name: str, pixels: NDArray[np.uint8], alt: str, caption: str) -> Shot:
    path = f"pictures/impressions-{name}.jpg"
    content, (width, height) = encoded((pixels / 255).astype(np.float32), side=SIDE)
    bench.pictures[path] = content
    return Shot(path=path, alt=alt, caption=caption, width=width, height=height)
