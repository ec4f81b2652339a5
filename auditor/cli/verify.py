"""``auditor verify``: does a report say what its audit says?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SIGNS = {"ok": ("✓", "green"), "failed": ("✗", "red"), "not checked": ("–", None)}
FAILED = 3


def verify(
    path: Annotated[Path, typer.Argument(metavar="FILE.pdf|DIR", help="A report, or an audit directory.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="FILE", help="The signature must be by this key.")
    ] = None,
    signature: Annotated[
        Path | None,
        typer.Option("--signature", metavar="FILE", help="By default the audit.sig beside the audit."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="Load it and compare its weights' hash.")
    ] = None,
    arch: Annotated[
        str | None, typer.Option("--arch", metavar="NAME", help="Architecture of --model file:PATH.")
    ] = None,
    bank: Annotated[
        list[str] | None,
        typer.Option("--bank", metavar="BANK", help="Load it and compare its digest; may be repeated."),
    ] = None,
    extract: Annotated[
        Path | None,
        typer.Option("--extract", metavar="DIR", help="Write the files attached to the PDF there."),
    ] = None,
) -> int:
    """Check a report against the audit it carries. Exit status: 0 if all holds, 3 if something does not.

    The report is rendered again from its audit and compared. With a key, a model or banks at hand,
    the signature and their hashes are checked too.

        auditor verify report.pdf --public-key reviewer.pub
    """
    from auditor.report.escape import terminal_text
    from auditor.verify import verify as check
    from auditor.verify import write_attachments

    found = check(path, public_key=public_key, signature=signature, model=model, arch=arch, banks=bank or [])
    for item in found.checks:
        sign, colour = SIGNS[item.outcome]
        typer.secho(
            f"{sign} {terminal_text(item.name)}: {terminal_text(item.detail, longest=500)}", fg=colour
        )
    if extract is not None:
        for written in write_attachments(path, extract):
            print(f"  {written}")
    return 0 if found.passed else FAILED
