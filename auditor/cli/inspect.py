"""``auditor inspect``: what is in a checkpoint, and the command that audits it."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.flags import SourceFlags, with_source_flags
from auditor.cli.text import show_lines

if TYPE_CHECKING:
    from auditor.models.inspect import Inspection
    from auditor.models.loaded import LoadedModel

WIDTH, INDENT = 100, 15
SHOWN = 8
NOTHING_FITS = 2


@with_source_flags
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="A checkpoint, or a folder of one.")],
    source: SourceFlags,
) -> int:
    """Say what is in a checkpoint, which architecture fits, and what an audit of it would assume.

    The first thing to do with a network of your own. Ends with the command that audits it.

        auditor inspect model_best.pth.tar
    """
    from auditor.models.inspect import inspect_file

    found = inspect_file(file, source.request())
    show_lines(lines(found, source))
    return 0 if found.chosen else NOTHING_FITS


def lines(found: Inspection, source: SourceFlags) -> Iterator[str]:
    """The printed lines; the command at the end repeats the given flags."""
    from auditor.models.inspect import not_found, size_words

    held = found.checkpoint
    yield from _row("file", f"{held.path} ({held.path.stat().st_size / 1e6:.1f} MB)")
    yield from _row("weights", held.note.removeprefix("weights ") or "the file is a state dict")
    yield from _row("", size_words(held.state))
    if found.stated is not None and found.stated.model is None:
        yield from _row("stated", f"{found.stated.arch}: {found.stated.refused}")
    chosen = found.chosen
    if chosen is None or chosen.model is None:
        yield from _row("architecture", not_found(found))
        return
    yield from _row("architecture", chosen.arch if found.certain else "several fit; name yours with --arch:")
    if not found.certain:
        for number, names in enumerate(found.alike):
            yield from _row("", f"{'another function: ' if number else ''}{', '.join(names)}")
        if found.untried:
            yield from _row("", f"not tried: {', '.join(found.untried)}")
    said = (held.note, f"weights from file {held.path.name}")
    yield from _model(chosen.model, [note for note in chosen.model.notes if note not in said])
    command = ["auditor", "run", "--model", found.spec]
    # A folder of the hub states its architecture; a function of the user's needs none.
    if not source.model_factory and not found.spec.startswith("hf-dir:"):
        command += ["--arch", chosen.arch]
    command += ["--model-factory", source.model_factory] if source.model_factory else []
    command += ["--weights-key", source.weights_key] if source.weights_key else []
    command += ["--model-args", ",".join(source.model_args)] if source.model_args else []
    command += ["--classes", ",".join(_quoted(c.name) for c in chosen.model.labels[:2])]
    yield ""
    if not found.certain:
        yield f"If it was trained as {chosen.arch}:"
    yield "  " + shlex.join(command)


def _model(model: LoadedModel, notes: list[str]) -> Iterator[str]:
    names = [label.name for label in model.labels]
    first = ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")
    yield from _row("classes", f"{len(names)}: {first}")
    size = model.input
    mean, std = (", ".join(f"{v:.4g}" for v in values) for values in (size.mean, size.std))
    yield from _row(
        "images",
        f"{'colour' if size.size[0] == 3 else 'grey'}, {size.size[1]} x {size.size[2]}, "
        f"crop {size.crop:.4g}, {size.interpolation}; mean {mean}; std {std}",
    )
    for number, note in enumerate(notes):
        yield from _row("to know" if number == 0 else "", note)


def _row(name: str, text: str) -> list[str]:
    text, hanging = name.ljust(INDENT) + text, " " * INDENT
    return textwrap.wrap(
        text, WIDTH, subsequent_indent=hanging, break_on_hyphens=False, break_long_words=False
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if "," in name or '"' in name else name
