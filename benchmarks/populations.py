"""Populations of detector responses whose true effects are known, for :mod:`benchmarks.calibration`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

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
