"""``auditor discover``: concepts of a class, found in its own photos, for a bank of one's own."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from auditor.cli.flags import GROUPS, keyword, parameters, settings_from_flags, split
from auditor.cli.text import columns, show_lines
from auditor.errors import InputError
from auditor.progress import progress_for
from auditor.settings import EvaluationSettings, load_settings

if TYPE_CHECKING:
    from auditor.evaluate.discover import Discovered

FLAGS = {
    *("model", "arch", "model_args", "model_factory", "weights_key", "head", "labels", "classes", "images"),
    *("device", "batch_size", "seed", "input_size", "crop", "interpolation", "mean", "std"),
}
SAVE_BANK = typer.Option(
    "--save-bank",
    metavar="DIR",
    help="New folder that receives the concepts as a bank.",
    rich_help_panel="Bank",
)
CLUSTERS = typer.Option(
    "--clusters",
    metavar="NUMBERS",
    help="Concepts to save, by their numbers in the list (1,4,7); by default all.",
    rich_help_panel="Bank",
)

DESCRIPTION = """Discover: which concepts show in photos of a class, and which of them the model goes by?

Cuts the photos that the model recognises into segments, and lists groups of segments that the model sees
alike. The score is the log-scaled probability of the class on the segments of a group, less that on all
others. Chosen groups become a concept bank; say in its `bank.toml` what they show. An audit needs groups from
30 photos or more.

    auditor discover -m bundled:efficientnet_lite0 -c zebra --images photos

    auditor discover -m bundled:efficientnet_lite0 -c zebra --images photos --save-bank parts --clusters 1,4
"""


def _with_flags() -> Any:
    def discover(*, save_bank: Path | None, clusters: str | None, **flags: Any) -> int:
        if clusters is not None and save_bank is None:
            raise InputError("clusters: needed: --save-bank, which says where to save them")
        settings = load_settings(None, settings_from_flags(flags), EvaluationSettings)
        settings = settings.model_copy(update={"steps": ("segments",)})
        from auditor.audit.request import check_all
        from auditor.evaluate.discover import check_new, chosen_of
        from auditor.evaluate.discover import discover as find
        from auditor.evaluate.discover import save_bank as save

        check_all(settings)
        if save_bank is not None:
            check_new(save_bank)
        found, skipped = find(settings, progress=progress_for(sys.stderr))
        show_lines(listed(found))
        show_lines([f"skipped: {skip.what}: {skip.reason}" for skip in skipped])
        if save_bank is not None:
            chosen = chosen_of(found, split(clusters) if clusters else ())
            print(f"\nbank: {save(chosen, save_bank)}")
            print(f"then: auditor banks preview {save_bank}; name the concepts in bank.toml")
        return 0

    discover.__doc__ = DESCRIPTION
    groups = {title: tuple(name for name in group if name in FLAGS) for title, group in GROUPS.items()}
    groups = {title: group for title, group in groups.items() if group}
    every = [keyword("save_bank", Path, SAVE_BANK), keyword("clusters", str, CLUSTERS)]
    every = [*parameters(groups, EvaluationSettings), *every]
    discover.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    discover.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
    return discover


def listed(found: list[Discovered]) -> list[str]:
    """The table of concepts."""
    rows = [
        (str(one.number), one.label.name, f"{one.score:+.2f}", str(len(one.segments)), str(one.photos))
        for one in found
    ]
    return list(columns(("number", "class", "score", "segments", "photos"), rows))


discover = _with_flags()
