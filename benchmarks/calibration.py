"""Do the p-values hold their level and the intervals cover? ``python -m benchmarks.calibration [--quick]``.

Detector responses are simulated from populations whose true effects are known, then handed to the same
functions that an audit calls. Printed beside them: what the same data would say if refits were ignored,
and the paper's runs taken for replicates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from auditor.statistics.contrasts import group_contrasts
from auditor.statistics.effects import concept_effects
from auditor.statistics.mmd import gaussian_kernel, median_bandwidth, mmd2_unbiased
from auditor.statistics.mmd_permutation import mmd_test

FloatArray = NDArray[np.float64]

ALPHA = 0.05
MARGIN = 0.2
BOOTSTRAP = 999
PERMUTATIONS = 999
RANDOM = 3
"""Concepts whose images are drawn from all the others' populations: the sharp null."""
EQUAL = RANDOM
"""The concept with the others' mean, but its own spread and its own refits' noise: the weak null."""
STRONG = RANDOM + 1
"""The concept with a known effect."""


@dataclass(frozen=True)
class World:
    """A population of detector responses."""

    name: str
    concepts: int = 12
    sizes: tuple[int, ...] = (60,)
    """Images per concept, repeated as needed."""
    shape: str = "normal"
    """Of responses within a concept: ``normal``, ``t3``, or ``log0.5``: lognormal of that sigma."""
    refits: int = 3
    refit_sd: float = 0.1
    """Between refits, of a concept's mean, in standard deviations within a concept."""
    image_sd: float = 0.3
    """Between refits, of a single image's response."""
    proportional: float = 0.0
    """Between refits, as a share of a concept's mean."""
    own_spread: float = 1.5
    """Standard deviation of the concept of the weak null."""
    strong: float = 0.8


WORLDS = (
    World("normal, 24 concepts", concepts=24),
    World("normal, 30 images", sizes=(30,)),
    World("lognormal 0.5, 30 images", sizes=(30,), shape="log0.5"),
    World("lognormal 0.5, 60 images", shape="log0.5"),
    World("lognormal 0.8, 60 images", shape="log0.8"),
    World("t with 3 df, 30 images, 2 refits", sizes=(30,), shape="t3", refits=2),
    World("30 and 120 images, 5 refits", sizes=(30, 120), shape="log0.5", refits=5),
    World("refits agree but for images", shape="log0.5", refit_sd=0.0),
    World("refits disagree (0.3 sd)", shape="log0.5", refit_sd=0.3),
    World("refits disagree, 2 of them", shape="log0.5", refit_sd=0.3, refits=2),
    World("refits scale effects (30%)", shape="log0.5", refit_sd=0.05, proportional=0.3),
    World("one refit, no noise of refits", shape="log0.5", refits=1, refit_sd=0.0, image_sd=0.0),
)


@dataclass(frozen=True)
class Faces:
    """A population of responses to two groups in strata."""

    name: str
    n: int = 240
    """Images of both groups together."""
    strata: int = 12
    imbalance: float = 0.5
    """Share of the first group in the last stratum minus that in the first one."""
    shape: str = "log0.5"
    refits: int = 3
    refit_sd: float = 0.1
    difference: float = 0.0
    pairs: bool = False
    borrowed: int = 20
    """Classes that lend their refits' effects; 0 for none."""


CONTRASTS = (
    Faces("normal, 12 strata", shape="normal"),
    Faces("lognormal 0.5, 12 strata"),
    Faces("lognormal 0.8, 60 images, 3 strata", n=60, strata=3, shape="log0.8"),
    Faces("t with 3 df, 40 strata, 2 refits", strata=40, shape="t3", refits=2),
    Faces("matched pairs", n=160, strata=80, pairs=True),
    Faces("refits disagree (0.3 sd)", refit_sd=0.3),
    Faces("refits disagree, nothing borrowed", refit_sd=0.3, borrowed=0),
    Faces("one refit, no noise of refits", refits=1, refit_sd=0.0),
)


def standard_noise(shape: str, size: int, rng: np.random.Generator) -> FloatArray:
    """[size] Mean 0 and variance 1 in the population."""
    if shape == "normal":
        return rng.normal(size=size)
    if shape == "t3":
        return np.asarray(rng.standard_t(3, size=size) / np.sqrt(3.0))
    sigma = float(shape.removeprefix("log"))
    variance = (np.exp(sigma**2) - 1.0) * np.exp(sigma**2)
    return np.asarray((np.exp(sigma * rng.normal(size=size)) - np.exp(sigma**2 / 2)) / np.sqrt(variance))


def true_effects(means: FloatArray, variances: FloatArray) -> FloatArray:
    """[..., concepts] Equation (1) of docs/statistics.md, for populations instead of samples."""
    count = means.shape[-1]
    second = means**2 + variances
    centre = (means.sum(axis=-1, keepdims=True) - means) / (count - 1)
    spread = (second.sum(axis=-1, keepdims=True) - second) / (count - 1) - centre**2
    return np.asarray((means - centre) / np.sqrt(spread))


