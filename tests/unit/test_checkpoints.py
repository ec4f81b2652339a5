"""Checkpoints as people have them: wrapped, averaged, renamed. The network always computes the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from auditor.errors import InputError
from auditor.models import Request, load_model
from benchmarks.checkpoints import WAYS, State, under
from tests.checkpoints import ARCH, images, lively, loaded, network, same_function


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    return network()


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_saving_gives_the_same_function(way: str, theirs: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    held = WAYS[way](theirs.state_dict())
    torch.save(held, path)
    same_function(loaded(path), theirs)


def test_batch_statistics_are_what_makes_these_tests_hard(theirs: nn.Module) -> None:
    """With the defaults instead of the file's statistics the answers differ: the comparison can fail."""
    other = network()
    for name, tensor in other.state_dict().items():
        if name.endswith("running_var"):
            tensor.fill_(1.0)
    shown = images()
    with torch.no_grad():
        assert not torch.allclose(other(shown), theirs(shown), rtol=1e-3)


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema", "ema"])
def test_an_average_comes_first_and_is_said(key: str, theirs: nn.Module, tmp_path: Path) -> None:
    raw = network(seed=1)
    torch.save({"state_dict": raw.state_dict(), key: theirs.state_dict()}, tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth")
    same_function(model, theirs)
    assert f"weights from '{key}', a moving average (also in the file: 'state_dict'" in model.notes[1]
    chosen = loaded(tmp_path / "w.pth", arch=ARCH, weights_key="state_dict")
    same_function(chosen, raw)
    with pytest.raises(InputError, match=f"no weights under 'ema_2'; it has 'state_dict', '{key}'"):
        loaded(tmp_path / "w.pth", arch=ARCH, weights_key="ema_2")


def test_two_equal_candidates_are_refused(theirs: nn.Module, tmp_path: Path) -> None:
    torch.save({"teacher": theirs.state_dict(), "student": theirs.state_dict()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"several sets of weights .*--weights-key"):
        loaded(tmp_path / "w.pth")
    same_function(loaded(tmp_path / "w.pth", weights_key="student"), theirs)


@pytest.mark.parametrize("name", ["googlenet", pytest.param("inception_v3", marks=pytest.mark.slow)])
def test_torchvisions_second_normalisation_is_kept(name: str, tmp_path: Path) -> None:
    side = 96
    theirs = network(5, arch=f"torchvision:{name}", transform_input=True, init_weights=False)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth", arch=f"torchvision:{name}")
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
        loaded(tmp_path / "w.pth", arch="torchvision:googlenet"),
        theirs,
        side=64,
    )


def test_constructor_arguments_reach_the_network(tmp_path: Path) -> None:
    theirs = network(3, act_layer="silu")
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth", args={"act_layer": "silu"})
    same_function(model, theirs)
    assert any("act_layer='silu'" in note for note in model.notes)
    plain = loaded(tmp_path / "w.pth")
    assert any("arguments of timm:test_resnet and its layers" in note for note in plain.notes)
    with pytest.raises(InputError, match=r"constructor refuses .*no_such"):
        loaded(tmp_path / "w.pth", arch=ARCH, args={"no_such": 1})


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
        loaded(tmp_path / "w.pth", arch="torchvision:densenet121"),
        theirs,
        side=64,
    )


def test_half_precision_is_computed_in_single_and_said(theirs: nn.Module, tmp_path: Path) -> None:
    half = {k: v.half() if v.is_floating_point() else v for k, v in theirs.state_dict().items()}
    torch.save(half, tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth")
    assert next(model.module.parameters()).dtype == torch.float32
    assert any("kept as float16" in note for note in model.notes)


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
        loaded(tmp_path / "w.pth")


def test_one_of_two_networks_is_chosen_by_its_beginning(tmp_path: Path) -> None:
    torch.save(
        {"state_dict": {**under("model.")(lively(0)), **under("ema.module.")(lively(1))}}, tmp_path / "w.pth"
    )
    same_function(loaded(tmp_path / "w.pth", weights_key="ema"), network(seed=1))


def test_statistics_of_a_loss_may_lie_beside(theirs: nn.Module, tmp_path: Path) -> None:
    held = {
        **under("model.")(theirs.state_dict()),
        "criterion.weight": torch.ones(3),
        "val_acc.total": torch.ones(()),
    }
    torch.save(held, tmp_path / "w.pth")
    model = loaded(tmp_path / "w.pth")
    same_function(model, theirs)
    assert any("tensors beside the network left out: 'criterion.weight'" in note for note in model.notes)


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.complex64])
def test_tensors_of_another_kind_are_refused(dtype: torch.dtype, theirs: nn.Module, tmp_path: Path) -> None:
    state = dict(theirs.state_dict())
    state["fc.weight"] = (state["fc.weight"] * 50).to(dtype)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"tensor 'fc\.weight' is of .*, timm:test_resnet needs float32"):
        loaded(tmp_path / "w.pth")


def test_sparse_tensors_are_refused(theirs: nn.Module, tmp_path: Path) -> None:
    state = {**theirs.state_dict(), "fc.weight": theirs.state_dict()["fc.weight"].to_sparse()}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"tensor 'fc\.weight' is sparse"):
        loaded(tmp_path / "w.pth")


def test_a_network_that_asks_for_the_version_of_its_weights(tmp_path: Path) -> None:
    theirs = network(3, arch="torchvision:mnasnet0_5")
    torch.save({"state_dict": dict(theirs.state_dict())}, tmp_path / "w.pth")
    same_function(
        loaded(tmp_path / "w.pth", arch="torchvision:mnasnet0_5"),
        theirs,
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
        loaded(tmp_path / "w.pth")


def test_safetensors_under_another_name(theirs: nn.Module, tmp_path: Path) -> None:
    save_file(theirs.state_dict(), tmp_path / "w.bin")
    same_function(loaded(tmp_path / "w.bin"), theirs)
