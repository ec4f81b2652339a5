"""Find the architectures that have a checkpoint's convolutions, in a table of fingerprints.

A fingerprint is a hash over names and shapes of the convolutions. It leaves out the input channels, the
classes and all else that fine-tuning changes. ``scripts/architectures.py`` makes the table.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditor.models.fit import AUXILIARY
from auditor.models.renaming import modern, without_wrappers

TABLE = Path(__file__).with_name("architectures.json")
FEWEST = 3
"""The table holds networks with at least so many convolutions; others are no CNN."""
LIBRARIES = ("timm", "torchvision")


def fingerprint(tensors: Mapping[str, Tensor], *, without: str = "") -> str:
    """Ten hexadecimal digits, or nothing if there are too few convolutions.

    Tensors are named as in the architecture. A convolution that makes the logits is left ``without``.
    """
    lines = sorted(
        f"{modern(name)} {value.shape[0]} {tuple(value.shape[2:])}"
        for name, value in tensors.items()
        if value.ndim == 4 and name.endswith("weight") and not name.startswith(AUXILIARY) and name != without
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:10] if len(lines) >= FEWEST else ""


def heads(tensors: Mapping[str, Tensor], classes: int | None = None) -> list[str]:
    """1 x 1 convolutions that may make the logits, by their names or by the number of classes."""
    words = ("classifier", "head", "fc", "logits")
    return [
        name
        for name, value in tensors.items()
        if value.ndim == 4
        and value.shape[2:] == (1, 1)
        and (value.shape[0] == classes if classes else any(word in name.split(".") for word in words))
    ]


def candidates(tensors: Mapping[str, Tensor]) -> list[str]:
    """Architectures, such as ``timm:resnet50``, with these convolutions; timm's first, then by length.

    The names of the tensors may have any prefix before the architecture's names.
    """
    table = _table()
    found: set[str] = set()
    for prefix in _prefixes(tensors):
        inside = {
            without_wrappers(k.removeprefix(prefix)): v for k, v in tensors.items() if k.startswith(prefix)
        }
        for without in ("", *heads(inside)):
            found |= set(table.get(fingerprint(inside, without=without), ()))
    return sorted(found, key=lambda name: (not name.startswith("timm:"), len(name), name))


def _prefixes(tensors: Mapping[str, Tensor]) -> list[str]:
    """Every prefix, of up to three words, that a quarter of the names share; the empty one first."""
    found = {""}
    for name in tensors:
        parts = name.split(".")
        found |= {".".join(parts[:cut]) + "." for cut in range(1, min(4, len(parts)))}
    common = [p for p in found if sum(name.startswith(p) for name in tensors) > len(tensors) / 4]
    return sorted(common, key=len)


@cache
def _held() -> Any:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def _table() -> dict[str, list[str]]:
    table: dict[str, list[str]] = defaultdict(list)
    for name, mark in _held()["architectures"].items():
        table[mark].append(name)
    return table


def made_with() -> dict[str, str]:
    """Versions of the libraries that the table was made with."""
    return {name: str(_held()[name]) for name in LIBRARIES}


def fingerprint_of(make: Callable[[str], nn.Module], name: str) -> str:
    """The fingerprint of one architecture, its head left out where that is a convolution."""
    try:
        with torch.device("meta"):
            tensors = make(name).state_dict()
    except NotImplementedError:  # some compute with tensors while they are made
        tensors = make(name).state_dict()
    convolutions = heads(tensors, 1000)
    return fingerprint(tensors, without=convolutions[-1] if convolutions else "")
