"""``auditor gate``: hold an audit against a policy; the exit status is the answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.errors import InputError, StorageError

if TYPE_CHECKING:
    from auditor.policy.verdict import Verdict


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(gate)


def gate(
    audit: Annotated[Path, typer.Argument(metavar="AUDIT", help="Audit directory, or its audit.json.")],
    policy: Annotated[Path, typer.Option("--policy", "-p", metavar="FILE", help="The policy, a TOML file.")],
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", metavar="AUDIT", help="Audit of the release before, for limits on growth."
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT[:FILE]",
            help="text, github, markdown, json, junit or sarif, to a file or the screen; may be repeated.",
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="List findings that passed, too.")] = False,
    today: Annotated[
        datetime | None,
        typer.Option("--today", formats=["%Y-%m-%d"], help="Hold waivers against this day instead."),
    ] = None,
) -> int:
    """Hold an audit against a policy. Exit status: 0 pass, 3 fail, 4 inconclusive.

    1 is an error of the tool and 2 of its use, so a pipeline can tell a bad model from a bad command.
    In GitHub Actions the findings also become annotations and a step summary.

        auditor gate audit --policy policy.toml --baseline audits/v1 --format junit:gate.xml
    """
    from auditor.files import write_bytes
    from auditor.policy.releases import gate_release

    wanted = [_parse(text) for text in formats or ["text"]]
    verdict = gate_release(audit, policy, baseline=baseline, today=today.date() if today else date.today())
    for name, file in wanted:
        if file is not None:
            write_bytes(file, RENDERERS[name](verdict, every).encode())
        elif name == "text":
            print_verdict(verdict, every=every)
        else:
            sys.stdout.write(RENDERERS[name](verdict, every))
    in_actions(verdict, annotated=any(name == "github" for name, _ in wanted))
    return verdict.exit_status


def in_actions(verdict: Verdict, *, annotated: bool = False) -> None:
    """In a GitHub workflow: annotations on the screen, and the summary of the step.

    Args:
        verdict: The gate's answer.
        annotated: Whether the annotations have been printed already.

    Raises:
        StorageError: The summary could not be written.
    """
    from auditor.report.formats.gate import github_annotations, verdict_markdown

    if os.environ.get("GITHUB_ACTIONS") == "true" and not annotated:
        sys.stdout.write(github_annotations(verdict))
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(verdict_markdown(verdict) + "\n")
        except OSError as error:
            raise StorageError(f"step summary '{summary}': {error.strerror}") from error


def _parse(text: str) -> tuple[str, Path | None]:
    name, _, file = text.partition(":")
    if name not in RENDERERS:
        raise InputError(f"--format {text}: no format '{name}', needed one of {', '.join(RENDERERS)}")
    return name, Path(file) if file else None


def print_verdict(verdict: Verdict, *, every: bool = False) -> None:
    """On the terminal, in colour where it has any; the signs say the same without."""
    from auditor.report.formats.gate import COLOURS, terminal_lines

    for number, (line, outcome) in enumerate(terminal_lines(verdict, every=every)):
        typer.secho(line, fg=COLOURS[outcome] if outcome else None, bold=number == 0)


def _text(verdict: Verdict, every: bool) -> str:
    from auditor.report.formats.gate import terminal_lines

    return "\n".join(line for line, _ in terminal_lines(verdict, every=every)) + "\n"


def _github(verdict: Verdict, every: bool) -> str:
    from auditor.report.formats.gate import github_annotations

    return github_annotations(verdict)


def _markdown(verdict: Verdict, every: bool) -> str:
    from auditor.report.formats.gate import verdict_markdown

    return verdict_markdown(verdict)


def _json(verdict: Verdict, every: bool) -> str:
    from auditor.report.formats.json import render_verdict

    return render_verdict(verdict)


def _junit(verdict: Verdict, every: bool) -> str:
    from auditor.report.formats.junit import render_verdict

    return render_verdict(verdict)


def _sarif(verdict: Verdict, every: bool) -> str:
    from auditor import __version__
    from auditor.report.formats.sarif import render_verdict

    return render_verdict(verdict, version=__version__)


RENDERERS: dict[str, Callable[[Verdict, bool], str]] = {
    "text": _text,
    "github": _github,
    "markdown": _markdown,
    "json": _json,
    "junit": _junit,
    "sarif": _sarif,
}
"""Format name to the function that writes a verdict in it."""
