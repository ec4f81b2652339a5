"""Technical properties move with what they are named after, and with nothing else that is asked of them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from auditor.images.technical import TECHNICAL, technical_properties


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """Smooth shapes with some fine detail, as photos have them."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(40, 215, (12, 12, 3), dtype=np.uint8)).resize(
        (240, 200), Image.Resampling.BICUBIC
    )
    grain = rng.normal(0, 6, (200, 240, 1))
    return Image.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8))


def properties(picture: Image.Image) -> dict[str, float]:
    return dict(zip(TECHNICAL, technical_properties(picture), strict=True))


def compressed(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def test_brightness_and_contrast_are_those_of_the_luminance(photo: Image.Image) -> None:
    luma = np.asarray(photo.convert("L")) / 255
    assert properties(photo)["brightness"] == pytest.approx(luma.mean())
    assert properties(photo)["contrast"] == pytest.approx(luma.std())


def test_a_darker_picture_is_darker(photo: Image.Image) -> None:
    dark = properties(ImageEnhance.Brightness(photo).enhance(0.5))
    assert dark["brightness"] == pytest.approx(properties(photo)["brightness"] / 2, rel=0.02)


def test_a_blurred_picture_is_less_sharp(photo: Image.Image) -> None:
    before, after = properties(photo), properties(photo.filter(ImageFilter.GaussianBlur(2)))
    assert after["sharpness"] < before["sharpness"] - 0.5
    assert after["fine detail"] < before["fine detail"] - 2
    assert after["brightness"] == pytest.approx(before["brightness"], abs=0.005)


@pytest.mark.parametrize(("quality", "least"), [(20, 0.2), (5, 0.8)])
def test_strong_compression_shows_at_the_edges_of_its_blocks(
    photo: Image.Image, quality: int, least: float
) -> None:
    edges = properties(compressed(photo, quality))["block edges"] - properties(photo)["block edges"]
    assert edges > least
    shifted = properties(compressed(photo, quality).crop((4, 4, 240, 200)))["block edges"]
    assert shifted < properties(compressed(photo, quality))["block edges"] - least / 2


def test_size_is_the_shorter_side(photo: Image.Image) -> None:
    assert properties(photo)["size"] == pytest.approx(np.log(200))
    assert properties(photo.resize((480, 400)))["size"] == pytest.approx(np.log(400))


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (7, 7), (8, 8), (9, 9)])
def test_the_smallest_pictures_have_finite_properties(size: tuple[int, int]) -> None:
    assert np.isfinite(technical_properties(Image.new("RGB", size, (9, 9, 9)))).all()
