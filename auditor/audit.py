"""The audit: from settings to a directory with numbers, pictures and reports."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import auditor
from auditor import controls, pictures, scoring
from auditor.afi.detector import Probe
from auditor.afi.precision import resolve
from auditor.afi.responses import Responses, class_responses, evidence
from auditor.banks import ConceptBank, load_bank
from auditor.banks.averages import average_pictures
from auditor.banks.places import cache_root
from auditor.contrasting import Pairs, contrast_groups, pair_images
from auditor.errors import InputError, StorageError
from auditor.fitting import ClassFit, cached_fit
from auditor.models import ClassLabel, InputOverrides, LoadedModel, find_classes, load_model
from auditor.models.layers import choose_layers
from auditor.panel import Panel, learn_panel
from auditor.policy.kept import VERDICT_FILE
from auditor.probing import benchmark_photos, probe_bank
from auditor.progress import Progress, silent
from auditor.records import (
    Audit,
    BankConcept,
    BankRecord,
    ClassLayer,
    ClassResult,
    ConceptResult,
    ContrastResult,
    Control,
    Environment,
    LayerRecord,
    Skipped,
)
from auditor.report import write_reports
from auditor.scoring import BankLayout
from auditor.settings import Settings
from auditor.statistics.agreement import Specificity, class_specificity
from auditor.statistics.multiplicity import check_permutations
from auditor.store import AUDIT_FILE, read_audit, write_audit

WORK = ".work"
"""Folder in the audit directory for what is done of an unfinished audit."""

CONTROL_IMAGES = 20
"""Images of a concept that a model with shuffled weights is shown: enough for a ranking that must be lost."""

METHOD = {
    "score": "mean evidence for the class on the concept's images, less that on the images they are compared "
    "with; evidence is ln(1 + K p) / ln(1 + K) for probability p among K classes: docs/method.md",
    "paper_score": "sum over layers of squared MMD between meta-detector maps of the concept's images and "
    "random benchmark sets, as a share of the bank's total; mean and standard deviation over draws "
    "(CVPR 2020, section 3.2)",
    "p_value": "permutation of labels on images, (1 + hits) / (1 + permutations)",
    "p_adjusted": "Holm over every concept of every bank and class of the audit; contrasts are a family "
    "of their own",
    "q_value": "Benjamini-Yekutieli over the same family",
}


@dataclass
class _Measured:
    """What is known of one class before corrections over the audit."""

    fit: ClassFit
    specificity: Specificity
    concepts: list[ConceptResult] = field(default_factory=list)
    contrasts: list[ContrastResult] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    seconds: float = 0.0


def run_audit(settings: Settings, *, progress: Progress = silent) -> Audit:
    """Audit a model as the settings say and leave everything in ``settings.out``.

    Stopped half way, the same call goes on from the classes that are done.

    Raises:
        InputError: something asked for does not exist or cannot be used; nothing is written.
        StorageError: the directory cannot be written.
    """
    started = time.monotonic()
    _check_out(settings)
    cache = cache_root(settings.cache)
    banks = [
        load_bank(
            b, min_images=settings.min_images, seed=settings.seed, cache=settings.cache, progress=progress
        )
        for b in settings.banks
    ]
    benchmark = benchmark_photos(settings.benchmark)
    model = _load(settings, progress)
    audited = find_classes(model.labels, settings.classes)
    family = len(audited) * sum(len(bank.concepts) for bank in banks)
    contrasts = len(audited) * sum(2 if c.match else 1 for bank in banks for c in bank.contrasts)
    check_permutations(settings.permutations, family_size=max(family, contrasts), alpha=settings.alpha)
    layers = choose_layers(model, settings.layers)
    names = [layer.name for layer in layers]
    precision = resolve(settings.precision, model.device)
    with _reproducible():
        fits, skipped = _fit_all(model, audited, names, settings, precision, progress)
        panel = learn_panel(
            model, audited, layers, settings=settings, precision=precision, progress=progress, cache=cache
        )
        measured = [_Measured(fit, _specificity(fit, panel, names)) for fit in fits]
        arrays: dict[str, NDArray[np.generic]] = {}
        compared_with: dict[str, str] = {}
        shuffled = controls.shuffle_weights(model, seed=settings.seed)
        for bank in banks:
            layout, probe = probe_bank(
                model, bank, benchmark, names, fits, batch=settings.batch_size, progress=progress
            )
            arrays[f"bank/{bank.name}/label"] = layout.labels
            arrays[f"bank/{bank.name}/compared"] = layout.compared
            if layout.twin is not None:
                arrays[f"bank/{bank.name}/twin"] = layout.twin
            compared_with[bank.name] = layout.zero
            every = evidence(probe.logits)
            every_class = layout.effects(every.T)
            pairs = pair_images(layout, min_pairs=settings.min_images, seed=settings.seed)
            for (more, less), matched in pairs.items():
                arrays[f"bank/{bank.name}/pair/{more}/{less}"] = matched.pair.astype(np.int32)
            control_layout, control_probe = probe_bank(
                shuffled,
                bank,
                (),
                (),
                [],
                batch=settings.batch_size,
                progress=progress,
                name=f"bank {bank.name}: shuffled weights",
                each=CONTROL_IMAGES,
            )
            randomised = control_layout.effects(evidence(control_probe.logits).T)
            with progress.stage(f"bank {bank.name}: statistics", len(measured)) as stage:
                for place, one in enumerate(measured):
                    _measure(
                        one, place, layout, pairs, probe, every, every_class, randomised, panel, names,
                        settings, family, arrays,
                    )  # fmt: skip
                    stage.advance()
        for one in measured:
            one.controls.insert(0, controls.random_occluder(one.fit))
            one.controls.insert(1, controls.another_occluder(model, one.fit, panel.fits))
        concepts = scoring.correct(
            [m.concepts for m in measured], alpha=settings.alpha, margin=settings.margin
        )
        grouped = scoring.correct_contrasts(
            [m.contrasts for m in measured], alpha=settings.alpha, margin=settings.contrast_margin
        )
        results: list[ClassResult] = []
        files: dict[str, bytes] = {}
        averages = [average_pictures(bank, place=i, progress=progress) for i, bank in enumerate(banks)]
        with progress.stage("pictures", len(measured)) as stage:
            for one, found, contrasted in zip(measured, concepts, grouped, strict=True):
                album = _album(model, one, found, banks, layers, precision, settings)
                for records, shared in averages:
                    album.include(records, shared)
                files |= album.files
                results.append(_class_result(one, found, contrasted, album, layers))
                arrays |= _class_arrays(one.fit)
                stage.advance()
    audit = Audit(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        duration_s=time.monotonic() - started,
        model=model.record(),
        settings=settings.record(),
        environment=_environment(model, precision),
        layers=layers,
        banks=[_bank_record(bank, compared_with[bank.name]) for bank in banks],
        classes=results,
        family=f"{family} tests: {len(fits)} classes x {family // max(1, len(audited))} concepts; "
        f"{sum(len(c) for c in grouped)} contrasts are a family of their own",
        method=METHOD,
        skipped=[*skipped, *panel.skipped, *(s for bank in banks for s in bank.skipped)],
    )
    with progress.stage("report"):
        _store(settings, audit, arrays, files)
    return audit


def _check_out(settings: Settings) -> None:
    out = settings.out
    if out.exists() and not out.is_dir():
        raise InputError(f"out '{out}': is a file; needed: a directory")
    if (out / AUDIT_FILE).exists() and not settings.overwrite:
        try:
            held = read_audit(out)
            what = f"an audit of {held.model.name} from {held.created}"
        except InputError:
            what = "another audit"
        raise InputError(f"out '{out}': holds {what}; needed: another --out, or --overwrite")


def _load(settings: Settings, progress: Progress) -> LoadedModel:
    device = settings.device
    if device == "auto":
        device = (
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    if (device == "cuda" and not torch.cuda.is_available()) or (
        device == "mps" and not torch.backends.mps.is_available()
    ):
        raise InputError(f"device '{device}': torch sees none; needed: --device cpu, or a torch built for it")
    model = load_model(
        settings.model,
        arch=settings.arch,
        labels=settings.labels,
        overrides=InputOverrides(
            settings.input_size, settings.crop, settings.interpolation, settings.mean, settings.std
        ),
        random_weights=settings.random_weights,
        device=device,
    )
    # Another order in memory, the same values: convolutions run faster.
    model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for note in model.notes:
        progress.note(note)
    return model


@contextmanager
def _reproducible() -> Iterator[None]:
    """Deterministic algorithms where torch has them, put back afterwards."""
    before, warn = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn)


def _fit_all(
    model: LoadedModel,
    audited: Sequence[ClassLabel],
    names: Sequence[str],
    settings: Settings,
    precision: str,
    progress: Progress,
) -> tuple[list[ClassFit], list[Skipped]]:
    """Stage one of every class; a class that cannot be audited is skipped, unless none is left."""
    folder = settings.out / WORK
    fits: list[ClassFit] = []
    skipped: list[Skipped] = []
    failures: list[InputError] = []
    for label in audited:
        try:
            fits.append(
                cached_fit(
                    model,
                    label,
                    names,
                    settings=settings,
                    precision=precision,
                    progress=progress,
                    folder=folder,
                )
            )
        except InputError as failure:
            failures.append(failure)
            skipped.append(Skipped(what=f"class '{label.name}'", reason=str(failure)))
            progress.note(f"skipped class '{label.name}': {failure}")
        except OSError as failure:
            raise StorageError(f"cannot write '{folder}': {failure.strerror or failure}") from failure
    if not fits:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # not empty: it was there before us
            settings.out.rmdir()
        raise failures[0]
    return fits, skipped


def _specificity(fit: ClassFit, panel: Panel, names: Sequence[str]) -> Specificity:
    refits = {layer: _refit_rows(rows) for layer, rows in fit.importance.items()}
    reference = {layer: panel.importance(layer) for layer in names}
    return class_specificity(refits, reference)


def _responses(
    probe: Probe, own: NDArray[np.float64], fit: ClassFit, panel: Panel, names: Sequence[str]
) -> Responses:
    return class_responses(
        probe.channels,
        own,
        profile={layer: _refit_rows(fit.clean[layer]) for layer in names},
        reference={layer: panel.clean(layer) for layer in names},
    )


def _refit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The refits, or the main occluder alone where there were none."""
    return rows[1:] if len(rows) > 1 else rows


