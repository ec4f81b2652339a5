"""Where in a picture the model sees a class."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray

from auditor.models.loaded import LoadedModel

STRONGEST = 0.2
"""Share of the positions that count: those to which the class's output is most sensitive."""


def object_centres(
    model: LoadedModel, inputs: torch.Tensor, class_index: int, *, batch: int
) -> NDArray[np.float64]:
    """[images, 2] Row and column, as shares of height and width, of the middle of what speaks for a class.

    It is the mean place of the fifth of all positions whose gradient of the class's output is largest,
    averaged over an eighth of the picture's side.
    """
    found = []
    for start in range(0, len(inputs), batch):
        part = inputs[start : start + batch].clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(model.module(part)[:, class_index].sum(), part)
        size = slope.abs().sum(dim=1, keepdim=True).float()
        window = max(min(size.shape[2:]) // 8, 1)
        smooth = nnf.avg_pool2d(size, window, stride=max(window // 2, 1))[:, 0].cpu().numpy()
        found.append(np.stack([_middle(one) for one in smooth]))
    return np.concatenate(found) if found else np.zeros((0, 2))


def _middle(strength: NDArray[np.float32]) -> NDArray[np.float64]:
    rows, columns = np.nonzero(strength >= np.quantile(strength, 1 - STRONGEST))
    weights = strength[rows, columns].astype(np.float64) + 1e-12
    height, width = strength.shape
    places = ((rows + 0.5) / height, (columns + 0.5) / width)
    return np.array([np.average(place, weights=weights) for place in places])
