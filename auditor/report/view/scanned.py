"""The scan behind an audit, as the audit's first page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.records import Audit, ScannedRow, ScanSummary
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
class ScannedCell:
    """A place of the map."""

    row: int
    column: int
    up: bool
    """Whether the effect is positive."""
    share: float
    """Size of the effect, of the largest of its kind."""


@dataclass(frozen=True)
class ScannedMap:
    """The strongest findings as classes by what they are about."""

    classes: tuple[tuple[str, bool], ...]
    """Name, and whether it is audited."""
    abouts: tuple[str, ...]
    cells: tuple[ScannedCell, ...]
    legend: tuple[str, ...]
    """Lines."""
    words: str
    """For a reader who does not see it."""


@dataclass(frozen=True)
class ScannedView:
    """The scan in a sentence, and its strongest findings."""

    sentence: str
    rows: tuple[ScannedRowView, ...]
    digest: str
    map: ScannedMap | None
    """``None`` where the scan confirmed nothing."""


def scanned_view(audit: Audit) -> ScannedView | None:
    """``None`` where the audit's classes were named and not taken from a scan."""
    scan = audit.scan
    if scan is None:
        return None
    title = titles(audit)
    return ScannedView(_sentence(scan), tuple(_rows(scan, title)), scan.sha256, _map(scan, title))


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
            about=_about(row, title),
            effect=number(row.effect, digits=digits_of(row.kind)),
            ends=interval(row.low, row.high, digits=digits_of(row.kind)),
            audited=WORD if row.audited else "",
        )
        for row in scan.strongest
    ]


def _about(row: ScannedRow, title: Title) -> str:
    """The concept, or both groups."""
    names = row.subject.split("/") if row.kind == "contrast" else [row.subject]
    return " / ".join(clean(title(row.bank, name)) for name in names)


MOST_MAPPED = 6
"""Classes of the map, those of the strongest findings first; and what they are about."""
_LEGEND = ("▲ more, ▼ less; darker: larger effect", "coloured names: audited here")


def _map(scan: ScanSummary, title: Title) -> ScannedMap | None:
    """The strongest findings that find a place, in their order."""
    classes: dict[int, tuple[str, bool]] = {}
    abouts: dict[tuple[str, str], str] = {}
    placed: list[ScannedRow] = []
    for row in scan.strongest:
        about = (row.bank, row.subject)
        room = row.class_index in classes or len(classes) < MOST_MAPPED
        if room and (about in abouts or len(abouts) < MOST_MAPPED):
            classes.setdefault(row.class_index, (clean(row.class_name), row.audited))
            abouts.setdefault(about, _about(row, title))
            placed.append(row)
    if not placed:
        return None
    largest = {row.kind: 0.0 for row in placed}
    for row in placed:
        largest[row.kind] = max(largest[row.kind], abs(row.effect))
    rows, columns = list(classes), list(abouts)
    words = [
        f"{classes[row.class_index][0]}: {abouts[row.bank, row.subject]} "
        f"{number(row.effect, digits=digits_of(row.kind))}"
        for row in placed
    ]
    return ScannedMap(
        classes=tuple(classes.values()),
        abouts=tuple(abouts.values()),
        cells=tuple(
            ScannedCell(
                rows.index(row.class_index),
                columns.index((row.bank, row.subject)),
                row.effect > 0.0,
                abs(row.effect) / (largest[row.kind] or 1.0),
            )
            for row in placed
        ),
        legend=_LEGEND,
        words=f"The scan's strongest findings. {'; '.join(words)}.",
    )
