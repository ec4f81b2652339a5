"""Lists the banks without reading an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auditor.banks import places
from auditor.banks.manifest import Manifest, read_manifest


@dataclass(frozen=True)
class BankSummary:
    """One line of ``auditor banks list``."""

    name: str
    title: str
    kind: str
    """``generated``, ``imported``, or ``needs images`` for a bank that selects from imported sets."""
    concepts: int
    folder: Path
    manifest: Manifest


def list_banks() -> list[BankSummary]:
    """Shipped banks, then imported ones, by name.

    Raises:
        InputError: a bank's manifest is broken.
    """
    summaries = []
    for folders, kind in ((places.shipped(), "needs images"), (places.imported(), "imported")):
        for name, folder in folders.items():
            manifest = read_manifest(folder)
            summaries.append(
                BankSummary(
                    name=name,
                    title=manifest.title,
                    kind="generated" if manifest.generator else kind,
                    concepts=len(manifest.concepts),
                    folder=folder,
                    manifest=manifest,
                )
            )
    return summaries
