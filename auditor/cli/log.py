"""``auditor log``: an audit as a run of an experiment tracker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli.output import AuditArgument, OptionalBaseline, require_policy


def log(
    audit: AuditArgument,
    to: Annotated[str, typer.Option("--to", metavar="mlflow", help="The tracker: mlflow.")],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", "-p", metavar="FILE", help="Log the gate's verdict by this policy, too."),
    ] = None,
    baseline: OptionalBaseline = None,
) -> None:
    """Log an audit to MLflow: settings, every finding as a metric, the verdict, the report.

    The server is the one that MLFLOW_TRACKING_URI names; the experiment that of MLFLOW_EXPERIMENT_NAME,
    the run that of MLFLOW_RUN_ID, or a new one. Needs the extra `mlflow`. Exit status 0 whatever the
    verdict is; `auditor gate` is what a pipeline obeys.

        auditor log audit --to mlflow --policy policy.toml
    """
    from auditor.policy.releases import gate_release
    from auditor.report.formats.mlflow import open_log
    from auditor.store.directory import read_audit

    require_policy(policy, baseline)
    record = read_audit(audit)
    verdict = gate_release(audit, policy, baseline=baseline) if policy is not None else None
    logged = open_log(to).log(audit if audit.is_dir() else audit.parent, record, verdict)
    print(logged.sentence)
