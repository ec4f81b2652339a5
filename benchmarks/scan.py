"""The scan: how often it is wrong, how much it finds, what it costs.

``python -m benchmarks.scan errors --model MODEL`` takes the answers to a bank's images as the
population and draws scans from it. Therefore the truth is known.

``python -m benchmarks.scan planted`` scans networks whose causal effects are known.

``python -m benchmarks.scan lots --model MODEL --bank BANK`` draws groups, or concepts, by lot.

``python -m benchmarks.scan cost`` measures time and memory on the real thing, for 1,000 and 21,843 classes.

``python -m benchmarks.scan agree SCAN SCAN ...`` says what scans of several models have in common.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from auditor.audit.forward import forward_pass
from auditor.audit.layout import shown_images
from auditor.audit.prepare import load_banks
from auditor.banks.places import cache_root
from auditor.context import AuditContext
from auditor.images.inputs import preprocessing
from auditor.progress import progress_for, silent
from auditor.randomness import stream
from auditor.scan import lots as lots_of
from auditor.scan.answers import Answers, look_at
from auditor.scan.confirm import ScannedBank, selected_of
from auditor.scan.estimates import Both, estimate
from auditor.scan.parts import divided
from auditor.scan.run import prepare_scan, run_scan
from auditor.settings import ScanSettings
from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.probability import log_scaled
from auditor.statistics.samples import ConceptSample
from auditor.statistics.selection import SCREENING, beyond_margin_p, confirm, divide, select
from auditor.store.scans import read_effects, read_scan
from benchmarks.timed import timed

ALPHA = float(ScanSettings.model_fields["alpha"].default)
MARGIN = float(ScanSettings.model_fields["margin"].default)
Mask = NDArray[np.bool_]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 2 with one line on the error stream."""
    return timed("scan", _parse(arguments))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scan", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    for name, run in (("errors", errors), ("planted", planted), ("lots", lots), ("cost", cost)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--seed", type=int, default=0)
        if name != "planted":
            command.add_argument("--model", default="bundled:efficientnet_lite0")
            command.add_argument("--arch", help="architecture of a weights file, such as timm:resnet50")
            command.add_argument("--bank", default="textures")
        if name in ("errors", "lots"):
            command.add_argument("--tries", type=int, default=100, help="scans drawn")
        if name == "planted":
            command.add_argument("--split", choices=("dev", "test"), default="test")
            command.add_argument("--tries", type=int, default=20, help="divisions of each bank")
    command = commands.add_parser("agree")
    command.set_defaults(run=agree)
    command.add_argument("scans", type=Path, nargs="+")
    return parser.parse_args(arguments)


def _settings(asked: argparse.Namespace) -> ScanSettings:
    return ScanSettings.model_validate({"model": asked.model, "arch": asked.arch, "banks": (asked.bank,)})


def _scanned(asked: argparse.Namespace) -> tuple[AuditContext, ScannedBank]:
    """One bank, scanned; the model's answers are kept in auditor's cache."""
    settings = _settings(asked)
    context = prepare_scan(settings, progress_for(sys.stderr))
    (bank,) = load_banks(settings.model_copy(update={"min_images": 2}), context.progress)
    looked = look_at(context, bank, cache_root() / "benchmarks" / "scan")
    parts = divided(bank, looked, settings)
    return context, ScannedBank(parts, looked, estimate(parts, looked.answers))


# --- errors: designs against a population that is known ---

Design = Callable[[FloatArray, IntArray, np.random.Generator], Mask]


def errors(asked: argparse.Namespace) -> None:
    """Print what each design confirms of scans drawn from a known population."""
    context, bank = _scanned(asked)
    values = bank.looked.answers.log_scaled(0, len(context.model.labels))
    labels = bank.parts.layout.labels
    truth = ConceptSample(labels, np.arange(len(labels))).errors(values).effect
    beyond = np.abs(truth) > MARGIN
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in DESIGNS}
    shrinking = []
    for number in range(asked.tries):
        rng = stream(asked.seed, "population", number)
        pick = np.concatenate([rng.choice(own, len(own)) for own in groups])
        drawn = values[:, pick]
        for name, design in DESIGNS.items():
            said = design(drawn, labels, stream(asked.seed, "division", number))
            right = said & beyond
            found[name].append((said.sum(), (said & ~beyond).sum() / max(1, said.sum()), right.sum()))
        shrinking.append(_shrinking(drawn, labels, truth, stream(asked.seed, "division", number)))
    print(f"{asked.model}, bank {asked.bank}: {asked.tries} scans drawn from {len(labels)} images")
    print(f"as the population; {beyond.sum()} of {beyond.size} pairs truly lie beyond {MARGIN:g}\n")
    print("| design | confirmed | share of false ones | power | scans with any false |")
    print("|---|---|---|---|---|")
    for name, rows in found.items():
        said, false, right = np.array(rows).T
        cells = f"{said.mean():.0f} | {false.mean():.4f} | {right.mean() / beyond.sum():.3f}"
        print(f"| {name} | {cells} | {np.mean(false > 0):.2f} |")
    print("\n| mean absolute effect of | screening images | confirming images | all: the truth |")
    print("|---|---|---|---|")
    for place, name in enumerate(("what is selected", "what is confirmed")):
        cells = np.nanmean([row[place] for row in shrinking], axis=0)
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in cells)} |")


