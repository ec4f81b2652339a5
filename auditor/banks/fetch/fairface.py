"""FairFace from the Hugging Face hub: as few of its files as a balanced subset needs.

The hub keeps the set as Parquet files: one of the validation split (63 MB), two of the training split (250 MB
each). They are fetched in this order, each whole and checked by the SHA-256 that the hub lists, until every
group has the images that are asked for. What is drawn is written as an archive in FairFace's own layout.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from auditor.banks.fetch.choice import Choice, Fetched
from auditor.banks.importing.faces import FAIRFACE_MINORS
from auditor.errors import AuditorError, InputError, one_line
from auditor.progress import Progress
from auditor.transfer import RemoteFile, download, need_space, small_answer

REPOSITORY = "HuggingFaceM4/FairFace"
REVISION = "54d573cdb8b5af490ba8da9da2799628f6e5c496"
"""Pinned, so that a seed draws the same images everywhere."""
PADDING = "0.25"
"""The crops with a quarter of the face's size around it."""

_COLUMNS = ("age", "gender", "race")
_SPLITS = (("validation", "val"), ("train", "train"))  # in the order of fetching
_DATE = (1980, 1, 1, 0, 0, 0)  # the same archive from the same images
_ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class _Face:
    """One row of a Parquet file, before its image is read."""

    path: Path
    row: int
    file: str
    """In FairFace's own layout: ``val/12.jpg``."""
    age: str
    gender: str
    race: str


@dataclass(frozen=True)
class _Labels:
    """The rows of a Parquet file and the words of its labels."""

    faces: list[_Face]
    genders: Sequence[str]
    races: Sequence[str]


def need_reader() -> None:
    """Says so before anything is asked or fetched where Parquet cannot be read.

    Raises:
        InputError: the package pyarrow is missing.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError("fetch 'fairface': needs the package pyarrow: pip install pyarrow")


def fetch_fairface(folder: Path, choice: Choice, progress: Progress) -> Fetched:
    """An archive of the images that ``choice`` draws, made from as few of the set's files as it needs.

    The order of the draw depends on the seed and the files' names alone: more images for each group
    contain the fewer.

    Raises:
        InputError: the package pyarrow is missing, or a file has another checksum (it is deleted).
        StorageError: the disk is full.
        AuditorError: the hub cannot be reached, lists other files, or a file has other columns.
    """
    need_reader()
    remotes = _listed()
    paths: list[Path] = []
    pool: list[_Face] = []
    short: dict[str, int] = {}
    rows = {split: 0 for _, split in _SPLITS}
    for split, remote in remotes:
        path = download(remote, folder, progress=progress)
        paths.append(path)
        labels = _labels(path, split, first=rows[split])
        rows[split] += len(labels.faces)
        pool += [f for f in labels.faces if not (choice.adults_only and f.age in FAIRFACE_MINORS)]
        short = _short(pool, labels, choice.per_group)
        if choice.per_group and not short:
            break
    for group, count in short.items():
        progress.note(
            f"fairface: {count} images labelled {group}, fewer than {choice.per_group}; all are kept"
        )
    drawn = _drawn(pool, choice)
    if not drawn:
        raise AuditorError(f"fetch 'fairface': no image labelled adult among {sum(rows.values())}; need some")
    need_space(folder, sum(path.stat().st_size for path in paths) * len(drawn) // sum(rows.values()))
    archive = folder / "fairface.zip"
    facts = {
        "repository": REPOSITORY,
        "revision": REVISION,
        "files": {remote.name: remote.sha256 for _, remote in remotes[: len(paths)]},
        "images of each group": choice.per_group or "all",
        "seed": choice.seed,
        "only images labelled adult": choice.adults_only,
    }
    _write(archive, drawn, facts, progress)
    return Fetched(archive, spent=tuple(paths))


def _hub() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def _listed() -> list[tuple[str, RemoteFile]]:
    """The set's files with FairFace's name of their split, in the order of fetching.

    Raises:
        AuditorError: the hub cannot be reached, or answers with something else.
    """
    url = f"{_hub()}/api/datasets/{REPOSITORY}/tree/{REVISION}/{PADDING}"
    try:
        entries = {
            entry["path"]: _remote_file(entry["path"], str(entry["lfs"]["oid"]), int(entry["lfs"]["size"]))
            for entry in json.loads(small_answer(url))
            if entry["type"] == "file" and entry["path"].endswith(".parquet")
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        seen = f"{type(error).__name__}: {one_line(error)}"
        raise AuditorError(f"fetch '{url}': no listing of files with checksum and size ({seen})") from error
    found = [
        (split, entries[path])
        for prefix, split in _SPLITS
        for path in sorted(entries)
        if path.rpartition("/")[2].startswith(f"{prefix}-")
    ]
    if {split for split, _ in found} != {split for _, split in _SPLITS}:
        names = ", ".join(sorted(entries)) or "none"
        raise AuditorError(f"fetch '{url}': lists {names}; need validation-*.parquet and train-*.parquet")
    return found


def _remote_file(path: str, sha256: str, size: int) -> RemoteFile:
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise ValueError(f"sha256 of {path} is '{sha256[:80]}'")
    name = path.rpartition("/")[2]
    if not re.fullmatch(r"\w[\w.-]{0,199}", name, re.ASCII):
        raise ValueError(f"name is '{name[:80]}'")
    url = f"{_hub()}/datasets/{REPOSITORY}/resolve/{REVISION}/{quote(path)}"
    return RemoteFile(url, name, sha256=sha256, size_bytes=size)


def _labels(path: Path, split: str, *, first: int) -> _Labels:
    """The labels of every row; no image is read.

    Raises:
        AuditorError: not a Parquet file with FairFace's columns.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as opened:
            words = _words(opened.schema_arrow.metadata or {})
            columns = opened.read(columns=list(_COLUMNS)).to_pydict()
        cells = [[words[column][code] for code in columns[column]] for column in _COLUMNS]
    except (pyarrow.ArrowException, ValueError, KeyError, IndexError, TypeError) as error:
        seen = f"{type(error).__name__}: {one_line(error)}"
        raise AuditorError(
            f"'{path}': not FairFace with {', '.join(_COLUMNS)} and their words ({seen})"
        ) from error
    faces = [
        _Face(path, row, f"{split}/{first + row + 1}.jpg", *labels)
        for row, labels in enumerate(zip(*cells, strict=True))
    ]
    return _Labels(faces, words["gender"], words["race"])


