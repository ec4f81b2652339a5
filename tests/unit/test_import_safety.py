"""Imports of bad input: one clear error, nothing half-imported, and repeatable."""

from __future__ import annotations

import errno
import io
import os
import shutil
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from auditor.banks import places
from auditor.banks.duplicates import near_duplicates
from auditor.banks.importing import run as importing
from auditor.banks.importing.archive import extract
from auditor.banks.importing.run import import_bank
from auditor.banks.lock import changed_images, read_lock
from auditor.banks.measure import measured
from auditor.errors import InputError, StorageError
from tests.bank_data import folder_of_folders, picture


def table(root: Path, text: str, *, images: int = 6) -> Path:
    for i in range(images):
        picture(root / f"im/{i}.png", i)
    (root / "labels.csv").write_text(text, encoding="utf-8")
    return root


ROWS = "\n".join(
    f"im/{i}.png,{'mark' if i % 2 else 'none'},{20 + i},{'ward' if i < 3 else 'lab'}" for i in range(6)
)
TABLE = "file,label,age,site\n" + ROWS + "\n"


def refused(source: Path, importer: str = "csv", **options: object) -> str:
    into = source.parent / "banks"
    with pytest.raises(InputError) as caught:
        import_bank(importer, source, into=into, **options)  # type: ignore[arg-type]
    left = [p.name for p in into.iterdir()] if into.exists() else []
    assert left == []  # neither a bank nor a trace of one
    return str(caught.value)


def test_csv_with_covariates(tmp_path: Path) -> None:
    found = import_bank("csv", table(tmp_path / "marks", TABLE), into=tmp_path / "banks")
    assert dict(found.counts()["concept"]) == {"none": 3, "mark": 3}
    assert found.lock.images[4].covariates == {"age": 24.0, "site": "lab"}
    assert read_lock(found.folder) == found.lock


def test_csv_with_two_label_columns_gives_intersections(tmp_path: Path) -> None:
    rows = "\n".join(f"im/{i}.png,{'mark' if i % 2 else 'none'},{'a' if i < 3 else 'b'}" for i in range(6))
    source = table(tmp_path / "marks", "file,label:mark,label:site\n" + rows)
    found = import_bank("csv", source, into=tmp_path / "banks")
    assert {k: dict(v) for k, v in found.counts().items()} == {
        "mark": {"none": 3, "mark": 3},
        "site": {"a": 3, "b": 3},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,label\nim/0.png,a\n", "labels.csv:1: no column 'file'; the columns are name, label"),
        ("file,kind\nim/0.png,a\n", "labels.csv:1: no column 'label' (or 'label:NAME')"),
        ("file,label,label\nim/0.png,a,b\n", "labels.csv:1: column 'label' occurs twice"),
        (TABLE + "im/0.png,mark\n", "labels.csv:8: 2 columns, need 4"),
        (TABLE + "../secret.png,mark,1,x\n", "labels.csv:8: file '../secret.png' leads out of the folder"),
        (TABLE + "/etc/passwd,mark,1,x\n", "labels.csv:8: file '/etc/passwd' leads out of the folder"),
        (TABLE + "C:\\a.png,mark,1,x\n", "labels.csv:8: file 'C:\\a.png' leads out of the folder"),
        (
            TABLE + "im/0.png,mark,1,x\n",
            "labels.csv:8: file 'im/0.png' carries two labels, concept 'none' and concept 'mark'",
        ),
        (TABLE + "im/0.png,none,1,x\n", "labels.csv:8: file 'im/0.png' named twice, first on"),
        (TABLE + "im/9.png,mark,1,x\n", "labels.csv:8: there is no file 'im/9.png'"),
        (TABLE + "IM/0.png,none,1,x\n", "labels.csv:8: files 'IM/0.png' and 'im/0.png' differ only in case"),
        (
            TABLE.replace("5.png,mark", "5.png,Mark"),
            "labels.csv:7: labels 'Mark' and 'mark' differ only in case",
        ),
        (TABLE.replace("5.png,mark", "5.png,makr"), "labels.csv:7: label 'makr' has one image"),
        (TABLE.replace("5.png,mark", "5.png,"), "labels.csv:7: no label"),
        ("", "labels.csv:1: empty, need a header"),
        ("file,label\n", "labels.csv:1: a header and no lines"),
        ('file,label\n"im/0.png,a\n', "not a table"),
    ],
)
def test_csv_errors_name_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(table(tmp_path / "marks", text))


