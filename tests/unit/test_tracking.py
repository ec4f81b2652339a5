"""What MLflow is told of an audit: names that it takes, numbers that are the audit's."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import pytest

from auditor.cli import main
from auditor.errors import InputError, StorageError
from auditor.policy.releases import gate_release
from auditor.policy.verdict import Verdict
from auditor.records import Audit
from auditor.report.formats.mlflow import metrics, open_log, params, tags
from auditor.store.directory import read_audit, write_audit
from tests.hostile import NAMES, hostile
from tests.releases import audit_of, audited_class, concept, contrast

ALLOWED = re.compile(r"[A-Za-z0-9_ .-]+(/[A-Za-z0-9_ .-]+)*")
SERVER = ("mlflow", "sqlalchemy", "alembic", "flask", "flask_cors", "huey", "aiohttp", "pandas")

needs_client = pytest.mark.skipif(find_spec("mlflow") is None, reason="no MLflow: install the extra 'mlflow'")


def _audit() -> Audit:
    missing = dict.fromkeys(("effect", "low", "high", "p_value", "p_adjusted"))
    return audit_of(
        audited_class(
            concept("banded", effect=0.5, low=0.4, high=0.6, p_adjusted=0.001),
            concept("dotted", **missing),
            concept("striped", effect=0.1, low=0.0, high=0.2),
            contrast(matched=True, effect=0.07, low=0.06, high=0.08, p_adjusted=0.001),
        )
    )


def test_every_finding_is_a_metric_with_its_interval() -> None:
    found = metrics(_audit())
    assert found["zebra/textures/banded/effect"] == 0.5
    assert found["zebra/textures/banded/low"] == 0.4
    assert found["zebra/textures/banded/high"] == 0.6
    assert found["zebra/textures/banded/p_adjusted"] == 0.001
    assert found["zebra/textures/banded/claimed"] == 1
    assert found["zebra/textures/striped/claimed"] == 0
    assert found["zebra/faces/women - men matched/effect"] == 0.07
    assert "zebra/textures/dotted/effect" not in found  # not measured is no number
    assert found["audit/claims"] == 2
    assert found["audit/inconclusive"] == 1
    assert "gate/fail" not in found


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_hostile_names_become_names_that_a_server_takes(text: str) -> None:
    plain, changed = _audit(), hostile(_audit(), text)
    found = metrics(changed)
    assert len(found) == len(metrics(plain))
    for name in found:
        assert ALLOWED.fullmatch(name), name
        assert len(name) <= 250
        assert ".." not in name.split("/")
        assert all(part.strip(" .") == part for part in name.split("/"))
    for key, value in (tags(changed) | params(changed)).items():
        assert ALLOWED.fullmatch(key)
        assert "\n" not in value


def test_names_that_differ_in_forbidden_characters_stay_two() -> None:
    pair = audit_of(audited_class(concept("a/b"), concept("a|b"), concept("a_b"), concept("a" * 300)))
    assert len(metrics(pair)) == len(metrics(audit_of(audited_class(*(concept(c) for c in "abcd")))))
    cranes = audit_of(
        audited_class(concept(), index=134, name="crane"), audited_class(concept(), index=517, name="crane")
    )
    assert {"crane 134/textures/banded/effect", "crane 517/textures/banded/effect"} <= set(metrics(cranes))


def test_the_verdict_is_a_tag() -> None:
    audit = _audit()
    assert tags(audit)["auditor.verdict"] == "not gated"
    assert tags(audit)["auditor.headline"].startswith("For 1 of 1 class an association was found")
    release = {"model": "m", "weights_sha256": "0", "created": ""}
    verdict = Verdict(
        outcome="fail", policy="release", audit=release, day=date(2026, 11, 23), rulings=[], notes=[]
    )
    assert tags(audit, verdict)["auditor.verdict"] == "fail"
    assert metrics(audit, verdict)["gate/fail"] == 0


def test_without_the_extra_the_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    write_audit(tmp_path, _audit(), {})
    assert main(["log", str(tmp_path), "--to", "mlflow"]) == 2
    assert capsys.readouterr().err == (
        "error: logging to MLflow needs its client: pip install mlflow-skinny\n"
    )
    run = ["run", "-m", "timm:resnet18", "-c", "zebra", "-o", str(tmp_path / "new"), "--log", "mlflow"]
    assert main(run) == 2
    assert not (tmp_path / "new").exists()


def test_another_tracker_is_refused() -> None:
    with pytest.raises(InputError, match="no tracker 'wandb', needed mlflow"):
        open_log("wandb")


@needs_client
def test_a_server_that_is_not_named_or_not_there_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI is not set"):
        open_log("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{_free_port()}")
    with pytest.raises(InputError, match=r"MLflow at http://127\.0\.0\.1") as error:
        open_log("mlflow")
    assert "\n" not in str(error.value)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server of MLflow on loopback, with its own database."""
    missing = [name for name in SERVER if find_spec(name) is None]
    if missing:
        pytest.skip(f"no server of MLflow: {', '.join(missing)} missing, see the group 'mlflow-server'")
    folder, port = tmp_path_factory.mktemp("mlflow"), _free_port()
    uri = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
                *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/runs.db"),
                *("--artifacts-destination", str(folder / "artifacts")),
            ],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # Jobs of its own need the whole package, and nothing here has any.
            env=os.environ
            | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        )
        try:
            _wait(f"{uri}/health", process, folder / "log")
            yield uri
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (loopback)
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.5)
    pytest.fail(f"the server did not start:\n{log.read_text()}")


