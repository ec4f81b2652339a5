"""``auditor gate``: hold an audit against a policy; the exit status is the answer."""

from __future__ import annotations

import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.output import AuditArgument, deliver, destinations
from auditor.errors import StorageError
from auditor.report import written_by

if TYPE_CHECKING:
    from auditor.policy.verdict import Verdict


def gate(
    audit: AuditArgument,
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
    from auditor.policy.releases import gate_release
    from auditor.report.formats.gate import terminal_lines

    wanted = destinations(formats or ["text"], RENDERERS)
    verdict = gate_release(audit, policy, baseline=baseline, today=today.date() if today else date.today())
    for name, file in wanted:
        if name != "text":
            deliver(written_by(RENDERERS[name], verdict), file)
        elif file is None:
            print_verdict(verdict, every=every)
        else:
            text = "\n".join(line for line, _ in terminal_lines(verdict, every=every)) + "\n"
            deliver(text.encode(), file)
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


def print_verdict(verdict: Verdict, *, every: bool = False) -> None:
    """On the terminal, in colour where it has any; the signs say the same without."""
    from auditor.report.formats.gate import COLOURS, terminal_lines

    for number, (line, outcome) in enumerate(terminal_lines(verdict, every=every)):
        typer.secho(line, fg=COLOURS[outcome] if outcome else None, bold=number == 0)


RENDERERS = {
    "text": "",
    "github": "gate:github_annotations",
    "markdown": "gate:verdict_markdown",
    "json": "json:render_verdict",
    "junit": "junit:render_verdict",
    "sarif": "sarif:render_verdict",
}
"""Format name to the function that writes a verdict in it; ``text`` is made here, for ``--all``."""
