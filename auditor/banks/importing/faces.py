"""Face sets. The labels are perceptions of annotators or programs, not facts about persons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from auditor.banks.importing.rows import (
    Options,
    Row,
    Table,
    age_band,
    safe_name,
    table_lines,
    table_of,
    text_lines,
)
from auditor.errors import InputError
from auditor.images.decode import left_out, scan_images
from auditor.records import Skipped

ADULT = 18
_UTK_GENDER = {"0": "man", "1": "woman"}
_UTK_RACE = {"0": "white", "1": "black", "2": "asian", "3": "indian", "4": "other"}


def utkface(source: Path, options: Options) -> Table:
    """UTKFace: ``[age]_[gender]_[race]_[date&time].jpg``, in one folder or in several parts.

    Raises:
        InputError: no file is named in that way.
    """
    paths, refused = scan_images(source)
    named = (_named(path.relative_to(source).as_posix(), options) for path in paths)
    none = f"{source}: no image is named age_gender_race_date, as in UTKFace"
    return table_of([*refused, *named], none=none)


def _named(file: str, options: Options) -> Row | Skipped:
    named = re.match(r"^(\d{1,3})_([01])_([0-4])_(\d{8,})\.", file.rpartition("/")[2])
    if not named:
        return left_out(file, "not named age_gender_race_date with gender 0-1 and race 0-4")
    age = int(named[1])
    if options.adults_only and age < ADULT:
        return left_out(file, f"labelled {age} years, adults only")
    labels = {"gender": _UTK_GENDER[named[2]], "race": _UTK_RACE[named[3]]}
    covariates = {"age": float(age), "age band": age_band(age), "source": named[4][:8]}
    return Row(file=file, labels=labels, covariates=covariates, where=file)


_FAIRFACE_TABLES = ("fairface_label_train.csv", "fairface_label_val.csv")
_FAIRFACE_AGES = {"0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"}
FAIRFACE_MINORS = {"0-2", "3-9", "10-19"}
"""Age bands of FairFace that hold, or may hold, images labelled younger than 18."""


def fairface(source: Path, options: Options) -> Table:
    """FairFace: ``fairface_label_{train,val}.csv`` with file, age, gender, race.

    Raises:
        InputError: no table, or an unknown value, with file and line.
    """
    tables = [source / name for name in _FAIRFACE_TABLES if (source / name).is_file()]
    if not tables:
        raise InputError(f"{source}: none of {' and '.join(_FAIRFACE_TABLES)}, as in FairFace")
    lines = (
        line for table in tables for line in table_lines(table, columns=("file", "age", "gender", "race"))
    )
    found = (_rated(cells, options, where) for where, cells in lines)
    return table_of(found, none=f"{source}: the tables name no adult")


def _rated(cells: Mapping[str, str], options: Options, where: str) -> Row | Skipped:
    file, age = safe_name(cells["file"], where=where), cells["age"]
    gender = {"Male": "man", "Female": "woman"}.get(cells["gender"])
    if gender is None:
        raise InputError(f"{where}: gender '{cells['gender']}', need Male or Female")
    if age not in _FAIRFACE_AGES:
        raise InputError(f"{where}: age '{age}', need one of {', '.join(sorted(_FAIRFACE_AGES))}")
    if options.adults_only and age in FAIRFACE_MINORS:
        return left_out(file, f"labelled {age} years, adults only")
    labels = {"gender": gender, "race": cells["race"].lower().replace("_", " ")}
    band = "70 and over" if age == "more than 70" else age
    return Row(file=file, labels=labels, covariates={"age band": band}, where=where)


_LFW_FOLDERS = ("lfw", "lfw_funneled", "lfw-deepfunneled", "lfw-py/lfw_funneled")
_LFW_RACES = ("White", "Black", "Asian", "Indian")


def lfw(source: Path, options: Options) -> Table:
    """LFW with ``lfw_attributes.txt`` (Kumar et al. 2009): scores of classifiers, positive for yes.

    Raises:
        InputError: no attribute file, or a malformed line, with file and line.
    """
    table = source / "lfw_attributes.txt"
    folder = next((f"{name}/" for name in _LFW_FOLDERS if (source / name).is_dir()), "")
    found: list[Row | Skipped] = []
    header: list[str] = []
    for where, text in text_lines(table):
        if text.startswith("#"):
            cells = text.lstrip("#").strip().split("\t")
            header = cells if "person" in cells else header
            continue
        cells = text.split("\t")
        if not header or len(cells) != len(header):
            needed = len(header) or "a header line with person"
            raise InputError(f"{where}: {len(cells)} columns, need {needed}")
        found.append(_scored(folder, dict(zip(header, cells, strict=True)), options, where))
    return table_of(found, none=f"{table}: names no adult")


def _scored(folder: str, cells: Mapping[str, str], options: Options, where: str) -> Row | Skipped:
    try:
        person, number = cells["person"].replace(" ", "_"), int(cells["imagenum"])
        score = {name: float(cell) for name, cell in cells.items() if name not in ("person", "imagenum")}
        male = score["Male"]
    except (KeyError, ValueError) as error:
        raise InputError(f"{where}: not an attribute line ({error})") from error
    file = safe_name(f"{folder}{person}/{person}_{number:04d}.jpg", where=where)
    if options.adults_only and max(score.get("Baby", -1.0), score.get("Child", -1.0)) > 0:
        return left_out(file, "scored as baby or child, adults only")
    labels = {"gender": "man" if male > 0 else "woman"}
    race = max((race for race in _LFW_RACES if race in score), key=lambda race: score[race], default="")
    if race and score[race] > 0:
        labels["race"] = race.lower()
    older = next((name for name in ("Senior", "Middle Aged") if score.get(name, -1.0) > 0), "younger adult")
    covariates: dict[str, str | float] = {"age band": older.lower(), "cluster": person}
    return Row(file=file, labels=labels, covariates=covariates, where=where)


def celeba(source: Path, options: Options) -> Table:
    """CelebA: ``list_attr_celeba.txt`` (or the same as csv) and ``img_align_celeba``.

    The set labels no race and no age in years; ``Young`` becomes the age band. Minors cannot be recognised.
    Where ``identity_CelebA.txt`` lies beside it, pictures of one person form a cluster.

    Raises:
        InputError: no attribute file, or a malformed line, with file and line.
    """
    folder = "img_align_celeba"
    if (source / folder / folder).is_dir():  # as in a well-known mirror's archive
        folder = f"{folder}/{folder}"
    people = _identities(source / "identity_CelebA.txt")
    text, comma = source / "list_attr_celeba.txt", source / "list_attr_celeba.csv"
    if comma.is_file() and not text.is_file():
        table, lines = comma, table_lines(comma, columns=("image_id", "Male", "Young"))
    else:
        table, lines = text, _attribute_lines(text)
    rows = (_celeb(folder, cells, people, where) for where, cells in lines)
    return table_of(rows, none=f"{table}: names no image")


def _attribute_lines(table: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """CelebA's own table: the number of images, the attributes' names, then a line for each image."""
    header: list[str] = []
    for number, (where, content) in enumerate(text_lines(table)):
        words = content.split()
        if number == 0:
            if len(words) != 1 or not words[0].isdigit():
                raise InputError(f"{where}: '{content[:40]}', need the number of images")
        elif number == 1:
            header = ["image_id", *words]
            for needed in ("Male", "Young"):
                if needed not in header:
                    raise InputError(f"{where}: no attribute '{needed}'")
        elif len(words) != len(header):
            raise InputError(f"{where}: {len(words)} columns, need {len(header)}")
        else:
            yield where, dict(zip(header, words, strict=True))


def _celeb(folder: str, cells: Mapping[str, str], people: Mapping[str, str], where: str) -> Row:
    male, young = cells["Male"], cells["Young"]
    if male not in ("1", "-1") or young not in ("1", "-1"):
        raise InputError(f"{where}: Male {male}, Young {young}; need 1 or -1")
    name = safe_name(cells["image_id"], where=where)
    covariates: dict[str, str | float] = {"age band": "young" if young == "1" else "not young"}
    if person := people.get(name.rpartition("/")[2]):
        covariates["cluster"] = person
    labels = {"gender": "man" if male == "1" else "woman"}
    return Row(file=f"{folder}/{name}", labels=labels, covariates=covariates, where=where)


def _identities(path: Path) -> dict[str, str]:
    """Image name to number of the person; empty without the file."""
    people = {}
    for where, content in text_lines(path) if path.is_file() else ():
        words = content.split()
        if len(words) != 2:
            raise InputError(f"{where}: '{content[:40]}', need an image and the number of a person")
        people[words[0]] = words[1]
    return people
