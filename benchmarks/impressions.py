"""How far may impressions stand in for photos? ``python -m benchmarks.impressions --images DIR``.

For every class with photos in DIR, channel importance (equation 8) is learned from photos and from
impressions, and the two are compared layer by layer by Spearman's rank correlation. Beside it: the same
for the profile, the mean activation of each channel less its mean over the other classes; and the
agreement of two disjoint parts of the same images, which is the most that can be hoped for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.afi.precision import resolve
from auditor.banks.places import cache_root
from auditor.errors import AuditorError, InputError
from auditor.fitting import ClassFit, cached_fit
from auditor.models import find_classes, load_model
from auditor.models.layers import choose_layers
from auditor.progress import progress_for
from auditor.settings import Settings
from auditor.statistics.agreement import spearman

SETTINGS: dict[str, dict[str, object]] = {
    "photos": {"max_images": 24},
    "8 impressions, 48 steps": {"n_impressions": 8, "impression_steps": 48},
    "8 impressions, 96 steps": {"n_impressions": 8, "impression_steps": 96},
    "16 impressions, 96 steps": {"n_impressions": 16, "impression_steps": 96},
}
"""Ways to get the images of a class; the first is what the others are held against."""


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


def table(fits: Mapping[str, Mapping[int, ClassFit]], layers: Sequence[str]) -> str:
    """Markdown: a row for each layer and way, every number a mean over classes."""
    base = next(iter(fits))
    lines = ["| layer | images | importance | profile | parts of the same images |", "|---|---|---|---|---|"]
    for layer in layers:
        for way, found in fits.items():
            importance = agreement(
                {c: f.importance[layer][0] for c, f in fits[base].items()},
                {c: f.importance[layer][0] for c, f in found.items()},
            )
            profile = agreement(
                specific({c: f.clean[layer][0] for c, f in fits[base].items()}),
                specific({c: f.clean[layer][0] for c, f in found.items()}),
            )
            parts = agreement(
                {c: f.importance[layer][1] for c, f in found.items()},
                {c: f.importance[layer][2] for c, f in found.items()},
            )
            lines.append(f"| {layer} | {way} | {importance:.2f} | {profile:.2f} | {parts:.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 2 with one line on the error stream."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.impressions", description=__doc__)
    parser.add_argument("--model", default="bundled:efficientnet_lite0")
    parser.add_argument("--images", type=Path, required=True, help="folder of one folder of photos per class")
    parser.add_argument("--classes", default="zebra,golf ball,garbage truck,accordion")
    parser.add_argument("--quick", action="store_true", help="two classes, photos against the smallest set")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    try:
        fits, layers = _learn(asked)
    except AuditorError as failure:
        print(f"impressions: {failure}", file=sys.stderr)
        return failure.exit_status
    print(table(fits, layers))
    return 0


def _learn(asked: argparse.Namespace) -> tuple[dict[str, dict[int, ClassFit]], list[str]]:
    progress, cache = progress_for(sys.stderr), cache_root() / "benchmarks" / "fits"
    model = load_model(asked.model)
    model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    labels = find_classes(model.labels, asked.classes.split(","))
    ways = dict(list(SETTINGS.items())[:2]) if asked.quick else SETTINGS
    labels = labels[:2] if asked.quick else labels
    if len(labels) < 2:
        raise InputError("classes: one, needed two or more, since a profile is held against other classes")
    layers = [layer.name for layer in choose_layers(model)]
    fits: dict[str, dict[int, ClassFit]] = {}
    for way, changed in ways.items():
        settings = Settings.model_validate(
            {
                "model": asked.model,
                "classes": ("0",),
                "images": str(asked.images) if way == "photos" else "impressions",
                "seed": asked.seed,
                "heldout": 0.0,
                "refits": 2,
                "batch_size": 16,
                "occluder_iterations": 60,
                **changed,
            }
        )
        fits[way] = {
            label.index: cached_fit(
                model,
                label,
                layers,
                settings=settings,
                precision=resolve("auto", model.device),
                progress=progress,
                folder=cache,
            )
            for label in labels
        }
    return fits, layers


if __name__ == "__main__":
    sys.exit(main())
