"""Sources labelled by folder names or by a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from auditor.banks.importing.rows import (
    Options,
    Row,
    Table,
    label_value,
    refuse_case_collisions,
    refuse_lonely,
    safe_name,
    table_lines,
    table_of,
)
from auditor.errors import InputError
from auditor.images.decode import left_out, scan_images
from auditor.records import Skipped


def folder(source: Path, options: Options) -> Table:
    """One folder of images for each concept.

    Raises:
        InputError: no subfolders with images, one with a single image, or two whose names differ in case
            alone.
    """
    paths, refused = scan_images(source)
    found: list[Row | Skipped] = [*refused]
    for path in paths:
        file = path.relative_to(source).as_posix()
        concept, slash, _ = file.partition("/")
        row = Row(file=file, labels={"concept": label_value(concept)}, where=str(path))
        found.append(row if slash else left_out(file, "not in a concept's folder"))
    table = table_of(
        found, none=f"{source}: no images in subfolders, need one folder of images for each concept"
    )
    refuse_case_collisions({r.labels["concept"]: r.where for r in table.rows}, what="concepts")
    refuse_lonely(table.rows, "concept", what="concept")
    return table


def dtd(source: Path, options: Options) -> Table:
    """Describable Textures Dataset: ``images/<texture>/``, or the texture folders themselves.

    Raises:
        InputError: no texture folders.
    """
    inner = next((d for d in ("images", "dtd/images") if (source / d).is_dir()), "")
    table = folder(source / inner, options)
    rows = [replace(row, file=f"{inner}/{row.file}") for row in table.rows] if inner else table.rows
    return Table(rows, table.left_out)


def csv(source: Path, options: Options) -> Table:
    """A table of ``file,label`` and any further columns, which become covariates.

    Several label columns (``label:gender``, ``label:race``) make intersections possible. A covariate
    whose every value is a number is matched by distance, any other exactly.

    Raises:
        InputError: no or several tables, a missing column, a file named twice, a label with one image,
            names that differ only in case; with file and line.
    """
    table = _table_of(source, options)
    lines = list(table_lines(table, columns=("file",)))
    if not lines:
        raise InputError(f"{table}:1: a header and no lines")
    header = list(lines[0][1])
    columns = [name for name in header if name == "label" or name.startswith("label:")]
    if not columns:
        raise InputError(
            f"{table}:1: no column 'label' (or 'label:NAME'); the columns are {', '.join(header)}"
        )
    others = [name for name in header if name not in columns and name != "file"]
    numeric = {name for name in others if all(_is_number(cells[name]) for _, cells in lines)}
    rows: list[Row] = []
    first_seen: dict[str, tuple[str, dict[str, str]]] = {}
    for where, cells in lines:
        file = safe_name(cells["file"], where=where)
        labels = {
            column.partition(":")[2] or "concept": label_value(cells[column])
            for column in columns
            if cells[column]
        }
        if not labels:
            raise InputError(f"{where}: no label")
        if file in first_seen:
            before, other = first_seen[file]
            what = (
                "named twice"
                if other == labels
                else f"carries two labels, {_described(other)} and {_described(labels)}"
            )
            raise InputError(f"{where}: file '{file}' {what}, first on {before}")
        first_seen[file] = where, labels
        covariates: dict[str, str | float] = {
            name: float(cells[name]) if name in numeric else cells[name] for name in others if cells[name]
        }
        rows.append(Row(file=file, labels=labels, covariates=covariates, where=where))
    refuse_case_collisions({row.file: row.where for row in rows}, what="files")
    for column in {name for row in rows for name in row.labels}:
        having = [row for row in rows if column in row.labels]
        refuse_case_collisions({r.labels[column]: r.where for r in having}, what="labels")
        refuse_lonely(having, column, what="label")
    return Table(rows)


def _described(labels: dict[str, str]) -> str:
    return ", ".join(f"{name} '{value}'" for name, value in labels.items())


def _table_of(source: Path, options: Options) -> Path:
    if options.table:
        return source / safe_name(options.table, where="--table")
    tables = sorted(source.glob("*.csv"))
    if len(tables) != 1:
        named = ", ".join(t.name for t in tables) or "none"
        raise InputError(f"{source}: need one .csv table, found {named}; name it with --table")
    return tables[0]


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False
