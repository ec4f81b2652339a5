"""Class names from a file: text, JSON or CSV."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

from auditor.errors import InputError
from auditor.models.labels import in_order, labelled, named, only_reading, plain, with_negation
from auditor.models.loaded import ClassLabel

_NAME_HEADERS = frozenset({"name", "names", "label", "labels", "class", "classes", "class name", "category"})
_INDEX_HEADERS = frozenset({"index", "idx", "id", "class id", "label id", "class index", "number"})


def labels_from_file(path: Path, count: int, *, one_logit: bool = False) -> tuple[ClassLabel, ...]:
    """Class names out of a file, in order of the outputs.

    Args:
        path: Text with one name per line, each with its index in front or not; JSON in a form that
            :func:`auditor.models.labels.named` reads; CSV with or without a header or a column of indices.
        count: Outputs of the model.
        one_logit: The two outputs stand for one logit, so that one name is enough.

    Raises:
        InputError: The file cannot be read, is ambiguous, or has another number of names.
    """
    where = f"labels '{path}'"
    text = _text(path)
    suffix = path.suffix.lower()
    try:
        if suffix == ".json" or text.lstrip()[:1] in ("[", "{"):
            names = named(json.loads(text))
        elif suffix in (".csv", ".tsv"):
            names = _from_table(text, "\t" if suffix == ".tsv" else ",")
        else:
            names = _from_lines([line.strip() for line in text.splitlines() if line.strip()])
    except (ValueError, RecursionError, csv.Error) as failure:
        raise InputError(
            f"{where}: {failure}; needed: a name per line, a JSON list or object of names and indices, or "
            "CSV of names, with a column of indices or without"
        ) from failure
    if one_logit:
        names = with_negation(names)
    if len(names) != count:
        raise InputError(f"{where}: {len(names)} names, the model has {count} outputs")
    return labelled(names)


def _text(path: Path) -> str:
    """UTF-8, with or without a byte-order mark."""
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise InputError(f"labels '{path}': cannot be read ({failure.strerror})") from failure
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" in data:
        raise InputError(f"labels '{path}': is UTF-16 or UTF-32; needed: UTF-8 (save it again with that)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise InputError(
            f"labels '{path}': not UTF-8 at byte {failure.start}; needed: UTF-8 text"
        ) from failure


def _from_lines(lines: Sequence[str]) -> list[str]:
    """Names of a text file, whose lines may begin with their indices."""
    before = [re.match(r"(\d+)[\s,:;]+(.+)", line) for line in lines]
    if lines and all(before):
        ordered = in_order([m[1] for m in before if m], [m[2] for m in before if m])
        if ordered is not None:
            return ordered
    behind = [re.match(r"(.+?)[\s,:;]+(\d+)$", line) for line in lines]
    indices = [m[2] for m in behind if m]
    if 1 < len(lines) == len(indices) and in_order(indices, lines) not in (None, list(lines)):
        raise ValueError("each line ends with a number, which may be its index")
    return list(lines)


def _from_table(text: str, delimiter: str) -> list[str]:
    """Names from rows of one column, or of two of which one holds the indices."""
    lines = text.splitlines()
    if delimiter == "," and lines and all(";" in line for line in lines if line.strip()):
        delimiter = ";"
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    rows = [row for row in rows if any(row)]
    if not rows or len({len(row) for row in rows}) != 1:
        raise ValueError("rows of different length")
    head = [plain(cell) for cell in rows[0]]
    headed = bool(set(head) & (_NAME_HEADERS | _INDEX_HEADERS))
    rows = rows[1:] if headed else rows
    if len(head) == 1:
        return [row[0] for row in rows]
    if len(head) != 2:
        raise ValueError(f"{len(head)} columns")
    columns = [0, 1]
    if headed and any(cell in _INDEX_HEADERS for cell in head):
        columns = [i for i in columns if head[i] in _INDEX_HEADERS]
    return only_reading(
        [in_order([row[i] for row in rows], [row[1 - i] for row in rows]) for i in columns],
        several="both columns could hold the indices; a header 'index,name' would decide",
        none=f"no column of indices from 0 to {len(rows) - 1}",
    )
