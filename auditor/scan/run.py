"""The scan: from settings to a directory with every class's effects, what is confirmed, and a page."""

from __future__ import annotations

import datetime
import hashlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.audit.assemble import bank_record, environment
from auditor.audit.prepare import load_audited, load_banks, reproducible, with_banks
from auditor.audit.request import check_request
from auditor.banks.places import cache_root
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.files import save_arrays
from auditor.models.precision import resolve
from auditor.progress import Progress, silent
from auditor.scan.answers import look_at
from auditor.scan.arrays import kept_arrays
from auditor.scan.confirm import ScannedBank, findings_of
from auditor.scan.drivers import with_drivers
from auditor.scan.estimates import estimate
from auditor.scan.lots import control_of, lots
from auditor.scan.parts import divided, fewer_images
from auditor.scan_records import Kind, Scan, ScanBank, ScanFinding
from auditor.settings import ScanSettings
from auditor.store.directory import WORK
from auditor.store.scans import SCAN_FILE, read_scan, write_scan

KINDS: tuple[Kind, ...] = ("association", "contrast")
METHOD = {
    "effect": "mean log-scaled class probability e on the concept's images less that on the images compared "
    "with, on the confirming images alone; e = ln(1 + K p) / ln(1 + K), docs/statistics.md",
    "selection": "one third of the independent images of each concept selects effects half a standard error "
    "beyond the margin; the others confirm, docs/scan.md",
    "q_value": "Student's t against the margin, Benjamini-Hochberg over everything selected of one kind; "
    "if few images respond strongly, a concept without any of them counts as variable as the others",
    "interval": "Student's, at 1 - R alpha / m for R confirmed of m selected (Benjamini and Yekutieli 2005)",
}


def run_scan(settings: ScanSettings, *, progress: Progress = silent) -> Scan:
    """Measure every concept and contrast for every class, and leave the result in ``settings.out``.

    Stopped half way, the same call goes on from the images that were shown.

    Raises:
        InputError: Something asked for does not exist or cannot be used; nothing is written.
        StorageError: The directory cannot be written.
    """
    started = time.monotonic()
    settings = with_banks(settings)
    check_request(settings)
    context = prepare_scan(settings, progress)
    with reproducible():
        banks = _scanned(context, settings)
    everything: list[ScanFinding] = []
    families = []
    with progress.stage("labels drawn by lot", len(banks) * len(context.model.labels)) as stage:
        controls = lots(banks, settings, stage.advance)
    for kind in KINDS:
        found, family = findings_of(context, banks, kind, control_of(controls, kind))
        everything += found
        families.append(family)
    everything.sort(
        key=lambda one: (not one.confirmed, -one.severity, one.class_index, one.bank, one.subject)
    )
    with progress.stage("report"):
        everything, pictures = with_drivers(banks, everything)
        arrays = kept_arrays(banks, everything)
        scan = Scan(
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            duration_s=time.monotonic() - started,
            model=context.model.record(),
            settings=settings.record(),
            environment=environment(context.model, context.precision),
            classes=[label.name for label in context.model.labels],
            banks=[_bank(one) for one in banks],
            families=families,
            findings=everything,
            silent=_silent(banks, settings),
            constant=np.flatnonzero(np.all([one.estimates.constant for one in banks], axis=0)).tolist(),
            lots=controls,
            method=METHOD,
            skipped=[skip for one in banks for skip in (*one.parts.layout.bank.skipped, *one.parts.skipped)],
        )
        _store(settings, scan, arrays, pictures)
    return read_scan(settings.out)


def prepare_scan(settings: ScanSettings, progress: Progress) -> AuditContext:
    """The model, on its device.

    Raises:
        InputError: There is no such model, or it has fewer than two classes.
    """
    model = load_audited(settings, progress)
    if len(model.labels) < 2:
        raise InputError(f"model '{model.name}': {len(model.labels)} class, need 2 or more to scan")
    return AuditContext(
        model=model,
        settings=settings,
        classes=tuple(model.labels),
        layers=(),
        precision=resolve(settings.precision, model.device),
        progress=progress,
        cache=cache_root(settings.cache),
    )


def _scanned(context: AuditContext, settings: ScanSettings) -> list[ScannedBank]:
    banks = load_banks(settings.model_copy(update={"min_images": 2}), context.progress)
    if settings.fast:
        banks = tuple(fewer_images(bank, settings.seed) for bank in banks)
    found = []
    for bank in banks:
        looked = look_at(context, bank, settings.out / WORK)
        parts = divided(bank, looked, settings)
        with context.progress.stage(f"bank {bank.name}: classes", len(context.model.labels)) as stage:
            found.append(ScannedBank(parts, looked, estimate(parts, looked.answers, stage.advance)))
    if not any(one.parts.concepts or one.parts.contrasts for one in found):
        whys = "; ".join(f"{skip.what}: {skip.reason}" for one in found for skip in one.parts.skipped[:2])
        raise InputError(f"banks {', '.join(settings.banks)}: nothing can be measured; {whys}")
    return found


def _bank(one: ScannedBank) -> ScanBank:
    layout, groups = one.parts.confirming.layout, one.parts.confirming.groups
    units = [layout.independent(name) for name in one.parts.concepts]
    pairs = [min(groups[i].sample.units) for i in one.parts.contrasts]
    return ScanBank(
        bank=bank_record(one.parts.layout, one.parts.clusters),
        screening=len(one.parts.screening.positions),
        confirming=len(one.parts.confirming.positions),
        fewest=min(units, default=0),
        fewest_of_groups=min(pairs, default=0),
        entropy=float(one.looked.entropy.mean()),
        concepts=list(one.parts.concepts),
        contrasts=[groups[i].subject for i in one.parts.contrasts],
    )


def _silent(banks: Sequence[ScannedBank], settings: ScanSettings) -> list[int]:
    """Classes without any effect beyond the margin of its kind, in either part."""
    largest = [np.zeros(len(banks[0].estimates.constant), dtype=np.bool_)]
    for one in banks:
        for both, margin in (
            (one.estimates.concepts, settings.margin),
            (one.estimates.contrasts, settings.contrast_margin),
        ):
            sides = [np.abs(np.asarray(side.effect)) > margin for side in (both.screening, both.confirming)]
            largest += [np.asarray(side.any(axis=1)) for side in sides]
    return np.flatnonzero(~np.any(largest, axis=0)).tolist()


def _store(
    settings: ScanSettings, scan: Scan, arrays: dict[str, NDArray[np.generic]], pictures: dict[str, bytes]
) -> None:
    """Arrays first, ``scan.json`` last; then the pages, and the work folder goes."""
    from auditor.report.formats.scan import write_scan_reports

    out: Path = settings.out
    (out / SCAN_FILE).unlink(missing_ok=True)
    save_arrays(out / scan.arrays, arrays)
    digest = hashlib.sha256((out / scan.arrays).read_bytes()).hexdigest()
    write_scan(out, scan.model_copy(update={"arrays_sha256": digest}), pictures)
    write_scan_reports(out, read_scan(out), formats=settings.scan_formats)
    shutil.rmtree(out / WORK, ignore_errors=True)
