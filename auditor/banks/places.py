"""Folders of shipped banks, of imported banks, and of the cache; the list of banks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from auditor.banks.manifest import FILE_NAME, Manifest, read_manifest
from auditor.resources import resource


def cache_root(cache: Path | None = None) -> Path:
    """Folder for reproducible files: ``cache``, else AUDITOR_CACHE, else the user's cache folder."""
    if cache is not None:
        return cache
    asked = os.environ.get("AUDITOR_CACHE")
    return Path(asked) if asked else platformdirs.user_cache_path("auditor")


def imported_root() -> Path:
    """Folder of imported banks: AUDITOR_BANKS, else ``banks`` in the user's data folder."""
    asked = os.environ.get("AUDITOR_BANKS")
    return Path(asked) if asked else platformdirs.user_data_path("auditor") / "banks"


def shipped() -> dict[str, Path]:
    """Name to folder of the banks that travel with auditor."""
    return _banks_in(resource("concept_banks"))


def imported() -> dict[str, Path]:
    """Name to folder of the banks imported on this machine."""
    return _banks_in(imported_root())


@dataclass(frozen=True)
class BankSummary:
    """One line of ``auditor banks list``."""

    name: str
    kind: str
    """``generated``, ``shipped``, ``imported``, or ``needs images``: it selects from imported sets."""
    folder: Path
    manifest: Manifest


def list_banks() -> list[BankSummary]:
    """Shipped banks, then imported ones, by name; reads no image.

    Raises:
        InputError: a bank's manifest is broken.
    """
    summaries = []
    for folders, kind in ((shipped(), "shipped"), (imported(), "imported")):
        for name, folder in folders.items():
            manifest = read_manifest(folder)
            of = "generated" if manifest.generator else "needs images" if manifest.labels else kind
            summaries.append(BankSummary(name, of, folder, manifest))
    return summaries


def _banks_in(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        return {}
    # Hidden folders are imports that were stopped half way.
    found = (folder for folder in sorted(root.iterdir()) if not folder.name.startswith("."))
    return {folder.name: folder for folder in found if (folder / FILE_NAME).is_file()}
