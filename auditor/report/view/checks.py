"""Sanity checks as rows of a table, and in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import SanityCheck
from auditor.report.words import CHECKS, DASH, Word, clean, number


@dataclass(frozen=True)
class CheckRow:
    """One sanity check."""

    name: str
    expectation: str
    observed: str
    threshold: str
    outcome: Word
    note: str


def check_row(check: SanityCheck) -> CheckRow:
    """A sanity check's cells."""
    unit = f" {clean(check.unit)}" if check.unit and check.observed is not None else ""
    return CheckRow(
        name=clean(check.name) + (f", {clean(check.bank)}" if check.bank else ""),
        expectation=clean(check.expectation),
        observed=_plain(check.observed) + unit,
        threshold=_plain(check.threshold),
        outcome=CHECKS[check.passed],
        note=clean(check.note),
    )


def _plain(value: float | None) -> str:
    """A count without decimals, anything else as an effect."""
    return f"{value:.0f}" if value is not None and value == round(value) else number(value)


def checks_summary(checks: Sequence[SanityCheck]) -> Word:
    """``3 of 4 passed, 1 not run``, with the sign of the worst outcome."""
    if not checks:
        return Word("none run", DASH, "open")
    passed, failed = (sum(c.passed is outcome for c in checks) for outcome in (True, False))
    missing = len(checks) - passed - failed
    parts = [f"{passed} of {len(checks)} passed"]
    if failed:
        parts.append(f"{failed} failed")
    if missing:
        parts.append(f"{missing} not run")
    worst = CHECKS[False] if failed else CHECKS[True] if passed else CHECKS[None]
    return Word(", ".join(parts), worst.symbol, worst.tone)
