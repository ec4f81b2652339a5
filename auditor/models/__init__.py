"""From a name to a model ready to be audited."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from auditor.errors import InputError
from auditor.models.labels import find_classes, from_file
from auditor.models.loaded import ClassLabel, LoadedModel, freeze, weights_sha256
from auditor.models.sources import SOURCES, Request, resolve_bare

__all__ = ["ClassLabel", "InputOverrides", "LoadedModel", "find_classes", "load_model"]


@dataclass(frozen=True)
class InputOverrides:
    """What to use instead of the model's own preprocessing; ``None`` keeps its own."""

    size: int | None = None
    crop: float | None = None
    interpolation: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def load_model(
    spec: str,
    *,
    arch: str | None = None,
    labels: Path | None = None,
    overrides: InputOverrides | None = None,
    random_weights: bool = False,
    device: str | torch.device = "cpu",
) -> LoadedModel:
    """Load ``source:name``, or a bare name from timm first and then torchvision.

    Args:
        spec: ``timm:resnet50``, ``torchvision:resnet50``, ``hf-hub:owner/name``, ``file:PATH``,
            ``bundled:efficientnet_lite0`` or a bare name.
        arch: architecture of the weights in ``file:PATH``, such as ``timm:resnet50``.
        labels: file of class names, one a line, instead of the model's own.
        overrides: preprocessing to use instead of the model's own.
        random_weights: skip the pretrained weights; recorded in the notes.
        device: where to put it.

    Raises:
        InputError: unknown model, weights that cannot be had or do not fit.
    """
    source, colon, name = spec.partition(":")
    notes: list[str] = []
    if not colon:
        source, name = resolve_bare(spec), spec
        notes.append(f"bare name '{spec}': taken from {source}")
    if source not in SOURCES:
        raise InputError(f"model '{spec}': unknown source '{source}'; known: {', '.join(SOURCES)}")
    if not name:
        raise InputError(f"model '{spec}': no name behind '{source}:'")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # random weights, too, are the same every time
        raw = SOURCES[source](name, Request(arch=arch, random_weights=random_weights))
    if random_weights:
        notes.append("random weights: nothing measured on it says anything about a released model")
    module = freeze(raw.module)
    spec_in = raw.input
    if overrides is not None:
        changed = {
            "size": None if overrides.size is None else (spec_in.size[0], overrides.size, overrides.size),
            "crop": overrides.crop,
            "interpolation": overrides.interpolation,
            "mean": overrides.mean,
            "std": overrides.std,
        }
        changed = {k: v for k, v in changed.items() if v is not None}
        if changed:
            spec_in = spec_in.model_copy(update=changed)
            notes.append("preprocessing overridden: " + ", ".join(sorted(changed)))
    digest = weights_sha256(module)
    loaded = LoadedModel(
        name=f"{source}:{name}",
        source=source,
        architecture=raw.architecture,
        module=module.to(device),
        input=spec_in,
        labels=raw.labels,
        sha256=digest,
        notes=(*raw.notes, *notes),
    )
    if labels is not None:
        loaded = replace(loaded, labels=from_file(labels, len(raw.labels)))
    return loaded
