"""``auditor classes``: the classes of a model, and their names for ``--classes``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.flags import LabelsFlag, ModelArgument, SourceFlags, with_source_flags
from auditor.cli.text import columns, show_lines
from auditor.errors import InputError

if TYPE_CHECKING:
    from auditor.models import ClassLabel


def _names(label: ClassLabel) -> str:
    """All names of the class, or its name alone if that has commas."""
    return label.name if "," in label.name else ", ".join(label.aliases or (label.name,))


@with_source_flags
def classes(
    model: ModelArgument,
    query: Annotated[
        str | None, typer.Argument(help="Part of a name, a synset or an index; without it all classes.")
    ] = None,
    *,
    source: SourceFlags,
    labels: LabelsFlag = None,
) -> None:
    """List the classes of a model: index, synset, names. Any of the three works for `--classes`.

    Weights are not fetched.

    auditor classes bundled:efficientnet_lite0 spider
    """
    from auditor.models import load_structure
    from auditor.models.find import holding, no_class

    loaded = load_structure(model, request=source.request(), labels=labels)
    found = list(loaded.labels) if query is None else holding(loaded.labels, query)
    if query is not None and not found:
        raise InputError(
            f"classes of '{model}': {no_class(loaded.labels, query)}; all: auditor classes {model}"
        )
    rows = [(label.index, label.synset or "-", _names(label)) for label in found]
    show_lines(columns(("index", "synset", "names"), rows))
