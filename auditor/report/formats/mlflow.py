"""An audit as a run of MLflow: settings, findings, the gate's answer and the report.

Where to and as whom is MLflow's own business: ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME``,
``MLFLOW_RUN_ID``, ``MLFLOW_TRACKING_TOKEN``. Only MLflow's client is needed (``mlflow-skinny``).
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.errors import InputError, StorageError
from auditor.records import CLAIMS, Audit, ClassResult, Finding
from auditor.report.words import clean
from auditor.store.directory import AUDIT_FILE, inside, result_digest

if TYPE_CHECKING:
    from auditor.policy.verdict import Verdict

EXPERIMENT = "Default"
REPORTS = ("report.html", "report.pdf")

LONGEST_PART = 50
"""Characters of one part of a metric's name; MLflow allows 250 in all."""
LONGEST_VALUE = 500
"""Characters of a parameter or tag that every version of a server takes."""
BATCH = 100
"""Parameters, tags or metrics sent at once; a server takes 100 parameters or tags."""


@dataclass(frozen=True)
class Logged:
    """Where an audit went."""

    run_id: str
    uri: str

    @property
    def sentence(self) -> str:
        """For the terminal."""
        return f"logged: run {self.run_id} at {self.uri}"


def open_log(name: str) -> MlflowLog:
    """The tracker of that name, once it has answered.

    Raises:
        InputError: There is no such tracker, or it cannot be reached.
    """
    if name != "mlflow":
        raise InputError(f"no tracker '{name}', needed mlflow")
    return MlflowLog()


class MlflowLog:
    """A tracking server that answered, and the experiment that audits go to."""

    def __init__(self) -> None:
        """Find the server before an audit of an hour, not after it.

        Raises:
            InputError: MLflow is not installed, no server is named, or it does not answer.
        """
        # Before MLflow is imported: otherwise it reports its use to its makers, tries for minutes to
        # reach a server whose address is mistyped, and prints links into the command's output.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        try:
            import mlflow
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise InputError("logging to MLflow needs its client: pip install mlflow-skinny") from error
        if not mlflow.is_tracking_uri_set():
            raise InputError("logging to MLflow: MLFLOW_TRACKING_URI is not set; needed a server's address")
        self.uri: str = mlflow.get_tracking_uri()
        self._failure = MlflowException
        self._client = mlflow.MlflowClient()
        self._run: str | None = os.environ.get("MLFLOW_RUN_ID") or None
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        try:
            if self._run is not None:
                self._experiment: str = self._client.get_run(self._run).info.experiment_id
            else:
                known = self._client.get_experiment_by_name(name)
                self._experiment = known.experiment_id if known else self._client.create_experiment(name)
        except MlflowException as error:
            raise InputError(f"MLflow at {self.uri}: {_reason(error)}") from error

    def log(self, directory: Path, audit: Audit, verdict: Verdict | None = None) -> Logged:
        """Log an audit that lies on disk as one run, or into the run that ``MLFLOW_RUN_ID`` names.

        Args:
            directory: The audit directory; ``audit.json``, its arrays and the reports in HTML and PDF
                are uploaded where they exist.
            audit: The same, read.
            verdict: The gate's, if one was asked.

        Raises:
            StorageError: The server refused something or was lost.
        """
        from mlflow.entities import Metric, Param, RunTag

        run = self._run
        try:
            if run is None:
                run = self._client.create_run(
                    self._experiment, run_name=_short(clean(f"audit of {audit.model.name}"))
                ).info.run_id
            now = int(time.time() * 1000)
            measured = [Metric(name, value, now, 0) for name, value in metrics(audit, verdict).items()]
            given = [Param(name, _short(text)) for name, text in params(audit).items()]
            said = [RunTag(name, _short(text)) for name, text in tags(audit, verdict).items()]
            for start in range(0, max(len(measured), len(given), len(said)), BATCH):
                part = slice(start, start + BATCH)
                self._client.log_batch(run, metrics=measured[part], params=given[part], tags=said[part])
            files = [directory / name for name in (AUDIT_FILE, *REPORTS)]
            for path in (inside(directory, audit.arrays), *files):
                if path.is_file():
                    self._client.log_artifact(run, str(path))
            if verdict is not None:
                self._client.log_text(run, verdict.model_dump_json(indent=2) + "\n", "gate.json")
            if self._run is None:
                self._client.set_terminated(run, "FINISHED")
        except (self._failure, OSError) as error:
            if run is not None and self._run is None:
                with suppress(self._failure, OSError):  # the first failure is the one to tell
                    self._client.set_terminated(run, "FAILED")
            raise StorageError(
                f"MLflow at {self.uri}: {_reason(error)}; the audit is complete: "
                f"repeat with 'auditor log {directory} --to mlflow'"
            ) from error
        return Logged(run, self.uri)


