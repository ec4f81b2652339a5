"""``auditor render``: an audit's reports again, from ``audit.json`` alone and without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(render)


def render(
    audit: Annotated[Path, typer.Argument(metavar="AUDIT", help="Audit directory, or its audit.json.")],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="html, pdf and others, may be repeated. [default: html, pdf]",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Where to write; by default beside the audit."),
    ] = None,
) -> None:
    """Write an audit's reports again, for another format or after an update of auditor.

    Reads `audit.json` and the pictures beside it; no model, no bank and no torch are needed.

        auditor render audit --format html --format pdf
    """
    from auditor.report import check_formats, write_reports
    from auditor.store import read_audit

    wanted = formats or ["html", "pdf"]
    check_formats(wanted)
    record = read_audit(audit)
    directory = audit if audit.is_dir() else audit.parent
    for path in write_reports(directory, record, formats=wanted, out=out):
        typer.echo(str(path))
