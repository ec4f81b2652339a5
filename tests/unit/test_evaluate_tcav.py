"""TCAV beside the audit: planted concepts, the test, chance put back, files deleted, what cannot be done."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from auditor.errors import InputError
from auditor.evaluate import run as run_module
from auditor.evaluate import tcav as module
from auditor.evaluate.answers import tcav_answers
from auditor.evaluate.bench import Bench
from auditor.evaluate.tcav import BankScores, Scorer, _tested, tcav, two_sided
from auditor.evaluation_records import Estimate, Experiment, Table, TableRow
from auditor.images.class_images import to_bytes
from tests.benches import graded_bank, save_photos, striped_bank, tiny_bench
from tests.tiny import save_striped, striped, tiny_model

FAST = {"permutations": 99, "bootstrap": 200}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier for every set takes most of the time."""
    monkeypatch.setattr(module, "RANDOM_SETS", 6)


def bench_of(tmp_path: Path, **more: Any) -> Bench:
    more.setdefault("banks", [striped_bank()])
    return tiny_bench(tmp_path, **FAST, **more)


def table(found: Experiment, start: str) -> Table:
    return next(one for one in found.tables if one.title.startswith(start))


def cells(of: Table, name: str) -> list[float | None]:
    row = next(one for one in of.rows if one.name == name)
    return [None if cell is None else cell.value for cell in row.cells]


def scorer() -> Scorer:
    """Twelve images of upright stripes, then twelve of level ones."""
    model, rng = tiny_model(), np.random.default_rng(0)
    images = torch.cat([striped(12, vertical=vertical, rng=rng) for vertical in (True, False)])
    photos = [(model.labels[y], striped(5, vertical=y == 0, rng=rng)) for y in (0, 1)]
    return Scorer(model, ["conv"], to_bytes(model.pixels(images)), photos)


UP, LEVEL = np.arange(8), np.arange(12, 20)


# --- Captum ---


def test_the_planted_concept_is_ranked_as_at_the_output(tmp_path: Path) -> None:
    found = tcav(bench_of(tmp_path))
    for name, own, other in (("vertical", "upright", "level"), ("horizontal", "level", "upright")):
        of = table(found, f"{name}: TCAV of images labelled in bank 'stripes'")
        assert of.rows[0].name == own
        score, sd, p, effect = cells(of, own)
        assert (score, sd) == (1.0, 0.0)
        assert p is not None
        assert 0 < p <= 1
        assert effect is not None
        assert effect > 0.1
        assert cells(of, other)[0] == 0.0
        assert of.rows[-1].name == "random sets among themselves"
        assert of.rows[0].cells[3] is not None
        assert of.rows[0].cells[3].low is not None
    agreement = table(found, "Agreement")
    assert [row.name for row in agreement.rows] == ["mean of classes", "vertical", "horizontal"]
    assert all((row.cells[0].value if row.cells[0] else 0) > 0.5 for row in agreement.rows)
    assert found.answers[0].question == "Do TCAV and the effect at the output rank concepts alike?"
    costs = table(found, "Time and memory")
    assert [row.name for row in costs.rows][:2] == ["TCAV", "the effect at the output"]
    assert all((row.cells[0].value if row.cells[0] else 0) > 0 for row in costs.rows)
    assert "Concepts of TCAV: 4, from 32 images" in costs.note


def test_the_score_is_that_of_the_first_set_and_of_the_class() -> None:
    found = scorer().scores([(UP, LEVEL), (LEVEL, UP)], seed=3)
    assert found[0].tolist() == [1.0, 0.0]
    assert found[1].tolist() == [0.0, 1.0]


def test_the_same_seed_gives_the_same_scores() -> None:
    mixed = np.array([0, 1, 2, 12, 13, 14]), np.array([3, 4, 5, 15, 16, 17])
    first, again = (scorer().scores([mixed] * 2, seed=5) for _ in range(2))
    assert {y: values.tolist() for y, values in first.items()} == {
        y: values.tolist() for y, values in again.items()
    }


def test_generators_are_put_back_and_files_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []
    whole = tempfile.TemporaryDirectory

    def note(**how: Any) -> Any:
        made = whole(**how)
        seen.append(Path(made.name).stat().st_mode & 0o777)
        return made

    monkeypatch.setattr(tempfile, "TemporaryDirectory", note)

    def states() -> list[object]:
        drawn: Callable[[], Any] = np.random.get_state
        return [random.getstate(), drawn()[1].tolist(), torch.get_rng_state().tolist()]

    one = scorer()
    before = states()
    one.scores([(UP, LEVEL)], seed=1)
    assert states() == before
    assert seen == [0o700]
    assert list(tmp_path.iterdir()) == []

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("captum.concept.TCAV.interpret", fail)
    with pytest.raises(RuntimeError):
        one.scores([(UP, LEVEL)], seed=1)
    assert states() == before
    assert list(tmp_path.iterdir()) == []


def test_the_model_is_left_as_it_was() -> None:
    one = scorer()
    one.scores([(UP, LEVEL)], seed=1)
    assert not any(p.requires_grad or p.grad is not None for p in one.model.module.parameters())
    assert not any(part._forward_hooks for part in one.model.module.modules())


# --- what cannot be done ---


def test_a_missing_package_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    bench = bench_of(tmp_path)
    with pytest.raises(InputError, match=r"needed: pip install captum"):
        tcav(bench)
    assert "audited" not in bench.__dict__  # before any work
    found = run_module._experiment(bench, "tcav")
    assert "captum" in found.skipped[0].reason


