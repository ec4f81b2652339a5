"""From measurements to the cells of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.evaluation_records import Estimate, TableRow
from auditor.statistics.means import Interval, mean_interval, share_interval


def cell(found: Interval) -> Estimate:
    """An interval as it is stored."""
    return Estimate(value=found.value, low=found.low, high=found.high, n=found.n)


def share_cell(hits: NDArray[np.bool_]) -> Estimate | None:
    """Share of images; ``None`` where there is no image."""
    return cell(share_interval(int(hits.sum()), len(hits))) if len(hits) else None


def mean_cell(values: Sequence[float], *, least: float = 0.0, most: float = 1.0) -> Estimate | None:
    """Mean over independent values with its interval; ``None`` where there is none."""
    return cell(mean_interval(values, least=least, most=most)) if len(values) else None


def mean_row(name: str, rows: Sequence[TableRow], *, least: float = 0.0, most: float = 1.0) -> TableRow:
    """The mean of each column over the rows that have a number in it."""
    columns = zip(*(row.cells for row in rows), strict=True)
    values = [[one.value for one in column if one is not None] for column in columns]
    return TableRow(name=name, cells=[mean_cell(some, least=least, most=most) for some in values])
