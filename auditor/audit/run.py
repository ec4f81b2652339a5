"""The audit: from settings to a directory with numbers, pictures and reports."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from auditor.audit.assemble import (
    METHOD,
    albums_of,
    bank_record,
    class_results,
    environment,
    in_order,
    skipped_parts,
)
from auditor.audit.explanations import explain
from auditor.audit.forward import show_bank, show_benchmark
from auditor.audit.in_context import in_context
from auditor.audit.occluders import learn_occluders
from auditor.audit.prepare import prepare, reproducible, with_banks
from auditor.audit.score import score
from auditor.findings import conclude_all, family_words
from auditor.policy.kept import VERDICT_FILE
from auditor.progress import Progress, silent
from auditor.records import Audit
from auditor.report import write_reports
from auditor.settings import Settings
from auditor.store.directory import AUDIT_FILE, WORK, read_audit, write_audit


def run_audit(settings: Settings, *, progress: Progress = silent) -> Audit:
    """Audit a model as the settings say and leave everything in ``settings.out``.

    The stages, in order:

    1. Load the model, the banks and the names of the classes.
    2. Learn each class's occluder (AfI, stage one). ``--scores-only`` leaves this out.
    3. Pass every bank's images through the model, once.
    4. Score: the effect of every concept and contrast on the model's output.
       With ``--in-context``, paste people into the class's images and score that, too.
    5. Conclude, once, from the scores and their checks.
    6. Explain: what the detectors of occluders that hold respond to (AfI, stage two).
    7. Make pictures, and write the directory and its reports.

    Stopped half way, the same call goes on from the classes whose occluders are learned.

    Raises:
        InputError: Something asked for does not exist or cannot be used; nothing is written.
        StorageError: The directory cannot be written.
    """
    started = time.monotonic()
    settings = with_banks(settings)
    ready = prepare(settings, progress)
    context, banks = ready.context, ready.banks
    with reproducible():
        occluders = learn_occluders(context)
        shown = [show_bank(context, bank, occluders.detectors) for bank in banks]
        benchmark = show_benchmark(context, ready.benchmark, occluders.held)
        scores = score(context, shown)
        pasted = in_context(context, occluders.classes, shown, scores.groups)
        findings = conclude_all(in_order(context.classes, [*scores.findings, *pasted.findings]))
        explanations = explain(context, occluders, shown, benchmark, findings)
        albums = albums_of(context, occluders, shown, findings, pasted.pictures)
    classes = class_results(occluders, scores, explanations, albums)
    audit = Audit(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        duration_s=time.monotonic() - started,
        model=context.model.record(),
        settings=settings.record(),
        environment=environment(context.model, context.precision),
        layers=list(context.layers),
        banks=[bank_record(one.layout, one.clusters) for one in shown],
        classes=classes,
        findings=findings,
        family=family_words(len(classes), scores.associations, scores.contrasts, pasted.tested),
        scan=ready.scan,
        method=METHOD,
        skipped=[*skipped_parts(occluders, banks), *pasted.skipped],
    )
    pictures = {path: content for album in albums for path, content in album.files.items()}
    with progress.stage("report"):
        _store(settings, audit, scores.arrays | pasted.arrays | occluders.arrays, pictures)
    return audit


def _store(
    settings: Settings,
    audit: Audit,
    arrays: Mapping[str, NDArray[np.generic]],
    pictures: Mapping[str, bytes],
) -> None:
    """Replace what the directory held, then drop the work folder: the audit is complete."""
    out = settings.out
    if (out / AUDIT_FILE).exists():
        (out / AUDIT_FILE).unlink()
        (out / VERDICT_FILE).unlink(missing_ok=True)
        shutil.rmtree(out / "pictures", ignore_errors=True)
    written = write_audit(out, audit, arrays, pictures=pictures)
    # From what was written: a report made from the file again must be the same to the byte.
    write_reports(out, read_audit(written), formats=settings.formats)
    shutil.rmtree(out / WORK, ignore_errors=True)