def test_a_concept_with_too_few_images_is_skipped_with_the_reason(tmp_path: Path) -> None:
    found = tcav(bench_of(tmp_path, banks=[striped_bank(3)]))
    assert not any(one.title.startswith("vertical") for one in found.tables)
    reasons = {skip.what: skip.reason for skip in found.skipped}
    assert reasons["TCAV of images labelled 'upright' in bank 'stripes'"].startswith("sets of 3 images; need")
    assert found.answers == []


def test_random_sets_must_be_able_to_differ() -> None:
    labels = np.repeat([0, 1], [20, 10])
    assert module._size(labels, 0) == 5
    assert module._size(labels, 1) == 10
    assert module._size(np.repeat([0, 1], [30, 300]), 0) == module.IMAGES


def test_halves_have_no_common_image() -> None:
    first, second = module._halves(np.random.default_rng(0), 10, 5)
    assert sorted([*first, *second]) == list(range(10))


def test_one_photo_is_enough_for_tcav(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", vertical=1, horizontal=0)
    found = tcav(bench_of(tmp_path, classes=("vertical",)))
    assert cells(table(found, "vertical"), "upright")[0] == 1.0
    assert table(found, "Agreement").rows[0].cells[1:] == [None, None]
    assert "no occluder could be learned for the class" in found.skipped[0].reason
    assert [answer.held for answer in found.answers] == [None]


def test_a_class_never_predicted_has_a_score_all_the_same(tmp_path: Path) -> None:
    save_striped(tiny_model(), save_photos(tmp_path / "photos") / "bright", 8, vertical=True)
    found = tcav(bench_of(tmp_path, classes=("vertical", "bright")))
    agreement = table(found, "Agreement")
    assert cells(agreement, "bright")[0] is not None
    assert cells(agreement, "bright")[1] is None
    assert [skip.what for skip in found.skipped] == ["the paper's score for class 'bright'"]


def test_few_concepts_are_no_ranking(tmp_path: Path) -> None:
    found = tcav(bench_of(tmp_path, banks=[graded_bank(2, 9)], classes=("vertical",)))
    assert [one.title.split(":")[0] for one in found.tables] == ["vertical", "Time and memory"]
    assert "no bank with 3 concepts" in found.skipped[-1].reason


def test_groups_are_no_concepts(tmp_path: Path) -> None:
    found = tcav(bench_of(tmp_path, banks=[striped_bank(groups=True)], classes=("vertical",)))
    of = table(found, "vertical")
    assert {row.name for row in of.rows[:-1]} == {"noise", "more noise"}


# --- the test ---


def test_scores_are_tested_from_both_sides_against_random_sets() -> None:
    rng = np.random.default_rng(0)
    among = rng.uniform(0.3, 0.7, 20)
    high, low, same = rng.uniform(0.8, 1, 20), rng.uniform(0, 0.2, 20), rng.uniform(0.3, 0.7, 20)
    assert two_sided(high, among) < 1e-6
    assert two_sided(low, among) < 1e-6
    assert two_sided(same, among) > 0.05


def test_p_values_are_corrected_over_all_banks_classes_and_concepts() -> None:
    rng = np.random.default_rng(0)
    among = rng.uniform(0.3, 0.7, 6)
    levels = {("first", 0): (0.62, 0.66), ("first", 1): (0.7, 0.5), ("second", 0): (0.64, 0.4)}
    scores = {key: [rng.uniform(at - 0.1, at + 0.1, 6) for at in both] for key, both in levels.items()}

    def bank(name: str) -> BankScores:
        shown: Any = SimpleNamespace(layout=SimpleNamespace(bank=SimpleNamespace(name=name)))
        own = {index: np.stack(rows) for (of, index), rows in scores.items() if of == name}
        return BankScores(shown=shown, concepts=["a", "b"], scores=own, random=dict.fromkeys(own, among))

    plain = {
        (name, concept, index): two_sided(row, among)
        for (name, index), rows in scores.items()
        for concept, row in zip("ab", rows, strict=True)
    }
    found = _tested([bank("first"), bank("second")])
    assert found.keys() == plain.keys()
    ranked = sorted(plain, key=lambda key: plain[key])
    steps = [min(1.0, (len(plain) - place) * plain[key]) for place, key in enumerate(ranked)]
    expected = dict(zip(ranked, np.maximum.accumulate(steps), strict=True))
    assert plain[ranked[0]] < 0.5 / len(plain)  # not all of them end at one
    assert found == pytest.approx(expected)


def test_scores_that_are_all_the_same_are_tested_all_the_same() -> None:
    ones, zeros = np.ones(20), np.zeros(20)
    assert two_sided(ones, ones) == 1
    assert two_sided(ones, zeros) == pytest.approx(1 / 137846528820)
    assert two_sided(ones, np.array([0.0] * 10 + [1.0] * 10)) < 0.001


@pytest.mark.parametrize(("low", "high", "held"), [(0.75, 0.9, True), (0.7, 0.9, None), (0.1, 0.74, False)])
def test_the_answer_needs_the_whole_interval(low: float, high: float, held: bool | None) -> None:
    mean = Estimate(value=(low + high) / 2, low=low, high=high, n=4)
    row = TableRow(name="mean of classes", cells=[mean, None, None])
    of = Table(title="", unit="", rows_are="", columns=list(module.RANKED), rows=[row])
    assert [answer.held for answer in tcav_answers(of)] == [held]
