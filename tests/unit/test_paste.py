"""People in pictures: where they stand, what they leave free, and that both of a pair are treated alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from auditor.banks.read.locked import ellipse
from auditor.explain.centre import object_centres
from auditor.images.paste import (
    BRIGHTER,
    BUST,
    DARKER,
    FACE,
    Cutout,
    exposure,
    leaves_free,
    paste,
    spots,
)
from tests.tiny import tiny_model

WHOLE = np.ones((20, 20), np.float32)


def person(value: float, cover: np.ndarray = WHOLE) -> Cutout:
    return Cutout(np.full((20, 20, 3), value, np.float32), cover.astype(np.float32))


def test_people_on_the_lower_edge_stand_on_it_and_faces_do_not() -> None:
    assert {spot.top + spot.side for spot in spots((100, 120), BUST)} == {100}
    assert all(spot.top + spot.side < 100 for spot in spots((100, 120), FACE))
    assert {spot.size for spot in spots((100, 120), BUST)} == set(BUST.sizes)


def test_only_the_persons_pixels_change_and_the_scene_itself_stays() -> None:
    scene = np.full((100, 100, 3), 0.5, np.float32)
    spot = spots((100, 100), BUST)[0]
    half = WHOLE.copy()
    half[:10] = 0
    made = paste(scene, person(1.0, half), spot, 1.0)
    assert (scene == 0.5).all()
    assert (made[: spot.top] == 0.5).all()
    assert made[-1, max(spot.left, 0)] == pytest.approx(1.0)
    assert (made[:, spot.left + spot.side :] == 0.5).all()


def test_a_picture_of_one_channel_gets_luminance() -> None:
    scene = np.zeros((60, 60, 1), np.float32)
    made = paste(scene, person(0.8), spots((60, 60), FACE)[0], 1.0)
    assert made.shape == (60, 60, 1)
    assert made.max() == pytest.approx(0.8, abs=1e-3)


def test_nobody_stands_over_the_objects_centre() -> None:
    shape = (100, 100)
    for spot in spots(shape, BUST):
        x = (spot.left + spot.side / 2) / 100
        assert not leaves_free(spot, WHOLE, shape, (0.8, x))
        assert leaves_free(spot, WHOLE, shape, (0.1, 0.5))
        assert leaves_free(spot, np.zeros_like(WHOLE), shape, (0.8, x))


def test_one_factor_serves_both_of_a_pair_and_is_limited() -> None:
    scene = np.full((10, 10, 3), 0.5, np.float32)
    assert exposure(scene, (person(0.4), person(0.6))) == pytest.approx(1.0)
    assert exposure(scene, (person(0.1), person(0.1))) == pytest.approx(BRIGHTER)
    assert exposure(scene * 0.1, (person(0.9), person(0.9))) == pytest.approx(DARKER)
    cover = np.zeros_like(WHOLE)
    cover[0, 0] = 1
    half = person(0.9, cover)
    half.pixels[0, 0] = 0.5
    assert exposure(scene, (half, half)) == pytest.approx(1.0)


def test_an_ellipse_holds_the_face_and_not_the_corners() -> None:
    cover = np.asarray(ellipse(100, 120), np.float32) / 255
    assert cover[60, 50] == 1
    assert max(cover[0, 0], cover[0, -1], cover[-1, 0], cover[-1, -1]) == 0
    assert cover[:, 50].min() + cover[60].min() > 0 or cover[60, 0] == 0
    assert len(np.unique(cover)) > 10  # a soft edge


def test_cutout_reads_a_picture_and_its_mask() -> None:
    made = Cutout.of(Image.new("RGB", (8, 8), (255, 0, 51)), Image.new("L", (8, 8), 51))
    assert made.pixels[0, 0] == pytest.approx([1, 0, 0.2])
    assert made.cover[0, 0] == pytest.approx(0.2)


class _Corner(nn.Module):
    """Its output 0 is the sum of the upper left quarter."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[:, :, :8, :8].sum((1, 2, 3)), x.mean((1, 2, 3))], 1)


def test_the_objects_centre_is_where_the_class_is_read_from() -> None:
    model = tiny_model()
    object.__setattr__(model, "module", _Corner())
    found = object_centres(model, torch.rand(3, 3, 16, 16), 0, batch=2)
    assert found.shape == (3, 2)
    assert np.abs(found - 0.25).max() < 0.1
