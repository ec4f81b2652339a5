"""What a user would have: images labelled with a concept, random images, and images of the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.planted.scenes import (
    CLASSES,
    CONCEPTS,
    FIRST_NEUTRAL,
    NO_SHAPE,
    ON_OBJECT,
    SHAPES,
    Scenes,
    render,
    sample,
)
from benchmarks.planted.training import Images, logits
from benchmarks.planted.worlds import World, draw

IMPURITY = 0.1
"""How often another concept is seen in an image labelled with one: banks are not clean."""
ALONE = 1 / 3
"""Share of a bank's images without any shape: the concept fills the frame or stands on a plain ground."""
ZOOM = 1.4
"""Banks show textures, marks and objects larger than scenes do."""


@dataclass(frozen=True)
class PlantedBank:
    """Concept images and what they are compared with; no scene of training or truth is among them."""

    names: tuple[str, ...]
    concepts: tuple[Images, ...]
    """Per concept [n, side, side, 3]."""
    counterfactuals: tuple[Images, ...] | None
    """Per concept the very same pictures without it, as a bank that draws its images can make them."""
    reference: Images
    """[m, side, side, 3] the same kind of picture with no concept intended, as a user may collect them."""
    random: Images
    """[m, side, side, 3] pictures of the world, whatever they show."""

    @property
    def images(self) -> Images:
        """All of them: concepts, reference images, random photos, counterfactuals."""
        return np.concatenate([*self.concepts, self.reference, self.random, *(self.counterfactuals or ())])

    @property
    def labels(self) -> NDArray[np.int64]:
        """What every image is: position in ``names``, or REFERENCE, RANDOM, COUNTERFACTUAL + position."""
        parts = [np.full(len(images), k) for k, images in enumerate(self.concepts)]
        parts += [np.full(len(self.reference), REFERENCE), np.full(len(self.random), RANDOM)]
        parts += [
            np.full(len(images), COUNTERFACTUAL + k) for k, images in enumerate(self.counterfactuals or ())
        ]
        return np.concatenate(parts).astype(np.int64)


REFERENCE, RANDOM, COUNTERFACTUAL = -1, -2, 1000


def make_bank(
    world: World,
    *,
    per_concept: int,
    n_random: int,
    rng: np.random.Generator,
    alone: float = ALONE,
    zoom: float = ZOOM,
) -> PlantedBank:
    """Images of every concept alone or on shapes of no class, nearer than in the world's scenes."""
    scenes = [_showing(k, per_concept, alone=alone, zoom=zoom, rng=rng) for k in range(len(CONCEPTS))]
    labels = rng.integers(0, len(CLASSES), n_random)
    return PlantedBank(
        names=CONCEPTS,
        concepts=tuple(render(s) for s in scenes),
        counterfactuals=tuple(render(s.with_concept(k, False)) for k, s in enumerate(scenes)),
        reference=render(_showing(None, 2 * per_concept, alone=alone, zoom=zoom, rng=rng)),
        random=render(draw(world, labels, rng=rng)),
    )


def _showing(concept: int | None, n: int, *, alone: float, zoom: float, rng: np.random.Generator) -> Scenes:
    shape = rng.integers(FIRST_NEUTRAL, len(SHAPES), n)
    shape[rng.random(n) < alone] = NO_SHAPE
    presence = rng.random((n, len(CONCEPTS))) < IMPURITY
    scenes = sample(shape, presence, rng=rng, zoom=zoom)
    if concept is not None:
        presence[:, concept] = True
        # Column 16 decides whether a frame without a shape is all surface or all background.
        scenes.chance[shape == NO_SHAPE, 16] = 0.0 if CONCEPTS[concept] in ON_OBJECT else 1.0
    return scenes


def class_images(
    model: nn.Module, world: World, *, per_class: int, rng: np.random.Generator
) -> tuple[Images, ...]:
    """Per class, pictures of the world that the model takes for it (the third condition of equation 4)."""
    found = []
    for y in range(len(CLASSES)):
        pictures = render(draw(world, np.full(3 * per_class, y), rng=rng))
        found.append(pictures[logits(model, pictures).argmax(axis=1) == y][:per_class])
    return tuple(found)
