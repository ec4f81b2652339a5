"""An audit in a notebook: as a short summary and as a data frame."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from auditor.errors import InputError
from auditor.records import Audit
from auditor.report.formats.csv import COLUMNS, rows
from auditor.report.templates import rendered
from auditor.report.view.audit import build_view


def summary(audit: Audit) -> str:
    """HTML with the findings and, for every class, how far to trust them; every name escaped."""
    return rendered("notebook.html.j2", view=build_view(audit))


def frame(audit: Audit) -> Any:
    """A ``pandas.DataFrame`` with one row for every finding and the columns of the CSV.

    Raises:
        InputError: pandas is not installed.
    """
    try:
        pandas = import_module("pandas")
    except ImportError as error:
        raise InputError("a data frame needs pandas: pip install pandas") from error
    return pandas.DataFrame(list(rows(audit)), columns=list(COLUMNS))
