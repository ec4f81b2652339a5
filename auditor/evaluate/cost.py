"""What a piece of work costs: time, and the memory that it adds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RESET = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")


@dataclass
class Cost:
    """Of a piece of work that is done."""

    seconds: float = 0.0
    memory: float | None = None
    """MiB at the peak beyond what the process held before; ``None`` where the system does not tell."""


@contextmanager
def measured() -> Iterator[Cost]:
    """The cost of the block. Blocks must not lie within each other: a new one forgets the peak."""
    cost, held, started = Cost(), _forget_peak(), time.monotonic()
    try:
        yield cost
    finally:
        cost.seconds = time.monotonic() - started
        cost.memory = None if held is None else max(0.0, _resident("VmHWM") - held)


def _forget_peak() -> float | None:
    """Start the kernel's count of this process's peak again; what it holds now, ``None`` if refused."""
    try:
        RESET.write_text("5")
        return _resident("VmRSS")
    except (OSError, ValueError):
        return None


def _resident(name: str) -> float:
    """MiB, by the kernel's name for it."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(name)
