"""From everything that was found to the audit in its directory, with its reports."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.audit.assemble import (
    METHOD,
    albums_of,
    bank_record,
    class_results,
    environment,
    skipped_parts,
)
from auditor.audit.explanations import ClassExplanation
from auditor.audit.forward import Shown
from auditor.audit.in_context import InContext
from auditor.audit.occluders import Occluders, no_occluders
from auditor.audit.prepare import Ready
from auditor.audit.score import Scores
from auditor.audit.scores_first import NOT_YET
from auditor.evaluation_records import Evaluation, Experiment
from auditor.findings import family_words
from auditor.policy.kept import VERDICT_FILE
from auditor.records import Audit, Finding
from auditor.report import FORMATS, write_reports
from auditor.settings import Format, Settings
from auditor.store.directory import AUDIT_FILE, WORK, read_audit, write_audit
from auditor.store.evaluations import EVALUATION_FILE, write_evaluation


@dataclass(frozen=True)
class Scored:
    """The banks as the model saw them, and what follows from its output."""

    shown: list[Shown]
    scores: Scores
    findings: list[Finding]
    """Concluded, in order."""


@dataclass(frozen=True)
class Explained:
    """What rests on images of the classes."""

    occluders: Occluders
    explanations: Sequence[ClassExplanation]
    """In the order of the classes."""
    pasted: InContext
    experiments: Sequence[Experiment] = ()
    """The short form of an evaluation, where it was asked for."""


def write_scores(ready: Ready, scored: Scored, started: float) -> None:
    """Leave an audit that has no explanations yet; the work folder stays."""
    none = [ClassExplanation() for _ in ready.context.classes]
    without = Explained(no_occluders(ready.context, NOT_YET), none, InContext())
    write(ready, scored, without, started, formats=first_formats(ready.context.settings))


def first_formats(settings: Settings) -> tuple[Format, ...]:
    """What the scores are written as at first: the page where it is asked for, which takes the least time."""
    return ("html",) if "html" in settings.formats else settings.formats


def write(
    ready: Ready,
    scored: Scored,
    explained: Explained,
    started: float,
    *,
    formats: tuple[Format, ...] | None = None,
) -> Audit:
    """Assemble the audit and write it with its pictures and reports.

    Args:
        ready: What it started from.
        scored: Scores and all findings.
        explained: Occluders, and what rests on them.
        started: When, on the monotonic clock.
        formats: Reports of an audit that will go on; ``None``: it is complete.
    """
    context, scores, pasted = ready.context, scored.scores, explained.pasted
    occluders = explained.occluders
    albums = albums_of(context, occluders, scored.shown, scored.findings, pasted.pictures)
    classes = class_results(occluders, scores, explained.explanations, albums)
    audit = Audit(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        duration_s=time.monotonic() - started,
        model=context.model.record(),
        settings=context.settings.record(),
        environment=environment(context.model, context.precision),
        layers=list(context.layers),
        banks=[bank_record(one.layout, one.clusters) for one in scored.shown],
        classes=classes,
        findings=scored.findings,
        family=family_words(len(classes), scores.associations, scores.contrasts, pasted.tested),
        scan=ready.scan,
        method=METHOD,
        skipped=[*skipped_parts(occluders, ready.banks), *pasted.skipped],
    )
    pictures = {path: content for album in albums for path, content in album.files.items()}
    arrays = scores.arrays | pasted.arrays | occluders.arrays
    with context.progress.stage("report"):
        (context.settings.out / EVALUATION_FILE).unlink(missing_ok=True)
        if explained.experiments:
            write_evaluation(context.settings.out, _evaluation(audit, explained.experiments))
        _replace(context.settings, audit, arrays, pictures, formats or context.settings.formats)
        if formats is None:
            shutil.rmtree(context.settings.out / WORK, ignore_errors=True)
    return audit


def _evaluation(audit: Audit, experiments: Sequence[Experiment]) -> Evaluation:
    """What the reports of an audit show of its short form."""
    return Evaluation(
        created=audit.created,
        duration_s=sum(one.duration_s for one in experiments),
        model=audit.model,
        settings=audit.settings,
        environment=audit.environment,
        classes=[result.name for result in audit.classes],
        experiments=list(experiments),
    )


def _replace(
    settings: Settings,
    audit: Audit,
    arrays: Mapping[str, NDArray[np.generic]],
    pictures: Mapping[str, bytes],
    formats: tuple[Format, ...],
) -> None:
    """Write it in place of what the directory held."""
    out = settings.out
    if (out / AUDIT_FILE).exists():
        (out / AUDIT_FILE).unlink()
        (out / VERDICT_FILE).unlink(missing_ok=True)
        shutil.rmtree(out / "pictures", ignore_errors=True)
        for name in set(settings.formats) - set(formats):
            (out / FORMATS[name]).unlink(missing_ok=True)
    written = write_audit(out, audit, arrays, pictures=pictures)
    # From what was written: a report made from the file again must be the same to the byte.
    write_reports(out, read_audit(written), formats=formats)
