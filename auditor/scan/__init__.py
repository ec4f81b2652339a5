"""The scan: every class of a model against every concept, so that nobody has to guess what to audit."""

from __future__ import annotations

from auditor.scan.run import run_scan

__all__ = ["run_scan"]