def _two(share: float, correct: Callable[[FloatArray], Mask]) -> Design:
    """Select on one part, confirm on the other."""

    def design(values: FloatArray, labels: IntArray, rng: np.random.Generator) -> Mask:
        return _confirmed(_halves(values, labels, rng, share), correct)

    return design


def _confirmed(both: Both, correct: Callable[[FloatArray], Mask]) -> Mask:
    """[classes, concepts] What is selected and passes a correction."""
    chosen = selected_of(both, MARGIN)
    said = np.zeros(both.confirming.effect.shape, np.bool_)
    said[chosen.rows, chosen.columns] = correct(chosen.p_values)
    return said


def _halves(values: FloatArray, labels: IntArray, rng: np.random.Generator, share: float) -> Both:
    """Effects of concepts compared with each other, in two parts of the images."""
    screens = divide(labels, np.arange(len(labels)), rng.random(len(labels)), share=share)
    return Both(
        *(
            ConceptSample(labels[keep], np.arange(keep.sum())).errors(values[:, keep], floor=True)
            for keep in (screens, ~screens)
        )
    )


def _one(correct: Callable[[FloatArray], Mask]) -> Design:
    """All images at once, over all pairs."""

    def design(values: FloatArray, labels: IntArray, rng: np.random.Generator) -> Mask:
        found = ConceptSample(labels, np.arange(len(labels))).errors(values, floor=True)
        p = beyond_margin_p(found, MARGIN)
        return correct(p.ravel()).reshape(p.shape)

    return design


def _bh(p: FloatArray) -> Mask:
    return confirm(p, ALPHA).passed


def _by(p: FloatArray) -> Mask:
    return np.asarray(false_discovery_control(p, method="by") <= ALPHA) if len(p) else p > 1.0


def _bonferroni(p: FloatArray) -> Mask:
    return np.asarray(p * max(1, len(p)) <= ALPHA)


DESIGNS: dict[str, Design] = {
    "**a third selects, Benjamini-Hochberg**": _two(SCREENING, _bh),
    "a third selects, Benjamini-Yekutieli": _two(SCREENING, _by),
    "a third selects, Bonferroni": _two(SCREENING, _bonferroni),
    "a half selects, Benjamini-Hochberg": _two(0.5, _bh),
    "a half selects, Benjamini-Yekutieli": _two(0.5, _by),
    "all images, Benjamini-Hochberg over all pairs": _one(_bh),
    "all images, Benjamini-Yekutieli over all pairs": _one(_by),
}


def _shrinking(
    values: FloatArray, labels: IntArray, truth: FloatArray, rng: np.random.Generator
) -> list[list[float]]:
    """[selected, confirmed][screening, confirming, truth] Mean effects, in the direction of selection."""
    both = _halves(values, labels, rng, SCREENING)
    side, rows = np.sign(both.screening.effect), []
    for mask in (select(both.screening, MARGIN), _confirmed(both, _bh)):
        effects = (both.screening.effect, both.confirming.effect, truth)
        rows.append([float((one * side)[mask].mean()) if mask.any() else float("nan") for one in effects])
    return rows


# --- planted truth ---


