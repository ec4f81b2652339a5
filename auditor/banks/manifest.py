"""``bank.toml``: what a concept bank is, before any image is read.

An error names the file, the line and the key, because these files are written by hand.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from auditor.errors import InputError

FILE_NAME = "bank.toml"
_NAME = r"^[^\W_][\w .+&-]*$"  # letters of any script; a bank is called by it on the command line


def _printable(name: str) -> str:
    if not name.strip() or name != name.strip() or not name.isprintable():
        raise ValueError("must be printable text without blanks at either end")
    if "/" in name or "\\" in name or name in (".", ".."):
        raise ValueError("must be no path: no slashes, not '.' or '..'")
    return name


Name = Annotated[str, Field(pattern=_NAME, max_length=80)]
ConceptName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]
"""Anything printable; it is also the name of a folder."""
Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ConceptEntry(_Part):
    """One concept and where its images come from."""

    name: ConceptName
    title: str = ""
    definition: Text
    """What an image must show to carry this label; how a labeller would decide."""
    folder: str = ""
    """Folder of its images, relative to the manifest; by default the concept's name."""
    where: dict[str, str] = {}
    """Labels an image must have, all of them: ``{gender = "woman", race = "black"}`` is an
    intersection. Only for banks with a lock file, whose images carry labels."""

    @field_validator("folder")
    @classmethod
    def _inside(cls, folder: str) -> str:
        parts = re.split(r"[/\\]", folder)
        if ".." in parts or folder.startswith(("/", "\\")) or re.match(r"^[A-Za-z]:", folder):
            raise ValueError("must lie inside the bank: a relative path without '..'")
        return folder


class ContrastEntry(_Part):
    """Two concepts that may be set against each other."""

    more: ConceptName
    less: ConceptName
    match: tuple[str, ...] = ()
    """Covariates to match on, exactly for categories, nearest for numbers."""


class CovariateEntry(_Part):
    """Something that differs between images and should not differ between concepts."""

    kind: Literal["category", "number"]
    description: str = ""


class ClusterEntry(_Part):
    """Which images belong together and count as one."""

    of: Text = "cluster"
    """What a cluster is, in a word: ``person``, ``source photo``, ``video``."""
    covariate: str = ""
    """The covariate that names it."""
    name_pattern: str = ""
    """Or a regular expression with one group, found in the image's path within the bank: what the group
    matches names the cluster. ``"^([^/]+/photo[0-9]+)_"`` puts all crops of a photo together."""

    @model_validator(mode="after")
    def _one_way(self) -> ClusterEntry:
        if bool(self.covariate) == bool(self.name_pattern):
            raise ValueError("needs 'covariate' or 'name_pattern', one of them")
        if self.name_pattern:
            try:
                groups = re.compile(self.name_pattern).groups
            except re.error as error:
                raise ValueError(f"name_pattern is no regular expression: {error}") from error
            if groups != 1:
                raise ValueError(f"name_pattern has {groups} groups, needs one")
        return self


class ReferenceEntry(_Part):
    """What a concept is measured against: other images of the same domain."""

    description: Text
    folder: str = ""
    """Folder of reference images; empty: the bank's other concepts."""

    _inside = field_validator("folder")(ConceptEntry._inside.__func__)  # type: ignore[attr-defined]


class SourceEntry(_Part):
    """Where images and labels come from, and on what terms."""

    name: Text
    url: str = ""
    licence: Text
    terms: str = ""
    labels: Text
    """How the labels were made and by whom."""
    known_defects: str = ""
    citation: str = ""


class Datasheet(_Part):
    """After Gebru et al., Datasheets for Datasets (2021)."""

    motivation: Text
    composition: Text
    collection_and_consent: Text
    preprocessing: Text
    uses: Text
    """Uses that are fine."""
    unsuitable_uses: Text
    maintenance: Text


class Generator(_Part):
    """Images made by auditor itself."""

    name: Literal["textures"]
    images: Annotated[int, Field(ge=1, le=10_000)] = 60
    """For each concept."""
    size: Annotated[int, Field(ge=32, le=1024)] = 256
    """Side in pixels."""


