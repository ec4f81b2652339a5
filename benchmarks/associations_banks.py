"""Banks for the benchmarks: those of auditor, and where present the real photos kept beside a checkout."""

from __future__ import annotations

import os
from pathlib import Path

from auditor.banks import BankImage, Concept, ConceptBank, load_bank
from auditor.banks.bank import digest_of
from auditor.errors import InputError
from auditor.images.decode import decode_image, list_images
from auditor.progress import Progress

_FACES = "utkface"


def shared_data() -> Path | None:
    """The folder of real photos: ``$AUDITOR_SHARED/data``, or ``shared/data`` beside the checkout."""
    root = Path(os.environ.get("AUDITOR_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    return root / "data" if (root / "data").is_dir() else None


def find_bank(name: str, *, cache: Path | None, progress: Progress) -> ConceptBank | None:
    """A bank by its name in a list of pairs, or ``None`` where this machine does not have it.

    Known banks and folders come first, then a folder of that name among the shared photos; ``gender``
    is made from the shared faces, whose labels are perceived gender as stated by the data set.

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
            return _gender(data / _FACES)
        if "/" in name or name == "textures":
            raise
        return None


def _gender(folder: Path) -> ConceptBank:
    """Perceived gender from file names ``age_gender_race_date``; adults from 18 on."""
    found: dict[str, list[BankImage]] = {"men": [], "women": []}
    for path in list_images(folder):
        parts = path.name.split("_")
        if len(parts) != 4 or not all(p.isdigit() for p in parts[:3]) or parts[1] not in "01":
            continue
        age = int(parts[0])
        band = (
            "18 to 29" if age < 30 else "30 to 44" if age < 45 else "45 to 59" if age < 60 else "60 and over"
        )
        found["women" if parts[1] == "1" else "men"].append(
            BankImage(
                name=path.name,
                load=lambda path=path: decode_image(path),  # type: ignore[misc]
                sha256=path.name,  # the data set names every image uniquely
                covariates={"race": parts[2], "age": band},
            )
        )
    concepts = tuple(Concept(name, tuple(images)) for name, images in found.items())
    return ConceptBank(
        name="gender", title="Perceived gender", source="folder", concepts=concepts,
        digest=digest_of(concepts), report_images=False,
    )  # fmt: skip
