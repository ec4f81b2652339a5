"""Fetching face sets in their real layouts: several files, files without checksum, sets of libraries."""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
import tarfile
import types
import zipfile
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from unittest import mock
from urllib.request import urlopen

import pytest

from auditor import transfer
from auditor.banks.fetch.run import REMOTES, Remote, fetch_bank, terms_of
from auditor.banks.importing.run import Imported
from auditor.errors import AuditorError, InputError, StorageError
from auditor.models.torchvision_import import prepare_torchvision
from auditor.transfer import RemoteFile
from tests.bank_data import picture
from tests.unit.test_bank_fetch import Server, server

__all__ = ["server"]  # the fixture

ATTRIBUTES = """# LFW Attributes, made up
#\tperson\timagenum\tMale\tAsian\tWhite\tBlack\tChild
Ann Lee\t1\t-1.2\t0.4\t-1.0\t-2.0\t-1.0
Bo Kay\t1\t2.0\t-1.0\t1.5\t0.2\t-1.0
"""


def jpeg(seed: int, folder: Path) -> bytes:
    return picture(folder / "made-up.jpg", seed).read_bytes()


@pytest.fixture
def lfw(server: Server, tmp_path: Path) -> Server:
    """The server with LFW's two files, the archive laid out as the real one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for seed, person in enumerate(("Ann_Lee", "Bo_Kay")):
            data = jpeg(seed, tmp_path / "made")
            member = tarfile.TarInfo(f"lfw_funneled/{person}/{person}_0001.jpg")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    shutil.rmtree(tmp_path / "made")
    server.files = {"/lfw.tgz": buffer.getvalue(), "/lfw_attributes.txt": ATTRIBUTES.encode()}
    return server


def remote_lfw(lfw: Server) -> dict[str, Remote]:
    base = lfw.url.rpartition("/")[0]
    sha256 = hashlib.sha256(lfw.files["/lfw.tgz"]).hexdigest()
    files = (
        RemoteFile(f"{base}/lfw.tgz", "lfw-funneled.tgz", sha256=sha256),
        RemoteFile(f"{base}/lfw_attributes.txt", "lfw_attributes.txt"),
    )
    return {"lfw": replace(REMOTES["lfw"], files=files)}


def get(remotes: dict[str, Remote], tmp_path: Path, name: str = "lfw") -> Imported:
    with mock.patch.dict(REMOTES, remotes):
        return fetch_bank(name, accepted=True, into=tmp_path / "banks", downloads=tmp_path / "down")


def test_lfw_with_its_attributes(lfw: Server, tmp_path: Path) -> None:
    found = get(remote_lfw(lfw), tmp_path)
    assert dict(found.counts()["gender"]) == {"woman": 1, "man": 1}
    assert (found.folder / "images/lfw_attributes.txt").read_text() == ATTRIBUTES
    assert found.lock.root == "images"  # all of it in the bank, nothing left in the cache but the record
    assert [path.name for path in (tmp_path / "down").iterdir()] == ["lfw_attributes.txt.sha256"]


def test_no_checksum_is_invented(lfw: Server, tmp_path: Path) -> None:
    told = "checksum of lfw_attributes.txt: none is published; the first download is recorded"
    assert [line for line in terms_of("lfw") if line.startswith(told)]
    assert not any("checksum of lfw-funneled" in line for line in terms_of("lfw"))
    get(remote_lfw(lfw), tmp_path)
    record = tmp_path / "down/lfw_attributes.txt.sha256"
    assert record.read_text().strip() == hashlib.sha256(ATTRIBUTES.encode()).hexdigest()
    lock = (tmp_path / "banks/lfw/bank.lock.json").read_bytes()
    get(remote_lfw(lfw), tmp_path)  # the same again
    lfw.files["/lfw_attributes.txt"] += b"Cy Dee\t1\t1.0\t0.4\t-1.0\t-2.0\t-1.0\n"
    with pytest.raises(
        InputError, match=r"sha256 is .*, was .* when first fetched; deleted.*delete '.*\.sha256'"
    ):
        get(remote_lfw(lfw), tmp_path)
    assert not (tmp_path / "down/lfw_attributes.txt.part").exists()
    assert (tmp_path / "banks/lfw/bank.lock.json").read_bytes() == lock


def test_lfw_wrong_checksum_of_the_archive(lfw: Server, tmp_path: Path) -> None:
    known = remote_lfw(lfw)
    lfw.files["/lfw.tgz"] += b"changed on the way"
    with pytest.raises(InputError, match=r"lfw\.tgz': sha256 is .*, need .*; deleted, fetch it again"):
        get(known, tmp_path)
    assert not (tmp_path / "banks").exists()


def test_lfw_broken_in_its_second_file(lfw: Server, tmp_path: Path) -> None:
    lfw.break_after, lfw.broken = 60, "lfw_attributes.txt"
    with pytest.raises(AuditorError, match="broke off at 60"):
        get(remote_lfw(lfw), tmp_path)
    assert not (tmp_path / "banks").exists()
    lfw.break_after = None
    assert len(get(remote_lfw(lfw), tmp_path).lock.images) == 2
    assert lfw.ranges == [None, None, "bytes=60-"]  # the archive had come already


def test_lfw_full_disk(lfw: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage(100, 90, 10))
    with pytest.raises(StorageError, match="10 bytes free, need"):
        get(remote_lfw(lfw), tmp_path)
    assert not (tmp_path / "banks").exists()


@pytest.fixture
def celeba(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The real torchvision class's list of files, with a small set on the server in Google Drive's place."""
    prepare_torchvision()
    from torchvision.datasets import CelebA

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i in range(4):
            archive.writestr(f"img_align_celeba/{i:06d}.jpg", jpeg(i, tmp_path / "made"))
    rows = [f"{i:06d}.jpg {1 if i % 2 else -1:2d}  1" for i in range(4)]
    server.files = {
        "/img_align_celeba.zip": buffer.getvalue(),
        "/list_attr_celeba.txt": "\n".join(["4", "Male Young", *rows]).encode(),
        "/identity_CelebA.txt": "\n".join(f"{i:06d}.jpg {2880 + i // 2}" for i in range(4)).encode(),
    }
    asked = {name: drive_id for drive_id, _, name in CelebA.file_list}
    listed = [
        (asked[name], hashlib.md5(server.files["/" + name]).hexdigest(), name)  # noqa: S324
        for name in ("img_align_celeba.zip", "list_attr_celeba.txt", "identity_CelebA.txt")
    ]
    monkeypatch.setattr(CelebA, "file_list", listed)
    base = server.url.rpartition("/")[0]
    by_id = {drive_id: name for drive_id, _, name in listed}

    def download(*, id: str, output: str, **_: object) -> None:
        with urlopen(f"{base}/{by_id[id]}") as response:  # noqa: S310
            Path(output).write_bytes(response.read())

    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(download=download))
    return server