def test_csv_that_is_not_utf8_or_not_there(tmp_path: Path) -> None:
    source = table(tmp_path / "marks", TABLE)
    (source / "labels.csv").write_bytes((TABLE + "imé,mark,1,x\n").encode("latin-1"))
    assert "labels.csv:8: not UTF-8 (byte 0xe9 in column 3); save the table as UTF-8" in refused(source)
    (source / "labels.csv").unlink()
    assert "need one .csv table, found none" in refused(source)


def test_the_same_picture_under_two_labels(tmp_path: Path) -> None:
    source = table(tmp_path / "marks", TABLE)
    shutil.copy(source / "im/0.png", source / "im/1.png")
    said = refused(source)
    assert "labels.csv:3: 'im/1.png' is the same image as 'im/0.png' but labelled 'mark', not 'none'" in said


def test_unreadable_images_are_listed_and_non_ascii_names_kept(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "mine", concepts=("größe", "点"))
    (root / "größe/00.png").write_bytes(b"")
    (tmp_path / "outside.png").write_bytes((root / "点/00.png").read_bytes())
    (root / "点/link.png").symlink_to(tmp_path / "outside.png")
    found = import_bank("folder", root, into=tmp_path / "banks")
    assert dict(found.counts()["concept"]) == {"größe": 3, "点": 4}
    reasons = {s.what: s.reason for s in found.lock.left_out}
    assert reasons["image 'größe/00.png'"].startswith("0 bytes")
    assert reasons["image '点/link.png'"] == "a link that leads out of the folder"


def test_published_sets_drop_contradictions_and_list_them(tmp_path: Path) -> None:
    root = tmp_path / "utk"
    for i in range(4):
        picture(root / f"3{i}_{i % 2}_0_2017010915055{i}.jpg", i)
    shutil.copy(root / "30_0_0_20170109150550.jpg", root / "44_1_0_20170109150559.jpg")
    found = import_bank("utkface", root, into=tmp_path / "banks")
    assert len(found.lock.images) == 3
    assert sorted(s.reason for s in found.lock.left_out) == [
        "the same file as '30_0_0_20170109150550.jpg', labelled otherwise",
        "the same file as '44_1_0_20170109150559.jpg', labelled otherwise",
    ]


def test_near_copies_are_found_and_other_pictures_are_not(tmp_path: Path) -> None:
    original = picture(tmp_path / "a.png", 1, size=128)
    with Image.open(original) as image:
        image.save(tmp_path / "b.jpg", quality=40)
        image.resize((90, 90)).save(tmp_path / "c.jpg", quality=85)
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "d.png")
    others = [picture(tmp_path / f"o{i}.png", 50 + i, size=128) for i in range(20)]
    names = [original, tmp_path / "b.jpg", tmp_path / "c.jpg", tmp_path / "d.png", *others]
    assert near_duplicates([measured(p.read_bytes()) for p in names]) == {1: 0, 2: 0}
    assert near_duplicates([]) == {}


def test_empty_sheets_are_copies_only_if_they_are_the_same_file() -> None:
    def sheet(grey: int) -> bytes:
        buffer = io.BytesIO()
        Image.new("L", (20, 20), grey).save(buffer, "PNG")
        return buffer.getvalue()

    assert near_duplicates([measured(sheet(10)), measured(sheet(200)), measured(sheet(10))]) == {2: 0}


def test_import_can_be_repeated_and_keeps_the_manifest(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "mine")
    first = import_bank("folder", root, into=tmp_path / "banks")
    manifest = first.folder / "bank.toml"
    manifest.write_text(manifest.read_text().replace('title = "Imported bank"', 'title = "Mine"'))
    picture(root / "dots/new.png", 500)
    again = import_bank("folder", root, into=tmp_path / "banks")
    assert again.manifest_kept
    assert len(again.lock.images) == len(first.lock.images) + 1
    assert 'title = "Mine"' in manifest.read_text()
    assert sorted(p.name for p in (tmp_path / "banks").iterdir()) == ["mine"]
    import_bank("folder", root, into=tmp_path / "banks", replace=True)
    assert 'title = "Mine"' not in manifest.read_text()


