"""Checkpoints as people have them: wrapped, averaged, renamed, with other heads. Always their function."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from auditor.errors import InputError
from auditor.models import Request, load_model
from auditor.models.libraries import build
from auditor.models.loaded import LoadedModel
from benchmarks.checkpoints import WAYS, State, under

ARCH = "timm:test_resnet"
NAMES = ["cat", "dog", "owl"]


def network(classes: int = 3, *, arch: str = ARCH, seed: int = 0, **args: object) -> nn.Module:
    """A network with weights that no default has, batch statistics too."""
    torch.manual_seed(seed)
    made = build(arch, {"num_classes": classes, **args}).module
    made.eval()
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.train()  # takes its statistics from the images, so that they live on through the depth
            part.momentum = 0.9
    with torch.no_grad():
        made(images(next(m for m in made.modules() if isinstance(m, nn.Conv2d)).in_channels, 96))
    return made.eval()


def images(channels: int = 3, side: int = 160) -> Tensor:
    return torch.rand(4, channels, side, side, generator=torch.Generator().manual_seed(7))


def same_function(model: LoadedModel, theirs: nn.Module, *, channels: int = 3, side: int = 160) -> None:
    shown = images(channels, side)
    with torch.no_grad():
        torch.testing.assert_close(model.module(shown), theirs(shown), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    return network()


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_saving_gives_the_same_function(way: str, theirs: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    held = WAYS[way](theirs.state_dict())
    torch.save(held, path)
    same_function(load_model(f"file:{path}", request=Request(arch=ARCH)), theirs)


def test_batch_statistics_are_what_makes_these_tests_hard(theirs: nn.Module) -> None:
    """With the defaults instead of the file's statistics the answers differ: the comparison can fail."""
    other = network()
    for name, tensor in other.state_dict().items():
        if name.endswith("running_var"):
            tensor.fill_(1.0)
    shown = images()
    with torch.no_grad():
        assert not torch.allclose(other(shown), theirs(shown), rtol=1e-3)


# --- averages, and several sets of weights


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema", "ema"])
def test_an_average_comes_first_and_is_said(key: str, theirs: nn.Module, tmp_path: Path) -> None:
    raw = network(seed=1)
    torch.save({"state_dict": raw.state_dict(), key: theirs.state_dict()}, tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    same_function(model, theirs)
    assert f"weights from '{key}', a moving average (also in the file: 'state_dict'" in model.notes[1]
    chosen = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH, weights_key="state_dict"))
    same_function(chosen, raw)
    with pytest.raises(InputError, match=f"no weights under 'ema_2'; it has 'state_dict', '{key}'"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH, weights_key="ema_2"))


def test_two_equal_candidates_are_refused(theirs: nn.Module, tmp_path: Path) -> None:
    torch.save({"teacher": theirs.state_dict(), "student": theirs.state_dict()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"several sets of weights .*--weights-key"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    asked = Request(arch=ARCH, weights_key="student")
    same_function(load_model(f"file:{tmp_path / 'w.pth'}", request=asked), theirs)


# --- what weights do not say


@pytest.mark.parametrize("name", ["googlenet", pytest.param("inception_v3", marks=pytest.mark.slow)])
def test_torchvisions_second_normalisation_is_kept(name: str, tmp_path: Path) -> None:
    side = 96
    theirs = network(5, arch=f"torchvision:{name}", transform_input=True, init_weights=False)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=f"torchvision:{name}"))
    same_function(model, theirs, side=side)
    assert any("transform_input=True assumed" in note for note in model.notes)
    plain = load_model(
        f"file:{tmp_path / 'w.pth'}",
        request=Request(arch=f"torchvision:{name}", args={"transform_input": False}),
    )
    shown = images(side=side)
    with torch.no_grad():
        assert not torch.allclose(plain.module(shown), theirs(shown), rtol=1e-3)
    assert any("constructor arguments: transform_input=False" in note for note in plain.notes)


