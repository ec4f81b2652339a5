"""Copies of an image: the same bytes, or the same picture saved again, resized or recompressed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.banks.measure import Measures

MAX_BITS = 15
"""Hashes that differ in at most this many of 256 bits are compared pixel by pixel."""
MAX_DIFFERENCE = 0.035
"""Mean absolute difference of thumbnails, of a luminance of 0 to 1, up to which images are the same."""

_CHUNKS = 16  # 256 bits in 16 words: hashes that differ in 15 bits at most share a word


def near_duplicates(measures: Sequence[Measures]) -> dict[int, int]:
    """Position of a copy to the position of the first image that it is a copy of.

    A pair counts as one picture when the difference hashes agree (:data:`MAX_BITS`) and so do the
    32 x 32 thumbnails (:data:`MAX_DIFFERENCE`): aligned faces may share a hash although their pixels differ.
    """
    if not measures:
        return {}
    words = np.array([np.frombuffer(bytes.fromhex(m.dhash), ">u2") for m in measures])
    original: dict[int, int] = {}
    compared: set[tuple[int, int]] = set()
    for chunk in range(_CHUNKS):
        order = np.argsort(words[:, chunk], kind="stable")
        values = words[order, chunk]
        starts = np.flatnonzero(np.diff(values, prepend=-1.0))
        for start, end in zip(starts, [*starts[1:], len(values)], strict=True):
            if end - start > 1:
                for i, j in _alike(words, np.sort(order[start:end])):
                    if (i, j) not in compared:
                        compared.add((i, j))
                        if _same_picture(measures[i], measures[j]):
                            original[j] = min(i, original.get(j, i))
    for copy in sorted(original):  # a copy of a copy is a copy of the first
        while original[copy] in original:
            original[copy] = original[original[copy]]
    return original


def _alike(words: NDArray[np.uint16], members: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs (earlier, later) among ``members`` whose hashes differ in few bits."""
    pairs = []
    for at, i in enumerate(members[:-1]):
        later = members[at + 1 :]
        bits = np.bitwise_count(words[later] ^ words[i]).sum(axis=1)
        pairs += [(int(i), int(j)) for j in later[bits <= MAX_BITS]]
    return pairs


def _same_picture(a: Measures, b: Measures) -> bool:
    x, y = a.thumbnail - a.thumbnail.mean(), b.thumbnail - b.thumbnail.mean()
    flat = max(float(x.std()), float(y.std())) < 0.02  # an empty sheet hashes like any other
    if flat:
        return a.sha256 == b.sha256
    return float(np.abs(x - y).mean()) <= MAX_DIFFERENCE