def small(name: str) -> dict[str, Remote]:
    return {name: replace(REMOTES[name], size_bytes=0)}


def test_celeba_through_torchvision(celeba: Server, tmp_path: Path) -> None:
    found = get(small("celeba"), tmp_path, "celeba")
    assert dict(found.counts()["gender"]) == {"man": 2, "woman": 2}
    assert found.lock.root == "images"
    assert [i.covariates["cluster"] for i in found.lock.images] == ["2880", "2880", "2881", "2881"]
    assert list((tmp_path / "down/celeba").iterdir()) == []


def test_celeba_wrong_checksum_and_broken_transfer(celeba: Server, tmp_path: Path) -> None:
    whole = celeba.files["/img_align_celeba.zip"]
    celeba.files["/img_align_celeba.zip"] = whole + b"more"
    said = r"torchvision could not download img_align_celeba\.zip \(File not found or corrupted"
    with pytest.raises(AuditorError, match=said):
        get(small("celeba"), tmp_path, "celeba")
    celeba.break_after = 100
    with pytest.raises(AuditorError, match="could not download img_align_celeba"):
        get(small("celeba"), tmp_path, "celeba")
    assert not (tmp_path / "banks").exists()
    celeba.break_after, celeba.files["/img_align_celeba.zip"] = None, whole
    assert len(get(small("celeba"), tmp_path, "celeba").lock.images) == 4


def test_celeba_full_disk(celeba: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(download=full))
    with pytest.raises(StorageError, match="disk full while fetching 'celeba'"):
        get(small("celeba"), tmp_path, "celeba")


def test_celeba_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(AuditorError, match="pip install gdown"):
        get(small("celeba"), tmp_path, "celeba")
