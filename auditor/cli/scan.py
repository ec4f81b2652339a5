"""``auditor scan``: every class of a model against every concept, worst first."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from auditor.cli.fetching import ACCEPT_TERMS, fetch_lacking
from auditor.cli.flags import GROUPS, WHERE_TO, keyword, parameters, settings_from_flags
from auditor.cli.text import columns, show_lines
from auditor.progress import duration, progress_for
from auditor.settings import SCANNED, ScanSettings, load_settings

if TYPE_CHECKING:
    from auditor.scan_records import Scan

CONFIG = typer.Option(
    "--config",
    metavar="FILE",
    help="TOML file with any of these settings; a file for `auditor run` serves as well. Flags win.",
    rich_help_panel="What to audit",
)
SHOWN = 10
"""Classes that the terminal lists."""

DESCRIPTION = """Scan every class of a model against concept banks, worst first.

One forward pass over the banks. A third of the images selects pairs of a class and a concept; the others,
which selection never saw, test them. What is confirmed is listed on a page, with a map.

    auditor scan --model bundled:efficientnet_lite0

A quick look, and faces as well:

    auditor scan -m timm:resnet50 --banks textures,gender --fast

Then audit the worst in depth:

    auditor run --model bundled:efficientnet_lite0 --from-scan scan --top 10
"""


def _groups() -> dict[str, tuple[str, ...]]:
    """The headings of ``auditor run --help``, with the settings of a scan."""
    chosen = {title: tuple(name for name in group if name in SCANNED) for title, group in GROUPS.items()}
    chosen["What to audit"] += ("fast",)
    chosen[WHERE_TO] = ("out", "scan_formats", *(name for name in chosen[WHERE_TO] if name != "out"))
    return {title: group for title, group in chosen.items() if group}


def _with_flags() -> Any:
    def scan(*, config: Path | None, accept_terms: bool | None, **flags: Any) -> int:
        from auditor.cli.run import refuse_skipped

        settings = load_settings(config, settings_from_flags(flags), ScanSettings)
        from auditor.audit.request import check_all
        from auditor.scan import run_scan

        check_all(settings)  # before anything is fetched
        fetch_lacking(settings.banks, accept_terms=bool(accept_terms))
        found = run_scan(settings, progress=progress_for(sys.stderr))
        show_lines(summary(found, settings))
        if settings.strict:
            refuse_skipped([f"{skip.what}: {skip.reason}" for skip in found.skipped])
        return 0

    scan.__doc__ = DESCRIPTION
    every = [keyword("config", Path, CONFIG), *parameters(_groups(), ScanSettings)]
    place = next(i for i, parameter in enumerate(every) if parameter.name == "banks")
    every.insert(place + 1, keyword("accept_terms", bool, ACCEPT_TERMS))
    scan.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    scan.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
    return scan


def summary(scan: Scan, settings: ScanSettings) -> list[str]:
    """What a person at the terminal wants to know: how many, which, how sure, where the page is."""
    from auditor.banks.photos import not_audited
    from auditor.report.formats.scan import PAGES
    from auditor.report.view.scan import family_sentence, lots_sentence, screened_sentence
    from auditor.report.words import clean

    lines = [family_sentence(family, len(scan.classes)) for family in scan.families if family.looked_at]
    lines.extend(filter(None, (screened_sentence(scan), lots_sentence(scan))))
    worst = scan.confirmed[:SHOWN]
    if worst:
        rows = [
            (
                clean(f.class_name),
                clean(f"{f.bank}: {f.subject}"),
                f"{f.effect:+.2f} [{f.low:+.2f}, {f.high:+.2f}]",
            )
            for f in worst
        ]
        lines += ["", *columns(("class", "concept or groups", "effect"), rows), ""]
    if scan.skipped:
        lines.append(f"skipped: {len(scan.skipped)}; first: {scan.skipped[0].what}: {scan.skipped[0].reason}")
    lines.append(f"done in {duration(scan.duration_s)}")
    lines.extend(f"{name}: {settings.out / PAGES[name]}" for name in settings.scan_formats)
    lines.append(f"scan: {settings.out / 'scan.json'}")
    lines.extend(filter(None, [not_audited(one.bank.name for one in scan.banks)]))
    return lines


scan = _with_flags()
