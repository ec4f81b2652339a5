"""``auditor compare``: what changed from one release to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli.output import deliver, destinations
from auditor.errors import InputError
from auditor.report import written_by


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
    """Compare two audits, or two scans, of two releases: new, gone, grown, shrunk, unchanged, inconclusive.

    Both must have been measured alike: the same bank images, draws, margin and transformation.

        auditor compare audits/v1 audits/v2 --format html:changes.html
    """
    from auditor.policy.releases import compare_releases, compare_two_scans
    from auditor.store.scans import is_scan

    if is_scan(old) or is_scan(new):
        if not (is_scan(old) and is_scan(new)):
            raise InputError(
                f"'{old}' and '{new}': one is a scan and the other is not; needed: two of a kind"
            )
        wanted = destinations(formats or ["markdown"], OF_SCANS)
        changes = compare_two_scans(old, new)
        for name, file in wanted:
            deliver(written_by(OF_SCANS[name], changes), file)
        return
    wanted = destinations(formats or ["markdown"], RENDERERS)
    found = compare_releases(old, new, tolerance=tolerance, contrast_tolerance=contrast_tolerance)
    for name, file in wanted:
        deliver(written_by(RENDERERS[name], found), file)


RENDERERS = {
    "markdown": "comparison:comparison_markdown",
    "json": "comparison:comparison_json",
    "html": "comparison:comparison_html",
    "pdf": "comparison:comparison_pdf",
}
"""Format name to the function that writes a comparison in it."""

OF_SCANS = {"markdown": "scan_changes:scan_comparison_markdown", "json": "scan_changes:scan_comparison_json"}
"""The same for two scans."""
