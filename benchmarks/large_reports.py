"""How large and how slow a report of many classes is: ``python -m benchmarks.large_reports 100 300``.

The audit is made by repeating the classes of a small one under other names, pictures included.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pypdf import PdfReader

from auditor.records import Audit
from auditor.report import render_format
from auditor.store.directory import read_audit
from benchmarks.timed import timed

FORMATS = ("html", "pdf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one row for each number of classes and format."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_reports", description=__doc__)
    parser.add_argument("audit", type=Path, help="directory of a small audit")
    parser.add_argument("classes", type=int, nargs="+")
    parser.add_argument("--format", choices=FORMATS, help="one format, in this process")
    parser.set_defaults(run=_run)
    return timed("benchmarks.large_reports", parser.parse_args(arguments))


def _run(asked: argparse.Namespace) -> None:
    if asked.format:
        _row(asked.audit, asked.classes[0], asked.format)
        return
    print("| classes | format | MB | pages | s | peak MB |\n|---|---|---|---|---|---|", flush=True)
    for count in asked.classes:
        for name in FORMATS:
            # A process each, so that the peak of memory is its own.
            command = [sys.executable, "-m", "benchmarks.large_reports", str(asked.audit), str(count)]
            done = subprocess.run([*command, "--format", name], capture_output=True, text=True, check=True)
            print(done.stdout.splitlines()[0], flush=True)


def _row(directory: Path, count: int, name: str) -> None:
    audit = repeated(read_audit(directory), count)
    started = time.perf_counter()
    made = render_format(audit, directory, name=name)
    seconds = time.perf_counter() - started
    content = made.encode() if isinstance(made, str) else made
    pages = len(PdfReader(io.BytesIO(content)).pages) if name == "pdf" else ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"| {count} | {name} | {len(content) / 1e6:.1f} | {pages} | {seconds:.0f} | {peak} |")


def repeated(audit: Audit, count: int) -> Audit:
    """The audit with its classes repeated under other names and indices."""
    classes, findings = [], []
    for i in range(count):
        one = audit.classes[i % len(audit.classes)]
        name = {"class_index": 100_000 + i, "class_name": f"{one.name} {i}"}
        classes.append(one.model_copy(update={"index": 100_000 + i, "name": name["class_name"]}))
        findings += [f.model_copy(update=name) for f in audit.of_class(one.index)]
    return audit.model_copy(update={"classes": classes, "findings": findings})


if __name__ == "__main__":
    sys.exit(main())
