"""The command line: one module per command, each of which parses, calls, prints and exits.

Exit statuses: 0 done or passed, 1 the tool failed, 2 the request cannot be carried out as given,
3 a gate found something, 4 a gate could not decide, 130 interrupted. No command imports torch
before it needs it, so that help, reports and gates answer at once.
"""

from __future__ import annotations

import errno
import importlib
import io
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from auditor.cli.help import Command, Group, with_help
from auditor.errors import AuditorError

COMMANDS = (
    "run",
    "scan",
    "evaluate",
    "discover",
    "inspect",
    "layers",
    "classes",
    "banks",
    "open",
    "render",
    "gate",
    "policy",
    "compare",
    "history",
    "log",
    "verify",
    "sign",
    "doctor",
)
"""Modules of ``auditor.cli``, in the order of ``auditor --help``; each has a command, or a group of
commands, of its own name, with ``_`` behind it where Python has the name already."""

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class _InterruptedError(Exception):
    """Ctrl-C, under a name that Typer does not turn into its own exit."""


class _Commands(Group):
    """Lists commands in their order, and lets :func:`main` say what an interruption means."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name in COMMANDS if name in self.commands]

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise _InterruptedError from interrupt


def build_app() -> typer.Typer:
    """The command tree with every module of :data:`COMMANDS`."""
    app = typer.Typer(
        name="auditor",
        cls=_Commands,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def auditor(
        version: Annotated[
            bool,
            typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version),
        ] = False,
    ) -> None:
        """Audit what a released image classifier has learned to associate with a class.

        Start with `auditor doctor`, then

            auditor run --model bundled:efficientnet_lite0 --classes zebra

        Exit status: 0 done or passed, 1 the tool failed, 2 the request cannot be carried out as given,
        3 a gate found something, 4 a gate could not decide.
        """

    for name in COMMANDS:
        module = importlib.import_module(f"auditor.cli.{name}")
        command = getattr(module, name, None) or getattr(module, f"{name}_")
        if isinstance(command, typer.Typer):
            app.add_typer(with_help(command), name=name, cls=Group)
        else:
            app.command(name, cls=Command)(command)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; whatever goes wrong is said on stderr.

    Args:
        arguments: without the program's name; ``None`` takes those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of ASCII shows "caf\\xe9"
    try:
        status = build_app()(given or ["--help"], prog_name="auditor", standalone_mode=False)
    except AuditorError as error:
        return _say(str(error), error.exit_status)
    except typer.TyperException as error:
        return _usage(error)
    except (_InterruptedError, KeyboardInterrupt, typer.Abort):
        print("interrupted; what is done is kept, the same command goes on from there", file=sys.stderr)
        return 130
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            return _say(
                f"disk full while writing {error.filename or 'a file'}; free some space and repeat", 1
            )
        traceback.print_exc()
        return _say("this is a defect of auditor; please report it with the lines above and the command", 1)
    return status if isinstance(status, int) else 0


def _say(message: str, status: int) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return status


def _usage(error: typer.TyperException) -> int:
    """A command line that does not parse, in one line like any other bad input."""
    message = error.format_message()
    if not message:  # a group of commands called without one: its help has been printed
        return error.exit_code
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "auditor"
    return _say(f"{message.rstrip('.')}; see '{command} --help'", error.exit_code)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"auditor {version('auditor')}")
        raise typer.Exit