def test_a_failing_import_leaves_the_old_bank(tmp_path: Path) -> None:
    root = table(tmp_path / "marks", TABLE)
    first = import_bank("csv", root, into=tmp_path / "banks")
    (root / "labels.csv").write_text(TABLE + "im/77.png,mark,1,x\n")
    with pytest.raises(InputError):
        import_bank("csv", root, into=tmp_path / "banks")
    assert read_lock(first.folder) == first.lock
    assert [p.name for p in (tmp_path / "banks").iterdir()] == ["marks"]


def test_what_is_in_the_way_is_not_overwritten(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "mine")
    (tmp_path / "banks/mine").mkdir(parents=True)
    with pytest.raises(InputError, match="is in the way and is no imported bank"):
        import_bank("folder", root, into=tmp_path / "banks")
    import_bank("folder", root, into=tmp_path / "banks", name="other")
    with pytest.raises(InputError, match="was imported with 'folder'"):
        import_bank("dtd", root, into=tmp_path / "banks", name="other")
    for name in ("../x", ".x", "a/b"):
        with pytest.raises(InputError, match="need a name without slashes"):
            import_bank("folder", root, into=tmp_path / "banks", name=name)


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder_of_folders(tmp_path / "mine")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(importing, "_swap", full)
    with pytest.raises(StorageError, match="No space left on device; nothing was imported"):
        import_bank("folder", root, into=tmp_path / "banks")
    assert list((tmp_path / "banks").iterdir()) == []


def test_verify_names_what_changed(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "mine")
    found = import_bank("folder", root, into=tmp_path / "banks")
    assert changed_images(found.folder) == []
    picture(root / "dots/00.png", 321)
    (root / "lines/01.png").unlink()
    wrong = {s.what: s.reason for s in changed_images(found.folder)}
    assert set(wrong) == {"image 'dots/00.png'", "image 'lines/01.png'"}
    assert "when imported" in wrong["image 'dots/00.png'"]


def test_lock_that_leads_out_is_refused(tmp_path: Path) -> None:
    found = import_bank("folder", folder_of_folders(tmp_path / "mine"), into=tmp_path / "banks")
    lock = found.folder / "bank.lock.json"
    lock.write_text(lock.read_text().replace("dots/00.png", "../../secret.png"))
    with pytest.raises(InputError, match="leads out of the bank's folder"):
        read_lock(found.folder)
    lock.write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        read_lock(found.folder)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def pictures(tmp_path: Path) -> dict[str, bytes]:
    root = folder_of_folders(tmp_path / "source")
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*.png"))}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_import_from_an_archive(tmp_path: Path, kind: str) -> None:
    members = pictures(tmp_path)
    path = tmp_path / f"marks.{kind}"
    if kind == "zip":
        zipped(path, members)
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(tmp_path / "source", arcname=".")
    found = import_bank("folder", path, into=tmp_path / "banks")
    assert found.folder.name == "marks"
    assert len(found.lock.images) == 8
    shutil.rmtree(tmp_path / "source")
    assert changed_images(found.folder) == []  # the images lie in the bank


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../evil.png", "member '../evil.png' leads out"),
        ("/etc/evil.png", "member '/etc/evil.png' leads out"),
        ("a/../../evil.png", "leads out"),
        ("..\\evil.png", "leads out"),
        ("C:/evil.png", "leads out"),
        ("DOTS/00.png", "member 'dots/00.png' and 'DOTS/00.png' differ only in case"),
    ],
)
def test_zip_with_a_hostile_name(tmp_path: Path, name: str, said: str) -> None:
    path = zipped(tmp_path / "marks.zip", {name: b"x", **pictures(tmp_path)})
    assert said in refused(path, "folder")
    assert not (tmp_path / "evil.png").exists()


