"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
from pathlib import Path

from markupsafe import Markup

from auditor.policy.kept import kept_verdict
from auditor.records import Audit
from auditor.report.charts.classes import class_charts
from auditor.report.charts.style import SCREEN
from auditor.report.templates import content_policy, jinja_environment, static
from auditor.report.thumbnails import encode, picture_paths
from auditor.report.view.audit import build_view
from auditor.store.directory import stored_bytes

PICTURE_BUDGET = 2_600_000
"""Bytes of pictures; as text in the page they are a third larger, and the page stays below 5 MB."""


def render(audit: Audit, directory: Path) -> str:
    """Render the report.

    Args:
        audit: The audit.
        directory: Where its pictures lie, and the gate's verdict if there is one.
    """
    view = build_view(audit, kept_verdict(directory, audit), stored=stored_bytes(audit, directory))
    charts = {
        section.anchor: class_charts(
            section, margin=view.margin, contrast_margin=view.contrast_margin, colours=SCREEN
        )
        for section in view.classes
    }
    pictures = {
        path: {
            "src": f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}",
            "width": picture.width,
            "height": picture.height,
        }
        for path, picture in encode(
            directory, picture_paths(view), kind="WEBP", budget=PICTURE_BUDGET
        ).items()
    }
    style, script = static("report.css"), static("report.js")
    # Markup only for what this project wrote: its style sheet, its script and its own charts, whose
    # texts the XML writer has escaped.
    return (
        jinja_environment()
        .get_template("report.html.j2")
        .render(
            view=view,
            charts=charts,
            pictures=pictures,
            draw=lambda chart: Markup(chart.svg),  # noqa: S704
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            policy=content_policy(style=style, script=script, pictures=True),
        )
    )