def planted(asked: argparse.Namespace) -> None:
    """Print how much of what scans of planted networks confirm is true."""
    from benchmarks.planted import build
    from benchmarks.planted.banks import COUNTERFACTUAL, REFERENCE

    rows: dict[str, list[tuple[int, int, int, int]]] = {}
    strong = 0
    for case in build.SPLITS[asked.split]:
        model = build.build(case, build.FULL, with_occluders=False)
        labels, truth = model.subject.bank.labels, model.truth.probability
        values = log_scaled(model.subject.seen.logits).T
        strong += int((np.abs(truth) > 2 * MARGIN).sum())
        own = np.flatnonzero((labels >= 0) & (labels < COUNTERFACTUAL))
        partner = np.full(len(labels), -1)
        for concept in np.unique(labels[own]):
            partner[labels == concept] = np.flatnonzero(labels == COUNTERFACTUAL + concept)
        kinds = {
            "the bank's other concepts": (own, None),
            "reference images": (np.flatnonzero((labels < COUNTERFACTUAL) & (labels >= REFERENCE)), None),
            "counterfactual pairs": (own, partner),
        }
        for name, (used, pairs) in kinds.items():
            for number in range(asked.tries):
                rng = stream(asked.seed, "planted", case.world, number)
                said = _planted_scan(values, labels, used, pairs, rng)
                right = np.sign(said) == np.sign(truth)
                rows.setdefault(name, []).append(
                    (
                        int((said != 0).sum()),
                        int(((said != 0) & right & (np.abs(truth) > 0.02)).sum()),
                        int(((said != 0) & right & (np.abs(truth) > MARGIN)).sum()),
                        int(((said != 0) & right & (np.abs(truth) > 2 * MARGIN)).sum()),
                    )
                )
    print(f"Planted truth, split {asked.split}: {len(build.SPLITS[asked.split])} networks, {asked.tries}")
    print("divisions of each bank. True: the causal effect has the sign said and exceeds 0.02 (0.1).\n")
    print("| compared with | confirmed | true (above 0.02) | true (above 0.1) | power (above 0.2) |")
    print("|---|---|---|---|---|")
    for name, found in rows.items():
        said, any_, relevant, found_strong = np.array(found).sum(axis=0)
        power = found_strong / (strong * asked.tries)
        print(f"| {name} | {said} | {any_ / said:.3f} | {relevant / said:.3f} | {power:.2f} |")


def _planted_scan(
    values: FloatArray, labels: IntArray, used: IntArray, pairs: IntArray | None, rng: np.random.Generator
) -> FloatArray:
    """[classes, concepts] Sign of what is confirmed, 0 elsewhere."""
    data = values[:, used] if pairs is None else values[:, used] - values[:, pairs[used]]
    label = labels[used]
    screens = divide(label, np.arange(len(label)), rng.random(len(label)))
    sides = []
    for keep in (screens, ~screens):
        if pairs is None:
            sides.append(ConceptSample(label[keep], np.arange(keep.sum())).errors(data[:, keep], floor=True))
        else:
            twice = np.concatenate([label[keep], np.full(keep.sum(), -2)])
            count = int(keep.sum())
            partner = np.concatenate([count + np.arange(count), np.full(count, -1)])
            both = np.concatenate([data[:, keep], np.zeros_like(data[:, keep])], axis=1)
            sides.append(ConceptSample(twice, np.arange(2 * count), partner).errors(both, floor=True))
    both = Both(*sides)
    return np.where(_confirmed(both, _bh), np.sign(both.confirming.effect), 0.0)


# --- labels drawn by lot ---


def lots(asked: argparse.Namespace) -> None:
    """Print how many scans with labels drawn by lot confirm anything."""
    context, bank = _scanned(asked)
    settings = context.settings
    print("| margin | scans | any association | any contrast, before its checks |")
    print("|---|---|---|---|")
    for scale in (1.0, 0.5, 0.1, 0.0):
        chosen = settings.model_copy(
            update={"margin": settings.margin * scale, "contrast_margin": settings.contrast_margin * scale}
        )
        claimed = np.zeros(2, dtype=int)
        for number in range(asked.tries):
            parts = lots_of.dealt_by_lot(bank.parts, stream(asked.seed, "lots", number))
            found = estimate(parts, bank.looked.answers)
            both = (found.concepts, found.contrasts)
            claimed += [
                confirm(selected_of(one, margin).p_values, settings.alpha).passed.any()
                for one, margin in zip(both, (chosen.margin, chosen.contrast_margin), strict=True)
            ]
        shares = " | ".join(f"{count / asked.tries:.3f}" for count in claimed)
        print(f"| {scale:g} of the default | {asked.tries} | {shares} |")


# --- cost ---


