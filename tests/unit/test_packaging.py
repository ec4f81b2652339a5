"""A wheel and an editable install both find what travels with auditor, from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ("templates", "concept_banks")


def files_under(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def run(*command: str | Path, cwd: Path) -> str:
    outside = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, env=outside)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution, so that both hold all that is needed."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Install auditor alone into a new environment that sees this one's other packages; its bin folder."""

    def into_new_environment(*what: str | Path) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        venv.create(folder, with_pip=False)
        python = folder / "bin" / "python"
        (site,) = folder.glob("lib/python*/site-packages")
        # A plain path: unlike a site folder its own .pth files, this checkout's among them, are not read.
        (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
        offline = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")
        run(sys.executable, "-m", "pip", "--python", python, "install", *offline, *what, cwd=folder)
        return folder / "bin"

    return into_new_environment


def found(python: Path, name: str, cwd: Path) -> Path:
    code = f"from auditor.resources import resource; print(resource({name!r}))"
    return Path(run(python, "-c", code, cwd=cwd).strip())


@pytest.mark.slow
def test_a_wheel_finds_its_own_data_outside_the_tree(
    wheel: Path, install: Callable[..., Path], tmp_path: Path
) -> None:
    programs = install(wheel)
    for name in DATA:
        folder = found(programs / "python", name, tmp_path)
        assert folder.is_relative_to(programs.parent), "not the checkout's"
        assert files_under(folder) == files_under(ROOT / name) != set()
    assert run(programs / "auditor", "--version", cwd=tmp_path).startswith("auditor ")
    assert "textures" in run(programs / "auditor", "banks", "list", cwd=tmp_path)


@pytest.mark.slow
def test_an_editable_install_finds_the_checkouts_data(install: Callable[..., Path], tmp_path: Path) -> None:
    programs = install("--editable", ROOT)
    for name in DATA:
        assert found(programs / "python", name, tmp_path) == ROOT / name
    assert "textures" in run(programs / "auditor", "banks", "list", cwd=tmp_path)


@pytest.mark.slow
def test_a_wheel_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {f"auditor/{name}" for name in files_under(ROOT / "auditor")}
    expected |= {f"auditor/_data/{folder}/{name}" for folder in DATA for name in files_under(ROOT / folder)}
    assert names == expected
    assert "auditor/py.typed" in names


def test_what_a_missing_resource_says() -> None:
    from auditor.resources import resource

    with pytest.raises(FileNotFoundError, match=r"'nothing' is missing: looked at .* reinstall auditor"):
        resource("nothing")


def test_the_pins_fit_the_projects_own_bounds() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    wanted = [*project["project"]["dependencies"], *groups["dev"], *groups["docs"]]
    bounds = {r.name: r.specifier for r in map(Requirement, wanted)}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert {"torch", "torchvision"} <= {pin.name for pin in pins}
    for pin in pins:
        version = str(pin.specifier).removeprefix("==")
        assert pin.name in bounds, f"{pin.name} is pinned but not needed"
        assert bounds[pin.name].contains(version), f"{pin} is outside {bounds[pin.name]}"


def test_the_demo_extra_pins_the_weights_it_was_tested_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert all("==" in requirement for requirement in project["project"]["optional-dependencies"]["demo"])
