"""From measurements to the records that are stored."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import metadata
from typing import Any, get_args

import torch

from auditor.audit.evidence import evidence_pictures
from auditor.audit.explanations import ClassExplanation, ConceptExplanation
from auditor.audit.forward import Shown
from auditor.audit.groups import sample_groups
from auditor.audit.importance import why_not_measured
from auditor.audit.in_context import Pasted
from auditor.audit.layout import BankLayout
from auditor.audit.occluders import ClassOccluder, Occluders
from auditor.audit.score import ClassScores, Scores
from auditor.banks.averages import average_pictures
from auditor.banks.bank import ConceptBank
from auditor.context import AuditContext
from auditor.explain.pictures import (
    Album,
    class_pictures,
    detector_picture,
    overlay_pictures,
    pictured_layers,
)
from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.records import (
    BankConcept,
    BankRecord,
    ClassResult,
    ConceptDetail,
    Environment,
    Finding,
    FindingKind,
    Skipped,
)
from auditor.version import __version__

METHOD = {
    "effect": "mean log-scaled class probability on the concept's images, less that on the images they are "
    "compared with; ln(1 + K p) / ln(1 + K) for probability p among K classes: docs/method.md",
    "contrast": "the same of one group's images less another's, over matched pairs",
    "paper_score": "sum over layers of squared MMD between meta-detector maps of the concept's images and "
    "random benchmark sets, as a share of the bank's total; mean and standard deviation over draws "
    "(CVPR 2020, section 3.2)",
    "importance": "mean over the last sixth of layers of squared MMD (unbiased) between meta-detector maps "
    "of the concept's images and of the bank's other images, negative where the detector responds less; less "
    "the mean under the detectors of reference classes: docs/afi.md",
    "in context": "the same contrast with both images of a pair pasted, in turn, into one place of the "
    "class's own images; interval over pairs and images of the class: docs/in-context.md",
    "p_value": "permutation of labels on independent images, (1 + hits) / (1 + permutations)",
    "p_adjusted": "Holm over every concept tested in the audit; contrasts are a family of their own",
    "adjusted interval": "95% for the whole family at once; conclusions rest on it",
    "q_value": "Benjamini-Yekutieli over the same family",
}

SHOWN_CONCEPTS = 3
"""Concepts of a bank, strongest first, of which a report shows where the detector fires."""


def bank_record(layout: BankLayout, clusters: str) -> BankRecord:
    """A bank as it was used.

    Args:
        layout: Labels and clusters of its images.
        clusters: Which images count as one, in words.
    """
    bank = layout.bank
    return BankRecord(
        name=bank.name,
        title=bank.title,
        source=bank.source,
        compared_with=layout.compared_with,
        digest=bank.digest,
        clusters=clusters,
        groups=sorted(bank.groups),
        licence=bank.licence,
        terms=bank.terms,
        screening=bank.screening,
        report_images=bank.report_images,
        concepts=[
            BankConcept(
                name=c.name,
                title=c.title or c.name,
                definition=c.definition,
                n=len(c.images),
                independent=layout.independent(c.name),
            )
            for c in bank.concepts
        ],
        datasheet=dict(bank.datasheet),
    )


def class_results(
    occluders: Occluders,
    scores: Scores,
    explanations: Sequence[ClassExplanation],
    albums: Sequence[Album],
) -> list[ClassResult]:
    """Everything about every class but its findings; all arguments in the same order of classes."""
    return [
        _class_result(*parts)
        for parts in zip(occluders.classes, scores.classes, explanations, albums, strict=True)
    ]


def _class_result(
    one: ClassOccluder, scores: ClassScores, explained: ClassExplanation, album: Album
) -> ClassResult:
    stage_one = one.stage_one
    return ClassResult(
        index=one.label.index,
        name=one.label.name,
        synset=one.label.synset,
        explanation=one.record,
        images=stage_one.images.record if stage_one else None,
        occluder=stage_one.occluder if stage_one else None,
        layers=explained.layers,
        concepts=[
            _concept_detail(key, deciles, explained.concepts.get(key))
            for key, deciles in scores.deciles.items()
        ],
        contrasts=scores.contrasts,
        sanity_checks=[*one.checks, *scores.checks],
        specific=explained.specific,
        pictures=album.records,
        skipped=list(one.skipped),
        duration_s=scores.seconds,
    )


def _concept_detail(
    key: tuple[str, str], deciles: list[float], explained: ConceptExplanation | None
) -> ConceptDetail:
    more: dict[str, Any] = vars(explained) if explained else {}
    return ConceptDetail(bank=key[0], concept=key[1], responses=deciles, **more)


def in_order(classes: Sequence[ClassLabel], findings: Sequence[Finding]) -> list[Finding]:
    """Class by class; associations before contrasts, contrasts before contrasts in context."""
    place = {label.index: position for position, label in enumerate(classes)}
    kinds = get_args(FindingKind)
    return sorted(findings, key=lambda finding: (place[finding.class_index], kinds.index(finding.kind)))


def skipped_parts(occluders: Occluders, banks: Sequence[ConceptBank]) -> list[Skipped]:
    """What was asked for and not done, of the audit as a whole."""
    why = why_not_measured(occluders)
    importance = [Skipped(what="importance of concepts (AfI)", reason=why)] if why else []
    photos, references = occluders.skipped, occluders.references.skipped
    return [*photos, *references, *importance, *(skip for bank in banks for skip in bank.skipped)]


def albums_of(
    context: AuditContext,
    occluders: Occluders,
    shown: Sequence[Shown],
    findings: Sequence[Finding],
    pasted: Mapping[int, Sequence[Pasted]],
) -> list[Album]:
    """The pictures of every class: its own, people in them, and the averages that all classes share."""
    progress = context.progress
    banks = [one.layout.bank for one in shown]
    averages = [average_pictures(bank, place=i, progress=progress) for i, bank in enumerate(banks)]
    albums = [Album(f"{one.label.index:05d}") for one in occluders.classes]
    work: list[list[Callable[[], None]]] = []
    pairs = {
        bank.name: sample_groups(one.layout, settings=context.settings)
        for one, bank in zip(shown, banks, strict=True)
        if bank.report_images and bank.contrasts
    }
    for one, album in zip(occluders.classes, albums, strict=True):
        own = [finding for finding in findings if finding.class_index == one.label.index]
        evidence = partial(evidence_pictures, shown, one.label, own, album, pairs)
        work.append([*_parts(context, one, own, banks, album), evidence])
    with progress.stage("pictures", sum(map(len, work))) as stage:
        for one, album, parts in zip(occluders.classes, albums, work, strict=True):
            for part in parts:
                part()
                stage.advance()
            for one_of in pasted.get(one.label.index, ()):
                album.add(one_of.pixels, "in context", one_of.alt, bank=one_of.bank, concept=one_of.group)
            for records, files in averages:
                album.include(records, files)
    return albums


def _parts(
    context: AuditContext,
    one: ClassOccluder,
    findings: Sequence[Finding],
    banks: Sequence[ConceptBank],
    album: Album,
) -> list[Callable[[], None]]:
    """What adds the pictures of one class; those of the detector only where its occluder holds."""
    model, learned, measured = context.model, one.stage_one, one.record.measured
    if learned is None:
        return []
    parts: list[Callable[[], None]] = [partial(class_pictures, model, learned, album, occluded=measured)]
    if not measured:
        return parts
    parts += [
        partial(detector_picture, context, learned, layer, album)
        for layer in pictured_layers(context, learned)
    ]
    nearest = [layer for layer in context.layers if layer.height > 1][-1].name  # to the decision
    for bank in banks:
        if not bank.report_images:
            continue
        of_bank = [f for f in findings if f.bank == bank.name and f.rank is not None]
        for finding in sorted(of_bank, key=lambda f: f.rank or 0)[:SHOWN_CONCEPTS]:
            concept = next(c for c in bank.concepts if c.name == finding.subject)
            parts.append(partial(overlay_pictures, model, learned, nearest, bank.name, concept, album))
    return parts


def environment(model: LoadedModel, precision: str) -> Environment:
    """Where and with what the audit runs."""
    packages = {}
    for name in ("torch", "torchvision", "timm", "numpy", "scipy", "pillow", "safetensors"):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = "not installed"
    device = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else model.device.type
    return Environment(
        auditor=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        packages=packages,
        device=device,
        precision=precision,
        threads=torch.get_num_threads(),
    )
