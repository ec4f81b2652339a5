"""Checkpoints with other heads, one output, grey images, or a network of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from auditor.errors import InputError
from auditor.models import Request, load_model
from tests.checkpoints import ARCH, NAMES, images, loaded, network, same_function


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    return network()


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
    model = loaded(tmp_path / "w.pth")
    same_function(model, theirs)
    assert any("head 'fc' rebuilt from its tensors" in note for note in model.notes)


def test_an_activation_that_weights_do_not_show_is_not_guessed(tmp_path: Path) -> None:
    width = network().fc.in_features
    theirs = Head(nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, 3)))
    torch.save(theirs.network.state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"between its linear layers there was a layer.*--model-factory"):
        loaded(tmp_path / "w.pth")
    theirs = Head(nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 3)))
    torch.save(theirs.network.state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"between its layers 0 and 2 there was a layer.*--model-factory"):
        loaded(tmp_path / "w.pth")


def test_a_bare_layer_in_place_of_a_whole_classifier(tmp_path: Path) -> None:
    theirs = network(3, arch="torchvision:mobilenet_v2")
    theirs.classifier = nn.Linear(1280, 3)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    same_function(
        loaded(tmp_path / "w.pth", arch="torchvision:mobilenet_v2"),
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


def test_one_output_is_a_sigmoid(tmp_path: Path) -> None:
    theirs = network(1)
    torch.save(
        {"state_dict": theirs.state_dict(), "class_to_idx": {"no zebra": 0, "zebra": 1}}, tmp_path / "w.pth"
    )
    model = loaded(tmp_path / "w.pth")
    shown = images()
    with torch.no_grad():
        torch.testing.assert_close(model.module(shown).softmax(1)[:, 1], theirs(shown)[:, 0].sigmoid())
    assert [label.name for label in model.labels] == ["no zebra", "zebra"]
    assert any("its sigmoid" in note for note in model.notes)
    with pytest.raises(InputError, match="a softmax over one is always 1"):
        loaded(tmp_path / "w.pth", arch=ARCH, head="softmax")


def test_one_output_with_one_name(tmp_path: Path) -> None:
    torch.save({"state_dict": network(1).state_dict(), "classes": ["zebra"]}, tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth")
    assert [label.name for label in model.labels] == ["not zebra", "zebra"]


def test_several_sigmoids_are_refused_with_the_reason(theirs: nn.Module, tmp_path: Path) -> None:
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match="3 outputs, each a question of its own"):
        loaded(tmp_path / "w.pth", arch=ARCH, head="sigmoid")


@pytest.mark.parametrize("arch", [ARCH, "torchvision:resnet18"])
def test_grey_images(arch: str, tmp_path: Path) -> None:
    theirs = network(3) if arch != ARCH else network(3, in_chans=1)
    if arch != ARCH:
        theirs = network(3, arch=arch)
        theirs.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth", arch=arch)
    assert model.input.size[0] == 1
    assert len(model.input.mean) == len(model.input.std) == 1
    same_function(model, theirs, channels=1)


def test_more_channels_than_a_photo_has(tmp_path: Path) -> None:
    torch.save(network(3, in_chans=5).state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match="takes images of 5 channels"):
        loaded(tmp_path / "w.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(value: float, theirs: nn.Module, tmp_path: Path) -> None:
    state = {k: v.clone() for k, v in theirs.state_dict().items()}
    state["fc.weight"][1, 2] = value
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"tensor 'fc\.weight' has 1 of \d+ values that are not finite"):
        loaded(tmp_path / "w.pth")


def test_answers_that_are_not_finite(theirs: nn.Module, tmp_path: Path) -> None:
    state = {k: v.clone() for k, v in theirs.state_dict().items()}
    for name in state:
        if state[name].ndim == 4:
            state[name] *= 1e30
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match="its answer to a grey image is not finite"):
        loaded(tmp_path / "w.pth")


@pytest.mark.parametrize("classes", [2, 20_000])
def test_few_and_many_classes(classes: int, tmp_path: Path) -> None:
    theirs = network(classes)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth")
    assert len(model.labels) == classes
    same_function(model, theirs)


def test_heads_without_bias_and_of_fewer_layers(tmp_path: Path) -> None:
    width = network().fc.in_features
    theirs = Head(nn.Linear(width, 3, bias=False))
    torch.save(theirs.network.state_dict(), tmp_path / "w.pth")
    same_function(loaded(tmp_path / "w.pth"), theirs)
    other = network(3, arch="torchvision:mobilenet_v3_small")
    other.classifier = nn.Sequential(nn.Linear(576, 3))
    torch.save(other.state_dict(), tmp_path / "w.pth")
    same_function(
        loaded(tmp_path / "w.pth", arch="torchvision:mobilenet_v3_small"),
        other,
        side=64,
    )
