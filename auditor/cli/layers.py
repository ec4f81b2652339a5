"""``auditor layers``: the layers of a model that an audit uses, and those that it can use."""

from __future__ import annotations

from typing import Annotated

import typer

from auditor.cli.flags import ModelArgument, SourceFlags, with_source_flags
from auditor.cli.text import columns, show_lines


@with_source_flags
def layers(
    model: ModelArgument,
    patterns: Annotated[
        list[str] | None, typer.Argument(help="Only layers that fit, as for `auditor run --layers`: blocks.*")
    ] = None,
    *,
    source: SourceFlags,
    every: Annotated[
        bool, typer.Option("--all", help="Every layer with feature maps, not only blocks.")
    ] = False,
) -> None:
    """List the layers that an audit of this model uses, with the size of their feature maps.

    Those marked `*` are chosen if `auditor run` is given no `--layers`. Weights are not fetched.

        auditor layers timm:resnet50
    """
    from auditor.models import load_structure
    from auditor.models.layers import all_layers, choose_layers

    loaded = load_structure(model, request=source.request())
    chosen = {layer.name for layer in choose_layers(loaded)}
    if patterns:
        shown = choose_layers(loaded, patterns)
    else:
        shown = all_layers(loaded) if every else choose_layers(loaded)
    rows = [
        ("*" if layer.name in chosen else "", layer.name, layer.channels, layer.height, layer.width)
        for layer in shown
    ]
    show_lines(columns(("", "layer", "channels", "height", "width"), rows))
