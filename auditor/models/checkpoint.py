"""Read a checkpoint file: the weights that were asked for, and what was saved beside them.

No code in a file is run. torch's safe loader reads the files of torch; it accepts tensors, plain values and
the few types listed in ``_HARMLESS``.
"""

from __future__ import annotations

import argparse
import codecs
import pathlib
import pickle
import re
import types
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from auditor.errors import InputError, one_line

AVERAGED = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema"),
    *("swa_state_dict", "swa_model", "model_swa"),
)
"""Keys of a moving average of the weights. It is preferred, as in timm."""
PLAIN = ("state_dict", "model", "model_state_dict", "model_state", "net", "network", "weights", "params")
"""Keys of plain weights, in the order of preference."""
ONE_OF_TWO = ("teacher", "student")
"""Keys that are accepted if only one of them is there."""
NAMES = (
    *("class_to_idx", "idx_to_class", "id2label"),
    *("class_names", "classes", "names", "label_names", "labels"),
)
"""Keys of the class names."""

SHOWN = 6
"""Most names that a message lists."""

_NO_MODEL = re.compile(r"optim|sched|scaler|^opt$|^amp$|^loops$|^callbacks$|^hyper_parameters$|rng_state")
_DEPTH = 4
_SCALAR = np.float64(0).__reduce__()[0]
_HARMLESS: tuple[Any, ...] = (
    argparse.Namespace,
    types.SimpleNamespace,
    defaultdict,
    dict,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    (pathlib.PurePosixPath, "pathlib.PosixPath"),
    (pathlib.PureWindowsPath, "pathlib.WindowsPath"),
    (pathlib.PurePosixPath, "pathlib._local.PosixPath"),
    (pathlib.PureWindowsPath, "pathlib._local.WindowsPath"),
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "float16", "int64", "int32", "bool")),
    codecs.encode,
)


@dataclass(frozen=True)
class Checkpoint:
    """One set of weights out of a file."""

    path: Path
    state: dict[str, Tensor]
    """Tensors under the names they were saved with."""
    key: str = ""
    """Where in the file they were; empty: the file is the state dict."""
    others: tuple[str, ...] = ()
    """Other places in the file with weights."""
    names: tuple[tuple[Any, str], ...] = ()
    """Class names that the file states, in any form that ``auditor.models.labels.named`` reads, and where."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the training script, if the file has them."""

    @property
    def where(self) -> str:
        """The file, for errors."""
        return f"model 'file:{self.path}'"

    @property
    def note(self) -> str:
        """Where in the file the weights were found; empty: the file is the state dict."""
        if not self.key:
            return ""
        also = f" (also in the file: {few(self.others)}; --weights-key chooses)" if self.others else ""
        average = ", a moving average" if self.key.split(".")[-1] in AVERAGED else ""
        return f"weights from '{self.key}'{average}{also}"


def check_file(path: Path) -> None:
    """Refuse a path where there is no file.

    Raises:
        InputError: There is none.
    """
    if not path.is_file():
        seen = "is no file" if path.exists() else "there is no such file"
        raise InputError(f"model 'file:{path}': {seen}")


def read_checkpoint(path: Path, *, key: str | None = None) -> Checkpoint:
    """The weights in a file and what was saved beside them.

    Args:
        path: safetensors, or a file written by ``torch.save``.
        key: Where in the file the weights are, dots between levels; by default where timm looks.

    Raises:
        InputError: The file cannot be read, holds objects that could run code, or holds no set of weights
            or several.
    """
    where = f"model 'file:{path}'"
    check_file(path)
    found = _read_safetensors(path) if _kind(where, path) == "safetensors" else _read_torch(path)
    states = dict(_states(found))
    if not states:
        seen = (few(found) or "an empty dict") if isinstance(found, Mapping) else type(found).__name__
        raise InputError(f"{where}: holds no state dict (names to tensors); seen: {seen}")
    chosen, prefix = _chosen(where, states, key)
    entries = {k.removeprefix(prefix): v for k, v in states[chosen].items() if k.startswith(prefix)}
    for name, value in entries.items():
        if value.layout != torch.strided or value.is_quantized or value.is_meta or value.is_nested:
            raise InputError(
                f"{where}: tensor '{name}' is sparse, quantised, nested or without data; "
                "needed: weights as plain tensors"
            )
    return Checkpoint(
        path=path,
        state=entries,
        key=f"{chosen}.{prefix}".strip("."),
        others=tuple(k for k in states if k != chosen),
        names=_names(found),
        arguments=_arguments(found),
    )


