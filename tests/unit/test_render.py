from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from auditor.cli import main
from auditor.errors import InputError
from auditor.records import Audit
from auditor.report import FORMATS, render_format, write_reports


@pytest.fixture
def directory(sample_directory: Path, tmp_path: Path) -> Path:
    path = tmp_path / "audit"
    shutil.copytree(sample_directory, path)
    return path


WITHOUT_TORCH = """
import importlib.abc, sys

class NoTorch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "timm"):
            raise ImportError(name)

sys.meta_path.insert(0, NoTorch())
from auditor.cli import main
sys.exit(main(["render", sys.argv[1], "--format", "html"]))
"""


def test_render_writes_the_report_again_without_torch(directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, directory], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(directory / "report.html")]
    assert (directory / "report.html").read_text().startswith("<!doctype html>")
    assert not (directory / "report.pdf").exists()


def test_render_takes_the_file_itself_and_another_place(directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere" / "deep"
    assert main(["render", str(directory / "audit.json"), "-f", "html", "--out", str(out)]) == 0
    page = (out / "report.html").read_text()
    assert "Picture missing" not in page
    assert page.count("data:image/webp") > 50
    assert not (directory / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no such file or directory"),
        (["AUDIT", "--format", "docx"], "'docx'"),
        (["AUDIT/pictures"], "holds no audit.json"),
    ],
)
def test_bad_requests_are_one_line_and_write_nothing(
    directory: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    before = sorted(directory.rglob("*"))
    status = main(["render", *(argument.replace("AUDIT", str(directory)) for argument in arguments)])
    error = capsys.readouterr().err
    assert status == 2
    assert said in error
    assert error.count("\n") == 1
    assert sorted(directory.rglob("*")) == before


def test_an_unknown_format_is_refused_before_any_is_written(directory: Path, audit: Audit) -> None:
    with pytest.raises(InputError, match="pptx"):
        write_reports(directory, audit, formats=["html", "pptx"])
    assert not (directory / "report.html").exists()
    with pytest.raises(InputError, match="pptx"):
        render_format(audit, directory, name="pptx")


def test_formats_are_written_once_and_in_order(directory: Path, audit: Audit) -> None:
    written = write_reports(directory, audit, formats=["html", "html"])
    assert written == [directory / FORMATS["html"]]


def test_an_unreadable_place_is_an_error_of_storage(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["render", str(directory), "-f", "html", "-o", str(tmp_path / "file")]) == 1
    assert "cannot write" in capsys.readouterr().err
