"""Small audits for the gate and the comparison: a few numbers, each of which a test can set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from auditor.records import (
    Audit,
    BankConcept,
    BankRecord,
    ClassImages,
    ClassResult,
    ConceptResult,
    ContrastResult,
    Control,
    Environment,
    InputSpec,
    ModelRecord,
    OccluderRecord,
)
from auditor.statistics.effects import concept_effects
from auditor.store import write_audit

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "runs": 100,
    "noise": 0.04,
    "rotation": 5.0,
    "margin": 0.5,
    "alpha": 0.05,
    "benchmark": None,
    "min_images": 30,
    "images": "impressions",
}


def concept(name: str = "banded", *, bank: str = "textures", **numbers: Any) -> ConceptResult:
    """A concept of a class: by default nothing, and surely so."""
    values: dict[str, Any] = {
        "n": 60,
        "n_benchmark": 300,
        "score": 0.0,
        "score_low": -0.1,
        "score_high": 0.1,
        "p_value": 0.5,
        "p_adjusted": 1.0,
        "direction": "not associated",
        "smallest_detectable": 0.2,
        "paper_score": 0.5,
        "paper_score_sd": 0.01,
    }
    return ConceptResult(bank=bank, concept=name, **(values | numbers))


def contrast(
    more: str = "women", less: str = "men", *, bank: str = "faces", **numbers: Any
) -> ContrastResult:
    """A contrast of a class: by default no difference, and surely so."""
    values: dict[str, Any] = {
        "n_more": 100,
        "n_less": 100,
        "matched": False,
        "difference": 0.0,
        "difference_low": -0.1,
        "difference_high": 0.1,
        "p_value": 0.5,
        "p_adjusted": 1.0,
        "direction": "no difference",
        "smallest_detectable": 0.2,
    }
    return ContrastResult(bank=bank, more=more, less=less, **(values | numbers))


def audited_class(
    *concepts: ConceptResult,
    index: int = 340,
    name: str = "zebra",
    synset: str = "n02391049",
    contrasts: list[ContrastResult] | None = None,
    controls: list[Control] | None = None,
    success: float | None = 0.9,
    source: str = "impressions",
    specific: bool | None = None,
) -> ClassResult:
    """One class, trusted by default."""
    return ClassResult(
        index=index,
        name=name,
        synset=synset,
        images=ClassImages(
            source=source, found=20, used=16, dropped=4, dropped_unreadable=0, dropped_misclassified=4,
            learned=12, heldout=4, digest="ab" * 32,
        ),
        occluder=OccluderRecord(
            success_learned=1.0, success_heldout=success, success_transformed=0.9, success_random=0.0,
            probability_before=0.9, probability_after=0.1, l1=0.1, l1_share=0.05, iterations=50,
            evaluations=800, lambda_=100.0, converged=True, refits=3,
        ),
        layers=[],
        concepts=list(concepts),
        contrasts=contrasts or [],
        controls=controls or [],
        specific=specific,
    )  # fmt: skip


def control(name: str = "random concept", *, passed: bool | None = True) -> Control:
    """A control with an outcome."""
    return Control(name=name, expectation="nothing is found", observed=0.3, threshold=0.2, passed=passed)


def audit_of(*classes: ClassResult, **fields: Any) -> Audit:
    """An audit whose banks list exactly the concepts that its classes were measured against."""
    banks: dict[str, dict[str, None]] = {}
    for result in classes:
        for seen in result.concepts:
            banks.setdefault(seen.bank, {})[seen.concept] = None
        for pair in result.contrasts:
            banks.setdefault(pair.bank, {}).update({pair.more: None, pair.less: None})
    values: dict[str, Any] = {
        "created": "2026-11-23T09:41:07Z",
        "duration_s": 60.0,
        "model": ModelRecord(
            name="bundled:efficientnet_lite0", source="bundled", architecture="tf_efficientnet_lite0",
            weights_sha256="0f" * 32, parameters=1000, classes=1000,
            input=InputSpec(
                size=(3, 224, 224), crop=0.875, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3
            ),
        ),
        "settings": SETTINGS,
        "environment": Environment(
            auditor="0.1.0", python="3.11.9", platform="Linux", packages={}, device="cpu",
            precision="float32", threads=1,
        ),
        "layers": [],
        "banks": [
            BankRecord(
                name=name, title=name, source="generated", digest=f"{name:x<64}", report_images=True,
                concepts=[BankConcept(name=c, title=c, definition="", n=60) for c in concepts],
            )
            for name, concepts in banks.items()
        ],
        "classes": list(classes),
    }  # fmt: skip
    return Audit(**(values | fields))


def another_model(audit: Audit) -> Audit:
    """The same audit, said to be of other weights."""
    model = audit.model.model_copy(update={"name": "bundled:efficientnet_lite1", "weights_sha256": "1e" * 32})
    return audit.model_copy(update={"model": model})


def write_release(
    directory: Path, *, shift: float, noise: np.random.Generator, images: np.random.Generator, n: int = 80
) -> Audit:
    """An audit on disk whose scores come from responses: one concept of three is ``shift`` away.

    Args:
        directory: Receives the audit.
        shift: Planted effect of ``banded``, in standard deviations of an image's response.
        noise: What differs from one model to the next.
        images: What the images have in common; the same generator state gives the same images.
        n: Images per concept.
    """
    names = ["banded", "dotted", "grid"]
    labels = np.repeat(np.arange(3), n)
    shared = images.normal(size=3 * n)
    response = np.stack([shared + 0.3 * noise.normal(size=3 * n) for _ in range(3)]).astype(np.float32)
    response[:, labels == 0] += shift
    found = concept_effects(
        response, labels, concepts=names, permutations=199, bootstrap=200, alpha=0.05, margin=0.5, rng=noise,
        standardised=False,
    )  # fmt: skip
    concepts = [
        concept(
            f.concept,
            n=f.n,
            n_benchmark=f.n_benchmark,
            score=f.effect,
            score_low=f.low,
            score_high=f.high,
            p_value=f.p_value,
            p_adjusted=min(1.0, 3 * f.p_value),
            direction=f.direction,
        )
        for f in found
    ]
    audit = audit_of(audited_class(*concepts))
    write_audit(directory, audit, {"bank/textures/label": labels, "class/340/response/textures": response})
    return audit