def metrics(audit: Audit, verdict: Verdict | None = None) -> dict[str, float]:
    """Name to value: ``zebra/textures/banded/effect``, ``low``, ``high``, ``p_adjusted``, ``claimed``.

    Names are the same for the same classes, banks and concepts in every audit, so that runs line up.
    """
    found: dict[str, float] = {}
    several = Counter(_part(result.name) for result in audit.classes)
    for result in audit.classes:
        name = _part(result.name)
        # Two classes of a model can have one name; ImageNet has two cranes.
        place = name if several[name] == 1 else f"{name} {result.index}"
        for ending, value in _of_class(audit, result):
            if value is not None:
                found[f"{place}/{ending}"] = float(value)
    checks = [c for r in audit.classes for c in r.sanity_checks]
    found["audit/claims"] = sum(f.claimed for f in audit.findings)
    found["audit/inconclusive"] = sum(f.conclusion == "inconclusive" for f in audit.findings)
    found["audit/withheld"] = sum(f.withheld for f in audit.findings)
    found["audit/sanity_checks_failed"] = sum(c.passed is False for c in checks)
    found["audit/seconds"] = audit.duration_s
    if verdict is not None:
        for outcome in ("pass", "fail", "inconclusive"):
            found[f"gate/{outcome}"] = verdict.count(outcome)
    return found


def params(audit: Audit) -> dict[str, str]:
    """The settings, by name."""
    return {name: _text(value) for name, value in audit.settings.items()}


def tags(audit: Audit, verdict: Verdict | None = None) -> dict[str, str]:
    """What identifies the run, and the verdict: the gate's, and in words what was found."""
    from auditor.report.view.audit import build_view

    found = {
        "auditor.version": audit.environment.auditor,
        "auditor.model": clean(audit.model.name),
        "auditor.weights_sha256": audit.model.weights_sha256,
        "auditor.result_digest": result_digest(audit),
        "auditor.headline": build_view(audit).headline,
        "auditor.verdict": verdict.outcome if verdict is not None else "not gated",
    }
    if verdict is not None:
        found["auditor.policy"] = clean(verdict.policy)
    return found


def _how(finding: Finding) -> str:
    if finding.kind == "in context":
        return finding.kind
    return "matched" if finding.matched else "unmatched"


def _of_class(audit: Audit, result: ClassResult) -> Iterator[tuple[str, float | None]]:
    if result.occluder is not None:
        yield "occluder_success", result.occluder.success_heldout
    for finding in audit.of_class(result.index):
        place = f"{_part(finding.bank)}/{_part(finding.subject)}"
        if finding.of_groups:
            pair = f"{_part(finding.more)} - {_part(finding.less)}"
            place = f"{_part(finding.bank)}/{pair} {_how(finding)}"
        yield f"{place}/effect", finding.effect
        yield f"{place}/low", finding.adjusted_low
        yield f"{place}/high", finding.adjusted_high
        yield f"{place}/p_adjusted", finding.p_adjusted
        yield f"{place}/claimed", float(finding.claimed)
        if importance := audit.importance_of(finding):
            yield f"{place}/importance", importance.effect
            yield f"{place}/importance_claimed", float(importance.conclusion in CLAIMS)
        if probe := audit.probe_of(finding):
            yield f"{place}/probe_auc", probe.auc
            yield f"{place}/probe_p", probe.p_value


def _part(name: str) -> str:
    """A name as one part of a metric's: no slash, nothing that a server or a file system refuses.

    A name that had to be changed ends in a hash of the whole, so that two names stay two.
    """
    safe = re.sub(r"[^A-Za-z0-9_ .-]+", "_", name).strip(" .")[:LONGEST_PART].strip(" .")
    if safe == name:
        return name
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe[: LONGEST_PART - 9] or '_'}-{mark}"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return clean(", ".join(map(str, value)))
    return clean(str(value))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
