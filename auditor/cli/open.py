"""``auditor open``: the report of an audit, or the page of a scan, in the browser."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from auditor.errors import InputError


def open_(
    audit: Annotated[
        Path, typer.Argument(metavar="AUDIT", help="Directory of an audit or a scan, or a file in it.")
    ],
) -> None:
    """Open the report of an audit in the browser, or the page of a scan.

    Without a browser it says where the report is.

        auditor open audit
    """
    import webbrowser

    page = page_of(audit).resolve()
    try:
        opened = webbrowser.open(page.as_uri())
    except webbrowser.Error:
        opened = False
    print(f"{'opened' if opened else 'no browser was found; the report is'}: {page}")


def page_of(path: Path) -> Path:
    """The HTML report beside an audit, or the page beside a scan.

    Raises:
        InputError: There is no audit and no scan, or no HTML beside it.
    """
    from auditor.report import FORMATS
    from auditor.report.formats.scan import PAGES
    from auditor.store.directory import AUDIT_FILE
    from auditor.store.scans import SCAN_FILE

    if not path.exists():
        raise InputError(f"audit '{path}': no such file or directory")
    folder = path if path.is_dir() else path.parent
    for record, page, again in (
        (AUDIT_FILE, FORMATS["html"], f"auditor render {shlex.quote(str(folder))} --format html"),
        (SCAN_FILE, PAGES["html"], "auditor scan with --formats html --overwrite"),
    ):
        if (folder / page).is_file():
            return folder / page
        if (folder / record).is_file():
            raise InputError(f"audit '{path}': there is no {page}; needed: {again}")
    raise InputError(
        f"audit '{path}': holds neither {AUDIT_FILE} nor {SCAN_FILE}; needed: an audit or a scan"
    )
