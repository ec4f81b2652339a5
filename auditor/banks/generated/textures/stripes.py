"""Textures made of lines that run side by side."""

from __future__ import annotations

import numpy as np

from auditor.banks.generated.textures.canvas import (
    Canvas,
    Field,
    Surface,
    blurred,
    centred,
    line,
    per_cell,
    step,
    streaks,
    triangle,
)


def _alternate(phase: Field, soft: float | Field, *, share: float = 0.5) -> Field:
    """0 and 1 in turn along ``phase`` (period 1), the ones taking ``share`` of it."""
    return line(centred(phase), share, soft)


def _uneven(rng: np.random.Generator, x: Field, *, spread: float) -> Field:
    """A monotonous distortion of ``x`` that makes unit intervals unequally wide."""
    widths = np.exp(rng.normal(0, spread, 192))
    ends = np.concatenate([[0], np.cumsum(widths)])
    ends *= 192 / ends[-1]
    return np.interp(x, ends, np.arange(193)).astype(np.float32)


def banded(canvas: Canvas) -> Surface:
    """Broad bands of two colours side by side."""
    rng = canvas.rng
    u, _, pitch = canvas.cells(rng.uniform(5, 9))
    u = u + np.float32(rng.uniform(0, 0.5)) * canvas.noise(2.5, octaves=2)
    u = _uneven(rng, u, spread=rng.uniform(0.05, 0.3))
    mix = _alternate(u, 0.7 / pitch, share=rng.uniform(0.4, 0.6))
    return Surface(mix=mix + per_cell(rng, 2 * u, low=-0.06, high=0.06))


def zigzagged(canvas: Canvas) -> Surface:
    """Bands that turn sharply to and fro."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(5, 9))
    period = rng.uniform(1.2, 2.2)
    phase = v + np.float32(rng.uniform(0.45, 0.7) * period) * triangle(u / np.float32(period))
    return Surface(mix=_alternate(phase, 0.9 / pitch, share=rng.uniform(0.4, 0.6)))


def grooved(canvas: Canvas) -> Surface:
    """Long narrow channels cut side by side into a surface."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(8, 14))
    d = np.abs(centred(u))
    channel = 1 - step(rng.uniform(0.14, 0.22), 0.09, d)
    rounded = np.cos(np.pi * d) * rng.uniform(0, 0.2)
    height = pitch * (-0.38 * channel - rounded)
    light = 1 - 0.6 * channel
    tone = 0.1 * streaks(rng, v * pitch, u * pitch) + 0.5 * channel
    return Surface(mix=tone, height=height, light=light, gloss=0.15)


