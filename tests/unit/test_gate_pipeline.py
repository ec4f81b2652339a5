"""The shell parts of the pipeline examples, run as a pipeline runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.store.directory import write_audit
from tests.releases import another_model, audit_of, audited_class, concept
from tests.sarif import sarif_errors

pytestmark = pytest.mark.slow  # starts processes

ROOT = Path(__file__).resolve().parents[2]
STRONG: dict[str, Any] = {"effect": 0.5, "low": 0.4, "high": 0.6}
VAGUE: dict[str, Any] = {"effect": 0.2, "low": 0.1, "high": 0.3}


def _bash(script: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the auditor of this interpreter and nothing of an outer pipeline."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "AUDITOR_", "CI"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return subprocess.run(
        ["bash", str(script)],
        cwd=folder,
        env=kept | {"PATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, numbers in (("good", {}), ("bad", STRONG), ("vague", VAGUE)):
        write_audit(tmp_path / name, another_model(audit_of(audited_class(concept(**numbers)))))
    (tmp_path / "policy.toml").write_text("format_version = 2\n[[association]]\nlargest_effect = 0.2\n")
    return tmp_path


@pytest.mark.parametrize(
    ("audit", "status", "outcome"), [("good", 0, "pass"), ("bad", 3, "fail"), ("vague", 4, "inconclusive")]
)
def test_the_action_s_script_passes_the_verdict_on(
    audit: str, status: int, outcome: str, folder: Path
) -> None:
    """With the variables that action.yml hands to it, as GitHub sets them."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    step = next(s for s in action["runs"]["steps"] if s.get("id") == "gate")
    inputs = {k: v.get("default", "") for k, v in action["inputs"].items()} | {
        "policy": "policy.toml",
        "audit": audit,
    }
    variables = {
        name: inputs[value.removeprefix("${{ inputs.").removesuffix(" }}")]
        for name, value in step["env"].items()
    }
    script = folder / "step.sh"
    script.write_text(step["run"])
    done = _bash(
        script,
        folder,
        **variables,
        GITHUB_ACTION_PATH=str(ROOT),
        GITHUB_OUTPUT="output",
        GITHUB_STEP_SUMMARY="summary",
        GITHUB_ACTIONS="true",
    )
    assert done.returncode == status, done.stderr
    written = dict(line.split("=") for line in (folder / "output").read_text().splitlines())
    assert written == {
        "outcome": outcome, "status": str(status), "sarif": "auditor-gate/gate.sarif",
        "junit": "auditor-gate/gate.junit.xml",
    }  # fmt: skip
    assert set(action["outputs"]) == set(written)
    assert sarif_errors((folder / written["sarif"]).read_text()) == []
    assert "Concept audit gate" in (folder / "summary").read_text()
    assert "::notice title=auditor gate::" in done.stdout


def test_no_step_of_the_action_puts_an_input_into_its_script() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "AUDITOR_POLICY is not set"),
        ({"AUDITOR_POLICY": "policy.toml"}, "neither AUDITOR_AUDIT nor AUDITOR_CONFIG"),
        ({"AUDITOR_POLICY": "none.toml", "AUDITOR_AUDIT": "good"}, "policy none.toml: cannot be read"),
        ({"AUDITOR_POLICY": "policy.toml", "AUDITOR_AUDIT": "none"}, "no such file or directory"),
        (
            {"AUDITOR_POLICY": "policy.toml", "AUDITOR_AUDIT": "good", "AUDITOR_BASELINE": "none"},
            "no such file",
        ),
        (
            {"AUDITOR_POLICY": "policy.toml", "AUDITOR_AUDIT": "a; touch owned; $(touch owned)"},
            "no such file",
        ),
    ],
)
def test_the_script_says_what_is_missing(environment: dict[str, str], said: str, folder: Path) -> None:
    done = _bash(ROOT / "examples/ci/gate.sh", folder, **environment)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (folder / "owned").exists()


@pytest.mark.parametrize(("audit", "status"), [("good", 0), ("bad", 3), ("vague", 0), ("none", 2)])
def test_the_hook_stops_what_the_policy_forbids(audit: str, status: int, folder: Path) -> None:
    done = _bash(ROOT / "examples/ci/pre-push", folder, AUDITOR_AUDIT=audit)
    assert done.returncode == status, done.stderr
    assert ("not pushed" in done.stderr) == (status != 0)


def test_the_hook_leaves_a_branch_without_a_policy_alone(folder: Path) -> None:
    (folder / "policy.toml").unlink()
    assert _bash(ROOT / "examples/ci/pre-push", folder, AUDITOR_AUDIT="bad").returncode == 0


def test_the_gitlab_job_runs_the_same_script_and_warns_of_status_4(folder: Path) -> None:
    (job,) = yaml.safe_load((ROOT / "examples/ci/gitlab-ci.yml").read_text()).values()
    assert job["allow_failure"]["exit_codes"] == [4]
    script = folder / "job.sh"
    script.write_text("\n".join(["set -e", f"ln -s {ROOT}/examples examples", *job["script"]]))
    done = _bash(
        script, folder, AUDITOR_POLICY="policy.toml", AUDITOR_AUDIT="vague", AUDITOR_OUT="auditor-gate"
    )
    assert done.returncode == 4
    assert (folder / job["artifacts"]["reports"]["junit"]).exists()


def test_the_workflow_uses_what_the_action_offers() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    text = (ROOT / "examples/ci/github-workflow.yml").read_text()
    steps = yaml.safe_load(text)["jobs"]["gate"]["steps"]
    step = next(s for s in steps if s.get("id") == "gate")
    assert set(step["with"]) <= set(action["inputs"])
    assert "steps.gate.outputs.sarif" in text


def test_the_container_copies_what_exists_and_what_is_not_ignored() -> None:
    copied = [
        name
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ")
        for name in line.split()[1:-1]
    ]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == allowed
    assert all((ROOT / name).exists() for name in copied)
