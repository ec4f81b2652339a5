"""What a comparison of two releases found: numbers and words. ``auditor.compare`` fills them."""

from __future__ import annotations

from typing import Literal

from auditor.records import Record

Status = Literal["new", "gone", "grown", "shrunk", "unchanged", "inconclusive"]
"""``new``: established now and not before, and the change itself is established. ``gone``: the other
way round. ``grown``, ``shrunk``: an established change away from or towards zero. ``unchanged``: the
whole interval of the change lies within the tolerance. ``inconclusive``: everything else."""

ESTABLISHED = frozenset({"associated", "inhibiting", "more", "less"})


class Release(Record):
    """One of the audits compared."""

    model: str
    weights_sha256: str
    created: str


class Change(Record):
    """One finding in two releases."""

    kind: Literal["association", "contrast"]
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
    old_direction: str
    new: float | None
    new_low: float | None
    new_high: float | None
    new_direction: str
    difference: float | None = None
    """New minus old: of scores as a share of full evidence, of differences between groups in standard
    deviations within groups."""
    difference_low: float | None = None
    difference_high: float | None = None
    growth: float | None = None
    """How much further from zero the effect lies, in the direction that it now has; after a change of
    sign, all of the new effect counts."""
    growth_low: float | None = None
    growth_high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    """Holm over all changes of the comparison."""
    paired: bool = False
    """Whether the interval comes from the same images in both, or from two separate intervals."""
    status: Status
    reason: str = ""


class Comparison(Record):
    """Every finding that two audits share."""

    old: Release
    new: Release
    tolerance: float
    """Largest change of a score that counts as unchanged."""
    contrast_tolerance: float
    """The same for differences between groups."""
    alpha: float
    changes: list[Change]
    notes: list[str]
    """What differs between the audits, and how the intervals were made."""

    def count(self, status: Status) -> int:
        """How many changes have this status."""
        return sum(c.status == status for c in self.changes)
