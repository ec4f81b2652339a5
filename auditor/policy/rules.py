"""What a policy says: the rules, the floors of trust and the waivers, as checked records.

A policy is written in TOML and read by :mod:`auditor.policy.load`. Every name in it is a pattern
(``*``, ``?``, ``[ab]``; case does not matter) and also matches itself literally.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from auditor.records import ClassResult, Count, Finding

Inconclusive = Literal["fail", "warn", "pass"]
"""What an answer that is too imprecise counts as. ``warn`` keeps it inconclusive (exit status 4)."""

Effect = Annotated[float, Field(ge=0)]
"""A tolerated size, absolute: a difference of the log-scaled class probability, 0 to 1."""

Alpha = Annotated[float, Field(gt=0, lt=1)]
Patterns = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]


class PolicyRecord(BaseModel):
    """A frozen table of the policy; unknown keys are refused so that a typo cannot loosen a gate."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, strict=True, use_attribute_docstrings=True
    )


class Trust(PolicyRecord):
    """What a finding must bring before it may pass.

    A check that failed withholds what it tests, whatever a policy says. These ask for more.
    """

    required_checks: list[str] = []
    """Checks that must have been run, and passed, for every finding that they concern."""
    smallest_n: Count = 20
    """Smallest number of independent images on either side of a comparison."""
    largest_minimum_detectable: Effect | None = None
    """Largest tolerated minimum detectable effect: with a larger one, a missing effect means nothing."""


class Rule(PolicyRecord):
    """What the two kinds of rules share: where it applies, and how strictly."""

    name: str = ""
    """Shown in the verdict; ``association 1``, ``contrast 2`` ... where left out."""
    classes: Patterns = ["*"]
    """Class names, synsets or indices."""
    banks: Patterns = ["*"]
    largest_growth: Effect | None = None
    """How much the effect may grow over the baseline, away from zero."""
    alpha: Alpha | None = None
    """In place of the policy's."""
    inconclusive: Inconclusive | None = None
    """In place of the policy's."""


class Association(Rule):
    """A limit on how strongly a class may be associated with concepts of a bank."""

    concepts: Patterns = ["*"]
    side: Literal["either", "associated", "negatively associated"] = "either"
    """Which sign is limited; ``either`` limits the absolute effect."""
    largest_effect: Effect | None = None
    """Largest tolerated effect."""

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.largest_effect is None and self.largest_growth is None:
            raise ValueError("needs 'largest_effect' or 'largest_growth'")
        return self


class Contrast(Rule):
    """A limit on how much more a class may be associated with one group than with another."""

    groups: Patterns = ["*/*"]
    """Pairs ``MORE/LESS``; either order matches, and the limit holds in both directions."""
    matched: Literal["prefer", "require"] = "prefer"
    """Whether groups that were not matched on what should not differ count where the bank matches none."""
    pictures: Literal["alone", "in context"] = "alone"
    """Whether the limit is on people alone, or on people pasted into the class's own pictures (an audit with
    ``--in-context``)."""
    largest_difference: Effect | None = None
    """Largest tolerated absolute difference."""

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.largest_difference is None and self.largest_growth is None:
            raise ValueError("needs 'largest_difference' or 'largest_growth'")
        for pair in self.groups:
            if "/" not in pair.strip("/"):
                raise ValueError(f"groups: '{pair}' is not a pair; write it as 'women/men'")
        return self


class ScanRule(PolicyRecord):
    """A limit on what a scan of every class may confirm."""

    kind: Literal["association", "contrast"]
    name: str = ""
    """Shown in the verdict; ``scan 1`` ... where left out."""
    classes: Patterns = ["*"]
    """Class names or indices."""
    banks: Patterns = ["*"]
    subjects: Patterns = ["*"]
    """Concepts, or pairs ``MORE/LESS`` in either order."""
    largest_effect: Effect | None = None
    """Largest tolerated confirmed effect, absolute."""
    most_new: Count | None = None
    """Largest tolerated number of findings that the baseline's scan did not confirm."""
    inconclusive: Inconclusive | None = None
    """In place of the policy's."""

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.largest_effect is None and self.most_new is None:
            raise ValueError("needs 'largest_effect' or 'most_new'")
        return self


