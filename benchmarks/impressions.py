"""How well can impressions replace photos? ``python -m benchmarks.impressions --images DIR``.

For every class with photos in DIR, occluders and mean class activations are learned from photos and from
impressions, as an audit makes them and without the batch-norm prior. Two tables are printed. The first
compares channels layer by layer by Spearman's rank correlation: mean activation (of each channel, less its
mean over the other classes), importance (equation 8), and importance less its mean over the classes. Two
disjoint parts of the photos show the most that can be expected. The second says on which images an
occluder works: those it was learned on, those of the same kind kept out of learning, and photos.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.banks.places import cache_root
from auditor.context import AuditContext
from auditor.errors import AuditorError, InputError
from auditor.explain import occluder as occ
from auditor.explain.stage_one import StageOne, cached_stage_one
from auditor.images.impressions import PRIOR
from auditor.models import find_classes, load_model
from auditor.models.layers import choose_layers
from auditor.models.loaded import LoadedModel
from auditor.models.precision import resolve
from auditor.progress import progress_for
from auditor.settings import IMPRESSIONS, Settings
from auditor.statistics.agreement import spearman

PHOTOS = "photos"
WAYS: dict[str, float] = {PHOTOS: PRIOR, "impressions": PRIOR, "without prior": 0.0}
"""Ways to get the images of a class, with the weight of the prior; the first is the yardstick."""
FULL: dict[str, object] = {"max_images": 24, "occluder_iterations": 40}
QUICK: dict[str, object] = {
    "max_images": 16,
    "n_impressions": 8,
    "impression_steps": 48,
    "occluder_iterations": 20,
}
BATCH = 16

Fits = Mapping[str, Mapping[int, StageOne]]


def agreement(
    photos: Mapping[int, NDArray[np.floating]], others: Mapping[int, NDArray[np.floating]]
) -> float:
    """Mean over classes of the rank correlation of their channel vectors, [-1, 1].

    Args:
        photos: class to [channels].
        others: the same classes, from other images.
    """
    return float(np.mean([spearman(photos[c][None], others[c][None])[0, 0] for c in photos]))


def specific(rows: Mapping[int, NDArray[np.floating]]) -> dict[int, NDArray[np.float64]]:
    """Each class's channel vector less the mean over all classes given."""
    centre = np.mean([np.asarray(row, dtype=np.float64) for row in rows.values()], axis=0)
    return {c: np.asarray(row, dtype=np.float64) - centre for c, row in rows.items()}


def _activation(found: Mapping[int, StageOne], layer: str, row: int) -> Mapping[int, NDArray[np.floating]]:
    return specific({c: f.clean[layer][row] for c, f in found.items()})


def _importance(found: Mapping[int, StageOne], layer: str, row: int) -> Mapping[int, NDArray[np.floating]]:
    return {c: f.importance[layer][row] for c, f in found.items()}


def _own(found: Mapping[int, StageOne], layer: str, row: int) -> Mapping[int, NDArray[np.floating]]:
    return specific(_importance(found, layer, row))


MEASURES: dict[str, Callable[[Mapping[int, StageOne], str, int], Mapping[int, NDArray[np.floating]]]] = {
    "mean activation": _activation,
    "importance": _importance,
    "importance less classes' mean": _own,
}


