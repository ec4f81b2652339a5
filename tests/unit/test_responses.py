"""Responses per layer and at the output, and the controls made of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from auditor import controls
from auditor.afi.responses import (
    OUTPUT,
    Responses,
    class_responses,
    detector_response,
    evidence,
    log_probabilities,
)
from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast, digest_of
from auditor.contrasting import Pairs, contrast_groups
from auditor.models.head import Head, listen
from auditor.records import ContrastResult, Control
from auditor.scoring import BankLayout, class_shares
from auditor.settings import Settings
from auditor.statistics.arrays import standardise_rows
from auditor.statistics.classwise import against_classes
from auditor.statistics.contrasts import group_differences
from tests.tiny import tiny_model


def layout(concepts: int, each: int) -> BankLayout:
    def image(name: str) -> BankImage:
        return BankImage(name=name, load=lambda: None, sha256=name)  # type: ignore[arg-type, return-value]

    made = tuple(
        Concept(name=f"c{c}", images=tuple(image(f"c{c}/{i}") for i in range(each))) for c in range(concepts)
    )
    bank = ConceptBank(name="b", title="B", source="test", concepts=made, digest=digest_of(made))
    labels = np.repeat(np.arange(concepts), each)
    return BankLayout(bank=bank, labels=labels, compared=np.ones(len(labels), dtype=bool))


def test_evidence_is_that_of_the_definition() -> None:
    logits = np.random.default_rng(0).normal(size=(9, 4)) * 5
    found = evidence(logits)
    for i, row in enumerate(logits):
        p = [math.exp(v) / sum(math.exp(w) for w in row) for v in row]
        np.testing.assert_allclose(found[i], [math.log(1 + 4 * v) / math.log(5) for v in p])


def test_evidence_is_nothing_without_a_chance_and_1_where_certain() -> None:
    found = evidence(np.array([[0.0, 0, 0, 0], [-50, 0, 0, 0], [50, 0, 0, 0]]))[:, 0]
    np.testing.assert_allclose(found, [math.log(2) / math.log(5), 0, 1], atol=1e-12)


def test_evidence_does_not_see_what_all_logits_share() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(9, 4))
    np.testing.assert_allclose(evidence(logits + rng.normal(size=(9, 1)) * 100), evidence(logits), atol=1e-9)


def test_detector_response_in_loops() -> None:
    rng = np.random.default_rng(1)
    channels, signed, reference = rng.normal(size=(12, 5)), rng.normal(size=(2, 5)), rng.normal(size=(3, 5))
    ours = detector_response(channels, signed, reference)
    spread = channels.std(axis=0)
    for r in range(2):
        own = signed[r] / spread
        own = own / np.sqrt(sum(v**2 for v in own))
        common = np.zeros(5)
        for row in reference:
            common += row / spread / np.sqrt(sum(v**2 for v in row / spread)) / 3
        raw = [
            sum((own[c] - common[c]) * (channels[i, c] - channels[:, c].mean()) / spread[c] for c in range(5))
            for i in range(12)
        ]
        np.testing.assert_allclose(ours[r], (np.array(raw) - np.mean(raw)) / np.std(raw))


def test_detector_response_ignores_the_scale_of_a_channel_and_dead_channels() -> None:
    rng = np.random.default_rng(2)
    channels, signed = rng.normal(size=(12, 5)), rng.normal(size=(2, 5))
    factor = np.array([1.0, 10.0, 0.1, 3.0, 7.0])
    none = np.zeros((0, 5))
    np.testing.assert_allclose(
        detector_response(channels * factor, signed * factor, none), detector_response(channels, signed, none)
    )
    dead = np.hstack([channels, np.full((12, 1), 4.0)])
    np.testing.assert_allclose(
        detector_response(dead, np.hstack([signed, np.ones((2, 1))]), np.zeros((0, 6))),
        detector_response(channels, signed, none),
    )


def test_responses_keep_the_evidence_apart_from_the_layers() -> None:
    rng = np.random.default_rng(3)
    channels = {"a": rng.normal(size=(10, 4)), "b": rng.normal(size=(10, 6))}
    signed = {"a": rng.normal(size=(2, 4)), "b": rng.normal(size=(2, 6))}
    none = {"a": np.zeros((0, 4)), "b": np.zeros((0, 6))}
    logits = rng.normal(size=(10, 3))
    own = evidence(logits)[:, 1]
    found = class_responses(channels, own, profile=signed, reference=none)
    np.testing.assert_allclose(found.evidence, own)
    assert list(found.by_layer) == ["a", "b", OUTPUT]
    for values in found.by_layer.values():
        assert values.shape == (2, 10)
        np.testing.assert_allclose(values.std(axis=1), 1)


def responses(values: np.ndarray) -> Responses:
    return Responses(evidence=values, by_layer={OUTPUT: standardise_rows(values[None])})


def test_random_concept_control_passes_on_any_bank_and_fails_with_too_few_images() -> None:
    rng = np.random.default_rng(0)
    strong = responses(rng.uniform(0, 0.3, size=240) + np.repeat([0, 0, 0.6, 0], 60))
    assert controls.random_concept(layout(4, 60), strong, margin=0.1, rng=rng).passed
    alone = controls.random_concept(layout(1, 40), responses(rng.uniform(size=40)), margin=0.1, rng=rng)
    silent = controls.random_concept(layout(2, 20), responses(np.zeros(40)), margin=0.1, rng=rng)
    assert np.isfinite(alone.observed)
    assert silent.observed == 0
    few = responses(rng.uniform(size=12))
    assert not controls.random_concept(layout(4, 3), few, margin=0.1, rng=rng).passed


def test_randomised_weights_control_tells_collapse_from_persistence() -> None:
    rng = np.random.default_rng(0)
    effects = np.linspace(-1, 1, 10)
    bank = layout(10, 30)
    same = bank.effects(np.repeat(effects, 30)[None] + rng.normal(0, 0.1, 300))[0]
    other = bank.effects(rng.normal(size=300)[None])[0]
    assert controls.randomised_weights(bank, effects, same).passed is False
    assert controls.randomised_weights(bank, effects, other).passed is True
    few = controls.randomised_weights(layout(2, 30), effects[:2], np.zeros(2))
    assert few.passed is None
    assert "2 concepts, need 8" in few.note


def permuted(bank: BankLayout, head: Head | None, scores: np.ndarray, **more: object) -> Control:
    values = {
        "logits": np.zeros((len(bank.labels), 3)), "class_index": 0, "margin": 0.1, "contrasts": [],
        "pairs": {}, "contrast_margin": 0.5, "rng": np.random.default_rng(0), **more,
    }  # fmt: skip
    return controls.permuted_channels(bank, head, scores=scores, **values)  # type: ignore[arg-type]


def test_permuted_channels_control() -> None:
    rng = np.random.default_rng(0)
    channels = rng.normal(size=(120, 40)).astype(np.float32)
    channels[:30, 0] += 4  # concept 0 lives in channel 0
    scores = np.array([0.5, -0.2, 0.0, 0.1])
    for row, expected in ((np.eye(40)[:1], True), (np.ones((1, 40)), False)):
        control = permuted(layout(4, 30), Head(channels, row.astype(np.float32)), scores)
        assert control.passed is expected
        assert "b: c0" in control.note


@pytest.mark.parametrize("matched", [False, True])
def test_permuted_channels_control_of_contrasts(matched: bool) -> None:
    rng = np.random.default_rng(0)
    plain = layout(2, 40)
    grouped = replace(plain, bank=replace(plain.bank, contrasts=(GroupContrast("c0", "c1"),)))
    channels = rng.normal(size=(80, 60)).astype(np.float32)
    channels[:40, 0] += 3
    pair = np.tile(np.arange(40), 2)
    contrast = ContrastResult(
        bank="b", more="c0", less="c1", n_more=40, n_less=40, matched=matched, difference=2.0,
        difference_low=1.5, difference_high=2.5, p_value=0.001, p_adjusted=0.001, direction="more",
    )  # fmt: skip
    found = {"contrasts": [contrast], "pairs": {("c0", "c1"): Pairs(None, pair)}}  # type: ignore[arg-type]
    right = permuted(grouped, Head(channels, np.eye(60, dtype=np.float32)[:1]), np.zeros(2), **found)
    assert right.passed is True
    assert "c0 against c1" in right.note
    sides = np.arange(40), np.arange(40, 80)
    strata = pair if matched else None
    expected = group_differences(channels[:, 0][None], *sides, strata=strata)[0]
    assert right.observed == pytest.approx(abs(expected))
    even = np.ones((1, 60), np.float32)
    assert permuted(grouped, Head(channels, even), np.zeros(2), **found).passed is False
    weak = {**found, "contrasts": [contrast.model_copy(update={"difference_low": 0.3})]}
    idle = permuted(grouped, Head(channels, even), np.zeros(2), **weak)
    assert idle.passed is None
    assert "no contrast of bank b" in idle.note


def test_permuted_channels_control_says_why_it_was_not_run() -> None:
    head = Head(np.zeros((120, 2), np.float32), np.zeros((1, 2), np.float32))
    idle = permuted(layout(4, 30), head, np.full(4, 0.05))
    assert idle.passed is None
    assert "nothing to lose" in idle.note
    other = permuted(layout(4, 30), None, np.full(4, 0.5))
    assert other.passed is None
    assert "not one linear map" in other.note


def test_head_is_found_where_it_makes_the_logits() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)).eval()
    images = torch.randn(6, 3, 8, 8)
    with torch.no_grad(), listen(module, 5) as heard:
        logits = torch.cat([module(images[:4]), module(images[4:])]).numpy()
    head = heard.head(logits)
    assert head is not None
    np.testing.assert_allclose(
        head.channels @ head.weights.T + module[3].bias.detach().numpy(), logits, atol=1e-5
    )
    assert heard.head(logits * 2) is None  # something else makes these
    assert not module[3]._forward_hooks
    with torch.no_grad(), listen(module, 7) as other:
        module(images)
    assert other.head(logits) is None


def test_head_may_be_a_convolution_before_the_mean() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    images = torch.randn(3, 3, 8, 8)
    with torch.no_grad(), listen(module, 5) as heard:
        logits = module(images).numpy()
    assert heard.head(logits) is not None


def test_hooks_of_the_head_are_removed_after_an_error() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 5))
    with pytest.raises(ValueError, match="stop"), listen(module, 5):
        raise ValueError("stop")
    assert not module[1]._forward_hooks


def test_shuffled_copy_keeps_values_and_leaves_the_model_alone() -> None:
    model = tiny_model()
    before = model.module.conv.weight.clone()
    shuffled = controls.shuffle_weights(model, seed=1)
    assert (model.module.conv.weight == before).all()
    assert (shuffled.module.conv.weight != before).any()
    assert sorted(shuffled.module.conv.weight.flatten().tolist()) == sorted(before.flatten().tolist())


def test_class_share_counts_the_classes_as_far_on_the_same_side() -> None:
    effects = np.array([[0.3, -0.2], [0.4, -0.1], [0.1, -0.3], [-0.5, 0.6], [0.3, -0.2]])
    # Concept 0: of four others, 0.4 and 0.3 are as high. Concept 1: -0.3 and -0.2 are as low.
    assert class_shares(effects, 0) == [0.5, 0.5]
    assert class_shares(effects[:1], 0) == [None, None]
    assert class_shares(effects, 3) == [0.0, 0.0]


@pytest.mark.parametrize(("classes", "centred"), [(6, False), (60, True)])
def test_contrasts_are_set_against_other_classes_only_where_there_are_many(
    classes: int, centred: bool
) -> None:
    rng = np.random.default_rng(0)
    plain = layout(2, 40)
    bank = replace(plain.bank, contrasts=(GroupContrast("c0", "c1"),))
    logits = rng.normal(size=(80, classes))
    logits[:40, 2] += 1.5
    settings = Settings(model="tiny", classes=("2",), permutations=199, bootstrap=200)
    [found], values = contrast_groups(
        replace(plain, bank=bank), {}, logits, 2, settings=settings, specific=None, rng=rng
    )
    assert found.difference is not None
    assert found.difference > 0.5
    assert values is not None
    every = log_probabilities(logits).T
    expected = against_classes(every[2], np.delete(every, 2, axis=0))[0] if centred else every[2]
    np.testing.assert_allclose(values[0], expected)
    assert (found.class_share is not None) is centred
