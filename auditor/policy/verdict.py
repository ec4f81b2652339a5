"""What the gate decided, and why: numbers, words and the waivers that were applied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from auditor.compare.records import Release
from auditor.records import Record

Outcome = Literal["pass", "fail", "inconclusive"]

EXIT_STATUS: dict[Outcome, int] = {"pass": 0, "fail": 3, "inconclusive": 4}
"""1 is an error of the tool, 2 of its use."""

Kind = Literal[
    "association",
    "contrast",
    "in context",
    "association growth",
    "contrast growth",
    "in context growth",
    "coverage",
    "association scan",
    "contrast scan",
]


class AppliedWaiver(Record):
    """The waiver that covers a ruling."""

    owner: str
    reason: str
    expires: date


class Ruling(Record):
    """One rule held against one measurement."""

    rule: str
    """The rule's name."""
    kind: Kind
    """``coverage``: the rule names something that was not tested. ``... scan``: of a scan; without a class,
    how many findings it confirms."""
    line: int = 1
    """Line of the rule in the policy file."""
    class_index: int | None = None
    class_name: str = ""
    bank: str = ""
    subject: str = ""
    """The concept, or the pair of groups ``women/men``."""
    matched: bool | None = None
    """Of contrasts: whether the groups were matched."""
    effect: float | None = None
    """Of the finding, or its growth over the baseline."""
    low: float | None = None
    """Lower end of the adjusted interval, on which the ruling rests."""
    high: float | None = None
    p_adjusted: float | None = None
    n: int | None = None
    """Independent images on the smaller side."""
    minimum_detectable: float | None = None
    tolerance: float | None = None
    """Largest size the rule allows."""
    alpha: float | None = None
    measured: Outcome
    """What the numbers say, before waivers and before what the policy makes of an imprecise answer."""
    outcome: Outcome
    """What it counts as."""
    reason: str
    """In one sentence."""
    trusted: bool = True
    """False: a check withholds it, a floor of trust was missed, or it was not tested. Never passes."""
    waiver: AppliedWaiver | None = None

    @property
    def title(self) -> str:
        """What it is about: ``zebra × textures/banded``."""
        about = "/".join(part for part in (self.bank, self.subject) if part)
        return " × ".join(part for part in (self.class_name, about) if part) or self.rule


def outcome_of(rulings: Sequence[Ruling]) -> Outcome:
    """One failure fails. No ruling at all means that nothing was tested, which is no reason to pass."""
    outcomes = {ruling.outcome for ruling in rulings}
    return "fail" if "fail" in outcomes else "pass" if outcomes == {"pass"} else "inconclusive"


class Verdict(Record):
    """The gate's answer."""

    format_version: Literal[2] = 2
    outcome: Outcome
    policy: str
    """Its name, or the path of its file."""
    policy_path: str = ""
    audit: Release
    baseline: Release | None = None
    day: date
    """The day that waivers were held against."""
    rulings: list[Ruling]
    notes: list[str]
    """Expired and unused waivers, and the like."""

    @property
    def exit_status(self) -> int:
        """0 pass, 3 fail, 4 inconclusive."""
        return EXIT_STATUS[self.outcome]

    def count(self, outcome: Outcome) -> int:
        """How many rulings count as this."""
        return sum(r.outcome == outcome for r in self.rulings)

    @property
    def waived(self) -> int:
        """How many rulings pass only because of a waiver."""
        return sum(r.waiver is not None for r in self.rulings)
