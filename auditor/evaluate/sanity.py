"""Sanity checks over the whole method: scores must depend on the weights and on the class, not on the seed.

Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018: layers are randomised one after the other from
the output down, and labels are exchanged. The paper of AfI has neither.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auditor.audit.checks import FEWEST_CONCEPTS, WEIGHTED, shuffle_weights
from auditor.audit.forward import forward_pass
from auditor.audit.layout import BankLayout, lay_out, shown_images
from auditor.banks.bank import ConceptBank
from auditor.errors import InputError
from auditor.evaluate.answers import sanity_answers
from auditor.evaluate.bench import Bench, Subject
from auditor.evaluate.tables import mean_row
from auditor.evaluation_records import CurveLine, Curves, Estimate, Experiment, Table, TableRow
from auditor.images.class_images import normalised, to_bytes
from auditor.images.inputs import as_inputs
from auditor.models.loaded import LoadedModel, freeze
from auditor.randomness import stream
from auditor.records import Skipped
from auditor.statistics.agreement import spearman
from auditor.statistics.arrays import FloatArray
from auditor.statistics.mmd import paper_scores
from auditor.statistics.probability import log_scaled

IMAGES = 20
"""Most images of a concept: enough for a ranking."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the layers that are randomised, from the output down. The last layer alone comes as well."""
DRAWS = 3
"""Most randomisations that a correlation is the mean of."""
FLAT = 1e-6
"""Effects that all lie within so much of each other have no ranking."""
REPEATED_CLASSES = 3
"""Classes, the first ones, whose occluders are learned again."""
REPEATS = 3
"""Most occluders of such a class, each by a seed of its own."""
BY_CLASS = "95% interval of the mean over classes."


@dataclass(frozen=True)
class Probe:
    """The first images of every concept of one bank, read once."""

    layout: BankLayout
    columns: list[int]
    """Those of the measurable concepts that make findings."""
    pixels: NDArray[np.uint8]
    """[images, height, width, channels]."""

    def batches(self, model: LoadedModel, batch: int) -> Iterator[Tensor]:
        """Normalised inputs; kept as bytes, which take a quarter of the memory."""
        for start in range(0, len(self.pixels), batch):
            yield normalised(model, self.pixels[start : start + batch])

    def effects(self, model: LoadedModel, *, batch: int) -> FloatArray:
        """[classes, concepts] At the output; all 0 where an output is not finite."""
        with torch.inference_mode():
            found = [model.module(inputs).float().cpu().numpy() for inputs in self.batches(model, batch)]
        logits = np.concatenate(found)
        if not np.isfinite(logits).all():
            return np.zeros((logits.shape[1], len(self.columns)))
        return np.asarray(self.layout.sample.errors(log_scaled(logits).T).effect[:, self.columns])


@dataclass(frozen=True)
class _Ranking:
    """One bank with the effects by the intact model."""

    probe: Probe
    intact: FloatArray
    """[classes of the model, concepts]."""

    @property
    def ranked(self) -> NDArray[np.bool_]:
        """[classes of the model] Whether the effects can be ranked."""
        return np.asarray(np.ptp(self.intact, axis=1) >= FLAT)


def sanity(bench: Bench) -> Experiment:
    """Randomised weights, exchanged labels and repeated seeds."""
    skipped: list[Skipped] = []
    rankings = _rankings(bench, skipped)
    fallen = _cascade(bench, rankings)
    labels, repeats = _exchange(bench, rankings), _repeats(bench, rankings, skipped)
    return Experiment(
        step="sanity",
        title="Sanity checks",
        about="A concept's score must come from what the model has learned. Where layers are randomised, "
        "from the output down, the ranking of concepts must be lost. Where outputs are exchanged, scores "
        "must go with the class. An occluder learned again by another seed must say the same.",
        source="",
        answers=sanity_answers(fallen and fallen[0], labels, repeats),
        tables=[table for table in (fallen and fallen[0], labels, repeats) if table],
        curves=[fallen[1]] if fallen else [],
        skipped=skipped,
    )


