"""The audit: from settings to a directory with numbers, pictures and reports."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.audit.assemble import METHOD, bank_record, class_result, environment, pictures_of
from auditor.audit.explanation import Explanations, class_arrays, explain
from auditor.audit.forward import show_bank
from auditor.audit.measure import Measured, measure
from auditor.audit.prepare import Ready, prepare, reproducible
from auditor.banks.averages import average_pictures
from auditor.findings import conclude_all, family_words
from auditor.policy.kept import VERDICT_FILE
from auditor.progress import Progress, silent
from auditor.records import Audit, ClassResult, Finding
from auditor.report import write_reports
from auditor.settings import Settings
from auditor.store.directory import AUDIT_FILE, WORK, read_audit, write_audit


def run_audit(settings: Settings, *, progress: Progress = silent) -> Audit:
    """Audit a model as the settings say and leave everything in ``settings.out``.

    Stopped half way, the same call goes on from the classes that are done.

    Raises:
        InputError: something asked for does not exist or cannot be used; nothing is written.
        StorageError: the directory cannot be written.
    """
    started = time.monotonic()
    ready = prepare(settings, progress)
    with reproducible():
        explanations = explain(ready.context)
        shown = [show_bank(ready.context, bank, ready.random, explanations.held) for bank in ready.banks]
        measured = measure(ready.context, shown, explanations)
        findings = conclude_all([finding for one in measured.classes for finding in one.findings])
        classes, files = _classes(ready, explanations, measured, findings)
    audit = Audit(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        duration_s=time.monotonic() - started,
        model=ready.context.model.record(),
        settings=settings.record(),
        environment=environment(ready.context.model, ready.context.precision),
        layers=list(ready.context.layers),
        banks=[bank_record(one) for one in shown],
        classes=classes,
        findings=findings,
        family=family_words(len(classes), measured.associations, measured.contrasts),
        method=METHOD,
        skipped=[
            *explanations.references.skipped,
            *(skip for bank in ready.banks for skip in bank.skipped),
        ],
    )
    with progress.stage("report"):
        _store(settings, audit, measured.arrays | class_arrays(explanations.held), files)
    return audit


def _classes(
    ready: Ready, explanations: Explanations, measured: Measured, findings: Sequence[Finding]
) -> tuple[list[ClassResult], dict[str, bytes]]:
    """The records of every class, and the files of their pictures."""
    results: list[ClassResult] = []
    files: dict[str, bytes] = {}
    progress = ready.context.progress
    averages = [average_pictures(bank, place=i, progress=progress) for i, bank in enumerate(ready.banks)]
    with progress.stage("pictures", len(measured.classes)) as stage:
        for one, found in zip(explanations.classes, measured.classes, strict=True):
            own = [finding for finding in findings if finding.class_index == one.label.index]
            album = pictures_of(ready.context, one, own, ready.banks)
            for records, shared in averages:
                album.include(records, shared)
            files |= album.files
            results.append(class_result(one, found, album))
            stage.advance()
    return results, files


def _store(
    settings: Settings,
    audit: Audit,
    arrays: Mapping[str, NDArray[np.generic]],
    files: Mapping[str, bytes],
) -> None:
    """Replace what the directory held, then drop the work folder: the audit is complete."""
    out = settings.out
    if (out / AUDIT_FILE).exists():
        (out / AUDIT_FILE).unlink()
        (out / VERDICT_FILE).unlink(missing_ok=True)
        shutil.rmtree(out / "pictures", ignore_errors=True)
    written = write_audit(out, audit, arrays, pictures=files)
    # From what was written: a report made from the file again must be the same to the byte.
    write_reports(out, read_audit(written), formats=settings.formats)
    shutil.rmtree(out / WORK, ignore_errors=True)
