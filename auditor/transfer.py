"""Downloads one file: resumes where a transfer broke off, verifies checksums, needs the space beforehand."""

from __future__ import annotations

import errno
import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from auditor.errors import AuditorError, InputError, StorageError, one_line
from auditor.progress import Progress, silent

_BLOCK = 2**18
_TIMEOUT_S = 60


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch."""

    url: str
    name: str
    """To save it as."""
    md5: str = ""
    """As the source publishes it; empty where it publishes none."""
    sha256: str = ""
    """As the source publishes it, or its beginning. Without this and ``md5`` the first download is recorded,
    and later ones must be the same."""
    size_bytes: int = 0
    """About; 0 for not known."""

    @property
    def checked(self) -> bool:
        """Whether a checksum is published."""
        return bool(self.md5 or self.sha256)


def download(file: RemoteFile, into: Path, *, progress: Progress = silent) -> Path:
    """One file, whole and checked; what was fetched before is not fetched again.

    Raises:
        InputError: a wrong checksum or an address that is not http or https.
        StorageError: the disk is full or cannot be written.
        AuditorError: the server cannot be reached, refuses, or the transfer broke off.
    """
    if urlsplit(file.url).scheme not in ("http", "https"):
        raise InputError(f"'{file.url}': need an http or https address")
    target, part = into / file.name, into / f"{file.name}.part"
    with written(into, f"'{file.name}'"):
        if target.is_file():
            _check(target, file)
            return target
        _transfer(file, part, progress)
        _check(part, file)
        if not file.checked:
            _check_first_use(part, file, record=into / f"{file.name}.sha256", progress=progress)
        part.replace(target)
    return target


@contextmanager
def written(folder: Path, what: str) -> Iterator[None]:
    """Makes the folder; what goes wrong on the disk while it is filled becomes a StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        said = f"cannot be written ({error.strerror or error})"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            said = f"disk full while fetching {what}; free some space and repeat"
        raise StorageError(f"'{folder}': {said}") from error


def _transfer(file: RemoteFile, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(file.url, headers={"User-Agent": "auditor"})  # noqa: S310 (checked above)
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # it had come whole; the checksum decides
        raise AuditorError(f"fetch '{file.url}': the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise AuditorError(f"fetch '{file.url}': cannot be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise AuditorError(f"fetch '{file.url}': cannot be reached ({one_line(error)})") from error
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        need_space(part.parent, (total or file.size_bytes) - have)
        with progress.stage(f"fetching {file.name}", total) as stage:
            stage.advance(have)
            have += _copy(response, part, append=resumed, advance=stage.advance, url=file.url)
    if total is not None and have < total:
        raise AuditorError(
            f"fetch '{file.url}': the transfer broke off at {have} of {total} bytes; repeat the command"
        )


def _copy(
    response: http.client.HTTPResponse, part: Path, *, append: bool, advance: Callable[[int], None], url: str
) -> int:
    count = 0
    with part.open("ab" if append else "wb") as out:
        while True:
            try:
                block = response.read(_BLOCK)
            except (http.client.IncompleteRead, OSError) as error:
                out.write(getattr(error, "partial", b""))
                raise AuditorError(
                    f"fetch '{url}': the transfer broke off ({type(error).__name__}); repeat the command"
                ) from error
            if not block:
                return count
            out.write(block)
            count += len(block)
            advance(len(block))


def need_space(folder: Path, needed: int) -> None:
    """Refuses to begin where the disk has fewer bytes left than needed.

    Raises:
        StorageError: it has.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(f"'{folder}': {free} bytes free, need {needed} for what is fetched")


def small_answer(url: str, *, most: int = 2**22) -> bytes:
    """What an address answers, such as a listing: at most ``most`` bytes.

    Raises:
        AuditorError: it cannot be reached, refuses, or answers more.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "auditor"})  # noqa: S310 (of a known hub)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            answer: bytes = response.read(most + 1)
    except urllib.error.HTTPError as error:
        raise AuditorError(f"fetch '{url}': the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise AuditorError(f"fetch '{url}': cannot be reached ({one_line(error)})") from error
    if len(answer) > most:
        raise AuditorError(f"fetch '{url}': answered more than {most} bytes, need a listing of files")
    return answer


def _check(path: Path, file: RemoteFile) -> None:
    for kind, needed in (("md5", file.md5), ("sha256", file.sha256)):
        if needed and not (seen := _digest(path, kind)).startswith(needed):
            path.unlink()
            raise InputError(f"fetch '{file.url}': {kind} is {seen}, need {needed}; deleted, fetch it again")


def _check_first_use(path: Path, file: RemoteFile, *, record: Path, progress: Progress) -> None:
    """Compares a file without a published checksum with its first download on this machine."""
    seen = _digest(path, "sha256")
    if not record.exists():
        record.write_text(seen + "\n", encoding="ascii")
        progress.note(f"{file.name}: no checksum is published; recorded sha256 {seen}")
        return
    first = record.read_text(encoding="utf-8", errors="replace").strip()
    if seen != first:
        path.unlink()
        raise InputError(
            f"fetch '{file.url}': sha256 is {seen}, was {first} when first fetched; deleted. If its owner "
            f"has changed it, delete '{record}' and fetch again"
        )


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, partial(hashlib.new, kind, usedforsecurity=False)).hexdigest()
