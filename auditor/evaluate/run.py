"""Evaluation: from settings to a directory with the experiments, their figures and a page."""

from __future__ import annotations

import datetime
import hashlib
import json
import time
from collections.abc import Callable
from importlib import import_module

import torch

from auditor.audit.assemble import environment
from auditor.audit.prepare import load_audited, load_banks, reproducible, with_banks
from auditor.audit.request import check_request
from auditor.banks.places import cache_root
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.evaluate.bench import Bench
from auditor.evaluation_records import Evaluation, Experiment
from auditor.files import write_bytes
from auditor.models import find_classes
from auditor.models.layers import choose_layers
from auditor.models.precision import resolve
from auditor.progress import Progress, silent
from auditor.records import Skipped
from auditor.report.formats.evaluation import write_evaluation_reports
from auditor.settings import EvaluationSettings, Step
from auditor.store.directory import WORK
from auditor.store.evaluations import read_evaluation, read_experiment, write_evaluation
from auditor.version import __version__

STEPS: dict[Step, str] = {
    "attack": "attack:attack",
    "distillation": "distillation:distillation",
    "segments": "segments:segments",
    "impressions": "impressions:impressions",
    "sanity": "sanity:sanity",
}
"""Experiment to ``module:function`` in this package. The module is imported when its turn comes, so that a
missing extra hurts only who asks for it."""

NEEDS_BANKS: frozenset[Step] = frozenset({"concepts", "tcav", "sanity"})


def run_evaluation(settings: EvaluationSettings, *, progress: Progress = silent) -> Evaluation:
    """Run the experiments that the settings name and leave everything in ``settings.out``.

    Every finished experiment and every occluder is kept. Stopped half way, the same call goes on from there.

    Raises:
        InputError: Something asked for does not exist or cannot be used.
        StorageError: The directory cannot be written.
    """
    started = time.monotonic()
    bench = prepare_bench(settings, progress)
    with reproducible():
        experiments = [_experiment(bench, step) for step in settings.steps]
    evaluation = Evaluation(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        duration_s=time.monotonic() - started,
        model=bench.context.model.record(),
        settings=settings.record(),
        environment=environment(bench.context.model, bench.context.precision),
        classes=[label.name for label in bench.context.classes],
        experiments=experiments,
        skipped=bench.skipped,
    )
    with progress.stage("report"):
        write_evaluation(settings.out, evaluation)
        # From what was written: a page made from the file again must be the same.
        kept = read_evaluation(settings.out)
        write_evaluation_reports(settings.out, kept, formats=settings.evaluation_formats)
    return evaluation


def prepare_bench(settings: EvaluationSettings, progress: Progress = silent) -> Bench:
    """Check the request and load what it names.

    Raises:
        InputError: Something asked for does not exist or cannot be used.
    """
    if NEEDS_BANKS & set(settings.steps):
        settings = with_banks(settings)
    check_request(settings)
    model = load_audited(settings, progress)
    context = AuditContext(
        model=model,
        settings=settings,
        classes=tuple(find_classes(model.labels, settings.classes)),
        layers=tuple(choose_layers(model, settings.layers)),
        precision=resolve(settings.precision, model.device),
        progress=progress,
        cache=cache_root(settings.cache),
    )
    banks = load_banks(settings, progress) if NEEDS_BANKS & set(settings.steps) else ()
    return Bench(context, settings, banks)


def _experiment(bench: Bench, step: Step) -> Experiment:
    """One experiment, read back where it was finished before; its pictures lie in the directory already."""
    path = bench.settings.out / WORK / f"{step}-{_key(bench, step)}.json"
    found = read_experiment(path)
    if found is not None:
        bench.context.progress.note(f"{step}: done before")
        return found
    started = time.monotonic()
    module, _, function = STEPS[step].partition(":")
    try:
        run: Callable[[Bench], Experiment] = getattr(import_module(f"auditor.evaluate.{module}"), function)
        with bench.context.progress.stage(step):
            made = run(bench)
    except InputError as failure:
        return Experiment(
            step=step,
            title=step.capitalize(),
            about="",
            source="",
            skipped=[Skipped(what=f"experiment '{step}'", reason=str(failure))],
        )
    made = made.model_copy(update={"duration_s": time.monotonic() - started})
    for name, content in bench.pictures.items():
        write_bytes(bench.settings.out / name, content)
    bench.pictures.clear()
    write_bytes(path, made.model_dump_json().encode())
    return made


def _key(bench: Bench, step: Step) -> str:
    """Name by content: the model, the settings, the photos, the banks and the version of the code."""
    context = bench.context
    parts = [step, __version__, context.model.sha256, context.model.input.model_dump_json()]
    parts += [bench.settings.digest(without={"steps"}), str(torch.get_num_threads()), context.precision]
    parts += [hashlib.sha256(one.pixels.tobytes()).hexdigest() for one in bench.photos]
    parts += [bank.digest for bank in bench.banks]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