def _words(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """What the codes of a column mean, as ``datasets`` writes it into the file."""
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    return {column: features[column]["names"] for column in _COLUMNS}


def _short(pool: Sequence[_Face], labels: _Labels, needed: int) -> dict[str, int]:
    """Groups with fewer images than needed, and how many they have."""
    counts = {(gender, race): 0 for race in labels.races for gender in labels.genders}
    for face in pool:
        counts[face.gender, face.race] += 1
    return {f"{race} and {gender}": n for (gender, race), n in counts.items() if n < needed}


def _drawn(pool: Sequence[_Face], choice: Choice) -> list[_Face]:
    """At most so many images of each group, drawn by the seed; in the order of the set."""
    if not choice.per_group:
        return list(pool)
    kept: dict[tuple[str, str], int] = {}
    drawn = set()
    for face in sorted(pool, key=lambda f: hashlib.sha256(f"{choice.seed}\0{f.file}".encode()).digest()):
        group = (face.gender, face.race)
        kept[group] = kept.get(group, 0) + 1
        if kept[group] <= choice.per_group:
            drawn.add(face.file)
    return [face for face in pool if face.file in drawn]


def _write(archive: Path, faces: Sequence[_Face], facts: dict[str, Any], progress: Progress) -> None:
    """The drawn images as they came, not decoded, with FairFace's tables and a note on the draw."""
    part = archive.with_suffix(".part")
    try:
        with (
            zipfile.ZipFile(part, "w") as out,
            progress.stage("keeping the images drawn", len(faces)) as stage,
        ):
            for file, image in _images(faces):
                out.writestr(zipfile.ZipInfo(file, _DATE), image)
                stage.advance()
            for _, split in _SPLITS:
                if lines := [face for face in faces if face.file.startswith(f"{split}/")]:
                    out.writestr(zipfile.ZipInfo(f"fairface_label_{split}.csv", _DATE), _table(lines))
            out.writestr(zipfile.ZipInfo("drawn.json", _DATE), json.dumps(facts, indent=1) + "\n")
        part.replace(archive)
    finally:
        part.unlink(missing_ok=True)


def _table(faces: Sequence[_Face]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", *_COLUMNS])
    table.writerows([face.file, face.age, face.gender, face.race] for face in faces)
    return text.getvalue()


def _images(faces: Sequence[_Face]) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every face's image, file by file, few rows in memory at a time.

    Raises:
        AuditorError: a file has no such images.
    """
    import pyarrow
    from pyarrow import parquet

    for path in dict.fromkeys(face.path for face in faces):
        wanted = {face.row: face.file for face in faces if face.path == path}
        row = 0
        try:
            with parquet.ParquetFile(path) as opened:
                for batch in opened.iter_batches(batch_size=_ROWS_AT_ONCE, columns=["image"]):
                    images = batch.column("image")
                    for position in range(len(images)):
                        if row + position in wanted:
                            yield wanted[row + position], images[position].as_py()["bytes"]
                    row += len(images)
        except (pyarrow.ArrowException, KeyError, TypeError, ValueError) as error:
            raise AuditorError(f"'{path}': no readable column image ({one_line(error)})") from error