@pytest.mark.parametrize("kept", ["none", "of 1000 classes"])
def test_auxiliary_heads_do_not_matter(kept: str, tmp_path: Path) -> None:
    theirs = network(4, arch="torchvision:googlenet", transform_input=True, init_weights=False)
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith("aux")}
    if kept != "none":
        state |= {
            f"aux{i}.fc2.{part}": torch.zeros(1000, *size)
            for i in (1, 2)
            for part, size in (("weight", (1024,)), ("bias", ()))
        }
    torch.save(state, tmp_path / "w.pth")
    same_function(
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch="torchvision:googlenet")),
        theirs,
        side=64,
    )


def test_constructor_arguments_reach_the_network(tmp_path: Path) -> None:
    theirs = network(3, act_layer="silu")
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    asked = Request(arch=ARCH, args={"act_layer": "silu"})
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=asked)
    same_function(model, theirs)
    assert any("act_layer='silu'" in note for note in model.notes)
    plain = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    assert any("arguments of timm:test_resnet and its layers" in note for note in plain.notes)
    with pytest.raises(InputError, match=r"constructor refuses .*no_such"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH, args={"no_such": 1}))


def test_legacy_names_of_densenet(tmp_path: Path) -> None:
    theirs = network(3, arch="torchvision:densenet121")
    old = {
        k.replace(".norm1.", ".norm.1.")
        .replace(".norm2.", ".norm.2.")
        .replace(".conv1.", ".conv.1.")
        .replace(".conv2.", ".conv.2."): v
        for k, v in theirs.state_dict().items()
    }
    assert sum(".norm.1." in k for k in old) > 100
    torch.save(old, tmp_path / "w.pth")
    same_function(
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch="torchvision:densenet121")),
        theirs,
        side=64,
    )


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


# --- heads


class Head(nn.Module):
    """A network with another head in place of its last layer."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.network = network()
        self.network.fc = head
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def test_a_chain_of_linear_layers_is_rebuilt(tmp_path: Path) -> None:
    torch.manual_seed(3)
    width = network().fc.in_features
    chain = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(width), nn.Linear(width, 3))
    chain[1].running_mean += 0.3
    theirs = Head(chain)
    torch.save(theirs.network.state_dict(), tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    same_function(model, theirs)
    assert any("head 'fc' rebuilt from its tensors" in note for note in model.notes)


def test_an_activation_that_weights_do_not_show_is_not_guessed(tmp_path: Path) -> None:
    width = network().fc.in_features
    theirs = Head(nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, 3)))
    torch.save(theirs.network.state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"between its linear layers there was a layer.*--model-factory"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    theirs = Head(nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 3)))
    torch.save(theirs.network.state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"between its layers 0 and 2 there was a layer.*--model-factory"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))


def test_a_bare_layer_in_place_of_a_whole_classifier(tmp_path: Path) -> None:
    theirs = network(3, arch="torchvision:mobilenet_v2")
    theirs.classifier = nn.Linear(1280, 3)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    same_function(
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch="torchvision:mobilenet_v2")),
        theirs,
        side=64,
    )


FACTORY = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width, kind):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, stride=4)
        self.fc = nn.Linear(width, 3)
        self.kind = kind

    def forward(self, x):
        logits = self.fc(self.conv(x).relu().mean(dim=(2, 3)))
        return {"tensor": logits, "tuple": (logits, x), "dict": {"logits": logits, "loss": None}}[self.kind]


def make(width=6, kind="tensor"):
    return Net(width, kind)


def broken():
    raise RuntimeError("no such luck")
"""


