"""The ways in which people save a network, each as a function from its state dict to what is in the file.

``benchmarks.architectures`` prints what becomes of each; the tests hold that all give the same function.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

State = dict[str, Tensor]


def under(prefix: str) -> Callable[[State], State]:
    """Every name with ``prefix`` before it."""
    return lambda state: {f"{prefix}{k}": v for k, v in state.items()}


def _compiled_inside(state: State) -> State:
    return {k.replace("layer2.", "layer2._orig_mod."): v for k, v in state.items()}


WAYS: dict[str, Callable[[State], object]] = {
    "plain": lambda state: state,
    "state_dict": lambda state: {
        "state_dict": state,
        "epoch": 3,
        "optimizer": {"state": {0: {"m": torch.ones(2)}}},
    },
    "model_state, a NumPy number and a path beside it": lambda state: {
        "model_state": state,
        "best": np.float64(0.5),
        "where": Path("a/b"),
    },
    "net": lambda state: {"net": state, "acc": 0.9},
    "student alone": lambda state: {"student": state, "epoch": 1},
    "three levels deep": lambda state: {
        "checkpoint": {"model": {"state_dict": state}},
        "optim": {"state": {}},
    },
    "timm's train.py": lambda state: {
        "state_dict": state,
        "arch": "resnet18",
        "args": argparse.Namespace(model="resnet18", lr=0.1, data="/data"),
    },
    "a namespace beside it": lambda state: {"model": state, "config": SimpleNamespace(lr=1)},
    "DataParallel": under("module."),
    "torch.compile": under("_orig_mod."),
    "Lightning": lambda state: {
        "state_dict": {**under("model.")(state), "criterion.weight": torch.ones(3)},
        "pytorch-lightning_version": "2.5.0",
    },
    "Lightning of a compiled DataParallel": lambda state: {
        "state_dict": under("model._orig_mod.module.")(state)
    },
    "DataParallel of a compiled part": lambda state: under("module.")(_compiled_inside(state)),
    "AveragedModel": lambda state: {**under("module.")(state), "n_averaged": torch.tensor(5)},
    "moving average beside raw weights": lambda state: {
        "state_dict": {k: torch.zeros_like(v) for k, v in state.items()},
        "state_dict_ema": state,
    },
    "without counters": lambda state: {k: v for k, v in state.items() if "num_batches" not in k},
    "float64": lambda state: {k: v.double() if v.is_floating_point() else v for k, v in state.items()},
}
