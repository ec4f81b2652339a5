"""The leakage audit finds planted leaks, names them, and is quiet without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.banks import load_bank
from auditor.banks.generated.textures import render
from auditor.banks.leakage import FEATURES, cross_validated, fit_logistic, leakage, trivial_features
from auditor.errors import InputError
from tests.bank_data import picture

COUNT = 40


def bank(root: Path, **second: object) -> Path:
    for i in range(COUNT):
        picture(root / "a" / f"{i:02d}.jpg", i, quality=85)
        picture(root / "b" / f"{i:02d}.jpg", 1000 + i, **{"quality": 85, **second})  # type: ignore[arg-type]
    return root


def test_no_leak(tmp_path: Path) -> None:
    (pair,) = leakage(load_bank(str(bank(tmp_path / "bank"))))
    assert not pair.leaks
    assert 0.3 < pair.accuracy < 0.6
    assert pair.n == (COUNT, COUNT)


@pytest.mark.parametrize(
    ("second", "features"),
    [
        ({"brightness": 0.7}, {"brightness", "red", "green", "blue", "border brightness"}),
        ({"size": 64}, {"width", "height", "bytes per pixel"}),
        ({"quality": 40}, {"JPEG quality", "bytes per pixel"}),
    ],
)
def test_planted_leak_is_found_and_named(
    tmp_path: Path, second: dict[str, object], features: set[str]
) -> None:
    (pair,) = leakage(load_bank(str(bank(tmp_path / "bank", **second))))
    assert pair.leaks
    assert pair.accuracy > 0.9
    assert pair.feature in features
    assert pair.feature_accuracy > 0.9
    assert pair.advice


def test_generated_textures_do_not_leak_by_file_or_size(tmp_path: Path) -> None:
    """Textures differ in what a texture is; not in size, brightness or mean colour."""
    names = ("banded", "scaly", "marbled")
    for name in names:
        for i in range(30):
            path = tmp_path / "t" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(render(name, index=i, size=96)).save(path)
    loaded = load_bank(str(tmp_path / "t"))
    x = {c.name: np.array([trivial_features(i) for i in c.images]) for c in loaded.concepts}
    for name in ("width", "aspect", "brightness", "red", "green", "blue"):
        k = FEATURES.index(name)
        both = np.concatenate([x["banded"][:, [k]], x["scaly"][:, [k]]])
        fold = np.tile(np.arange(5), 12)
        assert cross_validated(both, np.repeat([0.0, 1.0], 30), fold) < 0.67, name


def test_single_concept(tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / "one/a" / f"{i}.png", i)
    with pytest.raises(InputError, match="one concept, need two"):
        leakage(load_bank(str(tmp_path / "one"), min_images=2))


def test_logistic_regression_at_its_optimum() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    label = (x[:, 0] + 0.5 * rng.normal(size=200) > 0.3).astype(float)
    weights = fit_logistic(x, label)
    design = np.concatenate([np.ones((200, 1)), x], axis=1)
    share = np.where(label > 0.5, 0.5 / label.mean(), 0.5 / (1 - label.mean()))

    def loss(w: np.ndarray) -> float:
        z = design @ w
        penalty = 0.5 * (1e-6 * w[0] ** 2 + (w[1:] ** 2).sum())
        return float((share * (np.logaddexp(0, z) - label * z)).sum() + penalty)

    for direction in rng.normal(size=(20, 4)):
        assert loss(weights) <= loss(weights + 0.01 * direction)


def test_unbalanced_groups_do_not_pass_for_accuracy() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(110, 2))
    label = np.repeat([0.0, 1.0], [100, 10])
    fold = np.concatenate([np.arange(100) % 5, np.arange(10) % 5])
    assert cross_validated(x, label, fold) < 0.72
