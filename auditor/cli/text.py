"""Plain tables: readable on a terminal, and for ``grep`` and ``awk`` in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def show_lines(lines: Iterable[str]) -> None:
    """Print them."""
    for line in lines:
        print(line)


def columns(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines with the header and the rows in aligned columns; numbers to the right, words to the left."""
    table = [[str(cell) for cell in row] for row in rows]
    right = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]
    widths = [max(len(cells[i]) for cells in [header, *table]) for i in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ).rstrip()
        for cells in [header, *table]
    ]
