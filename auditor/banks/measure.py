"""Measurements of every image of a bank: checksum, size, light, sharpness, a perceptual hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.images.decode import decode_image
from auditor.images.technical import detail

HASH_SIDE = 16
"""The perceptual hash compares neighbours in a 17 x 16 thumbnail: 256 bits."""


@dataclass(frozen=True)
class Measures:
    """One image, in numbers."""

    sha256: str
    """Of the file's bytes."""
    width: int
    height: int
    brightness: float
    """Mean luminance, 0 to 1."""
    contrast: float
    """Standard deviation of the luminance, 0 to 0.5."""
    sharpness: float
    """Natural logarithm of the mean squared Laplacian of the luminance at 128 pixels, plus 1e-6."""
    dhash: str
    """Difference hash, 64 hexadecimal digits."""
    thumbnail: NDArray[np.float32]
    """[32, 32] luminance, 0 to 1; compared between images, not recorded."""


def measured(data: bytes) -> Measures:
    """Decodes and measures the bytes of an image file.

    Raises:
        InputError: cannot be decoded.
    """
    image = decode_image(data)
    grey = image.convert("L")
    luma = np.asarray(grey, np.float32) / 255
    return Measures(
        sha256=hashlib.sha256(data).hexdigest(),
        width=image.width,
        height=image.height,
        brightness=round(float(luma.mean()), 4),
        contrast=round(float(luma.std()), 4),
        sharpness=round(sharpness_of(grey), 4),
        dhash=difference_hash(grey),
        thumbnail=np.asarray(grey.resize((32, 32), Image.Resampling.BOX)).astype(np.float32)
        / np.float32(255),
    )


def sharpness_of(grey: Image.Image) -> float:
    """See :attr:`Measures.sharpness`. Measured at one size, so that it does not depend on the image's."""
    return detail(np.asarray(grey.resize((128, 128), Image.Resampling.BOX), np.float32) / 255)


def difference_hash(grey: Image.Image) -> str:
    """One bit for each pair of horizontal neighbours in a small thumbnail: is the right one brighter?"""
    small = np.asarray(grey.resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX), np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()
