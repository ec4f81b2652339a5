"""Reference classes: what the detector of any class responds to. Learned once per model, then cached."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.explain.stage_one import StageOne, cached_stage_one
from auditor.models.loaded import ClassLabel
from auditor.records import Skipped

IMPRESSIONS = 6
"""Impressions of a reference class: its mean class activation is averaged with others', so few will do."""
STEPS = 48


@dataclass(frozen=True)
class ReferenceClasses:
    """The reference classes of one audit."""

    classes: tuple[StageOne, ...]
    skipped: tuple[Skipped, ...]
    channels: dict[str, int]
    """Layer to its number of channels."""

    def importance(self, layer: str) -> NDArray[np.float32]:
        """Channel importance, equation 8: [classes, channels]."""
        return self._rows(layer, [one.importance[layer][0] for one in self.classes])

    def clean(self, layer: str) -> NDArray[np.float32]:
        """Mean activation of each channel over the classes' images: [classes, channels]."""
        return self._rows(layer, [one.clean[layer][0] for one in self.classes])

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


def learn_reference_classes(context: AuditContext) -> ReferenceClasses:
    """Learn one occluder for each reference class, from class impressions; or read it from the cache."""
    wanted = {
        "images": "impressions",
        "unlabelled": None,
        "n_impressions": IMPRESSIONS,
        "impression_steps": STEPS,
        "heldout": 0.0,
        "refits": 1,
    }
    brief = replace(context, settings=context.settings.model_copy(update=wanted))
    found: list[StageOne] = []
    skipped: list[Skipped] = []
    settings = context.settings
    count = settings.reference_classes
    for label in choose_classes(context.model.labels, context.classes, count, seed=settings.seed):
        try:
            found.append(cached_stage_one(brief, label, context.cache / "reference-classes"))
        except InputError as failure:
            skipped.append(Skipped(what=f"reference class '{label.name}'", reason=str(failure)))
    return ReferenceClasses(tuple(found), tuple(skipped), _channels(context))


def no_reference_classes(context: AuditContext) -> ReferenceClasses:
    """None of them: where nothing is compared with them."""
    return ReferenceClasses((), (), _channels(context))


def _channels(context: AuditContext) -> dict[str, int]:
    return {layer.name: layer.channels for layer in context.layers}
