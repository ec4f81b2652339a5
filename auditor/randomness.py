"""Every purpose has a random stream of its own, so that one more draw for one moves no other number."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *purpose: str | int) -> np.random.Generator:
    """The generator for one purpose, named by words and numbers: ``stream(0, "contrast", "apron", 411)``.

    The same seed and purpose give the same draws on every machine; any other purpose gives others.
    """
    text = "\0".join([str(seed), *map(str, purpose)])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A seed for one purpose, for generators other than NumPy's; 0 to 2**31 - 1."""
    return int(stream(seed, *purpose).integers(2**31))
