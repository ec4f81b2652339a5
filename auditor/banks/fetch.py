"""Fetches image sets that may be fetched: asks first, resumes, and trusts only checksums."""

from __future__ import annotations

import csv
import errno
import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from auditor.banks.importers import Options
from auditor.banks.importing import Imported, import_bank
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
    md5: str
    """As the source publishes it; empty where it publishes none."""
    size_bytes: int = 0
    """About; 0 for not known."""


@dataclass(frozen=True)
class Remote:
    """An image set that may be fetched, and on which terms."""

    importer: str
    title: str
    licence: str
    terms: str
    files: tuple[RemoteFile, ...] = ()
    prepare: Callable[[Path], Path] | None = None
    """Instead of files: a library that downloads and checks the set into a folder; returns the folder
    to import."""
    size_bytes: int = 0


def _celeba(folder: Path) -> Path:
    """CelebA through torchvision, which knows its many parts, checksums and Google Drive's ways."""
    from torchvision.datasets import CelebA

    try:
        CelebA(str(folder), download=True)
    except (ImportError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise AuditorError(f"fetch 'celeba': torchvision could not ({said}); repeat to go on") from error
    return folder / "celeba"


def _fairface(folder: Path) -> Path:
    """FairFace through the library ``datasets``, written down in the set's own layout."""
    try:
        from datasets import load_dataset
    except ImportError as error:
        needed = "the package datasets: pip install 'auditor[datasets]'"
        raise InputError(f"fetch 'fairface': needs {needed}") from error
    for split, short in (("train", "train"), ("validation", "val")):
        data = load_dataset("HuggingFaceM4/FairFace", "0.25", split=split)
        words = {column: data.features[column].names for column in ("age", "gender", "race")}
        (folder / short).mkdir(parents=True, exist_ok=True)
        with (folder / f"fairface_label_{short}.csv").open("w", newline="", encoding="utf-8") as out:
            table = csv.writer(out)
            table.writerow(["file", "age", "gender", "race", "service_test"])
            for number, row in enumerate(data, start=1):
                file = f"{short}/{number}.jpg"
                row["image"].convert("RGB").save(folder / file, quality=95)
                cells = [words[column][row[column]] for column in ("age", "gender", "race")]
                table.writerow([file, *cells, row.get("service_test", "")])
    return folder


# Addresses and checksums as torchvision publishes them (torchvision.datasets.DTD).
REMOTES: Final[dict[str, Remote]] = {
    "dtd": Remote(
        importer="dtd",
        title="Describable Textures Dataset, 47 textures, 5,640 photos",
        licence="Research use; the images belong to their owners",
        terms="For research purposes. Cite Cimpoi et al., CVPR 2014. Do not publish the images.",
        files=(
            RemoteFile(
                "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
                "dtd-r1.0.1.tar.gz",
                "fff73e5086ae6bdbea199a49dfb8a4c1",
                600_000_000,
            ),
        ),
    ),
    "celeba": Remote(
        importer="celeba",
        title="CelebA, 202,599 pictures of celebrities with 40 attributes",
        licence="Non-commercial research only",
        terms="Non-commercial research. Do not publish or pass on the images. They show people.",
        prepare=_celeba,
        size_bytes=1_500_000_000,
    ),
    "fairface": Remote(
        importer="fairface",
        title="FairFace, 97,698 faces with perceived gender, race and age group",
        licence="CC BY 4.0 (annotations); images under their own licences",
        terms="Attribution: Karkkainen and Joo, WACV 2021. The images show people.",
        prepare=_fairface,
        size_bytes=600_000_000,
    ),
}


class ConsentError(AuditorError):
    """The terms were not accepted."""

    exit_status = 2


def terms_of(name: str, remotes: dict[str, Remote] | None = None) -> list[str]:
    """What has to be accepted before a set is fetched, as lines to show."""
    remote = _remote(name, remotes)
    size = remote.size_bytes or sum(file.size_bytes for file in remote.files)
    return [
        remote.title,
        f"licence: {remote.licence}",
        f"terms: {remote.terms}",
        *(f"from: {file.url}" for file in remote.files),
        *([f"size: about {size / 1e6:.0f} MB"] if size else []),
    ]


def fetch_bank(
    name: str,
    *,
    accepted: bool,
    into: Path,
    downloads: Path,
    options: Options | None = None,
    remotes: dict[str, Remote] | None = None,
    progress: Progress = silent,
) -> Imported:
    """Downloads the files of ``name`` to ``downloads``, checks and imports them.

    A transfer that broke off goes on where it stopped the next time. A downloaded archive is deleted
    once the bank is imported; a set that a library downloads stays where it is, and the bank refers to
    it.

    Raises:
        ConsentError: the terms were not ``accepted``.
        InputError: no such set, or a wrong checksum (the file is deleted).
        StorageError: the disk is full.
        AuditorError: the server cannot be reached or the transfer broke off.
    """
    remote = _remote(name, remotes)
    if not accepted:
        raise ConsentError(f"fetch '{name}': its terms have to be accepted first (--accept-terms)")
    if remote.prepare is not None:
        folder = downloads / name
        folder.mkdir(parents=True, exist_ok=True)
        _need_space(folder, remote.size_bytes)
        source = remote.prepare(folder)
        return import_bank(remote.importer, source, into=into, name=name, options=options, progress=progress)
    (file,) = remote.files
    archive = download(file, downloads, progress=progress)
    imported = import_bank(remote.importer, archive, into=into, name=name, options=options, progress=progress)
    archive.unlink(missing_ok=True)  # unpacked into the bank
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
    try:
        into.mkdir(parents=True, exist_ok=True)
        if target.is_file():
            _check(target, file)
            return target
        _transfer(file, part, progress)
        _check(part, file)
        part.replace(target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"'{into}': disk full while fetching '{file.name}'; what came is kept"
            ) from error
        raise StorageError(f"'{into}': cannot be written ({error.strerror or error})") from error
    return target


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
            have += _copy(response, part, append=resumed, told=stage.advance, url=file.url)
    if total is not None and have < total:
        raise AuditorError(
            f"fetch '{file.url}': the transfer broke off at {have} of {total} bytes; repeat to go on"
        )


def _copy(
    response: http.client.HTTPResponse, part: Path, *, append: bool, told: Callable[[int], None], url: str
) -> int:
    count = 0
    with part.open("ab" if append else "wb") as out:
        while True:
            try:
                block = response.read(_BLOCK)
            except (http.client.IncompleteRead, TimeoutError, ConnectionError) as error:
                partial = getattr(error, "partial", b"")
                out.write(partial)
                raise AuditorError(
                    f"fetch '{url}': the transfer broke off ({type(error).__name__}); repeat to go on"
                ) from error
            if not block:
                return count
            out.write(block)
            count += len(block)
            told(len(block))


def _need_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(f"'{folder}': {free} bytes free, need {needed} to fetch the file")


def _check(path: Path, file: RemoteFile) -> None:
    if not file.md5:
        return
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as data:
        while block := data.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != file.md5:
        path.unlink()
        raise InputError(
            f"fetch '{file.url}': md5 is {digest.hexdigest()}, need {file.md5}; deleted, fetch it again"
        )


def _remote(name: str, remotes: dict[str, Remote] | None) -> Remote:
    known = REMOTES if remotes is None else remotes
    if name not in known:
        raise InputError(
            f"fetch '{name}': cannot be fetched, need one of {', '.join(sorted(known))}; "
            "get other sets from their owners and use 'auditor banks import'"
        )
    return known[name]
