"""The distillation test (CVPR 2020, section 4.2): a small network tells a class by its detector alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

EPOCHS = 200
LEARNING_RATE = 0.003
WEIGHT_DECAY = 0.01
HIDDEN = (32, 16)
"""Neurons of the hidden layers; the last layer has 2 (paper)."""


@dataclass(frozen=True)
class Examples:
    """Meta-detector outputs of images and whether they show the class."""

    features: NDArray[np.float32]
    """[images, features]."""
    is_class: NDArray[np.bool_]
    """[images]."""


def student_accuracy(learned: Examples, heldout: Examples, *, seed: int) -> float:
    """Accuracy [0, 1] on held-out images of a student with 32, 16 and 2 neurons.

    Features are standardised by the images learned on. A feature that does not vary there counts for nothing.

    Args:
        learned: What the student learns from; both kinds of images.
        heldout: What it is tested on, no image of ``learned``.
        seed: Of its first weights.
    """
    mean, spread = learned.features.mean(axis=0), learned.features.std(axis=0)
    usable = spread > 1e-9
    scale = np.where(usable, 1 / np.where(usable, spread, 1), 0)

    def tensors(of: Examples) -> tuple[torch.Tensor, torch.Tensor]:
        values = ((of.features - mean) * scale).astype(np.float32)
        return torch.from_numpy(values), torch.from_numpy(of.is_class.astype(np.int64))

    inputs, targets = tensors(learned)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student = nn.Sequential(
            nn.Linear(inputs.shape[1], HIDDEN[0]),
            nn.ReLU(),
            nn.Linear(HIDDEN[0], HIDDEN[1]),
            nn.ReLU(),
            nn.Linear(HIDDEN[1], 2),
        )
    optimiser = torch.optim.AdamW(student.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(EPOCHS):
        optimiser.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(student(inputs), targets).backward()
        optimiser.step()
    inputs, targets = tensors(heldout)
    with torch.inference_mode():
        return float((student(inputs).argmax(1) == targets).float().mean())