@pytest.mark.parametrize("kind", ["tensor", "tuple", "dict"])
def test_a_network_of_the_users_own_function(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"mine_{kind}.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__(f"mine_{kind}")
    theirs = module.make().eval()
    torch.save({"state_dict": theirs.state_dict(), "classes": NAMES}, "w.pth")
    asked = Request(factory=f"mine_{kind}:make", args={"kind": kind})
    model = load_model("file:w.pth", request=asked)
    same_function(model, theirs)
    assert [label.name for label in model.labels] == NAMES
    for factory, said in (
        ("mine_none:make", "No module named"),
        (f"mine_{kind}:broken", "no such luck"),
        (f"mine_{kind}", "needed MODULE:FUNCTION"),
    ):
        with pytest.raises(InputError, match=said):
            load_model("file:w.pth", request=Request(factory=factory))


# --- one output, several channels, values that are none


def test_one_output_is_a_sigmoid(tmp_path: Path) -> None:
    theirs = network(1)
    torch.save(
        {"state_dict": theirs.state_dict(), "class_to_idx": {"no zebra": 0, "zebra": 1}}, tmp_path / "w.pth"
    )
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    shown = images()
    with torch.no_grad():
        torch.testing.assert_close(model.module(shown).softmax(1)[:, 1], theirs(shown)[:, 0].sigmoid())
    assert [label.name for label in model.labels] == ["no zebra", "zebra"]
    assert any("its sigmoid" in note for note in model.notes)
    with pytest.raises(InputError, match="a softmax over one is always 1"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH, head="softmax"))


def test_one_output_with_one_name(tmp_path: Path) -> None:
    torch.save({"state_dict": network(1).state_dict(), "classes": ["zebra"]}, tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    assert [label.name for label in model.labels] == ["not zebra", "zebra"]


def test_several_sigmoids_are_refused_with_the_reason(theirs: nn.Module, tmp_path: Path) -> None:
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match="3 outputs, each a question of its own"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH, head="sigmoid"))


@pytest.mark.parametrize("arch", [ARCH, "torchvision:resnet18"])
def test_grey_images(arch: str, tmp_path: Path) -> None:
    theirs = network(3) if arch != ARCH else network(3, in_chans=1)
    if arch != ARCH:
        theirs = network(3, arch=arch)
        theirs.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=arch))
    assert model.input.size[0] == 1
    assert len(model.input.mean) == len(model.input.std) == 1
    same_function(model, theirs, channels=1)


def test_more_channels_than_a_photo_has(tmp_path: Path) -> None:
    torch.save(network(3, in_chans=5).state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match="takes images of 5 channels"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(value: float, theirs: nn.Module, tmp_path: Path) -> None:
    state = {k: v.clone() for k, v in theirs.state_dict().items()}
    state["fc.weight"][1, 2] = value
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"tensor 'fc\.weight' has 1 of \d+ values that are not finite"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))


def test_answers_that_are_not_finite(theirs: nn.Module, tmp_path: Path) -> None:
    state = {k: v.clone() for k, v in theirs.state_dict().items()}
    for name in state:
        if state[name].ndim == 4:
            state[name] *= 1e30
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match="its answer to a grey image is not finite"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))


# --- class names, and folders of the hub


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
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    assert [label.name for label in model.labels] == NAMES
    assert any("class names from" in note for note in model.notes)


def test_names_for_another_number_of_outputs_are_not_used(theirs: nn.Module, tmp_path: Path) -> None:
    torch.save({"state_dict": theirs.state_dict(), "classes": ["a", "b"]}, tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
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


@pytest.mark.parametrize("classes", [2, 20_000])
def test_few_and_many_classes(classes: int, tmp_path: Path) -> None:
    theirs = network(classes)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    assert len(model.labels) == classes
    same_function(model, theirs)


def test_a_thousand_outputs_without_names_are_said_to_be_assumed(tmp_path: Path) -> None:
    torch.save(network(1000).state_dict(), tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    assert any("those of ImageNet-1k assumed for 1000" in note for note in model.notes)


def test_half_precision_is_computed_in_single_and_said(theirs: nn.Module, tmp_path: Path) -> None:
    half = {k: v.half() if v.is_floating_point() else v for k, v in theirs.state_dict().items()}
    torch.save(half, tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    assert next(model.module.parameters()).dtype == torch.float32
    assert any("kept as float16" in note for note in model.notes)


# --- what was found by trying to break it


def lively(seed: int) -> State:
    return network(seed=seed).state_dict()


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (lambda a, b: {**under("teacher.")(a), **under("student.")(b)}, "several networks .*--weights-key"),
        (lambda a, b: {**under("models.0.")(a), **under("models.1.")(b)}, "several networks"),
        (lambda a, b: {**a, **under("module.")(b)}, "are both .* and differ"),
        (lambda a, b: {**under("model.")(a), **under("model.module.")(b)}, "are both .* and differ"),
        (lambda a, b: {**under("backbone.")(a), "head.weight": torch.ones(2, 3)}, "beside the network"),
        (
            lambda a, b: {**under("1.")(a), "0.mean": torch.ones(3), "0.std": torch.ones(3)},
            "beside the network",
        ),
        (lambda a, b: {**under("net.")(a), "temperature": torch.ones(())}, "beside the network"),
    ],
)
def test_what_may_belong_to_the_answer_is_not_dropped(
    held: Callable[[State, State], State], said: str, tmp_path: Path
) -> None:
    torch.save(held(lively(0), lively(1)), tmp_path / "w.pth")
    with pytest.raises(InputError, match=said):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))


