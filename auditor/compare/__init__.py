"""Releases compared: what changed from one audit to the next. Needs no torch."""

from __future__ import annotations

from auditor.compare.align import check_comparable, release
from auditor.compare.compare import compare
from auditor.compare.records import Change, Comparison, Release

__all__ = ["Change", "Comparison", "Release", "check_comparable", "compare", "release"]