def _measure(
    one: _Measured,
    place: int,
    layout: BankLayout,
    pairs: Mapping[tuple[str, str], Pairs],
    probe: Probe,
    every: NDArray[np.float64],
    every_class: NDArray[np.float64],
    randomised: NDArray[np.float64],
    panel: Panel,
    names: Sequence[str],
    settings: Settings,
    family: int,
    arrays: dict[str, NDArray[np.generic]],
) -> None:
    """Everything about one class that one bank tells."""
    index = one.fit.label.index
    begun = time.monotonic()
    responses = _responses(probe, every[:, index], one.fit, panel, names)
    rng = np.random.default_rng([settings.seed, index, *layout.bank.name.encode()])
    maps = {layer: probe.maps[layer][:, place] for layer in names}
    found = scoring.score_bank(
        layout,
        responses,
        maps,
        every_class,
        index,
        settings=settings,
        family_size=family,
        specific=one.specificity.specific,
        rng=rng,
    )
    one.concepts += found
    contrasted, contrast_response = contrast_groups(
        layout,
        pairs,
        probe.logits,
        index,
        settings=settings,
        specific=one.specificity.specific,
        rng=rng,
    )
    one.contrasts += contrasted
    scores = np.array([result.score for result in found], dtype=np.float64)
    one.controls += [
        controls.random_concept(layout, responses, margin=settings.margin, rng=rng),
        controls.permuted_channels(
            layout,
            probe.head,
            probe.logits,
            index,
            scores=scores,
            margin=settings.margin,
            contrasts=contrasted,
            pairs=pairs,
            contrast_margin=settings.contrast_margin,
            rng=rng,
        ),
        controls.randomised_weights(layout, scores, randomised[index]),
    ]
    arrays[f"class/{index}/response/{layout.bank.name}"] = responses.evidence[None].astype(np.float32)
    if contrast_response is not None:
        arrays[f"class/{index}/contrast/{layout.bank.name}"] = contrast_response.astype(np.float32)
    one.seconds += time.monotonic() - begun


