"""``auditor evaluate``: the paper's experiments on the user's model: why an audit of it can be believed."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from auditor.cli.fetching import ACCEPT_TERMS, fetch_lacking
from auditor.cli.flags import GROUPS, WHERE_TO, keyword, parameters, settings_from_flags
from auditor.cli.text import show_lines
from auditor.progress import duration, progress_for
from auditor.settings import EVALUATED, EvaluationSettings, load_settings

if TYPE_CHECKING:
    from auditor.evaluation_records import Evaluation

CONFIG = typer.Option(
    "--config",
    metavar="FILE",
    help="TOML file with any of these settings; a file for `auditor run` serves as well. Flags win.",
    rich_help_panel="What to audit",
)

DESCRIPTION = """Evaluate: how far can audits of this model be believed?

Repeats the experiments of the paper (CVPR 2020) on your model and your photos, with checks that fail if the
method does not work. Leaves a page, a PDF and `evaluation.json`. Interrupted, the same command goes on from
what is finished.

    auditor evaluate -m bundled:efficientnet_lite0 -c zebra --images photos

Only some of the experiments:

    auditor evaluate -m timm:resnet50 -c zebra --images photos --steps attack
"""


def _groups() -> dict[str, tuple[str, ...]]:
    """The headings of ``auditor run --help``, with the settings of an evaluation."""
    chosen = {title: tuple(name for name in group if name in EVALUATED) for title, group in GROUPS.items()}
    chosen["What to audit"] += ("steps", "seeds", "judge")
    chosen[WHERE_TO] += ("evaluation_formats",)
    return {title: group for title, group in chosen.items() if group}


def _with_flags() -> Any:
    def evaluate(*, config: Path | None, accept_terms: bool | None, **flags: Any) -> int:
        from auditor.cli.run import refuse_skipped

        settings = load_settings(config, settings_from_flags(flags), EvaluationSettings)
        from auditor.audit.request import check_all
        from auditor.evaluate import run_evaluation

        check_all(settings)  # before anything is fetched
        fetch_lacking(settings.banks, accept_terms=bool(accept_terms))
        found = run_evaluation(settings, progress=progress_for(sys.stderr))
        show_lines(summary(found, settings))
        if settings.strict:
            skips = [*found.skipped, *(skip for one in found.experiments for skip in one.skipped)]
            refuse_skipped([f"{skip.what}: {skip.reason}" for skip in skips])
        return 0

    evaluate.__doc__ = DESCRIPTION
    every = [keyword("config", Path, CONFIG), *parameters(_groups(), EvaluationSettings)]
    place = next(i for i, parameter in enumerate(every) if parameter.name == "banks")
    every.insert(place + 1, keyword("accept_terms", bool, ACCEPT_TERMS))
    evaluate.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    evaluate.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
    return evaluate


def summary(evaluation: Evaluation, settings: EvaluationSettings) -> list[str]:
    """What a person at the terminal wants to know: every question with its answer, and where the page is."""
    from auditor.report.formats.evaluation import PAGES
    from auditor.report.view.evaluation import build_evaluation_view

    view = build_evaluation_view(evaluation)
    lines = [view.headline]
    for one in view.experiments:
        lines.append(f"{one.title} ({one.source})")
        lines += [f"  {a.word.text:9} {a.question} {a.sentence}" for a in one.answers]
        lines += [f"  skipped   {skip.what}: {skip.reason}" for skip in one.skipped]
    lines += [f"skipped: {skip.what}: {skip.reason}" for skip in view.skipped]
    lines.append(f"done in {duration(evaluation.duration_s)}")
    lines.extend(f"{name}: {settings.out / PAGES[name]}" for name in settings.evaluation_formats)
    lines.append(f"evaluation: {settings.out / 'evaluation.json'}")
    return lines


evaluate = _with_flags()
