"""What a checkpoint file holds: the weights that were asked for, and what was saved beside them.

Nothing in a file is run. A file of torch is read by its safe loader, which takes tensors, plain values and
the few types listed in ``_HARMLESS``.
"""

from __future__ import annotations

import argparse
import codecs
import pathlib
import pickle
import types
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auditor.errors import InputError

AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema")
"""Where an exponential moving average of the weights is kept. It comes first, as in timm."""
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

_NO_MODEL = ("optim", "sched", "scaler", "amp", "loops", "callbacks", "hyper_parameters", "rng")
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
    names: Any = None
    """The class names that the file states, in any of the forms of :func:`auditor.models.labels.named`."""
    names_key: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the training script was called with, where the file keeps it."""
    ignored: tuple[str, ...] = ()
    """Entries of the state dict that are no tensors."""

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
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    states = dict(_states(found))
    if not states:
        raise InputError(f"{where}: holds no state dict (names to tensors); {_shape_of(found)}")
    chosen = _chosen(where, states, key)
    entries = states[chosen]
    names_key, names = _names(found)
    return Checkpoint(
        path=path,
        state={name: value for name, value in entries.items() if isinstance(value, Tensor)},
        key=chosen,
        others=tuple(k for k in states if k != chosen),
        names=names,
        names_key=names_key,
        arguments=_arguments(found),
        ignored=tuple(name for name, value in entries.items() if not isinstance(value, Tensor)),
    )


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
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, TypeError) as failure:
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


def _states(found: Any, at: str = "", depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every mapping from names to tensors, with where it stands."""
    if not isinstance(found, Mapping) or depth > _DEPTH:
        return
    inner = [(str(k), v) for k, v in found.items() if isinstance(v, Mapping)]
    below = [
        state
        for name, value in inner
        if not name.lower().startswith(_NO_MODEL)
        for state in _states(value, f"{at}.{name}".lstrip("."), depth + 1)
    ]
    tensors = [k for k, v in found.items() if isinstance(k, str) and isinstance(v, Tensor)]
    if below:
        yield from below
    elif tensors and len(tensors) == sum(isinstance(v, Tensor) for v in found.values()):
        yield at, found


def _chosen(where: str, states: Mapping[str, Any], key: str | None) -> str:
    if key is not None:
        if key not in states:
            raise InputError(f"{where}: no weights under '{key}'; it has {_list(states) or 'none'}")
        return key
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


def _names(found: Any) -> tuple[str, Any]:
    """Names of classes that the file states, and under which key."""
    if not isinstance(found, Mapping):
        return "", None
    places: list[tuple[str, Any]] = [("", found)]
    places += [(f"{k}.", _as_mapping(found.get(k))) for k in ("meta", "hyper_parameters", "args", "config")]
    for prefix, place in places:
        for key in NAMES:
            value = place.get(key) if isinstance(place, Mapping) else None
            if isinstance(value, (Mapping, list, tuple)) and value and not _holds_tensors(value):
                return prefix + key, value
    return "", None


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
    return ", ".join(f"'{name}'" for name in names)
