"""From measurements to the records that are stored."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata

import torch

import auditor
from auditor.audit.context import AuditContext
from auditor.audit.explanation import Explained, layer_rows
from auditor.audit.forward import Shown
from auditor.audit.measure import ClassMeasured
from auditor.banks.bank import ConceptBank
from auditor.explain.pictures import Album, class_pictures, detector_pictures, overlay_pictures
from auditor.models.loaded import LoadedModel
from auditor.records import (
    BankConcept,
    BankRecord,
    ClassResult,
    Environment,
    Finding,
)

METHOD = {
    "effect": "mean log-scaled class probability on the concept's images, less that on the images they are "
    "compared with; ln(1 + K p) / ln(1 + K) for probability p among K classes: docs/method.md",
    "contrast": "the same of one group's images less another's, over matched pairs",
    "paper_score": "sum over layers of squared MMD between meta-detector maps of the concept's images and "
    "random benchmark sets, as a share of the bank's total; mean and standard deviation over draws "
    "(CVPR 2020, section 3.2)",
    "p_value": "permutation of labels on independent images, (1 + hits) / (1 + permutations)",
    "p_adjusted": "Holm over every concept tested in the audit; contrasts are a family of their own",
    "adjusted interval": "95% for the whole family at once; conclusions rest on it",
    "q_value": "Benjamini-Yekutieli over the same family",
}

SHOWN_CONCEPTS = 3
"""Concepts of a bank, strongest first, of which a report shows where the detector fires."""


def bank_record(shown: Shown) -> BankRecord:
    """A bank as it was used."""
    bank, layout = shown.layout.bank, shown.layout
    return BankRecord(
        name=bank.name,
        title=bank.title,
        source=bank.source,
        compared_with=layout.reference,
        digest=bank.digest,
        clusters=shown.clusters,
        groups=sorted(bank.groups),
        licence=bank.licence,
        terms=bank.terms,
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


def class_result(one: Explained, found: ClassMeasured, album: Album) -> ClassResult:
    """Everything about one class but its findings."""
    return ClassResult(
        index=one.label.index,
        name=one.label.name,
        synset=one.label.synset,
        explanation=one.record,
        images=one.fit.images.record if one.fit else None,
        occluder=one.fit.occluder if one.fit else None,
        layers=layer_rows(one),
        concepts=found.concepts,
        contrasts=found.contrasts,
        sanity_checks=[*one.checks, *found.checks],
        specific=one.specificity.specific if one.specificity and one.record.measured else None,
        pictures=album.records,
        skipped=list(one.skipped),
        duration_s=found.seconds,
    )


def pictures_of(
    context: AuditContext, one: Explained, found: Sequence[Finding], banks: Sequence[ConceptBank]
) -> Album:
    """The pictures of one class; those of the detector only where its occluder holds."""
    album = Album(f"{one.label.index:05d}")
    if one.fit is None:
        return album
    class_pictures(context.model, one.fit, album, occluded=one.record.measured)
    if not one.record.measured:
        return album
    detector_pictures(
        context.model,
        one.fit,
        context.layers,
        album,
        precision=context.precision,
        seed=context.settings.seed,
    )
    nearest = [layer for layer in context.layers if layer.height > 1][-1].name  # to the decision
    for bank in banks:
        if not bank.report_images:
            continue
        of_bank = [f for f in found if f.bank == bank.name and f.rank is not None]
        for finding in sorted(of_bank, key=lambda f: f.rank or 0)[:SHOWN_CONCEPTS]:
            concept = next(c for c in bank.concepts if c.name == finding.subject)
            overlay_pictures(
                context.model, one.fit, nearest, bank.name, concept.name, concept.images[:4], album
            )
    return album


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
        auditor=auditor.__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        packages=packages,
        device=device,
        precision=precision,
        threads=torch.get_num_threads(),
    )
