"""Unpacks zip and tar archives that nobody vouches for."""

from __future__ import annotations

import tarfile
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from auditor.errors import InputError
from auditor.progress import Progress, silent

MAX_FILES = 500_000
MAX_BYTES = 64 * 2**30
"""Of all files unpacked."""
MAX_RATIO = 200
"""Unpacked bytes for each packed byte, above 16 MiB: images hardly compress, bombs do."""

_FREE = 16 * 2**20
_BLOCK = 2**20


@dataclass(frozen=True)
class _Member:
    name: str
    problem: str
    """Why it cannot be unpacked: a link, a device; empty for a file."""
    size: int
    key: zipfile.ZipInfo | tarfile.TarInfo


def is_archive(path: Path) -> bool:
    """Whether ``path`` is a zip or tar file, by its content."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def extract(
    archive: Path,
    into: Path,
    *,
    max_files: int = MAX_FILES,
    max_bytes: int = MAX_BYTES,
    max_ratio: int = MAX_RATIO,
    progress: Progress = silent,
) -> None:
    """Unpacks regular files below ``into``; anything else in the archive is refused before it is.

    Raises:
        InputError: a path that leads out, a link, a device, two names that differ only in case, more
            or larger files than the limits allow, or a damaged archive; the member is named.
    """
    limit = min(max_bytes, max(_FREE, archive.stat().st_size * max_ratio))
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                members = list(_zip_members(opened))
                _check(archive, members, max_files=max_files, limit=limit)
                _unpack(archive, opened, members, into, limit=limit, progress=progress)
        else:
            with tarfile.open(archive) as opened_tar:
                members = list(_tar_members(opened_tar, max_files=max_files))
                _check(archive, members, max_files=max_files, limit=limit)
                _unpack(archive, opened_tar, members, into, limit=limit, progress=progress)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{archive}: damaged archive ({error})") from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        if info.is_dir():
            continue
        kind = info.external_attr >> 28  # the upper half holds the Unix mode, its top bits the type
        problem = "a link" if kind == 0o12 else "not a regular file" if kind not in (0, 0o10) else ""
        problem = "encrypted" if info.flag_bits & 1 else problem
        yield _Member(info.filename, problem, info.file_size, info)


def _tar_members(archive: tarfile.TarFile, *, max_files: int) -> Iterator[_Member]:
    for count, info in enumerate(archive):
        if count > 2 * max_files:
            return  # reported by the check that follows
        if info.isdir():
            continue
        problem = "a link" if info.issym() or info.islnk() else "" if info.isfile() else "not a regular file"
        yield _Member(info.name, problem, info.size, info)


def _check(archive: Path, members: list[_Member], *, max_files: int, limit: int) -> None:
    if len(members) > max_files:
        raise InputError(f"{archive}: more than {max_files} files, which is the limit")
    seen: dict[str, str] = {}
    for member in members:
        parts = member.name.replace("\\", "/").removeprefix("./").split("/")
        if member.name.startswith(("/", "\\")) or ".." in parts or "\0" in member.name or ":" in parts[0]:
            raise InputError(
                f"{archive}: member '{member.name}' leads out of the folder; nothing was unpacked"
            )
        if member.problem:
            raise InputError(f"{archive}: member '{member.name}' is {member.problem}; nothing was unpacked")
        folded = unicodedata.normalize("NFC", "/".join(parts)).casefold()
        if folded in seen:
            other = seen[folded]
            told = "occurs twice" if other == member.name else f"and '{other}' differ only in case"
            raise InputError(f"{archive}: member '{member.name}' {told}; nothing was unpacked")
        seen[folded] = member.name
    total = sum(member.size for member in members)
    if total > limit:
        raise InputError(f"{archive}: unpacks to {total} bytes, at most {limit} are allowed for its size")


def _unpack(
    archive: Path,
    opened: zipfile.ZipFile | tarfile.TarFile,
    members: list[_Member],
    into: Path,
    *,
    limit: int,
    progress: Progress,
) -> None:
    written = 0
    with progress.stage(f"unpacking {archive.name}", len(members)) as stage:
        for member in members:
            target = into / member.name.replace("\\", "/").removeprefix("./")
            target.parent.mkdir(parents=True, exist_ok=True)
            with _open_member(opened, member) as packed, target.open("xb") as file:
                while block := packed.read(_BLOCK):
                    written += len(block)
                    if written > limit:  # the sizes in the directory may lie
                        raise InputError(f"{archive}: member '{member.name}' is larger than the archive says")
                    file.write(block)
            stage.advance()


def _open_member(opened: zipfile.ZipFile | tarfile.TarFile, member: _Member) -> IO[bytes]:
    if isinstance(opened, zipfile.ZipFile):
        assert isinstance(member.key, zipfile.ZipInfo)  # noqa: S101 (narrows the type)
        return opened.open(member.key)
    assert isinstance(member.key, tarfile.TarInfo)  # noqa: S101
    packed = opened.extractfile(member.key)
    if packed is None:
        raise InputError(f"member '{member.name}' is not a regular file")
    return packed