class Manifest(_Part):
    """A whole ``bank.toml``."""

    format: Literal[1]
    name: Name
    title: Text
    min_images: Annotated[int, Field(ge=2)] = 30
    """Concepts with fewer images are skipped, and the report says so."""
    report_images: bool = True
    """Whether a report may show this bank's images; false for faces."""
    report_averages: bool = True
    """Where it may not: whether it may show each concept's blurred average over 30 images or more."""
    generator: Generator | None = None
    labels: tuple[str, ...] = ()
    """A bank without images of its own: any imported set whose images carry these labels."""
    concepts: Annotated[tuple[ConceptEntry, ...], Field(min_length=1)]
    contrasts: tuple[ContrastEntry, ...] = ()
    covariates: dict[str, CovariateEntry] = {}
    cluster: ClusterEntry | None = None
    """Without it, a covariate called ``cluster`` is taken where images state one."""
    reference: ReferenceEntry | None = None
    sources: Annotated[tuple[SourceEntry, ...], Field(min_length=1)]
    datasheet: Datasheet

    @model_validator(mode="after")
    def _names_agree(self) -> Manifest:
        seen: dict[str, str] = {}
        for concept in self.concepts:
            folded = concept.name.casefold()
            if folded in seen:
                raise ValueError(f"concepts '{seen[folded]}' and '{concept.name}' differ in case at most")
            seen[folded] = concept.name
        known = {concept.name for concept in self.concepts}
        for contrast in self.contrasts:
            for side in (contrast.more, contrast.less):
                if side not in known:
                    raise ValueError(f"contrast names '{side}', which is none of the concepts")
            if contrast.more == contrast.less:
                raise ValueError(f"contrast sets '{contrast.more}' against itself")
            for covariate in contrast.match:
                if covariate not in self.covariates:
                    raise ValueError(f"contrast matches on '{covariate}', which is none of the covariates")
        return self


def read_manifest(path: Path) -> Manifest:
    """The manifest in ``path`` (a file, or the folder that holds a ``bank.toml``).

    Raises:
        InputError: missing, not TOML, or not a manifest; with file, line and key.
    """
    path = path / FILE_NAME if path.is_dir() else path
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return parse_manifest(text, where=str(path))


def parse_manifest(text: str, *, where: str) -> Manifest:
    """:func:`read_manifest` for text in memory; ``where`` names it in errors."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+)", str(error))
        line = at.group(1) if at else str(text.count("\n") + 1)
        said = re.sub(r" \(at .*\)$", "", str(error))
        raise InputError(f"{where}:{line}: not valid TOML ({said})") from error
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        line = str(line_of(text, first["loc"]))
        said = {
            "missing": "is missing",
            "extra_forbidden": "is not a key of bank.toml",
            "string_pattern_mismatch": "must begin with a letter or digit and hold no slashes",
        }.get(first["type"], first["msg"].removeprefix("Value error, "))
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise InputError(f"{where}:{line}: {key + ': ' if key else ''}{said}{more}") from error


def line_of(text: str, location: tuple[int | str, ...]) -> int:
    """The line, from 1, that a key such as ``("concepts", 2, "definition")`` is on.

    Where the key itself is absent: the line of the innermost table that is there.
    """
    lines = text.splitlines()
    first, last = 0, len(lines)
    best = 1
    prefix = ""
    for depth, part in enumerate(location):
        if isinstance(part, int):
            heads = [i for i in range(first, last) if _header(lines[i]) == f"[[{prefix}]]"]
            if part >= len(heads):
                break
            first = heads[part]
            last = heads[part + 1] if part + 1 < len(heads) else last
            best = first + 1
            continue
        prefix = f"{prefix}.{part}" if prefix else part
        heads = [i for i in range(first, last) if _header(lines[i]) in (f"[{prefix}]", f"[[{prefix}]]")]
        keyed = [i for i in range(first, last) if re.match(rf'\s*"?{re.escape(part)}"?\s*[=.]', lines[i])]
        if heads and (depth + 1 < len(location) or not keyed):
            best = heads[0] + 1
            if _header(lines[heads[0]]) == f"[{prefix}]":
                first = heads[0]
                last = next((i for i in range(first + 1, last) if lines[i].lstrip().startswith("[")), last)
        elif keyed:
            best = keyed[0] + 1
            first, last = keyed[0], last
    return best


def _header(line: str) -> str:
    line = line.split("#")[0].strip()
    return re.sub(r"\s+", "", line) if line.startswith("[") else ""
