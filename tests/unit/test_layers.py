"""The automatic choice of layers, on hand-made networks of each kind and on real architectures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from auditor.errors import InputError
from auditor.models import Request, load_model
from auditor.models.layers import all_layers, choose_layers
from auditor.models.loaded import LoadedModel
from tests.tiny import tiny_model


def wrap(module: nn.Module) -> LoadedModel:
    return replace(tiny_model(), module=module.eval())


def names(model: LoadedModel) -> list[str]:
    return [layer.name for layer in choose_layers(model)]


class Residual(nn.Module):
    def __init__(self, add: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.one, self.two, self.add = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), add

    def forward(self, x: Tensor) -> Tensor:
        return self.add(self.two(self.one(x).relu()), x)


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Sequential(nn.Conv2d(4, 2, 1), nn.Conv2d(2, 2, 3, padding=1))
        self.right = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.left(x), self.right(x)], 1)


class Stage(nn.Module):
    """Blocks that simply run one after the other, under a class of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Residual(torch.add), Residual(torch.add)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


def head() -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]


def test_plain_network_gives_each_activation_and_hidden_layers_but_not_the_logits() -> None:
    plain = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3),
    )  # fmt: skip
    found = choose_layers(wrap(plain))
    assert [layer.name for layer in found] == ["2", "5", "9"]
    assert [(layer.channels, layer.height) for layer in found] == [(4, 14), (4, 5), (8, 1)]


def in_place(x: Tensor, y: Tensor) -> Tensor:
    x += y
    return x


@pytest.mark.parametrize("add", [torch.add, in_place], ids=["new tensor", "in place"])
def test_residual_blocks_are_blocks_and_the_stem_is_left_out(add: Callable[[Tensor, Tensor], Tensor]) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Sequential(Residual(add), Residual(add)), *head())
    assert names(wrap(net)) == ["2.0", "2.1"]


def test_branches_make_a_block_and_stages_are_entered() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Branches(), Stage(), *head())
    assert names(wrap(net)) == ["2", "3.a", "3.b"]


def test_logits_made_by_a_convolution_are_left_out() -> None:
    net = nn.Sequential(Residual(torch.add), nn.Conv2d(4, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    whole = nn.Sequential(nn.Conv2d(3, 4, 1), net)
    assert names(wrap(whole)) == ["1.0"]


def test_no_feature_maps_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 8), nn.ReLU(), nn.Linear(8, 3))
    with pytest.raises(InputError, match="auditor needs a CNN"):
        choose_layers(wrap(net))


def test_patterns_choose_and_unknown_patterns_are_named() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(Residual(torch.add), Residual(torch.add)), *head())
    chosen = choose_layers(wrap(net), ["1.0*", "0"])
    assert [layer.name for layer in chosen] == ["0", "1.0.one", "1.0.two", "1.0"]
    with pytest.raises(InputError, match="pattern 'layer9'"):
        choose_layers(wrap(net), ["layer9"])


def test_a_layer_that_runs_twice_is_not_offered() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.conv(self.conv(x)).mean((2, 3)))

    assert "conv" not in [layer.name for layer in all_layers(wrap(Shared()))]


def test_tracing_leaves_no_hooks() -> None:
    model = tiny_model()
    choose_layers(model)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count", "last"),
    [
        ("timm:resnet18", 8, "layer4.1"),
        ("timm:tf_efficientnet_lite0", 17, "bn2"),
        ("timm:convnext_atto", 15, "stages.3.blocks.1"),
        ("timm:densenet121", 7, "features.norm5"),
        ("torchvision:googlenet", 9, "inception5b"),
        ("torchvision:vgg11_bn", 10, "classifier.5"),
        ("torchvision:mobilenet_v3_small", 13, "classifier.2"),
        ("torchvision:squeezenet1_1", 8, "classifier.0"),
    ],
)
def test_real_architectures(name: str, count: int, last: str) -> None:
    found = names(load_model(name, request=Request(random_weights=True)))
    assert len(found) == count
    assert found[-1] == last
