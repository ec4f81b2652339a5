"""Captum's own TCAV on the same classes and concepts, beside the audit's effect and the paper's score.

Kim et al., Interpretability Beyond Feature Attribution, ICML 2018: a linear classifier tells a concept's
images from random ones in a layer; the score is the share of the class's photos whose logit grows towards
the concept. It counts where scores against random sets differ from those of random sets among themselves.
"""

from __future__ import annotations

import random
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from auditor.audit.forward import Shown
from auditor.errors import InputError
from auditor.evaluate.answers import tcav_answers
from auditor.evaluate.audited import Audited
from auditor.evaluate.bench import Bench
from auditor.evaluate.cost import Cost, measured
from auditor.evaluate.sanity import bank_pixels, correlation
from auditor.evaluate.tables import mean_row
from auditor.evaluation_records import Estimate, Experiment, Table, TableRow
from auditor.images.class_images import normalised
from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.randomness import stream
from auditor.records import Skipped
from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.multiplicity import holm

PHOTOS = 20
"""Most photos of a class whose gradients are taken."""
IMAGES = 20
"""Most images of a concept, and of a random set."""
FEWEST_IMAGES = 4
"""Images that a classifier is learned from and tested on."""
RANDOM_SETS = 20
LAYERS = 2
"""The last ones."""
FEWEST_RANKED = 3
"""Concepts below which there is no ranking."""
RANKED = ("TCAV and the effect", "TCAV and the paper's score", "the effect and the paper's score")


@dataclass(frozen=True)
class BankScores:
    """TCAV of one bank."""

    shown: Shown
    concepts: list[str]
    scores: dict[int, FloatArray]
    """Class index to [concepts, random sets]."""
    random: dict[int, FloatArray]
    """Class index to [random sets]: one random set against another."""

    def of(self, index: int) -> dict[str, FloatArray]:
        """Concept to its score against each random set."""
        return dict(zip(self.concepts, self.scores[index], strict=True))


Photos = Sequence[tuple[ClassLabel, Tensor]]
"""Classes with their photos, normalised."""


def tcav(bench: Bench) -> Experiment:
    """TCAV, test, agreement and cost.

    Raises:
        InputError: Captum is missing, or an image cannot be read any more.
    """
    if find_spec("captum") is None:
        raise InputError("TCAV needs the package captum; needed: pip install captum")
    model, audited = bench.context.model, bench.audited
    skipped = list(audited.skipped)
    photos = [(one.label, one.inputs(model, np.arange(min(PHOTOS, len(one.pixels))))) for one in bench.photos]
    with measured() as cost:
        found = [one for shown in audited.shown if (one := _bank_scores(bench, shown, photos, skipped))]
    p_values = _tested(found)
    tables = [_table(audited, one, label, p_values) for one in found for label, _ in photos]
    agreement = _agreement(audited, found, [label for label, _ in photos], skipped)
    if found:
        tables += [*([agreement] if agreement else []), _costs(audited, found, cost, len(photos))]
    return Experiment(
        step="tcav",
        title="TCAV beside the audit",
        about="TCAV, as the library Captum has it, on the same classes and concepts: the share of a class's "
        "photos whose logit grows towards the concept in the model's last layers. It is tested against what "
        "random sets of images make of the class, and set beside the audit's effect at the output and the "
        "paper's score.",
        source="",
        answers=tcav_answers(agreement) if agreement else [],
        tables=tables,
        skipped=skipped,
    )


# --- Captum ---


def _bank_scores(bench: Bench, shown: Shown, photos: Photos, skipped: list[Skipped]) -> BankScores | None:
    """Every concept of a bank against random sets, and random sets against each other."""
    layout = shown.layout
    bank = layout.bank
    labels = _labels(shown)
    sizes = {name: _size(labels, layout.names.index(name)) for name in layout.findable}
    concepts = [name for name, size in sizes.items() if size >= FEWEST_IMAGES]
    for name in (name for name in sizes if name not in concepts):
        reason = (
            f"sets of {sizes[name]} images; needed: {FEWEST_IMAGES}, and twice as many others to draw from"
        )
        skipped.append(Skipped(what=f"TCAV of images labelled '{name}' in bank '{bank.name}'", reason=reason))
    if not concepts or not photos:
        return None
    pixels = bank_pixels(bench, bank, most=IMAGES)
    scorer = Scorer(bench.context.model, bench.context.layer_names[-LAYERS:], pixels, photos)
    rng = stream(bench.settings.seed, "tcav", bank.name)
    by_concept = []
    with bench.context.progress.stage(f"TCAV: bank {bank.name}", len(concepts) + 1) as stage:
        size = min(sizes[name] for name in concepts)
        random_pairs = [_halves(rng, len(labels), size) for _ in range(RANDOM_SETS)]
        among = scorer.scores(random_pairs, seed=bench.draw("tcav", bank.name))
        stage.advance()
        for name in concepts:
            own = np.flatnonzero(labels == layout.names.index(name))
            others = np.flatnonzero(labels != layout.names.index(name))
            pairs = [
                (own[: sizes[name]], np.sort(rng.choice(others, sizes[name], replace=False)))
                for _ in range(RANDOM_SETS)
            ]
            by_concept.append(scorer.scores(pairs, seed=bench.draw("tcav", bank.name, name)))
            stage.advance()
    indices = [label.index for label, _ in photos]
    return BankScores(
        shown=shown,
        concepts=concepts,
        scores={index: np.stack([one[index] for one in by_concept]) for index in indices},
        random=among,
    )


