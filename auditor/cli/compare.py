"""``auditor compare``: what changed from one release to the next."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.errors import InputError

if TYPE_CHECKING:
    from auditor.compare import Comparison


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Audit of the release before.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Audit of the new release.")],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT[:FILE]",
            help="markdown (the default), json, html or pdf, to a file or the screen; may be repeated.",
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance",
            min=0,
            help="Largest change of an association that counts as unchanged; by default the audits' margin.",
        ),
    ] = None,
    contrast_tolerance: Annotated[
        float | None,
        typer.Option(
            "--contrast-tolerance",
            min=0,
            help="The same for differences between groups.",
        ),
    ] = None,
) -> None:
    """Compare two audits of two releases: new, gone, grown, shrunk, unchanged, inconclusive.

    Both must have been measured alike: the same bank images, draws, margin and transformation.

        auditor compare audits/v1 audits/v2 --format html:changes.html
    """
    from auditor.files import write_bytes
    from auditor.policy.releases import compare_releases

    wanted = [_parse(text) for text in formats or ["markdown"]]
    found = compare_releases(old, new, tolerance=tolerance, contrast_tolerance=contrast_tolerance)
    for name, file in wanted:
        content = RENDERERS[name](found)
        if file is not None:
            write_bytes(file, content)
        else:
            sys.stdout.write(content.decode())


def _parse(text: str) -> tuple[str, Path | None]:
    name, _, file = text.partition(":")
    if name not in RENDERERS:
        raise InputError(f"--format {text}: no format '{name}', needed one of {', '.join(RENDERERS)}")
    if name == "pdf" and not file:
        raise InputError("--format pdf: a PDF goes to a file, needed pdf:FILE")
    return name, Path(file) if file else None


def _markdown(found: Comparison) -> bytes:
    from auditor.report.formats.comparison import render_markdown

    return render_markdown(found).encode()


def _json(found: Comparison) -> bytes:
    from auditor.report.formats.comparison import render_json

    return render_json(found).encode()


def _html(found: Comparison) -> bytes:
    from auditor.report.formats.comparison import render_html

    return render_html(found).encode()


def _pdf(found: Comparison) -> bytes:
    from auditor.report.formats.comparison import render_pdf

    return render_pdf(found)


RENDERERS: dict[str, Callable[[Comparison], bytes]] = {
    "markdown": _markdown,
    "json": _json,
    "html": _html,
    "pdf": _pdf,
}
"""Format name to the function that writes a comparison in it."""
