"""The scan's check on itself: with labels drawn by lot, nothing may be confirmed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from auditor.audit.groups import Groups
from auditor.randomness import stream
from auditor.records import Check
from auditor.scan.confirm import ScannedBank, selected_of
from auditor.scan.estimates import effects_of
from auditor.scan.parts import Part, Parts
from auditor.scan_records import Kind, Lots
from auditor.settings import Settings
from auditor.statistics.arrays import FloatArray
from auditor.statistics.samples import GroupSample
from auditor.statistics.selection import by_lot, confirm

DRAWS = 20
MOST_CLAIMED = 3
"""Draws that may confirm something. At a level of 0.05, more happen by chance in 1.6 of 100 scans."""


def lots(
    banks: Sequence[ScannedBank], settings: Settings, advance: Callable[[int], None] = lambda _: None
) -> Lots:
    """Deal labels anew and scan again, :data:`DRAWS` times, on the same answers.

    Concepts' labels are dealt to independent images. Groups' are dealt to independent images, or swapped
    within matched pairs. Counterfactual pairs swap with their picture without the concept.
    """
    drawn = [_p_values(bank, settings, advance) for bank in banks]
    claimed = [
        sum(
            bool(confirm(np.concatenate([one[draw][kind] for one in drawn]), settings.alpha).passed.any())
            for draw in range(DRAWS)
        )
        for kind in (0, 1)
    ]
    return Lots(draws=DRAWS, associations=claimed[0], contrasts=claimed[1])


def _p_values(
    bank: ScannedBank, settings: Settings, advance: Callable[[int], None]
) -> list[tuple[FloatArray, FloatArray]]:
    """For every draw, the p-values of the associations and the contrasts that it selects."""
    name = bank.parts.layout.bank.name
    dealt = [dealt_by_lot(bank.parts, stream(settings.seed, "lots", name, draw)) for draw in range(DRAWS)]
    found: list[tuple[list[FloatArray], list[FloatArray]]] = [([], []) for _ in dealt]
    for start, stop in bank.looked.answers.blocks():
        values = bank.looked.answers.log_scaled(start, stop)
        for parts, (associations, contrasts) in zip(dealt, found, strict=True):
            concepts, groups = effects_of(parts, values)
            associations.append(selected_of(concepts, settings.margin).p_values)
            contrasts.append(selected_of(groups, settings.contrast_margin).p_values)
        advance(stop - start)
    return [(np.concatenate(first), np.concatenate(second)) for first, second in found]


def control_of(found: Lots, kind: Kind) -> Check:
    """Whether labels drawn by lot confirm no more than chance allows; else nothing of the kind is claimed."""
    claimed = found.associations if kind == "association" else found.contrasts
    return Check(
        name="labels drawn by lot",
        passed=claimed <= MOST_CLAIMED,
        forbids="effect",
        reason=f"with labels drawn by lot {claimed} of {found.draws} scans confirm something, need "
        f"{MOST_CLAIMED} or fewer",
    )


def dealt_by_lot(parts: Parts, rng: np.random.Generator) -> Parts:
    """The parts of a bank once labels are dealt anew."""
    return replace(parts, screening=_dealt(parts.screening, rng), confirming=_dealt(parts.confirming, rng))


def _dealt(part: Part, rng: np.random.Generator) -> Part:
    sample, positions = part.layout.sample, part.positions
    if sample.counterfactual is None:
        sample = replace(sample, labels=by_lot(sample.labels, sample.clusters, rng=rng))
    else:
        own = np.flatnonzero(sample.counterfactual >= 0)
        own = own[rng.random(len(part.positions))[sample.clusters[own] % len(part.positions)] < 0.5]
        partner = sample.counterfactual[own]
        positions = positions.copy()
        positions[own], positions[partner] = positions[partner], positions[own]
    layout = replace(part.layout, sample=sample)
    return Part(layout, positions, [_dealt_groups(groups, rng) for groups in part.groups])


def _dealt_groups(groups: Groups, rng: np.random.Generator) -> Groups:
    if not groups.measurable:
        return groups
    more, less = groups.sample.more, groups.sample.less
    if groups.sample.matched:
        sample = groups.sample.swapped_by_lot(rng)
    else:
        units = np.unique(np.concatenate([more[more >= 0], less[less >= 0]]))
        first = set(rng.permutation(units)[: groups.sample.units[0]].tolist())
        every = np.maximum(more, less)
        mine = np.isin(every, list(first))
        sample = GroupSample(np.where(mine, every, -1), np.where(mine, -1, every), matched=False)
    return replace(groups, sample=sample)
