"""AfI: what the importance of a concept is worth, and whether occluders hold on photos.

``python -m benchmarks.afi importance --model MODEL --pairs FILE.csv`` ranks the expected concept of every
pair by importance in its variants and by the output, and counts what both tests claim of concepts drawn by
lot and of classes exchanged with reference classes.

``python -m benchmarks.afi occluders --model MODEL --images DIR --classes A,B`` learns occluders of the same
classes from photos and from impressions, on views and on the images as they are, and tests all on photos that
none of them saw.

What is learned is kept in auditor's cache, so that a second run is quick.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.audit.checks import another_occluder, random_occluder
from auditor.audit.forward import show_bank
from auditor.audit.importance import late_layers
from auditor.audit.occluders import Occluders, learn_occluders
from auditor.banks.places import cache_root
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.explain import occluder as occ
from auditor.explain.channels import channel_importance, neuron_scores
from auditor.explain.reference_classes import choose_classes
from auditor.explain.stage_one import StageOne, cached_stage_one, class_images
from auditor.images.transforms import Views, view
from auditor.models import InputOverrides, Request, find_classes, load_model
from auditor.models.layers import choose_layers
from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.models.precision import resolve
from auditor.progress import progress_for
from auditor.randomness import stream
from auditor.settings import IMPRESSIONS, Settings
from auditor.statistics.agreement import spearman
from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.importance import (
    Importances,
    UnitSample,
    benchmark_test,
    class_specific,
    mmd_importance,
    sample_units,
)
from auditor.statistics.multiplicity import holm
from auditor.statistics.probability import log_scaled
from benchmarks.associations_banks import find_bank
from benchmarks.associations_pairs import Pair, check_concepts, rank_of, read_pairs
from benchmarks.impressions import lost
from benchmarks.timed import timed

BANK = "textures"
LOTS = 20
"""Sets of concepts drawn by lot, for each class."""
ALPHA, MARGIN = 0.05, float(Settings.model_fields["importance_margin"].default)
BRIEF: dict[str, object] = {
    "n_impressions": 6,
    "impression_steps": 48,
    "occluder_iterations": 80,
    "refits": 1,
}
"""Stage one as for a reference class, so that dozens of classes can be learned."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 2 with one line on the error stream."""
    return timed("afi", _parse(arguments))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.afi", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    runs = (("importance", importance), ("occluders", occluders), ("another", another))
    for name, run in runs:
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--model", default="bundled:efficientnet_lite0")
        command.add_argument("--arch", help="architecture of a weights file, such as timm:resnet50")
        command.add_argument("--crop", type=float, help="instead of the model's own")
        command.add_argument("--interpolation", help="instead of the model's own")
        command.add_argument("--classes", help="with commas; of pairs: only those of these classes")
        command.add_argument("--seed", type=int, default=0)
        if name == "importance":
            command.add_argument("--pairs", type=Path, required=True, help="CSV: class,bank,concept")
            command.add_argument("--references", type=int, default=8, help="reference classes")
        elif name == "another":
            command.add_argument("--count", type=int, default=12, help="classes drawn by lot")
            command.add_argument("--images", type=Path, help="photos of the classes that --classes names")
            command.add_argument(
                "--shrink",
                type=float,
                help="scale every occluder down until only this share of views learned on is lost",
            )
        else:
            command.add_argument("--images", type=Path, required=True, help="one folder of photos per class")
            command.add_argument(
                "--as-they-are", action="store_true", help="learn on fixed images, too, for comparison"
            )
    return parser.parse_args(arguments)


def _context(asked: argparse.Namespace, **settings: object) -> AuditContext:
    overrides = InputOverrides(crop=asked.crop, interpolation=asked.interpolation)
    model = load_model(asked.model, request=Request(arch=asked.arch), overrides=overrides)
    model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    values = {"model": asked.model, "classes": ("0",), "images": IMPRESSIONS, "seed": asked.seed, **settings}
    return AuditContext(
        model=model,
        settings=Settings.model_validate(values),
        classes=(),
        layers=tuple(choose_layers(model)),
        precision=resolve("auto", model.device),
        progress=progress_for(sys.stderr),
        cache=cache_root() / "benchmarks" / "afi",
    )


# --- importance ---


