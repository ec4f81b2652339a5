"""The meta-detector (equation 9): feature maps combined by channel importance."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

LARGEST_MAP = 7
"""Detector maps are averaged down to at most this many positions a side: the power of a two-sample test
falls with dimension, and a deeper layer's map is no larger."""


def pool(maps: Tensor) -> Tensor:
    """Average feature maps to at most 7x7 positions, [n, channels, h, w]."""
    height, width = maps.shape[2:]
    return nnf.adaptive_avg_pool2d(maps, (min(height, LARGEST_MAP), min(width, LARGEST_MAP)))


def detect(maps: Tensor, weights: Tensor) -> Tensor:
    """f'_l = sum over c of w_c A_c (equation 9).

    Args:
        maps: A_l, [n, channels, h, w].
        weights: one detector, [channels], or several, [detectors, channels].

    Returns:
        [n, h, w] or [n, detectors, h, w].
    """
    if weights.ndim == 1:
        return torch.einsum("nchw,c->nhw", maps, weights)
    return torch.einsum("nchw,kc->nkhw", maps, weights)
