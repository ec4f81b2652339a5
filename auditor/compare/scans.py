"""Two scans of two releases: what is confirmed now and was not, and the other way round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from auditor.compare.records import Release
from auditor.errors import InputError
from auditor.findings import Claims, Numbers, conclude_moved
from auditor.records import PValue, Record, Status
from auditor.scan_records import Kind, Scan, ScanFinding
from auditor.statistics.multiplicity import holm

MUST_AGREE = ("seed", "margin", "contrast_margin", "alpha", "min_images", "fast")
SHARPNESS = 0.1
"""Difference of mean entropies, in nats, from which on a note says that the releases differ in sharpness."""

Arrays = Mapping[str, NDArray[Any]]


class ScanChange(Record):
    """A pair that is confirmed in either scan."""

    kind: Kind
    class_index: int
    """In the new scan."""
    class_name: str
    bank: str
    subject: str
    old: float
    """Effect on the old scan's confirming images, which are the new one's."""
    new: float
    difference: float
    low: float
    """Lower end of the interval adjusted for all changes compared.

    The errors of both releases are added as if they were independent. On the same images they mostly go
    together, so that the interval is too wide."""
    high: float
    p_adjusted: PValue
    """Holm over all changes."""
    was_confirmed: bool
    now_confirmed: bool
    status: Status
    reason: str


class ScanComparison(Record):
    """Two scans of the same banks."""

    old: Release
    new: Release
    alpha: float
    changes: list[ScanChange]
    notes: list[str]

    def count(self, status: Status) -> int:
        """How many changes have this status."""
        return sum(change.status == status for change in self.changes)


def scan_release(scan: Scan) -> Release:
    """What identifies a scanned release."""
    return Release(model=scan.model.name, weights_sha256=scan.model.weights_sha256, created=scan.created)


def compare_scans(old: Scan, new: Scan, old_arrays: Arrays, new_arrays: Arrays) -> ScanComparison:
    """Every pair confirmed in either scan, with the change of its effect on the confirming images.

    Args:
        old: Of the release before.
        new: Of the candidate.
        old_arrays: ``BANK/KIND/confirming/effect`` and so on.
        new_arrays: The same.

    Raises:
        InputError: The scans were not made alike; all that differs is named.
    """
    _check_comparable(old, new)
    before = _by_name(old)
    confirmed: dict[tuple[str, int, str, str], dict[str, ScanFinding]] = defaultdict(dict)
    indices = {name: index for index, name in enumerate(_names(new))}
    gone: set[str] = set()
    for finding in old.confirmed:
        name = _names(old)[finding.class_index]
        if name not in indices:
            gone.add(finding.class_name)
            continue
        confirmed[finding.kind, indices[name], finding.bank, finding.subject]["old"] = finding
    for finding in new.confirmed:
        confirmed[finding.key]["new"] = finding
    rows = []
    for key, sides in confirmed.items():
        place = before.get(_names(new)[key[1]])
        if place is not None:
            rows.append((key, sides, _difference(old, new, key, place, (old_arrays, new_arrays))))
    changes = _settled(new, rows)
    return ScanComparison(
        old=scan_release(old),
        new=scan_release(new),
        alpha=float(new.settings["alpha"]),
        changes=sorted(changes, key=lambda c: (_ORDER.index(c.status), -abs(c.difference))),
        notes=_notes(old, new, sorted(gone)),
    )


_ORDER: tuple[Status, ...] = ("new", "grown", "gone", "shrunk", "inconclusive", "unchanged")


def _check_comparable(old: Scan, new: Scan) -> None:
    faults = [
        f"setting '{key}' is {old.settings.get(key)!r} in the old scan, {new.settings.get(key)!r} in the new"
        for key in MUST_AGREE
        if old.settings.get(key) != new.settings.get(key)
    ]
    banks = {one.bank.name: one for one in old.banks}
    for one in new.banks:
        known = banks.pop(one.bank.name, None)
        if known is None:
            faults.append(f"bank '{one.bank.name}' is missing in the old scan")
        elif (known.bank.digest, known.screening) != (one.bank.digest, one.screening):
            faults.append(f"bank '{one.bank.name}' has other images")
        elif (known.concepts, known.contrasts) != (one.concepts, one.contrasts):
            faults.append(f"bank '{one.bank.name}' has other concepts or contrasts that were measured")
    faults += [f"bank '{name}' is missing in the new scan" for name in banks]
    if faults:
        raise InputError(f"the scans cannot be compared: {'; '.join(faults)}; needed: scans made alike")


def _names(scan: Scan) -> list[str]:
    """Names by index; one that occurs again gets its number of occurrence."""
    seen: dict[str, int] = {}
    found = []
    for name in scan.classes:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}\0{seen[name]}")
    return found


def _by_name(scan: Scan) -> dict[str, int]:
    return {name: index for index, name in enumerate(_names(scan))}


def _difference(
    old: Scan, new: Scan, key: tuple[str, int, str, str], place: int, arrays: tuple[Arrays, Arrays]
) -> tuple[float, float, float, float]:
    """Old and new effect, standard error of their difference, degrees of freedom."""
    kind, index, bank, subject = key
    found = []
    for scan, row, held in ((old, place, arrays[0]), (new, index, arrays[1])):
        record = next(one for one in scan.banks if one.bank.name == bank)
        column = (record.concepts if kind == "association" else record.contrasts).index(subject)
        prefix = f"{bank}/{kind}/confirming"
        found.append(
            (
                *(float(held[f"{prefix}/{name}"][row, column]) for name in ("effect", "error")),
                float(held[f"{prefix}/df"][column]),
            )
        )
    (was, error, df), (now, other, other_df) = found
    return was, now, float(np.hypot(error, other)), min(df, other_df)


def _settled(
    new: Scan,
    rows: Sequence[
        tuple[tuple[str, int, str, str], dict[str, ScanFinding], tuple[float, float, float, float]]
    ],
) -> list[ScanChange]:
    """The changes, corrected together and concluded."""
    p_values = []
    for _, _, (was, now, error, df) in rows:
        t = abs(now - was) / error if error > 0.0 else np.inf if now != was else 0.0
        p_values.append(float(np.clip(2.0 * stats.t.sf(t, df), np.finfo(float).tiny, 1.0)))
    adjusted = holm(p_values)
    alpha = float(new.settings["alpha"])
    changes = []
    for (key, sides, (was, now, error, df)), p in zip(rows, adjusted, strict=True):
        finding = sides.get("new") or sides["old"]
        half = error * float(stats.t.ppf(1.0 - alpha / len(rows) / 2.0, df))
        difference = now - was
        claims = Claims("old" in sides, "new" in sides, was, now)
        moved = conclude_moved(
            claims,
            Numbers(difference, difference - half, difference + half, float(p)),
            tolerance=finding.margin,
            alpha=alpha,
        )
        changes.append(
            ScanChange(
                kind=finding.kind,
                class_index=key[1],
                class_name=finding.class_name,
                bank=finding.bank,
                subject=finding.subject,
                old=was,
                new=now,
                difference=difference,
                low=difference - half,
                high=difference + half,
                p_adjusted=float(p),
                was_confirmed=claims.was,
                now_confirmed=claims.now,
                status=moved.status,
                reason=moved.reason,
            )
        )
    return changes


def _notes(old: Scan, new: Scan, gone: Sequence[str]) -> list[str]:
    notes = []
    if gone:
        notes.append(f"classes with findings that the new model does not have: {', '.join(gone)}")
    if only := sorted(set(_names(new)) - set(_names(old))):
        notes.append(f"{len(only)} classes are new and were compared with nothing")
    for was, now in zip(old.banks, new.banks, strict=True):
        if abs(was.entropy - now.entropy) >= SHARPNESS:
            notes.append(
                f"on bank '{now.bank.name}' the mean entropy of the answers was {was.entropy:.2f} and is "
                f"{now.entropy:.2f} nats: the releases differ in sharpness, which alone moves effects; "
                "`auditor compare` of two audits takes it out"
            )
    return notes
