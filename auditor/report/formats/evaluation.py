"""An evaluation as a self-contained page and as a PDF."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from markupsafe import Markup

from auditor.evaluation_records import Evaluation
from auditor.files import write_bytes
from auditor.report.charts.evaluation import bars_chart, curves_chart
from auditor.report.charts.style import PRINT, PRINT_WIDTH, SCREEN, SCREEN_WIDTH, Chart, Sheet
from auditor.report.templates import content_policy, rendered, static
from auditor.report.thumbnails import encode
from auditor.report.view.evaluation import ExperimentView, build_evaluation_view
from auditor.store.evaluations import EVALUATION_FILE, evaluation_bytes

PAGES = {"html": "evaluation.html", "pdf": "evaluation.pdf"}
"""Format to file name."""
PICTURE_BUDGET = 3_000_000
"""Bytes of pictures."""
PICTURE_SIDE = 224


def write_evaluation_reports(directory: Path, evaluation: Evaluation, *, formats: Iterable[str]) -> None:
    """Render an evaluation and write the files, each whole or not at all.

    Raises:
        StorageError: A file could not be written.
    """
    for name in dict.fromkeys(formats):
        write_bytes(directory / PAGES[name], RENDERERS[name](evaluation, directory))


def evaluation_html(evaluation: Evaluation, directory: Path) -> bytes:
    """One file that needs nothing else: no network, no script."""
    style = static("report.css") + static("evaluation.css")
    encoded = encode(directory, _paths(evaluation), kind="WEBP", budget=PICTURE_BUDGET, side=PICTURE_SIDE)
    page = _page(
        evaluation,
        Sheet("", SCREEN, SCREEN_WIDTH),
        style=style,
        policy=content_policy(style=style, pictures=True),
        draw=lambda chart: chart.svg,
        sources={path: str(picture.embedded["src"]) for path, picture in encoded.items()},
    )
    return page.encode()


def evaluation_pdf(evaluation: Evaluation, directory: Path) -> bytes:
    """For print and for the file; tagged, with ``evaluation.json`` attached."""
    from auditor.report.formats.pdf import drawn_into, printed, stated_time

    numbers = evaluation_bytes(evaluation)
    encoded = encode(directory, _paths(evaluation), kind="JPEG", budget=PICTURE_BUDGET, side=PICTURE_SIDE)
    sources = {path: f"report:/picture/{place}" for place, path in enumerate(encoded)}
    content = {sources[path]: (picture.data, picture.media_type) for path, picture in encoded.items()}
    page = _page(
        evaluation,
        Sheet("", PRINT, PRINT_WIDTH),
        style="",
        policy="",
        draw=drawn_into(content),
        sources=sources,
    )
    return printed(
        page,
        styles=[static("print.css"), static("evaluation-print.css")],
        content=content,
        created=stated_time(evaluation.created),
        identifier=hashlib.sha256(numbers).hexdigest()[:32],
        attachments=[(EVALUATION_FILE, numbers, "Every number of this evaluation", "Data")],
    )


def _paths(evaluation: Evaluation) -> list[str]:
    """Every picture that the page shows, once."""
    galleries = [gallery for one in evaluation.experiments for gallery in one.galleries]
    shots = [shot for gallery in galleries for row in gallery.rows for shot in row.shots]
    return list(dict.fromkeys(shot.path for shot in shots))


def _page(
    evaluation: Evaluation,
    sheet: Sheet,
    *,
    style: str,
    policy: str,
    draw: Callable[[Chart], Markup],
    sources: Mapping[str, str],
) -> str:
    view = build_evaluation_view(evaluation)
    return rendered(
        "evaluation.html.j2",
        view=view,
        charts={one.anchor: experiment_charts(one, sheet) for one in view.experiments},
        style=style,
        policy=policy,
        draw=draw,
        sources=sources,
    )


def experiment_charts(one: ExperimentView, sheet: Sheet) -> list[tuple[Chart, str]]:
    """Every chart of an experiment, and what a reader must know of it."""
    curves = [
        (curves_chart(found, sheet, key=f"{one.anchor}-{place}"), f"A band is the 95% interval. {found.note}")
        for place, found in enumerate(one.curves)
    ]
    bars = [
        (
            bars_chart(found, sheet, key=f"{one.anchor}-bars-{place}"),
            f"Bars: {found.unit}. An error bar is the standard deviation over runs. {found.note}",
        )
        for place, found in enumerate(one.bars)
    ]
    return [*curves, *bars]


RENDERERS: dict[str, Callable[[Evaluation, Path], bytes]] = {"html": evaluation_html, "pdf": evaluation_pdf}
