"""Images made from the model: the batch-norm prior, and that its hooks are removed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from auditor.context import AuditContext
from auditor.explain.stage_one import stage_one_key
from auditor.images import impressions
from auditor.images.impressions import ImpressionSettings, make_impressions
from auditor.images.norm_prior import departures
from auditor.models.loaded import ClassLabel, LoadedModel, freeze, weights_sha256
from auditor.progress import silent
from auditor.records import InputSpec, LayerRecord
from auditor.settings import Settings
from tests.tiny import tiny_model

SIZE = (3, 16, 16)


class NormedNet(nn.Module):
    """A convolution, a batch norm that remembers darkness, and a class for brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0]]).view(2, 3, 1, 1) / 3)
            self.fc.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
            self.bn.running_mean.fill_(-0.5)  # type: ignore[union-attr]
            self.bn.running_var.fill_(0.04)  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.bn(self.conv(x))
        return self.fc(maps.mean(dim=(2, 3)))  # type: ignore[no-any-return]


class Failure(Exception):
    """What a caller's progress may raise."""


def normed() -> LoadedModel:
    module = freeze(NormedNet())
    return LoadedModel(
        name="test:normed",
        source="test",
        architecture="normed",
        module=module,
        input=InputSpec(size=SIZE, crop=1.0, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3),
        labels=(ClassLabel(0, "bright", "", ("bright",)), ClassLabel(1, "red", "", ("red",))),
        sha256=weights_sha256(module),
    )


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_pre_hooks) + len(part._forward_hooks) for part in module.modules())


def made(model: LoadedModel, **changed: float) -> Tensor:
    settings = ImpressionSettings(count=5, steps=20, batch=3, jitter=1, **changed)  # type: ignore[arg-type]
    return make_impressions(model, 0, settings=settings, generator=torch.Generator().manual_seed(4))


def test_departure_is_the_distance_between_normal_distributions_in_units_of_the_running_variance() -> None:
    model = normed()
    norm = model.module.bn
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.eps = 0.0
    norm.running_mean.copy_(torch.tensor([1.0, 0.0]))
    norm.running_var.copy_(torch.tensor([4.0, 1.0]))
    maps = torch.randn(64, 2, 12, 12, generator=torch.Generator().manual_seed(0))
    maps = (maps - maps.mean((0, 2, 3), keepdim=True)) / maps.std((0, 2, 3), keepdim=True, correction=0)
    with departures(model) as departure:
        norm(maps)  # mean 0 and deviation 1, wanted: 1 and 2; 0 and 1
        found = departure()
    assert found is not None
    # channel 0: (0 - 1)^2 / 4 + (1 / 2 - 1)^2; channel 1: nothing
    assert float(found) == pytest.approx((0.25 + 0.25) / 2, abs=1e-5)


def test_one_batch_norm_of_each_block_is_used() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
            self.conv2, self.bn2 = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x))))
            return x + y

    module = nn.Sequential(Block(), Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    model = replace(normed(), module=freeze(module))
    with departures(model):
        hooked = [name for name, part in module.named_modules() if part._forward_pre_hooks]
    assert hooked == ["0.bn2", "1.bn2"]


def test_prior_keeps_images_close_to_the_running_statistics() -> None:
    model = normed()
    free, held = made(model, prior=0.0), made(model, prior=50.0)
    with departures(model) as departure:
        model.module(free)
        away = departure()
        model.module(held)
        near = departure()
    assert away is not None
    assert near is not None
    assert float(near) < 0.5 * float(away)


def test_the_prior_costs_at_most_so_many_logits_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A huge prior is the one that costs 100 logits at the start; a small one is taken as it is."""
    model, seen = normed(), []

    @contextmanager
    def spied(of: LoadedModel) -> Iterator[Callable[[], Tensor | None]]:
        with departures(of) as departure:

            def latest() -> Tensor | None:
                found = departure()
                seen.append(float(found) if found is not None else 0.0)
                return found

            yield latest

    monkeypatch.setattr(impressions, "departures", spied)

    def one(prior: float) -> Tensor:
        settings = ImpressionSettings(count=3, steps=20, jitter=1, prior=prior)
        return make_impressions(model, 0, settings=settings, generator=torch.Generator().manual_seed(4))

    huge = one(1e6)
    limit = impressions.MOST_AT_START / seen[0]
    assert torch.allclose(huge, one(limit), atol=1e-5)
    assert not torch.allclose(huge, one(limit / 10), atol=1e-3)
    small = one(limit / 10)
    monkeypatch.setattr(impressions, "MOST_AT_START", math.inf)
    assert torch.equal(small, one(limit / 10))
    assert not torch.allclose(huge, one(1e6), atol=1e-3)


def test_same_seed_same_images_and_the_model_is_as_before() -> None:
    model = normed()
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    assert torch.equal(made(model), made(model))
    assert hooks(model.module) == 0
    after = model.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_hooks_are_off_after_a_failure() -> None:
    model = normed()

    def stop() -> None:
        assert hooks(model.module) > 0  # or the test would prove nothing
        raise Failure

    with pytest.raises(Failure):
        make_impressions(
            model, 0, settings=ImpressionSettings(count=2), generator=torch.Generator(), on_step=stop
        )
    assert hooks(model.module) == 0


def test_network_without_batch_norm_hears_nothing_and_is_served_all_the_same() -> None:
    model = tiny_model()
    with departures(model) as departure:
        model.module(torch.zeros(1, *SIZE))
        assert departure() is None
    assert torch.equal(made(model, prior=100.0), made(model, prior=0.0))


def test_batch_norm_that_keeps_no_statistics_is_left_alone() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)).eval()
    with departures(replace(normed(), module=module)) as departure:
        assert hooks(module) == 0
        assert departure() is None


def test_batches_are_of_even_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def fake(_model: LoadedModel, _index: int, count: int, *_rest: object) -> Tensor:
        sizes.append(count)
        return torch.zeros(count, *SIZE)

    monkeypatch.setattr(impressions, "_batch", fake)
    settings = ImpressionSettings(count=17, batch=16)
    assert len(make_impressions(normed(), 0, settings=settings, generator=torch.Generator())) == 17
    assert sorted(sizes) == [8, 9]


def test_fit_from_impressions_is_named_after_the_prior_and_one_from_photos_is_not() -> None:
    def key(images: str, prior: float) -> str:
        settings = Settings(model="test:normed", classes=("0",), images=images)
        layers = (LayerRecord(name="bn", channels=3, height=4, width=4),)
        context = AuditContext(normed(), settings, (), layers, "float32", silent, Path())
        return stage_one_key(context, normed().labels[0], prior=prior)

    assert key("impressions", 0.0) != key("impressions", 100.0)
    assert key("photos", 0.0) == key("photos", 100.0)