def _rankings(bench: Bench, skipped: list[Skipped]) -> list[_Ranking]:
    """Every bank with enough concepts, with the scores by the intact model."""
    found = []
    for bank in bench.banks:
        probe = read_probe(bench, bank)
        if isinstance(probe, Skipped):
            skipped.append(probe)
            continue
        one = _Ranking(probe, probe.effects(bench.context.model, batch=bench.settings.batch_size))
        for label in bench.context.classes:
            if not one.ranked[label.index]:
                what = f"ranking of bank '{bank.name}' for class '{label.name}'"
                skipped.append(Skipped(what=what, reason="no concept changes the probability of the class"))
        found.append(one)
    return found


def read_probe(bench: Bench, bank: ConceptBank) -> Probe | Skipped:
    """A bank's first images as the model sees them; what is wrong where too few concepts can be ranked.

    Raises:
        InputError: An image cannot be read any more.
    """
    layout, model = lay_out(bank, most=IMAGES), bench.context.model
    columns = [column for column, name in enumerate(layout.measurable) if name in layout.findable]
    if len(columns) < FEWEST_CONCEPTS:
        reason = f"{len(columns)} concepts that can be scored; needed for a ranking: {FEWEST_CONCEPTS}"
        return Skipped(what=f"sanity checks with bank '{bank.name}'", reason=reason)
    images = list(shown_images(bank, most=IMAGES))
    pixels = []
    with bench.context.progress.stage(f"bank {bank.name}", len(images)) as stage:
        for start in range(0, len(images), bench.settings.batch_size):
            some = images[start : start + bench.settings.batch_size]
            pixels.append(to_bytes(model.pixels(as_inputs(model, (image.load() for image in some)))))
            stage.advance(len(some))
    return Probe(layout, columns, np.concatenate(pixels))


def correlation(first: FloatArray, second: FloatArray) -> float:
    """Spearman's; 0 where one does not vary. Rounded: what is 1 must not be almost 1."""
    return round(float(spearman(first, second)[0, 0]), 9)


# --- randomised weights ---


def _cascade(bench: Bench, rankings: Sequence[_Ranking]) -> tuple[Table, Curves] | None:
    """Rank correlation with the intact model as more and more layers are randomised."""
    model, layers = bench.context.model, weighted_layers(bench.context.model)
    counts = sorted({1, *(round(share * len(layers)) for share in SHARES)})
    draws = min(DRAWS, bench.settings.seeds)
    values: dict[int, list[list[float]]] = {label.index: [] for label in bench.context.classes}
    with bench.context.progress.stage("randomised weights", len(counts) if rankings else 0) as stage:
        for count in counts if rankings else ():
            for of_count in values.values():
                of_count.append([])
            for draw in range(draws if count else 1):
                only = layers[len(layers) - count :]
                changed = shuffle_weights(model, seed=bench.draw("cascade", draw), only=only)
                for one in rankings:
                    effects = one.probe.effects(changed, batch=bench.settings.batch_size)
                    for index in (index for index in values if one.ranked[index]):
                        values[index][-1].append(correlation(one.intact[index], effects[index]))
            stage.advance()
    rows = [
        TableRow(
            name=label.name, cells=[Estimate(value=float(np.mean(some))) for some in values[label.index]]
        )
        for label in bench.context.classes
        if values[label.index] and values[label.index][0]
    ]
    return _cascade_shown(rows, [count / len(layers) for count in counts], draws) if rows else None


def _cascade_shown(rows: list[TableRow], shares: Sequence[float], draws: int) -> tuple[Table, Curves]:
    mean = mean_row("mean of classes", rows, least=-1.0)
    sizes = [
        TableRow(name=row.name, cells=[Estimate(value=abs(cell.value)) for cell in row.cells if cell])
        for row in rows
    ]
    size = mean_row("mean of absolute values", sizes)
    note = f"Mean over {draws} randomisations and the banks; {IMAGES} images of a concept. {BY_CLASS}"
    table = Table(
        title="Ranking of concepts as layers are randomised, from the output down",
        unit="rank correlation with the intact model, -1 to 1",
        rows_are="class",
        columns=[f"{share:.0%} of layers" for share in shares],
        rows=[mean, size, *rows],
        note=note,
    )
    curves = Curves(
        title="Ranking of concepts as layers are randomised, from the output down",
        x=[round(share, 4) for share in shares],
        x_title="share of layers randomised",
        y_title="rank correlation",
        lines=[CurveLine(name=row.name, points=[cell for cell in row.cells if cell]) for row in (mean, size)],
        note=note,
    )
    return table, curves


