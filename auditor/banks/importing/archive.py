"""Unpacks zip and tar archives from sources that are not trusted."""

from __future__ import annotations

import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from auditor.errors import InputError
from auditor.progress import Progress, silent

MAX_FILES = 500_000
MAX_BYTES = 64 * 2**30
"""Of all files unpacked."""
MAX_RATIO = 200
"""Unpacked bytes for each packed byte, above 16 MiB. Images hardly compress; archive bombs do."""

_FREE = 16 * 2**20


@dataclass(frozen=True)
class _Member:
    name: str
    problem: str
    """Why it cannot be unpacked: a link, a device; empty for a file."""
    size: int
    unpack: Callable[[Path], object]
    """Writes the file below a folder: at most ``size`` bytes."""


def _path(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def is_archive(path: Path) -> bool:
    """Whether ``path`` is a zip or tar file, by its content."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def extract(archive: Path, into: Path, *, progress: Progress = silent) -> None:
    """Unpacks an archive's regular files below ``into``. Every member is checked before the first is written.

    Raises:
        InputError: a path that leads out, a link, a device, two names that differ only in case, more
            or larger files than the limits allow, or a damaged archive; the member is named.
    """
    zipped = zipfile.is_zipfile(archive)
    try:
        with zipfile.ZipFile(archive) if zipped else tarfile.open(archive) as opened:
            found = _zip_members(opened) if isinstance(opened, zipfile.ZipFile) else _tar_members(opened)
            members = list(islice(found, MAX_FILES + 1))
            _check(archive, members)
            with progress.stage(f"unpacking {archive.name}", len(members)) as stage:
                for member in members:
                    member.unpack(into)
                    stage.advance()
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{archive}: damaged archive ({error})") from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        if info.is_dir():
            continue
        kind = info.external_attr >> 28  # the upper half holds the Unix mode, its top bits the type
        problem = "a link" if kind == 0o12 else "not a regular file" if kind not in (0, 0o10) else ""
        problem = "encrypted" if info.flag_bits & 1 else problem
        name, info.filename = info.filename, _path(info.filename)
        yield _Member(name, problem, info.file_size, partial(archive.extract, info))


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    # A second line of defence, which early patch releases of Python 3.11 lack.
    archive.extraction_filter = getattr(tarfile, "data_filter", None)
    for info in islice(archive, 2 * MAX_FILES + 1):  # folders count, too
        if info.isdir():
            continue
        problem = "a link" if info.issym() or info.islnk() else "" if info.isfile() else "not a regular file"
        unpack = partial(archive.extract, info.replace(name=_path(info.name), deep=False))
        yield _Member(info.name, problem, info.size, unpack)


def _check(archive: Path, members: list[_Member]) -> None:
    if len(members) > MAX_FILES:
        raise InputError(f"{archive}: more than {MAX_FILES} files, which is the limit")
    seen: dict[str, str] = {}
    for member in members:
        where = f"{archive}: member '{member.name}'"
        parts = _path(member.name).split("/")
        if member.name.startswith(("/", "\\")) or ".." in parts or "\0" in member.name or ":" in parts[0]:
            raise InputError(f"{where} leads out of the folder; nothing was unpacked")
        if member.problem:
            raise InputError(f"{where} is {member.problem}; nothing was unpacked")
        folded = unicodedata.normalize("NFC", "/".join(parts)).casefold()
        if folded in seen:
            other = seen[folded]
            said = "occurs twice" if other == member.name else f"and '{other}' differ only in case"
            raise InputError(f"{where} {said}; nothing was unpacked")
        seen[folded] = member.name
    total = sum(member.size for member in members)
    limit = min(MAX_BYTES, max(_FREE, archive.stat().st_size * MAX_RATIO))
    if total > limit:
        raise InputError(f"{archive}: unpacks to {total} bytes, at most {limit} are allowed for its size")
