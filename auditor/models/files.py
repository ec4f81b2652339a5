"""Models out of files: a checkpoint with an architecture, or a folder as the Hugging Face hub has it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from auditor.errors import InputError
from auditor.models.checkpoint import Checkpoint, read_checkpoint
from auditor.models.fit import load, own_head, own_tensors, renamed, shape_of
from auditor.models.hub_config import CONFIG, HubConfig, read_config
from auditor.models.libraries import RawModel, Request, build, for_channels, with_library
from auditor.records import InputSpec

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Weights of a folder, in the order of preference."""

TRANSFORMS_INPUT = ("torchvision:googlenet", "torchvision:inception_v3")
"""torchvision has these undo one normalisation and apply another, whenever it loads its own weights."""


@dataclass(frozen=True)
class Source:
    """Everything that is known about a file before a network is built."""

    checkpoint: Checkpoint
    arch: str
    """With its library, such as ``timm:resnet50``."""
    config: HubConfig | None
    args: Mapping[str, Any]
    """For the constructor."""
    input: Mapping[str, Any]
    """Preprocessing that the file or its configuration states: fields of :class:`InputSpec`."""
    notes: tuple[str, ...] = field(default=())


def from_file(name: str, request: Request) -> RawModel:
    """``file:PATH``: safetensors, or a state dict saved by torch, and the architecture it belongs to."""
    path = Path(name).expanduser()
    if request.factory:
        checkpoint = read_checkpoint(path, key=request.weights_key)
        return _from_factory(checkpoint, request.factory, request.args)
    return _raw(_source(path, request), f"weights from file {path.name}")


def from_folder(name: str, request: Request) -> RawModel:
    """``hf-dir:PATH``: a folder with ``config.json`` and ``model.safetensors``."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise InputError(f"model 'hf-dir:{name}': there is no such folder")
    if not (folder / CONFIG).is_file():
        raise InputError(
            f"model 'hf-dir:{name}': has no {CONFIG}; needed: a folder as timm saves it, or file:PATH"
        )
    weights = next((folder / w for w in WEIGHTS if (folder / w).is_file()), None)
    if weights is None:
        raise InputError(f"model 'hf-dir:{name}': has neither {' nor '.join(WEIGHTS)}")
    return _raw(_source(weights, request), f"weights from {folder.name}/{weights.name}")


def _source(path: Path, request: Request) -> Source:
    """Put together what the file, its training arguments and a configuration beside it say."""
    checkpoint = read_checkpoint(path, key=request.weights_key)
    notes = [f"weights {note}" for note in checkpoint.notes]
    config = read_config(path.parent / CONFIG) if (path.parent / CONFIG).is_file() else None
    stated = checkpoint.arguments
    hint = stated.get("model") if isinstance(stated.get("model"), str) else stated.get("arch")
    if request.arch and config and _base(with_library(request.arch)) != _base(config.arch):
        notes.append(f"{CONFIG} beside the file is of {config.arch}: not used")
        config = None
    if request.arch:
        arch = with_library(request.arch)
    elif config is not None:
        arch = config.arch
        notes.append(f"architecture from {CONFIG}: {arch}")
    elif isinstance(hint, str):
        arch = with_library(hint)
        notes.append(f"architecture as the file states it: {arch}")
    else:
        raise InputError(
            f"{checkpoint.where}: the file holds weights only; needed: --arch, such as --arch timm:resnet50 "
            f"(`auditor inspect {path}` says which fit)"
        )
    args: dict[str, Any] = dict(config.args) if config else {}
    if isinstance(stated.get("model_kwargs"), Mapping):
        args |= stated["model_kwargs"]
    if _base(arch) in TRANSFORMS_INPUT and "transform_input" not in {**args, **request.args}:
        args["transform_input"] = True
        notes.append(
            "transform_input=True assumed, as torchvision sets it with its own weights; if it was trained "
            "from scratch: --model-args transform_input=False"
        )
    args |= request.args
    if args:
        notes.append("constructor arguments: " + ", ".join(f"{k}={v!r}" for k, v in sorted(args.items())))
    spec = {**(config.input if config else {}), **_input_of(stated)}
    return Source(checkpoint, arch, config, args, spec, tuple(notes))


def _base(arch: str) -> str:
    return arch.split(".")[0]


def _raw(source: Source, origin: str) -> RawModel:
    checkpoint = source.checkpoint
    request = Request(args=source.args, random_weights=True)
    made = build(source.arch, request)
    state, notes = renamed(checkpoint.state, own_tensors(made.module))
    shape = shape_of(state, own_tensors(made.module))
    if shape.channels not in (None, 1, 3):
        raise InputError(
            f"{checkpoint.where}: takes images of {shape.channels} channels; auditor shows photos, in colour "
            "or in grey; needed: a model of 3 channels or of 1"
        )
    if (shape.classes, shape.channels) != (None, None):
        made = build(source.arch, request, shape)
    head = own_head(checkpoint.where, made.module, state)
    notes += load(checkpoint.where, source.arch, made.module, state)
    told = [
        "the weights do not say with which arguments the network was made: the defaults of "
        f"{source.arch} assumed, but for those named; --model-args changes them",
        *([] if source.input else [f"preprocessing of {source.arch} assumed (it is not in the file)"]),
        *([head] if head else []),
    ]
    names = [(checkpoint.names, f"'{checkpoint.names_key}' of the file")]
    names += [(source.config.names, CONFIG)] if source.config else []
    return RawModel(
        architecture=made.architecture,
        module=made.module,
        input=_with(made.input, source.input),
        labels=None,
        notes=(origin, *source.notes, *notes, *told),
        names=tuple((found, where) for found, where in names if found is not None),
    )


def _with(spec: InputSpec, stated: Mapping[str, Any]) -> InputSpec:
    """The library's preprocessing with what the file states, for the channels that the network has."""
    if not stated:
        return spec
    channels = spec.size[0]
    update = dict(stated)
    if "size" in update:
        update["size"] = (channels, *update["size"][1:])
    for key in ("mean", "std"):
        if key in update:
            update[key] = for_channels(update[key], channels)
    return spec.model_copy(update=update)


