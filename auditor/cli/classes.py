"""``auditor classes``: which classes a model knows, and what ``--classes`` may call them."""

from __future__ import annotations

from typing import Annotated

import typer

from auditor.cli.flags import ArchFlag, LabelsFlag, ModelArgument
from auditor.cli.text import columns
from auditor.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(classes)


def classes(
    model: ModelArgument,
    query: Annotated[
        str | None, typer.Argument(help="Part of a name, a synset or an index; without it all classes.")
    ] = None,
    arch: ArchFlag = None,
    labels: LabelsFlag = None,
) -> None:
    """List the classes of a model: index, synset, names. Any of the three works for `--classes`.

    auditor classes bundled:efficientnet_lite0 spider
    """
    from auditor.models import load_model
    from auditor.models.labels import search

    loaded = load_model(model, arch=arch, labels=labels)
    found = list(loaded.labels) if query is None else search(loaded.labels, query)
    if not found:
        raise InputError(f"classes of '{model}': none is like '{query}', needed part of one of its names")
    rows = [(label.index, label.synset or "-", ", ".join(label.aliases or (label.name,))) for label in found]
    for line in columns(("index", "synset", "names"), rows):
        print(line)