def channel_table(fits: Fits, layers: Sequence[str]) -> str:
    """Markdown: a row for each layer; for each measure the parts of the photos, then each way."""
    others = [way for way in fits if way != PHOTOS]
    names = [f"{measure}: {way}" for measure in MEASURES for way in ("parts of photos", *others)]
    lines = [f"| layer | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    columns: list[list[float]] = []
    for layer in layers:
        row: list[float] = []
        for read in MEASURES.values():
            row.append(agreement(read(fits[PHOTOS], layer, 1), read(fits[PHOTOS], layer, 2)))
            row += [agreement(read(fits[PHOTOS], layer, 0), read(fits[way], layer, 0)) for way in others]
        columns.append(row)
        lines.append(f"| {layer} | {' | '.join(f'{value:.2f}' for value in row)} |")
    third = -(-len(layers) // 3)
    for name, part in (("first two thirds", columns[:-third]), ("last third", columns[-third:])):
        if part:
            lines.append(f"| **{name}** | {' | '.join(f'{v:.2f}' for v in np.mean(part, axis=0))} |")
    return "\n".join(lines)


def occluder_table(model: LoadedModel, fits: Fits) -> str:
    """Markdown: a row for each class and way, shares of images that lose the class."""
    lines = [
        "| class | images | used | their probability | learned on | kept out | photos "
        "| photos, random of the same size | the photos' occluder on these images |",
        "|---" * 9 + "|",
    ]
    for way, found in fits.items():
        for c, fit in found.items():
            photos = fits[PHOTOS][c]
            images = photos.images.inputs(model)
            delta = torch.from_numpy(fit.perturbations[0]).to(model.device)
            random = occ.random_like(delta, torch.Generator().manual_seed(c))
            main = torch.from_numpy(photos.perturbations[0]).to(model.device)
            kept = fit.occluder.success_heldout
            cells = [
                "-" if kept is None else f"{kept:.2f}",
                "-" if way == PHOTOS else f"{lost(model, images, delta, c):.2f}",
                f"{lost(model, images, random, c):.2f}",
                "-" if way == PHOTOS else f"{lost(model, fit.images.inputs(model), main, c):.2f}",
            ]
            used = f"{fit.images.record.used} of {fit.images.record.found}"
            lines.append(
                f"| {fit.label.name} | {way} | {used} | {fit.occluder.probability_before:.2f} "
                f"| {fit.occluder.success_learned:.2f} | {' | '.join(cells)} |"
            )
    return "\n".join(lines)


def lost(model: LoadedModel, images: Tensor, perturbation: Tensor, class_index: int) -> float:
    """Share of images that are no longer taken for the class once the perturbation is subtracted."""
    with torch.inference_mode():
        seen = [
            model.module(occ.occlude(model, part, perturbation)).argmax(1) for part in images.split(BATCH)
        ]
    return float((torch.cat(seen) != class_index).float().mean())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 2 with one line on the error stream."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.impressions", description=__doc__)
    parser.add_argument("--model", default="bundled:efficientnet_lite0")
    parser.add_argument("--images", type=Path, required=True, help="folder of one folder of photos per class")
    parser.add_argument("--classes", default="golf ball,garbage truck,accordion")
    parser.add_argument("--quick", action="store_true", help="fewer images and steps, first two classes")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    started, busy = time.perf_counter(), time.process_time()
    try:
        model, fits, layers = _learn(asked)
    except AuditorError as failure:
        print(f"impressions: {failure}", file=sys.stderr)
        return failure.exit_status
    print(channel_table(fits, layers), occluder_table(model, fits), sep="\n\n", end="\n\n")
    print(
        f"{asked.model}, classes {asked.classes}, {'quick' if asked.quick else 'full'}, seed {asked.seed}, "
        f"{time.perf_counter() - started:.0f} s, of which processor {time.process_time() - busy:.0f} s"
    )
    return 0


def _learn(asked: argparse.Namespace) -> tuple[LoadedModel, dict[str, dict[int, StageOne]], list[str]]:
    progress, cache = progress_for(sys.stderr), cache_root() / "benchmarks" / "fits"
    model = load_model(asked.model)
    model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    labels = find_classes(model.labels, asked.classes.split(","))
    labels = labels[:2] if asked.quick else labels
    if len(labels) < 2:
        raise InputError("classes: one, needed two or more: mean activations are compared between classes")
    layers = choose_layers(model)
    fits: dict[str, dict[int, StageOne]] = {}
    for way, prior in WAYS.items():
        settings = Settings.model_validate(
            {
                "model": asked.model,
                "classes": ("0",),
                "images": str(asked.images) if way == PHOTOS else IMPRESSIONS,
                "seed": asked.seed,
                "refits": 2,
                "batch_size": BATCH,
                **(QUICK if asked.quick else FULL),
            }
        )
        context = AuditContext(
            model=model,
            settings=settings,
            classes=(),
            layers=tuple(layers),
            precision=resolve("auto", model.device),
            progress=progress,
            cache=cache,
        )
        fits[way] = {label.index: cached_stage_one(context, label, cache, prior=prior) for label in labels}
    return model, fits, [layer.name for layer in layers]


if __name__ == "__main__":
    sys.exit(main())
