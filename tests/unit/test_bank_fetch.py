"""Fetching from a server on loopback: consent, resume, checksums, a broken transfer, a full disk."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import threading
from collections import namedtuple
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import pytest

from auditor import transfer
from auditor.banks.fetch.run import REMOTES, ConsentError, Remote, fetch_bank, terms_of
from auditor.banks.importing.run import Imported
from auditor.errors import AuditorError, InputError, StorageError
from auditor.transfer import RemoteFile, download
from tests.bank_data import picture


class Server(ThreadingHTTPServer):
    """Serves ``files`` by path, else ``content``, and notes the ``ranges`` that were asked for.

    ``break_after`` cuts answers off, those of paths that end in ``broken``.
    """

    content = b""
    break_after: int | None = None
    broken = ""
    status = 200
    allows_ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        self.files: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/dtd.tar.gz"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.allows_ranges else 0
        content = server.files.get(self.path, server.content)
        if start and start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.break_after] if self.path.endswith(server.broken) else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "dtd"
    for i in range(6):
        name = "banded" if i % 2 else "dotted"
        picture(root / "images" / name / f"{name}_{i:04d}.jpg", i)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(root, arcname="dtd")
    shutil.rmtree(root)
    running = Server()
    running.content = buffer.getvalue()
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def known(server: Server, *, md5: str = "") -> AbstractContextManager[object]:
    """Inside the block, the server has the set ``dtd``."""
    file = RemoteFile(server.url, "dtd.tar.gz", md5 or hashlib.md5(server.content).hexdigest())  # noqa: S324
    return mock.patch.dict(REMOTES, dtd=Remote("Textures", "research", "cite", (file,)))


def get(server: Server, tmp_path: Path, *, md5: str = "", accepted: bool = True) -> Imported:
    with known(server, md5=md5):
        return fetch_bank("dtd", accepted=accepted, into=tmp_path / "banks", downloads=tmp_path / "down")


def test_fetched_checked_and_imported(server: Server, tmp_path: Path) -> None:
    found = get(server, tmp_path)
    assert dict(found.counts()["concept"]) == {"dotted": 3, "banded": 3}
    assert list((tmp_path / "down").iterdir()) == []
    assert all((found.lock.folder(found.folder) / i.file).is_file() for i in found.lock.images)


def test_terms_are_shown_and_must_be_accepted(server: Server, tmp_path: Path) -> None:
    with known(server):
        text = "\n".join(terms_of("dtd"))
    assert "licence: research" in text
    assert server.url in text
    with pytest.raises(ConsentError, match="have to be accepted first"):
        get(server, tmp_path, accepted=False)
    assert server.ranges == []  # not a byte was asked for


def test_a_broken_transfer_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.break_after = 1000
    with pytest.raises(AuditorError, match="broke off"):
        get(server, tmp_path)
    assert (tmp_path / "down/dtd.tar.gz.part").stat().st_size == 1000
    assert not (tmp_path / "banks").exists()
    server.break_after = None
    assert len(get(server, tmp_path).lock.images) == 6
    assert server.ranges == [None, "bytes=1000-"]


def test_a_server_that_cannot_resume_starts_again(server: Server, tmp_path: Path) -> None:
    server.break_after, server.allows_ranges = 1000, False
    with pytest.raises(AuditorError, match="broke off"):
        get(server, tmp_path)
    server.break_after = None
    assert len(get(server, tmp_path).lock.images) == 6


def test_a_whole_part_needs_no_more_bytes(server: Server, tmp_path: Path) -> None:
    (tmp_path / "down").mkdir()
    (tmp_path / "down/dtd.tar.gz.part").write_bytes(server.content)
    assert len(get(server, tmp_path).lock.images) == 6


def test_wrong_checksum(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"md5 is .*, need 0000.*; deleted, fetch it again"):
        get(server, tmp_path, md5="0" * 32)
    assert list((tmp_path / "down").iterdir()) == []
    assert not (tmp_path / "banks").exists()


def test_full_disk_is_said_before_anything_is_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage(100, 90, 10))
    with pytest.raises(StorageError, match="10 bytes free, need"):
        get(server, tmp_path)
    assert not (tmp_path / "down/dtd.tar.gz.part").exists()


def test_disk_that_fills_up_keeps_what_came(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transfer, "_copy", full)
    with pytest.raises(StorageError, match=r"disk full while fetching 'dtd.tar.gz'"):
        get(server, tmp_path)


def test_refusing_and_absent_server(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(AuditorError, match="the server answered 404"):
        get(server, tmp_path)
    closed = RemoteFile("http://127.0.0.1:9/x", "x", "")
    with pytest.raises(AuditorError, match="cannot be reached"):
        download(closed, tmp_path)
    with pytest.raises(InputError, match="need an http or https address"):
        download(RemoteFile("file:///etc/passwd", "x", ""), tmp_path)


def test_unknown_set() -> None:
    with pytest.raises(
        InputError, match="'utkface': cannot be fetched, need one of celeba, dtd, fairface, lfw"
    ):
        terms_of("utkface")
