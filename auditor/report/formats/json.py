"""An audit as JSON: the bytes of ``audit.json``, whatever wrote it; and a verdict."""

from __future__ import annotations

import json
from pathlib import Path

from auditor.policy.verdict import Verdict
from auditor.records import Audit
from auditor.store.directory import audit_bytes


def render(audit: Audit, directory: Path) -> str:
    """The audit, floats to six significant digits, always the same for the same audit."""
    return audit_bytes(audit).decode()


def render_verdict(verdict: Verdict) -> str:
    """The verdict; what UTF-8 cannot hold (undecodable file names) is replaced."""
    text = json.dumps(verdict.model_dump(), indent=2, ensure_ascii=False, allow_nan=False, default=str)
    return text.encode("utf-8", "replace").decode() + "\n"
