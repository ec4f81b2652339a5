"""Readers of labelled image sets: one function each, from a folder to a table of files and labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from auditor.banks.importing import broden, faces, folders
from auditor.banks.importing.rows import Options, Row, Table

__all__ = ["IMPORTERS", "Importer", "Options", "Row", "Table"]


@dataclass(frozen=True)
class Importer:
    """A layout that auditor knows."""

    read: Callable[[Path, Options], Table]
    layout: str
    """What must be in the folder, in one line."""
    own_labels: bool = False
    """The user made the labels: contradictions are errors, not defects of a source to list."""


IMPORTERS: Final[dict[str, Importer]] = {
    "dtd": Importer(folders.dtd, "images/<texture>/*.jpg"),
    "utkface": Importer(faces.utkface, "[age]_[gender]_[race]_[date].jpg"),
    "fairface": Importer(faces.fairface, "fairface_label_{train,val}.csv and the files they name"),
    "lfw": Importer(faces.lfw, "lfw_attributes.txt and lfw/<person>/<person>_0001.jpg"),
    "celeba": Importer(faces.celeba, "list_attr_celeba.txt and img_align_celeba/*.jpg"),
    "broden": Importer(broden.broden, "index.csv, label.csv and images/"),
    "folder": Importer(folders.folder, "one folder of images for each concept", own_labels=True),
    "csv": Importer(folders.csv, "a table of file,label,covariates...", own_labels=True),
}
