"""A scan as CSV, a self-contained page and a PDF."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path

from auditor.errors import InputError
from auditor.files import write_bytes
from auditor.report.charts.drawn import fitted
from auditor.report.charts.scan import PRINT_MAP, forest_chart, map_chart, strip_chart
from auditor.report.charts.style import PRINT, PRINT_WIDTH, SCREEN, Chart, Sheet
from auditor.report.escape import csv_text
from auditor.report.templates import content_policy, rendered, static
from auditor.report.thumbnails import encode
from auditor.report.view.scan import SELECTED_ON, ScanView, build_scan_view
from auditor.scan_records import Scan
from auditor.store.scans import SCAN_FILE, read_effects, read_scan, scan_bytes

PAGES = {"html": "scan.html", "pdf": "scan.pdf", "csv": "scan.csv"}
"""Format to file name."""

COLUMNS = (
    *("kind", "class_index", "class_name", "bank", "subject", "matched", "conclusion", "reason"),
    *("effect", "low", "high", "p_value", "q_value", "screened_effect", "class_share"),
    *("n", "n_other", "independent", "independent_other", "alpha", "margin"),
)

PICTURE_BUDGET = 750_000
"""Bytes of pictures of a page; as text in it they are a third larger."""
MANY = 1_000
"""Findings whose words take so much of a page that half is left for pictures."""
PICTURE_SIDE = 104
STRIP_WIDTH, FOREST_WIDTH = 430.0, 400.0
PRINTED_ROWS, PRINTED_HALF, PRINTED_FINDINGS = 30, 12, 25
PRINTED_BELOW = 7
"""Classes of the strip that stands below the list where a map takes the first page."""


def write_scan_reports(directory: Path, scan: Scan, *, formats: Iterable[str]) -> None:
    """Render a scan and write the files, each whole or not at all.

    Raises:
        StorageError: A file could not be written.
    """
    for name in dict.fromkeys(formats):
        write_bytes(directory / PAGES[name], RENDERERS[name](scan, directory))


def scan_csv(scan: Scan, directory: Path) -> bytes:
    """A header and a row for everything selected, worst first."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for finding in scan.findings:
        cells = (getattr(finding, name) for name in COLUMNS)
        writer.writerow([csv_text(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue().encode()


def scan_html(scan: Scan, directory: Path) -> bytes:
    """One file that needs nothing else: no network, no other file.

    Args:
        scan: The scan.
        directory: Where its arrays and pictures lie.

    Raises:
        InputError: The arrays are missing, or are not those of the scan.
    """
    view = build_scan_view(scan, read_effects(directory, scan), digest=_digest(_stored(scan, directory)))
    style, script = static("report.css") + static("scan.css"), static("report.js") + static("scan.js")
    page = rendered(
        "scan.html.j2",
        view=view,
        selected_on=SELECTED_ON,
        maps=[(one, map_chart(one, Sheet("", SCREEN))) for one in view.maps],
        strips=[(one, strip_chart(one, Sheet("", SCREEN, STRIP_WIDTH))) for one in view.strips],
        forests={
            forest.key: forest_chart(forest, Sheet("", SCREEN, FOREST_WIDTH))
            for row in (*view.confirmed, *view.unconfirmed)
            for forest in row.forests
        },
        pictures=_pictures(view, directory),
        style=style,
        script=script,
        policy=content_policy(style=style, script=script, pictures=True),
    )
    return _close(page).encode()


def _close(page: str) -> str:
    """The page without the template's indents, a fifth of it.

    Style and script keep every sign: the policy names their digests.
    """
    head, start, rest = page.partition("<body>")
    body, script, tail = rest.rpartition("<script>")
    lines = (line.strip() for line in body.splitlines())
    return f"{head}{start}{chr(10).join(filter(None, lines))}{script}{tail}"


def _pictures(view: ScanView, directory: Path) -> dict[str, dict[str, object]]:
    """Every picture that the page shows, as it is embedded."""
    places = [shot.path for one in view.confirmed for row in one.rows for shot in row.shots]
    paths = dict.fromkeys(places)
    # A picture that stands in several places is as often in the page.
    words = sum(len(row.rows) for row in (*view.confirmed, *view.unconfirmed))
    room = PICTURE_BUDGET if words < MANY else PICTURE_BUDGET // 2
    budget = room * len(paths) // max(1, len(places))
    encoded = encode(directory, paths, kind="WEBP", budget=budget, side=PICTURE_SIDE)
    return {path: picture.embedded for path, picture in encoded.items()}


def scan_pdf(scan: Scan, directory: Path) -> bytes:
    """Two pages: what was looked at with a map, and what is worst; ``scan.json`` is attached.

    Args:
        scan: The scan.
        directory: Where its arrays lie.

    Raises:
        InputError: The arrays are missing, or are not those of the scan.
    """
    from auditor.report.formats.pdf import drawn_into, printed, stated_time

    stored, content = _stored(scan, directory), dict[str, tuple[bytes, str]]()
    digest = _digest(stored)
    contrasts = len({(one.bank, one.subject) for one in scan.confirmed if one.kind == "contrast"})
    mapped = any(one.kind == "association" for one in scan.confirmed)
    view = build_scan_view(
        scan,
        read_effects(directory, scan),
        digest=digest,
        map_rows=PRINTED_ROWS,
        strip_rows=PRINTED_BELOW if mapped else PRINTED_ROWS if contrasts == 1 else PRINTED_HALF,
    )
    page = rendered(
        "scan-print.html.j2",
        view=view,
        selected_on=SELECTED_ON,
        drawn_map=map_chart(view.maps[0], Sheet("", PRINT), PRINT_MAP, linked=False) if view.maps else None,
        strips=[_printed_strip(view, i) for i in range(len(view.strips[: 1 if mapped else 2]))],
        most=PRINTED_FINDINGS,
        draw=drawn_into(content),
        fit=fitted,
    )
    return printed(
        page,
        styles=[static("print.css"), static("scan-print.css")],
        content=content,
        created=stated_time(scan.created),
        identifier=digest[:32],
        attachments=[(SCAN_FILE, stored, "The scan: every number of this report", "Data")],
    )


def _printed_strip(view: ScanView, position: int) -> Chart:
    return strip_chart(view.strips[position], Sheet("", PRINT, PRINT_WIDTH), linked=False)


def _stored(scan: Scan, directory: Path) -> bytes:
    """The ``scan.json`` that a report attaches and names by its digest: the file, if it holds this scan."""
    try:
        raw = (directory / SCAN_FILE).read_bytes()
        if read_scan(directory) == scan:
            return raw
    except (OSError, InputError):
        pass  # there is no such file, or it is no scan
    return scan_bytes(scan)


def _digest(stored: bytes) -> str:
    return hashlib.sha256(stored).hexdigest()


RENDERERS: dict[str, Callable[[Scan, Path], bytes]] = {"html": scan_html, "pdf": scan_pdf, "csv": scan_csv}
