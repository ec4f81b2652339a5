"""Agreement between impressions and photos: known answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.impressions import PHOTOS, agreement, channel_table, lost, specific
from tests.tiny import striped, tiny_model


def test_agreement_is_the_mean_rank_correlation_over_classes() -> None:
    up, down = np.array([1.0, 2.0, 3.0, 9.0]), np.array([9.0, 3.0, 2.0, 1.0])
    assert agreement({0: up}, {0: up**3}) == pytest.approx(1.0)
    assert agreement({0: up, 1: up}, {0: up, 1: down}) == pytest.approx(0.0)


def test_what_classes_share_is_no_agreement() -> None:
    rng = np.random.default_rng(0)
    shared = 10 * rng.normal(size=200)
    photos = {c: shared + rng.normal(size=200) for c in range(6)}
    impressions = {c: shared + rng.normal(size=200) for c in range(6)}
    assert agreement(photos, impressions) > 0.9
    assert abs(agreement(specific(photos), specific(impressions))) < 0.1


def fit(clean: NDArray[np.floating], importance: NDArray[np.floating]) -> Any:
    """What the table reads of a fit: the same row for all images and for both parts."""
    rows = {"clean": np.stack([clean] * 3), "importance": np.stack([importance] * 3)}
    return SimpleNamespace(**{name: {"a": value, "b": value} for name, value in rows.items()})


def test_table_tells_profile_from_importance_and_what_classes_share_from_what_they_do_not() -> None:
    rng = np.random.default_rng(1)
    shared, ways = 10 * np.arange(50.0), {0: rng.normal(size=50)}
    ways[1] = -ways[0]
    photos = {c: fit(shared + own, shared + own) for c, own in ways.items()}
    # impressions: the profile is right, importance has the classes the wrong way round
    made = {c: fit(shared + own, shared - own) for c, own in ways.items()}
    lines = channel_table({PHOTOS: photos, "impressions": made}, ["a", "b"]).splitlines()
    assert lines[0].count("|") == lines[2].count("|") == 8
    parts_p, profile, parts_i, importance, parts_o, own = map(float, lines[2].split("|")[2:-1])
    assert (parts_p, parts_i, parts_o) == (1, 1, 1)
    assert profile == 1
    assert importance > 0.99
    assert own == -1
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "a",
        "b",
        "**first two thirds**",
        "**last third**",
    ]


def test_share_lost_is_counted_on_the_images_given() -> None:
    model = tiny_model()
    images = striped(6, vertical=True, rng=np.random.default_rng(0))
    others = striped(6, vertical=False, rng=np.random.default_rng(0))
    turn = images.mean(0) - others.mean(0)  # subtracted, it makes a vertical image a horizontal one
    assert lost(model, images, torch.zeros(images.shape[1:]), 0) == 0
    assert lost(model, images, turn, 0) == 1
    assert lost(model, torch.cat([images, images - turn]), torch.zeros(images.shape[1:]), 0) == 0.5
