"""Small audits for the gate and the comparison: a few numbers, each of which a test can set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from auditor.findings import conclude_all, concluded
from auditor.records import (
    Audit,
    BankConcept,
    BankRecord,
    Check,
    ClassImages,
    ClassResult,
    Environment,
    Explanation,
    Finding,
    InputSpec,
    ModelRecord,
    OccluderRecord,
    SanityCheck,
)
from auditor.statistics.effects import Inference, mean_effects
from auditor.statistics.probability import TEMPERATURES, Tempered
from auditor.store.directory import write_audit

MARGIN, CONTRAST_MARGIN = 0.1, 0.015

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "runs": 100,
    "permutations": 199,
    "bootstrap": 200,
    "noise": 0.04,
    "rotation": 5.0,
    "margin": MARGIN,
    "contrast_margin": CONTRAST_MARGIN,
    "alpha": 0.05,
    "benchmark": None,
    "min_images": 30,
    "images": "impressions",
}


def concept(name: str = "banded", *, bank: str = "textures", **numbers: Any) -> Finding:
    """An association, concluded: by default none, and surely so."""
    values: dict[str, Any] = {
        "kind": "association",
        "subject": name,
        "n": 60,
        "n_other": 300,
        "independent": 60,
        "independent_other": 300,
        "margin": MARGIN,
        "effect": 0.0,
        "low": -0.02,
        "high": 0.02,
    }
    return _finding(bank, values | numbers)


def contrast(more: str = "women", less: str = "men", *, bank: str = "faces", **numbers: Any) -> Finding:
    """A contrast, concluded: by default no difference, and surely so."""
    values: dict[str, Any] = {
        "kind": "contrast",
        "subject": f"{more}/{less}",
        "more": more,
        "less": less,
        "matched": False,
        "n": 100,
        "n_other": 100,
        "independent": 100,
        "independent_other": 100,
        "margin": CONTRAST_MARGIN,
        "effect": 0.0,
        "low": -0.005,
        "high": 0.005,
    }
    return _finding(bank, values | numbers)


def in_context(more: str = "women", less: str = "men", *, bank: str = "faces", **numbers: Any) -> Finding:
    """The same of people pasted into the class's own pictures: so many pairs in so many pictures."""
    values: dict[str, Any] = {
        "kind": "in context",
        "matched": True,
        "n": 288,
        "n_other": 288,
        "independent": 36,
        "independent_other": 24,
        "checks": [Check(name="enough pictures of the class", passed=True, forbids="both", reason="")],
    }
    return contrast(more, less, bank=bank, **(values | numbers))


def _finding(bank: str, values: dict[str, Any]) -> Finding:
    """``low`` and ``high`` serve as adjusted interval, too, unless that is given; concluded from them."""
    usual: dict[str, Any] = {
        "class_index": 340,
        "class_name": "zebra",
        "bank": bank,
        "adjusted_low": values["low"],
        "adjusted_high": values["high"],
        "p_value": 0.0001,
        "p_adjusted": 0.001,
        "q_value": 0.001,
        "family": 3,
        "alpha": 0.05,
        "minimum_detectable": 0.05,
        "class_share": 0.1,
        "checks": [Check(name="enough independent images", passed=True, forbids="both", reason="")],
        "conclusion": "not measured",
        "reason": "",
    }
    return concluded(Finding(**(usual | values)))


def failed(name: str = "random concept", *, forbids: str = "both") -> Check:
    """A check that withholds a finding."""
    reason = f"the sanity check '{name}' failed for bank 'textures'"
    return Check.model_validate({"name": name, "passed": False, "forbids": forbids, "reason": reason})


