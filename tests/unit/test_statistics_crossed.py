"""Differences that share people and scenes: mean, two-way clustered error, exchange of whole units."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from auditor.errors import InputError
from auditor.statistics.crossed import Crossed
from auditor.statistics.effects import Inference

INFERENCE = Inference(permutations=1999, bootstrap=200, alpha=0.05, family=3)


def crossed(units: int, scenes: int, each: int, rng: np.random.Generator) -> Crossed:
    order = [rng.permutation(scenes) for _ in range(units * each // scenes + 1)]
    return Crossed(np.repeat(np.arange(units), each), np.concatenate(order)[: units * each])


def plain_error(values: list[float], units: list[int], scenes: list[int]) -> float:
    """Two-way clustered standard error of a plain mean, sum by sum."""
    count = len(values)
    middle = sum(values) / count
    parts = []
    for keys in (units, scenes, list(zip(units, scenes, strict=True))):
        distinct = list(dict.fromkeys(keys))
        sums = [
            sum((v - middle) / count for v, key in zip(values, keys, strict=True) if key == one)
            for one in distinct
        ]
        parts.append(sum(s * s for s in sums) * len(distinct) / (len(distinct) - 1))
    return float(max(parts[0] + parts[1] - parts[2], parts[0], parts[1]) ** 0.5)


def test_error_is_the_two_way_clustered_one_worked_out_sum_by_sum() -> None:
    rng = np.random.default_rng(1)
    one = crossed(7, 5, 4, rng)
    values = rng.normal(size=7)[one.units] + rng.normal(size=5)[one.scenes] + rng.normal(size=28)
    error, df = one.error(values)
    assert error == pytest.approx(plain_error(list(values), list(one.units), list(one.scenes)))
    assert df == 4


def test_each_unit_counts_the_same_however_many_differences_it_has() -> None:
    one = Crossed(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0]))
    assert one.means(np.array([1.0, 1.0, 1.0, 3.0])) == pytest.approx(2.0)


def test_the_test_counts_every_exchange_of_whole_units() -> None:
    rng = np.random.default_rng(2)
    one = crossed(6, 4, 2, rng)
    values = rng.normal(0.8, 1.0, 12)
    of_unit = np.array([values[one.units == unit].mean() for unit in range(6)])
    every = [abs(np.dot(signs, of_unit) / 6) for signs in itertools.product((-1, 1), repeat=6)]
    exact = np.mean(np.array(every) >= abs(of_unit.mean()) - 1e-12)
    found = one.effect(values, inference=INFERENCE, rng=np.random.default_rng(3))
    assert found.p_value == pytest.approx(exact, abs=0.03)


def test_effect_has_the_sign_and_the_counts_and_a_wider_interval_for_a_family() -> None:
    rng = np.random.default_rng(4)
    one = crossed(30, 10, 4, rng)
    found = one.effect(rng.normal(-0.5, 0.1, 120), inference=INFERENCE, rng=rng)
    assert (found.n, found.units, found.n_other, found.units_other) == (120, 30, 120, 10)
    assert found.adjusted_low < found.low < found.effect < found.high < found.adjusted_high < 0
    half = stats.t.ppf(0.975, 9) * found.standard_error
    assert found.high - found.effect == pytest.approx(half)
    assert found.p_value == 1 / 2000


@pytest.mark.parametrize(("of_units", "of_scenes"), [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.0, 0.0)])
def test_interval_covers_whether_people_or_scenes_differ(of_units: float, of_scenes: float) -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        one = crossed(36, 9, 4, rng)
        values = of_units * rng.normal(size=36)[one.units] + of_scenes * rng.normal(size=9)[one.scenes]
        _, low, high = one.interval(values + rng.normal(size=144), 0.05)
        covered += low <= 0 <= high
    assert covered >= 300 * 0.92


def test_one_scene_or_one_unit_has_no_interval() -> None:
    with pytest.raises(InputError, match="scenes: 1, need 2 or more"):
        Crossed(np.array([0, 1]), np.array([0, 0]))
    with pytest.raises(InputError, match="units: 1, need 2 or more"):
        Crossed(np.array([0, 0]), np.array([0, 1]))
