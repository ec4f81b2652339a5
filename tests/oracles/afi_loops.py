"""Equations 5 to 9 of the paper, written out in loops: slow, obvious, independent of the code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def equation_5(plain: Array, moved: Array, y: int, delta: Array, weight: float) -> float:
    """1/N sum_i (Z(x_i - d)[y] + Z(t(x_i - d))[y]) + lambda D(d), D the mean absolute value."""
    total = 0.0
    for i in range(len(plain)):
        total += plain[i][y] + moved[i][y]
    size = 0.0
    for value in delta.flatten():
        size += abs(value)
    return total / len(plain) + weight * size / delta.size


def equation_6(clean: Array, occluded: Array) -> Array:
    """s^j = 1/N sum_i (f(x_i)[j] - f(x_i - d)[j]); both [n, c, h, w]."""
    n, channels, height, width = clean.shape
    scores = np.zeros((channels, height, width))
    for c in range(channels):
        for r in range(height):
            for k in range(width):
                for i in range(n):
                    scores[c, r, k] += (clean[i, c, r, k] - occluded[i, c, r, k]) / n
    return scores


def equations_7_and_8(scores: Array) -> Array:
    """w^c = 1/B sum_j max(s^j, 0), B the largest of the sums."""
    sums = []
    for channel in scores:
        total = 0.0
        for row in channel:
            for value in row:
                if value > 0:
                    total += value
        sums.append(total)
    largest = max(sums)
    return np.array([s / largest if largest > 0 else 0.0 for s in sums])


def equation_9(maps: Array, weights: Array) -> Array:
    """f' = sum_c w^c A^c; maps [n, c, h, w]."""
    n, channels, height, width = maps.shape
    combined = np.zeros((n, height, width))
    for i in range(n):
        for c in range(channels):
            for r in range(height):
                for k in range(width):
                    combined[i, r, k] += weights[c] * maps[i, c, r, k]
    return combined
