"""How ``--help`` looks: every flag on a line of its own, its text below it, so that nothing is squeezed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

WIDEST = 100
"""Columns that are used at most: longer lines are hard to read."""

_FLAG, _HEADING, _CODE = "bold cyan", "bold", "cyan"


class Command(TyperCommand):
    """A command with such a help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print it; the formatter stays empty."""
        _show(self, ctx)


class Group(TyperGroup):
    """A group of commands with such a help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print it; the formatter stays empty."""
        _show(self, ctx)


def with_help(group: typer.Typer) -> typer.Typer:
    """The group, whose commands all have such a help."""
    for info in group.registered_commands:
        info.cls = Command
    return group


def _show(command: Command | Group, ctx: Any) -> None:
    console = Console(highlight=False, markup=False)
    console.width = min(console.width, WIDEST)
    with console.capture() as captured:
        console.print(Text(command.get_usage(ctx), style=_HEADING))
        for part in (*_described(command.help or ""), *_listed(command, ctx), *_commands(command, ctx)):
            console.print(part)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _described(text: str) -> Iterator[RenderableType]:
    """The paragraphs of a docstring, those that are indented as code."""
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        code = paragraph.startswith("    ")
        yield ""
        yield Padding(Text(cleandoc(paragraph), style=_CODE), (0, 0, 0, 4)) if code else _prose(paragraph)


def _prose(paragraph: str) -> Text:
    """Words without their line breaks; what stands in backticks is code."""
    text = Text()
    for number, part in enumerate(" ".join(paragraph.split()).split("`")):
        text.append(part, style=_CODE if number % 2 else "")
    return text


def _listed(command: Command | Group, ctx: Any) -> Iterator[RenderableType]:
    """Arguments and flags under their headings, in the order of their first; ``--help`` ends a long list."""
    headings: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
            headings.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
    if len(headings) > 2:
        rest = headings.pop("Options")
        headings["Help" if len(rest) == 1 else "Options"] = rest
    for title, records in headings.items():
        yield from _section(title, records)


def _section(title: str, records: list[tuple[str, str]]) -> Iterator[RenderableType]:
    if records:
        yield Text(f"\n{title}", style=_HEADING)
    for names, text in records:
        yield Padding(Text(names, style=_FLAG), (0, 0, 0, 2))
        if text:
            yield Padding(_prose(text), (0, 0, 0, 6))


def _commands(command: Command | Group, ctx: Any) -> Iterator[RenderableType]:
    if not isinstance(command, Group):
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style=_FLAG, no_wrap=True)
    table.add_column()
    for name in command.list_commands(ctx):
        inner = command.get_command(ctx, name)
        if inner is not None and not inner.hidden:
            table.add_row(name, _prose(re.split(r"\n\s*\n", (inner.help or "").strip())[0]))
    yield Text("\nCommands", style=_HEADING)
    yield Padding(table, (0, 0, 0, 2))
