"""Help on a narrow terminal: every flag on a line of its own, its text below it."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

from typer.core import TyperCommand

NARROW = 60
"""Columns of a terminal from which on help is a table."""

_Context = TyperCommand.context_class
_AsUsual = _Context.formatter_class


class _Below(_AsUsual):  # type: ignore[misc, valid-type]
    """Writes definition lists without columns."""

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        indent = " " * self.current_indent
        for name, text in rows:
            for at, words in ((indent, name), (f"{indent}  ", text)):
                wrapped = textwrap.wrap(
                    words, self.width, initial_indent=at, subsequent_indent=f"{at}  ", break_on_hyphens=False
                )
                self.write("\n".join(wrapped) + "\n")


def narrow_columns() -> int | None:
    """The terminal's columns where they are too few for a table; ``None`` where they are not."""
    columns = shutil.get_terminal_size().columns
    narrow = columns < NARROW
    _Context.formatter_class = _Below if narrow else _AsUsual
    return columns if narrow else None
