"""Models out of files: a checkpoint with an architecture, or a folder as the Hugging Face hub has it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from auditor.errors import InputError
from auditor.models.checkpoint import Checkpoint, read_checkpoint
from auditor.models.fit import load, own_head, own_tensors, shape_of
from auditor.models.hub_config import CONFIG, HubConfig, read_config
from auditor.models.libraries import RawModel, Request, build, for_channels, with_library
from auditor.models.renaming import renamed
from auditor.models.training import Training, stated_by_training
from auditor.records import InputSpec

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Weights of a folder, in the order of preference."""

TRANSFORMS_INPUT = ("torchvision:googlenet", "torchvision:inception_v3")
"""torchvision has these undo one normalisation and apply another, whenever it loads its own weights."""


def from_file(name: str, request: Request) -> RawModel:
    """``file:PATH``: safetensors, or a state dict saved by torch, and the architecture it belongs to."""
    path = _path("file", name)
    checkpoint = read_checkpoint(path, key=request.weights_key)
    if request.factory:
        return _from_factory(checkpoint, request.factory, request.args)
    return _raw(checkpoint, _config_beside(path, request), request, f"weights from file {path.name}")


def from_folder(name: str, request: Request) -> RawModel:
    """``hf-dir:PATH``: a folder with ``config.json`` and ``model.safetensors``."""
    folder = _path("hf-dir", name)
    if not folder.is_dir():
        raise InputError(f"model 'hf-dir:{name}': there is no such folder")
    if not (folder / CONFIG).is_file():
        raise InputError(
            f"model 'hf-dir:{name}': has no {CONFIG}; needed: a folder as timm saves it, or file:PATH"
        )
    weights = next((folder / w for w in WEIGHTS if (folder / w).is_file()), None)
    if weights is None:
        raise InputError(f"model 'hf-dir:{name}': has neither {' nor '.join(WEIGHTS)}")
    config = read_config(folder / CONFIG)
    checkpoint = read_checkpoint(weights, key=request.weights_key)
    return _raw(checkpoint, (config, []), request, f"weights from {folder.name}/{weights.name}")