def cost(asked: argparse.Namespace) -> None:
    """Print what a scan costs beyond bare forward passes, and the memory that many classes take."""
    settings = _settings(asked)
    context = prepare_scan(settings, silent)
    (bank,) = load_banks(settings, silent)
    images, transform = list(shown_images(bank)), preprocessing(context.model)
    bare = time.process_time()
    pictures = (transform(image.load()) for image in images)
    forward_pass(context.model, _batches(pictures, settings.batch_size), ())
    bare = time.process_time() - bare
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        run_scan(settings.model_copy(update={"out": Path(folder) / "scan", "scan_formats": ("csv",)}))
        whole = time.process_time() - begun
    print(f"{asked.model}, bank {asked.bank}, {len(images)} images, processor time:")
    print(f"loading and bare forward passes {bare:.1f} s, whole scan {whole:.1f} s, ratio {whole / bare:.2f}")
    print(f"peak memory {_peak():.2f} GB\n")
    scanned = _scanned(asked)[1]
    for classes in (1_000, 5_000, 21_843):
        _many(scanned, classes, settings)


def _batches(pictures: Iterator[torch.Tensor], size: int) -> Iterator[torch.Tensor]:
    while batch := list(islice(pictures, size)):
        yield torch.stack(batch)


def _many(bank: ScannedBank, classes: int, settings: ScanSettings) -> None:
    """Statistics of answers that repeat the model's, on disk."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, chunk in enumerate(bank.looked.answers.logits):
            path = Path(folder) / f"{number}.npy"
            np.save(path, np.resize(chunk, (len(chunk), classes)))
            files.append(np.load(path, mmap_mode="r"))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        totals = np.concatenate([np.log(np.exp(one.astype(np.float64)).sum(axis=1)) for one in files])
        begun, before = time.process_time(), _peak()
        answers = Answers(tuple(files), totals)
        found = estimate(bank.parts, answers)
        chosen = selected_of(found.concepts, settings.margin)
        confirmed = int(confirm(chosen.p_values, settings.alpha).passed.sum())
        spent = time.process_time() - begun
    print(
        f"{classes} classes: statistics {spent:.1f} s, peak memory {_peak():.2f} GB "
        f"({before:.2f} before), {size / 1e6:.0f} MB on disk, {confirmed} confirmed"
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


# --- agreement of models ---


def agree(asked: argparse.Namespace) -> None:
    """Print how many findings scans have in common, and rank correlations of their effects."""
    scans = [read_scan(path) for path in asked.scans]
    effects = [read_effects(path, scan) for path, scan in zip(asked.scans, scans, strict=True)]
    claimed = [
        {(f.kind, f.class_index, f.bank, f.subject, (f.effect or 0) > 0) for f in s.confirmed} for s in scans
    ]
    for scan, found in zip(scans, claimed, strict=True):
        kinds = [sum(key[0] == kind for key in found) for kind in ("association", "contrast")]
        print(f"{scan.model.name}: {kinds[0]} associations, {kinds[1]} contrasts confirmed")
    print("\n| models | in both | of the first | of the second | opposite signs | correlation of effects |")
    print("|---|---|---|---|---|---|")
    for i, j in combinations(range(len(scans)), 2):
        common = claimed[i] & claimed[j]
        turned = {(*key[:4], not key[4]) for key in claimed[i]} & claimed[j]
        keys = [key for key in effects[i] if key.endswith("/confirming/effect") and key in effects[j]]
        sides = [np.concatenate([one[key].ravel() for key in keys]) for one in (effects[i], effects[j])]
        names = (
            f"{scans[i].model.name.removeprefix('bundled:')}, {scans[j].model.name.removeprefix('bundled:')}"
        )
        shares = f"{len(common) / max(1, len(claimed[i])):.2f} | {len(common) / max(1, len(claimed[j])):.2f}"
        print(f"| {names} | {len(common)} | {shares} | {len(turned)} | {np.corrcoef(*sides)[0, 1]:.2f} |")
    everywhere = set.intersection(*claimed)
    print(f"\nConfirmed in all {len(scans)}: {len(everywhere)}")
    strength = {f.key: f.severity for f in scans[0].confirmed}
    for key in sorted(everywhere, key=lambda key: -strength[key[:4]])[:20]:
        sizes = ", ".join(
            f"{next(f.effect or 0 for f in s.confirmed if f.key == key[:4]):+.2f}" for s in scans
        )
        print(f"  {scans[0].classes[key[1]]} × {key[2]}/{key[3]}: {sizes}")


if __name__ == "__main__":
    sys.exit(main())
