"""Colours: CIE Lab and sRGB to linear light, and the hair colours."""

from __future__ import annotations

import numpy as np

from scripts.rendered_people.arrays import Floats

_WHITE = np.array([0.95047, 1.0, 1.08883])
_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])


def from_lab(lightness: float, red: float, yellow: float) -> Floats:
    """Linear RGB of a CIE Lab colour."""
    middle = (lightness + 16) / 116
    share = np.array([middle + red / 500, middle, middle - yellow / 200])
    xyz = np.where(share > 6 / 29, share**3, 3 * (6 / 29) ** 2 * (share - 4 / 29)) * _WHITE
    return np.clip(_TO_RGB @ xyz, 0.004, 1)


def from_srgb(*values: float) -> Floats:
    """Linear RGB of an sRGB colour given from 0 to 255."""
    share = np.asarray(values, dtype=np.float64) / 255
    return np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)


def to_srgb(linear: Floats) -> Floats:
    """SRGB from 0 to 1."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)


HAIR = {
    "black": from_srgb(30, 26, 25),
    "dark-brown": from_srgb(52, 38, 30),
    "brown": from_srgb(82, 57, 41),
    "light-brown": from_srgb(120, 86, 58),
    "auburn": from_srgb(110, 58, 36),
    "red": from_srgb(142, 74, 40),
    "dark-blond": from_srgb(150, 116, 76),
    "blond": from_srgb(188, 152, 104),
    "grey": from_srgb(150, 146, 142),
    "white": from_srgb(198, 196, 192),
}

IRIS = {
    "brown": from_srgb(86, 54, 32),
    "dark-brown": from_srgb(52, 33, 22),
    "hazel": from_srgb(112, 84, 46),
    "green": from_srgb(96, 106, 72),
    "blue": from_srgb(96, 124, 146),
    "grey": from_srgb(112, 120, 124),
}