@dataclass(frozen=True)
class Bench:
    """One bank under the detectors of the classes of the pairs and of the reference classes."""

    sample: UnitSample
    late: Importances
    every: Importances
    output: FloatArray
    """[classes, concepts] Effect at the model's output."""
    maps: Mapping[str, NDArray[np.float32]]
    """Layer to detector maps, of the late layers."""
    names: tuple[str, ...]
    classes: tuple[ClassLabel, ...]
    references: IntArray
    """Their detectors."""

    def specific(
        self, detector: int, references: IntArray
    ) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
        """Effect, p-value and which are claimed [concepts], one class being the family."""
        found = class_specific(self.late, detector, references)
        low, high = found.interval(ALPHA / len(self.names))
        beyond = (low > MARGIN) | (high < -MARGIN)
        return found.effect, found.p_value, beyond & (holm(found.p_value) <= ALPHA)


def importance(asked: argparse.Namespace) -> None:
    """Print the tables of importance."""
    context = _context(asked, **BRIEF)
    pairs = [pair for pair in read_pairs(asked.pairs) if pair.bank == BANK]
    if asked.classes:
        pairs = [pair for pair in pairs if pair.class_name in asked.classes.split(",")]
    bench = _bench(context, pairs, asked.references)
    print(f"{asked.model}, {asked.pairs.name}: {len(pairs)} pairs of {len(bench.classes)} classes,")
    print(f"{len(bench.references)} reference classes, layers {', '.join(bench.maps)}\n")
    print(_ranks(bench, pairs), _errors(bench, asked.seed), _views(bench, pairs), sep="\n\n", end="\n\n")
    print(_cost(bench))


def _bench(context: AuditContext, pairs: Sequence[Pair], count: int) -> Bench:
    found = {pair.class_name: find_classes(context.model.labels, [pair.class_name])[0] for pair in pairs}
    labels = list(dict.fromkeys(found.values()))
    references = choose_classes(context.model.labels, labels, count, seed=context.settings.seed)
    learned = [one for label in [*labels, *references] if (one := _learned(context, label))]
    classes = tuple(one.label for one in learned if one.label in labels)
    bank = find_bank(BANK, cache=None, progress=context.progress)
    assert bank is not None
    shown = show_bank(context, bank, learned)
    layout = shown.layout
    sample = sample_units(
        layout.labels, concepts=len(layout.names), clusters=None, rng=stream(0, "importance units", BANK)
    )
    late = {layer: shown.forward.maps[layer] for layer in late_layers(context.layer_names)}
    return Bench(
        sample=sample,
        late=mmd_importance(late, sample, tested=len(classes)),
        every=mmd_importance(shown.forward.maps, sample, tested=0),
        output=layout.sample.errors(log_scaled(shown.logits).T[[c.index for c in classes]]).effect,
        maps=late,
        names=tuple(layout.names),
        classes=classes,
        references=np.arange(len(classes), len(learned)),
    )


def _learned(context: AuditContext, label: ClassLabel) -> StageOne | None:
    try:
        return cached_stage_one(context, label, context.cache)
    except InputError as failure:
        print(f"left out: {failure}", file=sys.stderr)
        return None


def _ranks(bench: Bench, pairs: Sequence[Pair]) -> str:
    """Markdown: reciprocal rank and first places, by variant."""
    rows: dict[str, FloatArray] = {}
    for where, found in (("all layers", bench.every), ("late layers", bench.late)):
        rows[f"MMD to the bank's other images, {where}"] = found.mmd.mean(axis=0)
        rows[f"the same, signed, {where}"] = found.signed
        centre = found.signed[bench.references].mean(axis=0)
        rows[f"signed, less reference classes, {where}"] = found.signed - centre
    rows["effect at the output"] = bench.output
    lines = ["| ranked by | MRR | top-1 |", "|---|---|---|"]
    for name, scores in rows.items():
        ranks = np.array([rank_of(scores[place], wanted) for place, wanted in _expected(bench, pairs)])
        lines.append(f"| {name} | {np.mean(1 / ranks):.2f} | {np.mean(ranks < 1.5):.2f} |")
    agree = [
        spearman(bench.output[place], bench.specific(place, bench.references)[0])[0, 0]
        for place in range(len(bench.classes))
    ]
    lines.append(f"\nRank correlation with the output over concepts, mean of classes: {np.mean(agree):.2f}.")
    return "\n".join(lines)


def _expected(bench: Bench, pairs: Sequence[Pair]) -> list[tuple[int, list[int]]]:
    """Place of the class and positions of the expected concepts, for every pair whose class was learned."""
    names = enumerate(bench.classes)
    place = {alias.casefold(): k for k, label in names for alias in (label.name, *label.aliases)}
    return [
        (place[name], check_concepts(pair.expected, bench.names, bank=BANK, where=pair.where))
        for pair in pairs
        if (name := pair.class_name.casefold()) in place
    ]


