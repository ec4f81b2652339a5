"""The response of one layer's class-specific detector: one number for each image.

This is the meta-detector of equation 9 with changes that were each measured
(docs/decisions/0004-estimator-log.md). The weight of a channel is its mean activation over the class's
images in standard deviations of the channel, less the same for reference classes. What excites a channel
for any class says nothing about this one. No conclusion rests on layers. NumPy only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from auditor.statistics.arrays import FloatArray, standardise_rows


def detector_response(
    channels: NDArray[np.floating], activation: NDArray[np.floating], reference: NDArray[np.floating]
) -> FloatArray:
    """Response of the class-specific detector of one layer.

    Args:
        channels: [images, channels], each channel's mean over positions.
        activation: [channels], each channel's mean over the class's images and positions.
        reference: [classes, channels], the same of reference classes; may have no rows.

    Returns:
        [images], standardised over images.
    """
    values = np.asarray(channels, dtype=np.float64)
    spread = values.std(axis=0)
    usable = spread > 1e-9
    z = (values[:, usable] - values[:, usable].mean(axis=0)) / spread[usable]
    direction = _unit(np.asarray(activation, dtype=np.float64)[None, usable] / spread[usable])[0]
    if len(reference):
        others = np.asarray(reference, dtype=np.float64)[:, usable] / spread[usable]
        direction = direction - _unit(others).mean(axis=0)
    return np.asarray(standardise_rows((z @ direction)[None])[0])


def layer_responses(
    channels: Mapping[str, NDArray[np.floating]],
    *,
    activation: Mapping[str, NDArray[np.floating]],
    reference: Mapping[str, NDArray[np.floating]],
) -> dict[str, FloatArray]:
    """Layer to the responses [images] of one class.

    Args:
        channels: layer to [images, channels].
        activation: layer to [channels].
        reference: layer to [classes, channels].
    """
    return {
        layer: detector_response(channels[layer], activation[layer], reference[layer]) for layer in channels
    }


def _unit(rows: FloatArray) -> FloatArray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, length, out=np.zeros_like(rows), where=length > 0))
