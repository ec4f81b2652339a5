"""Which layers are specific to the class: agreement of channel importance between refits and with others.

In early layers "important for this class" means "important for anything". A layer is specific if refits of
the same class agree more with each other than with other classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from auditor.errors import InputError
from auditor.statistics.arrays import FloatArray


@dataclass(frozen=True)
class LayerAgreement:
    """Agreement of one layer's channel importance between refits, and with other classes."""

    layer: str
    reliability: float | None
    """Mean Spearman correlation between two refits, [-1, 1]; ``None`` with a single refit."""
    similarity: float | None
    """Mean Spearman correlation of a refit with a reference class, [-1, 1]; ``None`` without any."""
    weight: float
    """max(0, reliability - similarity), scaled to sum to 1 over layers; all 0 where no layer is specific.
    A missing similarity counts as 0 and a missing reliability as 1."""


@dataclass(frozen=True)
class Specificity:
    """Whether the detector is specific to the class."""

    layers: tuple[LayerAgreement, ...]
    specific: bool | None
    """``None``: not measured, for want of refits or of reference classes."""
    share: float | None
    """Share of reference classes that are, over weighted layers, at least as similar to the class's
    refits as these are to each other."""


def spearman(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Rank correlations of every row of ``first`` [a, channels] with every row of ``second`` [b, channels].

    Ties share their mean rank; a row that is constant correlates 0 with anything.

    Raises:
        InputError: Numbers of channels differ, or fewer than 2.
    """
    one, two = np.atleast_2d(np.asarray(first, float)), np.atleast_2d(np.asarray(second, float))
    if one.shape[1] != two.shape[1] or one.shape[1] < 2:
        raise InputError(
            f"rank correlation: {one.shape[1]} and {two.shape[1]} channels, need 2 or more, equal"
        )
    return _unit_ranks(one) @ _unit_ranks(two).T


def class_specificity(
    importance: Mapping[str, ArrayLike], reference: Mapping[str, ArrayLike], *, tolerated: float = 0.05
) -> Specificity:
    """Reliability, similarity and weight of every layer, and whether the class is specific.

    It is if its refits agree with each other, over weighted layers, more than with all but a share of
    ``tolerated`` of the reference classes. Near relatives of the class are rightly similar.

    Args:
        importance: Layer to channel importance [refits, channels] of the class, each refit learned on
            other images.
        reference: Layer to channel importance [classes, channels] of other classes, one occluder each, so
            that both correlations have the noise of single occluders. The same classes in the same order
            for every layer; empty where there are none.
        tolerated: Share of reference classes, 0 to below 1.

    Raises:
        InputError: No layers, shapes that do not fit, or values that are not finite.
    """
    if not importance:
        raise InputError("layer agreement: no layers, need 1 or more")
    layers: list[tuple[str, float | None, FloatArray | None]] = []
    for layer, values in importance.items():
        own, others = _checked(values, layer), _checked(reference.get(layer, np.zeros((0, 2))), layer)
        pairs = np.triu_indices(len(own), 1)
        reliability = float(spearman(own, own)[pairs].mean()) if len(own) > 1 else None
        layers.append((layer, reliability, spearman(own, others).mean(axis=0) if len(others) else None))
    similarity = [None if to_others is None else float(to_others.mean()) for _, _, to_others in layers]
    excess = np.array(
        [
            max(0.0, (1.0 if reliability is None else reliability) - (similar or 0.0))
            for (_, reliability, _), similar in zip(layers, similarity, strict=True)
        ]
    )
    weights = excess / excess.sum() if excess.sum() > 0.0 else np.zeros(len(excess))
    share = _share_as_similar([(own, to_others) for _, own, to_others in layers], weights)
    return Specificity(
        layers=tuple(
            LayerAgreement(layer, reliability, similar, float(weight))
            for (layer, reliability, _), similar, weight in zip(layers, similarity, weights, strict=True)
        ),
        specific=None if share is None else bool(weights.sum() > 0.0 and share <= tolerated),
        share=share,
    )


def _share_as_similar(
    measured: list[tuple[float | None, FloatArray | None]], weights: FloatArray
) -> float | None:
    reliability = 0.0
    similarity: FloatArray | float = 0.0
    for (own, to_others), weight in zip(measured, weights, strict=True):
        if own is None or to_others is None:
            return None
        reliability += float(weight) * own
        similarity = similarity + weight * to_others
    # Without weights both sides are 0 and every class counts as similar: not specific.
    return float(np.mean(np.asarray(similarity) >= reliability))


def _unit_ranks(rows: FloatArray) -> FloatArray:
    ranks = rankdata(rows, axis=1)
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    return np.asarray(np.divide(centred, length, out=np.zeros_like(centred), where=length > 0.0))


def _checked(values: ArrayLike, layer: str) -> FloatArray:
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise InputError(f"importance of layer {layer!r}: shape {rows.shape}, need finite [rows, channels]")
    return rows
