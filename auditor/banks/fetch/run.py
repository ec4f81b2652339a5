"""Downloads image sets after consent to their terms; resumes transfers and verifies checksums."""

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
from typing import Final
from urllib.parse import urlsplit

from auditor.banks.fetch.libraries import Fetched, fetch_celeba, fetch_fairface
from auditor.banks.importing import Options
from auditor.banks.importing.archive import is_archive
from auditor.banks.importing.run import Imported, import_bank
from auditor.errors import AuditorError, InputError, StorageError
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
    """As the source publishes it. Without this and ``md5`` the first download is recorded, and later ones
    must be the same."""
    size_bytes: int = 0
    """About; 0 for not known."""

    @property
    def checked(self) -> bool:
        """Whether a checksum is published."""
        return bool(self.md5 or self.sha256)


@dataclass(frozen=True)
class Remote:
    """An image set that may be downloaded, and its terms."""

    title: str
    licence: str
    terms: str
    files: tuple[RemoteFile, ...] = ()
    """The first is an archive; the others belong beside what it holds."""
    prepare: Callable[[Path], Fetched] | None = None
    """Instead of files: a library that downloads and checks the set into a folder."""
    size_bytes: int = 0


# Addresses and checksums: DTD as torchvision publishes them (torchvision.datasets.DTD); LFW's images as
# scikit-learn does (sklearn.datasets.fetch_lfw_people), since torchvision no longer downloads them; LFW's
# attributes have no published checksum.
REMOTES: Final[dict[str, Remote]] = {  # by importer
    "dtd": Remote(
        title="Describable Textures Dataset, 47 textures, 5,640 photos",
        licence="Research use; the images belong to their owners",
        terms="For research purposes. Cite Cimpoi et al., CVPR 2014. Do not publish the images.",
        files=(
            RemoteFile(
                "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
                "dtd-r1.0.1.tar.gz",
                md5="fff73e5086ae6bdbea199a49dfb8a4c1",
                size_bytes=600_000_000,
            ),
        ),
    ),
    "lfw": Remote(
        title="Labeled Faces in the Wild (funneled), 13,233 news photos, with attribute scores",
        licence="Research; the images belong to news agencies. Attributes: non-commercial use only",
        terms="Research, non-commercial. Cite Huang et al., UMass TR 07-49, and Kumar et al., ICCV 2009. "
        "Do not publish the images. They show people.",
        files=(
            RemoteFile(
                "https://ndownloader.figshare.com/files/5976015",
                "lfw-funneled.tgz",
                sha256="b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
                size_bytes=243_000_000,
            ),
            RemoteFile(
                "https://www.cs.columbia.edu/CAVE/databases/pubfig/download/lfw_attributes.txt",
                "lfw_attributes.txt",
            ),
        ),
    ),
    "celeba": Remote(
        title="CelebA, 202,599 pictures of celebrities with 40 attributes",
        licence="Non-commercial research only",
        terms="Non-commercial research. Do not publish or pass on the images. They show people.",
        prepare=fetch_celeba,
        size_bytes=1_500_000_000,
    ),
    "fairface": Remote(
        title="FairFace, 97,698 faces with perceived gender, race and age group",
        licence="CC BY 4.0 (annotations); images under their own licences",
        terms="Attribution: Karkkainen and Joo, WACV 2021. The images show people.",
        prepare=fetch_fairface,
        size_bytes=600_000_000,
    ),
}


class ConsentError(AuditorError):
    """The terms were not accepted."""

    exit_status = 2


def terms_of(name: str) -> list[str]:
    """A set's licence, terms and addresses, as lines to show before the download.

    Raises:
        InputError: no such set.
    """
    remote = _remote(name)
    size = remote.size_bytes or sum(file.size_bytes for file in remote.files)
    return [
        remote.title,
        f"licence: {remote.licence}",
        f"terms: {remote.terms}",
        *(f"from: {file.url}" for file in remote.files),
        *(
            f"checksum of {file.name}: none is published; the first download is recorded, later ones must "
            "be the same"
            for file in remote.files
            if not file.checked
        ),
        *([f"size: about {size / 1e6:.0f} MB"] if size else []),
    ]


def fetch_bank(
    name: str,
    *,
    accepted: bool,
    into: Path,
    downloads: Path,
    options: Options | None = None,
    progress: Progress = silent,
) -> Imported:
    """Downloads the files of ``name`` to ``downloads``, checks and imports them.

    A transfer that broke off goes on where it stopped the next time. What is unpacked or copied into
    the bank is deleted once the bank is imported; a set that a library keeps in a folder stays there,
    and the bank refers to it.

    Raises:
        ConsentError: the terms were not ``accepted``.
        InputError: no such set, or a wrong checksum (the file is deleted).
        StorageError: the disk is full.
        AuditorError: the server cannot be reached or the transfer broke off.
    """
    remote = _remote(name)
    if not accepted:
        raise ConsentError(f"fetch '{name}': its terms have to be accepted first (--accept-terms)")
    if remote.prepare is not None:
        with _written(downloads / name, f"'{name}'"):
            _need_space(downloads / name, remote.size_bytes)
            got = remote.prepare(downloads / name)
    else:
        archive, *beside = (download(file, downloads, progress=progress) for file in remote.files)
        got = Fetched(archive, tuple(beside))
    imported = import_bank(name, got.source, beside=got.beside, into=into, options=options, progress=progress)
    if is_archive(got.source):
        for path in (got.source, *got.beside):
            path.unlink(missing_ok=True)
    return imported


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
    with _written(into, f"'{file.name}'"):
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
def _written(folder: Path, what: str) -> Iterator[None]:
    """Makes the folder; what goes wrong on the disk while it is filled becomes a StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        said = f"cannot be written ({error.strerror or error})"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            said = f"disk full while fetching {what}; what came is kept"
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
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        _need_space(part.parent, (total or file.size_bytes) - have)
        with progress.stage(f"fetching {file.name}", total) as stage:
            stage.advance(have)
            have += _copy(response, part, append=resumed, advance=stage.advance, url=file.url)
    if total is not None and have < total:
        raise AuditorError(
            f"fetch '{file.url}': the transfer broke off at {have} of {total} bytes; repeat to go on"
        )


def _copy(
    response: http.client.HTTPResponse, part: Path, *, append: bool, advance: Callable[[int], None], url: str
) -> int:
    count = 0
    with part.open("ab" if append else "wb") as out:
        while True:
            try:
                block = response.read(_BLOCK)
            except (http.client.IncompleteRead, TimeoutError, ConnectionError) as error:
                out.write(getattr(error, "partial", b""))
                raise AuditorError(
                    f"fetch '{url}': the transfer broke off ({type(error).__name__}); repeat to go on"
                ) from error
            if not block:
                return count
            out.write(block)
            count += len(block)
            advance(len(block))


def _need_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(f"'{folder}': {free} bytes free, need {needed} to fetch the file")


def _check(path: Path, file: RemoteFile) -> None:
    for kind, needed in (("md5", file.md5), ("sha256", file.sha256)):
        if needed and (seen := _digest(path, kind)) != needed:
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


def _remote(name: str) -> Remote:
    if name not in REMOTES:
        raise InputError(
            f"fetch '{name}': cannot be fetched, need one of {', '.join(sorted(REMOTES))}; "
            "get other sets from their owners and use 'auditor banks import'"
        )
    return REMOTES[name]