def _labels(shown: Shown) -> IntArray:
    """[images] Concepts of the first images, in the order in which they are read."""
    labels = shown.layout.labels
    place = np.arange(len(labels)) - np.searchsorted(
        np.where(labels < 0, len(shown.layout.names), labels), labels
    )
    return np.asarray(labels[(labels < 0) | (place < IMAGES)])


def _size(labels: IntArray, concept: int) -> int:
    """Images of a set: random sets must differ, so that they are at most half of what they are drawn from."""
    own = int((labels == concept).sum())
    return min(own, IMAGES, (len(labels) - own) // 2)


def _halves(rng: np.random.Generator, count: int, size: int) -> tuple[IntArray, IntArray]:
    """Two random sets without a common image."""
    drawn = rng.choice(count, 2 * size, replace=False)
    return np.sort(drawn[:size]), np.sort(drawn[size:])


@dataclass(frozen=True)
class _Batches:
    """Images that Captum may read more than once."""

    model: LoadedModel
    pixels: NDArray[np.uint8]

    def __iter__(self) -> Iterator[Tensor]:
        yield normalised(self.model, self.pixels)


@dataclass(frozen=True)
class Scorer:
    """Captum's TCAV on one bank's images."""

    model: LoadedModel
    layers: Sequence[str]
    pixels: NDArray[np.uint8]
    """[images, height, width, channels]."""
    photos: Photos

    def scores(self, pairs: Sequence[tuple[IntArray, IntArray]], *, seed: int) -> dict[int, FloatArray]:
        """Class index to [pairs], the mean over layers of the share of photos that lean to the first set.

        Args:
            pairs: Positions of two sets of images each.
            seed: Of Captum's own draws.
        """
        from captum.concept import TCAV, Concept

        made: dict[bytes, Concept] = {}
        for number, positions in enumerate(one for pair in pairs for one in pair):
            if positions.tobytes() not in made:  # a set that comes again is shown to the model once
                images: object = _Batches(self.model, self.pixels[positions])
                made[positions.tobytes()] = Concept(number, f"set-{number}", images)
        sets = [[made[one.tobytes()] for one in pair] for pair in pairs]
        found = {}
        # Captum pickles what it learns and reads it again: nobody else may write there.
        with tempfile.TemporaryDirectory(prefix="auditor-tcav-") as folder, _drawn_from(seed):
            captums = TCAV(self.model.module, list(self.layers), model_id="audited", save_path=folder)
            for label, inputs in self.photos:
                answers = captums.interpret(inputs, sets, target=label.index)
                found[label.index] = np.array([self._mean(answers[f"{a.id}-{b.id}"]) for a, b in sets])
        return found

    def _mean(self, by_layer: dict[str, dict[str, Tensor]]) -> float:
        return float(np.mean([float(by_layer[layer]["sign_count"][0]) for layer in self.layers]))


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    """Seed the global generators that Captum and scikit-learn draw from, and put them back."""
    before, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.default_generator.manual_seed(seed)  # nothing is drawn on an accelerator
        try:
            yield
        finally:
            random.setstate(before)
            np.random.set_state(arrays)  # noqa: NPY002


# --- the test ---


def two_sided(scores: FloatArray, among: FloatArray) -> float:
    """P-value of Welch's test, as Kim et al. test; never below what exchanging all labels could reach."""
    least = 1.0 / comb(len(scores) + len(among), len(scores))
    if np.ptp(scores) == 0 and np.ptp(among) == 0:
        return 1.0 if scores[0] == among[0] else least
    seen = [(one.mean(), one.std(ddof=1), len(one)) for one in (scores, among)]
    found = stats.ttest_ind_from_stats(*seen[0], *seen[1], equal_var=False)
    return float(np.clip(found.pvalue, least, 1.0))


def _tested(found: Sequence[BankScores]) -> dict[tuple[str, str, int], float]:
    """Bank, concept and class index to the p-value, corrected over everything tested."""
    plain = {
        (one.shown.layout.bank.name, name, index): two_sided(scores, among)
        for one in found
        for index, among in one.random.items()
        for name, scores in one.of(index).items()
    }
    return dict(zip(plain, holm(list(plain.values())).tolist(), strict=True))


# --- tables ---


def _table(
    audited: Audited, one: BankScores, label: ClassLabel, p_values: dict[tuple[str, str, int], float]
) -> Table:
    bank = one.shown.layout.bank.name
    among = one.random[label.index]
    rows = []
    for name, scores in sorted(one.of(label.index).items(), key=lambda item: -item[1].mean()):
        cells: list[Estimate | None] = [
            Estimate(value=float(scores.mean()), n=len(scores)),
            Estimate(value=float(scores.std(ddof=1)), n=len(scores)),
            Estimate(value=p_values[bank, name, label.index]),
            audited.effect(label.index, bank, name),
        ]
        rows.append(TableRow(name=name, cells=cells))
    spread = [Estimate(value=float(among.mean())), Estimate(value=float(among.std(ddof=1)))]
    rows.append(TableRow(name="random sets among themselves", cells=[*spread, None, None]))
    return Table(
        title=f"{label.name}: TCAV of images labelled in bank '{bank}'",
        unit="TCAV and p: 0 to 1; effect: -1 to 1",
        rows_are="concept",
        columns=["TCAV score", "sd over random sets", "p, Holm", "effect at the output"],
        rows=rows,
        note=f"Mean over the last {LAYERS} layers and {RANDOM_SETS} random sets; at most {IMAGES} images a "
        f"concept and {PHOTOS} photos a class. The deviation is no uncertainty of the concept: all sets "
        "are compared with the same concept images. Nor is the p-value: it compares with random sets among "
        "themselves, two-sided by Welch's test, corrected over all classes and "
        "concepts. Of the effect: 95% interval over the concept's images.",
    )


def _agreement(
    audited: Audited, found: Sequence[BankScores], labels: Sequence[ClassLabel], skipped: list[Skipped]
) -> Table | None:
    """Rank correlations by class, the mean over its banks."""
    rows = []
    for label in labels:
        by_bank = [_correlations(audited, one, label) for one in found]
        values = [[one[place] for one in by_bank if one[place] is not None] for place in range(len(RANKED))]
        means = [float(np.mean(some)) if some else None for some in values]  # type: ignore[arg-type]
        if any(mean is not None for mean in means):
            cells = [None if mean is None else Estimate(value=mean) for mean in means]
            rows.append(TableRow(name=label.name, cells=cells))
        elif found:
            reason = f"no bank with {FEWEST_RANKED} concepts that can be ranked"
            skipped.append(Skipped(what=f"ranking of concepts for class '{label.name}'", reason=reason))
    if not rows:
        return None
    return Table(
        title="Agreement of the rankings of concepts",
        unit="rank correlation, -1 to 1",
        rows_are="class",
        columns=list(RANKED),
        rows=[mean_row("mean of classes", rows, least=-1.0), *rows],
        note=f"Mean over banks with {FEWEST_RANKED} concepts or more. The paper's score has no sign. 95% "
        "interval of the mean over classes.",
    )


def _correlations(audited: Audited, one: BankScores, label: ClassLabel) -> list[float | None]:
    """In the order of :data:`RANKED`; ``None`` with too few concepts."""
    bank, shares = one.shown.layout.bank.name, audited.shares(label.index, one.shown)
    kinds: list[dict[str, float]] = [
        {name: float(scores.mean()) for name, scores in one.of(label.index).items()},
        {name: found.value for name in one.concepts if (found := audited.effect(label.index, bank, name))},
        {name: share for name, (share, _) in shares.items() if name in one.concepts},
    ]
    pairs = [(kinds[0], kinds[1]), (kinds[0], kinds[2]), (kinds[1], kinds[2])]
    result: list[float | None] = []
    for first, second in pairs:
        common = [name for name in first if name in second]
        values = [np.array([kind[name] for name in common]) for kind in (first, second)]
        result.append(correlation(*values) if len(common) >= FEWEST_RANKED else None)
    return result


def _costs(audited: Audited, found: Sequence[BankScores], cost: Cost, classes: int) -> Table:
    rows = {
        "TCAV": cost,
        "the effect at the output": audited.effect_cost,
        "the paper's score, from the same pass": audited.paper_cost,
    }
    count = sum(len(one.concepts) for one in found)
    seen = sum(len(_labels(one.shown)) for one in found)
    images = sum(len(shown.layout.labels) for shown in audited.shown)
    return Table(
        title="Time and memory",
        unit="seconds, and MiB at the peak beyond what was held before",
        rows_are="method",
        columns=["seconds", "memory added"],
        rows=[
            TableRow(
                name=name,
                cells=[
                    Estimate(value=one.seconds),
                    None if one.memory is None else Estimate(value=one.memory),
                ],
            )
            for name, one in rows.items()
        ],
        note=f"Classes: {classes}. Concepts of TCAV: {count}, from {seen} images; the audit scores all "
        f"concepts from {images} images. Occluders, which the paper's score needs, are not in it.",
    )
