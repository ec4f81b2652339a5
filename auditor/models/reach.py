"""Weights from elsewhere: whether a server can be reached is asked once, nothing is tried again and again."""

from __future__ import annotations

import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import torch
from huggingface_hub import constants  # comes with timm

from auditor.errors import AuditorError
from auditor.progress import Progress
from auditor.transfer import RemoteFile, download

PATIENCE = 5.0
"""Seconds to wait for an answer."""


@contextmanager
def hub_at_once() -> Iterator[str]:
    """Inside the block, a hub that cannot be reached is not asked: only files already here are used.

    Without this, the hub's library tries each file six times, with pauses. Yields why the hub cannot be
    reached; empty where it can, or where its library was told to stay offline.
    """
    if constants.HF_HUB_OFFLINE:
        yield ""
        return
    why = _unreachable(constants.ENDPOINT)
    constants.HF_HUB_OFFLINE = bool(why)
    try:
        yield why
    finally:
        constants.HF_HUB_OFFLINE = False


def fetch_weights(url: str, progress: Progress) -> None:
    """Fetch a file of weights to where ``torch.hub`` looks for it, unless it lies there; one try.

    ``torch.hub`` would print on its own, wait for a silent server for ever, and show no progress of ours.
    What came of a transfer that broke off is deleted.

    Raises:
        AuditorError: Nothing answers, the transfer broke off, or the file is not the one that its name says.
    """
    name = PurePosixPath(urlsplit(url).path).name
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if (folder / name).exists():
        return
    if why := _unreachable(url):
        raise AuditorError(why)
    # The name ends in the beginning of the file's digest: resnet18-f37072fd.pth.
    digest = re.search(r"-([0-9a-f]{8,})\.", name)
    file = RemoteFile(url, name, sha256=digest[1] if digest else "")
    try:
        download(file, folder, progress=progress)
    finally:
        (folder / f"{name}.part").unlink(missing_ok=True)


def _unreachable(address: str) -> str:
    """Why nothing answers there, or at the proxy on the way; empty where something does."""
    url = urlsplit(address)
    proxies, host = urllib.request.getproxies(), url.hostname or ""
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(host):
        url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        port = url.port or {"https": 443, "socks5": 1080, "socks5h": 1080}.get(url.scheme, 80)
        socket.create_connection((url.hostname or "", port), timeout=PATIENCE).close()
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or str(failure)
        return f"no connection to {url.hostname}: {reason}"
    return ""
