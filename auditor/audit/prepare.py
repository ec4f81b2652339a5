"""Before any work: everything asked for is there, fits together and can reach significance."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from auditor.audit.forward import random_photos
from auditor.audit.in_context import can_paste
from auditor.audit.request import check_request
from auditor.banks import ConceptBank, load_bank
from auditor.banks.places import cache_root
from auditor.banks.read.loading import default_banks
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.images.folder import class_folder
from auditor.models import InputOverrides, LoadedModel, Request, find_classes, load_model
from auditor.models.layers import choose_layers
from auditor.models.loaded import ClassLabel
from auditor.models.precision import resolve
from auditor.progress import Progress
from auditor.records import ScanSummary
from auditor.settings import IMPRESSIONS, Settings, parse_arguments
from auditor.statistics.multiplicity import check_permutations
from auditor.store.scans import scan_summary

AnySettings = TypeVar("AnySettings", bound=Settings)


@dataclass(frozen=True)
class Ready:
    """All that an audit starts from."""

    context: AuditContext
    banks: tuple[ConceptBank, ...]
    benchmark: tuple[Path, ...]
    """Random photos that the paper's score is measured against."""
    scan: ScanSummary | None = None
    """Of the scan that the classes were taken from."""


def prepare(settings: Settings, progress: Progress) -> Ready:
    """Check the request and load what it names.

    Raises:
        InputError: Something asked for does not exist or cannot be used.
    """
    check_request(settings)
    model = load_audited(settings, progress)
    classes = tuple(find_classes(model.labels, settings.classes))
    layers = tuple(choose_layers(model, settings.layers))
    _check_class_folders(settings, classes, model.labels)
    banks = load_banks(settings, progress)
    benchmark = random_photos(settings.benchmark)
    if settings.in_context and not can_paste(banks):
        raise InputError(
            "--in-context: the people of none of the banks can be pasted; needed: --banks presentation, or "
            "an imported face set"
        )
    _check_permutations(settings, banks, len(classes))
    context = AuditContext(
        model=model,
        settings=settings,
        classes=classes,
        layers=layers,
        precision=resolve(settings.precision, model.device),
        progress=progress,
        cache=cache_root(settings.cache),
    )
    scan = None
    if settings.from_scan is not None:
        scan = scan_summary(settings.from_scan, model.record(), {label.index for label in classes})
    return Ready(context, banks, benchmark, scan)


def with_banks(settings: AnySettings) -> AnySettings:
    """The settings with the banks that they name, or those of an audit that names none."""
    return settings if settings.banks else settings.model_copy(update={"banks": default_banks()})


def load_banks(settings: Settings, progress: Progress) -> tuple[ConceptBank, ...]:
    """The banks that the settings name.

    Raises:
        InputError: There is no such bank, it cannot be used, or two have one name.
    """
    found: dict[str, ConceptBank] = {}
    for spec in settings.banks:
        bank = load_bank(
            spec, min_images=settings.min_images, seed=settings.seed, cache=settings.cache, progress=progress
        )
        if bank.name in found:
            raise InputError(
                f"bank '{spec}': another bank is named '{bank.name}', too; needed: different names"
            )
        found[bank.name] = bank
    return tuple(found.values())


@contextmanager
def reproducible() -> Iterator[None]:
    """Deterministic algorithms where torch has them, put back afterwards.

    torch would also fill every new tensor with NaN, so that reading memory before it is written shows.
    Nothing here reads such memory, and filling takes an eighth of a forward pass.
    """
    before, warn, fill = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


def _check_class_folders(
    settings: Settings, classes: Sequence[ClassLabel], labels: Sequence[ClassLabel]
) -> None:
    """A folder with photos of none of the classes is a mistake; one class without photos is not."""
    source = settings.images
    if settings.scores_only or source == IMPRESSIONS or source.startswith("hf:"):
        return
    missing = []
    for label in classes:
        try:
            class_folder(Path(source), label, labels)
        except InputError as failure:
            missing.append(failure)
    if len(missing) == len(classes):
        raise missing[0]


def _check_permutations(settings: Settings, banks: tuple[ConceptBank, ...], classes: int) -> None:
    concepts = sum(concept.name not in bank.groups for bank in banks for concept in bank.concepts)
    contrasts = sum(len(bank.contrasts) for bank in banks)
    largest = classes * max(concepts, contrasts, 1)
    check_permutations(settings.permutations, family_size=largest, alpha=settings.alpha)


def load_audited(settings: Settings, progress: Progress) -> LoadedModel:
    """The model that the settings name, on its device; what it notes is told.

    Raises:
        InputError: There is no such model or device, or the weights do not fit.
    """
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
        request=Request(
            arch=settings.arch,
            args=parse_arguments(settings.model_args),
            weights_key=settings.weights_key,
            factory=settings.model_factory,
            head=settings.head,
            random_weights=settings.random_weights,
            progress=progress,
        ),
        labels=settings.labels,
        overrides=InputOverrides(
            settings.input_size, settings.crop, settings.interpolation, settings.mean, settings.std
        ),
        device=device,
    )
    # Another order in memory, the same values: convolutions run faster.
    model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for note in model.notes:
        progress.note(note)
    return model
