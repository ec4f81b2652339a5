"""What a checkpoint file holds: the weights that were asked for, and what was saved beside them.

Nothing in a file is run. A file of torch is read by its safe loader, which takes tensors, plain values and
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auditor.errors import InputError

AVERAGED = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema"),
    *("swa_state_dict", "swa_model", "model_swa"),
)
"""Where a moving average of the weights is kept. It comes first, as in timm."""
PLAIN = ("state_dict", "model", "model_state_dict", "model_state", "net", "network", "weights", "params")
"""Where plain weights are kept, in the order of preference."""
ONE_OF_TWO = ("teacher", "student")
"""Taken where only one of them is there."""
NAMES = (
    "class_to_idx",
    "idx_to_class",
    "id2label",
    "class_names",
    "classes",
    "names",
    "label_names",
    "labels",
)
"""Where the names of the classes are kept."""

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
    """Where in the file they stood; empty: the file is the state dict."""
    others: tuple[str, ...] = ()
    """Other places of the file that hold weights."""
    names: tuple[tuple[Any, str], ...] = ()
    """Class names that the file states, in any form of ``auditor.models.labels.named``, and their keys."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the training script was called with, where the file keeps it."""

    @property
    def where(self) -> str:
        """The file, for errors."""
        return f"model 'file:{self.path}'"

    @property
    def notes(self) -> list[str]:
        """What a reader must know about where the weights were found."""
        if not self.key:
            return []
        also = f" (also in the file: {_list(self.others)}; --weights-key chooses)" if self.others else ""
        average = ", a moving average" if self.key.split(".")[-1] in AVERAGED else ""
        return [f"from '{self.key}'{average}{also}"]


def read_checkpoint(path: Path, *, key: str | None = None) -> Checkpoint:
    """The weights in a file and what stands beside them.

    Args:
        path: safetensors, or a file written by ``torch.save``.
        key: where in the file the weights are, dots between levels; by default what timm would take.

    Raises:
        InputError: unreadable, holding objects that could run code, or no or several sets of weights.
    """
    where = f"model 'file:{path}'"
    if not path.is_file():
        raise InputError(f"{where}: {'is no file' if path.exists() else 'there is no such file'}")
    found = _read_safetensors(path) if _kind(where, path) == "safetensors" else _read_torch(path)
    states = dict(_states(found))
    if not states:
        raise InputError(f"{where}: holds no state dict (names to tensors); {_shape_of(found)}")
    chosen, prefix = _chosen(where, states, key)
    entries = {k.removeprefix(prefix): v for k, v in states[chosen].items() if k.startswith(prefix)}
    _check(where, entries)
    return Checkpoint(
        path=path,
        state=entries,
        key=f"{chosen}.{prefix}".strip("."),
        others=tuple(k for k in states if k != chosen),
        names=_names(found),
        arguments=_arguments(found),
    )


def _kind(where: str, path: Path) -> str:
    """``safetensors`` or ``torch``, by the first bytes.

    Raises:
        InputError: It is neither.
    """
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
    from safetensors import SafetensorError
    from safetensors.torch import load_file

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
        raise InputError(
            f"model 'file:{path}': cannot be read as torch weights ({' '.join(str(failure).split())[:120]})"
        ) from failure


def _unsafe(path: Path) -> str:
    try:
        with torch.serialization.safe_globals(list(_HARMLESS)):
            found = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # an old file format: the names stay unknown
        return ""
    return f" ({_list(found[:3])})" if found else ""


def _states(found: Any, at: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every mapping from names to tensors, with where it stands."""
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
        yield at, own  # what hangs below, such as a loss, is smaller
    else:
        yield from below


def _check(where: str, entries: Mapping[str, Tensor]) -> None:
    """Only plain tensors can be compared and loaded.

    Raises:
        InputError: A tensor is sparse, quantised, nested or without data.
    """
    for name, value in entries.items():
        if value.layout != torch.strided or value.is_quantized or value.is_meta or value.is_nested:
            raise InputError(
                f"{where}: tensor '{name}' is sparse, quantised, nested or without data; "
                "needed: weights as plain tensors"
            )


def _chosen(where: str, states: Mapping[str, Any], key: str | None) -> tuple[str, str]:
    """Which set of weights, and the beginning of the names within it that was asked for."""
    if key is not None:
        if key in states:
            return key, ""
        for at, entries in states.items():
            prefix = f"{key.removeprefix(at).strip('.')}." if key.startswith(at) else f"{key}."
            if any(name.startswith(prefix) for name in entries):
                return at, prefix
        raise InputError(f"{where}: no weights under '{key}'; it has {_list(states) or 'none'}")
    return _by_rank(where, states), ""


def _by_rank(where: str, states: Mapping[str, Any]) -> str:
    if len(states) == 1:
        return next(iter(states))
    hits: list[str] = []
    for name in (*AVERAGED, *PLAIN):
        hits = [k for k in states if name in (k, k.split(".")[0])]
        if len(hits) == 1:
            return hits[0]
        if hits:
            break
    else:
        hits = [k for k in states if k.split(".")[0] in ONE_OF_TWO]
        if len(hits) == 1:
            return hits[0]
    raise InputError(
        f"{where}: holds several sets of weights ({_list(hits or states)}); "
        "needed: --weights-key, one of them"
    )


def _names(found: Any) -> tuple[tuple[Any, str], ...]:
    """Names of classes that the file states, and under which keys."""
    found_names: list[tuple[Any, str]] = []
    if not isinstance(found, Mapping):
        return ()
    places: list[tuple[str, Any]] = [("", found)]
    places += [(f"{k}.", _as_mapping(found.get(k))) for k in ("meta", "hyper_parameters", "args", "config")]
    for prefix, place in places:
        for key in NAMES:
            value = place.get(key) if isinstance(place, Mapping) else None
            if isinstance(value, (Mapping, list, tuple)) and value and not _holds_tensors(value):
                found_names.append((value, prefix + key))
    return tuple(found_names)


def _holds_tensors(value: Any) -> bool:
    return any(isinstance(v, Tensor) for v in (value.values() if isinstance(value, Mapping) else value))


def _as_mapping(value: Any) -> Any:
    return vars(value) if isinstance(value, (argparse.Namespace, types.SimpleNamespace)) else value


def _arguments(found: Any) -> dict[str, Any]:
    if not isinstance(found, Mapping):
        return {}
    given = _as_mapping(found.get("args"))
    arguments = dict(given) if isinstance(given, Mapping) else {}
    if isinstance(found.get("arch"), str):
        arguments.setdefault("arch", found["arch"])
    return arguments


def _shape_of(found: Any) -> str:
    if isinstance(found, Mapping):
        return f"seen: {_list(map(str, list(found)[:6])) or 'an empty dict'}"
    return f"seen: {type(found).__name__}"


def _list(names: Any) -> str:
    given = list(names)
    shown = ", ".join(f"'{name}'" for name in given[:6])
    return shown + (f" and {len(given) - 6} more" if len(given) > 6 else "")
