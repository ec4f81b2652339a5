"""A model's findings over its releases: a table, and a page with a chart for every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.compare import check_comparable
from auditor.compare.align import release
from auditor.errors import InputError
from auditor.records import Audit, Finding
from auditor.report.charts.releases import MOST_LINES, Series, history_chart
from auditor.report.charts.style import SCREEN, Sheet
from auditor.report.escape import markdown_code
from auditor.report.formats.markdown import table
from auditor.report.templates import content_policy, rendered, static
from auditor.report.words import DASH, clean, effect_text, interval_text, moment, said, subject_words


@dataclass(frozen=True)
class ClassHistory:
    """One class over the releases, the finding that moved most first."""

    name: str
    series: list[Series]


def histories(audits: Sequence[Audit]) -> list[ClassHistory]:
    """Findings of every class over the releases, in the order given.

    Raises:
        InputError: Fewer than two audits, or one that cannot be compared with the first.
    """
    if len(audits) < 2:
        raise InputError(f"history: {len(audits)} audit, needed 2 or more")
    for audit in audits[1:]:
        check_comparable(audits[0], audit)
    found: dict[str, dict[str, dict[int, Finding]]] = {}
    names: dict[str, str] = {}
    for position, audit in enumerate(audits):
        for result in audit.classes:
            key = result.synset or result.name
            names[key] = result.name
            for finding in audit.of_class(result.index):
                if finding.effect is not None:
                    series = found.setdefault(key, {}).setdefault(subject_words(finding), {})
                    series[position] = finding
    return [
        ClassHistory(clean(names[key]), sorted(series.items(), key=lambda item: -_range(item[1])))
        for key, series in found.items()
    ]


def _range(found: Mapping[int, Finding]) -> float:
    """Largest less smallest effect."""
    effects = [finding.effect or 0.0 for finding in found.values()]
    return max(effects) - min(effects)


def release_names(audits: Sequence[Audit]) -> list[str]:
    """Model and stated version; numbered where one name stands for several releases."""
    names = [clean(release(a).title) for a in audits]
    return [f"{i + 1}: {n}" if names.count(n) > 1 else n for i, n in enumerate(names)]


def history_markdown(audits: Sequence[Audit]) -> str:
    """One table for every class."""
    releases = release_names(audits)
    parts = ["## Findings over releases"]
    for history in histories(audits):
        header = ("finding", *map(markdown_code, releases))
        rows = [
            (markdown_code(name), *(" ".join(cell) for cell in _cells(found, len(audits))))
            for name, found in history.series
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
            history.series, releases, Sheet(f"of {history.name}", SCREEN), key=f"h{position}"
        )
        rows = [(name, _cells(found, len(audits))) for name, found in history.series]
        classes.append((history.name, chart, rows, len(history.series) > MOST_LINES))
    return rendered(
        "history.html.j2",
        releases=[
            (n, a.model.weights_sha256, moment(a.created)) for n, a in zip(releases, audits, strict=True)
        ],
        classes=classes,
        drawn=MOST_LINES,
        style=style,
        policy=content_policy(style=style),
    )


def _cells(found: Mapping[int, Finding], releases: int) -> list[tuple[str, str]]:
    """Effect with the sign of its conclusion, and interval, for every release."""
    return [
        (f"{said(finding).symbol} {effect_text(finding)}", interval_text(finding)) if finding else (DASH, "")
        for finding in map(found.get, range(releases))
    ]
