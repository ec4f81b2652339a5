"""What a request names is looked for before a model is loaded, a bank is made or anything is fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auditor.cli import main
from auditor.settings import ScanSettings, Settings

MODEL = "timm:test_resnet"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, where every piece of work that a request may start is a failure."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDITOR_BANKS", str(tmp_path / "imported"))

    def work(*_: Any, **__: Any) -> Any:
        raise AssertionError("work has begun")

    for name in (
        "auditor.audit.prepare.load_model",
        "auditor.audit.prepare.load_bank",
        "auditor.cli.run.fetch_lacking",
        "auditor.cli.scan.fetch_lacking",
    ):
        monkeypatch.setattr(name, work)
    (tmp_path / "file").write_text("a file")
    (tmp_path / "empty").mkdir()
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], command: str, *words: str) -> str:
    assert main([command, *words]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    return said.removeprefix("error: ")


EVERYWHERE = [
    (("-m", "file:none.pth"), "model 'file:none.pth': there is no such file"),
    (("-m", "file:empty"), "model 'file:empty': is no file"),
    (("-m", "hf-dir:nowhere"), "model 'hf-dir:nowhere': there is no such folder"),
    (("-m", "hf-dir:empty"), "model 'hf-dir:empty': has no config.json"),
    (("-m", "hf-hub:resnet18"), "model 'hf-hub:resnet18': needs owner/name"),
    (("-m", "timm:resnet5000"), "model 'timm:resnet5000': timm has no such model; nearest: resnet50"),
    (("-m", "torchvision:resnet51"), "model 'torchvision:resnet51': torchvision has no such classifier"),
    (("-m", "bundled:lite9"), "model 'bundled:lite9': there is no such bundled model"),
    (("-m", "keras:resnet50"), "model 'keras:resnet50': unknown source 'keras'"),
    (("--labels", "nowhere.txt"), "labels 'nowhere.txt': does not exist"),
    (("--labels", "empty"), "labels 'empty': is not a file"),
    (("--cache", "file"), "cache 'file': is a file"),
    (("--out", "file"), "out 'file': is a file"),
    (("--out", "file/audit"), "out 'file/audit': nothing can be written to"),
    (("--banks", "textuers"), "bank 'textuers': neither a known bank nor a folder; did you mean textures?"),
    (("--banks", "textures,gendre"), "bank 'gendre': neither a known bank nor a folder; did you mean gender"),
    (("--banks", "gender:utkface"), "bank 'gender:utkface': 'utkface' is not an imported set"),
    (("--banks", "empty"), "bank 'empty': no subfolders"),
]
OF_AUDITS = [
    (("--images", "nowhere"), "images 'nowhere': there is no such folder; needed: one folder per class"),
    (("--images", "file"), "images 'file': is a file, not a folder"),
    (("--unlabelled", "nowhere"), "unlabelled 'nowhere': there is no such folder"),
    (("--unlabelled", "empty"), "unlabelled 'empty': no image files"),
    (("--benchmark", "nowhere"), "benchmark 'nowhere': there is no such folder"),
    (("--benchmark", "empty"), "benchmark 'empty': no readable image"),
    (("--from-scan", "nowhere"), "scan 'nowhere': No such file or directory"),
]


@pytest.mark.parametrize(("words", "said"), EVERYWHERE + OF_AUDITS)
def test_an_audit_finds_what_is_missing_at_once(
    place: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert refused(capsys, "run", "-m", MODEL, "-c", "zebra", *words).startswith(said)


@pytest.mark.parametrize(("words", "said"), EVERYWHERE)
def test_a_scan_finds_what_is_missing_at_once(
    place: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert refused(capsys, "scan", "-m", MODEL, *words).startswith(said)


def test_a_scan_does_not_mind_an_audits_photos(place: Path) -> None:
    from auditor.audit.request import check_request

    check_request(ScanSettings(model=MODEL, images="nowhere", benchmark=Path("nowhere")))


def test_what_is_there_passes_and_nothing_is_left_behind(place: Path) -> None:
    from auditor.audit.request import check_request

    (place / "photos" / "zebra").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(place / "photos" / "zebra" / "0.png")
    (place / "labels.txt").write_text("zebra\n")
    before = sorted(place.rglob("*"))
    photos = place / "photos"
    asked: list[dict[str, Any]] = [
        {"images": "photos", "benchmark": photos, "labels": place / "labels.txt", "banks": ("photos",)},
        {"unlabelled": photos, "banks": ("textures", "gender"), "out": place / "far" / "away"},
    ]
    for more in asked:
        check_request(Settings(model=MODEL, classes=("zebra",), **more))
    assert sorted(place.rglob("*")) == before


def test_a_class_that_is_not_there_is_said_before_a_bank_is_made(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from auditor.models import load_model

    def nothing(*_: Any, **__: Any) -> None:
        return None

    really: Callable[..., Any] = load_model
    monkeypatch.setattr("auditor.audit.prepare.load_model", really)
    monkeypatch.setattr("auditor.cli.run.fetch_lacking", nothing)
    small = ("-m", MODEL, "--random-weights", "--banks", "textures")
    for words, said in (
        (("-c", "zebr"), "class 'zebr': the model has no class of that name; nearest: zebra"),
        (("-c", "zebra", "--layers", "layer9.*"), "layer9.*"),
        (("-c", "zebra", "--images", "empty"), "images 'empty': no folder for class 'zebra'"),
    ):
        assert main(["run", *small, *words]) == 2
        assert said in capsys.readouterr().err.splitlines()[-1]
