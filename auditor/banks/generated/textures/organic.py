"""Textures without a lattice: marble, leaves, skin, foam, hair."""

from __future__ import annotations

import numpy as np

from auditor.banks.generated.textures.canvas import (
    Canvas,
    Surface,
    blurred,
    by_key,
    centred,
    line,
    scatter,
    step,
    streaks,
)


def marbled(canvas: Canvas) -> Surface:
    """Clouded stone with wandering veins."""
    rng = canvas.rng
    warp = canvas.noise(2.5, octaves=4)
    flow = canvas.x * np.float32(rng.uniform(2, 4) * canvas.zoom) + np.float32(0.8) * warp
    veins = 1 - np.abs(np.sin(np.pi * (flow + 0.25 * canvas.noise(5, octaves=4))))
    fine = 1 - np.clip(np.abs(canvas.noise(3, octaves=5, gain=0.6)) * 5, 0, 1)
    cloud = 0.12 * canvas.noise(3, octaves=4, gain=0.6) + 0.1 * warp
    mask = np.clip(0.6 + 0.5 * canvas.noise(2), 0, 1)
    halo = 0.3 * veins**2
    return Surface(mix=0.15 + cloud + (halo + 0.5 * veins**6) * mask + 0.35 * fine, gloss=0.15)


def veined(canvas: Canvas) -> Surface:
    """A leaf's ribs: one main rib, side ribs that branch from it, a net between them."""
    rng = canvas.rng
    x = canvas.x + np.float32(rng.uniform(-0.2, 0.2)) + np.float32(rng.uniform(-0.35, 0.35)) * canvas.y**2
    n = rng.uniform(5.5, 9) * canvas.zoom
    away = np.abs(x)
    side = x > 0
    rise = np.float32(rng.uniform(0.6, 1.1))
    bend = np.float32(rng.uniform(0.1, 0.6))
    shift = np.where(side, np.float32(0.5), np.float32(0))
    phase = (canvas.y + rise * away - bend * away**2) * np.float32(n) + shift
    phase = phase + np.float32(0.06) * canvas.noise(5)
    px = canvas.size
    taper = np.clip(1.2 - away, 0.3, 1)
    main = line(x * px, rng.uniform(5, 9), 2.0)
    ribs = line(centred(phase) * np.float32(px / n), 3.2 * taper, 1.2)
    u, v, pitch = canvas.cells(rng.uniform(22, 30))
    net = 1 - step(0.05, 1.0 / pitch, scatter(rng, u, v).border())
    coarse = scatter(rng, u * np.float32(0.42), v * np.float32(0.42)).border()
    net = np.maximum(0.45 * net, 0.7 * (1 - step(0.03, 0.5 / pitch, coarse)))
    veins = np.maximum(np.maximum(main, ribs), net)
    dome = np.abs(centred(phase + np.float32(0.5)))
    height = 3.5 * main + 2.4 * ribs + 0.9 * net + 0.25 * px / n * -dome
    return Surface(mix=veins.astype(np.float32), height=blurred(height, 0.8), gloss=0.2)


def blotchy(canvas: Canvas) -> Surface:
    """Irregular patches of colour with soft, ragged edges."""
    rng = canvas.rng
    n = 4.5 * canvas.zoom
    patches = canvas.noise(n, octaves=4, gain=0.45)
    second = canvas.noise(n * 1.4, octaves=4, gain=0.45)
    mix = 0.75 * step(0.35, rng.uniform(0.08, 0.3), patches) + 0.35 * step(0.6, 0.2, second)
    return Surface(mix=mix.astype(np.float32) + 0.04 * canvas.noise(12, octaves=2))


def fibrous(canvas: Canvas) -> Surface:
    """Fine threads or hairs that lie roughly side by side."""
    rng = canvas.rng
    px = np.float32(canvas.size * canvas.zoom)
    drift = np.float32(rng.uniform(0.02, 0.07))
    height = np.zeros_like(canvas.x)
    tone = np.zeros_like(canvas.x)
    for layer in range(3):
        bend = drift * canvas.noise(3, octaves=2) + np.float32(rng.uniform(-0.12, 0.12)) * canvas.x
        across = (canvas.y + bend) * px * np.float32(0.45 + 0.3 * layer)
        hairs = streaks(rng, canvas.x * px, across, length=40)
        over = hairs > 0.2
        height = np.where(over, 1.6 * hairs + 0.5 * layer, height)
        tone = np.where(over, 0.28 * hairs + 0.1 * layer, tone * 0.85)
    return Surface(mix=tone.astype(np.float32) + 0.2, height=height, gloss=rng.uniform(0, 0.2))


