"""Train a small network on a world, once: weights are cached under a key of everything that made them."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.planted import networks

Images = NDArray[np.uint8]
Labelled = Callable[[np.random.Generator, int], tuple[Images, NDArray[np.int64]]]
"""Draws n labelled images: pictures [n, side, side, 3] and classes [n]."""


def cache_dir() -> Path:
    """Where weights are kept: AUDITOR_CACHE or the platform's cache folder."""
    root = os.environ.get("AUDITOR_CACHE") or platformdirs.user_cache_dir("auditor")
    path = Path(root) / "planted"
    path.mkdir(parents=True, exist_ok=True)
    return path


def to_input(images: Images) -> torch.Tensor:
    """8-bit pictures [n, h, w, 3] to the model's input [n, 3, h, w] in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0).contiguous()


def _digest(recipe: Sequence[ModuleType]) -> str:
    """Changes with any source line that decides what a trained network is."""
    text = "".join(inspect.getsource(module) for module in recipe)
    return hashlib.sha256((text + inspect.getsource(train)).encode()).hexdigest()[:16]


def cached(
    key: str,
    architecture: str,
    data: Labelled,
    n_classes: int,
    *,
    seed: int,
    n_images: int,
    epochs: int,
    recipe: Sequence[ModuleType],
) -> networks.SmallNet:
    """The trained network of this key, from the cache or trained now; in eval mode, gradients off.

    ``recipe`` holds the modules whose source decides what it is; a change to them trains it anew.
    """
    name = f"{key}-{architecture}-{seed}-{n_images}-{epochs}-{_digest(recipe)}.pt"
    path = cache_dir() / name
    torch.manual_seed(seed)  # the networks' initial weights come from torch's global generator only
    model = networks.ARCHITECTURES[architecture](n_classes)
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
    else:
        train(model, data, seed=seed, n_images=n_images, epochs=epochs)
        part = path.with_suffix(f".{os.getpid()}.part")
        torch.save(model.state_dict(), part)
        part.replace(path)
    return model.eval().requires_grad_(False)


def train(
    model: nn.Module, data: Labelled, *, seed: int, n_images: int, epochs: int, batch: int = 64
) -> None:
    """AdamW with a one-cycle rate on mirrored images; the same seed gives the same weights."""
    rng = np.random.default_rng([seed, 2])
    images, labels = data(rng, n_images)
    targets = torch.from_numpy(labels)
    steps = epochs * (n_images // batch)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.02)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
    model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for _ in range(epochs):
        order = rng.permutation(n_images)
        for start in range(0, n_images - batch + 1, batch):
            rows = order[start : start + batch]
            x = to_input(images[rows])
            if rng.random() < 0.5:
                x = x.flip(3)
            loss = nn.functional.cross_entropy(
                model(x.to(memory_format=torch.channels_last)), targets[torch.from_numpy(rows)]
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            rate.step()


@torch.no_grad()
def logits(model: nn.Module, images: Images, *, batch: int = 256) -> NDArray[np.float64]:
    """Logits [n, classes] of 8-bit pictures."""
    parts = [model(to_input(images[i : i + batch])) for i in range(0, len(images), batch)]
    return torch.cat(parts).double().numpy()
