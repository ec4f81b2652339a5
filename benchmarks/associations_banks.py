"""Banks for the benchmarks: those of auditor, and where present the real photos kept beside a checkout."""

from __future__ import annotations

import os
from pathlib import Path

from auditor.banks import ConceptBank, load_bank
from auditor.banks.importing.run import import_bank
from auditor.banks.places import cache_root
from auditor.errors import InputError
from auditor.progress import Progress

_FACES = "utkface"


def shared_data() -> Path | None:
    """The folder of real photos: ``$AUDITOR_SHARED/data``, or ``shared/data`` beside the checkout."""
    root = Path(os.environ.get("AUDITOR_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    return root / "data" if (root / "data").is_dir() else None


def find_bank(name: str, *, cache: Path | None, progress: Progress) -> ConceptBank | None:
    """A bank by its name in a list of pairs, or ``None`` where this machine does not have it.

    Known banks and folders come first, then a folder of that name among the shared photos. ``gender`` is
    made from the shared faces where no face set was imported.

    Raises:
        InputError: the bank is there but cannot be read.
    """
    data = shared_data()
    if data is not None and not Path(name).is_dir() and (data / name).is_dir():
        return load_bank(str(data / name), cache=cache, progress=progress)
    try:
        return load_bank(name, cache=cache, progress=progress)
    except InputError:
        if name == "gender" and data is not None and (data / _FACES).is_dir():
            return faces_bank(data / _FACES, cache=cache, progress=progress)
        if "/" in name or name == "textures":
            raise
        return None


def faces_bank(folder: Path, *, cache: Path | None, progress: Progress) -> ConceptBank:
    """Perceived gender on UTKFace photos, imported as a user imports them, into the cache.

    Raises:
        InputError: no photo is named as in UTKFace.
    """
    into = cache_root(cache) / "benchmarks" / "banks"
    imported = import_bank("utkface", folder, into=into, replace=True, progress=progress)
    return load_bank(str(imported.folder), progress=progress)
