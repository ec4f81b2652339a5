"""From logits and channels to one number an image: how strongly it speaks for the class.

The score rests on the output alone. Its response is the *evidence*: for an image with probability p of the
class among K classes, ln(1 + K p) / ln(1 + K). It is 0 where the model gives the class no chance, grows
like the logarithm of p once p exceeds chance, and is 1 where the model is certain. Changes far below
chance are no evidence of anything, while the logarithm of p alone would make much of them
(docs/decisions/0004-estimator-log.md).

In a middle layer, shown beside the score, the meta-detector of equation 9 is used with changes that were
each measured: a channel's weight is its mean activation over the class's images (the class's *profile*)
per standard deviation of the channel, less the same for reference classes, since what excites a channel
for any class says nothing about this one. Layers do not enter the score: they helped on the classes that
the estimator was developed on, and not on others. NumPy only; torch is left behind in
:mod:`auditor.afi.detector`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from auditor.statistics.arrays import standardise_rows

FloatArray = NDArray[np.float64]

OUTPUT = "output"
"""Name of the output in place of a layer's."""


@dataclass(frozen=True)
class Responses:
    """How strongly each probe image speaks for one class."""

    evidence: FloatArray
    """[images] at the output, 0 to 1: what the score is made from."""
    by_layer: dict[str, FloatArray]
    """Layer (and ``output``) to [refits, images], standardised over the images so that layers compare."""


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


def evidence(logits: NDArray[np.floating]) -> FloatArray:
    """[images, classes] ln(1 + K p) / ln(1 + K) from logits [images, classes], 0 to 1.

    At chance (p = 1/K) it is ln 2 / ln(1 + K): 0.1 with 1,000 classes, 0.36 with 6.
    """
    return evidence_of(np.exp(log_probabilities(logits)), logits.shape[1])


def evidence_of(probability: FloatArray, classes: int) -> FloatArray:
    """The same from probabilities of any shape, among so many classes."""
    found: FloatArray = np.log1p(classes * probability) / np.log1p(classes)
    return found


def log_probabilities(logits: NDArray[np.floating]) -> FloatArray:
    """Logarithm of the softmax, [images, classes]."""
    found: FloatArray = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return found


def class_responses(
    channels: Mapping[str, NDArray[np.floating]],
    own: FloatArray,
    *,
    profile: Mapping[str, NDArray[np.floating]],
    reference: Mapping[str, NDArray[np.floating]],
) -> Responses:
    """Responses of one class in every layer and at the output.

    Args:
        channels: layer to [images, channels].
        own: [images] evidence for the class, a column of :func:`evidence`.
        profile: layer to [refits, channels].
        reference: layer to [classes, channels].
    """
    by_layer = {
        layer: detector_response(channels[layer], profile[layer], reference[layer]) for layer in channels
    }
    refits = len(next(iter(by_layer.values())))
    by_layer[OUTPUT] = np.repeat(standardise_rows(own[None]), refits, axis=0)
    return Responses(evidence=own, by_layer=by_layer)


def _unit(rows: FloatArray) -> FloatArray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    result: FloatArray = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return result
