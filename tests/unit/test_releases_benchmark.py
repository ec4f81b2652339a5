"""The benchmark of releases: the bias is planted, its control has none, and the gate tells them apart."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.records import InputSpec
from benchmarks.releases import Size, planted_release
from benchmarks.releases_planting import Material, Recipe, drift, split_faces, train

CHANNELS, CLASSES, RAISED = 24, 10, 3


class _Body(nn.Module):
    """As much of a timm network as is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(CHANNELS, CLASSES)

    def get_classifier(self) -> nn.Module:
        return self.last


def _model() -> LoadedModel:
    torch.manual_seed(0)
    labels = tuple(ClassLabel(i, str(i)) for i in range(CLASSES))
    spec = InputSpec(
        size=(3, 8, 8), crop=1.0, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )
    return LoadedModel("test", "test", "test", _Body(), spec, labels, "0" * 64)


def _material(model: LoadedModel, *, seed: int) -> Material:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(260, CHANNELS, generator=generator)
    women = torch.rand(200, generator=generator) < 0.5
    features[:200, 0] += torch.where(women, 1.5, -1.5)  # the network sees the label
    features[:200, 1] += 3.0  # and that it is a face
    with torch.no_grad():
        return Material(features, model.module.last(features), 200, women)  # type: ignore[operator]


def _gap(module: nn.Module, material: Material) -> float:
    with torch.no_grad():
        faces = module.last(material.features[:200])[:, RAISED]  # type: ignore[operator]
    return float(faces[material.women].mean() - faces[~material.women].mean())


def test_only_the_planted_release_tells_the_groups_further_apart() -> None:
    model = _model()
    seen, fresh = _material(model, seed=1), _material(model, seed=2)
    before = {k: v.clone() for k, v in model.module.state_dict().items()}
    gaps = {}
    for name in ("planted", "control"):
        module = train(model, seen, Recipe(RAISED, rate=5e-3), biased=name == "planted", seed=0)
        gaps[name] = _gap(module, fresh) - _gap(model.module, fresh)
        others, raised = drift(module, fresh, RAISED)
        assert others < 0.05
        assert raised < 1.0
    assert gaps["planted"] > 1.0  # of 2 logits
    assert abs(gaps["control"]) < 0.4
    assert all(torch.equal(before[k], v) for k, v in model.module.state_dict().items())


def test_the_control_is_changed_as_often_as_the_planted_release() -> None:
    model = _model()
    material = _material(model, seed=1)
    weights: list[Tensor] = [
        train(model, material, Recipe(RAISED, epochs=1), biased=False, seed=seed).last.weight  # type: ignore[union-attr]
        for seed in (0, 0, 1)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_faces_to_plant_with_and_to_audit_with_have_no_file_in_common(tmp_path: Path) -> None:
    faces = tmp_path / "utkface"
    faces.mkdir()
    for i in range(40):
        (faces / f"{30 + i}_{i % 2}_0_2017{i}.jpg").write_bytes(bytes([i]))
    (faces / "12_1_0_2017.jpg").write_bytes(b"a minor")
    planting, auditing = split_faces(faces, tmp_path / "out", each=None, seed=0)
    held = {f.name for f in auditing.iterdir()}
    assert len(planting) == len(held) == 20
    assert not held & {f.name for f in planting}
    assert not any(name.startswith("12_") for name in held)
    assert sum(f.name.split("_")[1] == "1" for f in planting) == 10
    assert split_faces(faces, tmp_path / "again", each=None, seed=0)[0] == planting
    assert len(split_faces(faces, tmp_path / "few", each=3, seed=0)[0]) == 6


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.weights
def test_the_gate_stops_the_planted_release_and_names_it(
    shared: Path, tmp_path: Path, demo_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = shared / "data" / "utkface"
    if not faces.is_dir():
        pytest.skip("no UTKFace among the real photos")
    shutil.rmtree(tmp_path, ignore_errors=True)
    tmp_path.mkdir()
    monkeypatch.setenv("AUDITOR_CACHE", str(tmp_path / "cache"))
    settings: dict[str, Any] = {
        "--n-impressions": 4, "--impression-steps": 16, "--occluder-iterations": 4, "--refits": 1,
        "--reference-classes": 0, "--heldout": 0, "--bootstrap": 400, "--permutations": 499,
    }  # fmt: skip
    size = Size(flags=tuple(str(word) for pair in settings.items() for word in pair), faces=160, photos=60)
    gated = planted_release(tmp_path, faces, size, classes="apron", seed=0)
    assert gated["planted"].status == 3
    assert "apron × utkface/women/men" in gated["planted"].said
    assert gated["control"].status in (0, 4)  # so few pairs need not show that nothing grew
    assert "0 failed" in gated["control"].said
