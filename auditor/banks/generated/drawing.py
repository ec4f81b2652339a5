"""Draws many pictures: in processes of their own, as many as there are processors, or here if they are few.

The processes are not the standard library's: those would run the user's script again on macOS, and threads
would wait for each other, since most steps of a drawing are short.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.banks.generated.textures import render
from auditor.files import write_bytes

MOST_PROCESSES = 8
FEWEST_EACH = 16
"""Pictures that repay the start of a process, about a second."""

Which = tuple[str, int]
"""Texture and index."""


@dataclass(frozen=True)
class Drawing:
    """Where the pictures go and what all of them share."""

    root: str
    seed: int
    size: int

    def make(self, which: Which) -> str:
        """Draw a picture into its file; returns its checksum.

        Raises:
            StorageError: The file cannot be written.
        """
        name, index = which
        pixels = render(name, index=index, seed=self.seed, size=self.size)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        write(f"{self.root}/{name}/{index:03d}.png", buffer.getvalue())
        return checksum(pixels)


def draw_all(drawing: Drawing, wanted: Sequence[Which]) -> Generator[str, None, None]:
    """Draw the pictures; yields the checksum of each, in order.

    Raises:
        StorageError: A file cannot be written.
    """
    count = min(processors(), MOST_PROCESSES, len(wanted) // FEWEST_EACH)
    if count < 2:
        yield from map(drawing.make, wanted)
        return
    with ExitStack() as stack:
        free: queue.SimpleQueue[_Painter] = queue.SimpleQueue()
        for _ in range(count):
            painter = _Painter(drawing)
            stack.callback(painter.stop)
            free.put(painter)

        def make(which: Which) -> str:
            painter = free.get()
            try:
                return painter.make(which)
            finally:
                free.put(painter)

        pool = ThreadPoolExecutor(count)
        stack.callback(pool.shutdown, cancel_futures=True)  # runs before the painters are stopped
        yield from pool.map(make, wanted)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checksum(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of a picture's pixels, in hex."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file of the cache.

    Raises:
        StorageError: It cannot be written.
    """
    write_bytes(Path(path), data, advice="name another cache with AUDITOR_CACHE")


class _Painter:
    """A process that draws one picture after another; where it fails, the picture is drawn here."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        # One thread each: the processes share the processors out among themselves.
        one = dict.fromkeys(_THREADS, "1")
        command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"]
        self._process: subprocess.Popen[str] | None = None
        with suppress(OSError):
            self._process = subprocess.Popen(
                [*command, json.dumps(asdict(drawing))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, **one, "PYTHONPATH": os.pathsep.join(sys.path)},
            )

    def make(self, which: Which) -> str:
        """As :meth:`Drawing.make`."""
        return self._asked(which) or self._drawing.make(which)

    def _asked(self, which: Which) -> str:
        """The checksum that the process answers with; empty if it is gone."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return ""
        try:
            process.stdin.write(json.dumps(which) + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()
        except OSError:
            return ""

    def stop(self) -> None:
        """End the process once its picture is done."""
        if self._process is not None:
            with suppress(OSError):
                self._process.communicate()


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def serve() -> None:
    """What such a process does: reads which picture, draws it, answers with its checksum."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which closes the input
    drawing = Drawing(**json.loads(sys.argv[1]))
    for line in sys.stdin:
        print(drawing.make(json.loads(line)), flush=True)
