"""The Jinja environment of all reports: everything escaped, every unknown name an error."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from auditor.resources import resource


def rendered(template: str, **values: Any) -> str:
    """A shipped template, filled in."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    # autoescape=True and not select_autoescape(): the latter leaves *.j2 unescaped.
    return Environment(
        loader=FileSystemLoader(resource("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def content_policy(*, style: str, script: str = "", pictures: bool = False) -> str:
    """A Content-Security-Policy for one style sheet, one script and pictures in the page; nothing else."""
    sources = {"style-src": style} | ({"script-src": script} if script else {})
    return "; ".join(
        (
            "default-src 'none'",
            *(["img-src data:"] if pictures else []),
            *(f"{name} 'sha256-{_sha256(text)}'" for name, text in sources.items()),
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def static(name: str) -> Markup:
    """A shipped style sheet or script, as it is: this project wrote it, so nothing is escaped."""
    return Markup((resource("templates") / name).read_text(encoding="utf-8"))  # noqa: S704
