"""From channels and outputs to one number an image: how strongly it speaks for the class.

A response is made in every layer and at the output, each standardised over the probe images so that
they can be compared and averaged. NumPy only; torch is left behind in :mod:`auditor.afi.detector`.

The score rests on the output: the paper's rule "C neurons are C maps of 1x1" applied to the last layer of
all, where the response is the logarithm of the class's probability. In a middle layer, shown beside the
score, the meta-detector of equation 9 is used with changes that were each measured
(docs/decisions/0004-estimator-log.md): a channel's weight is its mean activation over the class's images
(the class's *profile*) per standard deviation of the channel, less the same for reference classes, since
what excites a channel for any class says nothing about this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from auditor.statistics.arrays import standardise_rows

FloatArray = NDArray[np.float64]

OUTPUT = "output"
"""Name of the output in place of a layer's."""
OUTPUT_WEIGHT = 1.0
"""Weight of the output's response in the score against all layers' together.

Layers seemed to help on the classes that the estimator was developed on, and did not on others
(docs/decisions/0004-estimator-log.md, third round). They are shown, layer by layer, beside the score.
"""
LATE = 0.25
"""Share of the layers, counted from the last, that make up the class's detector in the controls."""


def late_layers(layers: Sequence[str]) -> dict[str, float]:
    """Weights within the class's detector: equal for the last quarter of the layers, 0 for the others."""
    count = max(1, round(LATE * len(layers)))
    return {layer: (1 / count if place >= len(layers) - count else 0.0) for place, layer in enumerate(layers)}


@dataclass(frozen=True)
class Responses:
    """How strongly each probe image speaks for one class."""

    by_layer: dict[str, FloatArray]
    """Layer (and ``output``) to [refits, images], standardised over the images."""
    weights: dict[str, float]
    """Layer (and ``output``) to its weight; sums to 1."""

    def combined(self) -> FloatArray:
        """Weighted over layers, [refits, images]."""
        rows = [
            self.weights[layer] * values for layer, values in self.by_layer.items() if self.weights[layer] > 0
        ]
        total: FloatArray = np.sum(rows, axis=0)
        return total


def detector_response(
    channels: NDArray[np.floating], profile: NDArray[np.floating], reference: NDArray[np.floating]
) -> FloatArray:
    """Response of the class-specific detector of one layer.

    Args:
        channels: [images, channels], each channel's mean over positions.
        profile: [refits, channels], each channel's mean over the class's images and positions.
        reference: [classes, channels], the same of reference classes; may have no rows.

    Returns:
        [refits, images], standardised over images.
    """
    values = np.asarray(channels, dtype=np.float64)
    spread = values.std(axis=0)
    usable = spread > 1e-9
    z = (values[:, usable] - values[:, usable].mean(axis=0)) / spread[usable]
    direction = _unit(np.asarray(profile, dtype=np.float64)[:, usable] / spread[usable])
    if len(reference):
        direction = direction - _unit(
            np.asarray(reference, dtype=np.float64)[:, usable] / spread[usable]
        ).mean(axis=0)
    return standardise_rows(direction @ z.T)


def output_response(logits: NDArray[np.floating], class_index: int) -> FloatArray:
    """The logarithm of the class's probability, [1, images], standardised over images."""
    return standardise_rows(log_probabilities(logits)[None, :, class_index])


def log_probabilities(logits: NDArray[np.floating]) -> FloatArray:
    """Logarithm of the softmax, [images, classes]."""
    found: FloatArray = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return found


def class_responses(
    channels: Mapping[str, NDArray[np.floating]],
    logits: NDArray[np.floating],
    class_index: int,
    *,
    profile: Mapping[str, NDArray[np.floating]],
    reference: Mapping[str, NDArray[np.floating]],
    layer_weights: Mapping[str, float],
    output_weight: float = OUTPUT_WEIGHT,
) -> Responses:
    """Responses of one class in every layer and at the output.

    Args:
        channels: layer to [images, channels].
        logits: [images, classes].
        class_index: the class.
        profile: layer to [refits, channels].
        reference: layer to [classes, channels].
        layer_weights: layer to weight, summing to 1 (or all 0, which leaves the output alone).
        output_weight: weight of the output against all layers together, [0, 1].
    """
    by_layer = {
        layer: detector_response(channels[layer], profile[layer], reference[layer]) for layer in channels
    }
    refits = len(next(iter(by_layer.values())))
    by_layer[OUTPUT] = np.repeat(output_response(logits, class_index), refits, axis=0)
    heard = sum(layer_weights.values()) > 0
    share = output_weight if heard else 1.0
    weights = {layer: (1 - share) * layer_weights[layer] for layer in channels}
    return Responses(by_layer=by_layer, weights={**weights, OUTPUT: share})


def _unit(rows: FloatArray) -> FloatArray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    result: FloatArray = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return result
