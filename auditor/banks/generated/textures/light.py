"""From a surface to a picture: colours, light, camera, and the same statistics for every texture.

Palette, light, shading, blur and noise are drawn from one distribution for every texture. So are the
brightness, contrast and colour that the finished picture is brought to. A texture therefore cannot be
recognised by how bright or colourful it is.
"""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from auditor.banks.generated.textures.canvas import Field, Surface, blurred, fractal

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def photograph(surface: Surface, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The surface in colour and light, [size, size, 3]."""
    size = surface.mix.shape[0]
    first, second = _palette(rng)
    grain = fractal(rng, size, 24, octaves=3, gain=0.7)
    mix = np.clip(surface.mix, 0, 1)
    stain = fractal(rng, size, 3, octaves=3)
    roughness, stains = rng.uniform(0.02, 0.07), rng.uniform(0.02, 0.08)
    uneven = 1 + roughness * grain + stains * stain
    shade, shine = _illumination(surface, grain, rng)
    # Colour by colour: three numbers a pixel would be gone through three at a time.
    planes = [
        (one * (1 - mix) + other * mix) * uneven * shade + shine
        for one, other in zip(first, second, strict=True)
    ]
    image = _camera(np.stack(planes).astype(np.float32), rng)
    return np.asarray(np.rint(_equalised(image, rng) * 255), np.uint8)


def _palette(rng: np.random.Generator) -> tuple[Field, Field]:
    """Two colours that differ in lightness, often in hue; their order is random.

    Hues as photos have them: earth and skin, sky and water, now and then any other.
    """
    hue = rng.choice([rng.normal(0.08, 0.04), rng.normal(0.58, 0.05), rng.uniform()], p=[0.5, 0.2, 0.3]) % 1
    other = hue + rng.normal(0, 0.08) if rng.uniform() < 0.6 else rng.uniform()
    dark = colorsys.hsv_to_rgb(hue, rng.uniform(0.1, 0.8), rng.uniform(0.12, 0.38))
    pale = colorsys.hsv_to_rgb(other % 1, rng.uniform(0.02, 0.6), rng.uniform(0.65, 0.95))
    pair = np.array([dark, pale], np.float32)
    return (pair[0], pair[1]) if rng.uniform() < 0.5 else (pair[1], pair[0])


def _illumination(surface: Surface, grain: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    """Diffuse light and highlights from one lamp, a bright sky, and cavities that get less of it."""
    size = surface.mix.shape[0]
    around, up = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(32, 62))
    lx, ly, lz = np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)
    side = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    gx, gy = rng.uniform(-0.5, 0.5, 2)
    lamp = 1 + np.float32(gx) * side[None, :] + np.float32(gy) * side[:, None]
    sky = np.float32(rng.uniform(0.25, 0.45))
    shine: Field = np.zeros((size, size), np.float32)
    open_sky: Field = np.ones((size, size), np.float32)
    rough = np.float32(rng.uniform(0.05, 0.3))
    if surface.slope is not None:
        sx, sy = surface.slope
    elif surface.height is not None:
        height = surface.height + rough * grain
        sy, sx = np.gradient(height)
        cavity = blurred(surface.height, size / 48) - surface.height
        open_sky = np.clip(1 - 0.06 * cavity, 0.25, 1.25).astype(np.float32)
    else:
        sy, sx = np.gradient(rough * grain)
    norm = 1 / np.sqrt(1 + sx * sx + sy * sy)
    facing = np.clip((-sx * lx - sy * ly + lz) * norm, 0, None)
    shade = lamp * (sky * open_sky + (1 - sky) * facing / np.float32(lz))
    if surface.gloss > 0:
        hx, hy, hz = lx, ly, lz + 1
        length = np.sqrt(hx * hx + hy * hy + hz * hz)
        half = np.clip((-sx * hx - sy * hy + hz) * norm / length, 0, 1)
        sharp = rng.uniform(18, 60)
        shine = (np.float32(surface.gloss) * lamp * half**sharp).astype(np.float32)
    if surface.light is not None:
        shade, shine = shade * surface.light, shine * surface.light
    return shade.astype(np.float32), shine


def _camera(image: Field, rng: np.random.Generator) -> Field:
    """[3, size, size] Blurred, with noise."""
    sigma = rng.uniform(0.35, 0.9)
    image = ndimage.gaussian_filter(image, (0, sigma, sigma), mode="nearest", truncate=2.5)
    noise = rng.standard_normal(image.shape[1:], dtype=np.float32)
    return image + np.float32(rng.uniform(0.004, 0.016)) * noise


def _equalised(image: Field, rng: np.random.Generator) -> Field:
    """[size, size, 3] Mean and spread of luminance, and mean and spread of colour, brought to drawn values.

    Clipping to the valid range moves them a little, so the correction is repeated.
    """
    mean, spread = np.float32(rng.uniform(0.38, 0.58)), np.float32(rng.uniform(0.15, 0.22))
    tint = rng.normal(0, 0.035, 3).astype(np.float32)
    tint -= tint @ _LUMA
    colour = np.float32(rng.uniform(0.02, 0.09))
    size = image.shape[1]
    rows = np.moveaxis(image, 0, -1).reshape(size, -1)  # [size, 3 size]: long rows are gone through fast
    for _ in range(2):
        pixels = rows.reshape(-1, 3)
        luma = pixels @ _LUMA
        chroma = rows - _thrice(luma, size)
        share = np.full(len(pixels), 1 / len(pixels), np.float32)
        chroma -= np.tile(share @ chroma.reshape(-1, 3), size)
        strength = np.float32(np.sqrt(np.vdot(chroma, chroma) / len(pixels)) + 1e-4)
        luma = mean + (luma - luma.mean()) * (spread / np.float32(luma.std() + 1e-6))
        rows = np.clip(_thrice(luma, size) + np.tile(tint, size) + chroma * (colour / strength), 0, 1)
    return rows.reshape(size, size, 3)


def _thrice(values: Field, size: int) -> Field:
    """[size, 3 size] each of the values for the three colours of its pixel."""
    return values.repeat(3).reshape(size, -1)
