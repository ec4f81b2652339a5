"""``auditor banks`` as it is typed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from auditor.banks.manifest import read_manifest
from auditor.banks.starting import not_stated, start_manifest
from auditor.cli import main
from auditor.errors import InputError
from tests.bank_data import folder_of_folders, picture


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITOR_BANKS", str(tmp_path / "imported"))
    monkeypatch.setenv("AUDITOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    for i in range(24):
        picture(tmp_path / "utk" / f"{20 + i}_{i % 2}_{i % 3}_201701091505{i:05d}.jpg", i)
    return tmp_path / "utk"


def test_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["banks", "list"]) == 0
    assert re.search(r"^textures +generated +32 ", capsys.readouterr().out, re.MULTILINE)
    assert main(["banks", "show", "race"]) == 0
    shown = capsys.readouterr().out
    assert "white against black, matched on gender, age band, brightness, sharpness" in shown
    assert "a report may show its images: no, only averages of 30 or more" in shown


def test_show_a_folder_without_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder_of_folders(tmp_path / "mine")
    assert main(["banks", "show", "mine"]) == 0
    assert "licence and labels are not stated" in capsys.readouterr().out


def test_import_show_verify(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["banks", "import", "utkface", str(faces)]) == 0
    assert "24 images imported, 0 left out" in capsys.readouterr().out
    assert main(["banks", "show", "utkface"]) == 0
    shown = capsys.readouterr().out
    assert "gender: man (12), woman (12)" in shown
    assert "age: 20 to 43" in shown
    assert main(["banks", "verify", "utkface"]) == 0
    assert "24 of 24 images as imported" in capsys.readouterr().out
    picture(next(faces.iterdir()), 999)
    assert main(["banks", "verify", "utkface"]) == 3
    assert "23 of 24 images as imported" in capsys.readouterr().out


def test_check_prints_what_gives_a_pair_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(30):
        picture(tmp_path / f"mine/dark/{i}.png", i, brightness=0.35)
        picture(tmp_path / f"mine/pale/{i}.png", 100 + i, brightness=0.65)
    assert main(["banks", "check", "mine"]) == 0
    shown = capsys.readouterr().out
    assert "dark / pale" in shown
    assert "1 of 1 pairs of concepts can be separated" in shown
    assert main(["banks", "check", "mine", "--strict"]) == 3


def test_new_writes_a_manifest_to_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_of_folders(tmp_path / "scanner marks")
    assert main(["banks", "new", str(root), "--title", 'Marks "A"']) == 0
    assert "entries to complete" in capsys.readouterr().out
    manifest = read_manifest(root)
    assert manifest.title == 'Marks "A"'
    assert [c.folder for c in manifest.concepts] == ["dots", "lines"]
    # Nothing is claimed of images that were not imported: no copies removed, nothing measured.
    assert {"concepts.dots.definition", "datasheet.preprocessing", "datasheet.maintenance"} <= set(
        not_stated(manifest)
    )
    with pytest.raises(InputError, match="exists; edit it"):
        start_manifest(root)


def test_new_leaves_tables_to_the_import(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "marks")
    (root / "numbers.csv").write_text("a,b\n1,2\n")
    (root / "labels.csv").write_text("file,label:mark,age\ndots/00.png,yes,3\n")
    with pytest.raises(InputError, match=r"labels\.csv' labels images: auditor banks import csv "):
        start_manifest(root)
    (root / "labels.csv").unlink()
    assert start_manifest(root).is_file()


def test_preview_escapes_and_needs_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_of_folders(tmp_path / "mine")
    shutil.move(root / "dots", root / "<script>alert(1)")
    assert main(["banks", "preview", "mine", "-o", "sheet.html", "--images", "2"]) == 0
    page = (tmp_path / "sheet.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert page.count("data:image/jpeg;base64,") == 4
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_preview_of_faces_warns(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["banks", "import", "utkface", str(faces)])
    manifest = Path("imported/utkface/bank.toml")
    manifest.write_text(manifest.read_text().replace("min_images = 30", "min_images = 2"))
    assert main(["banks", "preview", "utkface"]) == 0
    assert "must not be published" in capsys.readouterr().out
    assert "must not be published" in Path("utkface.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "nothing"], "bank 'nothing': neither a known bank nor a folder"),
        (["verify", "textures"], "bank 'textures': not an imported bank"),
        (["import", "utkface", "gone"], "utkface: 'gone' does not exist"),
        (["fetch", "dtd"], "its terms have to be accepted first"),
        (["fetch", "imagenet"], "cannot be fetched"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["banks", *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(lines) == 1
    assert said in lines[0]


def test_preview_into_a_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder_of_folders(tmp_path / "mine")
    (tmp_path / "blocked").touch()
    assert main(["banks", "preview", "mine", "-o", "blocked/x.html"]) == 1
    assert "cannot write" in capsys.readouterr().err
