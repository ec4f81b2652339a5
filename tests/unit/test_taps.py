"""Hooks are on the module only inside the block, whatever happens in it."""

from __future__ import annotations

import pytest
import torch

from auditor.models import taps
from tests.tiny import SIDE, tiny_model


def hooks(module: torch.nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


def test_hooks_are_gone_after_an_error_inside() -> None:
    module = tiny_model().module
    seen = []

    def fail() -> None:
        with taps.record(module, ["conv", "act"]):
            seen.append(hooks(module))
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert seen == [2]
    assert hooks(module) == 0
    assert not module.training


def test_hooks_are_gone_after_an_unknown_layer() -> None:
    module = tiny_model().module
    with pytest.raises(AttributeError), taps.record(module, ["conv", "nowhere"]):
        pass
    assert hooks(module) == 0


def test_forward_to_stops_early_and_leaves_no_trace() -> None:
    model = tiny_model()
    images = torch.rand(2, 3, SIDE, SIDE)
    with taps.record(model.module, ["act", "fc"]) as outputs, torch.no_grad():
        model.module(images)
        expected = outputs["act"]
        assert outputs["fc"].shape == (2, 3, 1, 1)  # C neurons are C maps of 1x1
    called: list[bool] = []
    handle = model.module.fc.register_forward_hook(lambda *_: called.append(True))
    found = taps.forward_to(model.module, "act", images)
    handle.remove()
    torch.testing.assert_close(found, expected)
    assert not called
    assert hooks(model.module) == 0


def test_forward_to_passes_gradients() -> None:
    model = tiny_model()
    images = torch.rand(1, 3, SIDE, SIDE, requires_grad=True)
    taps.forward_to(model.module, "act", images).sum().backward()
    assert images.grad is not None
    assert bool(images.grad.abs().sum() > 0)
