"""The banks' tables: ``labels.csv`` for readers and ``bank.lock.json`` for auditor.

Run ``python -m scripts.rendered_people.bank --out concept_banks`` after rendering.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from pathlib import Path

from auditor.banks.lock import FILE_NAME, Lock, LockedImage
from auditor.banks.measure import measured
from scripts.rendered_people.identity import (
    GROUPS,
    Identity,
    hair_colour_of,
    identity,
    picture_of,
    shape_of,
    tone_of,
)
from scripts.rendered_people.styling import STYLINGS, styling_of

COLUMNS = ("image", "identity", "style_set", "crop", "hair", "clothes", "pose", "light", "skin")


def main() -> None:
    """Reads the command line and writes the tables of both banks."""
    parser = argparse.ArgumentParser(prog="python -m scripts.rendered_people.bank", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the banks")
    out = parser.parse_args().out
    for bank, concepts in (("presentation", STYLINGS), ("appearance", GROUPS)):
        count = write_tables(out / bank, concepts)
        print(f"{bank}: {count} images")


def write_tables(folder: Path, concepts: tuple[str, ...]) -> int:
    """Writes the tables of a bank from its images, and says how many there are."""
    rows, images = [], []
    for concept in concepts:
        for path in sorted((folder / "images" / concept).glob("*.jpg")):
            stem, _, crop = path.stem.partition("-")
            who = identity(int(stem[1:]))
            row = {"image": path.relative_to(folder).as_posix(), **_about(who, concept), "crop": crop}
            rows.append(row)
            images.append(_locked(path, folder, row, concept))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    lock = Lock(importer="csv", root=".", images=images)
    lines = ",\n".join(json.dumps(image.model_dump(), ensure_ascii=False) for image in lock.images)
    head = json.dumps(lock.model_dump(exclude={"images", "left_out"}), ensure_ascii=False)[:-1]
    (folder / FILE_NAME).write_text(f'{head}, "images": [\n{lines}\n], "left_out": []}}\n', encoding="utf-8")
    return len(rows)


def _about(who: Identity, concept: str) -> dict[str, str]:
    group = concept if concept in GROUPS else who.own_group
    styling = styling_of(who.style_set, concept if concept in STYLINGS else who.own_styling, group)
    picture = picture_of(who)
    turn = shape_of(who, group, []).head_turn
    colour, _ = hair_colour_of(who, group)
    angle = tone_of(who, group).typology_angle
    return {
        "identity": who.name,
        "style_set": f"s{who.style_set:02d}",
        "hair": f"{styling.hair.family} {colour}",
        "clothes": styling.outfit.kind,
        "pose": f"yaw {round(turn[0] - picture.yaw):+d} pitch {round(turn[1]):+d}",
        "light": picture.light_name,
        "skin": f"{group.removeprefix('rendered-')} ITA {round(angle):+d}",
    }


def _locked(path: Path, folder: Path, row: dict[str, str], concept: str) -> LockedImage:
    measures = measured(path.read_bytes())
    mask = folder / "masks" / concept / f"{path.stem}.png"
    covariates: dict[str, str | float] = {k: v for k, v in row.items() if k != "image"}
    return LockedImage(
        file=row["image"],
        sha256=measures.sha256,
        labels={"concept": concept},
        covariates=covariates,
        width=measures.width,
        height=measures.height,
        brightness=measures.brightness,
        contrast=measures.contrast,
        sharpness=measures.sharpness,
        dhash=measures.dhash,
        mask=mask.relative_to(folder).as_posix() if mask.is_file() else "",
        mask_sha256=hashlib.sha256(mask.read_bytes()).hexdigest() if mask.is_file() else "",
    )


if __name__ == "__main__":
    main()