def audited_class(
    *findings: Finding,
    index: int = 340,
    name: str = "zebra",
    synset: str = "n02391049",
    checks: list[SanityCheck] | None = None,
    success: float | None = 0.9,
    source: str = "impressions",
) -> tuple[ClassResult, list[Finding]]:
    """One class and its findings, which are told that they are about it."""
    measured = success is not None and success >= 0.5
    result = ClassResult(
        index=index,
        name=name,
        synset=synset,
        explanation=Explanation(measured=measured, reason="as measured"),
        images=ClassImages(
            source=source, found=20, used=16, dropped=4, dropped_unreadable=0, dropped_misclassified=4,
            learned=12, heldout=4, digest="ab" * 32,
        ),
        occluder=OccluderRecord(
            success_learned=1.0, success_heldout=success, success_transformed=0.9, success_random=0.0,
            probability_before=0.9, probability_after=0.1, l1=0.1, l1_share=0.05, iterations=50,
            evaluations=800, lambda_=100.0, converged=True, refits=3,
        ),
        sanity_checks=checks or [],
    )  # fmt: skip
    return result, [f.model_copy(update={"class_index": index, "class_name": name}) for f in findings]


def audit_of(*classes: tuple[ClassResult, list[Finding]], **fields: Any) -> Audit:
    """An audit whose banks list exactly the concepts that its findings are about."""
    findings = [finding for _, own in classes for finding in own]
    banks: dict[str, dict[str, None]] = {}
    groups: dict[str, set[str]] = {}
    for finding in findings:
        names = [finding.more, finding.less] if finding.of_groups else [finding.subject]
        banks.setdefault(finding.bank, {}).update(dict.fromkeys(names))
        if finding.of_groups:
            groups.setdefault(finding.bank, set()).update(names)
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
                groups=sorted(groups.get(name, ())),
                concepts=[
                    BankConcept(name=c, title=c, definition="", n=60, independent=60) for c in concepts
                ],
            )
            for name, concepts in banks.items()
        ],
        "classes": [result for result, _ in classes],
        "findings": findings,
    }  # fmt: skip
    return Audit(**(values | fields))


def another_model(audit: Audit) -> Audit:
    """The same audit, said to be of other weights."""
    model = audit.model.model_copy(update={"name": "bundled:efficientnet_lite1", "weights_sha256": "1e" * 32})
    return audit.model_copy(update={"model": model})


CLASSES = 5


def logits_of(
    *, shift: float, noise: np.random.Generator, images: np.random.Generator, n: int
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """[3 n, classes] Logits of a release: class 0 rises by ``shift`` on the first ``n`` images."""
    shared = images.normal(size=(3 * n, CLASSES))
    logits = shared + 0.2 * noise.normal(size=(3 * n, CLASSES))
    logits[:n, 0] += shift
    return logits.astype(np.float32)


def write_release(
    directory: Path,
    *,
    shift: float,
    noise: np.random.Generator,
    images: np.random.Generator,
    n: int = 80,
    sharpness: float = 1.0,
) -> Audit:
    """An audit on disk whose findings come from logits: one concept of three is ``shift`` away.

    Args:
        directory: Receives the audit.
        shift: Planted change of the class's logit on images labelled ``banded``.
        noise: What differs from one model to the next.
        images: What the images have in common; the same generator state gives the same images.
        n: Images per concept.
        sharpness: Every logit is multiplied by it.
    """
    names = ["banded", "dotted", "grid"]
    labels = np.repeat(np.arange(3), n)
    tempered = Tempered(sharpness * logits_of(shift=shift, noise=noise, images=images, n=n))
    response = tempered.log_scaled(0).astype(np.float32)
    found = mean_effects(
        response[len(TEMPERATURES) // 2],
        labels,
        concepts=3,
        inference=Inference(199, 200, 0.05, 3),
        rng=noise,
    )
    findings = conclude_all(
        [
            concept(
                name, n=e.n, n_other=e.n_other, effect=e.effect, low=e.low, high=e.high,
                adjusted_low=e.adjusted_low, adjusted_high=e.adjusted_high, p_value=e.p_value,
                p_adjusted=None,
            )
            for name, e in zip(names, found, strict=True)
        ]
    )  # fmt: skip
    audit = audit_of(audited_class(*findings))
    arrays = {
        "temperatures": np.array(TEMPERATURES),
        "bank/textures/label": labels,
        "bank/textures/cluster": np.arange(3 * n),
        "bank/textures/entropy": tempered.entropy,
        "class/340/response/textures": response,
    }
    write_audit(directory, audit, arrays)
    return audit
