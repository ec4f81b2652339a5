"""Do the p-values hold their level and the intervals cover? ``python -m benchmarks.calibration [--quick]``.

The outputs of a classifier are simulated from populations with known effects and passed to the functions
that an audit calls. Two more results are printed for the same data: with every image of a cluster counted
by itself, and with the paper's runs used as replicates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import stats

from auditor.findings import Numbers, Range, conclude
from auditor.settings import Settings
from auditor.statistics.effects import Effect, Inference
from auditor.statistics.mmd import gaussian_kernel, median_bandwidth, mmd2_unbiased
from auditor.statistics.mmd_permutation import mmd_test
from auditor.statistics.multiplicity import holm
from auditor.statistics.samples import ConceptSample
from benchmarks.calibration_worlds import (
    CLUSTERED,
    CONCEPTS,
    CONTRASTS,
    SCORES,
    World,
    concept_drawer,
    draw_pairs,
    pairs_of,
    random_maps,
    sample_of,
    true_scores,
)

ALPHA = 0.05
MARGIN: float = Settings.model_fields["margin"].default
CONTRAST_MARGIN: float = Settings.model_fields["contrast_margin"].default
DRAWS = 999
"""Permutations, and resamples."""
OF_SCORES = ["p .05", "p .01", "cover", "cover strong", "claimed within margin", "found beyond", "width"]
OF_CLUSTERS = ["p .05, images", "p .05, clusters", "cover, images", "cover, clusters"]
OF_CONTRASTS = ["p .05", "p .01", "cover none", "cover strong", "found strong", "detectable"]
OF_RUNS = ["t-test .05", "mean ± 1.96 sd/√runs covers 0", "permutation .05", "permutation .01"]


class Tally:
    """Averages over repetitions, with standard errors over repetitions."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def add(self, name: str, value: object) -> None:
        """One repetition's number, or its numbers, averaged; nothing where there are none."""
        numbers = np.asarray(value, dtype=float)
        if numbers.size:
            self.values.setdefault(name, []).append(float(numbers.mean()))

    def show(self, name: str) -> str:
        """Mean and standard error."""
        values = np.array(self.values[name])
        return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def print_table(title: str, columns: list[str], rows: Sequence[tuple[str, Callable[[], Tally]]]) -> None:
    """A Markdown table; each row is measured when its turn comes."""
    print(f"\n{title}\n\n| population | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, measure in rows:
        tally = measure()
        print(f"| {name} | {' | '.join(tally.show(column) for column in columns)} |", flush=True)


def claimed(effects: Sequence[Effect], margin: float) -> list[bool]:
    """Whether an audit of these effects alone would claim each."""
    adjusted = holm([e.p_value for e in effects])
    return [
        conclude(
            Numbers(e.effect, e.adjusted_low, e.adjusted_high, float(p)),
            irrelevant=Range.within(margin),
            alpha=ALPHA,
        ).conclusion
        in ("associated", "negatively associated")
        for e, p in zip(effects, adjusted, strict=True)
    ]


def measure_scores(world: World, repetitions: int, seed: int) -> Tally:
    """The score of every concept of a simulated bank."""
    tally, rng = Tally(), np.random.default_rng(seed)
    sample, draw, truth = sample_of(world), concept_drawer(world), true_scores(world)
    # Beside a strong concept no other has a true score of 0: the level is that of a bank without one.
    draw_alike = concept_drawer(replace(world, step=0.0, shrink=1.0))
    inference = Inference(DRAWS, DRAWS, ALPHA, family=CONCEPTS)
    for _ in range(repetitions):
        alike = sample.effects(draw_alike(rng), inference=inference, rng=rng)
        found = sample.effects(draw(rng), inference=inference, rng=rng)
        p = np.array([f.p_value for f in alike])
        low, high = np.array([f.low for f in found]), np.array([f.high for f in found])
        covered = (low <= truth) & (truth <= high)
        claims = np.array(claimed(found, MARGIN))
        tally.add("p .05", p <= 0.05)
        tally.add("p .01", p <= 0.01)
        tally.add("cover", covered)
        tally.add("cover strong", covered[-1])
        tally.add("claimed within margin", claims[np.abs(truth) <= MARGIN])
        tally.add("found beyond", claims[np.abs(truth) > MARGIN])
        tally.add("width", high - low)
    return tally


def measure_clusters(world: World, repetitions: int, seed: int) -> Tally:
    """No effect: concepts whose images come in clusters, counted as clusters and as images."""
    tally, rng = Tally(), np.random.default_rng(seed)
    sample, draw = sample_of(world), concept_drawer(world)
    every = ConceptSample(sample.labels, np.arange(len(sample.labels)))
    inference = Inference(DRAWS, DRAWS, ALPHA, family=CONCEPTS)
    for _ in range(repetitions):
        values = draw(rng)
        for name, counted in (("images", every), ("clusters", sample)):
            found = counted.effects(values, inference=inference, rng=rng)
            covered = [f.low <= 0.0 <= f.high for f in found]
            tally.add(f"p .05, {name}", np.array([f.p_value for f in found]) <= 0.05)
            tally.add(f"cover, {name}", covered)
    return tally


def measure_contrast(world: World, repetitions: int, seed: int) -> Tally:
    """Matched pairs without a difference and with one."""
    tally, rng = Tally(), np.random.default_rng(seed)
    sample = pairs_of(world)
    inference = Inference(DRAWS, DRAWS, ALPHA)
    strong = world.expected(world.step) - world.expected()
    for _ in range(repetitions):
        none = sample.effect(draw_pairs(world, rng, step=0.0), inference=inference, rng=rng)
        some = sample.effect(draw_pairs(world, rng, step=world.step), inference=inference, rng=rng)
        tally.add("p .05", none.p_value <= 0.05)
        tally.add("p .01", none.p_value <= 0.01)
        tally.add("cover none", none.low <= 0.0 <= none.high)
        tally.add("cover strong", some.low <= strong <= some.high)
        tally.add("found strong", claimed([some], CONTRAST_MARGIN))
        tally.add("detectable", some.minimum_detectable)
    return tally


def measure_detectable(world: World, repetitions: int, seed: int) -> Tally:
    """Is the stated minimum detectable effect found four times out of five?"""
    tally, rng = Tally(), np.random.default_rng(seed)
    sample, draw = sample_of(world), concept_drawer(world)
    inference = Inference(DRAWS, DRAWS, ALPHA, family=CONCEPTS)
    own = sample.labels == 0
    pilot = [
        sample.effects(draw(rng), inference=inference, rng=rng)[0] for _ in range(max(20, repetitions // 8))
    ]
    stated = float(np.mean([effect.minimum_detectable for effect in pilot]))
    usual = true_scores(world)[0]
    for _ in range(repetitions):
        effect = sample.effects(draw(rng) + (stated - usual) * own, inference=inference, rng=rng)[0]
        tally.add("power", effect.p_value <= ALPHA / CONCEPTS)
        tally.add("detectable", stated)
    return tally


def measure_runs(size: int, runs: int, repetitions: int, seed: int) -> Tally:
    """The paper's runs used as replicates, as TCAV's t-test does, and one permutation test instead.

    The concept and the pool of benchmark images have the same distribution.
    """
    tally, rng = Tally(), np.random.default_rng(seed)
    mixing = 0.7 * (rng.normal(size=(49, 49)) / 7.0 + np.eye(49))
    pool = 500
    for _ in range(repetitions):
        maps = random_maps(size, pool, mixing, rng)
        kernel = gaussian_kernel(maps, bandwidth=median_bandwidth(maps))
        own = np.arange(size)
        of_concept, of_random = np.empty(runs), np.empty(runs)
        for run in range(runs):
            drawn = size + rng.permutation(pool)
            of_concept[run] = mmd2_unbiased(kernel, own, drawn[:size])
            of_random[run] = mmd2_unbiased(kernel, drawn[size : 2 * size], drawn[:size])
        half_width = 1.96 * of_concept.std(ddof=1) / np.sqrt(runs)
        tally.add("t-test .05", stats.ttest_ind(of_concept, of_random).pvalue <= 0.05)
        tally.add("mean ± 1.96 sd/√runs covers 0", abs(of_concept.mean()) <= half_width)
        labels = np.where(np.arange(size + pool) < size, 0, -1)
        test = mmd_test([kernel], labels, concepts=1, permutations=199, rng=rng)
        tally.add("permutation .05", test.p_value[0] <= 0.05)
        tally.add("permutation .01", test.p_value[0] <= 0.01)
    return tally


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--only-score", action="store_true", help="the table of the score alone")
    parser.add_argument("--repetitions", type=int, help="per population")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    repetitions = asked.repetitions or (60 if asked.quick else 400)
    started = time.perf_counter()
    print(f"Repetitions {repetitions}, seed {asked.seed}, alpha {ALPHA}, margin {MARGIN}, of contrasts")
    print(f"{CONTRAST_MARGIN}; each number ± its standard error over repetitions.")

    def rows(
        worlds: Sequence[World], measure: Callable[[World, int, int], Tally]
    ) -> list[tuple[str, Callable[[], Tally]]]:
        return [(w.name, partial(measure, w, repetitions, asked.seed)) for w in worlds]

    print_table("Scores", OF_SCORES, rows(SCORES, measure_scores))
    if asked.only_score:
        return
    print_table("No effect, images in clusters", OF_CLUSTERS, rows(CLUSTERED, measure_clusters))
    print_table("Contrasts of matched pairs", OF_CONTRASTS, rows(CONTRASTS, measure_contrast))
    print_table(
        "Power at the minimum detectable effect as stated (0.8 is claimed)",
        ["power", "detectable"],
        rows([w for w in SCORES if "near chance" in w.name], measure_detectable),
    )
    fewer = max(20, repetitions * 2 // 5)
    print_table(
        f"Runs as replicates, no effect ({fewer} repetitions)",
        OF_RUNS,
        [
            (f"{size} images, {runs} runs", partial(measure_runs, size, runs, fewer, asked.seed))
            for size, runs in ((50, 20), (50, 100))
        ],
    )
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
