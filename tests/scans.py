"""Small scans: made-up pictures, a network that sees what is planted in it, findings by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import auditor.audit.prepare
from auditor.banks.bank import BankImage, Concept, ConceptBank, digest_of
from auditor.banks.read import loading
from auditor.models.loaded import ClassLabel, LoadedModel, freeze, weights_sha256
from auditor.records import BankConcept, BankRecord, Check, Environment, InputSpec, ModelRecord
from auditor.scan import run_scan
from auditor.scan_records import Lots, Scan, ScanBank, ScanFamily, ScanFinding
from auditor.settings import ScanSettings

SIDE = 16
CONCEPTS = ("red", "green", "blue")
COUNT = 24
"""Images of a concept."""


class Colours(nn.Module):
    """Logits from the mean of each colour channel."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(3, len(weight))
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[..., None, None])
            self.fc.weight.copy_(weight)
            self.fc.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.conv(x)).flatten(1))


def model(
    classes: int = 8,
    *,
    planted: Mapping[int, tuple[float, ...]] | None = None,
    bias: Mapping[int, float] | None = None,
    scale: float = 1.0,
    names: tuple[str, ...] = (),
) -> LoadedModel:
    """A network whose classes look at nothing, but for those that are planted.

    Args:
        classes: How many.
        planted: Class to its weights of red, green and blue; by default class 0 likes red.
        bias: Class to the bias of its logit.
        scale: Of all logits.
        names: Of the classes; ``class 0`` and so on where left out.
    """
    weight, bias_of = torch.zeros(classes, 3), torch.zeros(classes)
    for index, row in ({0: (6.0, -3.0, -3.0)} if planted is None else planted).items():
        weight[index] = torch.tensor(row)
    for index, value in (bias or {}).items():
        bias_of[index] = value
    module = freeze(Colours(weight * scale, bias_of * scale))
    given = names or tuple(f"class {i}" for i in range(classes))
    return LoadedModel(
        name="test:colours",
        source="test",
        architecture="colours",
        module=module,
        input=InputSpec(
            size=(3, SIDE, SIDE), crop=1.0, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3
        ),
        labels=tuple(ClassLabel(i, name, "", (name,)) for i, name in enumerate(given)),
        sha256=weights_sha256(module),
    )


