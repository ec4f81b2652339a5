"""A model's findings over its releases: a table, and a page with a chart for every class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from auditor.compare import check_comparable
from auditor.errors import InputError
from auditor.records import Audit, Finding
from auditor.report.charts.releases import MOST_LINES, history_chart
from auditor.report.charts.style import SCREEN, Sheet
from auditor.report.escape import markdown_code
from auditor.report.formats.markdown import table
from auditor.report.templates import content_policy, environment, static
from auditor.report.words import clean, digits_of, interval, moment, number, said

Point = tuple[int, float, float | None, float | None, str]
"""Position of the release, effect, ends of the adjusted interval, sign of the conclusion."""


@dataclass(frozen=True)
class Series:
    """One finding over the releases."""

    name: str
    points: tuple[Point, ...]
    digits: int = 2

    @property
    def range(self) -> float:
        """Largest less smallest effect."""
        effects = [p[1] for p in self.points]
        return max(effects) - min(effects)


@dataclass(frozen=True)
class ClassHistory:
    """One class over the releases, the finding that moved most first."""

    name: str
    series: tuple[Series, ...]


def histories(audits: Sequence[Audit]) -> list[ClassHistory]:
    """Findings of every class over the releases, in the order given.

    Raises:
        InputError: Fewer than two audits, or one that cannot be compared with the first.
    """
    if len(audits) < 2:
        raise InputError(f"history: {len(audits)} audit, needed 2 or more")
    for audit in audits[1:]:
        check_comparable(audits[0], audit)
    found: dict[str, dict[str, list[Point]]] = {}
    names: dict[str, str] = {}
    digits = {_name(f): digits_of(f.kind) for audit in audits for f in audit.findings}
    for position, audit in enumerate(audits):
        for result in audit.classes:
            key = result.synset or result.name
            names[key] = result.name
            for finding in audit.of_class(result.index):
                if (point := _point(position, finding)) is not None:
                    found.setdefault(key, {}).setdefault(_name(finding), []).append(point)
    return [
        ClassHistory(
            clean(names[key]),
            tuple(
                sorted((Series(n, tuple(p), digits[n]) for n, p in series.items()), key=lambda s: -s.range)
            ),
        )
        for key, series in found.items()
    ]


def release_names(audits: Sequence[Audit]) -> list[str]:
    """The models' names; numbered where one name stands for several releases."""
    names = [clean(a.model.name) for a in audits]
    return [f"{i + 1}: {n}" if names.count(n) > 1 else n for i, n in enumerate(names)]


def history_markdown(audits: Sequence[Audit]) -> str:
    """One table for every class."""
    releases = release_names(audits)
    parts = ["## Findings over releases"]
    for history in histories(audits):
        header = ("finding", *map(markdown_code, releases))
        rows = [
            (markdown_code(s.name), *(" ".join(cell) for cell in _cells(s, len(audits))))
            for s in history.series
        ]
        parts += [f"### {markdown_code(history.name)}", table(header, rows)]
    return "\n\n".join(parts) + "\n"


def history_html(audits: Sequence[Audit]) -> str:
    """One file that needs nothing else: no network, no script."""
    releases = release_names(audits)
    style = static("report.css") + static("comparison.css")
    classes = []
    for position, history in enumerate(histories(audits)):
        chart = history_chart(
            [(s.name, [p[:4] for p in s.points], s.digits) for s in history.series],
            releases,
            Sheet(f"of {history.name}", SCREEN),
            key=f"h{position}",
        )
        rows = [(s.name, _cells(s, len(audits))) for s in history.series]
        classes.append((history.name, chart, rows, len(history.series) > MOST_LINES))
    return (
        environment()
        .get_template("history.html.j2")
        .render(
            releases=[
                (n, a.model.weights_sha256, moment(a.created)) for n, a in zip(releases, audits, strict=True)
            ],
            classes=classes,
            drawn=MOST_LINES,
            style=Markup(style),  # noqa: S704 - our own style sheet
            policy=content_policy(style=style),
            draw=lambda chart: Markup(chart.svg),  # noqa: S704 - our own chart, its texts escaped
        )
    )


def _name(finding: Finding) -> str:
    matched = {True: " (matched)", False: " (not matched)", None: ""}[finding.matched]
    return clean(f"{finding.bank}/{finding.subject}{matched}")


def _point(position: int, finding: Finding) -> Point | None:
    if finding.effect is None:
        return None
    symbol = said(finding).symbol
    return position, finding.effect, finding.adjusted_low, finding.adjusted_high, symbol


def _cells(series: Series, releases: int) -> list[tuple[str, str]]:
    """Effect with the sign of its conclusion, and interval, for every release."""
    by_release = {p[0]: p for p in series.points}
    digits = series.digits
    cells = []
    for position in range(releases):
        point = by_release.get(position)
        text = f"{point[4]} {number(point[1], digits=digits)}" if point else "–"
        cells.append((text, interval(point[2], point[3], digits=digits) if point else ""))
    return cells
