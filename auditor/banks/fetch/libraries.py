"""Image sets that a library downloads: CelebA by torchvision."""

from __future__ import annotations

import errno
from pathlib import Path

from auditor.banks.fetch.choice import Choice, Fetched
from auditor.errors import AuditorError, one_line
from auditor.progress import Progress


def fetch_celeba(folder: Path, choice: Choice, progress: Progress) -> Fetched:
    """The files of CelebA that are needed, through torchvision, which can download from Google Drive.

    torchvision verifies their md5. A complete file is not downloaded again. The archive comes whole,
    whatever the ``choice``.

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


def _failed(name: str, what: str, error: Exception) -> Exception:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        return error  # the disk, which the caller tells apart
    return AuditorError(f"fetch '{name}': {what} ({one_line(error, 300)}); repeat to go on")
