"""Audits of older formats, read as if this version had written them.

Each step takes the decoded ``audit.json`` of one format to that of the next. The stored file is never
changed: its signature and the digests that name it are of the bytes that were written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Document = dict[str, Any]
"""An ``audit.json`` as :func:`json.loads` gives it; its fields are not checked yet."""


def from_2_to_3(audit: Document) -> Document:
    """Format 3 calls the setting ``panel`` ``reference_classes``. No other field differs."""
    settings = audit.get("settings")
    if isinstance(settings, dict):
        settings = {"reference_classes" if key == "panel" else key: value for key, value in settings.items()}
    return {**audit, "format_version": 3, "settings": settings}


STEPS: dict[int, Callable[[Document], Document]] = {2: from_2_to_3}
"""Format version to the step that leads from it to the next.

There is none from 1: its conclusions rest on other rules, and it holds no adjusted intervals from which
they could be made again.
"""


def migrated(audit: Document) -> Document:
    """The audit in the newest format; its ``format_version`` must be one of ``STEPS`` or the newest."""
    while audit["format_version"] in STEPS:
        audit = STEPS[audit["format_version"]](audit)
    return audit