def test_one_of_two_networks_is_chosen_by_its_beginning(tmp_path: Path) -> None:
    torch.save(
        {"state_dict": {**under("model.")(lively(0)), **under("ema.module.")(lively(1))}}, tmp_path / "w.pth"
    )
    asked = Request(arch=ARCH, weights_key="ema")
    same_function(load_model(f"file:{tmp_path / 'w.pth'}", request=asked), network(seed=1))


def test_statistics_of_a_loss_may_lie_beside(theirs: nn.Module, tmp_path: Path) -> None:
    held = {
        **under("model.")(theirs.state_dict()),
        "criterion.weight": torch.ones(3),
        "val_acc.total": torch.ones(()),
    }
    torch.save(held, tmp_path / "w.pth")
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    same_function(model, theirs)
    assert any("tensors beside the network left out: 'criterion.weight'" in note for note in model.notes)


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


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.complex64])
def test_tensors_of_another_kind_are_refused(dtype: torch.dtype, theirs: nn.Module, tmp_path: Path) -> None:
    state = dict(theirs.state_dict())
    state["fc.weight"] = (state["fc.weight"] * 50).to(dtype)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"tensor 'fc\.weight' is of .*, timm:test_resnet needs float32"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))


def test_sparse_tensors_are_refused(theirs: nn.Module, tmp_path: Path) -> None:
    state = {**theirs.state_dict(), "fc.weight": theirs.state_dict()["fc.weight"].to_sparse()}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"tensor 'fc\.weight' is sparse"):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))


def test_a_network_that_asks_for_the_version_of_its_weights(tmp_path: Path) -> None:
    theirs = network(3, arch="torchvision:mnasnet0_5")
    torch.save({"state_dict": dict(theirs.state_dict())}, tmp_path / "w.pth")
    same_function(
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch="torchvision:mnasnet0_5")),
        theirs,
        side=64,
    )


def test_heads_without_bias_and_of_fewer_layers(tmp_path: Path) -> None:
    width = network().fc.in_features
    theirs = Head(nn.Linear(width, 3, bias=False))
    torch.save(theirs.network.state_dict(), tmp_path / "w.pth")
    same_function(load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH)), theirs)
    other = network(3, arch="torchvision:mobilenet_v3_small")
    other.classifier = nn.Sequential(nn.Linear(576, 3))
    torch.save(other.state_dict(), tmp_path / "w.pth")
    same_function(
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch="torchvision:mobilenet_v3_small")),
        other,
        side=64,
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        (b"\x89PNG\r\n\x1a\n" + bytes(80), "neither safetensors nor written by torch.save"),
        (b"PK\x03\x04" + bytes(80), "cannot be read as torch weights"),
    ],
)
def test_files_that_hold_no_weights(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(InputError, match=said):
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))


def test_safetensors_under_another_name(theirs: nn.Module, tmp_path: Path) -> None:
    save_file(theirs.state_dict(), tmp_path / "w.bin")
    same_function(load_model(f"file:{tmp_path / 'w.bin'}", request=Request(arch=ARCH)), theirs)


def test_a_config_of_something_else_beside_the_file(theirs: nn.Module, tmp_path: Path) -> None:
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    (tmp_path / "config.json").write_text('{"lr": 0.1}')
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
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
        load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
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
    model = load_model(f"file:{tmp_path / 'w.pth'}", request=Request(arch=ARCH))
    assert [label.name for label in model.labels] == first