def _album(
    model: LoadedModel,
    one: _Measured,
    found: Sequence[ConceptResult],
    banks: Sequence[ConceptBank],
    layers: Sequence[LayerRecord],
    precision: str,
    settings: Settings,
) -> pictures.Album:
    """The pictures of one class."""
    album = pictures.Album(f"{one.fit.label.index:05d}")
    pictures.class_pictures(model, one.fit, album)
    pictures.detector_pictures(model, one.fit, layers, album, precision=precision, seed=settings.seed)
    spatial = [layer for layer in layers if layer.height > 1]
    shown = spatial[-1].name  # the layer nearest to the decision
    for bank in banks:
        if not bank.report_images:
            continue
        ranked = sorted((r for r in found if r.bank == bank.name), key=lambda r: r.rank or 0)
        for result in ranked[:3]:
            concept = next(c for c in bank.concepts if c.name == result.concept)
            pictures.overlay_pictures(
                model, one.fit, shown, bank.name, concept.name, concept.images[:4], album
            )
    return album


def _class_result(
    one: _Measured,
    found: list[ConceptResult],
    contrasted: list[ContrastResult],
    album: pictures.Album,
    layers: Sequence[LayerRecord],
) -> ClassResult:
    rows = []
    for agreement in one.specificity.layers:
        main = one.fit.importance[agreement.layer][0]
        signed = one.fit.signed[agreement.layer][0]
        total = float(np.abs(signed).sum())
        rows.append(
            ClassLayer(
                layer=agreement.layer,
                reliability=agreement.reliability,
                similarity=agreement.similarity,
                weight=0.0,  # the score rests on the output alone
                success_mass=float(np.clip(signed, 0, None).sum()) / total if total else None,
                top_channels=[int(c) for c in np.argsort(-main)[:5]],
            )
        )
    return ClassResult(
        index=one.fit.label.index,
        name=one.fit.label.name,
        synset=one.fit.label.synset,
        images=one.fit.images.record,
        occluder=one.fit.occluder,
        layers=rows,
        concepts=found,
        contrasts=contrasted,
        controls=one.controls,
        specific=one.specificity.specific,
        pictures=album.records,
        skipped=list(one.fit.images.skipped),
        duration_s=one.seconds,
    )


