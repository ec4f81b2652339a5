"""Reads a policy from TOML. Every error names its line and the nearest known key."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from auditor.errors import InputError
from auditor.policy.rules import Association, Contrast, Expected, Policy, ScanRule, Trust, Waiver
from auditor.toml_lines import Location, Toml, TomlSyntaxError, parse_toml, read_toml_text

LARGEST_FILE = 1_000_000
"""Bytes. A policy is written by hand."""

_TABLES: dict[str, type[BaseModel]] = {
    "trust": Trust,
    "association": Association,
    "contrast": Contrast,
    "scan": ScanRule,
    "expected": Expected,
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


@dataclass(frozen=True)
class Problem:
    """One error in a policy file."""

    line: int
    message: str


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy and where it came from."""

    policy: Policy
    path: str
    lines: dict[Location, int]
    """Line of every table and key, such as ``("association", 0, "classes")``."""

    def line(self, *path: str | int) -> int:
        """Line of a table or key; 1 where it is not written in the file."""
        return self.lines.get(path, 1)


def load_policy(path: str | Path) -> LoadedPolicy:
    """The policy in a TOML file.

    Raises:
        InputError: the file cannot be read, is not TOML, or is not a valid policy; the message names the
            first line with an error.
    """
    policy, problems, lines = parse_policy(_read(path))
    if policy is None:
        first, *rest = problems
        more = f" (and {len(rest)} more: auditor policy check {path})" if rest else ""
        raise InputError(f"policy {path}, line {first.line}: {first.message}{more}")
    return LoadedPolicy(policy, str(path), lines)


def parse_policy(text: str) -> tuple[Policy | None, list[Problem], dict[Location, int]]:
    """The policy or, in order of line, every error in it; and the line of every key."""
    try:
        toml = parse_toml(text)
    except TomlSyntaxError as error:
        return None, [Problem(error.line, f"not TOML: {error}")], {}
    try:
        return Policy.model_validate(toml.data), [], toml.lines
    except ValidationError as error:
        problems = {_problem(dict(e), toml) for e in error.errors(include_url=False)}
        return None, sorted(problems, key=lambda p: (p.line, p.message)), toml.lines


def read_problems(path: str | Path) -> list[Problem]:
    """Every error in a policy file, in order of line; none if it is valid.

    Raises:
        InputError: the file cannot be read.
    """
    return parse_policy(_read(path))[1]


def _read(path: str | Path) -> str:
    return read_toml_text(Path(path), where=f"policy {path}", limit=LARGEST_FILE)


def _problem(error: dict[str, Any], toml: Toml) -> Problem:
    path: Location = tuple(part for part in error["loc"] if not str(part).startswith("function-"))
    line = toml.line(path) or 1
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


def _where(path: Location) -> str:
    names = [f"{part + 1}" if isinstance(part, int) else part for part in path]
    return f"{' '.join(names)}: " if names else ""


def _known_keys(path: Location) -> list[str]:
    table = str(path[0]) if len(path) > 1 else ""
    return list(_TABLES.get(table, Policy).model_fields)