def tinted(rng: np.random.Generator, channel: int | None, strength: float = 60.0) -> Image.Image:
    """Blocks of noise, all different, with one channel raised."""
    blocks = np.kron(rng.normal(120, 60, (8, 8, 1)), np.ones((SIDE // 8, SIDE // 8, 1)))
    values = blocks + rng.normal(0, 12, (1, 1, 3)) + np.zeros((SIDE, SIDE, 3))
    if channel is not None:
        values[..., channel] += rng.normal(strength, strength / 4)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def pictures(
    concept: str, count: int = COUNT, *, channel: int | None = None, seed: int = 0, **more: float
) -> list[Image.Image]:
    """Of one concept; those that are named after a colour have more of it."""
    rng = np.random.default_rng([seed, *concept.encode()])
    if channel is None and concept in CONCEPTS:
        channel = CONCEPTS.index(concept)
    return [tinted(rng, channel, **more) for _ in range(count)]


def concept(
    name: str,
    found: Sequence[Image.Image] | None = None,
    *,
    clusters: Sequence[str] = (),
    covariates: Sequence[Mapping[str, str | float]] = (),
) -> Concept:
    """Images of one label, ``name/0`` and so on; drawn where none are given."""
    images = []
    for i, picture in enumerate(pictures(name) if found is None else found):
        images.append(
            BankImage(
                f"{name}/{i}",
                lambda picture=picture: picture,  # type: ignore[misc]
                hashlib.sha256(picture.tobytes()).hexdigest(),
                covariates=covariates[i] if covariates else {},
                cluster=clusters[i] if clusters else "",
            )
        )
    return Concept(name, tuple(images))


def bank(*concepts: Concept, name: str = "colours", **more: Any) -> ConceptBank:
    """A bank in memory, by default of three colours. Nothing in it is looked through for copies."""
    held = concepts or tuple(concept(colour) for colour in CONCEPTS)
    reference = more.get("reference")
    usual: dict[str, Any] = {
        "title": name,
        "source": "generated",
        "digest": digest_of([*held, *([reference] if reference else [])]),
    }
    return ConceptBank(name=name, concepts=held, **(usual | more))


def bank_at(root: Path, *, concepts: tuple[str, ...] = CONCEPTS, count: int = COUNT) -> Path:
    """The same as files: ``root/<concept>/<n>.png``."""
    for name in concepts:
        (root / name).mkdir(parents=True)
        for i, picture in enumerate(pictures(name, count)):
            picture.save(root / name / f"{i:02d}.png")
    return root


def settings(out: Path, **more: object) -> ScanSettings:
    """Of a scan of one bank, with every limit small."""
    values: dict[str, object] = {
        "model": "test:colours", "banks": ("colours",), "out": out, "cache": out.parent / "cache",
        "device": "cpu", "scan_formats": ("csv",), "min_images": 10,
    }  # fmt: skip
    return ScanSettings.model_validate({**values, **more})


@contextmanager
def using(one: LoadedModel, *banks: ConceptBank) -> Iterator[None]:
    """Whatever model is asked for, it is this one; these banks are known by their names."""
    known = {bank.name: bank for bank in banks}

    def load_bank(spec: str, **more: Any) -> ConceptBank:
        return known[spec] if spec in known else loading.load_bank(spec, **more)

    def check_bank(spec: str) -> None:
        if spec not in known:
            loading.check_bank(spec)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditor.audit.prepare, "load_model", lambda *_args, **_more: one)
        patch.setattr(auditor.audit.prepare, "load_bank", load_bank)
        patch.setattr("auditor.audit.request.check_name", lambda _spec: None)
        patch.setattr("auditor.audit.request.check_bank", check_bank)
        yield


def scanned(out: Path, *banks: ConceptBank, by: LoadedModel | None = None, **more: object) -> Scan:
    """A scan on disk at ``out``: by default of :func:`model` and :func:`bank`."""
    held = banks or (bank(),)
    with using(by or model(), *held):
        return run_scan(settings(out, **({"banks": tuple(b.name for b in held)} | more)))


ABOVE: dict[str, Any] = {"effect": 0.5, "low": 0.4, "high": 0.6}


def finding(subject: str = "banded", **numbers: Any) -> ScanFinding:
    """An association of a scan, confirmed by default; ``women/men`` makes it a contrast."""
    contrast = "/" in subject
    usual: dict[str, Any] = {
        "kind": "contrast" if contrast else "association",
        "class_index": 1,
        "class_name": "zebra",
        "bank": "faces" if contrast else "textures",
        "subject": subject,
        "matched": True if contrast else None,
        "screened_effect": 0.5,
        **ABOVE,
        "p_value": 1e-6,
        "q_value": 1e-5,
        "n": 40,
        "n_other": 40,
        "independent": 40,
        "independent_other": 40,
        "class_share": 0.0,
        "alpha": 0.05,
        "margin": 0.015 if contrast else 0.1,
        "checks": [Check(name="enough independent images", passed=True, forbids="both", reason="")],
        "conclusion": "associated",
        "reason": "the whole interval lies beyond the margin, and the test rejects",
    }
    if contrast:
        more, _, less = subject.partition("/")
        usual |= {"more": more, "less": less}
    return ScanFinding(**(usual | numbers))


def scan_of(*findings: ScanFinding, fewest: int = 40, **fields: Any) -> Scan:
    """A scan of a model of three classes against two banks, with these findings."""
    usual: dict[str, Any] = {
        "created": "2026-11-23T09:41:07Z",
        "duration_s": 1.0,
        "model": ModelRecord(
            name="test:m", source="test", architecture="m", weights_sha256="ab" * 32, parameters=1, classes=3,
            input=InputSpec(
                size=(3, 8, 8), crop=1.0, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3
            ),
        ),
        "settings": {
            "seed": 0, "margin": 0.1, "contrast_margin": 0.015, "alpha": 0.05, "min_images": 30,
            "fast": False, "banks": ["textures", "faces"],
        },
        "environment": Environment(
            auditor="0", python="3", platform="x", packages={}, device="cpu", precision="float32", threads=1
        ),
        "classes": ["cat", "zebra", "tern"],
        "banks": [
            _bank("textures", ("banded", "dotted"), (), fewest),
            _bank("faces", (), ("women/men",), fewest),
        ],
        "families": [
            ScanFamily(kind="association", looked_at=6, selected=0, confirmed=0, interval_level=0.05),
            ScanFamily(kind="contrast", looked_at=3, selected=0, confirmed=0, interval_level=0.05),
        ],
        "findings": list(findings),
        "lots": Lots(draws=20, associations=0, contrasts=0),
    }  # fmt: skip
    return Scan(**(usual | fields))


def _bank(name: str, concepts: tuple[str, ...], contrasts: tuple[str, ...], fewest: int) -> ScanBank:
    named = [*concepts, *(group for pair in contrasts for group in pair.split("/"))]
    record = BankRecord(
        name=name, title=name, source="folder", compared_with="the bank's other concepts", digest="cd" * 32,
        clusters="", groups=[group for pair in contrasts for group in pair.split("/")], licence="", terms="",
        report_images=True,
        concepts=[BankConcept(name=c, title=c, definition="", n=60, independent=60) for c in named],
    )  # fmt: skip
    return ScanBank(
        bank=record, screening=40, confirming=80, fewest=fewest, fewest_of_groups=fewest,
        concepts=list(concepts), contrasts=list(contrasts),
    )  # fmt: skip
