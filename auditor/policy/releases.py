"""Releases on disk: reads audits and policies, compares, judges."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from auditor.compare import Comparison, compare
from auditor.compare.scans import ScanComparison, compare_scans
from auditor.errors import InputError
from auditor.files import load_arrays
from auditor.policy import LoadedPolicy, Verdict, judge, load_policy
from auditor.policy.scans import judge_scan
from auditor.records import Audit
from auditor.store.directory import inside, read_audit
from auditor.store.scans import is_scan, read_effects, read_scan


def gate_release(
    audit: Path, policy: Path | LoadedPolicy, *, baseline: Path | None = None, today: date | None = None
) -> Verdict:
    """The verdict on an audit, or a scan, on disk.

    Args:
        audit: Its directory, or its ``audit.json``; of a scan, the same.
        policy: The policy, or its file.
        baseline: The audit of the release before, for limits on growth.
        today: The day that waivers are held against; today where left out.

    Raises:
        InputError: A file is missing, damaged or of another version, the policy is not valid, or the
            baseline cannot be compared with the audit.
    """
    loaded = policy if isinstance(policy, LoadedPolicy) else load_policy(policy)
    if is_scan(audit):
        changes = compare_two_scans(baseline, audit) if baseline is not None else None
        return judge_scan(read_scan(audit), loaded, today=today or date.today(), comparison=changes)
    if not loaded.policy.association and not loaded.policy.contrast:
        raise InputError(
            f"policy '{loaded.path}': has rules for scans only, and '{audit}' is an audit; needed: "
            "[[association]] or [[contrast]], or a scan"
        )
    candidate = read_audit(audit)
    before = comparison = None
    if baseline is not None:
        before = read_audit(baseline)
        comparison = compare(
            before,
            candidate,
            old_arrays=_arrays(baseline, before),
            new_arrays=_arrays(audit, candidate),
        )
    return judge(candidate, loaded, today=today or date.today(), baseline=before, comparison=comparison)


def compare_releases(
    old: Path, new: Path, *, tolerance: float | None = None, contrast_tolerance: float | None = None
) -> Comparison:
    """What changed from one audited release to the next.

    Args:
        old: The audit of the release before: its directory, or its ``audit.json``.
        new: The candidate's.
        tolerance: Largest change of a score that counts as unchanged, by default the
            audits' equivalence margin.
        contrast_tolerance: The same for contrasts.

    Raises:
        InputError: A file is missing or damaged, or the audits cannot be compared.
    """
    before, after = read_audit(old), read_audit(new)
    return compare(
        before,
        after,
        old_arrays=_arrays(old, before),
        new_arrays=_arrays(new, after),
        tolerance=tolerance,
        contrast_tolerance=contrast_tolerance,
    )


def compare_two_scans(old: Path, new: Path) -> ScanComparison:
    """What two scans of two releases confirm.

    Args:
        old: Of the release before: its directory, or its ``scan.json``.
        new: The candidate's.

    Raises:
        InputError: A file is missing or damaged, or the scans cannot be compared.
    """
    before, after = read_scan(old), read_scan(new)
    return compare_scans(before, after, read_effects(old, before), read_effects(new, after))


def _arrays(path: Path, audit: Audit) -> Mapping[str, NDArray[Any]] | None:
    """What lies beside an audit."""
    directory = path if path.is_dir() else path.parent
    file = inside(directory, audit.arrays)
    return load_arrays(file) if file.exists() else None
