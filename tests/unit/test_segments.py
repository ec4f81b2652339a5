"""Sufficient and destroying concepts, on a model that knows its class by one coloured patch."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from auditor.banks import load_bank
from auditor.cli import main
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.evaluate import segments as step
from auditor.evaluate.answers import segments_answers
from auditor.evaluate.bench import Bench
from auditor.evaluation_records import Experiment
from auditor.explain import segment_concepts
from auditor.explain.segments import GREY, inpainted, need_segmentation, segments_of
from auditor.models.layers import choose_layers
from auditor.models.loaded import ClassLabel, LoadedModel, freeze, weights_sha256
from auditor.progress import silent
from auditor.records import InputSpec
from auditor.settings import EvaluationSettings

SIDE = 32
RED, BLUE, GREEN = np.array([(255, 0, 0), (20, 20, 220), (20, 200, 20)])


class PatchNet(nn.Module):
    """Channels answer to red, green and blue. Class "red" is said where there is enough red, else "plain"."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.act = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(3, 3)
        with torch.no_grad():
            self.conv.weight.copy_((1.5 * torch.eye(3) - 0.5)[:, :, None, None])
            self.conv.bias.fill_(-0.3)
            self.fc.weight.zero_()
            self.fc.weight[0, 0] = 20.0
            self.fc.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.act(self.conv(x))).flatten(1))


def patch_model() -> LoadedModel:
    module = freeze(PatchNet())
    return LoadedModel(
        name="test:patch",
        source="test",
        architecture="patch",
        module=module,
        input=InputSpec(
            size=(3, SIDE, SIDE), crop=1.0, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3
        ),
        labels=tuple(ClassLabel(i, n, "", (n,)) for i, n in enumerate(("red", "plain", "third"))),
        sha256=weights_sha256(module),
    )


