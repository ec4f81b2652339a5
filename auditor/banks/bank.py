"""A concept bank in memory: named concepts, each with the images that were given that label."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from auditor.records import Skipped


@dataclass(frozen=True)
class BankImage:
    """One image with its covariates."""

    name: str
    """Unique in the bank: a path relative to its root, or ``banded/007`` for a generated image."""
    load: Callable[[], Image.Image]
    """Decodes it: RGB, 8 bit. Raises InputError where the file has changed or cannot be read."""
    sha256: str
    """Of the stored bytes (files) or of the pixels (generated images)."""
    covariates: Mapping[str, str | float] = field(default_factory=dict)
    """Properties that may have to be balanced: age band, brightness, sharpness, source."""
    path: Path | None = None
    """Where the file lies; None for a generated image."""
    mask: Callable[[], Image.Image] | None = None
    """Decodes how much of each pixel is the person, 8-bit grey; None: the image cannot be pasted. Raises as
    ``load``."""
    mask_sha256: str = ""
    """Of the mask's stored bytes; empty where it is a shape."""
    cluster: str = ""
    """The person, source photo or video it belongs to. Images of one cluster count as one."""


@dataclass(frozen=True)
class Concept:
    """Images that carry one label."""

    name: str
    images: tuple[BankImage, ...]
    title: str = ""
    definition: str = ""


@dataclass(frozen=True)
class GroupContrast:
    """Two concepts of a bank to compare, and the covariates to match on."""

    more: str
    less: str
    match: tuple[str, ...] = ()
    """Covariates that define the strata."""


@dataclass(frozen=True)
class ConceptBank:
    """A checked bank, ready to be measured."""

    name: str
    title: str
    source: str
    """``generated``, ``folder``, or the importer's name."""
    concepts: tuple[Concept, ...]
    digest: str
    """SHA-256 over every image's name, label, content and mask."""
    skipped: tuple[Skipped, ...] = ()
    contrasts: tuple[GroupContrast, ...] = ()
    screening: bool = False
    """Whether what it finds has to be looked at with photos."""
    cutout: str = "none"
    """How the person is cut out of an image to be pasted: ``none``, ``masks``, ``ellipse``."""
    report_images: bool = True
    """False: a report shows counts and averages, never the images."""
    report_averages: bool = True
    """False: not even averages."""
    licence: str = ""
    terms: str = ""
    datasheet: Mapping[str, str] = field(default_factory=dict)
    cluster_of: str = "cluster"
    """The kind of cluster: ``person``, ``source photo``."""
    reference: Concept | None = None
    """Images of the same domain to measure a concept against; None: the bank's other concepts."""

    @property
    def drawn(self) -> bool:
        """Whether every picture was made for this bank, and which belong together is known."""
        return self.source == "generated" or self.screening

    @property
    def groups(self) -> frozenset[str]:
        """Concepts that the bank contrasts. Alone they are not matched, so they give no finding."""
        return frozenset(name for c in self.contrasts for name in (c.more, c.less))


def digest_of(concepts: Iterable[Concept]) -> str:
    """SHA-256 over every image's label, name and content, whatever their order."""
    lines = sorted(
        f"{concept.name}\0{image.name}\0{image.sha256}{image.mask_sha256}"
        for concept in concepts
        for image in concept.images
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
