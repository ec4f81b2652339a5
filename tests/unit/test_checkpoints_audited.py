"""A network that its owner fine-tuned to three classes, saved in many ways: the same audit every time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from auditor.audit import run_audit
from auditor.images.decode import decode_image, list_images
from auditor.images.inputs import as_inputs
from auditor.models import LoadedModel, Request, load_model
from auditor.models.libraries import build
from auditor.settings import Settings
from benchmarks.checkpoints import WAYS

SIDE = 64
CONCEPTS = ("stripes, red", "it's dotted", "skin:dark")
"""Names that a shell or a file format might stumble over."""


def drawn(kind: int, rng: np.random.Generator, *, side: int = 72) -> Image.Image:
    """A bar, a disc or a chequered patch, on noise."""
    ground = rng.integers(0, 120, 3) + rng.normal(0, 1, (side, 1, 1)).cumsum(0) * 12
    pixels = np.clip(ground + rng.integers(0, 60, (side, side, 3)), 0, 255).astype(np.uint8)
    y, x = np.mgrid[:side, :side] - side / 2 + rng.uniform(-8, 8, (2, 1, 1))
    where = (np.abs(x) < 9, x**2 + y**2 < 400, ((x // 8 + y // 8) % 2 == 0) & (np.abs(x) < 24))[kind]
    pixels[where] = rng.integers(150, 255, 3)
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("banks") / "odd names"
    rng = np.random.default_rng(1)
    for kind, name in enumerate(CONCEPTS):
        (root / name).mkdir(parents=True)
        for i in range(12):
            drawn(kind, rng).save(root / name / f"{i}.png")
    return root


def small(model: LoadedModel) -> LoadedModel:
    return replace(model, input=model.input.model_copy(update={"size": (3, SIDE, SIDE)}))


def fine_tune(model: LoadedModel, head: str, groups: list[list[Image.Image]]) -> nn.Module:
    """Train the whole network, or its head alone where it knows much already."""
    inputs = torch.cat([as_inputs(model, pictures) for pictures in groups])
    wanted = torch.tensor([label for label, pictures in enumerate(groups) for _ in pictures])
    module = model.module
    learned = [p for name, p in module.named_parameters() if name.startswith(head)]
    for p in learned:
        p.requires_grad_(True)
    optimiser = torch.optim.Adam(learned, lr=3e-3)
    for step in range(40):
        part = torch.arange(step % 4, len(inputs), 4)
        optimiser.zero_grad()
        nn.functional.cross_entropy(module(inputs[part]), wanted[part]).backward()
        optimiser.step()
    with torch.no_grad():
        right = float((module(inputs).argmax(1) == wanted).float().mean())
    assert right > 0.8, "the network did not learn"
    return module


def audit(
    spec: str, arch: str, bank: Path, images: Path, out: Path, *, page: bool = False
) -> dict[str, object]:
    """What an audit found, without what depends on the file's name and on the time.

    Drawing the charts of a ``page`` takes as long as the audit; it shows names of the bank alone.
    """
    settings = Settings.model_validate(
        {
            "model": spec, "arch": arch, "classes": ["2"], "images": str(images), "banks": [str(bank)],
            "out": str(out), "formats": ["html" if page else "csv"], "cache": str(out.parent / "cache"),
            "occluder_iterations": 3, "refits": 1, "permutations": 999, "bootstrap": 200,
            "reference_classes": 0,
            "input_size": SIDE, "min_images": 4, "max_images": 8, "runs": 10,
        }
    )  # fmt: skip
    found = run_audit(settings)
    report = (out / ("report.html" if page else "findings.csv")).read_text(encoding="utf-8")
    for name in CONCEPTS:
        assert name.split(",")[0].split("'")[0] in report
    kept = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert len(found.findings) == len(CONCEPTS)
    return {"findings": kept["findings"], "weights": kept["model"]["weights_sha256"]}


def ways(state: dict[str, torch.Tensor], folder: Path) -> Iterator[tuple[str, Path]]:
    for number, (name, save) in enumerate(WAYS.items()):
        path = folder / f"{number}.pth"
        torch.save(save(state), path)
        yield name, path


def same_every_time(state: dict[str, torch.Tensor], arch: str, bank: Path, images: Path, out: Path) -> None:
    results = {
        name: audit(f"file:{path}", arch, bank, images, out / f"audit-{path.stem}", page=name == "plain")
        for name, path in ways(state, out)
    }
    assert len(results) >= 12
    first = results["plain"]
    assert all(finding["effect"] is not None for finding in first["findings"])  # type: ignore[union-attr]
    for name, found in results.items():
        assert found == first, name


@pytest.mark.slow
def test_trained_on_drawn_shapes(bank: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    groups = [[drawn(kind, rng) for _ in range(24)] for kind in range(3)]
    for kind, pictures in enumerate(groups):
        (tmp_path / "photos" / str(kind)).mkdir(parents=True)
        for i, picture in enumerate(pictures):
            picture.save(tmp_path / "photos" / str(kind) / f"{i}.png")
    arch = "timm:test_resnet"
    raw = build(arch, {"num_classes": 3})
    torch.save(raw.module.state_dict(), tmp_path / "start.pth")
    model = small(load_model(f"file:{tmp_path / 'start.pth'}", request=Request(arch=arch)))
    trained = fine_tune(model, "", groups)
    same_every_time(trained.state_dict(), arch, bank, tmp_path / "photos", tmp_path)


@pytest.mark.slow
@pytest.mark.shared
def test_real_weights_fine_tuned_on_real_photos(shared: Path, bank: Path, tmp_path: Path) -> None:
    folders = sorted((shared / "data" / "imagenet").iterdir())[:3]
    groups = []
    for kind, folder in enumerate(folders):
        paths = list_images(folder)[:24]
        groups.append([decode_image(path) for path in paths])
        (tmp_path / "photos" / str(kind)).mkdir(parents=True)
        for path in paths:
            (tmp_path / "photos" / str(kind) / path.name).write_bytes(path.read_bytes())
    arch = "torchvision:resnet18"
    known = load_model(f"file:{shared / 'models' / 'resnet18.safetensors'}", request=Request(arch=arch))
    state = dict(known.module.state_dict())
    torch.manual_seed(0)
    state["fc.weight"], state["fc.bias"] = torch.randn(3, 512) * 0.01, torch.zeros(3)
    torch.save(state, tmp_path / "start.pth")
    model = small(load_model(f"file:{tmp_path / 'start.pth'}", request=Request(arch=arch)))
    trained = fine_tune(model, "fc", groups)
    same_every_time(trained.state_dict(), arch, bank, tmp_path / "photos", tmp_path)
