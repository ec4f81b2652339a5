"""The audit: from settings to a directory with numbers, pictures and reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from auditor.audit.assemble import in_order
from auditor.audit.explanations import explain
from auditor.audit.forward import Shown, show_bank, show_benchmark, with_detectors
from auditor.audit.in_context import in_context
from auditor.audit.occluders import learn_occluders
from auditor.audit.prepare import Ready, prepare, reproducible, with_banks
from auditor.audit.score import score
from auditor.audit.scores_first import held_scores
from auditor.audit.write import Explained, Scored, first_formats, write, write_scores
from auditor.context import AuditContext
from auditor.evaluation_records import Experiment
from auditor.explain.stage_one import StageOne
from auditor.findings import conclude_all
from auditor.progress import Progress, Timed, duration, silent
from auditor.records import Audit
from auditor.report import FORMATS
from auditor.settings import Settings

ShortForm = Callable[[AuditContext, Sequence[StageOne], Sequence[StageOne]], list[Experiment]]
"""Experiments on the classes audited, given stage one of these and of the reference classes."""


def run_audit(
    settings: Settings, *, progress: Progress = silent, short_form: ShortForm | None = None
) -> Audit:
    """Audit a model as the settings say and leave everything in ``settings.out``.

    The stages, in order:

    1. Load the model, the banks and the names of the classes.
    2. Pass every bank's images through the model.
    3. Score: the effect of every concept and contrast on the model's output.
    4. Conclude, once, from the scores and their checks; write the directory and the HTML report, without
       explanations. ``--scores-only`` ends here, with all reports.
    5. Learn each class's occluder (AfI, stage one).
    6. Read the detectors of occluders that hold: pass the banks' images through the model again.
       With ``--in-context``, paste people into the class's images, score and conclude that, too.
    7. Explain: what the detectors respond to (AfI, stage two).
    8. Make pictures, and write the directory and its reports.

    Stopped half way, the same call goes on from the classes whose occluders are learned. Where the scores
    are in the directory already, occluders come first, and one pass serves both.

    Args:
        settings: What to audit, and how.
        progress: Whom to tell.
        short_form: Evaluates the explanations; ``auditor run --evaluate`` gives
            :func:`auditor.evaluate.short.short_form`. What it finds lies beside the audit.

    Raises:
        InputError: Something asked for does not exist or cannot be used; nothing is written.
        StorageError: The directory cannot be written.
    """
    started = time.monotonic()
    progress = Timed(progress)
    settings = with_banks(settings)
    held = held_scores(settings)
    ready = prepare(settings, progress)
    with reproducible():
        first = None
        if not settings.scores_only and (held is None or held.model != ready.context.model.record()):
            first = _scored(ready, [show_bank(ready.context, bank, ()) for bank in ready.banks])
            write_scores(ready, first, started)
            page = settings.out / FORMATS[first_formats(settings)[0]]
            so_far = duration(time.monotonic() - started)
            progress.note(f"scores are in after {so_far}: {page}; explanations follow")
        audit = _explained(ready, first, started, short_form)
    progress.sum_up(time.monotonic() - started)
    return audit


def _scored(ready: Ready, shown: list[Shown]) -> Scored:
    scores = score(ready.context, shown)
    return Scored(shown, scores, conclude_all(in_order(ready.context.classes, scores.findings)))


def _explained(ready: Ready, first: Scored | None, started: float, short_form: ShortForm | None) -> Audit:
    """The whole audit, after a first look at the scores or without one."""
    context = ready.context
    occluders = learn_occluders(context)
    if first is None:
        scored = _scored(ready, [show_bank(context, bank, occluders.detectors) for bank in ready.banks])
    else:
        shown = [with_detectors(context, one, occluders.detectors) for one in first.shown]
        scored = replace(first, shown=shown)
    benchmark = show_benchmark(context, ready.benchmark, occluders.held)
    pasted = in_context(context, occluders.classes, scored.shown, scored.scores.groups)
    pasted = replace(pasted, findings=conclude_all(pasted.findings))
    findings = in_order(context.classes, [*scored.findings, *pasted.findings])
    explanations = explain(context, occluders, scored.shown, benchmark, findings)
    scored = replace(scored, findings=findings)
    learned = [one.stage_one for one in occluders.classes if one.stage_one]
    experiments = short_form(context, learned, occluders.references.classes) if short_form else []
    return write(ready, scored, Explained(occluders, explanations, pasted, experiments), started)
