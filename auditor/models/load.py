"""Load a model by name, and make a raw network ready to be audited."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from auditor.errors import InputError
from auditor.models import files, libraries
from auditor.models.adapt import OneLogit, adapted
from auditor.models.label_files import labels_from_file
from auditor.models.labels import numbered, stated
from auditor.models.libraries import RawModel, Request, resolve_bare
from auditor.models.loaded import ClassLabel, LoadedModel, freeze, weights_sha256
from auditor.records import InputSpec

SOURCES: dict[str, Callable[[str, Request], RawModel]] = {
    "timm": libraries.from_timm,
    "torchvision": libraries.from_torchvision,
    "hf-hub": libraries.from_hub,
    "hf-dir": files.from_folder,
    "file": files.from_file,
    "bundled": libraries.from_bundled,
}
"""Prefix of a model's name to what makes its network, given the part behind the prefix."""


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
) -> LoadedModel:
    """Load ``source:name``, or a bare name from timm first and then torchvision.

    Args:
        spec: ``timm:resnet50``, ``torchvision:resnet50``, ``hf-hub:owner/name``, ``hf-dir:FOLDER``,
            ``file:PATH``, ``bundled:efficientnet_lite0`` or a bare name.
        request: What the source needs besides the name: architecture, constructor arguments and the like.
        labels: File of class names that replace the model's own.
        overrides: Preprocessing that replaces the model's own.
        device: Where to put the model.

    Raises:
        InputError: The model is unknown, its weights cannot be had, do not fit or are not finite, or its
            outputs are not logits of classes.
    """
    asked = request or Request()
    source, name, notes = _source_of(spec)
    with same_draws():
        raw = SOURCES[source](name, asked)
    if asked.random_weights:
        notes.append("random weights: nothing measured on it says anything about a released model")
    inputs, changed = _overridden(raw.input, overrides)
    model = ready(f"{source}:{name}", raw, inputs, head=asked.head, labels=labels, notes=[*notes, *changed])
    model.module.to(device)
    return model


def load_structure(spec: str, *, request: Request | None = None, labels: Path | None = None) -> LoadedModel:
    """The model for its layers and the names of its classes: weights that would be fetched are random.

    Files are read as they are, because only their weights say how many classes there are.

    Raises:
        InputError: As :func:`load_model`.
    """
    reads = _source_of(spec)[0] in ("file", "hf-dir")
    return load_model(spec, request=replace(request or Request(), random_weights=not reads), labels=labels)


def check_name(spec: str) -> None:
    """Refuse a model whose name or path is wrong, without loading or fetching anything.

    Raises:
        InputError: The source is unknown, it has no model of that name, or there is no such file or folder.
    """
    source, name, _ = _source_of(spec)
    if source in ("file", "hf-dir"):
        files.check_path(source, name)
    elif source in libraries.LIBRARIES:
        libraries.check_known(source, name)
    elif source == "bundled":
        libraries.check_bundled(name)
    else:
        libraries.check_hub_name(name)


def _source_of(spec: str) -> tuple[str, str, list[str]]:
    """Source, name in it, and a note where the source was chosen here."""
    source, colon, name = spec.partition(":")
    if not colon:
        source = resolve_bare(spec)
        return source, spec, [f"bare name '{spec}': taken from {source}"]
    if source not in SOURCES:
        raise InputError(f"model '{spec}': unknown source '{source}'; known: {', '.join(SOURCES)}")
    if not name:
        raise InputError(f"model '{spec}': no name behind '{source}:'")
    return source, name, []


@contextmanager
def same_draws() -> Iterator[None]:
    """Inside the block, random weights are the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def ready(
    name: str,
    raw: RawModel,
    inputs: InputSpec,
    *,
    head: str,
    labels: Path | None = None,
    notes: Sequence[str] = (),
) -> LoadedModel:
    """A raw network, frozen, checked and with its class names, on the CPU; ``notes`` follow its own.

    Raises:
        InputError: The weights are not finite, the outputs are not logits of classes, or the class names
            do not fit them.
    """
    module, outputs, about_outputs = adapted(f"model '{name}'", freeze(raw.module), inputs, head=head)
    one_logit = isinstance(module, OneLogit)
    known, about_names = _labels(raw, outputs, labels, one_logit=one_logit)
    if labels is None and raw.labels is None and not about_outputs:
        about_outputs = ("the outputs are assumed to be logits of classes that exclude each other",)
    return LoadedModel(
        name=name,
        source=name.partition(":")[0],
        architecture=raw.architecture,
        module=module,
        input=inputs,
        labels=known,
        sha256=weights_sha256(raw.module),
        notes=(*raw.notes, *about_outputs, *about_names, *notes),
    )


def _labels(
    raw: RawModel, outputs: int, file: Path | None, *, one_logit: bool
) -> tuple[tuple[ClassLabel, ...], list[str]]:
    """One label per output, and notes on where the names are from."""
    if file is not None:
        return labels_from_file(file, outputs, one_logit=one_logit), [f"class names from {file.name}"]
    if raw.labels is None:
        return stated(raw.names, outputs, one_logit=one_logit)
    if len(raw.labels) == outputs:
        return raw.labels, []
    return numbered(outputs), [f"{len(raw.labels)} class names for {outputs} outputs: not used"]


def _overridden(spec: InputSpec, overrides: InputOverrides | None) -> tuple[InputSpec, list[str]]:
    """The preprocessing with what the user asked for, and a note that names it."""
    changed = {k: v for k, v in asdict(overrides).items() if v is not None} if overrides else {}
    if not changed:
        return spec, []
    channels = spec.size[0]
    for key in ("mean", "std"):
        if len(changed.get(key, spec.mean)) != channels:
            raise InputError(
                f"--{key}: {len(changed[key])} numbers, the model takes images of {channels} channels"
            )
    if "size" in changed:
        changed["size"] = (channels, changed["size"], changed["size"])
    return spec.model_copy(update=changed), ["preprocessing overridden: " + ", ".join(sorted(changed))]
