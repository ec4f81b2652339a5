"""Audit what a released image classifier has learned to associate with a class.

    from pathlib import Path
    import auditor

    audit = auditor.run_audit(auditor.Settings(model="timm:resnet50", classes=("zebra",), out=Path("audit")))
    audit                                # in a notebook: what was found and how far to trust it
    audit.to_frame()                     # one row for every finding; needs pandas
    auditor.write_reports(Path("audit"), audit)

    verdict = auditor.gate_release(Path("audit"), Path("policy.toml"), baseline=Path("audits/v1"))
    verdict.outcome                      # "pass", "fail" or "inconclusive"
    auditor.compare_releases(Path("audits/v1"), Path("audit")).changes

Names are imported when they are used: reading, judging and rendering an audit needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from auditor.version import __version__ as __version__

if TYPE_CHECKING:
    from auditor.audit import run_audit as run_audit
    from auditor.errors import AuditorError as AuditorError
    from auditor.policy import judge as judge
    from auditor.policy import load_policy as load_policy
    from auditor.policy.releases import compare_releases as compare_releases
    from auditor.policy.releases import gate_release as gate_release
    from auditor.records import Audit as Audit
    from auditor.report import write_reports as write_reports
    from auditor.settings import Settings as Settings
    from auditor.store.directory import read_audit as read_audit

_HOMES = {
    "Audit": "auditor.records",
    "AuditorError": "auditor.errors",
    "Settings": "auditor.settings",
    "compare_releases": "auditor.policy.releases",
    "gate_release": "auditor.policy.releases",
    "judge": "auditor.policy",
    "load_policy": "auditor.policy",
    "read_audit": "auditor.store.directory",
    "run_audit": "auditor.audit",
    "write_reports": "auditor.report",
}
"""Public name to the module it lives in."""

__all__ = [
    "Audit",
    "AuditorError",
    "Settings",
    "compare_releases",
    "gate_release",
    "judge",
    "load_policy",
    "read_audit",
    "run_audit",
    "write_reports",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'auditor' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
