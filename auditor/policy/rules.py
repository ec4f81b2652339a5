"""What a policy says: the rules, the floors of trust and the waivers, as checked records.

A policy is written in TOML and read by :mod:`auditor.policy.load`. Every name in it is a pattern
(``*``, ``?``, ``[ab]``; case does not matter) and also matches itself literally.
"""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from auditor.records import ClassResult, Count, Share

Inconclusive = Literal["fail", "warn", "pass"]
"""What an answer that is too imprecise counts as. ``warn`` keeps it inconclusive (exit status 4)."""

Effect = Annotated[float, Field(ge=0)]
"""A tolerated size, absolute: of scores as a share of full evidence, of differences between groups in
standard deviations."""

Alpha = Annotated[float, Field(gt=0, lt=1)]
Patterns = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]


class PolicyRecord(BaseModel):
    """A frozen table of the policy; unknown keys are refused so that a typo cannot loosen a gate."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, strict=True, use_attribute_docstrings=True
    )


class Trust(PolicyRecord):
    """Floors below which a measurement cannot pass.

    The first five say whether the measurement means what it should: below them nothing is concluded,
    neither pass nor fail. The last two say whether it could have seen an effect: below them nothing
    passes, but an effect that was established all the same still fails.
    """

    occluder_success: Share | None = 0.5
    """Smallest share of held-out images whose class the occluder must change."""
    required_controls: list[str] = []
    """Controls that must have been run and passed."""
    blocking_controls: Patterns = ["*"]
    """Controls whose failure counts even if they are not required."""
    class_images: Patterns = ["*"]
    """Accepted sources of the class's images: ``folder``, ``hf:*``, ``impressions``."""
    specific: bool = True
    """Refuse a detector that was measured to say the same about any class."""
    smallest_n: Count = 20
    """Smallest number of images on either side of a comparison."""
    largest_smallest_detectable: Effect | None = None
    """Largest tolerated smallest detectable effect: with a larger one, silence means nothing."""


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
    side: Literal["either", "associated", "inhibiting"] = "either"
    """Which sign is limited; ``either`` limits the absolute score."""
    largest_effect: Effect | None = None
    """Largest tolerated score, as a share of full evidence."""

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.largest_effect is None and self.largest_growth is None:
            raise ValueError("needs 'largest_effect' or 'largest_growth'")
        return self


class Contrast(Rule):
    """A limit on how much more a class may be associated with one group than with another."""

    groups: Patterns = ["*/*"]
    """Pairs ``MORE/LESS``; either order matches, and the limit holds in both directions."""
    matched: Literal["prefer", "require", "any"] = "prefer"
    """Which comparison counts where groups were also matched on what should not differ: the matched one
    where there is one, only a matched one, or every one there is."""
    largest_difference: Effect | None = None
    """Largest tolerated absolute difference, in standard deviations of the response within groups."""

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.largest_difference is None and self.largest_growth is None:
            raise ValueError("needs 'largest_difference' or 'largest_growth'")
        for pair in self.groups:
            if "/" not in pair.strip("/"):
                raise ValueError(f"groups: '{pair}' is not a pair; write it as 'women/men'")
        return self


class Waiver(PolicyRecord):
    """A known excess that somebody answers for until a date.

    It covers an established excess or an imprecise answer. It never covers a failed control, low
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

    format_version: Literal[1] = 1
    name: str = ""
    alpha: Alpha = 0.05
    """An effect is established only where the corrected p-value is below it."""
    inconclusive: Inconclusive = "warn"
    interval: Literal["95%", "simultaneous"] = "95%"
    """Which interval must lie beyond the tolerance for a failure. ``simultaneous`` takes the one
    widened for all comparisons, where the audit has it."""
    baseline: Literal["required", "optional"] = "required"
    """Whether limits on growth may go unchecked when no baseline is given."""
    trust: Trust = Trust()
    association: list[Association] = []
    contrast: list[Contrast] = []
    waiver: list[Waiver] = []

    @model_validator(mode="after")
    def _has_rules(self) -> Self:
        if not self.association and not self.contrast:
            raise ValueError("needs at least one [[association]] or [[contrast]]")
        return self


def is_pattern(pattern: str) -> bool:
    """Whether it can match more than itself."""
    return any(sign in pattern for sign in "*?[")


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