class Expected(PolicyRecord):
    """An association with a concept that the class is meant to have: a zebra is striped.

    Rules hold the other direction as before, and this one only beyond ``largest_effect``. Differences between
    groups of people are never expected: an owner waives them, until a date.
    """

    classes: Patterns
    banks: Patterns = ["*"]
    concepts: Patterns
    direction: Literal["associated", "negatively associated"] = "associated"
    largest_effect: Effect = 1.0
    """Largest effect that is still expected, absolute."""
    reason: Text
    """Why it is meant."""

    def covers(self, result: ClassResult, finding: Finding) -> bool:
        """Whether it is about this finding."""
        return (
            finding.kind == "association"
            and class_matches(result, self.classes)
            and matches(finding.bank, self.banks)
            and matches(finding.subject, self.concepts)
        )


class Waiver(PolicyRecord):
    """A known excess that its owner accepts until a date.

    It covers an established excess or an imprecise answer. It never covers a failed check, low
    trust, or something that was not tested.
    """

    classes: Patterns
    banks: Patterns = ["*"]
    concepts: list[str] = []
    groups: list[str] = []
    owner: Text
    reason: Text
    expires: date
    """Last day on which it holds."""

    @model_validator(mode="after")
    def _covers_something(self) -> Self:
        if not self.concepts and not self.groups:
            raise ValueError("needs 'concepts' or 'groups': a waiver covers named findings only")
        return self


class Policy(PolicyRecord):
    """A release policy."""

    format_version: Literal[2]
    name: str = ""
    alpha: Alpha = 0.05
    """An effect is established only where the corrected p-value is at most this."""
    inconclusive: Inconclusive = "warn"
    baseline: Literal["required", "optional"] = "required"
    """Whether limits on growth may go unchecked when no baseline is given."""
    allow_screening: bool = False
    """Whether rules judge banks that only screen, such as rendered people; else what they find is a note."""
    trust: Trust = Trust()
    association: list[Association] = []
    contrast: list[Contrast] = []
    scan: list[ScanRule] = []
    """Rules for a scan of every class; an audit is not held against them."""
    expected: list[Expected] = []
    waiver: list[Waiver] = []

    @model_validator(mode="after")
    def _has_rules(self) -> Self:
        if not self.association and not self.contrast and not self.scan:
            raise ValueError("needs at least one [[association]], [[contrast]] or [[scan]]")
        return self


def waiver_notes(waivers: Sequence[Waiver], used: Collection[int], today: date) -> list[str]:
    """What became of the waivers that were not applied; ``used`` are positions of those that were."""
    found = []
    for number, waiver in enumerate(waivers):
        if waiver.expires < today:
            found.append(f"the waiver of {waiver.owner} expired on {waiver.expires} and was not applied")
        elif number not in used:
            found.append(f"the waiver of {waiver.owner} (until {waiver.expires}) was not needed")
    return found


def matches(name: str, patterns: list[str]) -> bool:
    """Whether one of the patterns is the name or matches it, upper and lower case alike."""
    folded = name.casefold()
    return any(folded == p.casefold() or fnmatchcase(folded, p.casefold()) for p in patterns)


def class_matches(result: ClassResult, patterns: list[str]) -> bool:
    """Whether one of the patterns names the class, by name, synset or index."""
    known = (result.name, result.synset, str(result.index))
    return any(matches(name, patterns) for name in known if name)


def pair_matches(more: str, less: str, patterns: list[str]) -> bool:
    """Whether one of the patterns names the pair, in either order."""
    return matches(f"{more}/{less}", patterns) or matches(f"{less}/{more}", patterns)
