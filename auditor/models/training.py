"""What training scripts leave beside the weights: timm's ``train.py``, torchvision's references.

Both libraries may have a network of the stated name. The names of the arguments identify the script.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditor.models.checkpoint import Checkpoint
from auditor.models.libraries import libraries_with
from auditor.models.preprocessing import checked

_TIMM = ("gp", "crop_pct", "model_kwargs", "aa", "amp_dtype", "bn_eps", "model_ema")
_TORCHVISION = ("val_resize_size", "val_crop_size", "train_crop_size")


@dataclass(frozen=True)
class Training:
    """What is known from the training script."""

    arches: tuple[str, ...]
    """The architecture with its library; two where both libraries have the name; empty if not stated."""
    args: Mapping[str, Any]
    """Arguments of timm's constructor."""
    input: Mapping[str, Any]
    """Preprocessing: fields of InputSpec."""

    def args_for(self, arch: str) -> Mapping[str, Any]:
        """The arguments that the architecture's library accepts."""
        return self.args if arch.startswith("timm:") else {}


def stated_by_training(checkpoint: Checkpoint) -> Training:
    """Read the training script's arguments out of a checkpoint.

    Raises:
        InputError: They state impossible preprocessing.
    """
    given = checkpoint.arguments
    name = given.get("model") if isinstance(given.get("model"), str) else given.get("arch")
    arches: tuple[str, ...] = ()
    if isinstance(name, str) and name:
        arches = (name,) if ":" in name else _arches(name, given)
    return Training(arches, _args(given), checked(checkpoint.where, _input(given)))


def _arches(name: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    found = libraries_with(name)
    if any(key in given for key in _TORCHVISION):
        found = [library for library in found if library == "torchvision"] or found
    elif any(key in given for key in _TIMM):
        found = [library for library in found if library == "timm"] or found
    elif "model" not in given:
        found = sorted(found, reverse=True)  # PyTorch's examples call torchvision's networks ``arch``
    return tuple(f"{library}:{name}" for library in found)


def _args(given: Mapping[str, Any]) -> dict[str, Any]:
    found = {"global_pool": given.get("gp"), "bn_eps": given.get("bn_eps")}
    args = {key: value for key, value in found.items() if value is not None}
    kwargs = given.get("model_kwargs")
    return {**args, **(kwargs if isinstance(kwargs, Mapping) else {})}


def _input(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    side = given.get("img_size")
    if given.get("input_size") is not None:
        found["size"] = given["input_size"]
    elif side is not None:
        found["size"] = (3, side, side)
    if given.get("crop_pct") is not None:
        found["crop"] = given["crop_pct"]
    crop, resize = given.get("val_crop_size"), given.get("val_resize_size")
    if isinstance(crop, int) and isinstance(resize, int) and resize > 0:
        found |= {"size": (3, crop, crop), "crop": min(1.0, crop / resize)}
    return found | {k: given[k] for k in ("interpolation", "crop_mode", "mean", "std") if given.get(k)}