def bubbly(canvas: Canvas) -> Surface:
    """Round bubbles of many sizes, with thin bright rims and highlights."""
    rng = canvas.rng
    size = canvas.size
    height = np.zeros((size, size), np.float32)
    mix = np.clip(0.3 + 0.1 * canvas.noise(4), 0, 1)
    light = np.full((size, size), 0.7, np.float32)
    largest = rng.uniform(0.1, 0.17) / canvas.zoom
    radii = np.sort(largest * size * rng.uniform(0.12, 1, int(rng.integers(110, 170))) ** 1.6)[::-1] + 3
    for radius in radii:
        cx, cy = rng.uniform(-0.05, 1.05, 2) * size
        x0, x1 = max(0, int(cx - radius)), min(size, int(cx + radius) + 2)
        y0, y1 = max(0, int(cy - radius)), min(size, int(cy + radius) + 2)
        if x0 >= x1 or y0 >= y1:
            continue
        yy, xx = np.ogrid[y0:y1, x0:x1]
        d = np.sqrt((xx - cx) ** 2 + (yy - cy) ** 2).astype(np.float32) / np.float32(radius)
        inside = np.clip((1 - d) * radius, 0, 1)
        dome = np.sqrt(np.clip(1 - d * d, 0, 1))
        rim = np.clip(d, 0, 1) ** 6
        part = np.s_[y0:y1, x0:x1]
        height[part] = np.where(inside > 0, 0.75 * radius * dome, height[part])
        mix[part] += inside * (0.2 + 0.7 * rim - mix[part] * 0.7)
        light[part] += inside * ((0.62 + 0.2 * d + 0.35 * rim - 0.5 * (d > 1 - 1.6 / radius)) - light[part])
    return Surface(mix=mix, height=height, light=light, gloss=0.8)


def bumpy(canvas: Canvas) -> Surface:
    """Closely set rounded bumps."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(7, 12))
    u, v = u + np.float32(0.12) * canvas.noise(6), v + np.float32(0.12) * canvas.noise(6)
    bumps = scatter(rng, u, v, jitter=0.7)
    tall = by_key(rng, bumps, low=0.7, high=1)
    dome = np.sqrt(np.clip(1 - (bumps.nearest / 0.78) ** 2, 0, 1)) * step(0.0, 0.14, bumps.border() - 0.05)
    height = 0.55 * pitch * tall * dome
    light = 0.4 + 0.6 * dome
    tone = 0.15 * tall + 0.3 * dome + 0.05 * canvas.noise(20, octaves=2)
    return Surface(mix=tone.astype(np.float32), height=height, light=light, gloss=0.3)


def porous(canvas: Canvas) -> Surface:
    """Full of small round holes of different sizes, like a sponge."""
    rng = canvas.rng
    light = np.ones_like(canvas.x)
    height = 0.8 * canvas.noise(30, octaves=2)
    for across, share in ((rng.uniform(7, 10), 0.9), (rng.uniform(15, 20), 0.75), (rng.uniform(30, 36), 0.6)):
        u, v, pitch = canvas.cells(across)
        u, v = u + np.float32(0.1) * canvas.noise(12), v + np.float32(0.1) * canvas.noise(12)
        holes = scatter(rng, u, v, jitter=0.8)
        radius = by_key(rng, holes, low=0.12, high=0.42) * (by_key(rng, holes) < share)
        hole = 1 - step(radius, 1.0 / pitch, holes.nearest)
        light = light * (1 - 0.85 * hole)
        height = height - 0.3 * pitch * hole
    return Surface(mix=0.2 + 0.5 * (1 - light), height=blurred(height, 0.7), light=light)


def wrinkled(canvas: Canvas) -> Surface:
    """Cloth, skin or paper with irregular creases and folds."""
    n = 3.2 * canvas.zoom
    height = np.zeros_like(canvas.x)
    for octave in range(4):
        ridge = np.abs(canvas.noise(n * 1.9**octave))
        height += np.float32(13 * 0.55**octave) * np.minimum(ridge, 1.2)
    crease = 1 - np.clip(np.abs(canvas.noise(n * 1.5)) * 6, 0, 1)
    height = height - 1.5 * crease
    return Surface(mix=0.3 + 0.02 * height, height=blurred(height, 0.8))
