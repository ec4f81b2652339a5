"""The command line: exit statuses, one line per failure, what it may import, flags against settings."""

from __future__ import annotations

import errno
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import auditor.cli
from auditor.cli import COMMANDS, flags, main
from auditor.cli.run import everything_skipped, refuse_skipped
from auditor.cli.text import columns
from auditor.errors import InputError, StorageError
from auditor.records import Skipped
from auditor.settings import Settings
from tests import sample


class Fails:
    """Stands for a module of ``auditor.cli`` whose only command does what a test says."""

    def __init__(self, failure: BaseException | None = None, status: int | None = None) -> None:
        self.failure, self.status = failure, status

    def go(self) -> None:
        """Do what the test says."""
        if self.failure is not None:
            raise self.failure
        if self.status is not None:
            raise typer.Exit(self.status)


def run_with(monkeypatch: pytest.MonkeyPatch, module: Fails) -> int:
    monkeypatch.setattr(auditor.cli, "COMMANDS", ("go",))
    monkeypatch.setitem(sys.modules, "auditor.cli.go", module)  # type: ignore[arg-type]
    return main(["go"])


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (
            InputError("class 'zebr': not known\nneeded one of ..."),
            2,
            "error: class 'zebr': not known needed one of ...\n",
        ),
        (StorageError("audit/a.npz: disk full"), 1, "error: audit/a.npz: disk full\n"),
        (
            KeyboardInterrupt(),
            130,
            "interrupted; what is done is kept, the same command goes on from there\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "a.npz"),
            1,
            "error: disk full while writing a.npz; free some space and repeat\n",
        ),
    ],
)
def test_a_failure_is_one_line_and_an_exit_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
    status: int,
    said: str,
) -> None:
    assert run_with(monkeypatch, Fails(failure)) == status
    captured = capsys.readouterr()
    assert captured.err == said
    assert captured.out == ""


def test_a_defect_is_a_traceback_and_a_request_to_report_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with(monkeypatch, Fails(ZeroDivisionError("by nought"))) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "ZeroDivisionError: by nought" in said
    assert "please report" in said.splitlines()[-1]


@pytest.mark.parametrize("status", [0, 3, 4])
def test_a_command_chooses_its_exit_status(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    assert run_with(monkeypatch, Fails(status=status)) == status


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rum"], "error: No such command 'rum'"),
        (["run", "--modell", "x"], "error: No such option: --modell"),
        (["run", "--alpha", "much"], "error: Invalid value for '--alpha'"),
        (["run", "--model", "x"], "error: --classes is not given, needed: Classes to audit"),
        (
            ["run", "-m", "x", "-c", "a", "--device", "gpu"],
            "error: --device: got 'gpu', needed one of auto, cpu,",
        ),
        (
            ["run", "-m", "x", "-c", "a", "--config", "none.toml"],
            "error: config 'none.toml': cannot",
        ),
        (["classes"], "error: Missing argument 'MODEL'"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(said)
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_without_arguments_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"auditor \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


ASCII = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}


@pytest.fixture(scope="module")
def helps() -> bytes:
    """The help of every command, one after another, as a process of its own prints it in ASCII."""
    code = (
        "import sys; from auditor.cli import COMMANDS, main\n"
        "for words in ([], *([name] for name in COMMANDS)):\n"
        "    assert main([*words, '--help']) == 0\n"
        "    assert 'torch' not in sys.modules, words\n"
    )
    wide = {**ASCII, "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=wide, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_answers_without_torch(helps: bytes) -> None:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", helps.decode("ascii"))
    for words in ("", *COMMANDS):
        assert f"Usage: auditor {words}".rstrip() in shown


def test_every_setting_has_a_flag_under_one_heading() -> None:
    listed = [field for group in flags.GROUPS.values() for field in group]
    assert sorted(listed) == sorted(Settings.model_fields)


def test_flags_say_the_range_and_the_default() -> None:
    by_name = {parameter.name: parameter for parameter in flags.parameters()}
    option: Any = by_name["heldout"].annotation.__metadata__[0]
    assert option.help.endswith("to measure on. A number from 0 to 0.9. Default: 0.25.")
    assert all(p.default is None and p.kind is inspect.Parameter.KEYWORD_ONLY for p in by_name.values())


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("zebra,spider web", ["zebra", "spider web"]),
        (' zebra , "tench, Tinca tinca"', ["zebra", "tench, Tinca tinca"]),
        ("n02391049", ["n02391049"]),
        ("", []),
    ],
)
def test_lists_are_split_at_commas_outside_quotes(typed: str, parts: list[str]) -> None:
    assert flags.split(typed) == parts


