"""The score as audits make it: evidence of simulated logits, against each of the three zero points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from auditor.afi.responses import evidence_of
from auditor.settings import Settings
from auditor.statistics.effects import ConceptEffect, concept_effects

FloatArray = NDArray[np.float64]

MARGIN: float = Settings.model_fields["margin"].default
ALPHA = 0.05
CONCEPTS = 12
COLUMNS = ["p .05", "p .01", "cover", "cover strong", "claimed within margin", "found beyond", "width"]
_QUADRATURE = np.polynomial.hermite_e.hermegauss(200)


@dataclass(frozen=True)
class EvidenceWorld:
    """Log-odds of the class are normal on the images of a concept; evidence is what becomes of them.

    The last concept raises them by ``step``, the last but one has another spread, the others do nothing.
    """

    name: str
    classes: int
    usual: float
    """Mean log-odds of the class on images that do nothing."""
    step: float
    """What the strong concept adds."""
    spread: float = 2.0
    images: int = 60
    zero: str = "others"
    """``others``, ``control`` (twice as many images as a concept has), or ``twins``."""


EVIDENCE_WORLDS = tuple(
    EvidenceWorld(f"{what}, {zero}", classes, usual, step, images=images, zero=zero)
    for what, classes, usual, step, images in (
        ("1000 classes, out of the question", 1000, -12.0, 6.0, 60),
        ("1000 classes, near chance", 1000, -7.0, 3.0, 60),
        ("1000 classes, near chance, 30 images", 1000, -7.0, 3.0, 30),
        ("6 classes", 6, -1.6, 1.5, 60),
    )
    for zero in ("others", "control", "twins")
)


def expected(world: EvidenceWorld, mean: float, spread: float) -> float:
    """Mean evidence where log-odds are normal, by quadrature."""
    nodes, weights = _QUADRATURE
    return float(evidence_of(expit(mean + spread * nodes), world.classes) @ weights / weights.sum())


def truths(world: EvidenceWorld) -> FloatArray:
    """[concepts] The true scores."""
    means = np.array(
        [expected(world, world.usual, world.spread)] * (CONCEPTS - 2)
        + [expected(world, world.usual, 0.5 * world.spread)]
        + [expected(world, world.usual + world.step, world.spread)]
    )
    if world.zero == "others":
        return np.asarray(means - (means.sum() - means) / (CONCEPTS - 1))
    if world.zero == "control":
        return means - expected(world, world.usual, world.spread)
    zero = np.zeros(CONCEPTS)
    zero[-1] = means[-1] - means[0]
    return zero


def draw(world: EvidenceWorld, rng: np.random.Generator) -> tuple[FloatArray, NDArray[np.int64], bool]:
    """Responses and labels as :func:`concept_effects` takes them, and whether they are differences."""
    labels = np.repeat(np.arange(CONCEPTS), world.images)
    strong, other = labels == CONCEPTS - 1, labels == CONCEPTS - 2
    base = world.usual + world.spread * rng.normal(size=len(labels))
    if world.zero == "twins":
        # A picture and its twin differ in trifles as well: a tenth of the spread.
        with_concept = base + 0.1 * world.spread * rng.normal(size=len(labels)) + world.step * strong
        without = base + 0.1 * world.spread * rng.normal(size=len(labels))
        pair = [evidence_of(expit(log_odds), world.classes) for log_odds in (with_concept, without)]
        return pair[0] - pair[1], labels, True
    log_odds = np.where(other, world.usual + 0.5 * (base - world.usual), base) + world.step * strong
    if world.zero == "control":
        control = world.usual + world.spread * rng.normal(size=2 * world.images)
        log_odds = np.concatenate([log_odds, control])
        labels = np.concatenate([labels, np.full(len(control), -1)])
    return evidence_of(expit(log_odds), world.classes), labels, False


def estimate(world: EvidenceWorld, rng: np.random.Generator) -> list[ConceptEffect]:
    """One simulated bank, scored."""
    values, labels, against_zero = draw(world, rng)
    return concept_effects(
        values,
        labels,
        concepts=[str(c) for c in range(CONCEPTS)],
        permutations=999,
        bootstrap=999,
        alpha=ALPHA,
        margin=MARGIN,
        standardised=False,
        against_zero=against_zero,
        rng=rng,
    )


def shares(world: EvidenceWorld, repetitions: int, seed: int) -> list[dict[str, FloatArray]]:
    """Of every repetition, what goes into the columns."""
    rng = np.random.default_rng(seed)
    truth = truths(world)
    relevant = np.abs(truth) > MARGIN
    rows = []
    for _ in range(repetitions):
        found = estimate(world, rng)
        low, high = np.array([f.low for f in found]), np.array([f.high for f in found])
        p = np.array([f.p_value for f in found])[: CONCEPTS - 2]
        covered = (low <= truth) & (truth <= high)
        claimed = np.array([f.direction in ("associated", "inhibiting") for f in found])
        rows.append(
            {
                "p .05": np.asarray(p <= 0.05, dtype=np.float64),
                "p .01": np.asarray(p <= 0.01, dtype=np.float64),
                "cover": covered.astype(np.float64),
                "cover strong": covered[-1:].astype(np.float64),
                "claimed within margin": claimed[~relevant].astype(np.float64),
                "found beyond": claimed[relevant].astype(np.float64),
                "width": high - low,
            }
        )
    return rows
