"""Does the score rank the undisputed association first?

``python -m benchmarks.associations --model MODEL --pairs FILE.csv [--contrasts FILE.csv]``

Pairs are rows of ``class,bank,concept`` (alternatives with ``|``), contrasts rows of
``class,bank,more,less``. Class images are impressions unless a folder is given. Intermediate results are
kept in auditor's cache under names made of its content, so that a second run is quick.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.banks import ConceptBank
from auditor.banks.places import cache_root
from auditor.context import AuditContext
from auditor.errors import AuditorError, InputError
from auditor.explain.stage_one import StageOne, cached_stage_one
from auditor.models import find_classes, load_model
from auditor.models.layers import choose_layers
from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.models.precision import resolve
from auditor.progress import Progress, progress_for
from auditor.records import LayerRecord
from auditor.settings import IMPRESSIONS, Settings
from benchmarks.associations_banks import find_bank
from benchmarks.associations_contrasts import Contrasted, contrast_table, measure_expectations
from benchmarks.associations_measure import OURS, TCAV, Measured, measure
from benchmarks.associations_pairs import (
    Expectation,
    Pair,
    Summary,
    check_concepts,
    leads,
    rank_of,
    read_expectations,
    read_pairs,
    summarise,
    table,
)
from benchmarks.associations_tcav import tcav_scores

QUICK_CLASSES = 5
"""Classes that ``--quick`` keeps: the first in the file."""
TCAV_IMAGES = 60
"""Most images of a concept that TCAV learns from."""

Row = Pair | Expectation


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 2 with one line on the error stream where the request cannot be met."""
    asked = _parse(arguments)
    started = time.monotonic()
    try:
        report = _run(asked, progress_for(sys.stderr))
    except AuditorError as failure:
        print(f"associations: {failure}", file=sys.stderr)
        return failure.exit_status
    print(f"{time.monotonic() - started:.0f} s in all")
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.associations", description=__doc__)
    parser.add_argument("--model", default="bundled:efficientnet_lite0")
    parser.add_argument(
        "--pairs", type=Path, nargs="+", required=True, help="CSV: class,bank,concept (alternatives: a|b)"
    )
    parser.add_argument("--contrasts", type=Path, help="CSV: class,bank,more,less")
    parser.add_argument(
        "--images", default=IMPRESSIONS, help="'impressions', or a folder of one folder per class"
    )
    parser.add_argument("--quick", action="store_true", help=f"first {QUICK_CLASSES} classes, fewer steps")
    parser.add_argument(
        "--only-ours", action="store_true", help="auditor's score alone: needs no class images, takes minutes"
    )
    parser.add_argument("--no-tcav", action="store_true", help="leave TCAV out; it is the slowest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="folder for what can be made again")
    parser.add_argument("--json", type=Path, help="write every rank and score here as well")
    return parser.parse_args(arguments)


def settings_for(asked: argparse.Namespace) -> Settings:
    """Stage one small enough for dozens of classes: fewer impressions, steps and refits than an audit."""
    small = {"n_impressions": 6, "impression_steps": 48, "occluder_iterations": 20}
    full = {"n_impressions": 8, "impression_steps": 64, "occluder_iterations": 40}
    return Settings(
        model=asked.model, classes=("0",), images=asked.images, seed=asked.seed, heldout=0.0, batch_size=16,
        refits=1, reference_classes=0,
        **(small if asked.quick else full),
    )  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """All that every row of a list is measured with."""

    model: LoadedModel
    layers: tuple[LayerRecord, ...]
    settings: Settings
    cache: Path
    labels: dict[str, ClassLabel]
    """Class as written in the list to class of the model."""
    banks: dict[str, ConceptBank]
    fits: dict[int, StageOne]
    progress: Progress

    def usable(self, row: Row) -> bool:
        """Whether the class was kept, this machine has the bank, and the class has images if it needs any."""
        label = self.labels.get(row.class_name)
        learned = label is not None and (not self.layers or label.index in self.fits)
        return row.bank in self.banks and learned

    def index(self, row: Row) -> int:
        """The class's output."""
        return self.labels[row.class_name].index

    def measure(self, bank: str, rows: Sequence[Row]) -> Measured:
        """Show one bank to the model, for the classes of these rows."""
        wanted = dict.fromkeys(self.index(row) for row in rows)
        fits = [self.fits[i] for i in wanted if i in self.fits]
        return measure(
            self.model,
            self.banks[bank],
            self.layers,
            fits,
            settings=self.settings,
            cache=self.cache,
            progress=self.progress,
        )


def _run(asked: argparse.Namespace, progress: Progress) -> dict[str, object]:
    pairs = [pair for path in asked.pairs for pair in read_pairs(path)]
    contrasts = read_expectations(asked.contrasts) if asked.contrasts else []
    bench = _prepare(asked, [*pairs, *contrasts], progress)
    pairs = [p for p in pairs if bench.usable(p)]
    contrasts = [c for c in contrasts if bench.usable(c)]
    print(
        f"Model {bench.model.name}, class images: {asked.images}, seed {asked.seed}, "
        f"{len(pairs)} pairs, {len(contrasts)} contrasts."
    )
    report: dict[str, object] = {
        "model": bench.model.name,
        "weights_sha256": bench.model.sha256,
        "seed": asked.seed,
    }
    if pairs:
        report["pairs"] = _rank_pairs(asked, bench, pairs)
    if contrasts:
        report["contrasts"] = _contrast(asked, bench, contrasts)
    return report


def _prepare(asked: argparse.Namespace, rows: Sequence[Row], progress: Progress) -> Bench:
    """Check every name first, then learn what the rows need."""
    settings, cache = settings_for(asked), cache_root(asked.cache) / "benchmarks"
    cache.mkdir(parents=True, exist_ok=True)
    model = load_model(asked.model)
    model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if asked.quick:
        kept = list(dict.fromkeys(row.class_name for row in rows))[:QUICK_CLASSES]
        rows = [row for row in rows if row.class_name in kept or isinstance(row, Expectation)]
    labels = {row.class_name: _class_of(model, row) for row in rows}
    banks: dict[str, ConceptBank] = {}
    for name in dict.fromkeys(row.bank for row in rows):
        bank = find_bank(name, cache=asked.cache, progress=progress)
        if bank is None:
            print(f"Skipped {sum(row.bank == name for row in rows)} rows: no bank '{name}' on this machine.")
            continue
        banks[name] = bank
        known = [c.name for c in bank.concepts]
        for row in rows:
            if row.bank == name:
                check_concepts(row.named, known, bank=name, where=row.where)
    if asked.only_ours:
        return Bench(model, (), settings, cache, labels, banks, {}, progress)
    layers = choose_layers(model)
    context = AuditContext(
        model=model,
        settings=settings,
        classes=(),
        layers=tuple(layers),
        precision=resolve("auto", model.device),
        progress=progress,
        cache=cache,
    )
    fits: dict[int, StageOne] = {}
    for label in {
        labels[row.class_name].index: labels[row.class_name] for row in rows if row.bank in banks
    }.values():
        try:
            fits[label.index] = cached_stage_one(context, label, cache / "fits")
        except InputError as failure:
            print(f"Skipped class '{label.name}': {failure}")
    if not fits:
        raise InputError("no row can be measured; needed: a bank on this machine and a class with images")
    return Bench(model, tuple(layers), settings, cache, labels, banks, fits, progress)


def _class_of(model: LoadedModel, row: Row) -> ClassLabel:
    try:
        return find_classes(model.labels, [row.class_name])[0]
    except InputError as failure:
        raise InputError(f"{row.where}: {failure}") from failure


def _rank_pairs(asked: argparse.Namespace, bench: Bench, pairs: Sequence[Pair]) -> dict[str, object]:
    ordered = [p for name in bench.banks for p in pairs if p.bank == name]
    rows: list[dict[str, object]] = []
    ranks: dict[str, list[float]] = {}
    for name, bank in bench.banks.items():
        here = [p for p in ordered if p.bank == name]
        if not here:
            continue
        measured = bench.measure(name, here)
        rng = np.random.default_rng(asked.seed)
        wanted = dict.fromkeys(bench.index(pair) for pair in here)
        scores = {i: measured.scores(i, runs=20, rng=rng) for i in wanted}
        if not (asked.no_tcav or asked.only_ours):
            found = tcav_scores(
                bench.model,
                bank,
                [layer.name for layer in bench.layers[-2:]],
                [(i, fit.images.inputs(bench.model)) for i, fit in measured.fits.items()],
                images=TCAV_IMAGES,
                seed=asked.seed,
                cache=bench.cache,
                progress=bench.progress,
            )
            for i, values in found.items():
                scores[i][TCAV] = values
        for pair in here:
            row = _row(pair, scores[bench.index(pair)], [c.name for c in bank.concepts])
            for estimator in scores[bench.index(pair)]:
                ranks.setdefault(estimator, []).append(float(str(row[estimator])))
            rows.append(row)
    _print_ranks(rows, list(ranks))
    results = _summaries(ranks, ordered, asked.seed)
    print("\n" + table(results))
    print("\n" + _claims(rows, bench.settings.margin))
    for line in leads(ranks, [p.class_name for p in ordered], rng=np.random.default_rng(asked.seed)):
        print(line)
    if asked.only_ours:
        print("\n95% intervals from resampling classes.")
        return _pairs_report(rows, results)
    print(
        "\n95% intervals from resampling classes. TCAV: Captum's default classifier, one random set of the "
        f"bank's other concepts, last two layers ({', '.join(layer.name for layer in bench.layers[-2:])})."
    )
    return _pairs_report(rows, results)


def _pairs_report(rows: list[dict[str, object]], results: dict[str, dict[str, Summary]]) -> dict[str, object]:
    return {
        "rows": rows,
        "summaries": {e: {g: asdict(s) for g, s in found.items()} for e, found in results.items()},
    }


def _row(pair: Pair, scores: dict[str, NDArray[np.float64]], concepts: list[str]) -> dict[str, object]:
    expected = check_concepts(pair.expected, concepts, bank=pair.bank, where=pair.where)
    row: dict[str, object] = {
        "class": pair.class_name,
        "bank": pair.bank,
        "expected": "|".join(pair.expected),
    }
    for estimator, values in scores.items():
        row[estimator] = rank_of(values, expected)
        row[f"{estimator}: largest"] = float(values.max())
        row[f"{estimator}: first three"] = [concepts[c] for c in np.argsort(-values)[:3]]
    return row


def _claims(rows: Sequence[dict[str, object]], margin: float) -> str:
    """How often the first concept is the expected one where an audit could claim it at all."""
    claimed = [row for row in rows if float(str(row[f"{OURS}: largest"])) > margin]
    right = sum(float(str(row[OURS])) == 1 for row in claimed)
    return (
        f"The first concept scores above the margin of {margin:g} for {len(claimed)} of {len(rows)} pairs; "
        f"of these it is the expected one for {right}."
    )


def _summaries(
    ranks: dict[str, list[float]], pairs: Sequence[Pair], seed: int
) -> dict[str, dict[str, Summary]]:
    groups = {name: [p.bank == name for p in pairs] for name in dict.fromkeys(p.bank for p in pairs)}
    if len(groups) > 1:
        groups = {"all": [True] * len(pairs), **groups}
    return {
        estimator: {
            group: summarise(
                [r for r, inside in zip(values, members, strict=True) if inside],
                [p.class_name for p, inside in zip(pairs, members, strict=True) if inside],
                rng=np.random.default_rng(seed),
            )
            for group, members in groups.items()
        }
        for estimator, values in ranks.items()
    }


def _print_ranks(rows: Sequence[dict[str, object]], estimators: Sequence[str]) -> None:
    print("\nRank of the expected concept:\n")
    print("| class | bank | expected | " + " | ".join(estimators) + " |")
    print("|---|---|---|" + "---|" * len(estimators))
    for row in rows:
        words = str(row["expected"]).replace("|", " or ")
        cells = [f"{row[e]:g}" for e in estimators]
        print(f"| {row['class']} | {row['bank']} | {words} | " + " | ".join(cells) + " |")


def _contrast(
    asked: argparse.Namespace, bench: Bench, contrasts: Sequence[Expectation]
) -> list[dict[str, object]]:
    everything: list[Contrasted] = []
    for name in bench.banks:
        here = [e for e in contrasts if e.bank == name]
        if not here:
            continue
        found = measure_expectations(
            here,
            [bench.labels[e.class_name] for e in here],
            bench.measure(name, here),
            settings=bench.settings,
        )
        print(f"\nContrasts, bank '{name}':\n\n" + contrast_table(found))
        everything += found
    return [
        {"expectation": asdict(c.expectation), "effect": c.effect, "conclusion": c.finding.conclusion}
        for c in everything
    ]


if __name__ == "__main__":
    sys.exit(main())
