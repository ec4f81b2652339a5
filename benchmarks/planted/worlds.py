"""Worlds: how often each concept accompanies each class, and images drawn from them.

Development and test worlds differ in their seeds, hence in which concept accompanies which class, how
strongly, and in every picture. Estimators are chosen on ``dev`` and reported on ``test``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.planted.scenes import CLASSES, CONCEPTS, Scenes, sample

BASE_RATE = 0.1
"""How often a concept that accompanies a class appears with the other classes."""
USELESS_RATE = 0.3
"""How often a useless concept appears, with every class alike."""
MISLEADING_RATE = 0.6
"""How often a misleading concept appears with the classes that it is not kept from."""


@dataclass(frozen=True)
class World:
    """Which concept accompanies which class, how strongly."""

    name: str
    seed: int
    strength: NDArray[np.float64]
    """[classes, concepts] in [-1, 1]: 1 always accompanies, 0 no relation, -1 never together."""
    rate: NDArray[np.float64]
    """[classes, concepts] probability that a scene of the class shows the concept."""
    role: tuple[str, ...]
    """Per concept: helpful, shared, misleading, useless."""


def make_world(name: str, seed: int) -> World:
    """A world with every role: four helpful, two shared, two misleading, two useless concepts.

    helpful: accompanies one class; shared: accompanies two; misleading: accompanies most classes and is
    kept from one or two, so that it speaks against those; useless: present as often with every class.
    """
    rng = np.random.default_rng([seed, 1])
    n_classes, n_concepts = len(CLASSES), len(CONCEPTS)
    roles = np.array(["helpful"] * 4 + ["shared"] * 2 + ["misleading"] * 2 + ["useless"] * 2)
    roles = roles[rng.permutation(n_concepts)]
    strength = np.zeros((n_classes, n_concepts))
    rate = np.full((n_classes, n_concepts), BASE_RATE)
    # Strengths are spread over (0, 1], then dealt, so that every world is graded.
    dealt = iter(rng.permutation(np.linspace(0.3, 1.0, n_concepts)))
    owners = iter(rng.permutation(np.tile(rng.permutation(n_classes), 3)))
    for k, role in enumerate(roles):
        if role == "useless":
            rate[:, k] = USELESS_RATE
            continue
        s = float(next(dealt))
        mine = [next(owners) for _ in range(1 if role == "helpful" else 2)]
        if role == "misleading":
            rate[:, k] = MISLEADING_RATE
            strength[mine, k] = -s
            rate[mine, k] = MISLEADING_RATE * (1 - s)
        else:
            strength[mine, k] = s
            rate[mine, k] = BASE_RATE + s * (0.9 - BASE_RATE)
    return World(name, seed, strength, rate, tuple(str(r) for r in roles))


def draw(world: World, labels: NDArray[np.int64], *, rng: np.random.Generator) -> Scenes:
    """Scenes of the given classes with concepts at the world's rates."""
    presence = rng.random((len(labels), len(CONCEPTS))) < world.rate[labels]
    return sample(labels, presence, rng=rng)
