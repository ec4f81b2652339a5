"""Find the architectures that have a checkpoint's convolutions, in a table of fingerprints.

A fingerprint is a hash over names and shapes of the convolutions. It leaves out the input channels, the
classes and all else that fine-tuning changes. ``python -m auditor.models.index --write`` builds every network
of timm and torchvision, most without memory for weights, and writes the table ``architectures.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditor.models.fit import AUXILIARY
from auditor.models.renaming import modern, without_wrappers
from auditor.models.torchvision_import import prepare_torchvision

TABLE = Path(__file__).with_name("architectures.json")
FEWEST = 3
"""The table holds networks with at least so many convolutions; others are no CNN."""
LIBRARIES = ("timm", "torchvision")


def fingerprint(tensors: Mapping[str, Tensor], *, without: str = "") -> str:
    """Ten hexadecimal digits, or nothing if there are too few convolutions.

    Args:
        tensors: Named as in the architecture.
        without: Name of a convolution that makes the logits, which is left out.
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

    Args:
        tensors: Of a checkpoint, with any prefix before the architecture's names.
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
def _held() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return found


def _table() -> dict[str, list[str]]:
    table: dict[str, list[str]] = defaultdict(list)
    for name, mark in _held()["architectures"].items():
        table[mark].append(name)
    return table


def made_with() -> dict[str, str]:
    """Versions of the libraries that the table was made with."""
    return {name: str(_held()[name]) for name in LIBRARIES}


def every_architecture() -> Iterator[tuple[str, str]]:
    """Name and fingerprint of every convolutional network of the libraries, without memory for weights."""
    prepare_torchvision()
    import timm
    import torchvision.models as zoo

    makers = [(f"timm:{name}", timm.create_model, name) for name in timm.list_models()]
    makers += [(f"torchvision:{name}", zoo.get_model, name) for name in zoo.list_models(module=zoo)]
    for shown, make, name in makers:
        try:
            yield shown, fingerprint_of(make, name)
        except Exception as failure:  # some need packages that are not installed
            print(f"{shown}: left out ({' '.join(str(failure).split())[:100]})", file=sys.stderr)


def fingerprint_of(make: Callable[[str], nn.Module], name: str) -> str:
    """The fingerprint of one architecture, its head left out where that is a convolution."""
    try:
        with torch.device("meta"):
            tensors = make(name).state_dict()
    except NotImplementedError:  # some compute with tensors while they are made
        tensors = make(name).state_dict()
    convolutions = heads(tensors, 1000)
    return fingerprint(tensors, without=convolutions[-1] if convolutions else "")


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name} instead of printing it")
    asked = parser.parse_args()
    found = {name: mark for name, mark in every_architecture() if mark}
    text = (
        json.dumps({**{name: version(name) for name in LIBRARIES}, "architectures": found}, indent=0) + "\n"
    )
    if asked.write:
        TABLE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
