"""What a scan holds: every class of a model against every concept, worst first.

``scan.json`` is one :class:`Scan`. Written once; reports, gate and comparison read it. Nothing here imports
torch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from auditor.records import (
    CLAIMS,
    BankRecord,
    Check,
    Conclusion,
    Count,
    Effect,
    EffectEnd,
    Environment,
    Index,
    Level,
    LogScaled,
    Margin,
    ModelRecord,
    PValue,
    Record,
    Seconds,
    Share,
    Skipped,
    Subject,
    measured_in,
)

SCAN_VERSION = 1
"""A reader refuses a version that it does not know."""

Kind = Literal["association", "contrast"]


class Driver(Record):
    """An image of the concept on which the class's probability is high."""

    image: str
    """Its name in the bank."""
    value: LogScaled
    """The log-scaled class probability e on it, 0 to 1."""
    path: str
    """Picture, relative to the scan's directory."""


class ScanFinding(Subject):
    """A class and a concept, or a class and two groups, that the screening half pointed at.

    ``effect`` comes from the confirming images alone. Over everything selected it neither shrinks nor grows
    when it is measured again. Among the confirmed alone it shrinks a little: these also had to pass the test.
    """

    screened_effect: Effect
    """The same effect on the screening images, by which it was selected: too large on average."""
    effect: Effect | None
    """Mean e on the concept's confirming images less that on the images compared with, -1 to 1."""
    low: EffectEnd | None
    """Lower end of the interval that is adjusted for selection (Benjamini and Yekutieli 2005)."""
    high: EffectEnd | None
    p_value: PValue | None
    """Student's two-sided test of "the effect lies within the margin", on the confirming images."""
    q_value: PValue | None
    """Benjamini-Hochberg over what was selected of this kind."""
    n: Count
    """Confirming images of the concept, or of the first group."""
    n_other: Count
    independent: Count
    """Independent units among ``n``; of a matched contrast, pairs."""
    independent_other: Count
    class_share: Share | None
    """Share of the model's other classes with an effect at least as extreme on the same side."""
    alpha: Level
    margin: Margin
    checks: list[Check] = []
    conclusion: Conclusion
    reason: str
    drivers: list[Driver] = []
    """The images with the largest e, where the bank may be shown."""

    @property
    def confirmed(self) -> bool:
        """Whether the conclusion is a claim."""
        return self.conclusion in CLAIMS

    @property
    def severity(self) -> float:
        """Size of the effect in margins of its kind; what "worst first" sorts by."""
        return abs(self.effect or 0.0) / max(self.margin, 1e-9)

    @property
    def key(self) -> tuple[str, int, str, str]:
        """Kind, class, bank and subject: the same pair in another scan of the same classes."""
        return self.kind, self.class_index, self.bank, self.subject


class ScanFamily(Record):
    """How many pairs of one kind were looked at, selected and confirmed."""

    kind: Kind
    looked_at: Count
    """Pairs of a class and a concept (or contrast) that have a measurable effect."""
    selected: Count
    """By the screening images."""
    confirmed: Count
    interval_level: PValue
    """1 minus the coverage of the intervals of what was selected."""


class Lots(Record):
    """The same scan with labels drawn by lot, where nothing may be confirmed."""

    draws: Count
    associations: Count
    """Draws in which any association was confirmed."""
    contrasts: Count
    """Draws in which any contrast was confirmed; the checks of a contrast are not applied here."""


class ScanBank(Record):
    """A bank, and how its images were divided."""

    bank: BankRecord
    screening: Count
    """Images that select."""
    confirming: Count
    """Images that confirm; no cluster lies in both."""
    fewest: Count = 0
    """Smallest number of independent confirming images of any concept measured."""
    fewest_of_groups: Count = 0
    """The same of any contrast: pairs, or independent images of a group."""
    entropy: Annotated[float, measured_in("nats", 0)] = 0.0
    """Mean entropy of the model's answers to the bank, in nats."""
    concepts: list[str] = []
    """Each measured concept: the columns of the associations' arrays."""
    contrasts: list[str] = []
    """``MORE/LESS`` of each measured contrast: the columns of the contrasts' arrays."""


class Scan(Record):
    """Every class of one model against every concept of some banks."""

    format_version: Literal[1] = 1
    kind: Literal["scan"] = "scan"
    created: str
    """UTC, ISO 8601."""
    duration_s: Seconds
    model: ModelRecord
    settings: dict[str, Any]
    environment: Environment
    classes: list[str]
    """Names of all classes, by index. Two may have the same name."""
    banks: list[ScanBank]
    families: list[ScanFamily]
    findings: list[ScanFinding]
    """Everything selected, confirmed or not; worst first."""
    silent: list[Index] = []
    """Classes without an effect beyond the margin in either half: no response was seen."""
    constant: list[Index] = []
    """Classes whose probability is the same for every image."""
    lots: Lots
    method: dict[str, str] = {}
    arrays: str = "arrays.npz"
    """File with the effects of every class, relative to the scan's directory."""
    arrays_sha256: str = ""
    skipped: list[Skipped] = []

    @property
    def confirmed(self) -> list[ScanFinding]:
        """What is claimed, worst first."""
        return [finding for finding in self.findings if finding.confirmed]

    def worst(self, count: int | None = None) -> list[int]:
        """Indices of classes with anything confirmed, worst first; at most ``count``."""
        return list(dict.fromkeys(finding.class_index for finding in self.confirmed))[:count]