def test_tar_with_links_and_devices(tmp_path: Path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        path = tmp_path / "marks.tar"
        with tarfile.open(path, "w") as archive:
            info = tarfile.TarInfo("dots/link.png")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        wanted = "a link" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else "not a regular file"
        assert f"member 'dots/link.png' is {wanted}" in refused(path, "folder")


def test_zip_with_a_link(tmp_path: Path) -> None:
    path = tmp_path / "marks.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("dots/link.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert "member 'dots/link.png' is a link" in refused(path, "folder")


def test_archive_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped(tmp_path / "bomb.zip", {"dots/a.png": bytes(64 * 2**20)})
    assert "at most" in refused(bomb, "folder")
    many = zipped(tmp_path / "many.zip", {f"{i}.png": b"" for i in range(20)})
    with monkeypatch.context() as patched:
        patched.setattr("auditor.banks.importing.archive.MAX_FILES", 10)
        with pytest.raises(InputError, match="more than 10 files"):
            extract(many, tmp_path / "out")
    data = bytearray(zipped(tmp_path / "liar.zip", {"dots/a.png": bytes(40 * 2**20)}).read_bytes())
    size = (40 * 2**20).to_bytes(4, "little")
    liar = tmp_path / "liar.zip"
    liar.write_bytes(data.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(InputError, match=r"damaged|larger than"):
        extract(liar, tmp_path / "out2")


def test_damaged_archive(tmp_path: Path) -> None:
    path = zipped(tmp_path / "marks.zip", pictures(tmp_path))
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 40] = bytes(40)
    path.write_bytes(data)
    assert "damaged" in refused(path, "folder")


def test_neither_folder_nor_archive(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    assert "neither a folder nor a zip or tar archive" in refused(tmp_path / "a.txt", "folder")
    assert "does not exist" in refused(tmp_path / "gone", "folder")
    assert "unknown, need one of dtd" in refused(tmp_path, "imagenet")


def test_a_folder_with_one_image(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "set")
    picture(root / "dost/0.png", 99)
    with pytest.raises(InputError, match=r"dost/0\.png: concept 'dost' has one image, need several"):
        import_bank("folder", root, into=tmp_path / "banks")
    assert not (tmp_path / "banks/set").exists()


def test_an_import_that_was_stopped_is_no_bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITOR_BANKS", str(tmp_path / "banks"))
    folder = import_bank("folder", folder_of_folders(tmp_path / "set"), into=tmp_path / "banks").folder
    assert list(places.imported()) == ["set"]
    folder.rename(folder.with_name(".set-abc.part"))  # as if killed before the last step
    assert places.imported() == {}


def test_what_a_killed_import_left_is_cleared_after_a_day(tmp_path: Path) -> None:
    banks = tmp_path / "banks"
    for name, age in ((".set-old.part", 90_000), (".set-new.part", 60), (".settee-old.part", 90_000)):
        (banks / name / "images").mkdir(parents=True)
        os.utime(banks / name, (time.time() - age,) * 2)
    import_bank("folder", folder_of_folders(tmp_path / "set"), into=banks)
    assert sorted(path.name for path in banks.iterdir()) == [".set-new.part", ".settee-old.part", "set"]


def test_a_zip_cannot_write_more_than_its_directory_says(tmp_path: Path) -> None:
    """The limit is checked against the sizes that the archive states."""
    data = zipped(tmp_path / "liar.zip", {"dots/a.png": bytes(2**20)}).read_bytes()
    (tmp_path / "liar.zip").write_bytes(
        data.replace((2**20).to_bytes(4, "little"), (9).to_bytes(4, "little"))
    )
    with pytest.raises(InputError, match="damaged"):
        extract(tmp_path / "liar.zip", tmp_path / "out")
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.png")) <= 9


def test_names_with_backslashes_are_paths(tmp_path: Path) -> None:
    extract(zipped(tmp_path / "a.zip", {"dots\\a.png": b"x"}), tmp_path / "out")
    assert (tmp_path / "out/dots/a.png").read_bytes() == b"x"
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo(".\\dots\\a.png")
        info.size, info.mode, info.uid = 1, 0o4777, 12345
        archive.addfile(info, io.BytesIO(b"x"))
    extract(tmp_path / "a.tar", tmp_path / "tar")
    assert (tmp_path / "tar/dots/a.png").stat().st_mode & 0o7022 == 0
