"""Two audits of two releases: what changed, by how much, and how sure that is.

Compared are only audits that measured the same thing in the same way. A change is the effect of the
*difference* between what the two models make of the same images: one statistic, one test, one interval,
by the functions that an audit uses. Both releases are measured at one temperature, so that a model whose
logits were merely scaled has not changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.compare.align import check_comparable, class_pairs, release
from auditor.compare.both import Both
from auditor.compare.moves import Key, Move, Shared, measured_again, moves
from auditor.compare.records import Change, Comparison
from auditor.findings import Numbers, conclude_change
from auditor.records import Audit, Finding


def compare(
    old: Audit,
    new: Audit,
    *,
    old_arrays: Mapping[str, NDArray[np.generic]] | None = None,
    new_arrays: Mapping[str, NDArray[np.generic]] | None = None,
    tolerance: float | None = None,
    contrast_tolerance: float | None = None,
) -> Comparison:
    """What changed from one release to the next.

    Args:
        old: The release before.
        new: The candidate.
        old_arrays: Contents of the old audit's ``arrays.npz``; without them, or where they do not
            reproduce the recorded effects, the two recorded intervals are taken as independent.
        new_arrays: The same for the new audit.
        tolerance: Largest change of an association that counts as unchanged; by default the audits'
            equivalence margin.
        contrast_tolerance: The same for contrasts.

    Raises:
        InputError: The audits did not measure the same thing in the same way.
    """
    notes = check_comparable(old, new)
    both = Both(old_arrays, new_arrays)
    temperature = both.temperature([bank.name for bank in new.banks])
    of_groups = float(new.settings["contrast_margin"]) if contrast_tolerance is None else contrast_tolerance
    limits = {
        "association": float(new.settings["margin"]) if tolerance is None else tolerance,
        "contrast": of_groups,
        "in context": of_groups,
    }
    divided_by = 1.0 if temperature is None else temperature
    again = measured_again(old, new, both, divided_by)
    shared = [
        (was, now, finding)
        for before, after in class_pairs(old, new)
        for was, now, finding in _in_both(old, new, before.index, after.index, again)
    ]
    changes = _changes(shared, moves(shared, old, new, both, divided_by), limits)
    return Comparison(
        old=release(old),
        new=release(new),
        temperature=temperature,
        tolerance=limits["association"],
        contrast_tolerance=limits["contrast"],
        alpha=float(new.settings["alpha"]),
        changes=changes,
        notes=[*notes, *_notes(temperature, changes)],
    )


def _notes(temperature: float | None, changes: Sequence[Change]) -> Iterator[str]:
    if temperature is None:
        yield (
            "the sharpness of the two models was not compared: arrays are missing, or the models are too "
            "unlike; a change may be one of sharpness alone"
        )
    elif not math.isclose(temperature, 1.0, abs_tol=0.005):
        word = "sharper" if temperature > 1.0 else "less sharp"
        yield (
            f"the new model is {word}: its logits were divided by {temperature:.2f}, so that its findings "
            "are those at the old model's temperature"
        )
    pasted = sum(c.kind == "in context" and c.difference is not None for c in changes)
    if pasted:
        yield (
            f"{pasted} of {len(changes)} intervals are of contrasts in context and are not paired: each "
            "release was shown people in pictures of its own, so the recorded intervals are compared, each "
            "at its own temperature"
        )
    separate = sum(not c.paired and c.difference is not None and c.kind != "in context" for c in changes)
    if separate:
        yield (
            f"{separate} of {len(changes)} intervals treat the two releases as independent, each at its "
            "own temperature, which is wider than needed: the arrays are missing, or do not reproduce the "
            "recorded effect"
        )


def _in_both(
    old: Audit, new: Audit, old_index: int, new_index: int, again: Mapping[tuple[int, Key], Finding]
) -> Iterator[Shared]:
    """A class's findings that both audits have: old, new at the old temperature, new as audited."""
    earlier = {finding.key: finding for finding in old.of_class(old_index)}
    for finding in new.of_class(new_index):
        was = earlier.get(finding.key)
        if was is not None and was.matched == finding.matched:
            yield was, again[finding.class_index, finding.key], finding


def _changes(shared: Sequence[Shared], found: Sequence[Move], limits: Mapping[str, float]) -> list[Change]:
    changes = []
    for (was, now, audited), move in zip(shared, found, strict=True):
        moved = conclude_change(was, now, move.numbers, tolerance=limits[now.kind])
        changes.append(
            Change(
                kind=now.kind,
                class_index=now.class_index,
                old_class_index=was.class_index,
                class_name=now.class_name,
                bank=now.bank,
                subject=now.subject,
                matched=now.matched,
                old=was.effect,
                old_low=was.low,
                old_high=was.high,
                old_conclusion=was.conclusion,
                new=now.effect,
                new_low=now.low,
                new_high=now.high,
                new_conclusion=now.conclusion,
                new_as_audited=audited.effect,
                difference=move.numbers.effect,
                difference_low=move.low,
                difference_high=move.high,
                adjusted_low=move.numbers.low,
                adjusted_high=move.numbers.high,
                p_value=move.p_value,
                p_adjusted=move.numbers.p_adjusted,
                paired=move.paired,
                status=moved.status,
                withheld=moved.withheld,
                reason=moved.reason,
                **_growth(was, now, move.numbers),
            )
        )
    return changes


def _growth(was: Finding, now: Finding, moved: Numbers) -> dict[str, float | None]:
    """In the direction of the new effect. See :attr:`Change.growth`."""
    if moved.effect is None or moved.low is None or moved.high is None:
        return {}
    before, after = was.effect or 0.0, now.effect or 0.0
    sign = math.copysign(1.0, after or before)
    if before * after >= 0:
        low, high = sorted((sign * moved.low, sign * moved.high))
        return {"growth": sign * moved.effect, "growth_low": low, "growth_high": high}
    # The old effect has gone and a new one points the other way: only the latter is growth.
    ends = [sign * end for end in (now.adjusted_low, now.adjusted_high) if end is not None]
    return {
        "growth": abs(after),
        "growth_low": min(ends, default=None),
        "growth_high": max(ends, default=None),
    }
