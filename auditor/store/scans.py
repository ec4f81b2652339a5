"""The directory of a scan: ``scan.json`` is written last, so that a scan which has one is complete."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from auditor.errors import InputError
from auditor.files import load_arrays, write_bytes
from auditor.records import ModelRecord, ScannedRow, ScanSummary
from auditor.scan_records import SCAN_VERSION, Scan
from auditor.store.directory import inside, settled_json
from auditor.store.documents import Document

DOCUMENT = Document("scan", Scan, SCAN_VERSION, "a scan's directory", "a scan made by `auditor scan`")
SCAN_FILE = DOCUMENT.file


def is_scan(path: Path) -> bool:
    """Whether a path names a scan: its directory or its file."""
    return path.name == SCAN_FILE or (path.is_dir() and (path / SCAN_FILE).exists())


def write_scan(directory: Path, scan: Scan, pictures: Mapping[str, bytes]) -> None:
    """Write pictures and, last, ``scan.json``.

    Args:
        directory: Made if missing.
        scan: The numbers and words.
        pictures: Path relative to ``directory`` to encoded image.

    Raises:
        StorageError: A file could not be written.
    """
    for name, content in pictures.items():
        write_bytes(inside(directory, name), content)
    write_bytes(directory / SCAN_FILE, scan_bytes(scan))


def scan_bytes(scan: Scan) -> bytes:
    """The exact content of ``scan.json``: floats to six significant digits."""
    return settled_json(scan.model_dump(mode="json"))


def read_scan(path: Path) -> Scan:
    """Read a scan from its directory or from the file itself.

    Raises:
        InputError: Nothing there, not JSON, a version that cannot be read, or a field that the format does
            not allow; the message names the field.
    """
    scan = DOCUMENT.read(path)
    file = path / SCAN_FILE if path.is_dir() else path
    for field, index in _indices(scan):
        if index >= len(scan.classes):
            raise InputError(
                f"scan '{file}': field '{field}': class index {index}, but 'classes' lists "
                f"{len(scan.classes)}, the first being 0"
            )
    return scan


def _indices(scan: Scan) -> Iterator[tuple[str, int]]:
    """Every index of a class, and the field that it stands in."""
    for i, one in enumerate(scan.findings):
        yield f"findings.{i}.class_index", one.class_index
    for name, indices in (("silent", scan.silent), ("constant", scan.constant)):
        yield from ((f"{name}.{i}", index) for i, index in enumerate(indices))


STRONGEST = 20


def scan_summary(path: Path, model: ModelRecord, audited: Collection[int]) -> ScanSummary:
    """What an audit keeps of the scan that its classes were taken from.

    Args:
        path: The scan's directory, or its ``scan.json``.
        model: The audited one.
        audited: Indices of the audited classes.

    Raises:
        InputError: The scan cannot be read, or is of another model.
    """
    scan = read_scan(path)
    if scan.model.weights_sha256 != model.weights_sha256:
        raise InputError(
            f"from-scan '{path}': a scan of {scan.model.name} with weights "
            f"{scan.model.weights_sha256[:12]}; needed: of {model.name} with {model.weights_sha256[:12]}"
        )
    confirmed = scan.confirmed
    return ScanSummary(
        created=scan.created,
        sha256=hashlib.sha256(scan_bytes(scan)).hexdigest(),
        classes=len(scan.classes),
        banks=[one.bank.name for one in scan.banks],
        looked_at=sum(family.looked_at for family in scan.families),
        confirmed=len(confirmed),
        classes_confirmed=len(scan.worst()),
        strongest=[
            ScannedRow(
                **{
                    name: getattr(one, name)
                    for name in ("kind", "class_index", "class_name", "bank", "subject")
                },
                effect=one.effect or 0.0,
                low=one.low or 0.0,
                high=one.high or 0.0,
                audited=one.class_index in audited,
            )
            for one in confirmed[:STRONGEST]
        ],
    )


def read_effects(path: Path, scan: Scan) -> dict[str, NDArray[Any]]:
    """The effects of every class, ``BANK/KIND/PART/effect`` and so on.

    Raises:
        InputError: The file is missing, or is not the one that the scan wrote.
    """
    file = inside(path if path.is_dir() else path.parent, scan.arrays)
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"scan '{path}': '{file.name}': {error.strerror}") from None
    if digest != scan.arrays_sha256:
        raise InputError(
            f"scan '{path}': '{file.name}' is not the file that the scan wrote (SHA-256 {digest[:12]}, "
            f"needed {scan.arrays_sha256[:12]})"
        )
    return load_arrays(file)
