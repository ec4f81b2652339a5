"""Textures made of threads and strips that pass over and under one another."""

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
)


def _tube(d: Field, width: float) -> Field:
    """Cross-section of a round thread, 1 on its back and 0 at ``width`` / 2 and beyond."""
    return np.asarray(np.sqrt(np.clip(1 - (2 * d / np.float32(width)) ** 2, 0, 1)), np.float32)


def woven(canvas: Canvas) -> Surface:
    """Two sets of strips that pass over and under each other at right angles."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(7, 12))
    width = rng.uniform(0.86, 0.98)
    fu, fv = centred(u), centred(v)
    iu, iv = np.floor(u), np.floor(v)
    wave = 0.5 * rng.uniform(0.7, 1)
    rise_u, rise_v = wave * np.cos(np.pi * (v - 0.5 + iu)), -wave * np.cos(np.pi * (u - 0.5 + iv))
    warp = _tube(fu, width) * 0.5 + np.where(np.abs(fu) < width / 2, rise_u, -2)
    weft = _tube(fv, width) * 0.5 + np.where(np.abs(fv) < width / 2, rise_v, -2)
    over = warp > weft
    top = np.clip(np.maximum(warp, weft), -0.6, None)
    along, aside = (streaks(rng, *way, length=6) for way in ((v * pitch, u * pitch), (u * pitch, v * pitch)))
    fibre = np.where(over, along, aside)
    two_tone = rng.uniform(0, 1)
    tone_u, tone_v = (per_cell(rng, cells, low=-0.1, high=0.1) for cells in (u, v))
    mix = 0.1 + 0.8 * np.where(over, tone_u, two_tone + tone_v) + 0.07 * fibre
    height = 0.42 * pitch * blurred(top, 0.6) + 0.35 * fibre
    light = np.clip(0.62 + 0.5 * top, 0.12, 1)
    return Surface(mix=mix.astype(np.float32), height=height, light=light, gloss=rng.uniform(0, 0.2))


def braided(canvas: Canvas) -> Surface:
    """Three strands plaited together, in one or more plaits side by side."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(2.0, 3.8))
    t = v * np.float32(2 * np.pi / rng.uniform(1.25, 1.7))
    x = centred(u)
    swing, half = np.float32(0.235), np.float32(rng.uniform(0.19, 0.23))
    top = np.full(u.shape, -1, np.float32)
    tone = np.zeros_like(u)
    hair = np.zeros_like(u)
    strand_tone = rng.uniform(0, 0.35, 3)
    lag = per_cell(rng, u, high=2 * np.pi)
    for strand in range(3):
        phase = t + lag + np.float32(2 * np.pi * strand / 3)
        slope = swing * np.cos(phase) * np.float32(2 * np.pi / 1.45)
        d = (x - swing * np.sin(phase)) / (half * np.sqrt(1 + 0.35 * slope**2))
        z = 0.5 * np.sin(2 * phase) + 0.75 * np.sqrt(np.clip(1 - d * d, 0, 1))
        here = (np.abs(d) < 1) & (z > top)
        top = np.where(here, z, top)
        tone = np.where(here, np.float32(strand_tone[strand]), tone)
        hair = np.where(here, streaks(rng, v * pitch, d * half * pitch * 1.2, length=30), hair)
    inside = top > -1
    height = blurred(np.where(inside, 0.16 * pitch * top, -0.12 * pitch), 0.7) + 0.5 * hair
    light = np.where(inside, np.clip(0.55 + 0.42 * top, 0.15, 1), 0.22)
    return Surface(
        mix=(tone + 0.13 * hair + np.where(inside, 0.1, 0.7)).astype(np.float32),
        height=height,
        light=blurred(light, 0.7),
        gloss=rng.uniform(0.1, 0.35),
    )


