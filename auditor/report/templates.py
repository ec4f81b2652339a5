"""The Jinja environment of all reports: everything escaped, every unknown name an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from auditor.resources import resource


@cache
def environment() -> Environment:
    """The environment over the shipped templates.

    ``autoescape=True`` and not ``select_autoescape()``: the latter leaves ``*.j2`` unescaped.
    """
    return Environment(
        loader=FileSystemLoader(resource("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def static(name: str) -> str:
    """A shipped style sheet or script, as it is."""
    path: Path = resource("templates") / name
    return path.read_text(encoding="utf-8")
