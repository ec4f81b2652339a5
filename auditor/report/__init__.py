"""Reports: an audit in, one file per format out. Nothing here imports torch.

A format is one module of ``formats`` with ``render(audit, directory) -> str | bytes``, and one line here.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from auditor.errors import InputError
from auditor.files import write_bytes
from auditor.records import Audit

FORMATS = {
    "html": "report.html",
    "pdf": "report.pdf",
    "json": "report.json",
    "markdown": "report.md",
    "junit": "report.junit.xml",
    "sarif": "report.sarif",
    "csv": "findings.csv",
    "modelcard": "model-card.md",
}
"""Name of the format, which is its module's, to the file that it is written to."""

WITH_VERDICT = frozenset({"html", "pdf", "markdown"})
"""Formats that show the gate's verdict where one lies beside the audit."""


def render_format(audit: Audit, directory: Path, *, name: str) -> bytes:
    """Render one format.

    Args:
        audit: The audit.
        directory: The audit directory, where the pictures lie.
        name: A key of ``FORMATS``.

    Raises:
        InputError: There is no such format.
    """
    check_formats([name])
    return written_by(f"{name}:render", audit, directory)


def written_by(renderer: str, *subject: Any) -> bytes:
    """What a renderer makes of its arguments.

    Args:
        renderer: ``module:function`` in ``auditor.report.formats``. The module is imported now, so that a
            missing extra hurts only who asks for its format.
        subject: An audit and its directory, a verdict or a comparison.
    """
    module, _, function = renderer.partition(":")
    content: str | bytes = getattr(import_module(f"auditor.report.formats.{module}"), function)(*subject)
    return content.encode() if isinstance(content, str) else content


def write_reports(
    directory: Path, audit: Audit, *, formats: Iterable[str] = ("html", "pdf"), out: Path | None = None
) -> list[Path]:
    """Render an audit and write the files, each whole or not at all.

    Args:
        directory: The audit directory, where the pictures lie.
        audit: The audit.
        formats: Keys of ``FORMATS``.
        out: Where to write; the audit directory by default.

    Returns:
        The files written, in the order of ``formats``.

    Raises:
        InputError: A format that does not exist; nothing is written then.
        StorageError: A file could not be written.
    """
    wanted = list(dict.fromkeys(formats))
    check_formats(wanted)
    written = []
    for name in wanted:
        path = (out or directory) / FORMATS[name]
        write_bytes(path, render_format(audit, directory, name=name))
        written.append(path)
    return written


def check_formats(names: Iterable[str]) -> None:
    """Refuse names that are no format.

    Raises:
        InputError: Naming the first that is unknown and those that exist.
    """
    for name in names:
        if name not in FORMATS:
            raise InputError(f"report format {name!r} is unknown; there are: {', '.join(FORMATS)}")