def _input_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Preprocessing among the arguments of a training script, under timm's names for them."""
    found: dict[str, Any] = {}
    size = arguments.get("input_size")
    side = arguments.get("img_size")
    if isinstance(size, (list, tuple)) and len(size) == 3:
        found["size"] = tuple(int(v) for v in size)
    elif isinstance(side, int) and not isinstance(side, bool):
        found["size"] = (3, side, side)
    if isinstance(arguments.get("crop_pct"), float):
        found["crop"] = arguments["crop_pct"]
    if arguments.get("interpolation") in ("bicubic", "bilinear", "nearest", "lanczos"):
        found["interpolation"] = arguments["interpolation"]
    for key in ("mean", "std"):
        values = arguments.get(key)
        if isinstance(values, (list, tuple)) and values and all(isinstance(v, (int, float)) for v in values):
            found[key] = tuple(float(v) for v in values)
    return found


def _from_factory(checkpoint: Checkpoint, factory: str, args: Mapping[str, Any]) -> RawModel:
    """The network that a function of the user's makes, with the file's weights.

    Raises:
        InputError: The function can't be imported, fails, or makes no network that the weights fit.
    """
    where = f"--model-factory '{factory}'"
    module_name, colon, function = factory.partition(":")
    if not colon or not module_name or not function:
        raise InputError(f"{where}: needed MODULE:FUNCTION, such as my_models:make")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        network = getattr(importlib.import_module(module_name), function)(**args)
    except Exception as failure:  # the user's code may raise anything
        said = " ".join(str(failure).split())[:160] or type(failure).__name__
        raise InputError(f"{where}: failed with {type(failure).__name__}: {said}") from failure
    if not isinstance(network, nn.Module):
        raise InputError(f"{where}: returned {type(network).__name__}, needed a torch.nn.Module")
    network.float().eval()
    state, notes = renamed(checkpoint.state, own_tensors(network))
    notes += load(checkpoint.where, factory, network, state)
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    channels = first.in_channels if first is not None and first.in_channels == 1 else 3
    stated = getattr(network, "pretrained_cfg", None)
    spec = InputSpec(
        size=(channels, 224, 224),
        crop=0.875,
        interpolation="bilinear",
        mean=for_channels((0.485, 0.456, 0.406), channels),
        std=for_channels((0.229, 0.224, 0.225), channels),
    )
    known = _input_of(stated if isinstance(stated, Mapping) else checkpoint.arguments)
    told = [] if known else ["preprocessing assumed: ImageNet's, 224 pixels (nothing states it)"]
    return RawModel(
        architecture=factory,
        module=network,
        input=_with(spec, known),
        labels=None,
        notes=(
            f"weights from file {checkpoint.path.name}, network made by {factory}",
            *(f"weights {note}" for note in checkpoint.notes),
            *notes,
            *told,
        ),
        names=((checkpoint.names, f"'{checkpoint.names_key}' of the file"),) if checkpoint.names else (),
    )
