"""What several commands share: the audit they read, and the ``--format FORMAT[:FILE]`` they write."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from auditor.errors import InputError

AuditArgument = Annotated[Path, typer.Argument(metavar="AUDIT", help="Audit directory, or its audit.json.")]
OptionalBaseline = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="AUDIT", help="With --policy: audit of the release before."),
]


def destinations(given: Iterable[str], known: Iterable[str]) -> list[tuple[str, Path | None]]:
    """Format and file of each ``FORMAT[:FILE]``; ``None`` for the screen.

    Raises:
        InputError: A format that does not exist, or a PDF without a file.
    """
    found = []
    for text in given:
        name, _, file = text.partition(":")
        if name not in known:
            raise InputError(f"--format {text}: no format '{name}', needed one of {', '.join(known)}")
        if name == "pdf" and not file:
            raise InputError("--format pdf: a PDF goes to a file, needed pdf:FILE")
        found.append((name, Path(file) if file else None))
    return found


def deliver(content: bytes, file: Path | None) -> None:
    """Write to the file, or to the screen without one."""
    from auditor.files import write_bytes

    if file is not None:
        write_bytes(file, content)
    else:
        sys.stdout.write(content.decode())


def require_policy(policy: Path | None, baseline: Path | None, *, flag: str = "--policy") -> None:
    """Refuse a baseline that no policy uses; ``flag`` is the policy's.

    Raises:
        InputError: There is a baseline and no policy.
    """
    if baseline is not None and policy is None:
        raise InputError(f"--baseline is given without {flag}, needed both")
