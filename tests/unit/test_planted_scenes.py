"""Scenes, worlds, banks and the truth measured on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.planted import build
from benchmarks.planted.banks import COUNTERFACTUAL, RANDOM, REFERENCE, make_bank
from benchmarks.planted.faces import Faces
from benchmarks.planted.scenes import CLASSES, CONCEPTS, render, sample
from benchmarks.planted.social import draw_portraits, make_social_world, render_portraits
from benchmarks.planted.truth import log_odds, measure, softmax
from benchmarks.planted.worlds import draw, make_world


def some_scenes(n=6):
    rng = np.random.default_rng(1)
    return sample(np.arange(n) % len(CLASSES), np.zeros((n, len(CONCEPTS)), bool), rng=rng)


def test_rendering_is_a_function_of_the_scene():
    scenes = some_scenes()
    assert np.array_equal(render(scenes), render(scenes))
    assert np.array_equal(render(scenes)[2:4], render(scenes.take(slice(2, 4))))


@pytest.mark.parametrize("concept", range(len(CONCEPTS)), ids=CONCEPTS)
def test_every_concept_shows_and_leaves_again(concept):
    scenes = some_scenes()
    with_it = scenes.with_concept(concept, True)
    difference = np.abs(render(with_it).astype(int) - render(scenes)).max(axis=(1, 2, 3))
    assert (difference > 12).all()
    assert np.array_equal(render(with_it.with_concept(concept, False)), render(scenes))


def test_a_small_object_changes_only_its_place():
    scenes = some_scenes()
    changed = (render(scenes.with_concept(CONCEPTS.index("mark"), True)) != render(scenes)).any(axis=3)
    assert 0 < changed.mean() < 0.15


def test_concepts_of_the_object_leave_the_background_alone():
    scenes = some_scenes()
    for concept in ("banded", "dotted", "red"):
        changed = (render(scenes.with_concept(CONCEPTS.index(concept), True)) != render(scenes)).any(axis=3)
        assert changed[:, :2].mean() < 0.1, concept


def test_a_world_has_every_role_and_useless_means_useless():
    world = make_world("w", 5)
    assert sorted(set(world.role)) == ["helpful", "misleading", "shared", "useless"]
    for k, role in enumerate(world.role):
        related = (world.strength[:, k] != 0).sum()
        assert related == {"helpful": 1, "shared": 2, "misleading": 2, "useless": 0}[role]
        if role == "useless":
            assert np.ptp(world.rate[:, k]) == 0
        sign = -1 if role == "misleading" else 1
        assert (sign * world.strength[:, k] >= 0).all()


def test_scenes_show_concepts_at_the_worlds_rates():
    world = make_world("w", 5)
    scenes = draw(world, np.full(4000, 2), rng=np.random.default_rng(0))
    assert np.abs(scenes.presence.mean(axis=0) - world.rate[2]).max() < 0.04


def test_development_and_test_share_no_world():
    dev, test = ({case.world for case in build.SPLITS[split]} for split in ("dev", "test"))
    assert not dev & test
    assert {c.world for c in build.SOCIAL_CASES["dev"]}.isdisjoint(
        c.world for c in build.SOCIAL_CASES["test"]
    )
    for split in ("dev", "test"):
        assert set(build.QUICK_CASES[split]) <= set(build.SPLITS[split])
        assert {case.architecture for case in build.SPLITS[split]} == {"residual", "plain", "separable"}


class Redness(nn.Module):
    """Class 0 for red pictures; all else alike."""

    def forward(self, x):
        red = 6 * (x[:, 0] - x[:, 1:].mean(dim=1)).mean(dim=(1, 2))
        return torch.cat([red[:, None], torch.zeros(len(x), len(CLASSES) - 1)], dim=1)


def test_the_truth_finds_what_a_known_model_uses():
    found = measure(Redness(), make_world("w", 5), per_class=20, rng=np.random.default_rng(0))
    red, blue, frame = (found.probability[:, CONCEPTS.index(name)] for name in ("red", "blue", "frame"))
    assert red[0] > 0.01
    assert red[0] > 5 * found.probability_error[0, CONCEPTS.index("red")]
    assert blue[0] < -0.01
    assert abs(frame[0]) < 0.01
    assert (red[1:] < 0).all()
    assert np.allclose(found.probability.sum(axis=0), 0, atol=1e-9)
    assert found.log_odds[0, CONCEPTS.index("red")] > 0


def test_log_odds_agree_with_probabilities():
    z = np.random.default_rng(0).normal(size=(5, 4)) * 3
    p = softmax(z)
    assert np.allclose(log_odds(z), np.log(p / (1 - p)))


def test_a_bank_keeps_twins_beside_their_pictures():
    bank = make_bank(make_world("w", 5), per_concept=6, n_random=5, rng=np.random.default_rng(0))
    labels, images = bank.labels, bank.images
    assert len(labels) == len(images) == 60 + 12 + 5 + 60
    assert (labels == REFERENCE).sum() == 12
    assert (labels == RANDOM).sum() == 5
    frame = CONCEPTS.index("frame")
    same = (
        images[labels == frame][:, 20:44, 20:44] == images[labels == COUNTERFACTUAL + frame][:, 20:44, 20:44]
    )
    assert same.all()
    assert (images[labels == frame] != images[labels == COUNTERFACTUAL + frame]).any(axis=(1, 2, 3)).all()


def test_showing_another_group_changes_only_the_face():
    rng = np.random.default_rng(0)
    groups = tuple(np.full((4, 64, 64, 3), shade, np.uint8) for shade in (40, 220))
    photos = Faces((groups[0], groups[1]))
    world = make_social_world("s", 3)
    portraits = draw_portraits(world, np.arange(6), photos, rng=rng)
    first, second = (render_portraits(portraits.showing(g), photos) for g in (0, 1))
    changed = (first != second).any(axis=3)
    assert 0.3 < changed.mean() < 0.45
    assert not changed[:, 50:].any()


def test_parts_of_the_faces_share_no_photo():
    photos = Faces((np.arange(10, dtype=np.uint8), np.arange(10, dtype=np.uint8)))
    parts = [photos.part(0, 0.5), photos.part(0.5, 0.8), photos.part(0.8, 1)]
    assert sorted(np.concatenate([p.images[0] for p in parts])) == list(range(10))