def test_flags_reach_the_audit_as_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Settings] = []

    def audit(settings: Settings, *, evaluate: bool) -> Any:
        seen.append(settings)
        return sample.build(settings.out)

    monkeypatch.setattr("auditor.cli.run._audit", audit)
    config = tmp_path / "a.toml"
    config.write_text('classes = ["apron"]\nruns = 5\nmean = [0.1, 0.2, 0.3]\n')
    arguments = ["run", "--config", str(config), "-m", "timm:resnet18", "-c", 'zebra,"spider web"', "-c", "3"]
    assert (
        main([*arguments, "--std", "1,1,1", "--no-strict", "--formats", "html", "--out", str(tmp_path)]) == 0
    )
    (settings,) = seen
    assert settings.classes == ("zebra", "spider web", "3")
    assert (settings.runs, settings.formats, settings.strict) == (5, ("html",), False)
    assert (settings.mean, settings.std) == ((0.1, 0.2, 0.3), (1.0, 1.0, 1.0))
    assert f"audit: {tmp_path / 'audit.json'}" in capsys.readouterr().out


def test_strict_refuses_what_was_skipped_and_says_what(tmp_path: Path) -> None:
    audit = sample.build(tmp_path).model_copy(
        update={"skipped": [Skipped(what="class 'apron'", reason="2 images, need 4")]}
    )
    first = everything_skipped(audit)[0]
    assert first == "class 'apron': 2 images, need 4"
    with pytest.raises(
        InputError, match=r"--strict: \d+ skipped, needed none; first: class 'apron': 2 images"
    ):
        refuse_skipped(everything_skipped(audit))


@pytest.fixture
def audited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Settings]:
    """``auditor run`` leaves the sample audit at once; what it was asked for is listed."""
    asked: list[Settings] = []

    def audit(settings: Settings, *, evaluate: bool) -> Any:
        asked.append(settings)
        return sample.build(settings.out)

    monkeypatch.setattr("auditor.cli.run._audit", audit)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return asked


def run_gated(tmp_path: Path, tolerance: float, *more: str) -> int:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        "format_version = 2\n[trust]\nrequired_checks = []\n[[association]]\n"
        f"name = 'x'\nclasses = ['zebra']\nconcepts = ['banded']\nlargest_effect = {tolerance}\n"
    )
    out = str(tmp_path / "audit")
    asked = ["-m", "timm:resnet18", "-c", "zebra", "-o", out, "--formats", "html"]
    return main(["run", *asked, "--gate", str(policy), *more])


@pytest.mark.parametrize(("tolerance", "status", "said"), [(0.5, 3, "gate failed"), (10, 0, "gate passed")])
def test_a_gate_decides_the_exit_status_of_run(
    audited: list[Settings],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    tolerance: float,
    status: int,
    said: str,
) -> None:
    assert run_gated(tmp_path, tolerance) == status
    assert said in capsys.readouterr().out
    assert len(audited) == 1


