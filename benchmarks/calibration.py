"""Do the p-values hold their level and the intervals cover? ``python -m benchmarks.calibration [--quick]``.

Detector responses are simulated from populations whose true effects are known, then handed to the same
functions that an audit calls. Printed beside them: what the same data would say if refits were ignored,
and the paper's runs taken for replicates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from auditor.statistics.classwise import class_effects
from auditor.statistics.contrasts import group_contrasts
from auditor.statistics.effects import ConceptEffect, concept_effects
from auditor.statistics.mmd import gaussian_kernel, median_bandwidth, mmd2_unbiased
from auditor.statistics.mmd_permutation import mmd_test
from benchmarks.calibration_evidence import COLUMNS, EVIDENCE_WORLDS, EvidenceWorld, shares
from benchmarks.populations import (
    CONTRASTS,
    EQUAL,
    RANDOM,
    STRONG,
    WORLDS,
    Faces,
    World,
    draw_faces,
    draw_world,
)

ALPHA = 0.05
MARGIN = 0.2
BOOTSTRAP = 999
PERMUTATIONS = 999
INTERVALS = ["images only", "own refits", "Rubin", "percentile", "chosen"]


class Tally:
    """Averages of what repetitions say, with standard errors over repetitions."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def add(self, name: str, value: object) -> None:
        """One repetition's number, or its numbers, averaged."""
        self.values.setdefault(name, []).append(float(np.mean(np.asarray(value, dtype=float))))

    def show(self, name: str) -> str:
        """Mean and standard error."""
        values = np.array(self.values[name])
        return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def print_row(cells: list[str], widths: list[int]) -> None:
    """One line of a Markdown table."""
    print(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |",
        flush=True,
    )


def print_table(title: str, columns: list[str], rows: Sequence[tuple[str, Callable[[], Tally]]]) -> None:
    """A Markdown table; each row is measured when its turn comes."""
    print(f"\n{title}\n")
    widths = [34, *(max(13, len(column)) for column in columns)]
    print_row(["population", *columns], widths)
    print_row(["-" * width for width in widths], widths)
    for name, measure in rows:
        tally = measure()
        print_row([name, *(tally.show(column) for column in columns)], widths)


def measure_concepts(world: World, repetitions: int, seed: int) -> Tally:
    """What ``concept_effects`` says about worlds whose truth is known."""
    tally = Tally()
    rng = np.random.default_rng(seed)
    for _ in range(repetitions):
        responses, labels, truth = draw_world(world, rng)
        found = concept_effects(
            responses,
            labels,
            concepts=[str(c) for c in range(world.concepts)],
            permutations=PERMUTATIONS,
            bootstrap=BOOTSTRAP,
            alpha=ALPHA,
            margin=MARGIN,
            rng=rng,
        )
        p = np.array([f.p_value for f in found])
        p_images = np.array([f.p_images for f in found])
        low, high = np.array([f.low for f in found]), np.array([f.high for f in found])
        covered = (low <= truth) & (truth <= high)
        effect, error = np.array([f.effect for f in found]), np.array([f.error_images for f in found])
        verdict = np.array([f.direction for f in found])
        tally.add("sharp .05", p[:RANDOM] <= 0.05)
        tally.add("sharp .01", p[:RANDOM] <= 0.01)
        tally.add("weak .05", p[EQUAL] <= 0.05)
        tally.add("weak .01", p[EQUAL] <= 0.01)
        tally.add("weak .05, refits ignored", p_images[EQUAL] <= 0.05)
        tally.add("power", p[STRONG] <= ALPHA / world.concepts)
        tally.add("cover", covered)
        tally.add("cover weak", covered[EQUAL])
        tally.add("cover strong", covered[STRONG])
        tally.add("cover, refits ignored", np.abs(effect - truth) <= 1.96 * error)
        tally.add("width", np.mean(high - low))
        tally.add("detectable", found[STRONG].smallest_detectable)
        positive, negative = verdict == "associated", verdict == "inhibiting"
        tally.add("wrong sign", (positive & (truth < 0)) | (negative & (truth > 0)))
        tally.add("irrelevant claimed", (positive | negative) & (np.abs(truth) <= MARGIN))
        tally.add("relevant denied", (verdict == "not associated") & (np.abs(truth) > MARGIN))
    return tally


