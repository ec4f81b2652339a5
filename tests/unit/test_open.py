"""``auditor open``: which page, what is said without a browser or without a page."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from auditor.cli import main


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the browser was asked for; the current directory has an audit and a scan with their pages."""
    asked: list[str] = []

    def browse(url: str) -> bool:
        asked.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    monkeypatch.chdir(tmp_path)
    for name in ("an audit/audit.json", "an audit/report.html", "scan/scan.json", "scan/scan.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    return asked


@pytest.mark.parametrize(
    ("given", "page"),
    [
        ("an audit", "an audit/report.html"),
        ("an audit/audit.json", "an audit/report.html"),
        ("scan", "scan/scan.html"),
    ],
)
def test_the_page_is_opened_and_named(
    opened: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str, page: str
) -> None:
    assert main(["open", given]) == 0
    assert opened == [(tmp_path / page).as_uri()]
    assert capsys.readouterr().out == f"opened: {tmp_path / page}\n"


@pytest.mark.parametrize("fails", [False, True])
def test_without_a_browser_the_place_is_said(
    opened: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fails: bool,
) -> None:
    def browse(url: str) -> bool:
        if fails:
            raise webbrowser.Error("could not locate runnable browser")
        return False

    monkeypatch.setattr(webbrowser, "open", browse)
    assert main(["open", "an audit"]) == 0
    said = capsys.readouterr().out
    assert said == f"no browser was found; the report is: {tmp_path / 'an audit' / 'report.html'}\n"


@pytest.mark.parametrize(
    ("without", "given", "said"),
    [
        ("an audit/report.html", "an audit", "there is no report.html; needed: auditor render"),
        ("scan/scan.html", "scan", "there is no scan.html; needed: auditor scan with --formats html"),
        ("scan/scan.html", "nowhere", "no such file or directory"),
        ("scan/scan.html", ".", "holds neither audit.json nor scan.json"),
    ],
)
def test_without_a_page_it_is_an_error(
    opened: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], without: str, given: str, said: str
) -> None:
    (tmp_path / without).unlink()
    assert main(["open", given]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: audit '{given}': {said}")
    assert error.count("\n") == 1
    assert opened == []
