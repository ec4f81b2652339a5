"""``auditor render``: an audit's reports again, from ``audit.json`` alone and without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli.output import AuditArgument, OptionalBaseline, require_policy


def render(
    audit: AuditArgument,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="html, pdf and others, may be repeated. [default: html, pdf]",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            "-p",
            metavar="FILE",
            help="Hold the audit against this policy and show the gate's verdict on the first page.",
        ),
    ] = None,
    baseline: OptionalBaseline = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Where to write; by default beside the audit."),
    ] = None,
) -> None:
    """Write an audit's reports again, for another format or after an update of auditor.

    Reads `audit.json` and the pictures beside it; no model, no bank and no torch are needed. With a
    policy, the verdict is kept beside the audit as `gate.json`, and reports show it from then on.

        auditor render audit --format html --format pdf --policy policy.toml
    """
    from auditor.policy.kept import keep_verdict
    from auditor.policy.releases import gate_release
    from auditor.report import check_formats, write_reports
    from auditor.store.directory import read_audit

    wanted = formats or ["html", "pdf"]
    check_formats(wanted)
    require_policy(policy, baseline)
    record = read_audit(audit)
    directory = audit if audit.is_dir() else audit.parent
    if policy is not None:
        keep_verdict(directory, gate_release(audit, policy, baseline=baseline))
    for path in write_reports(directory, record, formats=wanted, out=out):
        typer.echo(str(path))
