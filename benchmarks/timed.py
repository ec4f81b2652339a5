"""How a benchmark of several commands runs one: an error in one line, the time at the end."""

from __future__ import annotations

import argparse
import sys
import time

from auditor.errors import AuditorError


def timed(name: str, asked: argparse.Namespace) -> int:
    """Run ``asked.run(asked)`` and print wall and processor time.

    Args:
        name: Of the benchmark, for errors.
        asked: What the command line asks for.

    Returns:
        0, or the exit status of an error.
    """
    started, busy = time.perf_counter(), time.process_time()
    try:
        asked.run(asked)
    except AuditorError as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return failure.exit_status
    print(f"\n{time.perf_counter() - started:.0f} s, processor {time.process_time() - busy:.0f} s")
    return 0
