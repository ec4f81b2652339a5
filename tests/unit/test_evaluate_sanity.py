"""Sanity checks of an evaluation: each fails where what it tests is broken."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from auditor.audit.checks import shuffle_weights
from auditor.evaluate import sanity as module
from auditor.evaluate.answers import sanity_answers
from auditor.evaluate.bench import Bench
from auditor.evaluate.sanity import (
    Probe,
    agreements,
    correlation,
    exchanged,
    read_probe,
    sanity,
    weighted_layers,
)
from auditor.evaluation_records import Estimate, Table, TableRow
from auditor.models.loaded import LoadedModel, weights_sha256
from auditor.records import Skipped
from tests.benches import graded_bank, tiny_bench
from tests.tiny import striped, tiny_model

CASCADE, LABELS, REPEATS = "Ranking of concepts as", "Ranking of concepts with", "Agreement"


def table(found: Any, start: str) -> Table:
    return next(one for one in found.tables if one.title.startswith(start))


def values(of: Table, start: str) -> list[float | None]:
    row = next(one for one in of.rows if one.name.startswith(start))
    return [None if cell is None else cell.value for cell in row.cells]


def without_repeats(bench: Bench) -> Bench:
    bench.__dict__["subjects"] = ()
    return bench


def probe_of(bench: Bench) -> Probe:
    found = read_probe(bench, bench.banks[0])
    assert isinstance(found, Probe)
    return found


def test_effects_rank_the_planted_concepts(tmp_path: Path) -> None:
    bench = tiny_bench(tmp_path, banks=[graded_bank()])
    effects = probe_of(bench).effects(bench.context.model, batch=7)
    assert effects.shape == (3, 9)
    grade = np.arange(9.0)
    assert correlation(effects[0], grade) > 0.95
    assert correlation(effects[1], grade) < -0.95


def test_what_must_hold_holds(tmp_path: Path) -> None:
    bench = tiny_bench(tmp_path, banks=[graded_bank()])
    found = sanity(bench)
    cascade = table(found, CASCADE)
    assert cascade.columns == ["0% of layers", "50% of layers", "100% of layers"]
    assert values(cascade, "vertical")[0] == 1
    last = values(cascade, "mean of classes")[-1]
    assert last is not None
    assert last < 0.5
    assert [point.value for point in found.curves[0].lines[0].points] == values(cascade, "mean of classes")
    labels = table(found, LABELS)
    assert [values(labels, name)[0] for name in ("mean", "vertical", "horizontal")] == [1, 1, 1]
    repeats = table(found, REPEATS)
    assert all(value == 1 for value in values(repeats, "vertical"))
    assert repeats.columns[-1] == "the paper's concept score"
    assert repeats.rows[-1].name == "different classes, to compare"
    assert values(repeats, "different")[0] is not None
    assert weights_sha256(bench.context.model.module) == bench.context.model.sha256


def test_the_same_settings_give_the_same_numbers(tmp_path: Path) -> None:
    first, second = (sanity(tiny_bench(tmp_path, banks=[graded_bank()])) for _ in range(2))
    assert first == second


def test_scores_that_do_not_depend_on_the_weights_are_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "shuffle_weights", lambda model, *, seed, only: model)
    monkeypatch.setattr(module, "exchanged", lambda model, order: model)
    found = sanity(without_repeats(tiny_bench(tmp_path, banks=[graded_bank()])))
    assert values(table(found, CASCADE), "mean of classes")[-1] == 1
    moved, before = values(table(found, LABELS), "mean of classes")
    assert before == 1
    assert moved is not None
    assert moved < 0.99


def test_layers_are_randomised_from_the_output_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shuffled = []

    def note(model: LoadedModel, *, seed: int, only: list[str]) -> LoadedModel:
        shuffled.append((only, seed))
        return model

    monkeypatch.setattr(module, "shuffle_weights", note)
    sanity(without_repeats(tiny_bench(tmp_path, banks=[graded_bank()])))
    assert [only for only, _ in shuffled] == [[], ["fc"], ["fc"], ["conv", "fc"], ["conv", "fc"]]
    assert shuffled[1][1] != shuffled[2][1]


def test_absolute_values_stand_beside_the_mean(tmp_path: Path) -> None:
    found = sanity(without_repeats(tiny_bench(tmp_path, banks=[graded_bank()])))
    cascade = table(found, CASCADE)
    by_class = [values(cascade, name)[-1] or 0.0 for name in ("vertical", "horizontal")]
    assert values(cascade, "mean of absolute")[-1] == pytest.approx(np.mean(np.abs(by_class)))
    assert values(cascade, "mean of classes")[-1] == pytest.approx(np.mean(by_class))


def test_a_bank_with_too_few_concepts_is_skipped_with_the_reason(tmp_path: Path) -> None:
    found = sanity(without_repeats(tiny_bench(tmp_path, banks=[graded_bank(7), graded_bank(9, groups=1)])))
    assert not found.measured
    assert found.answers == []
    assert {skip.reason for skip in found.skipped} == {
        "7 concepts that can be scored; needed for a ranking: 8"
    }
    assert len(found.skipped) == 2  # of nine, two are groups


def test_one_class_is_measured_without_an_interval(tmp_path: Path) -> None:
    found = sanity(tiny_bench(tmp_path, banks=[graded_bank()], classes=("vertical",)))
    assert values(table(found, CASCADE), "vertical")[0] == 1
    assert [row.name for row in table(found, REPEATS).rows] == ["mean of classes", "vertical"]
    assert all(answer.held is None for answer in found.answers)


def test_a_class_never_predicted_is_skipped_with_the_reason(tmp_path: Path) -> None:
    model = tiny_model()
    with torch.no_grad():
        model.module.fc.bias[1] = -1000  # type: ignore[union-attr,index]
    bench = tiny_bench(tmp_path, model=model, banks=[graded_bank()])
    found = sanity(bench)
    assert "ranking of bank 'graded' for class 'horizontal'" in [skip.what for skip in found.skipped]
    assert [row.name for row in table(found, CASCADE).rows][2:] == ["vertical"]
    assert [row.name for row in table(found, REPEATS).rows] == ["mean of classes", "vertical"]
    assert "horizontal" in bench.skipped[0].what


def test_one_seed_has_nothing_to_agree_with(tmp_path: Path) -> None:
    found = sanity(tiny_bench(tmp_path, banks=[graded_bank()], seeds=1))
    assert [skip.what for skip in found.skipped] == ["repeated seeds"]
    assert [one.title.split(" ")[0] for one in found.tables] == ["Ranking", "Ranking"]


def test_repeats_need_no_bank_and_no_more_classes_than_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPEATED_CLASSES", 1)
    found = sanity(tiny_bench(tmp_path))
    assert [one.title.startswith(REPEATS) for one in found.tables] == [True]
    assert [row.name for row in found.tables[0].rows] == ["mean of classes", "vertical"]
    assert len(found.tables[0].columns) == 2


def test_repeats_are_learned_by_other_seeds_on_the_same_photos(tmp_path: Path) -> None:
    bench = tiny_bench(tmp_path)
    first = bench.subjects[0]
    again = bench.learned(bench.with_settings(seed=5), [first.photos])
    assert len(again) == 1
    assert not np.array_equal(first.stage_one.perturbations, again[0].stage_one.perturbations)
    assert first.stage_one.images.names == again[0].stage_one.images.names


def test_a_model_without_finite_outputs_has_no_ranking(tmp_path: Path) -> None:
    bench = tiny_bench(tmp_path, banks=[graded_bank()])
    broken = copy.deepcopy(bench.context.model)
    with torch.no_grad():
        broken.module.fc.bias[0] = float("nan")  # type: ignore[union-attr,index]
    assert not probe_of(bench).effects(broken, batch=16).any()


def test_outputs_are_exchanged_in_a_copy() -> None:
    model, images = tiny_model(), striped(4, vertical=True, rng=np.random.default_rng(0))
    order = np.array([2, 0, 1])
    changed = exchanged(model, order)
    with torch.no_grad():
        torch.testing.assert_close(changed.module(images), model.module(images)[:, [2, 0, 1]])
    assert changed.module is not model.module
    assert weights_sha256(model.module) == model.sha256


def test_layers_run_in_order_and_only_those_named_are_shuffled() -> None:
    model = tiny_model()
    assert weighted_layers(model) == ["conv", "fc"]
    assert not model.module.conv._forward_pre_hooks  # type: ignore[union-attr]
    head = shuffle_weights(model, seed=3, only=["fc"])
    every = shuffle_weights(model, seed=3)

    def same(one: LoadedModel, two: LoadedModel, name: str) -> bool:
        return torch.equal(*(getattr(m.module, name).weight for m in (one, two)))

    assert same(head, model, "conv")
    assert not same(head, model, "fc")
    assert same(head, every, "fc")
    assert not same(every, model, "conv")
    assert weights_sha256(shuffle_weights(model, seed=3, only=[]).module) == model.sha256


def test_correlations_are_those_of_pairs_of_seeds_and_of_classes() -> None:
    up, down = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]
    found = agreements(np.array([[up, up, down], [down, down, down]]))
    assert found == [[1, -1, -1], [1, 1, 1], [-1]]
    assert correlation(np.array(up), np.ones(3)) == 0


def test_a_bank_that_cannot_be_ranked_is_not_read(tmp_path: Path) -> None:
    bank = graded_bank(3)

    def refuse() -> Any:
        raise AssertionError

    images = tuple(SimpleNamespace(name=str(i), load=refuse) for i in range(3))
    concepts = tuple(SimpleNamespace(name=c.name, images=images) for c in bank.concepts)
    shown = SimpleNamespace(name="b", concepts=concepts, reference=None, groups=frozenset())
    assert isinstance(read_probe(tiny_bench(tmp_path), shown), Skipped)  # type: ignore[arg-type]


def one_row(*cells: Estimate) -> Table:
    columns = [str(place) for place in range(len(cells))]
    row = TableRow(name="mean of classes", cells=list(cells))
    return Table(title="", unit="", rows_are="", columns=columns, rows=[row])


def between(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high, n=6)


def test_answers_at_their_borders() -> None:
    assert sanity_answers(None, None, None) == []

    def held(cascade: Estimate, moved: Estimate, before: Estimate, seeds: Estimate) -> list[bool | None]:
        found = sanity_answers(one_row(between(1, 1), cascade), one_row(moved, before), one_row(seeds, seeds))
        return [answer.held for answer in found]

    good = (between(0.3, 0.5), between(0.99, 1), between(-0.2, 0.5), between(0.75, 0.9))
    assert held(*good) == [True] * 5
    open_ = (between(0.3, 0.51), between(0.9, 1), between(-0.2, 0.51), between(0.7, 0.9))
    assert held(*open_) == [None] * 5
    bad = (between(0.51, 0.9), between(0.5, 0.98), between(0.51, 1), between(0.1, 0.74))
    assert held(*bad) == [False] * 5