def _kind(where: str, path: Path) -> str:
    """``safetensors`` or ``torch``, by the first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as failure:
        raise InputError(f"{where}: cannot be read ({failure.strerror})") from failure
    if not start:
        raise InputError(f"{where}: is empty (0 bytes)")
    if start.startswith(b"version https://git-lfs"):
        raise InputError(f"{where}: is a pointer of Git LFS, not the file itself; needed: git lfs pull")
    if start[8:9] == b"{" or path.suffix.lower() == ".safetensors":
        return "safetensors"
    if not start.startswith((b"PK", b"\x80")):
        raise InputError(f"{where}: is neither safetensors nor written by torch.save; needed: one of them")
    if start.startswith(b"PK") and _is_torchscript(path):
        raise InputError(
            f"{where}: is a TorchScript archive, a program and not weights; "
            "needed: torch.save(model.state_dict(), PATH)"
        )
    return "torch"


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as failure:
        raise InputError(f"model 'file:{path}': not a safetensors file ({failure})") from failure


def _read_torch(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(list(_HARMLESS)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as failure:
        raise InputError(
            f"model 'file:{path}': holds pickled Python objects besides tensors{_unsafe(path)}, and loading "
            "those can run any code; "
            "needed: a state dict (torch.save(model.state_dict(), PATH)) or safetensors"
        ) from failure
    except Exception as failure:  # a broken file may raise anything
        reason = one_line(failure, 120)
        raise InputError(f"model 'file:{path}': cannot be read as torch weights ({reason})") from failure


def _unsafe(path: Path) -> str:
    try:
        with torch.serialization.safe_globals(list(_HARMLESS)):
            found = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # an old file format: the names stay unknown
        return ""
    return f" ({few(found[:3])})" if found else ""


def _states(found: Any, at: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every mapping from names to tensors, and its place."""
    if not isinstance(found, Mapping) or depth > _DEPTH:
        return
    below = [
        state
        for name, value in found.items()
        if isinstance(value, Mapping) and not _NO_MODEL.search(str(name).lower())
        for state in _states(value, f"{at}.{name}".lstrip("."), depth + 1)
    ]
    own = {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if len(own) > max((len(state) for _, state in below), default=0):
        yield at, own  # nested mappings, such as a loss, are smaller
    else:
        yield from below


def _chosen(where: str, states: Mapping[str, Any], key: str | None) -> tuple[str, str]:
    """The set of weights that was asked for, and the prefix of its tensors within that set."""
    if key is None:
        return _preferred(where, states), ""
    if key in states:
        return key, ""
    for at, entries in states.items():
        prefix = f"{key.removeprefix(at).strip('.')}." if key.startswith(at) else f"{key}."
        if any(name.startswith(prefix) for name in entries):
            return at, prefix
    raise InputError(f"{where}: no weights under '{key}'; it has {few(states) or 'none'}")


def _preferred(where: str, states: Mapping[str, Any]) -> str:
    if len(states) == 1:
        return next(iter(states))
    by_name = [[k for k in states if name in (k, k.split(".")[0])] for name in (*AVERAGED, *PLAIN)]
    either = [k for k in states if k.split(".")[0] in ONE_OF_TWO]
    hits = next((found for found in by_name if found), either)
    if len(hits) == 1:
        return hits[0]
    raise InputError(
        f"{where}: holds several sets of weights ({few(hits or states)}); needed: --weights-key, one of them"
    )


def _names(found: Mapping[str, Any]) -> tuple[tuple[Any, str], ...]:
    """Class names that the file states, and their keys."""
    places = {"": found} | {
        f"{key}.": _as_mapping(found.get(key)) for key in ("meta", "hyper_parameters", "args", "config")
    }
    stated = [(place.get(key), prefix + key) for prefix, place in places.items() for key in NAMES]
    names = []
    for value, key in stated:
        held = value.values() if isinstance(value, Mapping) else value
        if (
            isinstance(value, (Mapping, list, tuple))
            and value
            and not any(isinstance(v, Tensor) for v in held)
        ):
            names.append((value, f"'{key}' of the file"))
    return tuple(names)


def _as_mapping(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, (argparse.Namespace, types.SimpleNamespace)):
        return vars(value)
    return value if isinstance(value, Mapping) else {}


def _arguments(found: Mapping[str, Any]) -> dict[str, Any]:
    arguments = dict(_as_mapping(found.get("args")))
    if isinstance(found.get("arch"), str):
        arguments.setdefault("arch", found["arch"])
    return arguments


def few(names: Iterable[Any]) -> str:
    """``'a', 'b' and 3 more``."""
    given = list(names)
    more = f" and {len(given) - SHOWN} more" if len(given) > SHOWN else ""
    return ", ".join(f"'{name}'" for name in given[:SHOWN]) + more
