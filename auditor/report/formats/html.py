"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

from pathlib import Path

from auditor.policy.kept import kept_verdict
from auditor.records import Audit
from auditor.report.charts.classes import claim_rulers, report_charts, scan_map
from auditor.report.charts.style import PHONE_WIDTH, SCREEN
from auditor.report.templates import content_policy, rendered, static
from auditor.report.thumbnails import encode, picture_paths
from auditor.report.view.audit import build_view
from auditor.report.view.evaluation import build_evaluation_view
from auditor.store.directory import stored_bytes
from auditor.store.evaluations import kept_evaluation

PICTURE_BUDGET = 2_600_000
"""Bytes of pictures; as text in the page they are a third larger, and the page stays below 5 MB."""


def render(audit: Audit, directory: Path) -> str:
    """Render the report.

    Args:
        audit: The audit.
        directory: Where its pictures lie, and the gate's verdict if there is one.
    """
    view = build_view(audit, kept_verdict(directory, audit), stored=stored_bytes(audit, directory))
    encoded = encode(directory, picture_paths(view), kind="WEBP", budget=PICTURE_BUDGET)
    evaluated = kept_evaluation(directory, audit)
    style, script = static("report.css"), static("report.js")
    return rendered(
        "report.html.j2",
        view=view,
        charts=report_charts(view, colours=SCREEN),
        scan_map=scan_map(view, colours=SCREEN, width=PHONE_WIDTH),
        rulers=claim_rulers(view, colours=SCREEN, width=PHONE_WIDTH),
        pictures={path: picture.embedded for path, picture in encoded.items()},
        evaluation=build_evaluation_view(evaluated) if evaluated else None,
        style=style,
        script=script,
        policy=content_policy(style=style, script=script, pictures=True),
    )
