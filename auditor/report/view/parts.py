"""The pieces that several parts of a report are made of."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.records import Finding, FindingKind
from auditor.report.view.summary import variants_text
from auditor.report.words import (
    Word,
    clean,
    digits_of,
    effect_text,
    interval_text,
    number,
    p_text,
    percent,
    said,
)


@dataclass(frozen=True)
class Fact:
    """A label and its value."""

    label: str
    value: str
    code: bool = False
    """Whether the value is for machines: a hash, a path."""


@dataclass(frozen=True)
class Shot:
    """A picture with its caption."""

    path: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class ShotGroup:
    """Pictures that belong together."""

    title: str
    note: str
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class FindingRow:
    """A finding: its cells are words, and charts draw the numbers of ``finding`` itself."""

    anchor: str
    title: str
    finding: Finding

    @property
    def word(self) -> Word:
        """The conclusion."""
        return said(self.finding)

    @property
    def effect(self) -> str:
        """The effect."""
        return effect_text(self.finding)

    @property
    def interval(self) -> str:
        """The adjusted interval."""
        return interval_text(self.finding)

    @property
    def p_adjusted(self) -> str:
        """The corrected p-value."""
        return p_text(self.finding.p_adjusted)

    @property
    def detectable(self) -> str:
        """The minimum detectable effect."""
        return number(self.finding.minimum_detectable, digits=digits_of(self.finding.kind))

    @property
    def share(self) -> str:
        """The share of classes with an effect at least as extreme."""
        return percent(self.finding.class_share)

    @property
    def reason(self) -> str:
        """The reason, where the conclusion alone does not say it."""
        open_ended = self.finding.conclusion in ("screening", "inconclusive", "not measured")
        return clean(self.finding.reason) if open_ended else ""

    @property
    def moves(self) -> str:
        """The effect in every variant: of a concept that is claimed, and of every measured contrast."""
        association = self.finding.kind == "association"
        shown = self.finding.claimed if association else self.finding.effect is not None
        return variants_text(self.finding) if shown else ""


def noun_of(kind: FindingKind) -> str:
    """What a finding of a kind is called in links."""
    return "concept" if kind == "association" else kind.replace(" ", "-")


def item_anchor(class_anchor: str, kind: str, position: int) -> str:
    """Where the row of a concept or contrast is found, by its position in the class's list."""
    return f"{class_anchor}-{kind}-{position + 1}"
