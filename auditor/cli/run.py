"""``auditor run``: audit a model, write the audit directory, say where the report lies, obey a gate."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from auditor.cli.fetching import ACCEPT_TERMS, fetch_lacking
from auditor.cli.flags import GROUPS, WHERE_TO, keyword, parameters, settings_from_flags
from auditor.cli.gate import in_actions, print_verdict
from auditor.cli.output import require_policy
from auditor.cli.text import show_lines
from auditor.errors import InputError
from auditor.progress import duration, progress_for
from auditor.report import FORMATS
from auditor.settings import Settings, load_settings

if TYPE_CHECKING:
    from auditor.policy import LoadedPolicy, Verdict
    from auditor.records import Audit


CONFIG = typer.Option(
    "--config",
    metavar="FILE",
    help="TOML file with any of these settings: max_images = 40 for --max-images 40. Flags win.",
    rich_help_panel="What to audit",
)
MOST_SCANNED = 10
TOP = typer.Option(
    "--top",
    metavar="N",
    min=1,
    help=f"With --from-scan: audit so many of its worst classes. Default: {MOST_SCANNED}.",
    rich_help_panel="What to audit",
)
EVALUATE = typer.Option(
    "--evaluate",
    help="Also show in the report how far the explanations can be believed: attack and distillation, the "
    "short form of `auditor evaluate`.",
    rich_help_panel="What to audit",
)
GATE = typer.Option(
    "--gate",
    metavar="FILE",
    help="Hold the audit against this policy at once, as `auditor gate` does; the exit status is its answer.",
    rich_help_panel="Release gate",
)
BASELINE = typer.Option(
    "--baseline",
    metavar="AUDIT",
    help="With --gate: audit of the release before, for limits on growth.",
    rich_help_panel="Release gate",
)
LOG = typer.Option(
    "--log",
    metavar="mlflow",
    help="Log the audit to this tracker, as `auditor log` does, with the gate's verdict if there is one.",
    rich_help_panel=WHERE_TO,
)


def _with_flags() -> Any:
    def run(
        *,
        config: Path | None,
        gate: Path | None,
        baseline: Path | None,
        log: str | None,
        top: int | None,
        accept_terms: bool | None,
        evaluate: bool | None,
        **flags: Any,
    ) -> int:
        from auditor.policy.releases import gate_release
        from auditor.report.formats.mlflow import open_log

        settings = load_settings(config, with_scanned_classes(settings_from_flags(flags), top))
        # Files and servers that cannot be used are better found before an audit of an hour than after it.
        policy = _policy(gate, baseline)
        _check(settings)
        if evaluate and settings.scores_only:
            raise InputError("--evaluate: evaluates explanations, which --scores-only leaves out")
        tracker = open_log(log) if log is not None else None
        fetch_lacking(settings.banks, accept_terms=bool(accept_terms))
        audit = _audit(settings, evaluate=bool(evaluate))
        verdict = None
        if policy is not None:  # before a word is printed, which may fail
            verdict = gate_release(settings.out, policy, baseline=baseline)
            _show(verdict, settings)
        show_lines(summary(audit, settings))
        if verdict is not None:
            print_verdict(verdict)
            in_actions(verdict)
        if settings.strict:
            refuse_skipped(everything_skipped(audit))
        if tracker is not None:
            print(tracker.log(settings.out, audit, verdict).sentence)
        return verdict.exit_status if verdict else 0

    run.__doc__ = DESCRIPTION
    gating = (keyword("gate", Path, GATE), keyword("baseline", Path, BASELINE))
    more = {
        "from_scan": [keyword("top", int, TOP)],
        "banks": [keyword("accept_terms", bool, ACCEPT_TERMS)],
        "in_context": [keyword("evaluate", bool, EVALUATE)],
        GROUPS[WHERE_TO][-1]: [keyword("log", str, LOG), *gating],
    }
    every = [keyword("config", Path, CONFIG)]
    for parameter in parameters():
        every += [parameter, *more.get(parameter.name, [])]
    run.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    # Typer reads types from here as well; the strings that this module's annotations are must not mislead it.
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
    return run


def with_scanned_classes(flags: dict[str, Any], top: int | None) -> dict[str, Any]:
    """The flags, with the worst classes of ``--from-scan`` where no classes are named.

    Banks are the scan's, unless they are named.

    Raises:
        InputError: ``--top`` without a scan or beside ``--classes``, or a scan that confirms nothing.
    """
    path = flags.get("from_scan")
    if path is None or "classes" in flags:
        if top is not None:
            raise InputError("--top: needs --from-scan, and no --classes beside it")
        return flags
    from auditor.store.scans import read_scan

    scan = read_scan(path)
    worst = scan.worst(top or MOST_SCANNED)
    if not worst:
        raise InputError(f"--from-scan '{path}': nothing is confirmed in it; needed: --classes")
    # As they were given to the scan: a bank in a folder has a name by which it is not found.
    banks = scan.settings.get("banks") or [one.bank.name for one in scan.banks]
    return {"banks": banks, **flags, "classes": [f"index:{index}" for index in worst]}


def _policy(path: Path | None, baseline: Path | None) -> LoadedPolicy | None:
    """The policy of ``--gate``, once it and the baseline have been read."""
    require_policy(path, baseline, flag="--gate")
    if path is None:
        return None
    from auditor.policy import load_policy
    from auditor.store.directory import read_audit

    loaded = load_policy(path)
    if baseline is not None:
        read_audit(baseline)
    return loaded


def _show(verdict: Verdict, settings: Settings) -> None:
    """Put the verdict on the first page of the reports that show it."""
    from auditor.policy.kept import keep_verdict
    from auditor.report import WITH_VERDICT, write_reports
    from auditor.store.directory import read_audit

    keep_verdict(settings.out, verdict)
    audit = read_audit(settings.out)  # as it was written: what a report is verified against
    write_reports(settings.out, audit, formats=[f for f in settings.formats if f in WITH_VERDICT])


DESCRIPTION = """Audit a model: which concepts it associates with a class, how strongly, how surely.

