"""``auditor history``: a model's findings over its releases."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def history(
    audits: Annotated[list[Path], typer.Argument(metavar="AUDIT...", help="Audits, oldest release first.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with charts, too.")
    ] = None,
) -> None:
    """Show a model's findings over its releases, as tables and as a page with charts.

    auditor history audits/v1 audits/v2 audits/v3 --html history.html
    """
    from auditor.files import write_bytes
    from auditor.report.formats.history import history_html, history_markdown
    from auditor.store.directory import read_audit

    records = [read_audit(path) for path in audits]
    sys.stdout.write(history_markdown(records))
    if html is not None:
        write_bytes(html, history_html(records).encode())
        print(f"page: {html}", file=sys.stderr)
