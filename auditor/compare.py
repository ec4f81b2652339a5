"""Two audits of two releases: what changed, by how much, and how sure that is.

Compared are only audits that measured the same thing in the same way: the same bank images, draws,
transformation and units. Anything else is refused with the reason, because a difference would then
say something about the measurement and nothing about the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from auditor.changes import ESTABLISHED, Change, Comparison, Release, Status
from auditor.errors import InputError
from auditor.paired import RESAMPLES, Uncertainty, uncertainty_of_difference
from auditor.records import Audit, ClassResult, ConceptResult, ContrastResult
from auditor.same_images import Arrays, Effects, SameImages
from auditor.statistics.multiplicity import holm

MUST_AGREE = (
    "seed",
    "runs",
    "noise",
    "rotation",
    "margin",
    "contrast_margin",
    "alpha",
    "benchmark",
    "min_images",
)
"""Settings that a difference between two releases must not come from."""

WORTH_SAYING = (
    "images", "refits", "permutations", "bootstrap", "max_images", "n_impressions", "impression_steps",
    "heldout", "occluder_iterations", "occluder_lr", "panel", "layers", "precision",
)  # fmt: skip
"""Settings that may differ, at the price of a note."""

REPRODUCED_WITHIN = 0.01
"""By how much an effect recomputed from the arrays may differ from the recorded one. Beyond it the arrays
are not what the effect was made from."""


@dataclass(frozen=True)
class _Pair:
    old: ClassResult
    new: ClassResult
    alpha: float = 0.05
    """1 minus the coverage of the recorded intervals, and of the intervals made here."""


def compare(
    old: Audit,
    new: Audit,
    *,
    rng: np.random.Generator,
    old_arrays: Arrays | None = None,
    new_arrays: Arrays | None = None,
    tolerance: float | None = None,
    contrast_tolerance: float | None = None,
    resamples: int = RESAMPLES,
) -> Comparison:
    """What changed from one release to the next.

    Args:
        old: The release before.
        new: The candidate.
        rng: For the paired bootstrap.
        old_arrays: Contents of the old audit's ``arrays.npz``; without them, or where they do not
            reproduce the recorded effects, the two recorded intervals are taken as independent.
        new_arrays: The same for the new audit.
        tolerance: Largest change of a score that counts as unchanged, as a share of full evidence; by
            default the audits' margin of relevance.
        contrast_tolerance: The same for differences between groups, in standard deviations within groups.
        resamples: Draws of the bootstrap.

    Raises:
        InputError: The audits did not measure the same thing in the same way.
    """
    notes = check_comparable(old, new)
    alpha = float(new.settings.get("alpha", 0.05))
    limits = {
        "association": float(new.settings.get("margin", 0.1)) if tolerance is None else tolerance,
        "contrast": float(new.settings.get("contrast_margin", 0.5))
        if contrast_tolerance is None
        else contrast_tolerance,
    }
    images = SameImages(old_arrays or {}, new_arrays or {}, rng=rng, resamples=resamples)
    changes = [
        change
        for pair in _classes(old, new)
        for bank in new.banks
        for change in _bank_changes(pair, bank.name, [c.name for c in bank.concepts], images)
    ]
    changes = [_with_status(c, alpha=alpha, tolerance=limits[c.kind]) for c in _holm(changes)]
    separate = sum(not c.paired and c.difference is not None for c in changes)
    if separate:
        notes.append(
            f"{separate} of {len(changes)} intervals treat the two releases as independent, which is "
            "wider than needed: the arrays are missing, or do not reproduce the recorded effect"
        )
    return Comparison(
        old=release(old),
        new=release(new),
        tolerance=limits["association"],
        contrast_tolerance=limits["contrast"],
        alpha=alpha,
        changes=changes,
        notes=notes,
    )


def release(audit: Audit) -> Release:
    """What identifies an audited release."""
    return Release(model=audit.model.name, weights_sha256=audit.model.weights_sha256, created=audit.created)


def check_comparable(old: Audit, new: Audit) -> list[str]:
    """Notes on what differs without harm.

    Raises:
        InputError: Something differs that a difference must not come from; all of it is named.
    """
    faults = [
        f"setting '{key}' is {old.settings.get(key)!r} in the old audit, {new.settings.get(key)!r} in the new"
        for key in MUST_AGREE
        if old.settings.get(key) != new.settings.get(key)
    ]
    faults += _bank_faults(old, new)
    if old.method.get("score") != new.method.get("score"):
        faults.append("the scores are in other units: the audits describe another estimator")
    pairs = list(_classes(old, new))
    for pair in pairs:
        if pair.old.images.source != pair.new.images.source:
            faults.append(
                f"class '{pair.new.name}' was shown by {pair.old.images.source} in the old audit and by "
                f"{pair.new.images.source} in the new"
            )
    if not pairs:
        faults.append("the audits have no class in common")
    if faults:
        raise InputError(f"the audits cannot be compared: {'; '.join(faults)}")
    return _notes(old, new, pairs)


def _bank_faults(old: Audit, new: Audit) -> Iterator[str]:
    before = {b.name: b.digest for b in old.banks}
    for bank in new.banks:
        if bank.name not in before:
            yield f"bank '{bank.name}' is not in the old audit"
        elif before[bank.name] != bank.digest:
            yield f"bank '{bank.name}' has other images ({before[bank.name][:12]} and {bank.digest[:12]})"
    for name in sorted(before.keys() - {b.name for b in new.banks}):
        yield f"bank '{name}' is not in the new audit"


def _notes(old: Audit, new: Audit, pairs: list[_Pair]) -> list[str]:
    notes = [
        f"setting '{key}' was {old.settings.get(key)!r} and is {new.settings.get(key)!r}"
        for key in WORTH_SAYING
        if old.settings.get(key) != new.settings.get(key)
    ]
    if old.model.architecture != new.model.architecture:
        notes.append(f"the architecture was {old.model.architecture} and is {new.model.architecture}")
    if old.model.weights_sha256 == new.model.weights_sha256:
        notes.append("both audits are of the same weights")
    for audit, others, which in (
        (old, {p.old.index for p in pairs}, "old"),
        (new, {p.new.index for p in pairs}, "new"),
    ):
        alone = [c.name for c in audit.classes if c.index not in others]
        if alone:
            notes.append(f"only in the {which} audit: {', '.join(alone)}")
    return notes


def _classes(old: Audit, new: Audit) -> Iterator[_Pair]:
    """Classes in common, by synset where both have one, else by name."""
    for candidate in new.classes:
        for before in old.classes:
            known = before.synset and candidate.synset
            if (before.synset == candidate.synset) if known else (before.name == candidate.name):
                yield _Pair(before, candidate, float(new.settings.get("alpha", 0.05)))
                break


def _bank_changes(pair: _Pair, bank: str, names: list[str], images: SameImages) -> Iterator[Change]:
    indices = pair.old.index, pair.new.index
    before = {c.concept: c for c in pair.old.concepts if c.bank == bank}
    seen = images.of_concepts(bank, names, *indices)
    for result in pair.new.concepts:
        if result.bank == bank and (was := before.get(result.concept)) is not None:
            yield _association(pair, was, result, seen.concept(result.concept) if seen else None)
    earlier = {(c.more, c.less, c.matched): c for c in pair.old.contrasts if c.bank == bank}
    unmatched = images.of_groups(bank, names, *indices) if earlier else None
    for contrast in pair.new.contrasts:
        more, less = contrast.more, contrast.less
        old = earlier.get((more, less, contrast.matched)) if contrast.bank == bank else None
        if old is not None:
            seen = images.of_pairs(bank, names, more, less, *indices) if contrast.matched else unmatched
            yield _contrast(pair, old, contrast, seen.contrast(more, less) if seen else None)


def _association(pair: _Pair, old: ConceptResult, new: ConceptResult, effects: Effects | None) -> Change:
    change = Change(
        kind="association",
        class_index=pair.new.index,
        old_class_index=pair.old.index,
        class_name=pair.new.name,
        bank=new.bank,
        subject=new.concept,
        old=old.score,
        old_low=old.score_low,
        old_high=old.score_high,
        old_direction=old.direction,
        new=new.score,
        new_low=new.score_low,
        new_high=new.score_high,
        new_direction=new.direction,
        status="inconclusive",
    )
    return _with_difference(change, effects, images=min(new.n, new.n_benchmark), alpha=pair.alpha)


def _contrast(pair: _Pair, old: ContrastResult, new: ContrastResult, effects: Effects | None) -> Change:
    change = Change(
        kind="contrast",
        class_index=pair.new.index,
        old_class_index=pair.old.index,
        class_name=pair.new.name,
        bank=new.bank,
        subject=f"{new.more}/{new.less}",
        matched=new.matched,
        old=old.difference,
        old_low=old.difference_low,
        old_high=old.difference_high,
        old_direction=old.direction,
        new=new.difference,
        new_low=new.difference_low,
        new_high=new.difference_high,
        new_direction=new.direction,
        status="inconclusive",
    )
    # One less for either group's mean; of pairs only their differences count.
    images = new.n_more if new.matched else new.n_more + new.n_less - 1
    return _with_difference(change, effects, images=images, alpha=pair.alpha)


def _with_difference(change: Change, effects: Effects | None, *, images: int, alpha: float) -> Change:
    if change.old is None or change.new is None:
        return change.model_copy(update={"reason": "not measured in both"})
    difference = change.new - change.old
    paired = effects is not None and all(
        abs(float(drawn[0].mean()) - recorded) <= REPRODUCED_WITHIN
        for drawn, recorded in zip(effects, (change.old, change.new), strict=True)
    )
    if paired and effects is not None:
        found = uncertainty_of_difference(*effects, images=images)
    elif None in (change.old_low, change.old_high, change.new_low, change.new_high):
        return change.model_copy(update={"difference": difference, "reason": "no interval in both"})
    else:
        ends = ((change.old_low, change.old_high), (change.new_low, change.new_high))
        found = Uncertainty(math.hypot(*(_error(low, high, alpha) for low, high in ends)), math.inf)
    half = float(stats.t.ppf(1 - alpha / 2, found.df)) * found.error
    t = abs(difference) / found.error if found.error > 0 else math.inf if difference else 0.0
    p_value = float(2 * stats.t.sf(t, found.df))
    return change.model_copy(
        update={
            "difference": difference,
            "difference_low": difference - half,
            "difference_high": difference + half,
            # Zero is not a probability that a bootstrap can show.
            "p_value": min(1.0, max(p_value, 1e-12)),
            "paired": paired,
            **_growth(change, difference, half),
        }
    )


def _growth(change: Change, difference: float, half: float) -> dict[str, float | None]:
    """In the direction of the new effect. See :attr:`Change.growth`."""
    old, new = change.old or 0.0, change.new or 0.0
    sign = 1.0 if new >= 0 else -1.0
    if old * new >= 0:
        growth = sign * difference
        return {"growth": growth, "growth_low": growth - half, "growth_high": growth + half}
    # The old effect has gone and a new one points the other way: only the latter is growth.
    ends = [sign * end for end in (change.new_low, change.new_high) if end is not None]
    return {"growth": abs(new), "growth_low": min(ends, default=None), "growth_high": max(ends, default=None)}


def _error(low: float | None, high: float | None, alpha: float) -> float:
    return ((high or 0.0) - (low or 0.0)) / (2 * float(stats.norm.ppf(1 - alpha / 2)))


def _holm(changes: list[Change]) -> list[Change]:
    tested = [(i, c.p_value) for i, c in enumerate(changes) if c.p_value is not None]
    if not tested:
        return changes
    corrected = holm([p for _, p in tested])
    result = list(changes)
    for (i, _), p in zip(tested, corrected, strict=True):
        result[i] = changes[i].model_copy(update={"p_adjusted": float(p)})
    return result


def _with_status(change: Change, *, alpha: float, tolerance: float) -> Change:
    if change.difference_low is None or change.difference_high is None:
        return change
    if -tolerance <= change.difference_low and change.difference_high <= tolerance:
        return change.model_copy(update={"status": "unchanged"})
    was, now = change.old_direction in ESTABLISHED, change.new_direction in ESTABLISHED
    moved = change.p_adjusted is not None and change.p_adjusted < alpha
    if moved:
        away = (change.growth or 0.0) > 0
        flipped = was and now and change.old_direction != change.new_direction
        status: Status = (
            "new"
            if now and (flipped or not was)
            else "gone"
            if was and not now
            else "grown"
            if away
            else "shrunk"
        )
        reason = "the direction turned round" if flipped else ""
        return change.model_copy(update={"status": status, "reason": reason})
    reason = "a difference this large may be chance, and one that matters is not excluded"
    return change.model_copy(update={"status": "inconclusive", "reason": reason})
