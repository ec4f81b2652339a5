"""What the documentation says of the command line is so: every command exists, every help is current."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from auditor.cli.flags import split
from auditor.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
INSTRUCTING = {".py", ".md", ".yml", ".sh", ".toml"}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
WITHOUT_CLI = [page for page in PAGES if page.name != "cli.md"]


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cli_docs = load_script("cli_docs")
docs_output = load_script("docs_output")


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
                yield re.split(r" (?:#|\||\|\||>|&&|2>&1) |;", command)[0]


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
    if words[0] == "run" and not {"--config", "--from-scan"} & set(words):
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


SAYS_NOTHING = re.compile(r"(cd|export|cp|mkdir|rm|touch|\w+=)\b")


@pytest.mark.parametrize("page", docs_output.PAGES, ids=lambda page: page.name)
def test_every_command_of_a_session_is_followed_by_its_output(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"```+ *console", text)) == len(docs_output.BLOCK.findall(text)), "not indented"
    for block in docs_output.blocks(text):
        for step in block:
            assert step.output or SAYS_NOTHING.match(step.command), f"run: make docs ({step.command})"
            checked = subprocess.run(["bash", "-n", "-c", step.command], capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr


def test_a_session_is_read_as_it_is_written() -> None:
    block = "$ auditor layers \\\n    net\none\n\n  two\n$ cd x\n$ echo $?\n0\n"
    found = docs_output.steps(block)
    assert [step.command for step in found] == ["auditor layers \\\n    net", "cd x", "echo $?"]
    assert [step.output for step in found] == ["one\n\n  two", "", "0"]
    assert docs_output.text_of(found) == block
    with pytest.raises(ValueError, match="begins with 'one'"):
        docs_output.steps("one\n$ two\n")


def test_a_session_shows_what_its_commands_print(tmp_path: Path) -> None:
    (tmp_path / "prepared" / docs_output.WORK).mkdir(parents=True)
    (tmp_path / "prepared" / ".cache").mkdir()
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n```console\n$ x=1; pwd\n$ echo $x; false\n$ echo $?\n7\n"
        "$ echo took 3.1 s\ntook 12 s\n```\n\n"
        "```sh\nfalse\n```\n\n```console\n$ echo ${x:-gone} >file; cat file\n```\n"
    )
    new = docs_output.renew(page, tmp_path / "prepared")
    assert new == (
        "# Page\n\n```console\n$ x=1; pwd\n/home/me/work\n$ echo $x; false\n1\n$ echo $?\n1\n"
        "$ echo took 3.1 s\ntook 12 s\n```\n\n"
        "```sh\nfalse\n```\n\n```console\n$ echo ${x:-gone} >file; cat file\ngone\n```\n"
    )
    assert not (tmp_path / "prepared" / docs_output.WORK / "file").exists()


def test_a_session_with_a_failing_command_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prepared" / docs_output.WORK).mkdir(parents=True)
    (tmp_path / "prepared" / ".cache").mkdir()
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo why >&2; false\n$ echo after\n```\n")
    with pytest.raises(RuntimeError, match=r"page\.md:1: exit status 1: .*\nwhy"):
        docs_output.renew(page, tmp_path / "prepared")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12:00:01 zebra: done in 3 min 05 s", "13:10:59 zebra: done in 0.4 s"),
        ("auditor 0.1.0, 2026-11-26 10:00 UTC", "auditor 0.2.0, 2027-01-02 23:59 UTC"),
        ("sha256 0123456789abcdef, 44.8 MB", "sha256 fedcba9876543210, 1 kB"),
    ],
)
def test_what_changes_from_run_to_run_makes_no_difference(one: str, other: str) -> None:
    assert docs_output.comparable(one) == docs_output.comparable(other)


def test_a_number_that_is_measured_makes_a_difference() -> None:
    assert docs_output.comparable("effect 0.31") != docs_output.comparable("effect 0.32")


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


def test_the_reference_has_every_public_name() -> None:
    import auditor

    page = (ROOT / "docs" / "reference" / "README.md").read_text(encoding="utf-8")
    assert not [name for name in auditor.__all__ if not re.search(rf"`{name}`|^::: .*\b{name}$", page, re.M)]


def test_nothing_installs_auditor_from_an_index() -> None:
    """The name on the index is another project's."""
    folders = ("auditor", "docs", "examples", "scripts")
    files = [path for name in folders for path in (ROOT / name).rglob("*") if path.suffix in INSTRUCTING]
    for path in (*files, ROOT / "README.md", ROOT / "action.yml", ROOT / "Dockerfile"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pip install(?: -\S+)* ['\"]?auditor(?![\w-])", text), path
