"""What every importer returns, and how tables from untrusted sources are read."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from auditor.errors import InputError
from auditor.records import Skipped

MAX_TABLE_BYTES = 512 * 2**20

Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a region, in shares of the image's width and height."""


@dataclass(frozen=True)
class Row:
    """One image that the source labels."""

    file: str
    """Relative to the source, with forward slashes."""
    labels: dict[str, str]
    """Label name to value: ``{"gender": "woman", "race": "black"}``."""
    covariates: dict[str, str | float] = field(default_factory=dict)
    where: str = ""
    """File and line of the label, for messages."""
    box: Box | None = None
    """The part of the image that carries the label, where it is not all of it."""


@dataclass(frozen=True)
class Table:
    """The labels of a source, before any image is opened."""

    rows: list[Row]
    left_out: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True)
class Options:
    """Options of an import."""

    adults_only: bool = True
    """Face sets: leave out images labelled younger than 18, or of unclear age."""
    category: str = "texture"
    """Broden: ``texture`` or ``scene``; of pixels, ``object``, ``part`` or ``material``."""
    coverage: float = 0.1
    """Broden: least share of an image that a label of pixels must cover."""
    table: str = ""
    """csv: the table's file name, relative to the source."""


def table_of(found: Iterable[Row | Skipped], *, none: str) -> Table:
    """What a source labels.

    Raises:
        InputError: no image; with the message ``none``.
    """
    held = list(found)
    rows = [one for one in held if isinstance(one, Row)]
    if not rows:
        raise InputError(none)
    return Table(rows, [one for one in held if isinstance(one, Skipped)])


def table_lines(path: Path, *, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """File and line (``table.csv:2``) and cells by column, of every line of a table with a header.

    Raises:
        InputError: missing, not UTF-8, a column is missing or doubled, or a line has too many or too
            few cells; with file and line.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if not reader.line_num:
            raise InputError(f"{path}:1: empty, need a header with {', '.join(columns)}")
        _check_header(path, header, columns)
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise InputError(f"{where}: {len(cells)} columns, need {len(header)} as in the header")
            yield where, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not a table ({error})") from error


def text_lines(path: Path) -> list[tuple[str, str]]:
    """File and line (``table.txt:2``) and text of every line that is not blank.

    Raises:
        InputError: missing, too large or not UTF-8, with the line at fault.
    """
    lines = enumerate(_text(path).splitlines(), start=1)
    return [(f"{path}:{number}", line) for number, line in lines if line.strip()]


def _text(path: Path) -> str:
    try:
        if (size := path.stat().st_size) > MAX_TABLE_BYTES:
            raise InputError(f"{path}: {size} bytes, at most {MAX_TABLE_BYTES} are read")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        raise InputError(
            f"{path}:{line}: not UTF-8 (byte 0x{data[error.start]:02x} in column {column}); "
            "save the table as UTF-8"
        ) from error


def _check_header(path: Path, header: list[str], columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        raise InputError(f"{path}:1: no column '{missing[0]}'; the columns are {', '.join(header) or 'none'}")
    doubled = [column for column in header if header.count(column) > 1]
    if doubled:
        raise InputError(f"{path}:1: column '{doubled[0]}' occurs twice")


def safe_name(name: str, *, where: str) -> str:
    """A relative path inside the source, normalised.

    Raises:
        InputError: absolute, with ``..``, a drive or a null character.
    """
    posix = name.replace("\\", "/").removeprefix("./")
    parts = PurePosixPath(posix).parts
    if not parts or posix.startswith("/") or ".." in parts or "\0" in posix or ":" in parts[0]:
        raise InputError(f"{where}: file '{name}' leads out of the folder, need a relative path inside it")
    return "/".join(parts)


def label_value(text: str) -> str:
    """One spelling per label: Unicode-normalised, single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def refuse_case_collisions(values: dict[str, str], *, what: str) -> None:
    """Refuses names that differ only in case: on many disks they are one.

    Args:
        values: name to where it was seen.
        what: what they name, for the message.

    Raises:
        InputError: two names collide.
    """
    seen: dict[str, str] = {}
    for name, where in values.items():
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen and seen[folded] != name:
            raise InputError(f"{where}: {what} '{name}' and '{seen[folded]}' differ only in case")
        seen[folded] = name


def refuse_lonely(rows: Sequence[Row], label: str, *, what: str) -> None:
    """Refuses a value that only one image has: a typing error or a misplaced folder.

    Raises:
        InputError: there is one; with the file and line that say so.
    """
    for value, count in Counter(row.labels[label] for row in rows).items():
        if count == 1:
            where = next(row.where for row in rows if row.labels[label] == value)
            raise InputError(f"{where}: {what} '{value}' has one image, need several (a typing error?)")


def age_band(age: float) -> str:
    """Ten years each, open at the ends."""
    if age < 20:
        return "under 20"
    return f"{int(age // 10) * 10}-{int(age // 10) * 10 + 9}" if age < 70 else "70 and over"