def test_a_policy_or_baseline_that_cannot_be_used_is_refused_before_the_audit(
    audited: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    minimal = ["run", "-m", "timm:resnet18", "-c", "zebra", "-o", str(tmp_path / "audit")]
    assert main([*minimal, "--gate", str(tmp_path / "none.toml")]) == 2
    assert main([*minimal, "--baseline", str(tmp_path / "old")]) == 2
    assert run_gated(tmp_path, 1, "--baseline", str(tmp_path / "old")) == 2
    policy, alone, old = capsys.readouterr().err.splitlines()
    assert "none.toml" in policy
    assert alone == "error: --baseline is given without --gate, needed both"
    assert "old" in old
    assert audited == []


def test_every_report_format_can_be_asked_for() -> None:
    from auditor.report import FORMATS

    assert flags.choices("formats") == tuple(FORMATS)


def test_columns_put_numbers_to_the_right() -> None:
    assert columns(("layer", "channels"), [("a", 8), ("long name", 1280)]) == [
        "layer      channels",
        "a                 8",
        "long name      1280",
    ]


@pytest.mark.slow
def test_layers_of_a_model_without_its_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers", "timm:resnet18", "layer4*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["layer", "channels", "height", "width"]
    assert ["*", "layer4.1", "512", "7", "7"] in [line.split() for line in lines]


@pytest.mark.parametrize("model", ["timm:test_resnet", "test_resnet", "torchvision:shufflenet_v2_x0_5"])
def test_classes_and_layers_need_no_weights(capsys: pytest.CaptureFixture[str], model: str) -> None:
    assert main(["classes", model, "zebra"]) == 0
    assert re.search(r"340 +n02391049 +zebra", capsys.readouterr().out)
    assert main(["layers", model]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("*  ")


@pytest.mark.weights
@pytest.mark.slow
def test_classes_of_a_model(capsys: pytest.CaptureFixture[str], demo_weights: str) -> None:
    assert main(["classes", demo_weights, "spider web"]) == 0
    assert re.search(r"815 +n04275548 +spider web", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("xyzzyqq", "none matches 'xyzzyqq', nor comes near"),
        ("zebrra", "none matches 'zebrra'; nearest: zebra (340 n02391049), "),
        ("1000", "none matches '1000': the indices are 0 to 999"),
    ],
)
def test_a_class_that_is_not_there_is_an_error_with_near_names(
    capsys: pytest.CaptureFixture[str], query: str, said: str
) -> None:
    assert main(["classes", "timm:test_resnet", query]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: classes of 'timm:test_resnet': {said}")
    assert captured.err.endswith("; all: auditor classes timm:test_resnet\n")


def test_the_last_lines_say_what_the_report_says(tmp_path: Path) -> None:
    from auditor.cli.run import summary
    from auditor.report.view.summary import class_summary, titles

    audit = sample.build(tmp_path)
    settings = Settings(model="x", classes=("x",), out=tmp_path)
    lines = summary(audit, settings)
    for result, line in zip(audit.classes, lines, strict=False):
        findings = audit.of_class(result.index)
        told = class_summary(findings, titles(audit))
        assert line == f"{result.name}: {told.word}. {told.sentence}"
        for finding in findings:
            if finding.claimed and finding.kind == "association":
                assert titles(audit)(finding.bank, finding.subject) in line


def test_a_terminal_of_ascii_shows_a_name_escaped(tmp_path: Path) -> None:
    """As it is run: the stream's own encoding decides."""
    (tmp_path / "labels.txt").write_text("\n".join(f"caf\u00e9 {i}" for i in range(1000)), encoding="utf-8")
    command = ["classes", "timm:test_resnet", "7", "--labels", str(tmp_path / "labels.txt")]
    code = f"import sys; from auditor.cli import main; sys.exit(main({command!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=ASCII, check=False)
    assert done.returncode == 0, done.stderr
    assert b"caf\\xe9 7" in done.stdout


def test_help_of_every_command_on_a_terminal_of_ascii(helps: bytes) -> None:
    assert helps.decode("ascii").count("Usage: auditor") == 1 + len(COMMANDS)


def test_the_gate_is_judged_before_anything_is_printed(
    audited: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> list[str]:
        raise OSError("the terminal is gone")

    monkeypatch.setattr("auditor.cli.run.summary", fail)
    assert run_gated(tmp_path, 0.1) == 1
    assert (tmp_path / "audit" / "gate.json").exists()


COMMANDS_OF_MANY_FLAGS = ["run", "scan", "classes", "banks import", "banks fetch"]


@pytest.mark.parametrize("columns", ["30", "59", "80", "200"])
@pytest.mark.parametrize("words", COMMANDS_OF_MANY_FLAGS)
def test_help_fits_the_terminal(
    columns: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main([*words.split(), "--help"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= min(int(columns), 100)
    assert "\u2026" not in said
    assert all(line == line.rstrip() for line in said.splitlines())


@pytest.mark.parametrize("words", COMMANDS_OF_MANY_FLAGS)
def test_at_80_columns_a_flag_and_its_values_stand_on_one_line_and_the_text_below(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*words.split(), "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    command: Any = typer.main.get_command(auditor.cli.build_app())
    context = command.make_context("auditor", [], resilient_parsing=True)
    for word in words.split():
        command = command.get_command(context, word)
    for parameter in command.get_params(context):
        names, text = parameter.get_help_record(context)
        at = lines.index(f"  {names}")
        below = []
        for line in lines[at + 1 :]:
            if not line.startswith("      "):
                break
            below.append(line.strip())
        assert " ".join(below) == " ".join(text.replace("`", "").split())


def test_flags_for_experts_come_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [*flags.GROUPS]
    titles.insert(titles.index(flags.WHERE_TO) + 1, "Release gate")
    assert [line for line in lines if line in titles] == titles
    assert [title.startswith("Expert: ") for title in titles] == [False] * 6 + [True] * 3


def test_a_group_without_a_command_shows_its_help_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["banks"]) == 2
    captured = capsys.readouterr()
    assert captured.out.count("Usage: auditor banks") == 1
    assert captured.err == ""
