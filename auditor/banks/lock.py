"""``bank.lock.json``: the images of an imported bank, with labels and measurements.

The images stay where they are. The lock names them by path and checksum, so that an audit records which
images it used and ``auditor banks verify`` can check them later.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from auditor.banks.manifest import FILE_NAME as MANIFEST_NAME
from auditor.errors import InputError
from auditor.images.decode import left_out, read_limited
from auditor.progress import Progress, silent
from auditor.records import Skipped

FILE_NAME = "bank.lock.json"


class LockedImage(BaseModel):
    """One image as it was imported."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    file: str
    """Relative to the lock's root, with forward slashes."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    labels: dict[str, str]
    covariates: dict[str, str | float] = {}
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    brightness: float
    contrast: float
    sharpness: float
    dhash: str
    mask: str = ""
    """Image that says how much of each pixel is the person; relative to the root. Empty: there is none."""
    mask_sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""


class Lock(BaseModel):
    """All images of an imported bank."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    importer: str
    """The importer that read the source and its labels."""
    options: dict[str, str | int | float | bool] = {}
    root: str
    """Folder of the images: absolute, or relative to the lock."""
    images: list[LockedImage]
    left_out: list[Skipped] = []
    """Files of the source that are not in the bank, each with the reason."""

    def folder(self, at: Path) -> Path:
        """Where the images lie, for a lock in the folder ``at``."""
        return (at / self.root).resolve()

    def digest(self) -> str:
        """SHA-256 over files, contents, masks and labels."""
        lines = sorted(
            f"{i.file}\0{i.sha256}{i.mask_sha256}\0{json.dumps(i.labels, sort_keys=True)}"
            for i in self.images
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_lock(folder: Path) -> Lock:
    """The lock beside a manifest.

    Raises:
        InputError: missing, damaged, or naming files outside its root.
    """
    path = folder / FILE_NAME
    try:
        lock = Lock.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); import the bank again") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: damaged ({key}: {first['msg']}); import the bank again") from error
    for image in lock.images:
        for file in (image.file, image.mask):
            if file.startswith(("/", "\\")) or ".." in file.split("/"):
                raise InputError(f"{path}: '{file}' leads out of the bank's folder; import it again")
    return lock


def changed_images(folder: Path, *, progress: Progress = silent) -> list[Skipped]:
    """Images that differ from the lock; empty if none does.

    Raises:
        InputError: no lock.
    """
    lock = read_lock(folder)
    root = lock.folder(folder)
    wrong = []
    files = [(image.file, image.sha256) for image in lock.images]
    files += [(image.mask, image.mask_sha256) for image in lock.images if image.mask]
    with progress.stage(f"verifying {folder.name}", len(files)) as stage:
        for file, recorded in files:
            stage.advance()
            try:
                sha256 = hashlib.sha256(read_limited(root / file)).hexdigest()
            except InputError as error:
                wrong.append(left_out(file, str(error).partition(": ")[2]))
                continue
            if sha256 != recorded:
                reason = f"sha256 is {sha256[:12]}..., was {recorded[:12]}... when imported"
                wrong.append(left_out(file, reason))
    return wrong


def has_lock(folder: Path) -> bool:
    """Whether ``folder`` holds an imported bank."""
    return (folder / FILE_NAME).is_file() and (folder / MANIFEST_NAME).is_file()
