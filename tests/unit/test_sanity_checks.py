"""Sanity checks: each passes where its outcome is as known beforehand, and fails where it is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from auditor.audit import checks
from auditor.audit.layout import BankLayout
from auditor.banks.bank import BankImage, Concept, ConceptBank
from auditor.models.loaded import ClassLabel
from auditor.settings import Settings
from auditor.statistics.samples import ConceptSample
from tests.tiny import striped, tiny_model

SETTINGS = Settings(model="x", classes=("x",))


def layout_of(sizes: list[int], clusters: list[int] | None = None) -> BankLayout:
    """A bank of concepts with so many images each."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    own = np.arange(len(labels)) if clusters is None else np.array(clusters)
    concepts = tuple(
        Concept(f"c{c}", tuple(BankImage(f"c{c}/{i}", lambda: None, "") for i in range(size)))  # type: ignore[arg-type,return-value]
        for c, size in enumerate(sizes)
    )
    bank = ConceptBank(name="b", title="b", source="folder", concepts=concepts, digest="")
    return BankLayout(bank, ConceptSample(labels, own))


def fit_with(success: float | None, by_chance: float | None) -> Any:
    return SimpleNamespace(occluder=SimpleNamespace(success_heldout=success, success_random=by_chance))


@pytest.mark.parametrize(
    ("success", "by_chance", "passed"),
    [
        (0.8, 0.0, True),
        (0.8, 0.39, True),
        (0.8, 0.4, False),  # half as many is too many
        (0.8, 0.8, False),
        (0.49, 0.0, None),  # the occluder does not hold: there is nothing to test
        (0.0, 0.0, None),  # it must not pass as its own control
        (None, 0.0, None),
        (0.5, 0.2, True),
    ],
)
def test_a_random_occluder_must_change_far_fewer(
    success: float | None, by_chance: float, passed: bool | None
) -> None:
    found = checks.random_occluder(fit_with(success, by_chance))
    assert found.passed is passed
    assert found.concerns == "explanation"
    assert found.threshold == (None if passed is None else pytest.approx((success or 0) / 2))


def images(n: int, heldout: int) -> Any:
    inputs = striped(n, vertical=True, rng=np.random.default_rng(0))
    return SimpleNamespace(
        inputs=lambda _model: inputs, record=SimpleNamespace(heldout=heldout, learned=n - heldout)
    )


def another(delta: torch.Tensor, success: float = 1.0) -> Any:
    """What ``another_occluder`` says of a class whose reference class's occluder is ``delta``."""
    own = SimpleNamespace(
        label=ClassLabel(0, "vertical"),
        images=images(12, 8),
        occluder=SimpleNamespace(success_heldout=success),
    )
    other = SimpleNamespace(label=ClassLabel(1, "horizontal"), perturbations=delta[None].numpy())
    return checks.another_occluder(tiny_model(), own, [other])  # type: ignore[arg-type,list-item]


def test_another_classs_occluder_must_change_far_fewer() -> None:
    stripes = striped(1, vertical=True, rng=np.random.default_rng(0), noise=0)[0]
    across = striped(1, vertical=False, rng=np.random.default_rng(0), noise=0)[0]
    takes_the_class_away, leaves_it = another(stripes - 1), another(0.1 * across)
    assert takes_the_class_away.observed == 1.0
    assert takes_the_class_away.passed is False
    assert leaves_it.observed == 0.0
    assert leaves_it.passed is True
    assert "horizontal" in leaves_it.note
    assert another(0.1 * across, success=0.4).passed is None


def test_without_a_reference_class_there_is_nothing_to_compare_with() -> None:
    own = SimpleNamespace(
        label=ClassLabel(0, "vertical"),
        images=images(12, 8),
        occluder=SimpleNamespace(success_heldout=1.0),
    )
    found = checks.another_occluder(tiny_model(), own, [])  # type: ignore[arg-type]
    assert found.passed is None
    assert "no reference class" in found.note


def test_random_concepts_are_hardly_ever_claimed_where_images_are_independent() -> None:
    rng = np.random.default_rng(0)
    layout = layout_of([20] * 6)
    noise = rng.random(120)
    found = checks.random_concept(layout, noise, class_index=3, settings=SETTINGS)
    assert found.passed
    assert found.observed is not None
    assert found.threshold is not None
    # Two-sided at 5%: with 200 draws, 21 or fewer in 999 of 1000 cases.
    assert 15 <= found.threshold <= 25
    assert found == checks.random_concept(layout, noise, class_index=3, settings=SETTINGS)


def test_random_concepts_are_claimed_where_copies_pass_as_independent() -> None:
    """Six photos of ten parts each: taken for sixty, any lot looks like a concept."""
    rng = np.random.default_rng(1)
    # One image in ten answers strongly, and every image stands ten times in the bank.
    values = np.repeat((rng.random(36) < 0.3) * 0.9, 10) + rng.normal(0, 0.01, 360)
    alone = layout_of([60] * 6)
    copies = layout_of([60] * 6, clusters=[i // 10 for i in range(360)])
    assert checks.random_concept(copies, values, class_index=0, settings=SETTINGS).passed
    # The draws are made from independent images: the size says how many a concept has.
    assert (
        "6 independent" in checks.random_concept(copies, values, class_index=0, settings=SETTINGS).expectation
    )
    assert (
        "60 independent" in checks.random_concept(alone, values, class_index=0, settings=SETTINGS).expectation
    )


def test_too_few_independent_images_to_draw_from_are_named() -> None:
    layout = layout_of([4, 4], clusters=[0, 0, 0, 0, 1, 1, 1, 1])
    found = checks.random_concept(layout, np.zeros(8), class_index=0, settings=SETTINGS)
    assert found.passed is None
    assert "too few independent images" in found.note


@pytest.mark.parametrize(
    ("randomised", "passed"),
    [
        (np.arange(10.0), False),  # the same ranking
        (-np.arange(10.0), True),  # turned round: not alike
        (np.zeros(10), True),  # nothing left
        (np.array([3.0, 7, 1, 9, 0, 5, 2, 8, 6, 4]), True),
    ],
)
def test_shuffled_weights_must_lose_the_ranking(randomised: np.ndarray, passed: bool) -> None:
    found = checks.randomised_weights(layout_of([3] * 10), np.arange(10.0), randomised)
    assert found.passed is passed
    assert found.concerns == "associations"
    assert found.threshold == 0.5


def test_seven_concepts_are_too_few_for_a_ranking() -> None:
    found = checks.randomised_weights(layout_of([3] * 7), np.arange(7.0), np.arange(7.0))
    assert found.passed is None
    assert "7 concepts, need 8" in found.note


def test_shuffled_weights_keep_their_values_and_lose_their_places() -> None:
    model = tiny_model()
    shuffled = checks.shuffle_weights(model, seed=0)
    for name, weight in model.module.named_parameters():
        other = dict(shuffled.module.named_parameters())[name]
        torch.testing.assert_close(weight.flatten().sort().values, other.flatten().sort().values)
    assert not torch.equal(model.module.conv.weight, shuffled.module.conv.weight)  # type: ignore[union-attr,arg-type]
