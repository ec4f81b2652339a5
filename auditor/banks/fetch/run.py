"""Downloads image sets after consent to their terms, and imports them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from auditor.banks.fetch.choice import PER_GROUP, Choice, Fetched
from auditor.banks.fetch.fairface import fetch_fairface, need_reader
from auditor.banks.fetch.libraries import fetch_celeba
from auditor.banks.importing import Options
from auditor.banks.importing.archive import is_archive
from auditor.banks.importing.run import Imported, import_bank
from auditor.errors import AuditorError, InputError
from auditor.progress import Progress, silent
from auditor.transfer import RemoteFile, download, need_space, written


@dataclass(frozen=True)
class Remote:
    """An image set that may be downloaded, and its terms."""

    title: str
    licence: str
    terms: str
    files: tuple[RemoteFile, ...] = ()
    """The first is an archive; the others belong beside what it holds."""
    prepare: Callable[[Path, Choice, Progress], Fetched] | None = None
    """Instead of files: downloads and checks the set into a folder."""
    ready: Callable[[], None] | None = None
    """Says before anybody is asked if a package is missing."""
    size_bytes: int = 0
    """About; of ``files`` where it is 0."""
    part_bytes: int = 0
    """About, of what the usual choice downloads; 0 where the set comes whole."""


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
        ready=need_reader,
        size_bytes=563_000_000,
        part_bytes=63_000_000,
    ),
}


class ConsentError(AuditorError):
    """The terms were not accepted."""

    exit_status = 2


def terms_of(name: str, choice: Choice | None = None) -> list[str]:
    """A set's licence, terms and addresses, as lines to show before the download.

    Raises:
        InputError: no such set.
    """
    remote = _remote(name)
    size = _size(remote, choice or Choice())
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
        *([f"size: {size}"] if size else []),
    ]


def offer_of(name: str) -> str:
    """A set's title, licence, size and terms in one sentence, for a question.

    Raises:
        InputError: no such set, or a package that it needs is missing.
    """
    need_ready(name)
    remote = _remote(name)
    terms = remote.terms.rstrip(".")
    return f"{remote.title}; {remote.licence}; {_size(remote, Choice())}; terms: {terms}"


def need_ready(name: str, *, part: bool = False) -> None:
    """Refuses what could not be fetched whatever the user answers.

    Raises:
        InputError: no such set, a package that it needs is missing, or a ``part`` of a set that comes whole.
    """
    remote = _remote(name)
    if part and not remote.part_bytes:
        raise InputError(f"fetch '{name}': comes whole, --per-group is for fairface")
    if remote.ready is not None:
        remote.ready()


def _size(remote: Remote, choice: Choice) -> str:
    whole = remote.size_bytes or sum(file.size_bytes for file in remote.files)
    if not whole:
        return ""
    if not remote.part_bytes or not choice.per_group:
        return f"about {whole / 1e6:.0f} MB"
    if choice.per_group > PER_GROUP:
        return f"{remote.part_bytes / 1e6:.0f} to {whole / 1e6:.0f} MB, as the groups need"
    return f"about {remote.part_bytes / 1e6:.0f} MB, {whole / 1e6:.0f} MB if a group is short"


def fetch_bank(
    name: str,
    *,
    accepted: bool,
    into: Path,
    downloads: Path,
    choice: Choice | None = None,
    progress: Progress = silent,
) -> Imported:
    """Downloads the files of ``name`` to ``downloads``, checks and imports them.

    A transfer that broke off goes on where it stopped the next time. What was downloaded is deleted once
    the bank, which holds its images, is imported.

    Raises:
        ConsentError: the terms were not ``accepted``.
        InputError: no such set, a missing package, or a wrong checksum (the file is deleted).
        StorageError: the disk is full.
        AuditorError: the server cannot be reached or the transfer broke off.
    """
    remote = _remote(name)
    choice = choice or Choice()
    if not accepted:
        raise ConsentError(f"fetch '{name}': its terms have to be accepted first (--accept-terms)")
    if remote.prepare is not None:
        with written(downloads / name, f"'{name}'"):
            if not remote.part_bytes:  # else each file's size is asked for
                need_space(downloads / name, remote.size_bytes)
            got = remote.prepare(downloads / name, choice, progress)
    else:
        archive, *beside = (download(file, downloads, progress=progress) for file in remote.files)
        got = Fetched(archive, tuple(beside))
    options = Options(adults_only=choice.adults_only)
    imported = import_bank(name, got.source, beside=got.beside, into=into, options=options, progress=progress)
    if is_archive(got.source):
        for path in (got.source, *got.beside, *got.spent):
            path.unlink(missing_ok=True)
    return imported


def _remote(name: str) -> Remote:
    if name not in REMOTES:
        raise InputError(
            f"fetch '{name}': cannot be fetched, need one of {', '.join(sorted(REMOTES))}; "
            "get other sets from their owners and use 'auditor banks import'"
        )
    return REMOTES[name]
