"""Models from files: a checkpoint with an architecture, or a folder as the Hugging Face hub has it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from auditor.errors import InputError, one_line
from auditor.models.checkpoint import Checkpoint, check_file, read_checkpoint
from auditor.models.fit import DEFAULT, load, own_head, own_tensors, shape_of
from auditor.models.hub_config import CONFIG, HubConfig, read_config
from auditor.models.libraries import RawModel, Request, build, for_channels, with_library
from auditor.models.renaming import renamed
from auditor.models.training import stated_by_training
from auditor.records import InputSpec

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Weights of a folder, in the order of preference."""

TRANSFORMS_INPUT = ("torchvision:googlenet", "torchvision:inception_v3")
"""torchvision has these undo one normalisation and apply another, whenever it loads its own weights."""


@dataclass(frozen=True)
class Saved:
    """Weights on disk, read once, and the configuration found with them."""

    checkpoint: Checkpoint
    origin: str
    """Where the weights are from, for the notes."""
    config: HubConfig | None = None
    config_belongs: bool = True
    """The configuration was saved with the weights. Otherwise it merely lies in the same folder."""
    config_refused: str = ""
    """Why a configuration in the same folder cannot be used."""

    @property
    def states_architecture(self) -> bool:
        """Whether anything on disk should name the architecture."""
        arguments = self.checkpoint.arguments
        found = self.config is not None or bool(self.config_refused)
        return found or isinstance(arguments.get("model"), str) or "arch" in arguments

    def network(self, request: Request) -> RawModel:
        """The network with the weights in it.

        Raises:
            InputError: Nothing states the architecture, or the weights do not fit it.
        """
        if request.factory:
            return _from_factory(self.checkpoint, request.factory, request.args)
        config, about_config = self.config, self.config_refused
        asked = with_library(request.arch) if request.arch else ""
        if config and asked and not self.config_belongs and _base(asked) != _base(config.arch):
            about_config = f"{CONFIG} beside the file is of {config.arch}: not used"
            config = None
        notes = list(filter(None, [self.checkpoint.note, about_config]))
        training = stated_by_training(self.checkpoint)
        if asked:
            arches, how = [asked], ""
        elif config is not None:
            arches, how = [config.arch], f"architecture from {CONFIG}"
        elif training.arches:
            arches, how = list(training.arches), "architecture as the file states it"
        else:
            raise InputError(
                f"{self.checkpoint.where}: the file holds weights only; needed: --arch, such as --arch "
                f"timm:resnet50 (`auditor inspect {self.checkpoint.path}` lists what fits)"
                + (f"; {about_config}" if about_config else "")
            )
        given = config.args if config else {}
        made = _fitting(
            self.checkpoint, {arch: {**given, **training.args_for(arch), **request.args} for arch in arches}
        )
        if how:
            notes.append(f"{how}: {made.arch}")
        stated = {**(config.input if config else {}), **training.input}
        assumed = () if stated else (f"preprocessing of {made.arch} assumed (it is not in the file)",)
        names = self.checkpoint.names
        if config and config.names:
            names += ((config.names, f"'{config.names_key}' of {CONFIG}"),)
        return replace(
            made,
            input=_with(made.input, stated),
            labels=None,
            notes=(self.origin, *notes, *made.notes, *assumed),
            names=names,
        )


def from_file(name: str, request: Request) -> RawModel:
    """``file:PATH``: safetensors, or a state dict saved by torch, and the architecture it belongs to."""
    return saved_file(_path("file", name), key=request.weights_key).network(request)


def from_folder(name: str, request: Request) -> RawModel:
    """``hf-dir:PATH``: a folder with ``config.json`` and ``model.safetensors``."""
    return saved_folder(_path("hf-dir", name), key=request.weights_key).network(request)


def saved_file(path: Path, *, key: str | None) -> Saved:
    """Read a checkpoint, and ``config.json`` if there is one in its folder.

    Raises:
        InputError: As :func:`read_checkpoint`.
    """
    saved = Saved(read_checkpoint(path, key=key), f"weights from file {path.name}", config_belongs=False)
    beside = path.parent / CONFIG
    if not beside.is_file():
        return saved
    try:
        return replace(saved, config=read_config(beside))
    except InputError as refused:
        reason = f"{CONFIG} beside the file not used: {str(refused).partition(': ')[2]}"
        return replace(saved, config_refused=reason)


def saved_folder(folder: Path, *, key: str | None) -> Saved:
    """Read a folder's configuration and weights.

    Raises:
        InputError: The folder lacks one of them, or one of them cannot be read.
    """
    weights = _weights_in(folder)
    config = read_config(folder / CONFIG)
    return Saved(read_checkpoint(weights, key=key), f"weights from {folder.name}/{weights.name}", config)


def check_path(source: str, name: str) -> None:
    """Refuse a ``file:`` or ``hf-dir:`` whose file or folder is not there, without reading it.

    Raises:
        InputError: There is no such file or folder, or the folder lacks weights or configuration.
    """
    path = _path(source, name)
    if source == "hf-dir":
        _weights_in(path)
    else:
        check_file(path)


def _weights_in(folder: Path) -> Path:
    """The file of weights in a folder that has a configuration, too."""
    where = f"model 'hf-dir:{folder}'"
    if not folder.is_dir():
        raise InputError(f"{where}: there is no such folder")
    if not (folder / CONFIG).is_file():
        raise InputError(f"{where}: has no {CONFIG}; needed: a folder as timm saves it, or file:PATH")
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise InputError(f"{where}: has neither {' nor '.join(WEIGHTS)}; needed: a file with weights")
    return weights


