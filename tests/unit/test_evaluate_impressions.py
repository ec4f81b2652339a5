"""Class impressions: pictures of planted detectors show the planted class, and luck does not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from auditor.errors import InputError
from auditor.evaluate import impressions as module
from auditor.evaluate.answers import impression_answers
from auditor.evaluate.bench import Bench, Subject
from auditor.evaluate.impressions import (
    answers_to,
    chosen_layers,
    first_layer,
    impressions,
    independent_judge,
    needed,
    same_class,
)
from auditor.evaluation_records import Estimate, Table, TableRow
from auditor.models.loaded import ClassLabel, LoadedModel, weights_sha256
from auditor.records import LayerRecord
from tests.benches import STRENGTH, WIDE, tiny_bench, wide_model
from tests.tiny import tiny_model


def planted(bench: Bench, channels: dict[str, int | None]) -> Bench:
    """The bench with detectors that weigh one channel each, or none."""
    subjects = []
    for photos in bench.photos:
        weights = np.zeros((1, WIDE), np.float32)
        channel = channels[photos.label.name]
        if channel is not None:
            weights[0, channel] = 1
        subjects.append(Subject(photos, SimpleNamespace(importance={"act": weights})))  # type: ignore[arg-type]
    bench.__dict__["subjects"] = tuple(subjects)
    return bench


@pytest.fixture(autouse=True)
def _gentle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripes two pixels wide vary from pixel to pixel: on 16 pixels total variation must weigh less."""
    real = module.VisualiseSettings

    def settings(**given: Any) -> Any:
        return real(**{**given, "total_variation": 0.2, "jitter": 0})

    monkeypatch.setattr(module, "VisualiseSettings", settings)


def row(table: Table, start: str) -> list[float | None]:
    found = next(row for row in table.rows if row.name.startswith(start))
    return [None if cell is None else cell.value for cell in found.cells]


def test_a_planted_detector_shows_its_class_and_permuted_weights_do_not(tmp_path: Path) -> None:
    bench = planted(tiny_bench(tmp_path, model=wide_model()), {"vertical": 0, "horizontal": 1})
    found = impressions(bench)
    emerged, leads, first, taken = found.tables
    assert row(emerged, "the model itself") == [1, 0]
    assert row(first, "vertical: act, 16 x 16 x 24")[0] == pytest.approx(1, abs=0.1)
    for name in ("vertical", "horizontal"):
        own, luck, others = row(first, name)
        assert own is not None
        assert luck is not None
        assert others is not None
        assert own > needed(bench.context.model) > luck
        assert others < 0.1
        lead = row(leads, name)[0]
        assert lead == pytest.approx(own - luck)
    assert row(taken, "act")[0] == 1
    assert row(taken, "act")[2] == 0
    assert [line.name for line in found.curves[0].lines] == list(module.KINDS)
    assert found.skipped == []


def test_pictures_lie_with_the_evaluation_and_carry_what_was_said(tmp_path: Path) -> None:
    bench = planted(tiny_bench(tmp_path, model=wide_model()), {"vertical": 0, "horizontal": 1})
    gallery = impressions(bench).galleries[0]
    assert [one.name for one in gallery.rows] == ["vertical", "horizontal"]
    shots = [shot for one in gallery.rows for shot in one.shots]
    assert {shot.path for shot in shots} == set(bench.pictures)
    assert len(shots) == 2 * (module.PHOTOS + 2)
    assert shots[2].caption.startswith("act: ")
    assert "weights permuted" in shots[3].caption


def test_a_detector_of_another_class_is_not_taken_for_the_class(tmp_path: Path) -> None:
    bench = planted(tiny_bench(tmp_path, model=wide_model()), {"vertical": 1, "horizontal": 0})
    found = impressions(bench)
    assert row(found.tables[0], "the model itself") == [0, 0]
    own, _, others = row(found.tables[2], "vertical: in no layer")
    assert own is not None
    assert others is not None
    assert own < 0.1 < others
    assert next(answer.held for answer in found.answers) is not True


def test_one_class_has_no_other_classes_and_no_interval(tmp_path: Path) -> None:
    bench = planted(tiny_bench(tmp_path, model=wide_model(), classes=("vertical",)), {"vertical": 0})
    found = impressions(bench)
    assert row(found.tables[2], "vertical")[2] is None
    assert found.answers[0].held is None
    assert [line.name for line in found.curves[0].lines] == list(module.KINDS[:2])


