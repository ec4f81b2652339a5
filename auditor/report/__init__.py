"""Reports: an audit in, one file per format out. Nothing here imports torch.

A format is one module with ``render(audit, directory) -> str | bytes`` and one line in ``FORMATS``.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from auditor.errors import InputError
from auditor.files import write_bytes
from auditor.records import Audit

# Name of the format: (file it is written to, "module:function" that renders it). The module is
# imported when the format is asked for, so that a missing extra hurts only who wants it.
FORMATS: dict[str, tuple[str, str]] = {
    "html": ("report.html", "auditor.report.formats.html:render"),
    "pdf": ("report.pdf", "auditor.report.formats.pdf:render"),
    "json": ("report.json", "auditor.report.formats.json:render"),
    "markdown": ("report.md", "auditor.report.formats.markdown:render"),
    "junit": ("report.junit.xml", "auditor.report.formats.junit:render"),
    "sarif": ("report.sarif", "auditor.report.formats.sarif:render"),
    "csv": ("findings.csv", "auditor.report.formats.csv:render"),
    "modelcard": ("model-card.md", "auditor.report.formats.modelcard:render"),
}

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
    module, _, function = FORMATS[name][1].partition(":")
    content: str | bytes = getattr(import_module(module), function)(audit, directory)
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
        path = (out or directory) / FORMATS[name][0]
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