def weighted_layers(model: LoadedModel) -> list[str]:
    """Names of the layers whose weights are shuffled, in the order in which they first run."""
    order: dict[str, None] = {}
    hooks = [
        part.register_forward_pre_hook(lambda _part, _inputs, name=name: order.setdefault(name))
        for name, part in model.module.named_modules()
        if isinstance(part, WEIGHTED)
    ]
    try:
        with torch.inference_mode():
            model.module(torch.zeros(1, *model.input.size, device=model.device))
    finally:
        for hook in hooks:
            hook.remove()
    return list(order)


# --- exchanged labels ---


class _Exchanged(nn.Module):
    """A network whose outputs stand in another order, as with the rows of its head exchanged."""

    order: Tensor

    def __init__(self, network: nn.Module, order: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("order", order)

    def forward(self, inputs: Tensor) -> Tensor:
        made: Tensor = self.network(inputs)
        return made[:, self.order]


def exchanged(model: LoadedModel, order: NDArray[np.int64]) -> LoadedModel:
    """A copy whose output y is the model's output ``order[y]``."""
    module = _Exchanged(copy.deepcopy(model.module), torch.from_numpy(order).to(model.device))
    return replace(model, module=freeze(module))


def _exchange(bench: Bench, rankings: Sequence[_Ranking]) -> Table | None:
    """Whether scores go with the class where outputs are exchanged."""
    model, count = bench.context.model, len(bench.context.model.labels)
    lot = stream(bench.settings.seed, "labels exchanged").permutation(count)
    order = np.empty(count, dtype=np.int64)
    order[lot] = np.roll(lot, 1)  # one cycle: no class stays
    changed = exchanged(model, order)
    effects = [one.probe.effects(changed, batch=bench.settings.batch_size) for one in rankings]
    rows = []
    for label in bench.context.classes:
        y, moved = label.index, int(order[label.index])
        used = [
            (one.intact, found[y])
            for one, found in zip(rankings, effects, strict=True)
            if one.ranked[y] and one.ranked[moved]
        ]
        if used:
            with_moved = float(np.mean([correlation(intact[moved], found) for intact, found in used]))
            with_before = float(np.mean([correlation(intact[y], found) for intact, found in used]))
            cells: list[Estimate | None] = [Estimate(value=with_moved), Estimate(value=with_before)]
            rows.append(
                TableRow(name=f"{label.name} (output now of {model.labels[moved].name})", cells=cells)
            )
    if not rows:
        return None
    return Table(
        title="Ranking of concepts with outputs exchanged",
        unit="rank correlation, -1 to 1",
        rows_are="class",
        columns=["with the class that moved in", "with the class before"],
        rows=[mean_row("mean of classes", rows, least=-1.0), *rows],
        note=f"Every output is exchanged for another class's, drawn by lot. {BY_CLASS}",
    )


# --- repeated seeds ---

Fits = list[list[Subject]]
"""[classes][seeds]."""


def _repeats(bench: Bench, rankings: Sequence[_Ranking], skipped: list[Skipped]) -> Table | None:
    """Whether occluders of one class learned by different seeds say the same."""
    subjects, seeds = bench.subjects[:REPEATED_CLASSES], min(REPEATS, bench.settings.seeds)
    if seeds < 2:
        skipped.append(Skipped(what="repeated seeds", reason="seeds is 1; needed: 2 or more"))
    if not subjects or seeds < 2:
        return None
    fits: Fits = [[subject] for subject in subjects]
    for repeat in range(1, seeds):
        context = bench.with_settings(seed=bench.draw("repeat", repeat))
        learned = bench.learned(context, [subject.photos for subject in subjects])
        for of_class, again in zip(fits, learned, strict=True):
            of_class.append(again)
    scores = [_concept_scores(bench, one, fits, skipped) for one in rankings]
    names, agreements = _kinds(bench, fits, [one for one in scores if one is not None])
    rows = [
        TableRow(name=subject.label.name, cells=[mean_of(kind[place]) for kind in agreements])
        for place, subject in enumerate(subjects)
    ]
    mean = mean_row("mean of classes", rows, least=-1.0)
    if len(subjects) > 1:
        rows.append(
            TableRow(name="different classes, to compare", cells=[mean_of(k[-1]) for k in agreements])
        )
    return Table(
        title="Agreement of occluders learned by different seeds",
        unit="rank correlation, -1 to 1",
        rows_are="class",
        columns=names,
        rows=[mean, *rows],
        note=f"Mean over pairs of {seeds} seeds, learned on the same photos. The last line is what occluders "
        f"of different classes agree in. {BY_CLASS}",
    )


def mean_of(values: Sequence[float]) -> Estimate | None:
    """A mean without an interval: pairs of the same few occluders are not independent."""
    return Estimate(value=float(np.mean(values))) if len(values) else None


def _kinds(
    bench: Bench, fits: Fits, scores: Sequence[FloatArray]
) -> tuple[list[str], list[list[list[float]]]]:
    """Names of what can agree, and for each [classes, and different classes last] correlations."""
    layers = bench.context.layer_names

    def importance(layer: str) -> FloatArray:
        return np.array(
            [[fit.stage_one.importance[layer][0] for fit in of_class] for of_class in fits], float
        )

    by_layer = [agreements(importance(layer)) for layer in layers]
    merged = [[value for one in by_layer for value in one[place]] for place in range(len(fits) + 1)]
    names, found = ["channel importance of the last layer", "channel importance of all layers"], []
    found = [by_layer[-1], merged]
    if scores:
        by_bank = [agreements(one) for one in scores]
        names.append("the paper's concept score")
        found.append([[v for one in by_bank for v in one[place]] for place in range(len(fits) + 1)])
    return names, found


def agreements(values: FloatArray) -> list[list[float]]:
    """For each class correlations between its seeds; last those between classes, of the first seed.

    Args:
        values: [classes, seeds, ranked].
    """
    own = [[correlation(a, b) for a, b in combinations(of_class, 2)] for of_class in values]
    return [*own, [correlation(a, b) for a, b in combinations(values[:, 0], 2)]]


def _concept_scores(bench: Bench, one: _Ranking, fits: Fits, skipped: list[Skipped]) -> FloatArray | None:
    """[classes, seeds, concepts] The paper's score by each occluder; one pass over the bank for all."""
    context, layout = bench.context, one.probe.layout
    detectors = {
        layer: torch.from_numpy(
            np.stack([fit.stage_one.importance[layer][0] for of_class in fits for fit in of_class])
        ).to(context.model.device)
        for layer in context.layer_names
    }
    place = {layout.sample.measurable[column]: number for number, column in enumerate(one.probe.columns)}
    labels = np.array([place.get(int(label), -1) for label in layout.labels])
    batches = one.probe.batches(context.model, bench.settings.batch_size)
    maps = forward_pass(context.model, batches, context.layer_names, detectors).maps
    found = []
    try:
        for detector in range(len(fits) * len(fits[0])):
            own = {layer: maps[layer][:, detector] for layer in context.layer_names}
            rng = stream(
                bench.settings.seed, "paper score", layout.bank.name
            )  # the same draws for every seed
            scores = paper_scores(own, labels, benchmark=None, runs=bench.settings.runs, rng=rng)
            found.append(scores.mean)
    except InputError as failure:
        skipped.append(Skipped(what=f"concept scores of bank '{layout.bank.name}'", reason=str(failure)))
        return None
    scored = np.stack(found).reshape(len(fits), len(fits[0]), -1)
    return np.nan_to_num(scored)
