"""TOML read together with the line of every key, so that an error can name the line it is about."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.errors import InputError

Location = tuple[str | int, ...]
"""Keys and positions that lead to a value: ``("concepts", 2, "definition")``, counted from 0."""

_PART = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[\w-]+)"""
_KEY = re.compile(rf"({_PART}(?:\s*\.\s*{_PART})*)\s*=")


class TomlSyntaxError(ValueError):
    """The text is not TOML."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Toml:
    """A parsed file."""

    data: dict[str, Any]
    lines: dict[Location, int]
    """Line, from 1, of every table and of every key outside inline tables."""

    def line(self, location: Location) -> int | None:
        """Line of a key, or of the innermost table around it that the file has; None where there is none."""
        ends = range(len(location), 0, -1)
        return next((self.lines[location[:end]] for end in ends if location[:end] in self.lines), None)


def read_toml_text(path: Path, *, where: str, limit: int | None = None) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Args:
        path: the file.
        where: begins an error's message: ``policy p.toml``.
        limit: largest size in bytes that is read.

    Raises:
        InputError: missing, unreadable, larger than ``limit`` or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(-1 if limit is None else limit + 1)
        if limit is not None and len(content) > limit:
            raise InputError(f"{where}: larger than {limit} bytes, needed a short TOML file")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{where}: cannot be read ({error.strerror}), needed a TOML file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 at byte {error.start}, needed a TOML file") from error


def parse_toml(text: str) -> Toml:
    """The content of a TOML file and where it stands.

    Raises:
        TomlSyntaxError: not TOML; with line and reason.
    """
    try:
        return Toml(tomllib.loads(text), _lines(text))
    except tomllib.TOMLDecodeError as error:
        said = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", str(error))
        line = int(said[2]) if said else text.count("\n") + 1  # "at end of document"
        raise TomlSyntaxError(line, said[1] if said else str(error)) from error


def _lines(text: str) -> dict[Location, int]:
    found: dict[Location, int] = {}
    counts: dict[Location, int] = {}
    table: Location = ()
    for number, line in _code_lines(text):
        if line.startswith("["):
            *parents, name = _parts(line)
            table = ()
            for part in parents:  # the parent that is an array of tables means its last table
                table += (part, counts[(*table, part)] - 1) if (*table, part) in counts else (part,)
                found.setdefault(table, number)
            table += (name,)
            found.setdefault(table, number)
            if line.startswith("[["):
                counts[table] = counts.get(table, 0) + 1
                table += (counts[table] - 1,)
                found[table] = number
        elif key := _KEY.match(line):
            parts = _parts(f"{key[1]} = 0")
            for end in range(1, len(parts) + 1):
                found.setdefault((*table, *parts[:end]), number)
    return found


def _parts(line: str) -> list[str]:
    """The parts of a header's or a line's dotted key, read by the TOML parser itself."""
    try:
        content: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return [""]  # part of an array over several lines
    parts = []
    while isinstance(content, dict | list) and content:
        if isinstance(content, dict):
            parts.append(next(iter(content)))
        content = next(iter(content.values())) if isinstance(content, dict) else content[0]
    return parts


def _code_lines(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines outside of multi-line strings and comments, without blanks before them."""
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not fence and line.lstrip().startswith("#"):
            continue
        if not fence:
            yield number, line.lstrip()
        for mark in ('"""', "'''"):
            if (not fence or fence == mark) and line.count(mark) % 2:
                fence = "" if fence else mark