def measure_evidence(world: EvidenceWorld, repetitions: int, seed: int) -> Tally:
    """The score with its three zero points."""
    tally = Tally()
    for row in shares(world, repetitions, seed):
        for name, values in row.items():
            if len(values):
                tally.add(name, values)
    return tally


def measure_intervals(world: World, repetitions: int, seed: int) -> Tally:
    """Coverage of the interval chosen and of those that were not."""
    tally = Tally()
    rng = np.random.default_rng(seed)
    for _ in range(repetitions):
        responses, labels, truth = draw_world(world, rng)
        found = concept_effects(
            responses,
            labels,
            concepts=[str(c) for c in range(world.concepts)],
            permutations=19,
            bootstrap=BOOTSTRAP,
            alpha=ALPHA,
            margin=MARGIN,
            rng=rng,
        )
        ends = other_intervals(found)
        ends["percentile"] = percentile_interval(responses, labels, world.concepts, rng)
        ends["chosen"] = np.array([(f.low, f.high) for f in found]).T
        for name, (low, high) in ends.items():
            tally.add(name, (low <= truth) & (truth <= high))
            tally.add(f"{name}: strong", low[STRONG] <= truth[STRONG] <= high[STRONG])
    return tally


def other_intervals(found: Sequence[ConceptEffect]) -> dict[str, NDArray[np.float64]]:
    """[2, concepts] Ends of symmetric intervals that pool nothing between concepts."""
    effect = np.array([f.effect for f in found])
    images = np.array([f.error_images for f in found]) ** 2
    between = np.array([np.var(f.refit_effects, ddof=1) for f in found])
    refits = len(found[0].refit_effects)
    n = np.array([f.n for f in found])

    def student(factor: float) -> NDArray[np.float64]:
        variance = images + factor * between
        df = variance**2 / (images**2 / (n - 1) + (factor * between) ** 2 / (refits - 1))
        half = stats.t.ppf(1 - ALPHA / 2, df) * np.sqrt(variance)
        return np.stack([effect - half, effect + half])

    half = 1.96 * np.sqrt(images)
    return {
        "images only": np.stack([effect - half, effect + half]),
        "own refits": student(1.0 / refits),
        "Rubin": student(1.0 + 1.0 / refits),
    }


