"""What files and configurations state: the architecture, preprocessing, class names."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from auditor.errors import InputError
from auditor.models import Request, load_model
from benchmarks.checkpoints import under
from tests.checkpoints import ARCH, NAMES, lively, loaded, network, same_function


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    return network()


def test_preprocessing_of_the_training_script_is_taken(theirs: nn.Module, tmp_path: Path) -> None:
    args = argparse.Namespace(
        model="test_resnet", img_size=96, crop_pct=0.9, mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6],
        interpolation="bilinear", input_size=None,
    )  # fmt: skip
    torch.save({"state_dict": theirs.state_dict(), "args": args}, tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}")
    assert model.input.size == (3, 96, 96)
    assert (model.input.crop, model.input.interpolation) == (0.9, "bilinear")
    assert (model.input.mean, model.input.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert any("architecture as the file states it: timm:test_resnet" in note for note in model.notes)


@pytest.mark.parametrize(
    "stated",
    [
        {"class_to_idx": {"owl": 2, "cat": 0, "dog": 1}},
        {"classes": NAMES},
        {"names": {0: "cat", 1: "dog", 2: "owl"}},
        {"hyper_parameters": {"class_names": NAMES}},
        {"meta": {"id2label": {"0": "cat", "1": "dog", "2": "owl"}}},
    ],
    ids=lambda stated: next(iter(stated)),
)
def test_class_names_in_the_file(stated: dict[str, object], theirs: nn.Module, tmp_path: Path) -> None:
    torch.save({"state_dict": theirs.state_dict(), **stated}, tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth")
    assert [label.name for label in model.labels] == NAMES
    assert any("class names from" in note for note in model.notes)


def test_names_for_another_number_of_outputs_are_not_used(theirs: nn.Module, tmp_path: Path) -> None:
    torch.save({"state_dict": theirs.state_dict(), "classes": ["a", "b"]}, tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth")
    assert model.labels[0].name == "class 0"
    assert any("2 names for 3 outputs" in note for note in model.notes)


def timm_config() -> dict[str, object]:
    return {
        "architecture": "test_resnet",
        "num_classes": 3,
        "label_names": NAMES,
        "pretrained_cfg": {"input_size": [3, 96, 96], "mean": [0.1, 0.1, 0.1], "std": [0.2, 0.2, 0.2],
                           "crop_pct": 0.9, "interpolation": "bilinear"},
    }  # fmt: skip


def transformers_config() -> dict[str, object]:
    config = timm_config()
    del config["label_names"]
    return {**config, "model_type": "timm_wrapper", "id2label": {str(i): n for i, n in enumerate(NAMES)}}


@pytest.mark.parametrize(
    ("config", "prefix"),
    [(timm_config, ""), (transformers_config, "timm_model.")],
    ids=["timm", "transformers"],
)
@pytest.mark.parametrize("spec", ["hf-dir", "file"])
def test_a_folder_of_the_hub(
    config: Callable[[], dict[str, object]], prefix: str, spec: str, theirs: nn.Module, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config()))
    save_file(under(prefix)(theirs.state_dict()), tmp_path / "model.safetensors")
    path = tmp_path if spec == "hf-dir" else tmp_path / "model.safetensors"
    model = load_model(f"{spec}:{path}")
    same_function(model, theirs)
    assert [label.name for label in model.labels] == NAMES
    assert model.input.size == (3, 96, 96)
    assert model.input.mean == (0.1, 0.1, 0.1)
    assert model.input.crop == 0.9


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "there is no such folder"),
        ({"other": ""}, "has no config.json"),
        ({"config.json": json.dumps(timm_config())}, "has neither model.safetensors nor"),
        ({"config.json": "{", "model.safetensors": ""}, "cannot be read as JSON|not a safetensors file"),
    ],
)
def test_folders_that_lack_something(files: dict[str, str], said: str, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    for name, text in files.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    with pytest.raises(InputError, match=said):
        load_model(f"hf-dir:{folder}")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "resnet"}, "of the kind 'resnet'"),
        ({**timm_config(), "problem_type": "multi_label_classification"}, "multi_label_classification"),
    ],
)
def test_configurations_of_other_networks_are_refused(
    config: dict[str, object], said: str, theirs: nn.Module, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=said):
        load_model(f"hf-dir:{tmp_path}")


def test_a_thousand_outputs_without_names_are_said_to_be_assumed(tmp_path: Path) -> None:
    torch.save(network(1000).state_dict(), tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth")
    assert any("those of ImageNet-1k assumed for 1000" in note for note in model.notes)


@pytest.mark.parametrize("args", [{"gp": "max"}, {"model_kwargs": {"act_layer": "silu"}}])
def test_arguments_of_the_training_script_are_taken(args: dict[str, object], tmp_path: Path) -> None:
    made = {"global_pool": args["gp"]} if "gp" in args else args["model_kwargs"]
    theirs = network(3, **made)  # type: ignore[arg-type]
    held = {"state_dict": theirs.state_dict(), "args": argparse.Namespace(model="test_resnet", **args)}
    torch.save(held, tmp_path / "w.pth")
    same_function(load_model(f"file:{tmp_path / 'w.pth'}"), theirs)


def test_a_name_that_both_libraries_have_is_settled_by_the_tensors(tmp_path: Path) -> None:
    theirs = network(3, arch="torchvision:mobilenet_v3_small")
    held = {"model": theirs.state_dict(), "args": argparse.Namespace(model="mobilenet_v3_small")}
    torch.save(held, tmp_path / "w.pth")
    same_function(load_model(f"file:{tmp_path / 'w.pth'}"), theirs, side=64)


def test_preprocessing_of_torchvisions_reference_script(tmp_path: Path) -> None:
    theirs = network(3, arch="torchvision:resnet18")
    args = argparse.Namespace(
        model="resnet18", val_resize_size=256, val_crop_size=224, interpolation="bilinear"
    )
    torch.save({"model": theirs.state_dict(), "args": args}, tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}")
    assert any("architecture as the file states it: torchvision:resnet18" in note for note in model.notes)
    assert (model.input.size, model.input.crop, model.input.interpolation) == (
        (3, 224, 224),
        0.875,
        "bilinear",
    )


def test_a_config_of_something_else_beside_the_file(theirs: nn.Module, tmp_path: Path) -> None:
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    (tmp_path / "config.json").write_text('{"lr": 0.1}')
    model = loaded(tmp_path / "w.pth")
    same_function(model, theirs)
    assert any("config.json beside the file not used" in note for note in model.notes)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_args": [1]}, "model_args is list"),
        ({"pretrained_cfg": {"input_size": [3, -1, 0]}}, "states size .*which is not possible"),
        ({"pretrained_cfg": {"mean": [123.0, 116.0, 103.0]}}, "states mean"),
        ({"pretrained_cfg": {"crop_pct": float("nan")}}, "states crop"),
        ({"pretrained_cfg": {"interpolation": "foo"}}, "states interpolation"),
    ],
)
def test_configurations_that_cannot_be_meant(
    config: dict[str, object], said: str, theirs: nn.Module, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "test_resnet", **config}))
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=said):
        load_model(f"hf-dir:{tmp_path}")


def test_names_that_disagree_are_refused(theirs: nn.Module, tmp_path: Path) -> None:
    held = {
        "state_dict": theirs.state_dict(),
        "class_to_idx": {"cat": 0, "dog": 1, "owl": 2},
        "classes": NAMES[::-1],
    }
    torch.save(held, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"in different orders .* needed: --labels"):
        loaded(tmp_path / "w.pth")
    (tmp_path / "l.txt").write_text("\n".join(NAMES))
    assert (
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH), labels=tmp_path / "l.txt")
        .labels[0]
        .name
        == "cat"
    )


@pytest.mark.parametrize(
    ("key", "first"), [("class_to_idx", ["10", "0", "1", "2"]), ("idx_to_class", ["1", "2", "3", "0"])]
)
def test_the_key_tells_what_is_the_index(key: str, first: list[str], tmp_path: Path) -> None:
    held = {"10": 0, "0": 1, "1": 2, "2": 3} if key == "class_to_idx" else {0: 1, 1: 2, 2: 3, 3: 0}
    torch.save({"state_dict": lively(0) | dict(network(4).state_dict()), key: held}, tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth")
    assert [label.name for label in model.labels] == first
