"""What the map of a scan and its strips show: which classes and concepts, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage

from auditor.report.view.scan_rows import Namer, ScanRow, anchor_of, shown_banks, shown_name
from auditor.report.words import count
from auditor.scan_records import Scan, ScanBank, ScanFinding

MAP_ROWS, MAP_COLUMNS = 60, 60
STRIP_ROWS = 40


@dataclass(frozen=True)
class MapView:
    """Classes by concepts of one bank."""

    key: str
    title: str
    """The bank's."""
    classes: list[tuple[str, str]]
    """Name and anchor, in order."""
    concepts: list[str]
    effects: NDArray[np.float64]
    """[classes, concepts] On the confirming images."""
    rows: dict[tuple[int, int], ScanRow]
    """What is confirmed, by its cell."""
    left_out: str
    """How much does not fit, in words; empty if everything does."""


@dataclass(frozen=True)
class StripView:
    """A contrast over all classes."""

    key: str
    bank: str
    """Title."""
    rows: list[ScanRow]
    """Confirmed, largest effect first."""
    others: list[float]
    """Effects of all other classes."""
    more: str
    less: str
    margin: float
    left_out: str

    @property
    def title(self) -> str:
        """The groups."""
        return f"“{self.more}” and “{self.less}”"


def maps(scan: Scan, effects: Mapping[str, NDArray[Any]], *, most: int = MAP_ROWS) -> list[MapView]:
    """A map for every bank with a confirmed association, of at most ``most`` classes, the worst."""
    return [
        _map(scan, one, effects[f"{one.bank.name}/association/confirming/effect"], f"map-{number}", most)
        for number, one in enumerate(shown_banks(scan, "association"), 1)
    ]


def _map(scan: Scan, one: ScanBank, effects: NDArray[Any], key: str, most: int) -> MapView:
    namer = Namer(scan)
    found = [f for f in scan.confirmed if f.kind == "association" and f.bank == one.bank.name]
    every = list(dict.fromkeys(f.class_index for f in found))
    classes = every[:most]
    columns = list(dict.fromkeys(f.subject for f in found if f.class_index in set(classes)))[:MAP_COLUMNS]
    values = np.asarray(effects, dtype=np.float64)[np.ix_(classes, [one.concepts.index(c) for c in columns])]
    down, across = _order(values), _order(values.T)
    classes, columns = [classes[i] for i in down], [columns[j] for j in across]
    cells = {
        (classes.index(f.class_index), columns.index(f.subject)): f for f in found if _in(f, classes, columns)
    }
    return MapView(
        key=key,
        title=namer.bank(one.bank.name),
        classes=[(namer.of_class(index), anchor_of(index)) for index in classes],
        concepts=[namer.subject(one.bank.name, name) for name in columns],
        effects=values[np.ix_(down, across)],
        rows={place: namer.row(finding) for place, finding in cells.items()},
        left_out=_left_out(len(every), len(classes), len({f.subject for f in found}), len(columns)),
    )


def _in(finding: ScanFinding, classes: Sequence[int], columns: Sequence[str]) -> bool:
    return finding.class_index in classes and finding.subject in columns


def _left_out(classes: int, shown: int, concepts: int, shown_concepts: int) -> str:
    if classes == shown and concepts == shown_concepts:
        return ""
    fewer = f", and {shown_concepts} of {count(concepts, 'concept')}" if concepts > shown_concepts else ""
    return f"Shown are the worst {shown} of {classes:,} classes with anything confirmed{fewer}."


def _order(values: NDArray[np.float64]) -> list[int]:
    """Rows such that neighbours are alike: average linkage, optimal order of the leaves."""
    if len(values) < 3:
        return list(range(len(values)))
    tree = linkage(np.nan_to_num(values), method="average", optimal_ordering=True)
    return [int(leaf) for leaf in leaves_list(tree)]


def strips(scan: Scan, effects: Mapping[str, NDArray[Any]], *, most: int = STRIP_ROWS) -> list[StripView]:
    """A strip for every contrast with anything confirmed, of at most ``most`` classes, the worst."""
    namer = Namer(scan)
    found: list[StripView] = []
    for one in shown_banks(scan, "contrast"):
        for column, subject in enumerate(one.contrasts):
            claimed = [
                f
                for f in scan.confirmed
                if (f.kind, f.bank, f.subject) == ("contrast", one.bank.name, subject)
            ]
            if not claimed:
                continue
            every = np.asarray(effects[f"{one.bank.name}/contrast/confirming/effect"], dtype=np.float64)[
                :, column
            ]
            shown = sorted(claimed[:most], key=lambda f: -(f.effect or 0.0))
            drawn = {f.class_index for f in shown}
            first = claimed[0]
            rest = f"Shown are the worst {len(shown)} of {len(claimed)} confirmed."
            found.append(
                StripView(
                    key=f"strip-{len(found) + 1}",
                    bank=namer.bank(one.bank.name),
                    rows=[namer.row(f) for f in shown],
                    others=[float(v) for i, v in enumerate(every) if i not in drawn and np.isfinite(v)],
                    more=shown_name(first.more),
                    less=shown_name(first.less),
                    margin=first.margin,
                    left_out=rest if len(shown) < len(claimed) else "",
                )
            )
    return found
