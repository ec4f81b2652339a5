"""Two scans of two releases: what is confirmed now and was not, and the other way round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.compare.records import Release
from auditor.errors import InputError
from auditor.findings import Claims, Numbers, conclude_moved
from auditor.records import PValue, Record, Status
from auditor.scan_records import Kind, Scan, ScanFinding
from auditor.statistics.arrays import FloatArray
from auditor.statistics.effects import Errors
from auditor.statistics.multiplicity import holm
from auditor.statistics.samples import RANDOM, ConceptSample, GroupSample
from auditor.statistics.selection import beyond_margin_p

MUST_AGREE = ("seed", "margin", "contrast_margin", "alpha", "min_images", "fast")
SHARPNESS = 0.1
"""Difference of mean entropies, in nats, from which on a note says that the releases differ in sharpness."""

NEITHER = RANDOM
"""Label of images that do not confirm in both releases: compared with nothing."""

Arrays = Mapping[str, NDArray[Any]]
Key = tuple[str, int, str, str]
"""Kind, class in the new release, bank and subject."""


class ScanChange(Record):
    """A pair that is confirmed in either scan."""

    kind: Kind
    class_index: int
    """In the new scan."""
    class_name: str
    bank: str
    subject: str
    old: float
    """Effect as scanned."""
    new: float
    difference: float
    """New less old, on the images that confirm in both."""
    low: float
    """Lower end of the interval adjusted for all changes compared."""
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
    old_names, new_names = _names(old), _names(new)
    before = {name: index for index, name in enumerate(old_names)}
    after = {name: index for index, name in enumerate(new_names)}
    confirmed: dict[Key, dict[str, ScanFinding]] = defaultdict(dict)
    for finding in old.confirmed:
        index = after.get(old_names[finding.class_index])
        if index is not None:
            confirmed[finding.kind, index, finding.bank, finding.subject]["old"] = finding
    for finding in new.confirmed:
        if new_names[finding.class_index] in before:
            confirmed[finding.key]["new"] = finding
    rows = [
        (key, sides, _Side(old, old_arrays, before[new_names[key[1]]]), _Side(new, new_arrays, key[1]))
        for key, sides in confirmed.items()
    ]
    changes = _settled(rows, float(new.settings["alpha"]))
    gone = {f.class_name for f in old.confirmed if old_names[f.class_index] not in after}
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
        elif known.bank.digest != one.bank.digest:
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


@dataclass(frozen=True)
class _Side:
    """One release."""

    scan: Scan
    arrays: Arrays
    row: int
    """Of the class."""

    def effect(self, key: Key) -> tuple[float, float, float]:
        """Effect, standard error, degrees of freedom, as scanned."""
        prefix, column = f"{key[2]}/{key[0]}/confirming", self.column(key)
        effect, error = (
            float(self.arrays[f"{prefix}/{name}"][self.row, column]) for name in ("effect", "error")
        )
        return effect, error, float(self.arrays[f"{prefix}/df"][column])

    def column(self, key: Key) -> int:
        """Of the concept or contrast."""
        record = next(one for one in self.scan.banks if one.bank.name == key[2])
        return (record.concepts if key[0] == "association" else record.contrasts).index(key[3])

    def answers(self, bank: str) -> FloatArray | None:
        """[confirming images] e of the class; ``None`` where it was not kept."""
        rows = np.flatnonzero(self.arrays[f"{bank}/response/class"] == self.row)
        return self.arrays[f"{bank}/response"][rows[0]].astype(np.float64) if len(rows) else None


def _change_of(old: _Side, new: _Side, key: Key) -> Errors:
    """New effect less old one: of the same images, or, where these were not kept, of two separate effects."""
    bank = key[2]
    before, after = old.answers(bank), new.answers(bank)
    if before is not None and after is not None:
        paired = _paired(old, new, key, (before, after))
        if paired is not None:
            return paired
    (was, error, df), (now, other, other_df) = old.effect(key), new.effect(key)
    effect, sum_of_both = np.array([[now - was]]), np.array([[np.hypot(error, other)]])
    return Errors(effect, sum_of_both, np.array([min(df, other_df)]))


def _paired(old: _Side, new: _Side, key: Key, answers: tuple[FloatArray, FloatArray]) -> Errors | None:
    """Of the images that confirm in both releases; ``None`` where these are too few."""
    bank = key[2]
    held, place = new.arrays[f"{bank}/image"], old.arrays[f"{bank}/image"]
    order = np.argsort(place)
    at = order[np.minimum(np.searchsorted(place[order], held), len(place) - 1)]
    common = place[at] == held
    change = np.where(common, answers[1] - answers[0][at], 0.0)[None]
    if key[0] == "contrast":
        groups = _common_groups(new.arrays, f"{bank}/groups/{new.column(key)}", common)
        return groups.errors(change, floor=True) if groups.measurable else None
    record = next(one for one in new.scan.banks if one.bank.name == bank)
    label = [concept.name for concept in record.bank.concepts].index(key[3])
    partner = new.arrays.get(f"{bank}/counterfactual")
    labels = np.where(common, new.arrays[f"{bank}/label"], NEITHER).astype(np.int64)
    clusters = new.arrays[f"{bank}/cluster"].astype(np.int64)
    concept = ConceptSample(labels, clusters, None if partner is None else partner.astype(np.int64))
    if label not in concept.measurable:
        return None
    found, column = concept.errors(change, floor=True), concept.measurable.index(label)
    return Errors(found.effect[:, [column]], found.error[:, [column]], found.df[[column]])


def _common_groups(arrays: Arrays, name: str, common: NDArray[np.bool_]) -> GroupSample:
    """The groups of a contrast without the images, and the pairs, that one release lacks."""
    more, less = (np.where(common, side, -1).astype(np.int64) for side in arrays[name])
    matched = bool(arrays[f"{name}/matched"])
    if matched:
        whole = np.intersect1d(more, less)
        more, less = (np.where(np.isin(side, whole), side, -1) for side in (more, less))
    return GroupSample(more, less, matched)


def _settled(
    rows: Sequence[tuple[Key, Mapping[str, ScanFinding], _Side, _Side]], alpha: float
) -> list[ScanChange]:
    """The changes, corrected together and concluded."""
    found = [_change_of(old, new, key) for key, _, old, new in rows]
    adjusted = holm([float(beyond_margin_p(one, 0.0)[0, 0]) for one in found])
    changes = []
    for (key, sides, old, new), one, p in zip(rows, found, adjusted, strict=True):
        low, high = (float(end[0, 0]) for end in one.interval(alpha / len(rows)))
        was, now = old.effect(key)[0], new.effect(key)[0]
        claims = Claims("old" in sides, "new" in sides, was, now)
        finding = sides.get("new") or sides["old"]
        difference = float(one.effect[0, 0])
        moved = conclude_moved(
            claims, Numbers(difference, low, high, float(p)), tolerance=finding.margin, alpha=alpha
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
                low=low,
                high=high,
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
