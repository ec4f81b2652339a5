"""Which image of a bank carries which label, and which images count as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from auditor.banks.bank import BankImage, ConceptBank, GroupContrast
from auditor.statistics.arrays import IntArray
from auditor.statistics.samples import REFERENCE, ConceptSample


@dataclass(frozen=True)
class BankLayout:
    """The images of one bank in the order in which they are shown."""

    bank: ConceptBank
    sample: ConceptSample
    """Labels number the bank's concepts."""

    @property
    def labels(self) -> IntArray:
        """[images] Position of the concept in the bank, or ``REFERENCE``."""
        return self.sample.labels

    @property
    def clusters(self) -> IntArray:
        """[images] Images of one cluster count as one."""
        return self.sample.clusters

    @property
    def names(self) -> list[str]:
        """The concepts' names in order."""
        return [concept.name for concept in self.bank.concepts]

    @property
    def findable(self) -> list[str]:
        """Concepts that make findings."""
        return [name for name in self.names if name not in self.bank.groups]

    @property
    def measurable(self) -> list[str]:
        """Concepts that have an effect, in order: the columns of the sample's effects."""
        return [self.names[label] for label in self.sample.measurable]

    @property
    def compared_with(self) -> str:
        """What concepts are compared with, in words."""
        if self.sample.counterfactual is not None:
            return "the same pictures without the concept"
        if self.bank.reference is not None:
            return "the bank's reference images"
        return "the bank's other concepts"

    def positions(self, concept: str) -> IntArray:
        """Positions of one concept's images."""
        return np.flatnonzero(self.labels == self.names.index(concept))

    def independent(self, concept: str) -> int:
        """Independent images of one concept."""
        return self.sample.units[self.names.index(concept)]

    def declared_contrasts(self) -> list[GroupContrast]:
        """The bank's contrasts whose groups it still has."""
        return [c for c in self.bank.contrasts if {c.more, c.less} <= set(self.names)]


def shown_images(bank: ConceptBank, *, most: int | None = None) -> Iterator[BankImage]:
    """A bank's own images in the order of a layout: concept by concept, then reference images.

    Args:
        bank: The bank.
        most: Most images of a concept; all where ``None``.
    """
    for concept in bank.concepts:
        yield from concept.images[:most]
    if bank.reference is not None:
        yield from bank.reference.images


def lay_out(bank: ConceptBank, *, most: int | None = None) -> BankLayout:
    """The layout of a bank before clusters are known: every image is its own.

    Args:
        bank: The bank.
        most: Most images of a concept; all where ``None``.
    """
    labels = [c for c, concept in enumerate(bank.concepts) for _ in concept.images[:most]]
    labels += [REFERENCE] * (len(bank.reference.images) if bank.reference else 0)
    return BankLayout(
        bank=bank,
        sample=ConceptSample(
            labels=np.array(labels, dtype=np.int64),
            clusters=np.arange(len(labels), dtype=np.int64),
            counterfactual=_counterfactuals(bank, most, len(labels)),
        ),
    )


def _counterfactuals(bank: ConceptBank, most: int | None, count: int) -> IntArray | None:
    """[count] position of every concept image's counterfactual among the reference images, -1 for others.

    A counterfactual has the concept image's name below the folder of reference images: ``banded/7.png`` and
    ``without/banded/7.png``. Pairs count only if every image has one: half a pairing would compare two
    kinds of things.
    """
    if bank.reference is None:
        return None
    place = {
        image.name: i
        for i, image in enumerate(image for concept in bank.concepts for image in concept.images[:most])
    }
    found = np.full(count, -1, dtype=np.int64)
    for i, image in enumerate(bank.reference.images):
        parts = image.name.split("/")
        tails = ("/".join(parts[k:]) for k in range(1, len(parts)))
        for original in (tail for tail in tails if tail in place):
            found[place[original]] = len(place) + i
    return found if (found[: len(place)] >= 0).all() else None
