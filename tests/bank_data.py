"""Made-up image sets: noise pictures, none a copy of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(path: Path, seed: int, *, size: int = 48, brightness: float = 0.5, **options: object) -> Path:
    """Smooth noise, different for every seed."""
    rng = np.random.default_rng(seed)
    small = rng.normal(brightness * 255, 50, (8, 8, 3)).clip(0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC).save(path, **options)
    return path


def folder_of_folders(root: Path, *, concepts: tuple[str, ...] = ("dots", "lines"), count: int = 4) -> Path:
    """``root/<concept>/<n>.png``."""
    for c, concept in enumerate(concepts):
        for i in range(count):
            picture(root / concept / f"{i:02d}.png", 1000 * c + i)
    return root
