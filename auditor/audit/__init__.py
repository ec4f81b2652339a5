"""The pipeline: from settings to an audit. Start with :mod:`auditor.audit.run`."""

from __future__ import annotations

from auditor.audit.run import run_audit

__all__ = ["run_audit"]
