"""Which audits may be compared, and which of their classes belong together."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.compare.records import Release
from auditor.errors import InputError
from auditor.records import Audit, ClassResult

MUST_AGREE = ("seed", "runs", "margin", "contrast_margin", "alpha", "min_images")
"""Settings that a difference between two releases must not come from."""

WORTH_SAYING = (
    "images", "unlabelled", "benchmark", "noise", "rotation", "refits", "permutations", "bootstrap",
    "max_images", "n_impressions", "impression_steps", "heldout", "occluder_iterations", "occluder_lr",
    "layers", "reference_classes", "precision",
)  # fmt: skip
"""Settings that may differ, at the price of a note."""


def release(audit: Audit) -> Release:
    """What identifies an audited release."""
    return Release(
        model=audit.model.name,
        weights_sha256=audit.model.weights_sha256,
        created=audit.created,
        label=str(audit.settings.get("release") or ""),
    )


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
    if old.method.get("effect") != new.method.get("effect"):
        faults.append("the effects are in other units: the audits describe another estimator")
    pairs = list(class_pairs(old, new))
    if not pairs:
        faults.append("the audits have no class in common")
    if faults:
        raise InputError(f"the audits cannot be compared: {'; '.join(faults)}")
    return _notes(old, new, pairs)


def class_pairs(old: Audit, new: Audit) -> Iterator[tuple[ClassResult, ClassResult]]:
    """Classes in common, old and new, by synset where both have one, else by name.

    Among several of one name the one at the same index is meant. Each old class is compared once.
    """
    left = list(old.classes)
    for candidate in new.classes:
        alike = [before for before in left if _same_class(before, candidate)]
        if alike:
            before = min(alike, key=lambda one: one.index != candidate.index)
            left.remove(before)
            yield before, candidate


def _in_context(audit: Audit) -> bool:
    return any(finding.kind == "in context" for finding in audit.findings)


def _same_class(before: ClassResult, candidate: ClassResult) -> bool:
    if before.synset and candidate.synset:
        return before.synset == candidate.synset
    return before.name == candidate.name


def _bank_faults(old: Audit, new: Audit) -> Iterator[str]:
    before = {b.name: b.digest for b in old.banks}
    for bank in new.banks:
        if bank.name not in before:
            yield f"bank '{bank.name}' is not in the old audit"
        elif before[bank.name] != bank.digest:
            yield f"bank '{bank.name}' has other images ({before[bank.name][:12]} and {bank.digest[:12]})"
    for name in sorted(before.keys() - {b.name for b in new.banks}):
        yield f"bank '{name}' is not in the new audit"


def _notes(old: Audit, new: Audit, pairs: list[tuple[ClassResult, ClassResult]]) -> list[str]:
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
        (old, {before.index for before, _ in pairs}, "old"),
        (new, {after.index for _, after in pairs}, "new"),
    ):
        alone = [c.name for c in audit.classes if c.index not in others]
        if alone:
            notes.append(f"only in the {which} audit: {', '.join(alone)}")
    for which, audit, other in (("old", old, new), ("new", new, old)):
        if _in_context(audit) and not _in_context(other):
            notes.append(f"only the {which} audit was made with --in-context: nothing is compared in context")
    return notes
