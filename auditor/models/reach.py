"""Whether the Hugging Face hub can be reached: asked once, so that nothing is tried again and again."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from huggingface_hub import constants  # comes with timm

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