def knitted(canvas: Canvas) -> Surface:
    """Columns of yarn loops shaped like a V."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(6, 11), aspect=rng.uniform(0.75, 0.95))
    s = centred(u)
    leg = np.abs(s) - np.float32(0.25)
    phase = v - np.float32(1.25) * np.abs(s) + np.float32(0.05) * canvas.noise(8)
    f = centred(phase)
    across = np.clip(1 - (f / 0.52) ** 2, 0, 1)
    profile = np.sqrt(across) * np.sqrt(np.clip(1 - (leg / 0.275) ** 2, 0, 1))
    row_tone = per_cell(rng, phase) * rng.choice([0.1, 0.8], p=[0.6, 0.4])
    ply = np.cos(2 * np.pi * (2.6 * f + 1.6 * np.abs(s)))
    fuzz = canvas.noise(60, octaves=2, gain=0.8)
    profile = blurred(profile, 0.05 * pitch)  # stray hairs soften every edge
    height = 0.36 * pitch * profile + 0.035 * pitch * ply * profile + 0.7 * fuzz
    light = np.clip(0.38 + 0.7 * profile, 0, 1)
    return Surface(mix=(row_tone + 0.08 * ply + 0.09 * fuzz).astype(np.float32), height=height, light=light)


def meshed(canvas: Canvas) -> Surface:
    """Wires crossed into a net, with something far away behind it."""
    rng = canvas.rng
    u, v, pitch = canvas.cells(rng.uniform(5, 8.5))
    diamonds = rng.uniform() < 0.75
    a: Field = (u + v) * np.float32(0.7071) if diamonds else u
    b: Field = (u - v) * np.float32(0.7071) if diamonds else v
    width = rng.uniform(0.09, 0.15)
    sway = np.float32(rng.uniform(0, 0.03))  # a wire gives way a little where it is crossed
    da = centred(a + sway * np.cos(2 * np.pi * b))
    db = centred(b + sway * np.cos(2 * np.pi * a))
    lift_a = 0.5 * np.cos(np.pi * (b + np.floor(a)))
    lift_b = -0.5 * np.cos(np.pi * (a + np.floor(b)))
    za = np.where(np.abs(da) < width / 2, _tube(da, width) + lift_a, -2)
    zb = np.where(np.abs(db) < width / 2, _tube(db, width) + lift_b, -2)
    top = np.maximum(za, zb)
    wire = blurred(top > -2, 0.5)
    height = np.where(top > -2, 0.55 * width * pitch * top, 0)
    behind = 0.45 + 0.22 * canvas.noise(3, octaves=2)
    return Surface(
        mix=(wire * 0.95 + (1 - wire) * 0.35 * behind).astype(np.float32),
        height=blurred(height, 0.5),
        light=wire + (1 - wire) * np.clip(behind, 0.1, 0.9),
        gloss=0.35,
    )


def cobwebbed(canvas: Canvas) -> Surface:
    """Fine threads that run out from a hub, joined by sagging rings."""
    rng = canvas.rng
    cx, cy = rng.uniform(-0.2, 0.2, 2)
    dx, dy = canvas.x - np.float32(cx), canvas.y - np.float32(cy)
    r = np.hypot(dx, dy)
    spokes = int(rng.integers(15, 26))
    gaps = rng.uniform(0.6, 1.4, spokes)
    ends = np.concatenate([[0], np.cumsum(gaps)]) / gaps.sum()
    angle = (np.arctan2(dy, dx) / (2 * np.pi)) % 1
    k = np.clip(np.searchsorted(ends, angle, side="right") - 1, 0, spokes - 1)
    share = ((angle - ends[k]) / (ends[k + 1] - ends[k])).astype(np.float32)
    arc = r * (ends[k + 1] - ends[k]).astype(np.float32) * np.float32(2 * np.pi * canvas.size)
    thread = rng.uniform(1.0, 1.9)
    radial = line(np.minimum(share, 1 - share) * arc, thread, 0.7)
    sag = rng.uniform(0.04, 0.14, spokes).astype(np.float32)[k]
    n = rng.uniform(15, 24) * canvas.zoom
    ring = r * (1 + sag * 4 * share * (1 - share)) * np.float32(n) + rng.uniform(-0.12, 0.12, spokes)[k]
    ring = ring - np.float32(rng.choice([-1, 1])) * angle
    strength = per_cell(rng, ring, k.astype(np.float32), low=0.25, high=1)
    apart = centred(ring.astype(np.float32)) * np.float32(canvas.size / n)
    rings = strength * line(apart, thread * 0.85, 0.7) * step(rng.uniform(0.03, 0.08), 0.01, r)
    web = np.maximum(radial * rng.uniform(0.75, 1), rings)
    glow = blurred(web, 2.0) * np.float32(0.4)
    lit = np.clip(0.8 + 0.3 * canvas.noise(2), 0.25, 1.2)
    behind = np.clip(0.22 + 0.12 * canvas.noise(2.5, octaves=2), 0.02, 1)
    # Threads catch light from behind: brighter than the backdrop whatever the colours are.
    light = behind * (1 - web) + (1.5 * web + glow) * lit
    return Surface(mix=(0.5 * canvas.noise(2) * 0.3 + 0.3 + 0.5 * web).astype(np.float32), light=light)
