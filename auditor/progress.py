"""Progress of the pipeline: shown on a terminal, written to a log, or not at all.

The pipeline knows only :class:`Progress`; which of the three it is talking to is decided by the
command line (:func:`progress_for`). Nothing here imports torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text


class Stage(Protocol):
    """A piece of work that is under way."""

    def advance(self, n: int = 1) -> None:
        """Say that ``n`` more of the stage's steps are done."""


class Progress(Protocol):
    """Somebody to tell what is being done."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[Stage]:
        """Open a stage of ``total`` steps (``None``: not known); stages may be nested."""

    def note(self, text: str) -> None:
        """Say something that a reader should see once: what was resumed, skipped or decided."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Stage]:
        """Open a stage without showing it."""
        yield self

    def advance(self, n: int = 1) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


silent: Progress = Silent()


class Timed:
    """Passes everything on, and adds up what the outermost stages take."""

    def __init__(self, told: Progress, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._told = told
        self._clock = clock
        self._depth = 0
        self.seconds: dict[str, float] = {}
        """Kind of stage to its duration: ``zebra: occluders`` counts as ``occluders``."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Stage]:
        """Open the stage where it is told."""
        started = self._clock()
        self._depth += 1
        try:
            with self._told.stage(name, total) as stage:
                yield stage
        finally:
            self._depth -= 1
            if self._depth == 0:
                kind = name.rpartition(": ")[2]
                self.seconds[kind] = self.seconds.get(kind, 0.0) + self._clock() - started

    def note(self, text: str) -> None:
        """Pass it on."""
        self._told.note(text)

    def sum_up(self, total: float) -> None:
        """Say what each kind of stage took, and what lay between them, of ``total`` seconds."""
        rest = total - sum(self.seconds.values())
        for kind, seconds in {**self.seconds, "everything else": max(rest, 0.0)}.items():
            self.note(f"{duration(seconds):>12}  {kind}")


class Terminal:
    """Bars with the stage and the time left; a finished stage leaves one line with its duration."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Bars | None = None
        self._depth = 0

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Stage]:
        """Show a bar for the stage until it ends."""
        bars = self._open()
        indent = "  " * self._depth
        task = bars.add_task(Text(indent + name).markup, total=total)
        self._depth += 1
        started = time.monotonic()

        class Bar:
            def advance(self, n: int = 1) -> None:
                bars.advance(task, n)

        try:
            yield Bar()
            if self._depth == 1:  # nested stages come by the hundred; their parent's line is enough
                self._console.print(Text(f"✓ {name} ({duration(time.monotonic() - started)})", style="green"))
        finally:
            self._depth -= 1
            bars.remove_task(task)
            if self._depth == 0:
                bars.stop()
                self._bars = None

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(Text(f"  {text}"))

    def _open(self) -> Bars:
        if self._bars is None:
            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left:"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bars.start()
        return self._bars


class Log:
    """Plain lines with the time of day: a stage's start and end, and progress every ``interval`` s."""

    def __init__(
        self, stream: TextIO, *, interval: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._interval = interval
        self._clock = clock
        self._open: list[str] = []

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Stage]:
        """Log the stage's start, its advance now and then, and its end."""
        self._open.append(name)
        path = ": ".join(self._open)
        log, started, last, done = self, self._clock(), self._clock(), 0
        self.note(path)

        class Lines:
            def advance(self, n: int = 1) -> None:
                nonlocal last, done
                done += n
                now = log._clock()
                if now - last >= log._interval:
                    last = now
                    log.note(f"{path}: {_position(done, total, now - started)}")

        try:
            yield Lines()
            self.note(f"{path}: done in {duration(self._clock() - started)}")
        finally:
            self._open.pop()

    def note(self, text: str) -> None:
        """Write one line."""
        self._stream.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        self._stream.flush()


def progress_for(stream: TextIO) -> Progress:
    """Bars where ``stream`` is a terminal, plain lines where it is a file or a pipe."""
    console = Console(file=stream)
    return Terminal(console) if console.is_terminal else Log(stream)


def duration(seconds: float) -> str:
    """A duration as people say it: ``0.4 s``, ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _position(done: int, total: int | None, elapsed: float) -> str:
    if not total or not done:
        return f"{done} done"
    left = elapsed / done * max(total - done, 0)
    return f"{done} of {total}, {duration(left)} left"
