"""The scan behind an audit, as the audit's first page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.records import Audit, ScanSummary
from auditor.report.view.summary import Title, titles
from auditor.report.words import clean, count, digits_of, interval, listing, moment, number

WORD = "in this audit"


@dataclass(frozen=True)
class ScannedRowView:
    """Something that the scan confirmed."""

    name: str
    about: str
    effect: str
    ends: str
    audited: str
    """Empty where the class is not audited."""


@dataclass(frozen=True)
class ScannedView:
    """The scan in a sentence, and its strongest findings."""

    sentence: str
    rows: tuple[ScannedRowView, ...]
    digest: str


def scanned_view(audit: Audit) -> ScannedView | None:
    """``None`` where the audit's classes were named and not taken from a scan."""
    scan = audit.scan
    if scan is None:
        return None
    return ScannedView(_sentence(scan), tuple(_rows(scan, titles(audit))), scan.sha256)


def _sentence(scan: ScanSummary) -> str:
    shown = len(scan.strongest)
    audited = len({row.class_index for row in scan.strongest if row.audited})
    return (
        f"A scan of {moment(scan.created)} screened {count(scan.classes, 'class', 'classes')} against "
        f"{listing([clean(bank) for bank in scan.banks])}: {scan.looked_at:,} pairs, "
        f"{count(scan.confirmed, 'finding')} confirmed in "
        f"{count(scan.classes_confirmed, 'class', 'classes')}. "
        f"Of the classes of its {shown} strongest findings, in multiples of the margin, {audited} "
        f"{'is' if audited == 1 else 'are'} audited here."
    )


def _rows(scan: ScanSummary, title: Title) -> list[ScannedRowView]:
    return [
        ScannedRowView(
            name=clean(row.class_name),
            about=clean(title(row.bank, row.subject)),
            effect=number(row.effect, digits=digits_of(row.kind)),
            ends=interval(row.low, row.high, digits=digits_of(row.kind)),
            audited=WORD if row.audited else "",
        )
        for row in scan.strongest
    ]