def pleated(canvas: Canvas) -> Surface:
    """Cloth or paper folded into sharp parallel pleats."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(5, 9))
    u = _uneven(rng, u, spread=0.12) + np.float32(0.04) * canvas.noise(4)
    lean = np.float32(rng.uniform(0.55, 0.85))
    f = u - np.floor(u)
    fold = np.where(f < lean, f / lean, (1 - f) / (1 - lean))
    height = blurred(0.55 * pitch * fold, 1.0)
    tone = 0.25 * fold + 0.08 * streaks(rng, v * pitch, u * pitch, length=10)
    return Surface(mix=tone.astype(np.float32), height=height, light=0.55 + 0.45 * fold)


def spiralled(canvas: Canvas) -> Surface:
    """A line that winds around a centre, further out with every turn."""
    rng = canvas.rng
    cx, cy = rng.uniform(-0.16, 0.16, 2)
    dx, dy = canvas.x - np.float32(cx), canvas.y - np.float32(cy)
    r, angle = np.hypot(dx, dy), np.arctan2(dy, dx) / np.float32(2 * np.pi)
    arms = int(rng.choice([1, 1, 2, 3]))
    handed = rng.choice([-1, 1])
    turns = rng.uniform(5.5, 9) * canvas.zoom
    if rng.uniform() < 0.5:
        radial, local = r * turns, turns / canvas.size
    else:  # logarithmic, like a shell
        rate = turns / 5
        radial, local = rate * np.log2(r + 0.02) * 1.6, rate * 2.3 / (r + 0.02) / canvas.size
    phase = radial.astype(np.float32) + np.float32(handed * arms) * angle
    soft = np.clip(1.0 * np.asarray(local, np.float32) + 0 * r, 0.01, 0.5)
    mix = _alternate(phase, soft, share=rng.uniform(0.35, 0.6))
    relief = 0.35 / np.maximum(np.asarray(local, np.float32), 1 / 40)
    height = relief * rng.uniform(0, 0.8) * np.cos(2 * np.pi * phase) * -0.5
    return Surface(mix=mix, height=height, gloss=0.2)


def swirly(canvas: Canvas) -> Surface:
    """Soft streams of colour that curl around many centres."""
    rng = canvas.rng
    x, y = canvas.x.copy(), canvas.y.copy()
    for _ in range(int(rng.integers(5, 9))):
        cx, cy = rng.uniform(-0.5, 0.5, 2).astype(np.float32)
        dx, dy = x - cx, y - cy
        strength = np.float32(rng.choice([-1, 1]) * rng.uniform(3, 6))
        turn = strength * np.exp(-(dx * dx + dy * dy) / np.float32(rng.uniform(0.1, 0.2) ** 2))
        c, s = np.cos(turn), np.sin(turn)
        x, y = cx + c * dx - s * dy, cy + s * dx + c * dy
    phase = x * np.float32(rng.uniform(4, 7) * canvas.zoom)
    fade = 1 - np.clip(3 * np.hypot(*np.gradient(phase)) - 0.6, 0, 1)  # lines too close to be told apart
    wave = np.sin(2 * np.pi * phase) + np.float32(0.5) * np.sin(4 * np.pi * phase + rng.uniform(0, 6))
    mix = 0.5 + 0.33 * wave * fade + 0.08 * canvas.noise(3)
    return Surface(mix=mix.astype(np.float32), height=1.6 * wave * fade, gloss=0.1)


def stratified(canvas: Canvas) -> Surface:
    """Uneven layers on top of one another, like rock."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(9, 14))
    v = v + np.float32(0.35) * canvas.noise(3, octaves=2) + np.float32(0.07) * canvas.noise(14, octaves=3)
    v = _uneven(rng, v, spread=0.75)
    layer = per_cell(rng, v)
    thin = per_cell(rng, 3 * v, low=-0.15, high=0.15)
    grain = streaks(rng, u * pitch, v * pitch * 0.9, length=14)
    ledge = per_cell(rng, v + np.float32(17), low=-1, high=1)
    height = blurred(0.3 * pitch * ledge + 0.7 * grain, 1.0)
    height = height + 1.1 * canvas.noise(20, octaves=3)
    seam = line(centred(v + np.float32(0.5)), 0.12, 0.08)
    return Surface(mix=np.clip(layer + thin + 0.08 * grain, 0, 1), height=height, light=1 - 0.4 * seam)


def crosshatched(canvas: Canvas) -> Surface:
    """Pen strokes in two or three directions across one another."""
    rng = canvas.rng
    angle = rng.uniform(0.9, 1.6)
    ink = np.zeros_like(canvas.x)
    turns = [0.0, angle] if rng.uniform() < 0.6 else [0.0, angle, angle / 2]
    for turn in turns:
        c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        n = rng.uniform(17, 24) * canvas.zoom
        pitch = canvas.size / n
        across = (c * canvas.x + s * canvas.y) * np.float32(n) + 64
        along = (-s * canvas.x + c * canvas.y) * np.float32(n) + 64
        across = across + np.float32(0.1) * canvas.noise(5)
        pieces = along / np.float32(rng.uniform(8, 14)) + per_cell(rng, across)
        pressure = per_cell(rng, across, pieces, low=0.55, high=1)
        ends = step(0.05, 0.05, 0.5 - np.abs(centred(pieces)))
        shadow = np.clip(0.85 + 0.35 * canvas.noise(2), 0.3, 1.1)
        width = 0.34 * pressure * shadow
        ink = np.maximum(ink, pressure * ends * line(centred(across), width, 0.7 / pitch))
    return Surface(mix=ink.astype(np.float32))