def _class_arrays(fit: ClassFit) -> dict[str, NDArray[np.generic]]:
    prefix = f"class/{fit.label.index}"
    arrays: dict[str, NDArray[np.generic]] = {f"{prefix}/occluder": fit.perturbations[0]}
    arrays |= {f"{prefix}/importance/{layer}": rows for layer, rows in fit.importance.items()}
    return arrays


def _bank_record(bank: ConceptBank, compared_with: str) -> BankRecord:
    return BankRecord(
        name=bank.name,
        title=bank.title,
        source=bank.source,
        compared_with=compared_with,
        digest=bank.digest,
        licence=bank.licence,
        terms=bank.terms,
        report_images=bank.report_images,
        concepts=[
            BankConcept(name=c.name, title=c.title or c.name, definition=c.definition, n=len(c.images))
            for c in bank.concepts
        ],
        datasheet=dict(bank.datasheet),
    )


def _environment(model: LoadedModel, precision: str) -> Environment:
    packages = {}
    for name in ("torch", "torchvision", "timm", "numpy", "scipy", "pillow", "safetensors"):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = "not installed"
    device = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else model.device.type
    return Environment(
        auditor=auditor.__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        packages=packages,
        device=device,
        precision=precision,
        threads=torch.get_num_threads(),
    )


def _store(
    settings: Settings, audit: Audit, arrays: dict[str, NDArray[np.generic]], files: dict[str, bytes]
) -> None:
    """Replace what the directory held, then drop the work folder: the audit is complete."""
    out: Path = settings.out
    if (out / AUDIT_FILE).exists():
        (out / AUDIT_FILE).unlink()
        (out / VERDICT_FILE).unlink(missing_ok=True)
        shutil.rmtree(out / "pictures", ignore_errors=True)
    written = write_audit(out, audit, arrays, pictures=files)
    # From what was written: a report made from the file again must be the same to the byte.
    write_reports(out, read_audit(written), formats=settings.formats)
    shutil.rmtree(out / WORK, ignore_errors=True)
