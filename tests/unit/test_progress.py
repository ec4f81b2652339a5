"""Progress: bars on a terminal, plain lines in a log, nothing for nobody."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from auditor.progress import Log, Progress, Terminal, Timed, duration, progress_for, silent


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_has_a_line_for_start_end_and_every_interval() -> None:
    stream, clock = io.StringIO(), Clock()
    log = Log(stream, interval=10, clock=clock)
    with log.stage("zebra"), log.stage("occluder", total=10) as stage:
        for _ in range(10):
            clock.now += 4
            stage.advance()
        log.note("kept")
    lines = [line[9:] for line in stream.getvalue().splitlines()]
    assert lines == [
        "zebra",
        "zebra: occluder",
        "zebra: occluder: 3 of 10, 28 s left",
        "zebra: occluder: 6 of 10, 16 s left",
        "zebra: occluder: 9 of 10, 4.0 s left",
        "kept",
        "zebra: occluder: done in 40 s",
        "zebra: done in 40 s",
    ]
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in stream.getvalue().splitlines())


def test_a_log_of_unknown_length_counts() -> None:
    stream, clock = io.StringIO(), Clock()
    with Log(stream, interval=1, clock=clock).stage("images") as stage:
        clock.now = 5
        stage.advance(3)
    assert "images: 3 done\n" in stream.getvalue()


def test_a_stage_that_fails_is_not_said_to_be_done_and_is_closed() -> None:
    stream = io.StringIO()
    log = Log(stream)
    with pytest.raises(ValueError, match="broken"), log.stage("zebra"):
        raise ValueError("broken")
    with log.stage("apron"):
        pass
    assert [line[9:] for line in stream.getvalue().splitlines()] == ["zebra", "apron", "apron: done in 0.0 s"]


def test_a_terminal_shows_the_stage_and_leaves_one_line_for_it() -> None:
    stream = io.StringIO()
    terminal = Terminal(Console(file=stream, force_terminal=True, width=100, color_system=None))
    with terminal.stage("class [zebra]", total=2) as stage:
        stage.advance()
        with terminal.stage("occluder", total=1) as inner:
            inner.advance()
        stage.advance()
        terminal.note("dropped [3] images")
    shown = stream.getvalue()
    assert "class [zebra]" in shown, "square brackets are not markup"
    assert "occluder" in shown
    assert "dropped [3] images" in shown
    assert shown.count("✓") == 1


def test_a_terminal_puts_the_bars_away_when_a_stage_fails() -> None:
    stream = io.StringIO()
    terminal = Terminal(Console(file=stream, force_terminal=True))
    with pytest.raises(KeyboardInterrupt), terminal.stage("zebra"):
        raise KeyboardInterrupt
    assert stream.getvalue().rstrip("\r").endswith("\x1b[2K\x1b[?25h"), (
        "the cursor is shown again, the bar is gone"
    )


def test_the_stream_decides() -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(progress_for(io.StringIO()), Log)
    assert isinstance(progress_for(Tty()), Terminal)


def test_what_kinds_of_stages_take_is_summed_up() -> None:
    stream, clock = io.StringIO(), Clock()
    timed = Timed(Log(stream, clock=clock), clock=clock)
    for name, seconds in (("zebra: images", 4), ("zebra: occluders", 30), ("web: images", 5), ("report", 61)):
        with timed.stage(name), timed.stage("part of it"):
            clock.now += seconds
    with pytest.raises(ZeroDivisionError), timed.stage("report"):
        clock.now += 1 / (clock.now - clock.now)
    assert timed.seconds == {"images": 9, "occluders": 30, "report": 61}
    timed.sum_up(104)
    assert [line[9:] for line in stream.getvalue().splitlines()[-4:]] == [
        "       9.0 s  images",
        "        30 s  occluders",
        "  1 min 01 s  report",
        "       4.0 s  everything else",
    ]


def test_silent_tells_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    progress: Progress = silent
    with progress.stage("zebra", 3) as stage:
        stage.advance()
        progress.note("x")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (60, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said
