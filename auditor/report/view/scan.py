"""A scan as its page shows it: sentences, the map, rows. Formats lay out; they decide nothing."""

from __future__ import annotations

from auditor.report.words import count
from auditor.scan_records import Lots, ScanFamily

KINDS = {"association": ("association", "concepts"), "contrast": ("contrast", "contrasts of groups")}


def family_sentence(family: ScanFamily, classes: int) -> str:
    """How many pairs of a kind were looked at, selected and confirmed."""
    one, _ = KINDS[family.kind]
    return (
        f"{count(family.confirmed, one)} confirmed, of {family.selected:,} selected and "
        f"{family.looked_at:,} looked at in {classes:,} classes"
    )


def lots_sentence(lots: Lots) -> str:
    """What the scan finds in labels drawn by lot."""
    return (
        f"with labels drawn by lot, {lots.associations} of {lots.draws} scans confirm an association and "
        f"{lots.contrasts} a contrast before its checks"
    )
