"""From a name to a model ready to be audited."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from auditor.errors import InputError
from auditor.models.adapt import OneLogit, adapted
from auditor.models.labels import find_classes, from_file, numbered, stated
from auditor.models.libraries import Request, resolve_bare
from auditor.models.loaded import ClassLabel, LoadedModel, freeze, weights_sha256
from auditor.models.sources import SOURCES
from auditor.records import InputSpec

__all__ = ["ClassLabel", "InputOverrides", "LoadedModel", "Request", "find_classes", "load_model"]


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
    request: Request | None = None,
    labels: Path | None = None,
    overrides: InputOverrides | None = None,
    device: str | torch.device = "cpu",
    arch: str | None = None,
    random_weights: bool = False,
) -> LoadedModel:
    """Load ``source:name``, or a bare name from timm first and then torchvision.

    Args:
        spec: ``timm:resnet50``, ``torchvision:resnet50``, ``hf-hub:owner/name``, ``hf-dir:FOLDER``,
            ``file:PATH``, ``bundled:efficientnet_lite0`` or a bare name.
        request: what the source needs besides the name: architecture, constructor arguments and the like.
        labels: file of class names instead of the model's own.
        overrides: preprocessing to use instead of the model's own.
        device: where to put it.
        arch: short for ``Request(arch=...)``.
        random_weights: short for ``Request(random_weights=True)``; recorded in the notes.

    Raises:
        InputError: unknown model, weights that cannot be had, do not fit or are not finite, or a network
            whose answers are not logits of classes.
    """
    asked = request or Request(arch=arch, random_weights=random_weights)
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
        raw = SOURCES[source](name, asked)
    if asked.random_weights:
        notes.append("random weights: nothing measured on it says anything about a released model")
    inputs, changed = _overridden(raw.input, overrides)
    module, outputs, said = adapted(f"model '{spec}'", freeze(raw.module), inputs, head=asked.head)
    alone = isinstance(module, OneLogit)
    if labels is not None:
        known, about = from_file(labels, outputs, one_logit=alone), [f"class names from {labels.name}"]
    elif raw.labels is None:
        known, about = stated(raw.names, outputs, one_logit=alone)
        if not said:
            about = ["the outputs are assumed to be logits of classes that exclude each other", *about]
    elif len(raw.labels) == outputs:
        known, about = raw.labels, []
    else:
        known, about = numbered(outputs), [f"{len(raw.labels)} class names for {outputs} outputs: not used"]
    return LoadedModel(
        name=f"{source}:{name}",
        source=source,
        architecture=raw.architecture,
        module=module.to(device),
        input=inputs,
        labels=known,
        sha256=weights_sha256(raw.module),
        notes=(*raw.notes, *said, *about, *notes, *changed),
    )


def _overridden(spec: InputSpec, overrides: InputOverrides | None) -> tuple[InputSpec, list[str]]:
    """The preprocessing with what the user asked for, and the words for it.

    Raises:
        InputError: a mean for another number of channels than the model has.
    """
    if overrides is None:
        return spec, []
    given = {
        "size": None if overrides.size is None else (spec.size[0], overrides.size, overrides.size),
        "crop": overrides.crop,
        "interpolation": overrides.interpolation,
        "mean": overrides.mean,
        "std": overrides.std,
    }
    changed = {k: v for k, v in given.items() if v is not None}
    if not changed:
        return spec, []
    for key, values in (("mean", overrides.mean), ("std", overrides.std)):
        if values is not None and len(values) != spec.size[0]:
            raise InputError(
                f"--{key}: {len(values)} numbers, the model takes images of {spec.size[0]} channels"
            )
    return spec.model_copy(update=changed), ["preprocessing overridden: " + ", ".join(sorted(changed))]