def _errors(bench: Bench, seed: int) -> str:
    """Markdown: how often each test rejects where it should not, and where it should."""
    classes = range(len(bench.classes))
    rejected = {
        "concepts of the bank, concept against benchmark": [
            _benchmark_p(bench, k, bench.sample, seed) for k in classes
        ],
        "concepts drawn by lot, concept against benchmark": _by_lot(bench, seed),
        "concepts of the bank, class against references": [
            bench.specific(k, bench.references)[1] for k in classes
        ],
        "reference class exchanged for the class": [
            bench.specific(int(r), bench.references[bench.references != r])[1] for r in bench.references
        ],
    }
    lines = ["| test | p at most 0.05 | p at most 0.001 | tests |", "|---|---|---|---|"]
    for name, p_values in rejected.items():
        p = np.concatenate(p_values)
        lines.append(f"| {name} | {np.mean(p <= 0.05):.3f} | {np.mean(p <= 0.001):.4f} | {len(p)} |")
    return "\n".join(lines)


def _benchmark_p(bench: Bench, place: int, sample: UnitSample, seed: int) -> FloatArray:
    rng = stream(seed, "benchmark", place)
    return benchmark_test(bench.late.kernels[place], sample, runs=2, permutations=999, rng=rng).p_value


def _by_lot(bench: Bench, seed: int) -> list[FloatArray]:
    found = []
    for place in range(len(bench.classes)):
        for lot in range(LOTS):
            drawn = stream(seed, "lot", place, lot).permutation(bench.sample.labels)
            found.append(_benchmark_p(bench, place, replace(bench.sample, labels=drawn), seed))
    return found


def _views(bench: Bench, pairs: Sequence[Pair]) -> str:
    """How many concepts are claimed, how many of them are expected; of exchanged classes, how many are."""
    expected = {(place, concept) for place, wanted in _expected(bench, pairs) for concept in wanted}
    claimed = {
        (place, int(concept))
        for place in range(len(bench.classes))
        for concept in np.flatnonzero(bench.specific(place, bench.references)[2])
    }
    exchanged = sum(
        int(bench.specific(int(r), bench.references[bench.references != r])[2].sum())
        for r in bench.references
    )
    hit = len({place for place, concept in claimed & expected})
    return (
        f"Claimed with a class as the family: {len(claimed)} of {bench.output.size} concepts, "
        f"{len(claimed & expected)} of them expected, in {hit} of {len(bench.classes)} classes.\n"
        f"Claimed of reference classes exchanged for a class: {exchanged} in {len(bench.references)} classes."
    )


def _cost(bench: Bench) -> str:
    """Processor time of what an audit of two of the classes computes; the forward pass is not in it."""
    kept = np.r_[0:2, bench.references]
    maps = {layer: values[:, kept] for layer, values in bench.maps.items()}
    begun = time.process_time()
    found = mmd_importance(maps, bench.sample, tested=2)
    kernels = time.process_time()
    for kernel in found.kernels:
        benchmark_test(kernel, bench.sample, runs=100, permutations=2558, rng=stream(0, "cost"))
    tests = time.process_time()
    return (
        f"Two classes, {len(kept)} detectors: importance {kernels - begun:.1f} s, both classes' tests "
        f"{tests - kernels:.1f} s of processor time."
    )


# --- occluders ---


def occluders(asked: argparse.Namespace) -> None:
    """Print a row for each class, source of images and way of learning."""
    context = _context(asked, images=str(asked.images), heldout=0.0, n_impressions=12, impression_steps=96)
    labels = find_classes(context.model.labels, asked.classes.split(","))
    print("| class | learned on | images | steps | photos lost | random of the same size | agreement |")
    print("|---|---|---|---|---|---|---|")
    for label in labels:
        for row in _of_class(context, label, as_they_are=asked.as_they_are):
            print(f"| {label.name} | {row} |", flush=True)
    print("\nAgreement: rank correlation of channel importance with that learned on the other half of")
    print("the photos, mean over the last third of the layers.")


def another(asked: argparse.Namespace) -> None:
    """Print how often occluders of other classes change the answer on a class, for classes drawn by lot."""
    context = _context(asked, **({"images": str(asked.images)} if asked.images else {}))
    labels = context.model.labels
    if asked.classes:
        chosen = tuple(find_classes(labels, asked.classes.split(",")))
    else:
        drawn = stream(asked.seed, "benchmark another").choice(len(labels), asked.count, replace=False)
        chosen = tuple(labels[i] for i in drawn)
    context = replace(context, classes=chosen)
    found = learn_occluders(context)
    if asked.shrink is not None:
        found = _shrunk(context.model, found, asked.shrink)
    print("| class | held out | changed by its own | by a random one | by other classes' | check |")
    print("|---|---|---|---|---|---|")
    failed = tested = 0
    for label, one in zip(context.classes, found.classes, strict=True):
        checks = {check.name: check for check in one.checks}
        others = checks.get("another class's occluder")
        if one.stage_one is None or others is None:
            print(f"| {label.name} | no usable images | | | | |")
            continue
        own, held = one.stage_one.occluder.success_heldout, one.stage_one.images.record.heldout
        random = checks["random occluder"].observed
        shares = " | ".join("" if v is None else f"{v:.2f}" for v in (own, random, others.observed))
        said = {True: "passed", False: "failed", None: "not run"}[others.passed]
        tested += others.passed is not None
        failed += others.passed is False
        print(f"| {label.name} | {held} | {shares} | {said} |")
    print(f"\nThe check 'another class's occluder' failed for {failed} of {tested} classes.")


