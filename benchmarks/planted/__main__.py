"""``python -m benchmarks.planted``: estimators against planted truth, as tables on standard output."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.planted import build, faces
from benchmarks.planted.estimators import Estimator, all_estimators, ours
from benchmarks.planted.measure import (
    Measured,
    Repeated,
    as_pairs,
    contrast_all,
    contrast_of,
    estimate_all,
    on_other_banks,
    repeat_on_new_banks,
)
from benchmarks.planted.metrics import RELEVANT, Figure, Pairs, summarise
from benchmarks.planted.report import cell, markdown, plain_table

DRAWS = 500
"""Resamples of clusters behind every interval of the tables."""
FEATURES = "importance (AfI)"
REPEATED = ("auditor, counterfactual pairs", "auditor, reference images", "auditor, other concepts")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train or load, measure, print; 0 when done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted", description=__doc__)
    parser.add_argument(
        "--split", choices=("dev", "test"), default="test", help="choose on dev, report on test"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one small model, no faces: a smoke test with numbers"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the estimators' draws; worlds have their own")
    parser.add_argument("--banks", type=int, default=20, help="banks drawn anew for coverage (quick: 5)")
    parser.add_argument("--brief", action="store_true", help="no new banks, other kinds of bank and faces")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write figures as JSON here, too")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    start = time.perf_counter()
    scale = build.QUICK if chosen.quick else build.FULL
    cases = (build.QUICK_CASES if chosen.quick else build.SPLITS)[chosen.split]
    estimators = all_estimators(tcav_sets=20)
    models = []
    for case in cases:
        models.append(build.build(case, scale, with_occluders=True))
        _say(start, f"{models[-1].subject.name}: accuracy {models[-1].truth.accuracy:.2f}")
    found: dict[str, list[Measured]] = {}
    for estimator in estimators:
        found[estimator.name] = [
            estimate_all(estimator, model, rng=np.random.default_rng([chosen.seed, model.case.world]))
            for model in models
        ]
        _say(start, f"{estimator.name}: {sum(m.seconds for m in found[estimator.name]):.0f} s")
    rng = np.random.default_rng([chosen.seed, 1])
    figures = {"all": _figures(models, found, estimators, rng)}
    print(markdown(f"Planted truth, split {chosen.split}: all architectures", figures["all"]), end="\n\n")
    for architecture in sorted({model.case.architecture for model in models}) if len(models) > 1 else []:
        mine = [i for i, model in enumerate(models) if model.case.architecture == architecture]
        part = {name: [rows[i] for i in mine] for name, rows in found.items()}
        figures[architecture] = _figures([models[i] for i in mine], part, estimators, rng)
        print(markdown(f"Architecture {architecture}", figures[architecture]), end="\n\n")

    for output in REPEATED:
        print(_seen_in(models, found, output), end="\n\n")
    if not chosen.brief:
        _more(chosen, models, estimators, scale, start)
    seconds = time.perf_counter() - start
    print(
        f"Split {chosen.split}, seed {chosen.seed}, {seconds:.0f} s on {chosen.threads} threads, "
        f"{time.process_time():.0f} s of processor time."
    )
    if chosen.out is not None:
        plain = {
            part: {e: {f: vars(v) for f, v in row.items()} for e, row in rows.items()}
            for part, rows in figures.items()
        }
        chosen.out.write_text(json.dumps(plain, indent=1), encoding="utf-8")
    return 0


def _more(
    chosen: argparse.Namespace,
    models: Sequence[build.Planted],
    estimators: Sequence[Estimator],
    scale: build.Scale,
    start: float,
) -> None:
    """Print coverage over new banks, other kinds of bank, and planted social bias."""
    rng = np.random.default_rng([chosen.seed, 1])
    banks = 5 if chosen.quick else chosen.banks
    repeated = {}
    for model in models[: len({m.case.architecture for m in models})]:
        wanted = [e for e in estimators if e.name in REPEATED]
        repeated[model.subject.name] = (
            model,
            repeat_on_new_banks(
                wanted, model, banks=banks, rng=np.random.default_rng([chosen.seed, 2, model.case.world])
            ),
        )
        _say(start, f"{model.subject.name}: {banks} new banks")
    coverage = _coverage(repeated, rng)
    print(coverage, end="\n\n")
    print(_kinds(estimators, models, np.random.default_rng([chosen.seed, 4])), end="\n\n")
    _say(start, "other kinds of bank")
    if not chosen.quick:
        print(_social(chosen.split, scale, seed=chosen.seed, start=start), end="\n\n")


def _seen_in(models: Sequence[build.Planted], found: dict[str, list[Measured]], output: str) -> str:
    """What it is worth that the output, the features or both claim an association: one row a combination."""
    truths = [model.truth.probability for model in models]
    by_output, by_features = (as_pairs(truths, found[name]) for name in (output, FEATURES))
    one, two = (np.where(p.p_value <= 0.05, np.sign(p.effect), 0) for p in (by_output, by_features))
    masks = {
        "both": (one == two) & (one != 0),
        "output only": (one != 0) & (two == 0),
        "features only": (one == 0) & (two != 0),
        "neither": (one == 0) & (two == 0),
        "opposite directions": one * two < 0,
    }
    rows = []
    for name, mask in masks.items():
        said = np.where(one != 0, one, two)[mask]
        truth = by_output.truth[mask]
        relevant = np.abs(truth) > RELEVANT
        right = relevant & (np.sign(truth) == said) if name != "neither" else relevant
        cells = [f"{int(part.sum())} ({part.mean():.2f})" if len(part) else "0" for part in (relevant, right)]
        rows.append([name, str(int(mask.sum())), *cells])
    header = ["seen in", "pairs", "with a causal effect above 0.1", "and of the sign said"]
    return f"### Seen in: {output}, and {FEATURES}\n\n" + plain_table(header, rows)


def _figures(
    models: Sequence[build.Planted],
    found: dict[str, list[Measured]],
    estimators: Sequence[Estimator],
    rng: np.random.Generator,
) -> dict[str, dict[str, Figure]]:
    truths = [model.truth.probability for model in models]
    return {e.name: summarise(as_pairs(truths, found[e.name]), draws=DRAWS, rng=rng) for e in estimators}


def _coverage(
    repeated: dict[str, tuple[build.Planted, dict[str, Repeated]]], rng: np.random.Generator
) -> str:
    """Coverage, power and false positives over many banks: one row an estimator."""
    names = list(next(iter(repeated.values()))[1])
    rows = []
    for name in names:
        inside, pairs = [], []
        for place, (model, by_name) in enumerate(repeated.values()):
            again = by_name[name]
            inside.append(again.covered.mean(axis=0))
            one = as_pairs([model.truth.probability] * len(again.measured), again.measured)
            # Banks of one model are repeats of the same pairs: they stay together in the resampling.
            pairs.append(replace(one, cluster=one.cluster % 1000 + 1000 * place))
        by_pair = np.concatenate([part.T for part in inside])  # [concepts of all models, classes]
        drawn = [by_pair[rng.integers(0, len(by_pair), len(by_pair))].mean() for _ in range(DRAWS)]
        low, high = np.quantile(drawn, [0.025, 0.975])
        everything = Pairs(
            **{field: np.concatenate([getattr(p, field) for p in pairs]) for field in vars(pairs[0])}
        )
        summary = summarise(everything, draws=200, rng=rng)
        chosen = ("Spearman", "confident sign errors", "power 0.05", "power 0.01", "FPR 0.05", "FPR 0.01")
        cells = [f"{summary[f].value:.3f} [{summary[f].low:.3f}, {summary[f].high:.3f}]" for f in chosen]
        rows.append([name, f"{by_pair.mean():.3f} [{low:.3f}, {high:.3f}]", *cells])
    header = [
        "estimator",
        "coverage",
        "Spearman",
        "confident sign errors",
        "power 0.05",
        "power 0.01",
        "FPR 0.05",
        "FPR 0.01",
    ]
    return "### New banks: coverage of 95% intervals, power and false positives\n\n" + plain_table(
        header, rows
    )


def _kinds(estimators: Sequence[Estimator], models: Sequence[build.Planted], rng: np.random.Generator) -> str:
    """Spearman correlation and sign errors by kind of bank."""
    wanted = [e for e in estimators if e.name in REPEATED]
    rows = []
    for kind, by_name in on_other_banks(wanted, models, rng=rng).items():
        cells = []
        for pairs in by_name.values():
            found = summarise(pairs, draws=DRAWS, rng=rng)
            cells.append(f"{cell(found['Spearman'])}, {found['sign errors'].value:.2f}")
        rows.append([kind, *cells])
    header = ["bank shows the concept", *(e.name for e in wanted)]
    return "### Kinds of bank: Spearman correlation, share of wrong signs\n\n" + plain_table(header, rows)


def _social(split: str, scale: build.Scale, *, seed: int, start: float) -> str:
    """Planted social bias: contrasts of faces by perceived gender."""
    path = faces.folder()
    if path is None:
        return "Faces: no folder of labelled photographs (AUDITOR_SHARED), so no planted social bias."
    models = []
    for case in build.SOCIAL_CASES[split]:
        models.append(build.build_social(case, scale, faces.load(path, seed=case.world)))
        _say(start, f"{models[-1].subject.name}: accuracy {models[-1].truth.accuracy:.2f}")
    estimators = {e.name: e for e in all_estimators()}
    contrasts = {
        "auditor": ours.contrast,
        "TCAV, difference of groups": contrast_of(estimators["TCAV"]),
        "chance": contrast_of(estimators["chance"]),
    }
    truths = [model.truth.probability for model in models]
    rng = np.random.default_rng([seed, 3])
    rows = {}
    for name, contrast in contrasts.items():
        found = [contrast_all(contrast, model, rng=rng) for model in models]
        pairs = as_pairs(truths, found)
        rows[name] = summarise(replace(pairs, cluster=np.arange(len(pairs.truth))), draws=DRAWS, rng=rng)
    effects = ["; ".join(f"{value:+.2f}" for value in truth[:, 0]) for truth in truths]
    table = markdown("Planted social bias: images labelled women against men (perceived gender)", rows)
    return table + "\nCausal effects by class: " + " | ".join(effects)


def _say(start: float, text: str) -> None:
    print(f"[{time.perf_counter() - start:5.0f} s] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
