"""A first ``bank.toml`` for a folder of folders, with everything to fill in marked."""

from __future__ import annotations

import json
import os
from pathlib import Path

from auditor.banks.folder import subfolders
from auditor.banks.manifest import FILE_NAME, Manifest, parse_manifest
from auditor.errors import InputError, StorageError
from auditor.resources import resource

NOT_STATED = "Not stated: write it down here."


def start_manifest(root: Path, *, name: str = "", title: str = "") -> Path:
    """Writes ``bank.toml`` beside the concepts' folders and returns its path.

    Raises:
        InputError: no folder, no subfolders, names that cannot be concepts, or a manifest is there.
        StorageError: it cannot be written.
    """
    if not root.is_dir():
        raise InputError(f"'{root}': need a folder with one folder of images for each concept")
    path = root / FILE_NAME
    if path.exists():
        raise InputError(f"'{path}' exists; edit it, or move it away to start again")
    entries = subfolders(root)
    text = (resource("concept_banks") / "importers" / "folder.toml").read_text(encoding="utf-8")
    text = text.split("\n", 1)[1]  # the first line speaks of an import
    text = text.replace("@name@", _escaped(name or root.resolve().name))
    text = text.replace(
        '"Imported bank"', json.dumps(title or name or root.resolve().name, ensure_ascii=False)
    )
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


def not_stated(manifest: Manifest) -> list[str]:
    """Keys that still hold the placeholder: a bank that nobody has described yet."""
    sheet = [
        f"datasheet.{key}" for key, text in manifest.datasheet.model_dump().items() if text == NOT_STATED
    ]
    sources = [
        f"sources.{key}"
        for s in manifest.sources
        for key, text in s.model_dump().items()
        if text == NOT_STATED
    ]
    concepts = [f"concepts.{c.name}.definition" for c in manifest.concepts if c.definition == NOT_STATED]
    return [*concepts, *sources, *sheet]


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
