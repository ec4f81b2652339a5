"""Face photographs that carry labels of perceived gender, from a folder beside the checkout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GROUPS = ("women", "men")
"""Images labelled with this perceived gender by the data set (its codes 1 and 0)."""

FACE_SIDE = 64


@dataclass(frozen=True)
class Faces:
    """Faces [n, FACE_SIDE, FACE_SIDE, 3], 8 bit, per group in GROUPS."""

    images: tuple[NDArray[np.uint8], NDArray[np.uint8]]

    def part(self, start: float, stop: float) -> Faces:
        """The faces between two shares of each group's list: parts that do not overlap share no photo."""
        cut = [group[int(start * len(group)) : int(stop * len(group))] for group in self.images]
        return Faces((cut[0], cut[1]))


def folder() -> Path | None:
    """``data/utkface`` under AUDITOR_SHARED or beside the checkout; None where absent."""
    roots = [Path(os.environ["AUDITOR_SHARED"])] if "AUDITOR_SHARED" in os.environ else []
    roots.append(Path(__file__).resolve().parents[3] / "shared")
    for root in roots:
        for path in (root / "data" / "utkface", root / "utkface"):
            if path.is_dir():
                return path
    return None


def load(path: Path, *, seed: int) -> Faces:
    """Adults of 18 to 60 years; file names are ``age_gender_race_date``; shuffled by ``seed``."""
    names: tuple[list[Path], list[Path]] = ([], [])
    for file in sorted(path.iterdir()):
        fields = file.name.split("_")
        if len(fields) < 4 or not fields[0].isdigit() or fields[1] not in ("0", "1"):
            continue
        if 18 <= int(fields[0]) <= 60:
            names[0 if fields[1] == "1" else 1].append(file)
    rng = np.random.default_rng([seed, 3])
    groups = []
    for group in names:
        pictures = []
        for i in rng.permutation(len(group)):
            with Image.open(group[i]) as image:
                pictures.append(np.asarray(image.convert("RGB").resize((FACE_SIDE, FACE_SIDE))))
        groups.append(np.stack(pictures))
    return Faces((groups[0], groups[1]))
