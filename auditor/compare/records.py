"""What a comparison of two releases found: numbers and words. ``auditor.compare`` fills them."""

from __future__ import annotations

from auditor.records import Conclusion, FindingKind, Record, Status


class Release(Record):
    """One of the audits compared."""

    model: str
    weights_sha256: str
    created: str
    label: str = ""
    """The version that whoever audited stated."""

    @property
    def title(self) -> str:
        """The model, with the stated version where there is one."""
        return f"{self.model}, release {self.label}" if self.label else self.model


class Change(Record):
    """One finding in two releases, both at the old one's temperature."""

    kind: FindingKind
    class_index: int
    """In the new release."""
    old_class_index: int
    class_name: str
    bank: str
    subject: str
    """The concept, or the pair ``women/men``."""
    matched: bool | None = None
    """Of contrasts: whether the groups were matched."""
    old: float | None
    old_low: float | None
    old_high: float | None
    old_conclusion: Conclusion
    new: float | None
    """At the old release's temperature, where the releases differ in sharpness."""
    new_low: float | None
    new_high: float | None
    new_conclusion: Conclusion
    new_as_audited: float | None
    """As the new audit has it, at the new release's own temperature."""
    difference: float | None = None
    """New minus old."""
    difference_low: float | None = None
    """Lower end of the 95% interval."""
    difference_high: float | None = None
    adjusted_low: float | None = None
    """Lower end of the interval adjusted for all changes compared. What is said of the change rests on it."""
    adjusted_high: float | None = None
    growth: float | None = None
    """How much further from zero the effect lies, in the direction that it now has; after a change of
    sign, all of the new effect counts."""
    growth_low: float | None = None
    """Lower end of its adjusted interval."""
    growth_high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    """Holm over all changes of the comparison."""
    paired: bool = False
    """Whether the interval comes from the same images in both, or from two separate intervals."""
    status: Status
    withheld: bool = False
    """Whether a check withholds the finding in either release."""
    reason: str = ""


class Comparison(Record):
    """Every finding that two audits share."""

    old: Release
    new: Release
    temperature: float | None
    """What the new release's logits were divided by, so that both are equally sharp on the banks' images:
    1 where they are; ``None`` where it could not be determined."""
    tolerance: float
    """Largest change of an association that counts as unchanged."""
    contrast_tolerance: float
    """The same for contrasts."""
    alpha: float
    changes: list[Change]
    notes: list[str]
    """What differs between the audits, and how the intervals were made."""

    def count(self, status: Status) -> int:
        """How many changes have this status."""
        return sum(c.status == status for c in self.changes)