Leaves a directory with the audit (`audit.json`), arrays, pictures and the report. Scores come first: the
HTML report opens once they are there, explanations are added to it. Interrupted, the same command goes on
where it stopped.

From the weights alone, with images made from the model itself:

    auditor run --model bundled:efficientnet_lite0 --classes zebra

With photos, one folder per class, and your own bank, one folder per concept:

    auditor run -m timm:resnet50 -c n02391049 --images photos --banks my-bank

Only the scores, and the explanations when they are wanted:

    auditor run -m timm:resnet50 -c zebra --scores-only
    auditor run -m timm:resnet50 -c zebra --explain

Everything from a file, one setting overruled:

    auditor run --config audit.toml --seed 1
"""


def summary(audit: Audit, settings: Settings) -> list[str]:
    """What a person at the terminal wants to know: findings, what was left out, where the report is."""
    from auditor.banks.photos import not_audited
    from auditor.report.view.summary import class_summary, titles
    from auditor.report.words import clean

    lines = []
    for result in audit.classes:
        found = class_summary(audit.of_class(result.index), titles(audit))
        lines.append(f"{clean(result.name)}: {found.word}. {found.sentence}")
    skipped = everything_skipped(audit)
    if skipped:
        lines.append(f"skipped: {len(skipped)}, listed in the report; first: {skipped[0]}")
    lines.append(f"done in {duration(audit.duration_s)}")
    lines.extend(f"report: {settings.out / FORMATS[name]}" for name in settings.formats)
    lines.append(f"audit: {settings.out / 'audit.json'}")
    lines.extend(filter(None, [not_audited(bank.name for bank in audit.banks)]))
    return lines


def everything_skipped(audit: Audit) -> list[str]:
    """What was asked for and not done, ``what: reason``, over the whole audit."""
    skipped = [*audit.skipped, *(skip for result in audit.classes for skip in result.skipped)]
    return [f"{skip.what}: {skip.reason}" for skip in skipped]


def refuse_skipped(skipped: Sequence[str]) -> None:
    """Fail where anything was skipped; the result stays on disk, with the list in it.

    Raises:
        InputError: something was skipped.
    """
    if skipped:
        raise InputError(f"--strict: {len(skipped)} skipped, needed none; first: {skipped[0]}")


def _check(settings: Settings) -> None:
    from auditor.audit.request import check_all

    check_all(settings)


def _audit(settings: Settings, *, evaluate: bool) -> Audit:
    from auditor.audit import run_audit
    from auditor.evaluate.short import short_form

    progress = progress_for(sys.stderr)
    return run_audit(settings, progress=progress, short_form=short_form if evaluate else None)


run = _with_flags()
