"""A first ``bank.toml`` for a folder of folders, with placeholders to fill in."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from auditor.banks.manifest import FILE_NAME, Manifest, parse_manifest
from auditor.banks.read.folder import subfolders
from auditor.errors import InputError, StorageError
from auditor.resources import resource

NOT_STATED = "Not stated: write it down here."


def start_manifest(root: Path, *, name: str = "", title: str = "") -> Path:
    """Writes ``bank.toml`` beside the concepts' folders and returns its path.

    Raises:
        InputError: no folder, no subfolders, names that cannot be concepts, a manifest exists, or a table
            labels the images.
        StorageError: it cannot be written.
    """
    if not root.is_dir():
        raise InputError(f"'{root}': need a folder with one folder of images for each concept")
    path = root / FILE_NAME
    if path.exists():
        raise InputError(f"'{path}' exists; edit it, or move it away to start again")
    _refuse_table(root)
    entries = subfolders(root)
    text = (resource("concept_banks") / "importers" / "folder.toml").read_text(encoding="utf-8")
    text = text.split("\n", 1)[1]  # the first line speaks of an import
    name = name or root.resolve().name
    # Nor do these hold for folders that are read as they are.
    text = re.sub(r"^(preprocessing|maintenance) = .*$", rf'\1 = "{NOT_STATED}"', text, flags=re.MULTILINE)
    text = text.replace("@name@", _escaped(name)).replace("Imported bank", _escaped(title or name))
    for entry in entries:
        quoted = json.dumps(entry.name, ensure_ascii=False)
        text += f'\n[[concepts]]\nname = {quoted}\ndefinition = "{NOT_STATED}"\nfolder = {quoted}\n'
    parse_manifest(text, where=str(path))
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StorageError(f"'{path}': cannot be written ({os.strerror(error.errno or 0)})") from error
    return path


def _refuse_table(root: Path) -> None:
    for table in sorted(root.glob("*.csv")):
        with table.open(encoding="utf-8-sig", errors="replace") as file:
            header = [cell.strip() for cell in file.readline().split(",")]
        if "file" in header and any(cell.partition(":")[0] == "label" for cell in header):
            raise InputError(f"'{table}' labels images: auditor banks import csv {root}")


def not_stated(manifest: Manifest) -> list[str]:
    """Keys that still hold the placeholder."""
    parts = [(f"concepts.{concept.name}", concept.model_dump()) for concept in manifest.concepts]
    parts += [("sources", source.model_dump()) for source in manifest.sources]
    parts.append(("datasheet", manifest.datasheet.model_dump()))
    return [f"{part}.{key}" for part, keys in parts for key, text in keys.items() if text == NOT_STATED]


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
