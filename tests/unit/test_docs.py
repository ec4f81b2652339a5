"""What the documentation says of the command line is so: every command exists, every help is current."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from auditor.cli.flags import split
from auditor.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
WITHOUT_CLI = [page for page in PAGES if page.name != "cli.md"]


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cli_docs = load_script("cli_docs")


@pytest.mark.parametrize("words", list(cli_docs.commands()), ids=" ".join)
def test_every_help_is_in_the_documentation_word_for_word(words: tuple[str, ...]) -> None:
    section = f"## {' '.join(('auditor', *words))}\n\n```text\n{cli_docs.help_of(words)}\n```\n"
    assert section in cli_docs.PAGE.read_text(encoding="utf-8"), "run: make docs"


def test_the_documentation_has_no_command_that_is_gone() -> None:
    assert cli_docs.main(["--check"]) == 0


def examples(page: Path) -> Iterator[str]:
    """Every ``auditor ...`` command of a page's code blocks, continued lines joined."""
    for block in re.findall(
        r"^```(?:sh|bash|console)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S
    ):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.strip().removeprefix("$ ")
            if command.startswith("auditor "):
                yield re.split(r" (?:#|\||\|\||>|&&) ", command)[0]


def all_examples() -> list[Any]:
    return [
        pytest.param(command, id=f"{page.name}: {command[:60]}")
        for page in WITHOUT_CLI
        for command in examples(page)
    ]


@pytest.mark.parametrize("command", all_examples())
def test_every_example_parses(command: str) -> None:
    """The command exists, so do its flags, and what ``run`` gets are possible settings."""
    words = shlex.split(command)[1:]
    context = get_command(cli_docs.app()).make_context("auditor", list(words), resilient_parsing=False)
    current: Any = context
    rest = [*context._protected_args, *context.args]
    while hasattr(current.command, "commands") and rest:
        name, rest = rest[0], rest[1:]
        inner = current.command.commands.get(name)
        assert inner is not None, f"no command {name!r}"
        current = inner.make_context(name, rest, parent=current)
        rest = [*getattr(current, "_protected_args", []), *current.args]
    if words[0] == "run" and "--config" not in words:
        flags = {k: v for k, v in current.params.items() if k in load_fields() and v not in (None, [], ())}
        load_settings(
            None,
            {k: [p for t in v for p in split(t)] if isinstance(v, list) else v for k, v in flags.items()},
        )


def load_fields() -> set[str]:
    from auditor.settings import Settings

    return set(Settings.model_fields)


def test_the_readme_shows_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert any(command.startswith("auditor run") for command in examples(ROOT / "README.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages == {page for page in pages if f"]({page})" in index}


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.M)
    assert phony is not None
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"make ([a-z-]+) ", shown)) == set(phony[1].split())


@pytest.mark.parametrize("page", WITHOUT_CLI, ids=lambda page: page.name)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.M))
    assert named <= targets
