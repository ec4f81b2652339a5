"""Face sets. The labels are perceptions of annotators or programs, not facts about persons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from auditor.banks.importing.rows import Options, Row, Table, age_band, not_utf8, safe_name, table_lines
from auditor.errors import InputError
from auditor.images.decode import scan_images
from auditor.records import Skipped

ADULT = 18
_UTK_GENDER = {"0": "man", "1": "woman"}
_UTK_RACE = {"0": "white", "1": "black", "2": "asian", "3": "indian", "4": "other"}


def utkface(source: Path, options: Options) -> Table:
    """UTKFace: ``[age]_[gender]_[race]_[date&time].jpg``, in one folder or in several parts.

    Raises:
        InputError: no file is named in that way.
    """
    paths, left_out = scan_images(source)
    rows = []
    for path in paths:
        file = path.relative_to(source).as_posix()
        named = re.match(r"^(\d{1,3})_([01])_([0-4])_(\d{8,})\.", path.name)
        if not named:
            reason = "not named age_gender_race_date with gender 0-1 and race 0-4"
            left_out.append(Skipped(what=f"image '{file}'", reason=reason))
            continue
        age = int(named[1])
        if options.adults_only and age < ADULT:
            left_out.append(Skipped(what=f"image '{file}'", reason=f"labelled {age} years, adults only"))
            continue
        rows.append(
            Row(
                file=file,
                labels={"gender": _UTK_GENDER[named[2]], "race": _UTK_RACE[named[3]]},
                covariates={"age": float(age), "age band": age_band(age), "source": named[4][:8]},
                where=file,
            )
        )
    return _found(rows, left_out, f"{source}: no image is named age_gender_race_date, as in UTKFace")


_FAIRFACE_TABLES = ("fairface_label_train.csv", "fairface_label_val.csv")
_FAIRFACE_AGES = {"0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"}
_MINORS = {"0-2", "3-9", "10-19"}


def fairface(source: Path, options: Options) -> Table:
    """FairFace: ``fairface_label_{train,val}.csv`` with file, age, gender, race.

    Raises:
        InputError: no table, or an unknown value, with file and line.
    """
    tables = [source / name for name in _FAIRFACE_TABLES if (source / name).is_file()]
    if not tables:
        raise InputError(f"{source}: none of {' and '.join(_FAIRFACE_TABLES)}, as in FairFace")
    rows, left_out = [], []
    for table in tables:
        for line, cells in table_lines(table, columns=("file", "age", "gender", "race")):
            where = f"{table}:{line}"
            file = safe_name(cells["file"], where=where)
            gender = {"Male": "man", "Female": "woman"}.get(cells["gender"])
            if gender is None:
                raise InputError(f"{where}: gender '{cells['gender']}', need Male or Female")
            if cells["age"] not in _FAIRFACE_AGES:
                raise InputError(
                    f"{where}: age '{cells['age']}', need one of {', '.join(sorted(_FAIRFACE_AGES))}"
                )
            if options.adults_only and cells["age"] in _MINORS:
                reason = f"labelled {cells['age']} years, adults only"
                left_out.append(Skipped(what=f"image '{file}'", reason=reason))
                continue
            band = "70 and over" if cells["age"] == "more than 70" else cells["age"]
            race = cells["race"].lower().replace("_", " ")
            labels = {"gender": gender, "race": race}
            rows.append(Row(file=file, labels=labels, covariates={"age band": band}, where=where))
    return _found(rows, left_out, f"{source}: the tables name no adult")


def lfw(source: Path, options: Options) -> Table:
    """LFW with ``lfw_attributes.txt`` (Kumar et al. 2009): scores of classifiers, positive for yes.

    Raises:
        InputError: no attribute file, or a malformed line, with file and line.
    """
    table = source / "lfw_attributes.txt"
    folder = next(
        (
            d
            for d in ("lfw", "lfw_funneled", "lfw-deepfunneled", "lfw-py/lfw_funneled")
            if (source / d).is_dir()
        ),
        "",
    )
    rows, left_out = [], []
    header: list[str] = []
    for line, text in _text_lines(table):
        where = f"{table}:{line}"
        if text.startswith("#"):
            cells = text.lstrip("#").strip().split("\t")
            header = cells if "person" in cells else header
            continue
        cells = text.split("\t")
        if not header or len(cells) != len(header):
            raise InputError(
                f"{where}: {len(cells)} columns, need {len(header) or 'a header line with person'}"
            )
        at = dict(zip(header, cells, strict=True))
        try:
            person, number = at["person"].replace(" ", "_"), int(at["imagenum"])
            score = {k: float(v) for k, v in at.items() if k not in ("person", "imagenum")}
            male = score["Male"]
            races = {
                race.lower(): score[race] for race in ("White", "Black", "Asian", "Indian") if race in score
            }
            young = max(score.get("Baby", -1.0), score.get("Child", -1.0))
        except (KeyError, ValueError) as error:
            raise InputError(f"{where}: not an attribute line ({error})") from error
        name = f"{folder}/{person}/{person}_{number:04d}.jpg".lstrip("/")
        file = safe_name(name, where=where)
        if options.adults_only and young > 0:
            left_out.append(Skipped(what=f"image '{file}'", reason="scored as baby or child, adults only"))
            continue
        labels = {"gender": "man" if male > 0 else "woman"}
        race = max(races, key=lambda r: races[r], default="")
        if race and races[race] > 0:
            labels["race"] = race
        senior = score.get("Senior", -1.0) > 0
        band = (
            "senior" if senior else "middle aged" if score.get("Middle Aged", -1.0) > 0 else "younger adult"
        )
        rows.append(
            Row(file=file, labels=labels, covariates={"age band": band, "cluster": person}, where=where)
        )
    return _found(rows, left_out, f"{table}: names no adult")


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
    rows = []
    people = _identities(source / "identity_CelebA.txt")
    text, comma = source / "list_attr_celeba.txt", source / "list_attr_celeba.csv"
    if comma.is_file() and not text.is_file():
        for line, cells in table_lines(comma, columns=("image_id", "Male", "Young")):
            row = _celeb(folder, cells["image_id"], cells["Male"], cells["Young"], f"{comma}:{line}")
            rows.append(_with_person(row, people))
        return _found(rows, [], f"{comma}: names no image")
    header: list[str] = []
    for line, content in _text_lines(text):
        where = f"{text}:{line}"
        words = content.split()
        if line == 1:
            if len(words) != 1 or not words[0].isdigit():
                raise InputError(f"{where}: '{content[:40]}', need the number of images")
            continue
        if not header:
            header = words
            for needed in ("Male", "Young"):
                if needed not in header:
                    raise InputError(f"{where}: no attribute '{needed}'")
            continue
        if len(words) != len(header) + 1:
            raise InputError(f"{where}: {len(words)} columns, need {len(header) + 1}")
        at = dict(zip(header, words[1:], strict=True))
        rows.append(_with_person(_celeb(folder, words[0], at["Male"], at["Young"], where), people))
    return _found(rows, [], f"{text}: names no image")


def _celeb(folder: str, name: str, male: str, young: str, where: str) -> Row:
    if male not in ("1", "-1") or young not in ("1", "-1"):
        raise InputError(f"{where}: Male {male}, Young {young}; need 1 or -1")
    return Row(
        file=f"{folder}/{safe_name(name, where=where)}",
        labels={"gender": "man" if male == "1" else "woman"},
        covariates={"age band": "young" if young == "1" else "not young"},
        where=where,
    )


def _identities(path: Path) -> dict[str, str]:
    """Image name to number of the person; empty without the file."""
    if not path.is_file():
        return {}
    people = {}
    for line, content in _text_lines(path):
        words = content.split()
        if len(words) != 2:
            raise InputError(f"{path}:{line}: '{content[:40]}', need an image and the number of a person")
        people[words[0]] = words[1]
    return people


def _with_person(row: Row, people: Mapping[str, str]) -> Row:
    person = people.get(row.file.rpartition("/")[2])
    return replace(row, covariates={**row.covariates, "cluster": person}) if person else row


def _text_lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(path) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line.strip()]


def _found(rows: list[Row], left_out: list[Skipped], none: str) -> Table:
    if not rows:
        raise InputError(none)
    return Table(rows, left_out)
