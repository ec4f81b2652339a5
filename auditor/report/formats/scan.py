"""A scan as CSV, a self-contained page and a PDF."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from auditor.files import write_bytes
from auditor.report.escape import csv_text
from auditor.scan_records import Scan

PAGES = {"html": "scan.html", "pdf": "scan.pdf", "csv": "scan.csv"}
"""Format to file name."""

COLUMNS = (
    *("kind", "class_index", "class_name", "bank", "subject", "matched", "conclusion", "reason"),
    *("effect", "low", "high", "p_value", "q_value", "screened_effect", "class_share"),
    *("n", "n_other", "independent", "independent_other", "alpha", "margin"),
)


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


RENDERERS = {"csv": scan_csv}