def _path(source: str, name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as failure:
        raise InputError(f"model '{source}:{name}': {failure}") from failure


def _base(arch: str) -> str:
    return arch.split(".")[0]


def _fitting(checkpoint: Checkpoint, arches: Mapping[str, Mapping[str, Any]]) -> RawModel:
    """The first architecture that the weights fit; if several fit, all must compute the same.

    ``arches`` are architectures, with arguments for the constructor of each.
    """
    fitted: list[RawModel] = []
    refusals: list[InputError] = []
    for arch, args in arches.items():
        try:
            fitted.append(_fit(checkpoint, arch, args))
        except InputError as refused:
            refusals.append(refused)
    if not fitted:
        raise refusals[0]
    if len(fitted) == 1:
        return fitted[0]
    images = torch.rand(2, *fitted[0].input.size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        answers = [one.module.eval()(images) for one in fitted]
    names = " and ".join(one.arch for one in fitted)
    if not torch.allclose(answers[0], answers[1], rtol=1e-3, atol=1e-4):
        raise InputError(
            f"{checkpoint.where}: fits {names}, which compute different functions; "
            "needed: --arch, one of them"
        )
    note = f"{names} compute the same; their preprocessing differs, that of {fitted[0].arch} is used"
    return replace(fitted[0], notes=(*fitted[0].notes, note))


def _fit(checkpoint: Checkpoint, arch: str, given: Mapping[str, Any]) -> RawModel:
    """The architecture with the weights in it, its head and first layer changed to match them."""
    args, notes = dict(given), []
    if _base(arch) in TRANSFORMS_INPUT and "transform_input" not in args:
        args["transform_input"] = True
        notes.append(
            "transform_input=True assumed, as torchvision sets it with its own weights; if it was trained "
            "from scratch: --model-args transform_input=False"
        )
    if args:
        notes.append("constructor arguments: " + ", ".join(f"{k}={v!r}" for k, v in sorted(args.items())))
    made = build(arch, args)
    state, changed = renamed(checkpoint.where, checkpoint.state, own_tensors(made.module))
    shape = shape_of(state, own_tensors(made.module))
    if shape.channels not in (None, 1, 3):
        raise InputError(
            f"{checkpoint.where}: takes images of {shape.channels} channels; auditor shows photos, in colour "
            "or in grey; needed: a model of 3 channels or of 1"
        )
    if shape != DEFAULT:
        made = build(arch, args, shape)
    head = own_head(checkpoint.where, made.module, state)
    changed += load(checkpoint.where, arch, made.module, state)
    notes += [
        *changed,
        f"the weights do not hold everything: {'other ' if args else ''}arguments of {arch} and its layers "
        "without weights are assumed to be the library's own",
        *([head] if head else []),
    ]
    return replace(made, arch=arch, notes=tuple(notes))


def _with(spec: InputSpec, stated: Mapping[str, Any]) -> InputSpec:
    """The library's preprocessing with what the file states, for the channels that the network has."""
    channels = spec.size[0]
    update = dict(stated)
    if "size" in update:
        update["size"] = (channels, *update["size"][1:])
    for key in ("mean", "std"):
        if key in update:
            update[key] = for_channels(update[key], channels)
    return spec.model_copy(update=update)


def _from_factory(checkpoint: Checkpoint, factory: str, args: Mapping[str, Any]) -> RawModel:
    """The network that a function of the user's makes, with the file's weights."""
    network = _made_by(factory, args)
    state, notes = renamed(checkpoint.where, checkpoint.state, own_tensors(network))
    notes += load(checkpoint.where, factory, network, state)
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    channels = 1 if first is not None and first.in_channels == 1 else 3
    spec = InputSpec(
        size=(channels, 224, 224),
        crop=0.875,
        interpolation="bilinear",
        mean=for_channels((0.485, 0.456, 0.406), channels),
        std=for_channels((0.229, 0.224, 0.225), channels),
    )
    stated = stated_by_training(checkpoint).input
    if not stated:
        notes.append("preprocessing assumed: ImageNet's, 224 pixels (nothing states it)")
    origin = f"weights from file {checkpoint.path.name}, network made by {factory}"
    return RawModel(
        architecture=factory,
        module=network,
        input=_with(spec, stated),
        labels=None,
        notes=(origin, *filter(None, [checkpoint.note]), *notes),
        names=checkpoint.names,
        arch=factory,
    )


def _made_by(factory: str, args: Mapping[str, Any]) -> nn.Module:
    """The network that ``module:function`` returns, in evaluation mode.

    Raises:
        InputError: The function cannot be imported, fails, or returns something else.
    """
    where = f"--model-factory '{factory}'"
    module_name, _, function = factory.partition(":")
    if not module_name or not function:
        raise InputError(f"{where}: needed MODULE:FUNCTION, such as my_models:make")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        network = getattr(importlib.import_module(module_name), function)(**args)
    except (Exception, SystemExit) as failure:  # the user's code may raise anything
        raise InputError(f"{where}: failed with {type(failure).__name__}: {one_line(failure)}") from failure
    if not isinstance(network, nn.Module):
        raise InputError(f"{where}: returned {type(network).__name__}, needed a torch.nn.Module")
    if any(isinstance(p, nn.UninitializedParameter) for p in network.parameters()):
        raise InputError(f"{where}: made a network with lazy layers; needed: one whose shapes are known")
    inner: nn.Module = network.module if isinstance(network, nn.DataParallel) else network
    return inner.float().eval()