POLICY = """
format_version = 2

[[contrast]]
name = "perceived gender"
largest_difference = 0.05
"""


@pytest.mark.slow
@needs_client
def test_an_audit_lies_on_a_real_server_with_numbers_verdict_and_report(
    server: str,
    sample_directory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "releases")
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: server)
    folder, policy = tmp_path / "audit", tmp_path / "policy.toml"
    shutil.copytree(sample_directory, folder)
    policy.write_text(POLICY)
    assert main(["render", str(folder), "--format", "html", "--format", "pdf"]) == 0
    capsys.readouterr()
    assert main(["log", str(folder), "--to", "mlflow", "--policy", str(policy)]) == 0
    said = capsys.readouterr().out
    assert server in said
    audit, verdict = read_audit(folder), gate_release(folder, policy)

    client = mlflow.MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name("releases")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id in said
    assert run.info.status == "FINISHED"
    assert run.data.metrics == pytest.approx(metrics(audit, verdict))
    assert run.data.params["seed"] == str(audit.settings["seed"])
    assert run.data.tags["auditor.verdict"] == verdict.outcome
    assert run.data.tags["auditor.weights_sha256"] == audit.model.weights_sha256
    names = {f.path for f in client.list_artifacts(run.info.run_id)}
    assert {"audit.json", "report.html", "report.pdf", "gate.json"} <= names
    back = client.download_artifacts(run.info.run_id, "audit.json", str(tmp_path))
    assert Path(back).read_bytes() == (folder / "audit.json").read_bytes()


@pytest.mark.slow
@needs_client
def test_hostile_names_lie_on_a_real_server(
    server: str, audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    client = mlflow.MlflowClient(tracking_uri=server)
    for text in NAMES.values():
        write_audit(tmp_path, hostile(audit, text), {})
        record = read_audit(tmp_path)
        logged = open_log("mlflow").log(tmp_path, record)
        assert client.get_run(logged.run_id).data.metrics == pytest.approx(metrics(record))


@pytest.mark.slow
@needs_client
def test_a_run_that_is_under_way_is_logged_into_and_left_open(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=server)
    run = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    write_audit(tmp_path, _audit(), {})
    assert open_log("mlflow").log(tmp_path, _audit()).run_id == run
    assert client.get_run(run).info.status == "RUNNING"
    # A server forgets no parameter: what differs is an error, told in one line, and the audit is kept.
    other = _audit().model_copy(update={"settings": {"seed": 7}})
    with pytest.raises(StorageError, match="the audit is complete: repeat with 'auditor log") as error:
        open_log("mlflow").log(tmp_path, other)
    assert "\n" not in str(error.value)