def test_a_class_never_predicted_takes_no_part(tmp_path: Path) -> None:
    model = wide_model()
    with torch.no_grad():
        model.module.fc.bias[1] = -1000  # type: ignore[union-attr,index]
    bench = tiny_bench(tmp_path, model=model, classes=("horizontal",))
    found = impressions(bench)
    assert not found.measured
    assert found.answers == []
    assert "horizontal" in bench.skipped[0].what
    assert "recognises 0 of" in bench.skipped[0].reason


def test_a_layer_that_the_occluder_leaves_alone_is_skipped_with_the_reason(tmp_path: Path) -> None:
    bench = planted(tiny_bench(tmp_path, model=wide_model()), {"vertical": 0, "horizontal": None})
    found = impressions(bench)
    assert [skip.reason for skip in found.skipped] == ["its occluder changes no channel of the layer"]
    assert row(found.tables[1], "horizontal") == [None]
    assert row(found.tables[1], "vertical")[0] is not None


def test_the_same_settings_make_the_same_pictures_and_leave_the_model_alone(tmp_path: Path) -> None:
    model = wide_model()
    channels: dict[str, int | None] = {"vertical": 0, "horizontal": 1}
    first, second = (planted(tiny_bench(tmp_path, model=model), channels) for _ in range(2))
    assert impressions(first) == impressions(second)
    assert first.pictures == second.pictures
    assert weights_sha256(model.module) == model.sha256


