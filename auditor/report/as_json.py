"""An audit as JSON: the bytes of ``audit.json``, whatever wrote it."""

from __future__ import annotations

from pathlib import Path

from auditor.records import Audit
from auditor.store import audit_bytes


def render(audit: Audit, directory: Path) -> str:
    """The audit, floats to six significant digits, always the same for the same audit."""
    return audit_bytes(audit).decode()
