"""The leakage audit finds planted leaks, names them, and is quiet without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.optimize import minimize

from auditor.banks import load_bank
from auditor.banks.generated.textures import render
from auditor.banks.leakage import FEATURES, cross_validated, leakage, trivial_features
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
        assert cross_validated(both, np.repeat([0, 1], 30), seed=0)[0] < 0.67, name


def test_single_concept(tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / "one/a" / f"{i}.png", i)
    with pytest.raises(InputError, match="one concept, need two"):
        leakage(load_bank(str(tmp_path / "one"), min_images=2))


def test_a_concept_with_fewer_images_than_folds(tmp_path: Path) -> None:
    for i in range(5):
        picture(tmp_path / "two/a" / f"{i}.png", i)
        if i:
            picture(tmp_path / "two/b" / f"{i}.png", 10 + i)
    with pytest.raises(InputError, match="bank 'two', concept 'b': 4 images, need 5"):
        leakage(load_bank(str(tmp_path / "two"), min_images=2))


def test_accuracy_agrees_with_a_regression_written_out() -> None:
    """Against the penalised likelihood, maximised by scipy within the same folds."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 3)) * (1, 10, 0.1)
    label = np.repeat([0, 1], [60, 30])
    x[label == 1, 1] += 8
    together, alone = cross_validated(x, label, seed=3)
    assert together == written_out(x, label, seed=3)
    assert list(alone) == [written_out(x[:, [k]], label, seed=3) for k in range(3)]
    assert alone.argmax() == 1


def written_out(x: np.ndarray, label: np.ndarray, *, seed: int) -> float:
    hits = np.zeros(len(label), bool)
    rng = np.random.default_rng(seed)
    fold = np.concatenate([rng.permutation(np.arange(n) % 5) for n in np.bincount(label)])
    for held in range(5):
        train, test = fold != held, fold == held
        mean, spread = x[train].mean(0), x[train].std(0)
        design = np.column_stack([np.ones(len(x)), (x - mean) / spread])
        share = np.where(label == 1, 0.5 / label[train].mean(), 0.5 / (1 - label[train].mean()))

        def loss(w: np.ndarray, design=design, share=share, train=train) -> float:  # type: ignore[no-untyped-def]
            z = design[train] @ w
            return float((share[train] * (np.logaddexp(0, z) - label[train] * z)).sum() + 0.5 * w[1:] @ w[1:])

        weights = minimize(loss, np.zeros(design.shape[1])).x
        hits[test] = (design[test] @ weights > 0) == (label[test] == 1)
    return float((hits[label == 0].mean() + hits[label == 1].mean()) / 2)


def test_unbalanced_groups_do_not_pass_for_accuracy() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(110, 2))
    assert cross_validated(x, np.repeat([0, 1], [100, 10]), seed=0)[0] < 0.72
