"""Contact sheets of both banks.

Run ``python -m scripts.rendered_people.sheet --banks concept_banks --out docs/images``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from scripts.rendered_people.identity import GROUPS
from scripts.rendered_people.styling import STYLINGS

TILE = 128


def main() -> None:
    """Reads the command line and writes the sheets."""
    parser = argparse.ArgumentParser(prog="python -m scripts.rendered_people.sheet", description=__doc__)
    parser.add_argument("--banks", type=Path, required=True, help="folder of the banks")
    parser.add_argument("--out", type=Path, required=True, help="folder of the sheets")
    choice = parser.parse_args()
    for bank, concepts, across, rows in (("presentation", STYLINGS, 6, 6), ("appearance", GROUPS, 4, 6)):
        sheet = sheet_of(choice.banks / bank / "images", concepts, across, rows)
        sheet.save(choice.out / f"{bank}-sheet.jpg", quality=82, optimize=True)


def sheet_of(images: Path, concepts: tuple[str, ...], across: int, rows: int) -> Image.Image:
    """Rows of persons, each as the bank's groups side by side; heads and busts in turn."""
    names = sorted({path.name.partition("-")[0] for path in (images / concepts[0]).glob("*.jpg")})
    wanted = across * rows
    chosen = [names[k * len(names) // wanted] for k in range(wanted)]
    gap = 6
    width = across * (len(concepts) * TILE + gap) - gap
    sheet = Image.new("RGB", (width, rows * (TILE + gap) - gap), "white")
    for k, name in enumerate(chosen):
        left = (k % across) * (len(concepts) * TILE + gap)
        crop = ("bust", "head")[(k + k // across) % 2]
        for number, concept in enumerate(concepts):
            with Image.open(images / concept / f"{name}-{crop}.jpg") as picture:
                small = picture.resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(small, (left + number * TILE, k // across * (TILE + gap)))
    return sheet


if __name__ == "__main__":
    main()
