"""Reference classes: what a detector finds for any class, learned once per model and cached."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.errors import InputError
from auditor.explain.stage_one import StageOne, cached_stage_one
from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.progress import Progress
from auditor.records import LayerRecord, Skipped
from auditor.settings import Settings

IMPRESSIONS = 6
"""Impressions of a reference class: its channel profile is averaged with others', so few will do."""
STEPS = 48


@dataclass(frozen=True)
class ReferenceClasses:
    """The reference classes of one audit."""

    fits: tuple[StageOne, ...]
    skipped: tuple[Skipped, ...]
    channels: dict[str, int]
    """Layer to its number of channels."""

    def importance(self, layer: str) -> NDArray[np.float32]:
        """Channel importance, equation 8: [classes, channels]."""
        return self._rows(layer, [fit.importance[layer][0] for fit in self.fits])

    def clean(self, layer: str) -> NDArray[np.float32]:
        """Mean activation of each channel over the classes' images: [classes, channels]."""
        return self._rows(layer, [fit.clean[layer][0] for fit in self.fits])

    def _rows(self, layer: str, rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.stack(rows) if rows else np.zeros((0, self.channels[layer]), np.float32)


def choose_classes(
    labels: Sequence[ClassLabel], audited: Sequence[ClassLabel], count: int, *, seed: int
) -> list[ClassLabel]:
    """Reference classes drawn by seed alone, so that every audit of a model uses the same ones."""
    order = list(range(len(labels)))
    random.Random(seed).shuffle(order)  # noqa: S311  a seeded draw is wanted, not a secret
    taken = {label.index for label in audited}
    return [labels[i] for i in order if i not in taken][:count]


def learn_reference_classes(
    model: LoadedModel,
    audited: Sequence[ClassLabel],
    layers: Sequence[LayerRecord],
    *,
    settings: Settings,
    precision: str,
    progress: Progress,
    cache: Path,
) -> ReferenceClasses:
    """Learn (or read from the cache) one occluder for each reference class, from class impressions."""
    wanted = settings.model_copy(
        update={
            "images": "impressions",
            "n_impressions": IMPRESSIONS,
            "impression_steps": STEPS,
            "heldout": 0.0,
            "refits": 1,
        }
    )
    fits: list[StageOne] = []
    skipped: list[Skipped] = []
    classes = choose_classes(model.labels, audited, settings.reference_classes, seed=settings.seed)
    for label in classes:
        try:
            fits.append(
                cached_stage_one(
                    model,
                    label,
                    [layer.name for layer in layers],
                    settings=wanted,
                    precision=precision,
                    progress=progress,
                    folder=cache / "reference_classes",
                )
            )
        except InputError as failure:
            skipped.append(Skipped(what=f"reference class '{label.name}'", reason=str(failure)))
    return ReferenceClasses(tuple(fits), tuple(skipped), {layer.name: layer.channels for layer in layers})
