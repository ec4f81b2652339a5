"""Technical properties of a picture: light, sharpness, compression, size. None depends on its content.

Two groups of photos may differ in them alone. Contrasts are therefore also estimated at equal properties
(:mod:`auditor.statistics.nuisance`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TECHNICAL = ("brightness", "contrast", "sharpness", "fine detail", "block edges", "size")
"""Names of :func:`technical_properties`, in order."""

_SIDE = 128  # pixels; sharpness is measured at this size, so that it does not depend on the picture's
_BLOCK = 8  # pixels; JPEG compresses blocks of this side


def technical_properties(picture: Image.Image) -> NDArray[np.float64]:
    """[6] The properties named in :data:`TECHNICAL`.

    ``brightness`` and ``contrast`` are mean and standard deviation of the luminance, 0 to 1. ``sharpness``
    is the logarithm of the mean squared Laplacian at 128 pixels, ``fine detail`` the same at the picture's
    own size. ``block edges`` is the logarithm of a ratio: the mean difference of neighbouring pixels across
    the edges of 8 x 8 blocks over that within them. ``size`` is the logarithm of the shorter side in pixels.
    """
    grey = picture.convert("L")
    luma = np.asarray(grey, dtype=np.float64) / 255.0
    small = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64) / 255.0
    return np.array(
        [
            luma.mean(),
            luma.std(),
            detail(small),
            detail(luma),
            (_block_edges(luma) + _block_edges(luma.T)) / 2.0,
            np.log(min(grey.size)),
        ]
    )


def detail(luma: NDArray[np.floating[Any]]) -> float:
    """Natural logarithm of the mean squared Laplacian of a luminance [height, width], plus 1e-6."""
    if min(luma.shape) < 3:
        return float(np.log(1e-6))
    laplacian = 4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    return float(np.log((laplacian**2).mean() + 1e-6))


def _block_edges(luma: NDArray[np.float64]) -> float:
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0)
    at_edge = np.arange(len(steps)) % _BLOCK == _BLOCK - 1
    if not at_edge.any() or at_edge.all():
        return 0.0
    return float(np.log((steps[at_edge].mean() + 1e-4) / (steps[~at_edge].mean() + 1e-4)))