def _shrunk(model: LoadedModel, found: Occluders, target: float) -> Occluders:
    """The same occluders, each as small as still hides the class in views of what it was learned on."""
    references = [_scaled(model, one, target) for one in found.references.classes]
    classes = []
    for one in found.classes:
        smaller = _scaled(model, one.stage_one, target) if one.stage_one else None
        checks = (random_occluder(smaller), another_occluder(model, smaller, references)) if smaller else ()
        classes.append(replace(one, stage_one=smaller, checks=checks))
    return replace(found, classes=tuple(classes))


def _scaled(model: LoadedModel, one: StageOne, target: float) -> StageOne:
    images, y = one.images.inputs(model), one.label.index
    learned, held = images[: one.images.record.learned], images[one.images.record.learned :]
    generator = torch.Generator().manual_seed(0)
    views = torch.cat([view(learned, Views(), generator=generator) for _ in range(4)])
    with torch.inference_mode():
        views = views[model.module(views).argmax(1) == y]
    whole = torch.from_numpy(one.perturbations[0]).to(model.device)
    low, high = 0.0, 1.0
    for _ in range(6):
        middle = (low + high) / 2.0
        enough = lost(model, views, whole * middle, y) >= target
        low, high = (low, middle) if enough else (middle, high)
    perturbations = one.perturbations.copy()
    perturbations[0] *= high
    success = lost(model, held, whole * high, y) if len(held) else None
    record = one.occluder.model_copy(update={"success_heldout": success})
    return replace(one, perturbations=perturbations, occluder=record)


def _of_class(context: AuditContext, label: ClassLabel, *, as_they_are: bool) -> list[str]:
    photos = _shuffled(class_images(context, label).inputs(context.model))
    half = len(photos) // 2
    made = replace(context, settings=context.settings.model_copy(update={"images": IMPRESSIONS}))
    impressions = class_images(made, label).inputs(context.model)
    learned = impressions[: max(2, round(0.75 * len(impressions)))]
    views = Views()
    ways: dict[str, tuple[Tensor, Views | None]] = {
        "half of the photos, views": (photos[:half], views),
        "impressions, views": (learned, views),
    }
    if as_they_are:
        ways["half of the photos, as they are"] = (photos[:half], None)
        ways["impressions, as they are"] = (learned, None)
    _, other = _learn(context, label, photos[half:], views)
    rows = []
    for way, (images, used) in ways.items():
        found, channels = _learn(context, label, images, used)
        random = occ.random_like(found.perturbation, torch.Generator().manual_seed(3))
        unseen = photos[half:]
        shares = [lost(context.model, unseen, p, label.index) for p in (found.perturbation, random)]
        agreement = np.mean([spearman(channels[layer], other[layer])[0, 0] for layer in channels])
        numbers = " | ".join(f"{value:.2f}" for value in (*shares, agreement))
        rows.append(f"{way} | {len(images)} | {found.iterations} | {numbers}")
    return rows


def _shuffled(inputs: Tensor) -> Tensor:
    return inputs[torch.randperm(len(inputs), generator=torch.Generator().manual_seed(1))]


def _learn(
    context: AuditContext, label: ClassLabel, images: Tensor, views: Views | None
) -> tuple[occ.Occluder, dict[str, FloatArray]]:
    """The occluder, and channel importance in the last third of the layers."""
    settings = occ.OccluderSettings(precision=context.precision, views=views)
    generator = torch.Generator().manual_seed(5)
    found = occ.learn(context.model, images, label.index, settings=settings, generator=generator)
    layers = context.layer_names[-math.ceil(len(context.layer_names) / 3) :]
    scores = neuron_scores(context.model, images, found.perturbation, layers)
    return found, {
        layer: channel_importance(neurons.scores).double().numpy() for layer, neurons in scores.items()
    }


if __name__ == "__main__":
    sys.exit(main())
