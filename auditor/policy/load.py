"""Reads a policy from TOML; every complaint names its line, and the nearest known key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from auditor.errors import InputError
from auditor.policy.rules import Association, Contrast, Policy, Trust, Waiver

LARGEST_FILE = 1_000_000
"""Bytes. A policy is written by hand."""

_Path = tuple[str | int, ...]
_TABLES: dict[str, type[BaseModel]] = {
    "trust": Trust,
    "association": Association,
    "contrast": Contrast,
    "waiver": Waiver,
}
_SINCE_2 = (
    "this auditor reads version 2, in which effects of associations and contrasts have one unit, from 0 to "
    "1; look at the tolerances again, then write format_version = 2"
)
_GONE = {
    "interval": "is no key any more: every decision rests on the adjusted interval",
    "occluder_success": "is no key any more: scores and contrasts do not rest on the occluder",
    "specific": "is no key any more: scores and contrasts do not rest on the detector",
    "class_images": "is no key any more: scores and contrasts do not rest on the class's images",
    "blocking_controls": "is no key any more: a check that failed withholds what it tests",
    "required_controls": "is no key any more; did you mean 'required_checks'?",
}
"""Keys of version 1, and what became of them."""
_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_-]+)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*(?:\"([^\"]+)\"|'([^']+)'|([A-Za-z0-9_-]+))\s*[=.]")


@dataclass(frozen=True)
class Problem:
    """One complaint about a policy file."""

    line: int
    message: str


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy and where it came from."""

    policy: Policy
    path: str
    lines: dict[_Path, int]
    """Line of every table and key, such as ``("association", 0, "classes")``."""

    def line(self, *path: str | int) -> int:
        """Line of a table or key; 1 where it is not written in the file."""
        return self.lines.get(path, 1)


def load_policy(path: str | Path) -> LoadedPolicy:
    """The policy in a TOML file.

    Raises:
        InputError: the file cannot be read, is not TOML, or says something that no policy may say;
            the message names the first line at fault.
    """
    text = _read(Path(path))
    policy, problems, lines = parse_policy(text)
    if policy is None:
        first, *rest = problems
        more = f" (and {len(rest)} more: auditor policy check {path})" if rest else ""
        raise InputError(f"policy {path}, line {first.line}: {first.message}{more}")
    return LoadedPolicy(policy, str(path), lines)


def parse_policy(text: str) -> tuple[Policy | None, list[Problem], dict[_Path, int]]:
    """The policy, or every complaint about it in order of line; and the line of every key."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"^(.*) \(at line (\d+), column \d+\)$", str(error))
        line = int(found[2]) if found else text.count("\n") + 1
        return None, [Problem(line, f"not TOML: {found[1] if found else error}")], {}
    lines = _lines(text)
    try:
        return Policy.model_validate(data), [], lines
    except ValidationError as error:
        problems = {_problem(dict(e), lines) for e in error.errors(include_url=False)}
        return None, sorted(problems, key=lambda p: (p.line, p.message)), lines


def read_problems(path: str | Path) -> list[Problem]:
    """Every complaint about a policy file, in order of line; none if it is valid.

    Raises:
        InputError: the file cannot be read.
    """
    return parse_policy(_read(Path(path)))[1]


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            raise InputError(
                f"policy {path}: larger than {LARGEST_FILE} bytes; a policy is a short TOML file"
            )
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"policy {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"policy {path}: not UTF-8 at byte {error.start}; a policy is a TOML file"
        ) from error


def _lines(text: str) -> dict[_Path, int]:
    """Line of each table and key. Written after the file has parsed, so it need not check anything."""
    found: dict[_Path, int] = {}
    table: _Path = ()
    counts: dict[str, int] = {}
    for number, line in _code_lines(text):
        if header := _HEADER.match(line):
            name = header[2]
            if header[1] == "[[":
                table = (name, counts.get(name, 0))
                counts[name] = counts.get(name, 0) + 1
            else:
                table = (name,)
            found.setdefault((name,), number)
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, key[1] or key[2] or key[3]), number)
    return found


def _code_lines(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines outside of multi-line strings."""
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not fence:
            yield number, line
        for mark in ('"""', "'''"):
            if (not fence or fence == mark) and line.count(mark) % 2:
                fence = "" if fence else mark


def _problem(error: dict[str, Any], lines: dict[_Path, int]) -> Problem:
    path: _Path = tuple(part for part in error["loc"] if not str(part).startswith("function-"))
    line = next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 1)
    key = str(path[-1]) if path else ""
    where = _where(path)
    match error["type"]:
        case "extra_forbidden" if key in _GONE:
            return Problem(line, f"{_where(path[:-1])}'{key}' {_GONE[key]}")
        case "extra_forbidden":
            known = _known_keys(path)
            nearest = get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"; did you mean '{nearest[0]}'?" if nearest else f"; known: {', '.join(known)}"
            return Problem(line, f"{_where(path[:-1])}unknown key '{key}'{hint}")
        case "missing" if key == "format_version":
            return Problem(line, f"'format_version' is missing: {_SINCE_2}")
        case "missing":
            return Problem(line, f"{_where(path[:-1])}'{key}' is missing")
        case "value_error":
            return Problem(line, f"{where}{error['ctx']['error']}")
        case "literal_error" if key == "format_version":
            return Problem(line, f"format version {error['input']!r}: {_SINCE_2}")
        case "literal_error":
            return Problem(line, f"{where}{error['input']!r} given, {error['ctx']['expected']} needed")
        case _:
            need = error["msg"][0].lower() + error["msg"][1:]
            return Problem(line, f"{where}{error['input']!r} given; {need}")


def _where(path: _Path) -> str:
    names = [f"{part + 1}" if isinstance(part, int) else part for part in path]
    return f"{' '.join(names)}: " if names else ""


def _known_keys(path: _Path) -> list[str]:
    table = str(path[0]) if len(path) > 1 else ""
    return list(_TABLES.get(table, Policy).model_fields)