def test_an_independent_judge_says_what_it_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge knows "vertical" under another number and has no "horizontal"."""
    model = wide_model()
    judge = tiny_model()
    with torch.no_grad():
        judge.module.fc.weight.copy_(torch.eye(3)[[2, 1, 0]] * STRENGTH)  # type: ignore[union-attr]
    names = ("bright", "lying", "vertical")
    labels = tuple(ClassLabel(i, n, "", (n,)) for i, n in enumerate(names))
    other = LoadedModel(
        "test:judge", "test", "tiny", judge.module, judge.input, labels, weights_sha256(judge.module)
    )
    monkeypatch.setattr(module, "load_model", lambda spec, device: other)
    bench = tiny_bench(tmp_path, model=model, judge="test:judge")
    found = impressions(planted(bench, {"vertical": 0, "horizontal": 1}))
    first = next(t for t in found.tables if t.title.startswith("First layer") and "test:judge" in t.title)
    assert [one.name for one in first.rows] == ["vertical: act, 16 x 16 x 24"]
    assert row(first, "vertical")[0] == pytest.approx(1, abs=0.1)
    assert [skip.what for skip in found.skipped] == ["judgement of class 'horizontal' by test:judge"]
    assert len(found.answers) == 4
    assert "independent" in found.answers[2].question
    assert "by test:judge" in found.galleries[0].rows[0].shots[2].caption


def test_a_judge_that_knows_none_of_the_classes_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = tiny_model()
    labels = tuple(ClassLabel(i, n, "", (n,)) for i, n in enumerate(("a", "b", "c")))
    other = LoadedModel("test:judge", "test", "tiny", judge.module, judge.input, labels, "other")
    monkeypatch.setattr(module, "load_model", lambda spec, device: other)
    bench = tiny_bench(tmp_path, model=wide_model(), judge="test:judge")
    found = impressions(planted(bench, {"vertical": None, "horizontal": None}))
    assert found.curves == []
    assert len([skip for skip in found.skipped if "judgement of class" in skip.what]) == 2
    assert [answer.question for answer in found.answers if "independent" in answer.question] == []


def test_a_judge_that_cannot_judge_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = wide_model()
    monkeypatch.setattr(module, "load_model", lambda spec, device: wide_model())
    with pytest.raises(InputError, match="judge 'x': has the weights of the model itself"):
        independent_judge(model, "x")
    grey = tiny_model()
    spec = grey.input.model_copy(update={"size": (1, 16, 16)})
    other = LoadedModel("g", "test", "g", grey.module, spec, grey.labels, "other")
    monkeypatch.setattr(module, "load_model", lambda spec, device: other)
    with pytest.raises(InputError, match="sees 1 channels and the model 3"):
        independent_judge(model, "x")


def test_a_judge_that_is_not_there_is_skipped_with_the_reason(tmp_path: Path) -> None:
    bench = tiny_bench(tmp_path, model=wide_model(), judge="file:/nowhere.pt")
    found = impressions(planted(bench, {"vertical": 0, "horizontal": 1}))
    assert [skip.what for skip in found.skipped] == ["judgement by another model"]
    assert "nowhere" in found.skipped[0].reason
    assert len(found.answers) == 2


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (ClassLabel(9, "other name", "n01", ("other name",)), 1),
        (ClassLabel(9, "Tench", "", ("Tench",)), 0),
        (ClassLabel(9, "zebra", "n99", ("zebra",)), None),
        (ClassLabel(9, "7", "", ("7",)), None),  # a name, not an index
    ],
)
def test_classes_are_matched_by_synset_then_by_name(label: ClassLabel, expected: int | None) -> None:
    labels = (ClassLabel(0, "tench", "n00", ("tench",)), ClassLabel(1, "goldfish", "n01", ("goldfish",)))
    assert same_class(SimpleNamespace(labels=labels), label) == expected  # type: ignore[arg-type]


def test_pictures_of_another_size_are_fitted_to_the_judge() -> None:
    model = tiny_model()
    small = np.full((1, 16, 16, 3), 200, np.uint8)
    large = np.full((1, 32, 32, 3), 200, np.uint8)
    np.testing.assert_allclose(answers_to(model, small), answers_to(model, large), atol=1e-5)


@pytest.mark.parametrize(
    ("own", "luck", "expected"),
    [
        ([[0.6, 0.6], [0.9, 0.9]], [[0.1, 0.1], [0.1, 0.1]], 0),
        ([[0.5, 0.59], [0.9, 0.9]], [[0.1, 0.1], [0.1, 0.1]], 1),  # below what is needed
        ([[0.9, 0.7], [0.9, 0.9]], [[0.1, 0.8], [0.1, 0.1]], 1),  # one permuted picture reaches the mean
        ([[0.9, 0.7]], [[0.1, 0.79]], 0),
        ([[np.nan, np.nan], [0.9, 0.9]], [[np.nan, np.nan], [0.1, 0.1]], 1),
        ([[0.1, 0.1]], [[0.0, 0.0]], None),
    ],
)
def test_the_first_layer_that_shows_the_class(own: Any, luck: Any, expected: int | None) -> None:
    assert first_layer(np.array(own), np.array(luck), least=0.6) == expected


def test_what_is_needed_lies_halfway_from_chance_to_certainty() -> None:
    assert needed(tiny_model()) == pytest.approx(0.75)
    thousand = SimpleNamespace(labels=range(1000))
    assert needed(thousand) == pytest.approx((np.log(2) / np.log(1001) + 1) / 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [0]), (2, [1]), (3, [1, 2]), (6, [3, 4, 5]), (16, [8, 9, 11, 12, 14, 15])],
)
def test_layers_run_evenly_from_the_middle_to_the_last(count: int, expected: list[int]) -> None:
    layers = [LayerRecord(name=str(i), channels=1, height=1, width=1) for i in range(count)]
    assert [int(layer.name) for layer in chosen_layers(layers)] == expected


def answered(share: Estimate, lead: Estimate | None) -> list[bool | None]:
    emerged = Table(
        title="", unit="", rows_are="", columns=["own"], rows=[TableRow(name="itself", cells=[share])]
    )
    leads = Table(title="", unit="", rows_are="", columns=["a"], rows=[TableRow(name="mean", cells=[lead])])
    return [answer.held for answer in impression_answers(emerged, leads)]


def test_answers_need_the_whole_interval() -> None:
    assert answered(
        Estimate(value=0.8, low=0.5, high=0.9, n=9), Estimate(value=0.2, low=0.05, high=0.3, n=9)
    ) == [True, True]
    assert answered(
        Estimate(value=0.8, low=0.49, high=0.9, n=9), Estimate(value=0.2, low=0.04, high=0.3, n=9)
    ) == [None, None]
    assert answered(
        Estimate(value=0.1, low=0.0, high=0.49, n=9), Estimate(value=0.0, low=-0.1, high=0.04, n=9)
    ) == [False, False]
    assert answered(Estimate(value=0.1, low=0.0, high=0.49, n=9), None) == [False]
