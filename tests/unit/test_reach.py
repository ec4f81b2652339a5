"""Without a network: one line at once. Sockets are refused to every test (tests/conftest.py)."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from auditor.cli import main
from auditor.errors import InputError
from auditor.models import Request, load_model
from auditor.models.reach import hub_at_once
from auditor.models.torchvision_import import prepare_torchvision
from auditor.progress import Log


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a machine of a user: the hub may be asked, and nothing was fetched before."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def wait(seconds: float) -> None:
        raise AssertionError(f"waits {seconds} s to try again")

    monkeypatch.setattr(time, "sleep", wait)


@pytest.fixture
def answering() -> Iterator[str]:
    """The address of something that answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("model", ["timm:resnet18", "hf-hub:timm/resnet18.a1_in1k"])
def test_weights_on_a_hub_that_cannot_be_reached_are_refused_in_one_line(
    model: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="huggingface_hub")
    assert main(["run", "-m", model, "-c", "zebra", "--banks", "presentation"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(
        f"error: model '{model}': its pretrained weights could not be had (no connection to "
    )
    assert "huggingface.co" in said
    assert "file:PATH with --arch or bundled:" in said
    assert not caplog.records
    assert constants.HF_HUB_OFFLINE is False


@pytest.mark.parametrize("command", ["classes", "layers"])
def test_classes_and_layers_of_a_model_that_only_the_hub_knows(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "hf-hub:owner/net"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "model 'hf-hub:owner/net': its pretrained weights could not be had (no connection to " in said


def test_random_weights_ask_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: Any, **__: Any) -> None:
        raise AssertionError("asks")

    monkeypatch.setattr(socket, "create_connection", ask)
    assert load_model("timm:test_resnet", request=Request(random_weights=True)).labels


def test_a_data_set_on_a_hub_that_cannot_be_reached() -> None:
    pytest.importorskip("datasets")
    from auditor.images.hub import read_hub
    from auditor.models.loaded import ClassLabel

    with pytest.raises(InputError, match=r"could not be loaded \(no connection to huggingface.co: "):
        list(read_hub("owner/photos", ClassLabel(0, "zebra"), 1000, []))


def test_a_hub_that_answers_is_asked(monkeypatch: pytest.MonkeyPatch, answering: str) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", answering)
    with hub_at_once() as why:
        assert why == ""
        assert constants.HF_HUB_OFFLINE is False


def test_what_answers_behind_a_proxy_is_the_proxy(monkeypatch: pytest.MonkeyPatch, answering: str) -> None:
    monkeypatch.setenv("https_proxy", answering)
    with hub_at_once() as why:
        assert why == ""
    monkeypatch.setenv("no_proxy", "huggingface.co")
    with hub_at_once() as why:
        assert why.startswith("no connection to huggingface.co: ")
    assert constants.HF_HUB_OFFLINE is False


def test_who_asked_to_stay_offline_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with hub_at_once() as why:
        assert why == ""
    assert constants.HF_HUB_OFFLINE is True


class _Weights(BaseHTTPRequestHandler):
    """Answers with ``content``, of which ``sent`` bytes come; counts how often it is asked."""

    content, sent, asked = b"", 0, 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[: self.sent])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[_Weights]]:
    """A server from which torchvision's smallest network comes; the cache is ``tmp_path``."""
    prepare_torchvision()
    import torchvision.models as zoo

    file = io.BytesIO()
    torch.save(zoo.squeezenet1_1(weights=None).state_dict(), file)
    content = file.getvalue()
    answers = type("_Answers", (_Weights,), {"content": content, "sent": len(content), "asked": 0})
    with ThreadingHTTPServer(("127.0.0.1", 0), answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
        url = f"http://127.0.0.1:{server.server_port}/{name}"
        wanted = zoo.SqueezeNet1_1_Weights.IMAGENET1K_V1
        monkeypatch.setattr(wanted, "_value_", dataclasses.replace(wanted.value, url=url))
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
        yield answers
        server.shutdown()


SQUEEZENET = "torchvision:squeezenet1_1"


def test_weights_of_torchvision_that_cannot_be_reached_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert main(["run", "-m", SQUEEZENET, "-c", "zebra", "--banks", "presentation"]) == 2
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith(
        f"error: model '{SQUEEZENET}': its pretrained weights could not be had (no connection to "
        "download.pytorch.org: "
    )
    assert said.out == ""


def test_weights_of_torchvision_come_once_with_our_progress(
    weights: type[_Weights], capsys: pytest.CaptureFixture[str]
) -> None:
    told = io.StringIO()
    for _ in range(2):
        load_model(SQUEEZENET, request=Request(progress=Log(told)))
    assert weights.asked == 1
    first, last = told.getvalue().splitlines()
    assert re.fullmatch(r"[\d:]+ fetching net-[0-9a-f]{8}\.pth", first)
    assert "done in" in last
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("spoilt", [False, True])
def test_weights_of_torchvision_that_do_not_come_whole_leave_nothing(
    spoilt: bool, weights: type[_Weights], tmp_path: Path
) -> None:
    if spoilt:
        weights.content = bytes(len(weights.content))
    else:
        weights.sent //= 2
    with pytest.raises(InputError, match="sha256 is" if spoilt else "broke off") as refused:
        load_model(SQUEEZENET)
    assert "needed: network access to them, or file:PATH with --arch" in str(refused.value)
    assert weights.asked == 1
    assert not list((tmp_path / "checkpoints").iterdir())
