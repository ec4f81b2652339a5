"""Image sets that a library downloads: CelebA by torchvision, FairFace by ``datasets``."""

from __future__ import annotations

import csv
import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.errors import AuditorError, InputError, one_line

_FAIRFACE = "HuggingFaceM4/FairFace"
_FAIRFACE_CONFIGURATION = "0.25"
_FAIRFACE_COLUMNS = ("age", "gender", "race")


@dataclass(frozen=True)
class Fetched:
    """What has been downloaded, ready to be imported."""

    source: Path
    """An archive, or a folder in the set's own layout."""
    beside: tuple[Path, ...] = ()
    """Files that belong beside what the archive holds."""


def fetch_celeba(folder: Path) -> Fetched:
    """The files of CelebA that are needed, through torchvision, which can download from Google Drive.

    torchvision verifies their md5. A complete file is not downloaded again.

    Raises:
        AuditorError: torchvision cannot download a file, or the package gdown is missing.
    """
    # Here and not above: banks are read without torch.
    from auditor.models.torchvision_import import prepare_torchvision

    prepare_torchvision()
    from torchvision.datasets import CelebA
    from torchvision.datasets.celeba import download_file_from_google_drive

    known = {name: (drive_id, md5) for drive_id, md5, name in CelebA.file_list}
    paths = []
    for name in ("list_attr_celeba.txt", "identity_CelebA.txt", "img_align_celeba.zip"):
        drive_id, md5 = known[name]
        try:
            download_file_from_google_drive(drive_id, str(folder), name, md5)
        except Exception as error:  # gdown has errors of its own, and refuses in many ways
            raise _failed("celeba", f"torchvision could not download {name}", error) from error
        paths.append(folder / name)
    table, people, archive = paths
    return Fetched(archive, (table, people))


def fetch_fairface(folder: Path) -> Fetched:
    """FairFace through ``datasets``, which checks its files, and written in the set's own layout.

    Images are written as they come, without decoding them.

    Raises:
        InputError: the package datasets is missing.
        AuditorError: the set cannot be downloaded, or has other columns.
    """
    try:
        from datasets import Image, load_dataset
    except ImportError as error:
        needed = "the package datasets: pip install 'auditor[datasets]'"
        raise InputError(f"fetch 'fairface': needs {needed}") from error
    for split, short in (("train", "train"), ("validation", "val")):
        try:
            data = load_dataset(_FAIRFACE, _FAIRFACE_CONFIGURATION, split=split)
            data = data.cast_column("image", Image(decode=False))
            words = {column: data.features[column].names for column in _FAIRFACE_COLUMNS}
        except Exception as error:  # the hub's errors are many, and not the library's alone
            raise _failed("fairface", f"the library datasets could not get {split}", error) from error
        _write_split(data, words, folder, short)
    return Fetched(folder)


def _write_split(data: Any, words: dict[str, list[str]], folder: Path, short: str) -> None:
    (folder / short).mkdir(parents=True, exist_ok=True)
    with (folder / f"fairface_label_{short}.csv").open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(["file", *_FAIRFACE_COLUMNS])
        for number, row in enumerate(data, start=1):
            file = f"{short}/{number}.jpg"
            (folder / file).write_bytes(row["image"]["bytes"])
            table.writerow([file, *(words[column][row[column]] for column in _FAIRFACE_COLUMNS)])


def _failed(name: str, what: str, error: Exception) -> Exception:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        return error  # the disk, which the caller tells apart
    return AuditorError(f"fetch '{name}': {what} ({one_line(error, 300)}); repeat to go on")
