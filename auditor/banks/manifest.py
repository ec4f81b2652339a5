"""``bank.toml``: the description of a concept bank. It is checked before any image is read.

People write these files by hand, so an error names the file, the line and the key.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from auditor.errors import InputError
from auditor.toml_lines import TomlSyntaxError, parse_toml, read_toml_text

FILE_NAME = "bank.toml"
_NAME = r"^[^\W_][\w .+&-]*$"  # letters of any script; a bank is called by it on the command line


def _printable(name: str) -> str:
    if not name.strip() or name != name.strip() or not name.isprintable():
        raise ValueError("must be printable text without blanks at either end")
    if "/" in name or "\\" in name or name in (".", ".."):
        raise ValueError("must be no path: no slashes, not '.' or '..'")
    return name


def _inside(folder: str) -> str:
    parts = re.split(r"[/\\]", folder)
    if ".." in parts or folder.startswith(("/", "\\")) or re.match(r"^[A-Za-z]:", folder):
        raise ValueError("must lie inside the bank: a relative path without '..'")
    return folder


Name = Annotated[str, Field(pattern=_NAME, max_length=80)]
ConceptName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]
"""Any printable text; also the name of a folder."""
Folder = Annotated[str, AfterValidator(_inside)]
Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ConceptEntry(_Part):
    """One concept and where its images come from."""

    name: ConceptName
    title: str = ""
    definition: Text
    """What an image must show to carry this label."""
    folder: Folder = ""
    """Folder of its images, relative to the manifest; by default the concept's name."""
    where: dict[str, str] = {}
    """Labels that an image must have. ``{gender = "woman", race = "black"}`` selects images with both.
    Only for banks with a lock file."""


class ContrastEntry(_Part):
    """Two concepts to compare."""

    more: ConceptName
    less: ConceptName
    match: tuple[str, ...] = ()
    """Covariates to match on: categories exactly, numbers by distance."""


class CovariateEntry(_Part):
    """A property of images that should not differ between concepts."""

    kind: Literal["category", "number"]
    description: str = ""


class ClusterEntry(_Part):
    """How images are grouped into clusters. The images of a cluster count as one."""

    of: Text = "cluster"
    """What a cluster is, in a word: ``person``, ``source photo``, ``video``."""
    covariate: str = ""
    """The covariate that names it."""
    name_pattern: str = ""
    """Or a regular expression with one group, searched in the image's path within the bank. The group's text
    names the cluster. ``"^([^/]+/photo[0-9]+)_"`` groups all crops of a photo."""

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
    """Images of the same domain that a concept is measured against."""

    description: Text
    folder: Folder = ""
    """Folder of reference images; empty: the bank's other concepts."""


class SourceEntry(_Part):
    """Where images and labels come from, and their terms."""

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
    """Suitable uses."""
    unsuitable_uses: Text
    maintenance: Text


class Generator(_Part):
    """Images that auditor generates."""

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
    screening: bool = False
    """Whether the bank only screens, such as rendered people: nothing is claimed from it, and what it finds
    has to be looked at with photos."""
    cutout: Literal["none", "masks", "ellipse"] = "none"
    """How the person is cut out of an image, to be pasted into a class's pictures: by masks, which the lock
    file names and which say how much of each pixel is the person, or by an ellipse, as faces are. ``none``:
    images of the bank are not pasted."""
    report_images: bool = True
    """Whether a report may show this bank's images. False for faces."""
    report_averages: bool = True
    """Whether a report that may not show the images may show each concept's blurred average of 30 or more."""
    generator: Generator | None = None
    labels: tuple[str, ...] = ()
    """For a bank without images: it selects from any imported set whose images carry these labels."""
    concepts: Annotated[tuple[ConceptEntry, ...], Field(min_length=1)]
    contrasts: tuple[ContrastEntry, ...] = ()
    covariates: dict[str, CovariateEntry] = {}
    cluster: ClusterEntry | None = None
    """Default: the covariate ``cluster``, where images have one."""
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
    return parse_manifest(read_toml_text(path, where=str(path)), where=str(path))


def parse_manifest(text: str, *, where: str) -> Manifest:
    """:func:`read_manifest` for text in memory; ``where`` names it in errors."""
    try:
        toml = parse_toml(text)
        return Manifest.model_validate(toml.data)
    except TomlSyntaxError as error:
        raise InputError(f"{where}:{error.line}: not valid TOML ({error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        said = _REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
        if first["loc"] == ("control",):
            said = "is called [reference] now; rename the table"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        at = f"{where}:{toml.line(first['loc']) or 1}"
        raise InputError(f"{at}: {key + ': ' if key else ''}{said}{more}") from error


_REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is not a key of bank.toml",
    "string_pattern_mismatch": "must begin with a letter or digit and hold no slashes",
}
"""Errors by pydantic's type, in words about a file."""
