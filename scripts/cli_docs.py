"""Write docs/cli.md from what every command's ``--help`` prints, or check that it is so.

``python scripts/cli_docs.py`` writes; ``--check`` compares and exits 1 on a difference.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from auditor.cli import build_app

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
WIDTH = "100"
app = cache(build_app)  # building it takes longer than printing a help
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

HEAD = """# Command line

Every command and its `--help`, word for word. `make docs` writes this page; a test fails when it
differs from what the commands print. [How-to](how-to.md) shows them at work.

Exit statuses: 0 done or passed, 1 the tool failed, 2 the request cannot be carried out as given, 3 a
gate found something, 4 a gate could not decide, 130 interrupted.
"""


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command and group of commands, ``()`` for the program itself first."""

    def walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
        yield words
        for name, inner in getattr(command, "commands", {}).items():
            if not inner.hidden:
                yield from walk((*words, name), inner)

    yield from walk((), get_command(app()))


def help_of(words: tuple[str, ...]) -> str:
    """What ``auditor WORDS --help`` prints at a fixed width, without colour."""
    runner = CliRunner()
    result = runner.invoke(app(), [*words, "--help"], env={"COLUMNS": WIDTH}, prog_name="auditor")
    if result.exit_code:
        raise RuntimeError(
            f"auditor {' '.join(words)} --help: exit status {result.exit_code}: {result.output}"
        )
    lines = COLOUR.sub("", result.output).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def page() -> str:
    """The text of docs/cli.md."""
    sections = [
        f"## {' '.join(('auditor', *words))}\n\n```text\n{help_of(words)}\n```\n" for words in commands()
    ]
    return "\n".join([HEAD, *sections])


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    if arguments == ["--check"]:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        print(f"{PAGE}: {'as printed' if same else 'differs from --help; run: make docs'}")
        return 0 if same else 1
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