def with_random(means: FloatArray, variances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Moments of all concepts from those of the real ones: the random ones are mixtures of these."""
    centre = means.mean(axis=-1, keepdims=True)
    mixed = (means**2 + variances).mean(axis=-1, keepdims=True) - centre**2
    times = (*means.shape[:-1], RANDOM)
    spread = np.broadcast_to(variances, means.shape)
    return (
        np.concatenate([np.broadcast_to(centre, times), means], axis=-1),
        np.concatenate([np.broadcast_to(mixed, times), spread], axis=-1),
    )


def draw_world(world: World, rng: np.random.Generator) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
    """Responses [refits, images], labels [images] and true effects [concepts] of a fresh world."""
    real = world.concepts - RANDOM
    spread = np.exp(0.2 * rng.normal(size=real)) if world.own_spread != 1.0 else np.ones(real)
    spread[EQUAL - RANDOM] = world.own_spread
    means = 0.4 * rng.normal(size=real)
    variances = spread**2 + world.image_sd**2
    strong = STRONG - RANDOM
    for _ in range(100):
        means[EQUAL - RANDOM] = np.delete(means, EQUAL - RANDOM).mean()
        means[strong] += world.strong - true_effects(*with_random(means, variances))[STRONG]

    def refitted(count: int) -> FloatArray:
        scaled = means * (1.0 + world.proportional * rng.normal(size=(count, real)))
        return scaled + world.refit_sd * rng.normal(size=(count, real))

    truth = true_effects(*with_random(refitted(4000), variances)).mean(axis=0)
    truth[: EQUAL + 1] = 0.0
    sizes = np.resize(np.array(world.sizes), world.concepts)
    labels = np.repeat(np.arange(world.concepts), sizes)
    source = np.where(labels < RANDOM, rng.integers(real, size=len(labels)), labels - RANDOM)
    image = spread[source] * standard_noise(world.shape, len(labels), rng)
    of_refits = refitted(world.refits)[:, source]
    own_noise = world.image_sd * rng.normal(size=(world.refits, len(labels)))
    return of_refits + image + own_noise, labels, truth


def draw_faces(
    faces: Faces, rng: np.random.Generator
) -> tuple[FloatArray, dict[str, NDArray[np.int64]], NDArray[np.int64], FloatArray | None, float]:
    """Responses, members, strata, borrowed effects and the true difference."""
    strata = np.resize(np.arange(faces.strata), faces.n)
    share = 0.5 + faces.imbalance * (strata / max(1, faces.strata - 1) - 0.5)
    first = rng.random(faces.n) < share
    if faces.pairs:
        first = np.arange(faces.n) < faces.n // 2
    of_stratum = 0.8 * rng.normal(size=faces.strata) + np.linspace(-1.0, 1.0, faces.strata)
    sd = np.where(first, 1.2, 1.0)
    image = of_stratum[strata] + sd * standard_noise(faces.shape, faces.n, rng)
    counts = np.array(
        [[np.sum(first & (strata == s)), np.sum(~first & (strata == s))] for s in range(faces.strata)]
    )
    weights = counts.prod(axis=1) / np.maximum(counts.sum(axis=1), 1)
    weights = weights / weights.sum()
    between = weights @ of_stratum**2 - (weights @ of_stratum) ** 2
    within = np.sqrt((1.2**2 + 1.0) / 2 + 0.3**2 + between)
    gap = faces.difference * within + faces.refit_sd * rng.normal(size=faces.refits)
    noise = 0.3 * rng.normal(size=(faces.refits, faces.n))
    values = image + gap[:, None] * first + noise
    lent = None
    if faces.borrowed and faces.refits > 1:
        shape = (faces.refits, faces.borrowed)
        # Image by image, refits of other classes differ as much as those of this one.
        image_noise = np.sqrt(0.3**2 * 4 / faces.n)
        lent = np.hypot(faces.refit_sd, image_noise) / within * rng.normal(size=shape)
    members = {"more": np.flatnonzero(first), "less": np.flatnonzero(~first)}
    return values, members, strata, lent, faces.difference


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
        tally.add("t-test .05", ttest_ind(of_concept, of_random).pvalue <= 0.05)
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
    parser.add_argument("--repetitions", type=int, help="per population")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    repetitions = options.repetitions or (60 if options.quick else 400)
    started = time.perf_counter()
    print(f"Repetitions {repetitions}, seed {options.seed}, alpha {ALPHA}, margin {MARGIN};")
    print("each number ± its standard error over repetitions.")
    worlds = WORLDS[2:9:3] if options.quick else WORLDS
    faces = CONTRASTS[1:6:2] if options.quick else CONTRASTS
    seed = options.seed
    measured = {w.name: measure_concepts(w, repetitions, seed) for w in worlds}
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