def photo(rng: np.random.Generator, *, patch: bool = True) -> NDArray[np.uint8]:
    """Blue above, green below, noise; a red square of 10 pixels somewhere."""
    picture = np.empty((SIDE, SIDE, 3))
    picture[: SIDE // 2], picture[SIDE // 2 :] = BLUE, GREEN
    if patch:
        top, left = rng.integers(2, 20, 2)
        picture[top : top + 10, left : left + 10] = RED
    return (picture + rng.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)


def save_photos(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for place in range(count):
        Image.fromarray(photo(rng)).save(folder / f"{place:02d}.png")


def bench_of(folder: Path, out: Path, *names: str) -> Bench:
    model = patch_model()
    settings = EvaluationSettings(
        model="test:patch",
        classes=names,
        images=str(folder),
        out=out,
        occluder_iterations=30,
        seeds=4,
        runs=3,
        steps=("segments",),
    )
    classes = tuple(label for label in model.labels if label.name in names)
    layers = tuple(choose_layers(model, settings.layers))
    context = AuditContext(model, settings, classes, layers, "float32", silent, out)
    return Bench(context, settings, ())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("patches")
    save_photos(folder / "photos" / "red", 14)
    with pytest.MonkeyPatch.context() as patched:
        # Red is one concept: with more clusters it would be several.
        patched.setattr(segment_concepts, "CLUSTERS", 4)
        yield bench_of(folder / "photos", folder / "out", "red")


@pytest.fixture(scope="module")
def experiment(bench: Bench) -> Experiment:
    return step.segments(bench)


def cells(experiment: Experiment, table: int, row: int = 0) -> dict[str, float]:
    found = experiment.tables[table]
    return {
        name: cell.value
        for name, cell in zip(found.columns, found.rows[row].cells, strict=True)
        if cell is not None
    }


def line(experiment: Experiment, edit: int, name: str) -> list[float]:
    (found,) = [one for one in experiment.curves[edit].lines if one.name == name]
    return [point.value for point in found.points]


# --- the planted patch ---


def test_what_the_model_goes_by_comes_first(bench: Bench, experiment: Experiment) -> None:
    """The first concept alone brings the class back, and without it the class is gone."""
    assert not experiment.skipped
    for name in ("AfI", "association"):
        added, grey, diffused = (line(experiment, edit, name) for edit in range(3))
        assert added[0] == 0.0
        assert added[1] == 1.0
        assert grey[0] == diffused[0] == 1.0
        assert grey[1] == diffused[1] == 0.0
        assert cells(experiment, 0)[name] == cells(experiment, 1)[name] == 1.0
    by_chance = line(experiment, 0, "random order")
    assert by_chance[1] < 1.0
    assert by_chance[4] == 1.0
    leads = {row.name: row.cells for row in experiment.tables[3].rows}
    assert all(cell is not None and cell.value > 0 for cell in leads["AfI over random order"])
    strongest = experiment.galleries[0].rows[0].shots
    assert 0 < len(strongest) <= 8
    assert all(shot.path in bench.pictures for shot in strongest)


def test_the_same_settings_give_the_same_numbers(bench: Bench, experiment: Experiment) -> None:
    assert step.segments(bench) == experiment


def test_the_numbers_of_one_class_decide_nothing(experiment: Experiment) -> None:
    answers = experiment.answers
    assert len(answers) == 12
    assert {answer.held for answer in answers} == {None}


# --- what cannot be measured is said ---


def test_a_class_with_one_photo_is_skipped(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos" / "red", 1)
    bench = bench_of(tmp_path / "photos", tmp_path / "out", "red")
    experiment = step.segments(bench)
    assert not experiment.measured
    assert not experiment.answers
    assert [skip.what for skip in bench.skipped] == ["class 'red'"]


def test_a_class_never_predicted_is_skipped(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos" / "third", 12)
    bench = bench_of(tmp_path / "photos", tmp_path / "out", "third")
    experiment = step.segments(bench)
    assert not experiment.measured
    assert "recognises 0 of" in bench.skipped[0].reason


def test_photos_of_one_colour_have_no_concepts(tmp_path: Path) -> None:
    folder = tmp_path / "photos" / "red"
    folder.mkdir(parents=True)
    for place in range(12):
        picture = np.full((SIDE, SIDE, 3), 0, np.uint8)
        picture[:, :, 0] = 255
        Image.fromarray(picture).save(folder / f"{place}.png")
    bench = bench_of(tmp_path / "photos", tmp_path / "out", "red")
    experiment = step.segments(bench)
    assert not experiment.measured
    assert experiment.skipped[0].reason.endswith("photos: 1; needed: 2")


def test_without_scikit_image_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError) as failure:
        need_segmentation("experiment 'segments'")
    assert str(failure.value) == (
        "experiment 'segments': needs the package scikit-image; needed: pip install 'auditor[evaluate]'"
    )


# --- parts ---


def test_segments_cover_the_photo_once_for_each_distinct_part() -> None:
    picture = photo(np.random.default_rng(3))
    found = segments_of(picture, 7)
    masks = np.zeros((len(found), SIDE, SIDE), bool)
    for place, one in enumerate(found):
        masks[(place, *one.box)] = one.mask
        assert one.photo == 7
        assert one.mask.any()
    flat = masks.reshape(len(found), -1).astype(float)
    common = flat @ flat.T
    union = flat.sum(1)[:, None] + flat.sum(1) - common
    alike = common / union
    np.fill_diagonal(alike, 0)
    assert alike.max() <= 0.5
    assert masks.any(axis=0).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_photo_of_one_colour_has_segments(channels: int) -> None:
    found = segments_of(np.full((SIDE, SIDE, channels), 90, np.uint8), 0)
    assert found
    assert sum(int(one.mask.sum()) for one in found) >= SIDE * SIDE


def test_clusters_from_one_photo_are_dropped() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    which = np.repeat([0, 1, 2], 12)
    points = (centres[which] + rng.normal(0, 0.1, (36, 2))).astype(np.float32)
    photos = np.tile(np.arange(4), 9)
    photos[which == 2] = 0
    found = segment_concepts.find_concepts(points, photos, seed=0)
    assert found.count >= 2
    assert (found.labels[which == 2] == -1).all()
    assert all(len(np.unique(photos[found.members(one)])) >= 2 for one in range(found.count))


def test_no_photo_makes_a_concept_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo with many segments at the centre leaves room for those of others."""
    monkeypatch.setattr(segment_concepts, "CLUSTERS", 2)
    points = np.concatenate([np.zeros((60, 2)), np.full((60, 2), 9.0), np.full((4, 2), 1e-3)])
    photos = np.concatenate([np.zeros(60, int), np.arange(60) % 4, [1, 1, 2, 3]])
    found = segment_concepts.find_concepts(points.astype(np.float32), photos, seed=0)
    concept = found.labels[0]
    assert concept >= 0
    assert np.bincount(photos[found.members(concept)]).tolist() == [4, 2, 1, 1]


def test_equal_scores_are_ordered_by_the_second() -> None:
    order = step.strongest_first(np.array([1.0, 0.0, 1.0]), np.array([0.1, 9.0, 0.2]))
    assert order.tolist() == [2, 0, 1]
    assert step.strongest_first(np.array([0.1, 0.3, 0.2])).tolist() == [1, 2, 0]


def test_a_class_with_few_concepts_keeps_all_of_them() -> None:
    masks = np.eye(2, dtype=bool).reshape(2, 1, 2)
    steps = step.first_concepts(masks, np.array([1, 0]))
    assert steps.shape == (11, 1, 2)
    assert steps[:3, 0].tolist() == [[False, False], [False, True], [True, True]]
    assert steps[3:].all()


def test_a_hole_takes_the_colour_around_it() -> None:
    picture = torch.full((3, 17, 23), 0.8)
    picture[:, 5:12, 6:13] = 0.0
    masks = torch.zeros(3, 17, 23, dtype=torch.bool)
    masks[0, 5:12, 6:13] = True
    masks[1] = True
    filled = inpainted(picture, masks)
    torch.testing.assert_close(filled[0], torch.full((3, 17, 23), 0.8))
    torch.testing.assert_close(filled[1], torch.full((3, 17, 23), GREY))
    torch.testing.assert_close(filled[2], picture)


def test_tcav_finds_the_direction_that_the_logit_grows_along() -> None:
    rng = np.random.default_rng(0)
    last = rng.normal(0, 1, (60, 4)).astype(np.float32)
    labels = np.repeat([0, 1, -1], 20)
    last[labels == 0, 2] += 4
    last[labels == 1, 3] += 4
    seen = SimpleNamespace(last=last)
    concepts = segment_concepts.Concepts(labels, np.zeros((2, 4)), np.zeros(60))
    gradients = np.tile(np.array([[0.0, 0.0, 1.0, -1.0]], np.float32), (5, 1))
    share, growth = segment_concepts.tcav_scores(seen, concepts, gradients, rng)  # type: ignore[arg-type]
    assert share.tolist() == [1.0, 0.0]
    assert growth[0] > 0.5
    assert growth[1] < -0.5


def test_nothing_measured_answers_nothing() -> None:
    assert segments_answers([]) == []


def classes_measured(*, ahead: bool) -> list[step.Measured]:
    """Six classes: AfI and association are at once where they end, or as far behind as can be."""
    found = []
    for place in range(6):
        added = np.zeros((5, 11))
        for ranking, name in enumerate(step.RANKINGS):
            good = (name in step.LEADERS) == ahead
            added[ranking] = np.linspace(0, 1.0 if good else 0.3, 11) ** (0.2 if good else 1.0 + place / 9)
        accuracy = np.stack([added, 1 - added, 1 - added * 0.98])
        found.append(step.Measured(str(place), None, accuracy, np.full((5, 11), 0.4)))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("ahead", [True, False])
def test_the_answers_follow_the_numbers(ahead: bool) -> None:
    tables = step._tables(classes_measured(ahead=ahead))
    answers = segments_answers(tables)
    assert len(answers) == 12
    assert {answer.held for answer in answers} == {ahead}
    areas = {row.name: row.cells for row in tables[2].rows}
    diffused, area = areas["AfI"][2], areas["AfI"][3]
    assert diffused is not None
    assert area is not None
    assert (diffused.n, area.value) == (6, pytest.approx(0.4))


# --- discover ---


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(segment_concepts, "CLUSTERS", 4)
    monkeypatch.setattr("auditor.evaluate.run.load_audited", lambda settings, progress: patch_model())
    monkeypatch.setattr("auditor.audit.request.check_name", lambda model: None)
    monkeypatch.chdir(tmp_path)
    save_photos(tmp_path / "photos" / "red", 10)
    return tmp_path / "photos"


def discovered(*more: str) -> int:
    return main(["discover", "-m", "bundled:efficientnet_lite0", "-c", "red", "--images", "photos", *more])


def test_discover_lists_the_patch_first(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert discovered() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["number", "class", "score", "segments", "photos"]
    rows = [text.split() for text in lines[1:]]
    assert [row[0] for row in rows] == [str(place + 1) for place in range(len(rows))]
    scores = [float(row[2]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.3 > scores[1]


def test_discover_saves_a_bank_that_loads(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert discovered("--save-bank", "parts", "--clusters", "1,3") == 0
    assert "bank: parts" in capsys.readouterr().out
    bank = load_bank("parts", min_images=5)
    assert [one.name for one in bank.concepts] == ["red 1", "red 3"]
    first = bank.concepts[0].images[0].load()
    assert first.size == (SIDE, SIDE)
    colour = np.asarray(first).reshape(-1, 3).mean(axis=0)
    assert colour[0] > 1.5 * max(colour[1], colour[2])
    clusters = {image.cluster for image in bank.concepts[0].images}
    assert 2 <= len(clusters) <= 10


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--clusters", "1"], "needed: --save-bank"),
        (["--save-bank", "photos"], "needed: a new or empty folder"),
        (["--save-bank", "parts", "--clusters", "99"], "needed: numbers from 1 to"),
    ],
)
def test_discover_refuses(
    photos: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert discovered(*more) == 2
    assert said in capsys.readouterr().err
    assert not Path("parts").exists()
