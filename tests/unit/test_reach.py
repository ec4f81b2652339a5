"""Without a network: one line at once. Sockets are refused to every test (tests/conftest.py)."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from auditor.cli import main
from auditor.models import Request, load_model
from auditor.models.reach import hub_at_once


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
    from auditor.errors import InputError
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
