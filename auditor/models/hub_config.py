"""``config.json`` beside weights: timm's own, or the one that transformers writes around a timm network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.errors import InputError
from auditor.models.preprocessing import checked

CONFIG = "config.json"
_NOT_ARGUMENTS = ("num_classes", "in_chans", "pretrained", "pretrained_cfg")  # read off the weights


@dataclass(frozen=True)
class HubConfig:
    """What ``config.json`` states."""

    arch: str
    """Such as ``timm:resnet50``."""
    args: Mapping[str, Any]
    """Arguments for the constructor."""
    input: Mapping[str, Any]
    """The stated part of the preprocessing: fields of InputSpec."""
    names: Any
    """Class names, in any form that ``auditor.models.labels.named`` reads; ``None``: not stated."""
    names_key: str = ""
    """Their key."""


def read_config(path: Path) -> HubConfig:
    """Read ``config.json``.

    Raises:
        InputError: The file is not JSON, or describes a network that timm does not make.
    """
    try:
        data = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as failure:
        raise InputError(f"config '{path}': cannot be read as JSON ({failure})") from failure
    if not isinstance(data, dict):
        raise InputError(f"config '{path}': holds {type(data).__name__}, needed an object")
    architecture = data.get("architecture")
    if not isinstance(architecture, str):
        kind = data.get("model_type") or "unknown"
        raise InputError(
            f"config '{path}': of the kind '{kind}' and without 'architecture'; needed: a network of timm "
            "(its architecture is named so), or file:PATH with --arch or --model-factory"
        )
    if data.get("problem_type") == "multi_label_classification":
        raise InputError(
            f"config '{path}': multi_label_classification, each output a question of its own; auditor's "
            "score is defined for classes that exclude each other"
        )
    inner = data.get("pretrained_cfg")
    cfg: dict[str, Any] = inner if isinstance(inner, dict) else data
    args = data.get("model_args") or {}
    if not isinstance(args, dict):
        raise InputError(f"config '{path}': model_args is {type(args).__name__}, needed an object")
    if isinstance(data.get("global_pool"), str):
        args = {"global_pool": data["global_pool"], **args}
    names: Any = data.get("label_names") or cfg.get("label_names")
    key = "label_names" if names else "id2label"
    names = names or data.get("id2label") or None
    described = data.get("label_descriptions") or cfg.get("label_descriptions")
    words = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if words and isinstance(described, dict):
        names = [described.get(name, name) for name in names]
    return HubConfig(
        arch=f"timm:{architecture}",
        args={k: v for k, v in args.items() if k not in _NOT_ARGUMENTS},
        input=checked(f"config '{path}'", _input(cfg)),
        names=names,
        names_key=key,
    )


def _input(cfg: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: cfg.get(key) for key in ("mean", "std", "interpolation")}
    found |= {"size": cfg.get("input_size"), "crop": cfg.get("crop_pct"), "crop_mode": cfg.get("crop_mode")}
    return {key: value for key, value in found.items() if value}
