"""A small scan made by hand: three concepts and a contrast for six classes, with its arrays on disk."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from auditor.files import save_arrays, write_bytes
from auditor.records import (
    BankConcept,
    BankRecord,
    Check,
    Environment,
    InputSpec,
    ModelRecord,
    Skipped,
)
from auditor.scan_records import Driver, Lots, Scan, ScanBank, ScanFamily, ScanFinding
from auditor.store.scans import read_scan, write_scan

CLASSES = ["spider web", "crane", "zebra", "crane", "bow tie", "plain"]
TEXTURES, FACES = ("cobwebbed", "banded", "woven"), ("women", "men")
EFFECTS = np.array(
    [
        [0.7512, 0.0234, -0.1834],
        [0.0112, 0.2213, 0.0],
        [0.0, 0.4021, 0.0312],
        [0.0021, -0.0231, 0.0],
        [0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0],
    ]
)
CONTRASTS = np.array([[0.0], [0.0412], [0.0], [0.0], [-0.1023], [0.0]])
LEVEL = 0.02
DRIVER = "pictures/textures/0123456789abcdef.jpg"


def finding(
    index: int, subject: str, effect: float, half: float, conclusion: str, **more: Any
) -> ScanFinding:
    """A finding of the bank of textures, or of faces where ``subject`` names two groups."""
    contrast = "/" in subject
    groups = dict(zip(("more", "less"), FACES, strict=True)) if contrast else {}
    fields: dict[str, Any] = {
        "kind": "contrast" if contrast else "association",
        "class_index": index,
        "class_name": CLASSES[index],
        "bank": "faces" if contrast else "textures",
        "subject": subject,
        "matched": True if contrast else None,
        "screened_effect": round(effect * 1.2, 4),
        "effect": effect,
        "low": effect - half,
        "high": effect + half,
        "p_value": 0.00004,
        "q_value": 0.0123,
        "n": 40,
        "n_other": 80,
        "independent": 38,
        "independent_other": 79,
        "class_share": 0.2,
        "alpha": 0.05,
        "margin": 0.015 if contrast else 0.1,
        "conclusion": conclusion,
        "reason": "the whole interval lies beyond the margin, and the test rejects",
    }
    return ScanFinding(**{**fields, **groups, **more})


def findings() -> list[ScanFinding]:
    """Worst first: two of a class, both directions, a contrast, one across the margin, one withheld."""
    failed = Check(name="comparable pictures", passed=False, forbids="both", reason="64%, need 50% or less")
    return [
        finding(
            0, "cobwebbed", 0.7512, 0.0711, "associated", class_share=0.0,
            drivers=[Driver(image="cobwebbed/1", value=0.9234, path=DRIVER)],
        ),
        finding(4, "women/men", -0.1023, 0.0312, "negatively associated"),
        finding(2, "banded", 0.4021, 0.1033, "associated"),
        finding(0, "woven", -0.1834, 0.0633, "negatively associated"),
        finding(
            1, "women/men", 0.0412, 0.0211, "inconclusive", checks=[failed], reason="64%, need 50% or less"
        ),
        finding(1, "banded", 0.2213, 0.1811, "inconclusive", reason="the interval reaches across the margin"),
    ]  # fmt: skip


def families(found: list[ScanFinding]) -> list[ScanFamily]:
    """As the findings are."""
    return [
        ScanFamily(
            kind=kind,
            looked_at=looked_at,
            selected=sum(one.kind == kind for one in found),
            confirmed=sum(one.kind == kind and one.confirmed for one in found),
            interval_level=LEVEL,
        )
        for kind, looked_at in (("association", 18), ("contrast", 6))
    ]


def scan_of(**more: Any) -> Scan:
    """The scan, with some fields replaced."""
    fields: dict[str, Any] = {
        "created": "2026-11-27T02:21:49+00:00",
        "duration_s": 90.0,
        "model": ModelRecord(
            name="bundled:small", source="bundled", architecture="small", weights_sha256="4" * 64,
            parameters=1000, classes=len(CLASSES),
            input=InputSpec(size=(3, 32, 32), crop=1.0, interpolation="bicubic", mean=(0.5,) * 3,
                std=(0.5,) * 3),
        ),
        "settings": {"alpha": 0.05, "margin": 0.1, "contrast_margin": 0.015, "seed": 0, "fast": False},
        "environment": Environment(
            auditor="0.1.0", python="3.11", platform="Linux", packages={"numpy": "2.0"}, device="cpu",
            precision="float32", threads=1,
        ),
        "classes": CLASSES,
        "banks": [_bank("textures", TEXTURES, True), _bank("faces", FACES, False)],
        "families": families(findings()),
        "findings": findings(),
        "silent": [5],
        "constant": [],
        "lots": Lots(draws=20, associations=1, contrasts=0),
        "method": {"effect": "a mean less a mean"},
        "skipped": [Skipped(what="concept 'textures/veined'", reason="3 images, need 30")],
    }  # fmt: skip
    return Scan(**{**fields, **more})


def _bank(name: str, concepts: tuple[str, ...], shown: bool) -> ScanBank:
    record = BankRecord(
        name=name,
        title={"textures": "Drawn textures", "faces": "Faces by perceived gender"}[name],
        source="generated",
        digest="8" * 64,
        groups=[] if shown else list(concepts),
        report_images=shown,
        concepts=[
            BankConcept(name=one, title=one.capitalize(), definition="", n=60, independent=60)
            for one in concepts
        ],
    )
    columns = {"concepts": list(concepts)} if shown else {"contrasts": ["women/men"]}
    return ScanBank(bank=record, screening=20, confirming=40, **columns)


def arrays() -> dict[str, np.ndarray[Any, Any]]:
    """Effects of every class, the same on either part; errors of 0.02, and 30 degrees of freedom."""
    found = {}
    for prefix, effect in (
        ("textures/association", EFFECTS),
        ("textures/contrast", np.zeros((6, 0))),
        ("faces/association", np.zeros((6, 0))),
        ("faces/contrast", CONTRASTS),
    ):
        for part in ("screening", "confirming"):
            found[f"{prefix}/{part}/effect"] = effect
            found[f"{prefix}/{part}/error"] = np.full(effect.shape, 0.02)
            found[f"{prefix}/{part}/df"] = np.full(effect.shape[1], 30.0)
    return found


def stored(directory: Path, scan: Scan | None = None) -> Scan:
    """The scan as ``directory`` holds it afterwards, with its arrays and its picture."""
    save_arrays(directory / "arrays.npz", arrays())
    digest = hashlib.sha256((directory / "arrays.npz").read_bytes()).hexdigest()
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 120, 40)).save(picture, "JPEG")
    write_bytes(directory / DRIVER, picture.getvalue())
    write_scan(directory, (scan or scan_of()).model_copy(update={"arrays_sha256": digest}), {})
    return read_scan(directory)