def percentile_interval(
    responses: NDArray[np.float64], labels: NDArray[np.int64], concepts: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """[2, concepts] Percentile bootstrap of images and refits together."""
    members = [np.flatnonzero(labels == c) for c in range(concepts)]
    draws = []
    for _ in range(200):
        images = np.concatenate([rng.choice(m, len(m)) for m in members])
        refits = rng.integers(len(responses), size=len(responses))
        draws.append(class_effects(responses[np.ix_(refits, images)], labels, concepts=concepts).mean(axis=0))
    return np.asarray(np.quantile(draws, [ALPHA / 2, 1 - ALPHA / 2], axis=0))


def measure_contrasts(faces: Faces, repetitions: int, seed: int) -> Tally:
    """What ``group_contrasts`` says without a difference and with one."""
    tally = Tally()
    rng = np.random.default_rng(seed)
    for _ in range(repetitions):
        for difference, names in (
            (0.0, ("null .05", "null .01", "cover null")),
            (0.6, ("", "", "cover 0.6")),
        ):
            values, members, strata, lent, truth = draw_faces(replace(faces, difference=difference), rng)
            found = group_contrasts(
                values,
                members,
                strata=strata,
                permutations=PERMUTATIONS,
                bootstrap=BOOTSTRAP,
                alpha=ALPHA,
                margin=MARGIN,
                rng=rng,
                borrowed=lent,
            )[0]
            tally.add(names[2], found.low <= truth <= found.high)
            tally.add("width", found.high - found.low)
            if difference:
                tally.add("power at 0.6", found.p_value <= ALPHA)
                continue
            tally.add(names[0], found.p_value <= 0.05)
            tally.add(names[1], found.p_value <= 0.01)
            tally.add("null .05, refits ignored", found.p_images <= 0.05)
            tally.add("detectable", found.smallest_detectable)
    return tally


def measure_detectable(world: World, repetitions: int, seed: int) -> Tally:
    """Is the stated smallest detectable effect found four times out of five?"""
    # Concepts spread alike, so that one stated size suits every repetition.
    alike = replace(world, own_spread=1.0)
    pilot = measure_concepts(alike, max(20, repetitions // 8), seed)
    stated = float(np.mean(pilot.values["detectable"]))
    return measure_concepts(replace(alike, strong=stated), repetitions, seed + 1)


def measure_runs(size: int, runs: int, repetitions: int, seed: int) -> Tally:
    """The paper's runs taken for replicates, as TCAV's t-test does, and one permutation test instead.

    A concept, a pool to draw benchmark sets from and nothing to tell them apart.
    """
    tally = Tally()
    rng = np.random.default_rng(seed)
    mixing = 0.7 * (rng.normal(size=(49, 49)) / 7.0 + np.eye(49))
    pool = 500
    for _ in range(repetitions):
        strength = rng.lognormal(0.0, 0.4, size=(size + pool, 1))
        maps = strength * np.abs(rng.normal(size=(size + pool, 49)) @ mixing + 0.5)
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
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and populations")
    parser.add_argument("--only-score", action="store_true", help="the table of the score alone")
    parser.add_argument("--repetitions", type=int, help="per population")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    repetitions = options.repetitions or (60 if options.quick else 400)
    started = time.perf_counter()
    print(f"Repetitions {repetitions}, seed {options.seed}, alpha {ALPHA}, margin {MARGIN};")
    print("each number ± its standard error over repetitions.")
    print_table(
        "The score: evidence, by what concepts are compared with",
        COLUMNS,
        [(w.name, partial(measure_evidence, w, repetitions, options.seed)) for w in EVIDENCE_WORLDS],
    )
    if options.only_score:
        return
    worlds = WORLDS[2:9:3] if options.quick else WORLDS
    faces = CONTRASTS[1:6:2] if options.quick else CONTRASTS
    seed = options.seed
    measured = {w.name: measure_concepts(w, repetitions, seed) for w in worlds}
    tried = [w for w in (worlds if options.quick else WORLDS[1::4] + WORLDS[8:11:2]) if w.refits > 1]
    compared = {w.name: measure_intervals(w, max(20, repetitions // 2), seed) for w in tried}
    rows = [(name, partial(measured.__getitem__, name)) for name in measured]
    print_table(
        "Concept effects: share of false positives, power",
        ["sharp .05", "sharp .01", "weak .05", "weak .01", "weak .05, refits ignored", "power"],
        rows,
    )
    print(
        "\nSharp: a random concept's images come from the other concepts. Weak: equal mean, other spread,"
        f"\nrefits' noise of its own. Power: at 0.8 sd, {ALPHA} over the number of concepts."
    )
    print_table(
        "Concept effects: coverage of the 95% interval",
        ["cover", "cover weak", "cover strong", "cover, refits ignored", "width"],
        rows,
    )
    print_table("Concept effects: verdicts", ["wrong sign", "irrelevant claimed", "relevant denied"], rows)
    print(
        "\nShares of all concepts. Irrelevant claimed: associated or inhibiting with a true effect within the"
        "\nmargin. Relevant denied: not associated with a true effect beyond it."
    )
    print_table(
        "Coverage of intervals that were tried: all concepts",
        INTERVALS,
        rows := [(w.name, partial(compared.__getitem__, w.name)) for w in tried],
    )
    print_table(
        "Coverage of intervals that were tried: the concept with an effect of 0.8",
        [f"{name}: strong" for name in INTERVALS],
        rows,
    )
    print_table(
        "Power at the smallest detectable effect as stated (0.8 is claimed)",
        ["power", "detectable"],
        [(w.name, partial(measure_detectable, w, repetitions, seed)) for w in worlds[:3]],
    )
    print_table(
        "Group contrasts",
        [
            "null .05",
            "null .01",
            "null .05, refits ignored",
            "power at 0.6",
            "cover null",
            "cover 0.6",
            "width",
        ],
        [(f.name, partial(measure_contrasts, f, repetitions, seed)) for f in faces],
    )
    runs_repetitions = max(20, repetitions * 2 // 5)
    print_table(
        f"Runs as replicates, nothing to find ({runs_repetitions} repetitions)",
        ["t-test .05", "mean ± 1.96 sd/√runs covers 0", "permutation .05", "permutation .01"],
        [
            (f"{size} images, {runs} runs", partial(measure_runs, size, runs, runs_repetitions, seed))
            for size, runs in ((50, 20), (50, 100))
        ],
    )
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
