"""Responses per layer, what the last layer hears, and the sanity checks made of responses."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from auditor.audit import checks
from auditor.audit.concepts import Response
from auditor.audit.forward import ForwardPass, Shown
from auditor.audit.groups import EveryClass, contrast, sample_groups
from auditor.audit.layout import BankLayout, lay_out
from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast, digest_of
from auditor.explain.responses import detector_response, layer_responses
from auditor.models.loaded import ClassLabel
from auditor.models.taps import record_last_input
from auditor.randomness import stream
from auditor.settings import Settings
from auditor.statistics.classwise import FEWEST_CLASSES
from auditor.statistics.probability import Tempered
from auditor.statistics.samples import RANDOM, REFERENCE
from tests.oracles import statistics_loops as slow

SETTINGS = Settings(model="tiny", classes=("2",), permutations=199, bootstrap=200)


def layout(concepts: int, each: int, *, copies: int = 1) -> BankLayout:
    """Concepts of so many images; of each image, so many copies that count as one."""

    def image(name: str) -> BankImage:
        return BankImage(name=name, load=lambda: None, sha256=name)  # type: ignore[arg-type, return-value]

    made = tuple(
        Concept(name=f"c{c}", images=tuple(image(f"c{c}/{i}") for i in range(each * copies)))
        for c in range(concepts)
    )
    bank = ConceptBank(name="b", title="B", source="test", concepts=made, digest=digest_of(made))
    plain = lay_out(bank)
    clusters = np.arange(concepts * each * copies) // copies
    return replace(plain, sample=replace(plain.sample, clusters=clusters))


# --- detectors in layers ---


def response_in_loops(channels: np.ndarray, activation: np.ndarray, reference: np.ndarray) -> list[float]:
    """A channel's weight: its share of the class's activation less its mean share of the references', each
    counted in standard deviations of the channel and scaled to length 1."""
    count = channels.shape[1]
    spread = [
        np.sqrt(slow.mean([(v - channels[:, c].mean()) ** 2 for v in channels[:, c]])) for c in range(count)
    ]

    def shares(row: np.ndarray) -> list[float]:
        scaled = [row[c] / spread[c] for c in range(count)]
        length = np.sqrt(sum(v**2 for v in scaled))
        return [v / length for v in scaled]

    weights = shares(activation)
    for row in reference:
        weights = [w - s / len(reference) for w, s in zip(weights, shares(row), strict=True)]
    return slow.standardised(
        [
            sum(weights[c] * (image[c] - channels[:, c].mean()) / spread[c] for c in range(count))
            for image in channels
        ]
    )


@pytest.mark.parametrize("classes", [0, 1, 3])
def test_detector_response_is_that_of_the_loops(classes: int) -> None:
    rng = np.random.default_rng(1)
    channels, activation = rng.gamma(1.0, size=(12, 5)), rng.gamma(1.0, size=5)
    reference = rng.gamma(1.0, size=(classes, 5))
    found = detector_response(channels, activation, reference)
    assert found.shape == (12,)
    np.testing.assert_allclose(found, response_in_loops(channels, activation, reference))


def test_detector_response_ignores_the_scale_of_a_channel_and_dead_channels() -> None:
    rng = np.random.default_rng(2)
    channels, activation, reference = rng.normal(size=(12, 5)), rng.normal(size=5), rng.normal(size=(2, 5))
    plain = detector_response(channels, activation, reference)
    factor, shift = np.array([1.0, 10.0, 0.1, 3.0, 7.0]), rng.normal(size=5)
    np.testing.assert_allclose(
        detector_response(channels * factor + shift, activation * factor, reference * factor), plain
    )
    dead = np.hstack([channels, np.full((12, 1), 4.0)])
    with_dead = detector_response(dead, np.append(activation, 1.0), np.hstack([reference, np.ones((2, 1))]))
    np.testing.assert_allclose(with_dead, plain)


def test_what_excites_a_channel_for_any_class_says_nothing_about_this_one() -> None:
    """Channel 0 is loud for every class, channel 1 for this class alone."""
    rng = np.random.default_rng(3)
    channels = rng.normal(size=(200, 3))
    activation, reference = np.array([5.0, 2.0, 0.0]), np.array([[5.0, 0.0, 0.1], [5.0, 0.0, -0.1]])
    alone = detector_response(channels, activation, reference[:0])
    against = detector_response(channels, activation, reference)
    assert np.corrcoef(alone, channels[:, 0])[0, 1] > 0.9
    assert np.corrcoef(against, channels[:, 1])[0, 1] > 0.9


def test_a_class_like_any_other_has_no_response() -> None:
    rng = np.random.default_rng(4)
    channels, activation = rng.normal(size=(9, 4)), rng.gamma(1.0, size=4)
    np.testing.assert_array_equal(
        detector_response(channels, activation, np.stack([activation, activation])), 0.0
    )
    np.testing.assert_array_equal(detector_response(np.ones((9, 4)), activation, np.zeros((0, 4))), 0.0)
    np.testing.assert_array_equal(detector_response(channels, 0 * activation, np.zeros((0, 4))), 0.0)


def test_every_layer_has_the_response_of_its_own_detector() -> None:
    rng = np.random.default_rng(5)
    channels = {"b": rng.normal(size=(10, 4)), "a": rng.normal(size=(10, 6))}
    activation = {"a": rng.normal(size=6), "b": rng.normal(size=4)}
    reference = {"a": np.zeros((0, 6)), "b": rng.normal(size=(2, 4))}
    found = layer_responses(channels, activation=activation, reference=reference)
    assert list(found) == ["b", "a"]
    for layer, values in found.items():
        assert values.shape == (10,)
        np.testing.assert_allclose(
            values, response_in_loops(channels[layer], activation[layer], reference[layer])
        )


# --- what the last layer hears ---


def test_the_last_layer_is_heard_pass_by_pass() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)).eval()
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), record_last_input(module, 5) as heard:
        logits = torch.cat([module(images[:4]), module(images[4:])])
    assert [len(part) for part in heard] == [4, 2]
    made = torch.cat(heard) @ module[3].weight.T + module[3].bias
    torch.testing.assert_close(made, logits)
    assert not module[3]._forward_hooks


def test_a_layer_with_another_number_of_outputs_is_not_heard() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 5)).eval()
    with torch.no_grad(), record_last_input(module, 7) as heard:
        module(torch.zeros(2, 3, 2, 2))
    assert heard == []


def test_of_several_such_layers_the_last_is_heard() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 5)).eval()
    images = torch.randn(3, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), record_last_input(module, 5) as heard:
        module(images)
        torch.testing.assert_close(heard[0], module[:3](images))


def test_the_last_layer_may_be_a_convolution_before_the_mean() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    images = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), record_last_input(module, 5) as heard:
        module(images)
        torch.testing.assert_close(heard[0], module[0](images).mean(dim=(2, 3)))


def test_hooks_are_removed_after_an_error() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 5))
    with pytest.raises(ValueError, match="stop"), record_last_input(module, 5):
        raise ValueError("stop")
    assert not module[1]._forward_hooks


# --- sanity checks ---


def test_random_concept_check_passes_on_any_bank_and_says_what_it_saw() -> None:
    rng = np.random.default_rng(0)
    strong = rng.uniform(0, 0.3, size=240) + np.repeat([0, 0, 0.6, 0], 60)
    found = checks.random_concept(layout(4, 60), strong, class_index=2, settings=SETTINGS)
    assert (found.concerns, found.bank, found.passed) == ("associations", "b", True)
    assert "200 sets of 60 independent images" in found.expectation
    assert found.observed is not None
    # With chance 5% each, so many of 200 sets and no more are claimed, but for once in a thousand times.
    chance = [math.comb(200, k) * 0.05**k * 0.95 ** (200 - k) for k in range(201)]
    assert found.threshold == next(k for k in range(201) if sum(chance[: k + 1]) >= 0.999)
    assert found.observed <= found.threshold
    silent = checks.random_concept(layout(2, 20), np.zeros(40), class_index=2, settings=SETTINGS)
    assert (silent.observed, silent.passed) == (0.0, True)


def test_random_concept_check_fails_where_so_few_images_are_claimed_for_nothing() -> None:
    """Two images that both answer 0, or both 1, do not vary: half of all sets, beside 798 images."""
    answers = np.random.default_rng(0).permutation(np.repeat([0.0, 1.0], 400))
    found = checks.random_concept(layout(400, 2), answers, class_index=2, settings=SETTINGS)
    assert found.observed == pytest.approx(100, abs=3 * np.sqrt(200 * 0.25))
    assert found.passed is False


def test_random_concept_check_is_that_of_the_loops() -> None:
    """On the same draws; reference images and random photos are not drawn."""
    labels = np.array([0] * 12 + [1] * 9 + [REFERENCE] * 5 + [RANDOM] * 5)
    clusters = np.where(np.arange(31) < 4, np.arange(31) // 2, np.arange(31))
    plain = layout(2, 12)
    drawn_from = replace(plain, sample=replace(plain.sample, labels=labels, clusters=clusters))
    rng = np.random.default_rng(3)
    values = np.where(labels < 0, 100.0, rng.gamma(0.3, size=31))
    lenient = SETTINGS.model_copy(update={"alpha": 0.3, "margin": 0.05})  # so that something is claimed
    found = checks.random_concept(drawn_from, values, class_index=7, settings=lenient)
    units = [slow.mean(values[0:2]), slow.mean(values[2:4]), *values[4:21]]
    again = stream(lenient.seed, "random concept", "b", 7)
    claimed = 0
    for _ in range(200):
        lot = again.permutation(units)
        groups = {0: list(lot[:9]), -1: list(lot[9:])}  # 19 units, of which a concept has 9 at most
        half = stats.t.ppf(0.85, 8) * slow.standard_error(groups, 0)
        low, high = (slow.effect(groups, 0) + sign * half for sign in (-1, 1))
        claimed += low > 0.05 or high < -0.05
    assert "sets of 9 independent images" in found.expectation
    assert found.observed == claimed
    assert claimed > 20


def test_random_concept_check_draws_independent_images() -> None:
    values = np.random.default_rng(1).uniform(size=24)
    strict = SETTINGS.model_copy(update={"margin": 0.0})
    alone = checks.random_concept(layout(2, 12), values, class_index=2, settings=strict)
    copied = checks.random_concept(
        layout(2, 12, copies=10), np.repeat(values, 10), class_index=2, settings=strict
    )
    assert alone == copied
    assert alone.observed is not None
    assert alone.observed > 0  # without a margin some are claimed


def test_randomised_weights_check_sees_ranks() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        one, two = rng.normal(size=(2, 9))
        found = checks.randomised_weights(layout(9, 3), one, two)
        assert found.observed == pytest.approx(slow.spearman(list(one), list(two)))
        assert found.passed is (found.observed < 0.5)
    assert checks.randomised_weights(layout(8, 3), one[:8], two[:8]).observed is not None  # eight are enough
    assert checks.randomised_weights(layout(9, 3), np.ones(9), two).observed == 0.0


# --- contrasts against other classes ---


@pytest.mark.parametrize("classes", [6, FEWEST_CLASSES - 1, FEWEST_CLASSES, 60])
def test_a_class_is_set_against_the_others_only_where_there_are_many(classes: int) -> None:
    logits = np.random.default_rng(0).normal(size=(30, classes))
    every = EveryClass.of(logits)
    logs = np.array([[np.log(p) for p in slow.softmax(row)] for row in logits]).T
    expected = slow.against_classes(logs, 2) if classes >= FEWEST_CLASSES else logs[2]
    np.testing.assert_allclose(every.logarithm(2), expected, atol=1e-9)
    e = [[slow.log_scaled(p, classes) for p in slow.softmax(row)] for row in logits]
    np.testing.assert_allclose(every.log_scaled, np.array(e).T)


@pytest.mark.parametrize("classes", [6, 60])
def test_a_contrast_has_the_share_of_classes_and_the_difference_of_the_logarithm(classes: int) -> None:
    rng = np.random.default_rng(0)
    plain = layout(2, 40)
    bank = replace(plain.bank, contrasts=(GroupContrast("c0", "c1"),))
    grouped = replace(plain, bank=bank)
    logits = rng.normal(size=(80, classes)).astype(np.float32)
    logits[:40, 2] += 1.5
    shown = Shown(grouped, ForwardPass({}, {}, logits, logits), rng.normal(size=(80, 6)), "")
    response = Response(Tempered(logits).log_scaled(2), logits.argmax(axis=1) == 2)
    every = EveryClass.of(logits)
    [groups] = sample_groups(grouped, settings=SETTINGS)
    label = ClassLabel(2, "two", "", ("two",))
    found = contrast(groups, shown, label, response, every, settings=SETTINGS, family=1)
    e = every.log_scaled
    effects = [[slow.mean(row[:40]) - slow.mean(row[40:])] for row in e.tolist()]
    assert found.effect == pytest.approx(effects[2][0])
    assert found.class_share == slow.class_shares(effects, 2)[0]
    logs = every.logarithm(2)
    within = (slow.variance(logs[:40]) + slow.variance(logs[40:])) / 2
    expected = (slow.mean(logs[:40]) - slow.mean(logs[40:])) / np.sqrt(within)
    assert found.log_difference == pytest.approx(expected)
    assert found.log_difference > 0.5
