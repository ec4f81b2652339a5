"""A small Hugging Face hub on loopback that serves FairFace in its real layout, with made-up pictures."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets

from auditor.banks.fetch.fairface import REPOSITORY, REVISION
from tests.bank_data import picture
from tests.unit.test_bank_fetch import Handler, Server

AGES = ["0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"]
GENDERS = ["Male", "Female"]
RACES = [
    *("East Asian", "Indian", "Black", "White"),
    *("Middle Eastern", "Latino_Hispanic", "Southeast Asian"),
]
GROUPS = [(gender, race) for race in range(len(RACES)) for gender in range(len(GENDERS))]
VALIDATION = "validation-00000-of-00001-951dbd63c8724ee1.parquet"
TRAIN = ("train-00000-of-00002-d405faba4f4b9b85.parquet", "train-00001-of-00002-dd3cb68164727418.parquet")
FEATURES = datasets.Features(
    {
        "image": datasets.Image(),
        "age": datasets.ClassLabel(names=AGES),
        "gender": datasets.ClassLabel(names=GENDERS),
        "race": datasets.ClassLabel(names=RACES),
        "service_test": datasets.Value("bool"),
    }
)


class Hub(Server):
    """Lists the files, redirects to where they lie as the hub does, and notes what was asked for.

    ``stall_after`` sends so many bytes of a file and then nothing more, until ``go_on`` is set.
    """

    stall_after: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = HubHandler
        self.asked: list[tuple[str, str | None]] = []
        self.stalled, self.go_on = threading.Event(), threading.Event()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def hold(self, name: str, content: bytes) -> None:
        """Serve a file of the folder 0.25; the listing follows."""
        self.files[f"/cdn/{name}"] = content
        self.files[LISTING] = json.dumps(
            [
                {
                    "type": "file",
                    "oid": hashlib.sha1(data).hexdigest(),  # noqa: S324
                    "size": len(data),
                    "lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 133},
                    "path": f"0.25/{path.removeprefix('/cdn/')}",
                }
                for path, data in sorted(self.files.items())
                if path.startswith("/cdn/")
            ]
        ).encode()

    def downloads(self) -> list[tuple[str, str | None]]:
        """Names of the files that were sent, each with the range that was asked for."""
        return [(path.removeprefix("/cdn/"), span) for path, span in self.asked if path.startswith("/cdn/")]


LISTING = f"/api/datasets/{REPOSITORY}/tree/{REVISION}/0.25"
RESOLVE = f"/datasets/{REPOSITORY}/resolve/{REVISION}/0.25/"


class HubHandler(Handler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Hub)
        server.asked.append((self.path, self.headers.get("Range")))
        if self.path.startswith(RESOLVE) and server.status == 200:
            self.send_response(302)
            self.send_header("Location", f"/cdn/{self.path.removeprefix(RESOLVE)}")
            self.end_headers()
        elif server.stall_after is not None and self.path.startswith("/cdn/"):
            content = server.files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: server.stall_after])
            self.wfile.flush()
            server.stalled.set()
            server.go_on.wait(60)
        elif self.path in server.files or server.status != 200:
            super().do_GET()
        else:
            self.send_error(404)


def shard(path: Path, *, adults: int, minors: int, first: int) -> bytes:
    """A Parquet file as ``datasets`` writes it: so many images of each group."""
    rows: list[tuple[int, int, int]] = []
    for gender, race in GROUPS:
        rows += [(3 + n % 6, gender, race) for n in range(adults)]
        rows += [(n % 3, gender, race) for n in range(minors)]
    made = path.with_suffix(".jpg")
    images = [
        {"bytes": picture(made, first + n, size=224, quality=95).read_bytes(), "path": None}
        for n in range(len(rows))
    ]
    ages, genders, races = (list(column) for column in zip(*rows, strict=True))
    columns = {"image": images, "age": ages, "gender": genders, "race": races}
    columns["service_test"] = [False] * len(rows)
    datasets.Dataset.from_dict(columns, features=FEATURES).to_parquet(path)
    made.unlink()
    return path.read_bytes()


def shards(folder: Path) -> dict[str, bytes]:
    """Five adults and a minor of each group to validate with, and two files to train with."""
    return {
        VALIDATION: shard(folder / "v.parquet", adults=5, minors=1, first=0),
        TRAIN[0]: shard(folder / "a.parquet", adults=2, minors=1, first=1000),
        TRAIN[1]: shard(folder / "b.parquet", adults=1, minors=0, first=2000),
    }


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Hub]:
    """The hub while it runs."""
    running = Hub()
    for name, content in files.items():
        running.hold(name, content)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.go_on.set()
        running.shutdown()
        running.server_close()
        thread.join()