def _path(source: str, name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as failure:
        raise InputError(f"model '{source}:{name}': {failure}") from failure


def _config_beside(path: Path, request: Request) -> tuple[HubConfig | None, list[str]]:
    """What a ``config.json`` beside the file says, where it is about this network; else why it is not."""
    beside = path.parent / CONFIG
    if not beside.is_file():
        return None, []
    try:
        config = read_config(beside)
    except InputError as refused:
        return None, [f"{CONFIG} beside the file not used: {str(refused).partition(': ')[2]}"]
    if request.arch and _base(with_library(request.arch)) != _base(config.arch):
        return None, [f"{CONFIG} beside the file is of {config.arch}: not used"]
    return config, []


def _raw(
    checkpoint: Checkpoint, found: tuple[HubConfig | None, list[str]], request: Request, origin: str
) -> RawModel:
    """The network that everything known about the file describes.

    Raises:
        InputError: Nothing says which architecture it is, or the weights do not fit it.
    """
    config, notes = found
    training = stated_by_training(checkpoint)
    if request.arch:
        arches, how = [with_library(request.arch)], ""
    elif config is not None:
        arches, how = [config.arch], f"architecture from {CONFIG}"
    elif training.arches:
        arches, how = list(training.arches), "architecture as the file states it"
    else:
        raise InputError(
            f"{checkpoint.where}: the file holds weights only; needed: --arch, such as --arch timm:resnet50 "
            f"(`auditor inspect {checkpoint.path}` says which fit)" + "".join(f"; {note}" for note in notes)
        )
    notes = [f"weights {note}" for note in checkpoint.notes] + notes
    made = _fitting(checkpoint, arches, config, training, request)
    notes += [f"{how}: {made.arch}"] if how else []
    spec = {**(config.input if config else {}), **training.input}
    assumed = [] if spec else [f"preprocessing of {made.arch} assumed (it is not in the file)"]
    names = [(value, f"'{key}' of the file") for value, key in checkpoint.names]
    names += [(config.names, f"'{config.names_key}' of {CONFIG}")] if config and config.names else []
    return RawModel(
        architecture=made.raw.architecture,
        module=made.raw.module,
        input=_with(made.raw.input, spec),
        labels=None,
        notes=(origin, *notes, *made.notes, *assumed),
        names=tuple(names),
    )


@dataclass(frozen=True)
class Fitted:
    """A network with the file's weights in it."""

    arch: str
    raw: RawModel
    notes: tuple[str, ...]


def _fitting(
    checkpoint: Checkpoint,
    arches: Sequence[str],
    config: HubConfig | None,
    training: Training,
    request: Request,
) -> Fitted:
    """The first of the architectures that the weights fit; of several, all must compute the same.

    Raises:
        InputError: They fit none, or several that compute different functions.
    """
    fitted: list[Fitted] = []
    refusals: list[InputError] = []
    for arch in arches:
        args = {**(config.args if config else {}), **training.args_for(arch), **request.args}
        try:
            fitted.append(_fit(checkpoint, arch, args))
        except InputError as refused:
            refusals.append(refused)
    if not fitted:
        raise refusals[0]
    if len(fitted) == 1:
        return fitted[0]
    images = torch.rand(2, *fitted[0].raw.input.size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        answers = [one.raw.module.eval()(images) for one in fitted]
    names = " and ".join(one.arch for one in fitted)
    if not torch.allclose(answers[0], answers[1], rtol=1e-3, atol=1e-4):
        raise InputError(
            f"{checkpoint.where}: fits {names}, which compute different functions; "
            "needed: --arch, one of them"
        )
    note = f"{names} compute the same; their preprocessing differs, that of {fitted[0].arch} is taken"
    return Fitted(fitted[0].arch, fitted[0].raw, (*fitted[0].notes, note))


def _base(arch: str) -> str:
    return arch.split(".")[0]


def _fit(checkpoint: Checkpoint, arch: str, given: Mapping[str, Any]) -> Fitted:
    args, notes = dict(given), []
    if _base(arch) in TRANSFORMS_INPUT and "transform_input" not in args:
        args["transform_input"] = True
        notes.append(
            "transform_input=True assumed, as torchvision sets it with its own weights; if it was trained "
            "from scratch: --model-args transform_input=False"
        )
    if args:
        notes.append("constructor arguments: " + ", ".join(f"{k}={v!r}" for k, v in sorted(args.items())))
    request = Request(args=args, random_weights=True)
    made = build(arch, request)
    state, changed = renamed(checkpoint.where, checkpoint.state, own_tensors(made.module))
    shape = shape_of(state, own_tensors(made.module))
    if shape.channels not in (None, 1, 3):
        raise InputError(
            f"{checkpoint.where}: takes images of {shape.channels} channels; auditor shows photos, in colour "
            "or in grey; needed: a model of 3 channels or of 1"
        )
    if (shape.classes, shape.channels) != (None, None):
        made = build(arch, request, shape)
    head = own_head(checkpoint.where, made.module, state)
    changed += load(checkpoint.where, arch, made.module, state)
    notes += [
        *changed,
        f"the weights do not hold everything: {'other ' if args else ''}arguments of {arch} and its layers "
        "without weights are assumed to be the library's own",
        *([head] if head else []),
    ]
    return Fitted(arch, made, tuple(notes))


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
    except (Exception, SystemExit) as failure:  # the user's code may raise anything
        said = " ".join(str(failure).split())[:160] or type(failure).__name__
        raise InputError(f"{where}: failed with {type(failure).__name__}: {said}") from failure
    if not isinstance(network, nn.Module):
        raise InputError(f"{where}: returned {type(network).__name__}, needed a torch.nn.Module")
    if any(isinstance(p, nn.UninitializedParameter) for p in network.parameters()):
        raise InputError(f"{where}: made a network with lazy layers; needed: one whose shapes are known")
    if isinstance(network, nn.DataParallel):
        network = network.module
    network.float().eval()
    state, notes = renamed(checkpoint.where, checkpoint.state, own_tensors(network))
    notes += load(checkpoint.where, factory, network, state)
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    channels = first.in_channels if first is not None and first.in_channels == 1 else 3
    spec = InputSpec(
        size=(channels, 224, 224),
        crop=0.875,
        interpolation="bilinear",
        mean=for_channels((0.485, 0.456, 0.406), channels),
        std=for_channels((0.229, 0.224, 0.225), channels),
    )
    known = stated_by_training(checkpoint).input
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
        names=tuple((value, f"'{key}' of the file") for value, key in checkpoint.names),
    )
