"""A bench on the planted network: photos of stripes, a bank of ever stronger stripes, nothing to fetch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast
from auditor.context import AuditContext
from auditor.evaluate.bench import Bench
from auditor.models import find_classes
from auditor.models.layers import choose_layers
from auditor.models.loaded import LoadedModel, freeze, weights_sha256
from auditor.progress import silent
from auditor.settings import EvaluationSettings
from tests.tiny import SIDE, TinyNet, save_striped, tiny_model

QUICK = {"occluder_iterations": 60, "occluder_lr": 0.1, "paper_exact": True, "seeds": 2, "runs": 5}
"""Settings that a test has time for."""


WIDE = 24
"""Channels of :func:`wide_model`."""
STRENGTH = 80.0
"""Weight of a channel in its class's logit."""


def wide_model() -> LoadedModel:
    """The planted network with further channels that answer to nothing: weights by lot miss what counts."""
    net, old = TinyNet(), TinyNet()
    net.conv = nn.Conv2d(3, WIDE, 4, padding="same", bias=True)
    net.fc = nn.Linear(WIDE, 3)
    with torch.no_grad():
        for part in (net.conv.weight, net.conv.bias, net.fc.weight, net.fc.bias):
            part.zero_()
        net.conv.weight[:3] = old.conv.weight
        net.fc.weight[:, :3] = torch.eye(3) * STRENGTH
    module = freeze(net)
    made = tiny_model()
    return LoadedModel(
        name="test:wide",
        source="test",
        architecture="wide",
        module=module,
        input=made.input,
        labels=made.labels,
        sha256=weights_sha256(module),
    )


def save_photos(folder: Path, *, vertical: int = 18, horizontal: int = 18) -> Path:
    """A folder with photos of both kinds of stripes, so many each; none of "bright"."""
    for name, count in (("vertical", vertical), ("horizontal", horizontal)):
        if count:
            save_striped(tiny_model(), folder / name, count, vertical=name == "vertical")
    return folder


def tiny_settings(
    tmp_path: Path, *, classes: Sequence[str] = ("vertical", "horizontal"), **more: object
) -> EvaluationSettings:
    return EvaluationSettings.model_validate(
        {
            "model": "test:tiny",
            "classes": tuple(classes),
            "images": str(tmp_path / "photos"),
            "out": tmp_path / "out",
            "cache": tmp_path / "cache",
            **QUICK,
            **more,
        }
    )


def tiny_bench(
    tmp_path: Path,
    *,
    model: LoadedModel | None = None,
    banks: Sequence[ConceptBank] = (),
    classes: Sequence[str] = ("vertical", "horizontal"),
    **more: object,
) -> Bench:
    """A bench on ``tmp_path / "photos"``, which is filled where it is not there."""
    if not (tmp_path / "photos").exists():
        save_photos(tmp_path / "photos")
    model = model or tiny_model()
    settings = tiny_settings(tmp_path, classes=classes, **more)
    context = AuditContext(
        model=model,
        settings=settings,
        classes=tuple(find_classes(model.labels, settings.classes)),
        layers=tuple(choose_layers(model)),
        precision="float32",
        progress=silent,
        cache=tmp_path / "cache",
    )
    return Bench(context, settings, tuple(banks))


def graded_bank(concepts: int = 9, images: int = 4, *, groups: int = 0) -> ConceptBank:
    """Concepts ``c0``, ``c1``, ... with ever more of vertical stripes and ever less of horizontal ones."""
    made = []
    for c in range(concepts):
        share = c / max(concepts - 1, 1)
        made.append(Concept(f"c{c}", tuple(_image(share, c, i) for i in range(images))))
    contrasts = tuple(GroupContrast(f"c{2 * g}", f"c{2 * g + 1}") for g in range(groups))
    return ConceptBank("graded", "Graded", "generated", tuple(made), digest="graded", contrasts=contrasts)


def _image(share: float, concept: int, number: int) -> BankImage:
    rng = np.random.default_rng([concept, number])
    wave = np.where(np.arange(SIDE) // 2 % 2 == 0, 1.0, -1.0)
    light = share * wave[None, :] + (1 - share) * wave[:, None] + rng.normal(0, 0.05, (SIDE, SIDE))
    grey = ((0.3 * light + 0.5).clip(0, 1) * 255).round().astype(np.uint8)
    return BankImage(f"c{concept}/{number}", lambda: Image.fromarray(grey).convert("RGB"), "")
