"""Who stands where: the pairs of people of a contrast, a class's pictures, and places beside the object."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auditor.audit.forward import forward_pass, thumbnails_of
from auditor.audit.groups import Groups
from auditor.audit.layout import shown_images
from auditor.banks.bank import BankImage, ConceptBank
from auditor.banks.clusters import clusters_of
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.explain.centre import object_centres
from auditor.images.class_images import ImageSet, normalised
from auditor.images.paste import BUST, FACE, Cutout, Framing, Spot, exposure, leaves_free, spots
from auditor.models.loaded import ClassLabel
from auditor.randomness import stream
from auditor.statistics.arrays import FloatArray, IntArray

MOST_PASTED = 288
"""Pictures made with either image of a pair. Few pairs stand in several scenes, many in one: people differ
more than scenes do. Of more pairs than this, some are drawn by lot."""
SCENES_OF_A_PAIR = 8
MOST_SCENES = 36


@dataclass(frozen=True)
class Pair:
    """Two pictures to exchange, and the independent unit they belong to."""

    more: Cutout
    less: Cutout
    unit: int


@dataclass(frozen=True)
class People:
    """The pairs of one contrast."""

    bank: ConceptBank
    groups: Groups
    pairs: tuple[Pair, ...]
    framing: Framing
    technical: FloatArray
    """[properties, units] Differences of technical properties within units, by the number of the unit; no
    rows where nothing but the group can differ."""

    def exchanged_by_lot(self, rng: np.random.Generator) -> People:
        """The two pictures of whole units exchanged at even chance: what no difference looks like."""
        swap = rng.random(max((pair.unit for pair in self.pairs), default=0) + 1) < 0.5
        return replace(
            self,
            pairs=tuple(
                Pair(pair.less, pair.more, pair.unit) if swap[pair.unit] else pair for pair in self.pairs
            ),
        )


@dataclass(frozen=True)
class Scenes:
    """A class's pictures."""

    label: ClassLabel
    pixels: NDArray[np.float32]
    """[scenes, height, width, channels] in [0, 1]."""
    centres: FloatArray
    """[scenes, 2] Of the object; row and column as shares."""
    made: bool
    """Whether they are impressions."""
    clusters: IntArray
    """[scenes] Parts and copies of one photo count as one scene."""


@dataclass(frozen=True)
class Composite:
    """Where one pair stands in one scene."""

    pair: int
    scene: int
    spot: Spot
    factor: float
    """That gives both people of the pair the scene's exposure."""


def people_of(bank: ConceptBank, groups: Groups, seed: int, technical: FloatArray) -> People:
    """The pairs of a contrast that can be cut out.

    Args:
        bank: The bank.
        groups: The contrast.
        seed: Of the lot where there are more pairs than are pasted.
        technical: [images, properties] Technical properties of the bank's pictures.

    Raises:
        InputError: An image cannot be read any more.
    """
    images = list(shown_images(bank))
    sample = groups.sample
    chosen: list[tuple[BankImage, BankImage, int]] = []
    for unit in np.unique(sample.more[sample.more >= 0]) if groups.measurable and sample.matched else ():
        sides = [
            sorted(
                (images[i] for i in np.flatnonzero(of == unit) if images[i].mask), key=lambda one: one.name
            )
            for of in (sample.more, sample.less)
        ]
        # Twins have one name in both groups; of photos, any of one side stands for the unit with any other.
        chosen += [(more, less, int(unit)) for more, less in zip(*sides, strict=False)]
    if len(chosen) > MOST_PASTED:
        kept = stream(seed, "people", bank.name, groups.subject).permutation(len(chosen))[:MOST_PASTED]
        chosen = [chosen[i] for i in sorted(kept)]
    pairs = tuple(Pair(_cutout(more), _cutout(less), unit) for more, less, unit in chosen)
    framing = BUST if bank.cutout == "masks" else FACE
    return People(bank, groups, pairs, framing, _differences(groups, technical))


def _differences(groups: Groups, technical: FloatArray) -> FloatArray:
    """[properties, units] By the number of the unit; no rows where only the group can differ."""
    sample = groups.sample
    if groups.counterfactual or not sample.matched or not groups.measurable or not technical.shape[1]:
        return np.zeros((0, 0))
    numbers = np.unique(sample.more[sample.more >= 0])
    found = np.zeros((technical.shape[1], int(numbers.max()) + 1))
    found[:, numbers] = sample.unit_values(technical.T)
    return found


def _cutout(image: BankImage) -> Cutout:
    if image.mask is None:
        raise InputError(f"bank image '{image.name}': has no mask; needed: one, to paste it")
    return Cutout.of(image.load(), image.mask())


def scenes_of(context: AuditContext, label: ClassLabel, images: ImageSet) -> Scenes:
    """A class's pictures, where the object is in each of them, and which of them are of one photo."""
    pixels = images.pixels[:MOST_SCENES]
    inputs = normalised(context.model, pixels)
    centres = object_centres(context.model, inputs, label.index, batch=context.settings.batch_size)
    made = images.record.source == "impressions"  # each of its own noise
    seen = forward_pass(context.model, inputs.split(context.settings.batch_size), ())
    clusters = clusters_of(
        [""] * len(pixels),
        what="photo",
        activations=None if made else seen.last,
        thumbnails=thumbnails_of(context.model.pixels(inputs)).astype(np.float64),
    )
    return Scenes(label, (pixels / 255).astype(np.float32), centres, made, clusters.of_image)


def placed(seed: int, people: People, scenes: Scenes) -> list[Composite]:
    """Where every pair stands: each in several scenes, all scenes about equally often, the sizes in turn."""
    count = len(scenes.pixels)
    shape = (scenes.pixels.shape[1], scenes.pixels.shape[2])
    possible = spots(shape, people.framing)
    covers = [np.maximum(pair.more.cover, pair.less.cover) for pair in people.pairs]
    rng = stream(seed, "places", people.bank.name, people.groups.subject, scenes.label.index)
    found = []
    rounds = min(SCENES_OF_A_PAIR, max(1, round(MOST_PASTED / max(1, len(covers)))))
    for number in range(rounds):
        order = np.concatenate([rng.permutation(count) for _ in range(len(covers) // count + 1)])
        for pair, cover in enumerate(covers):
            scene = int(order[pair])
            size = people.framing.sizes[(number + pair) % len(people.framing.sizes)]
            centre = (float(scenes.centres[scene][0]), float(scenes.centres[scene][1]))
            tried = [possible[i] for i in rng.permutation(len(possible))]
            tried.sort(key=lambda spot: spot.size != size)  # the size whose turn it is before others
            spot = next((s for s in tried if leaves_free(s, cover, shape, centre)), None)
            if spot is not None:
                both = (people.pairs[pair].more, people.pairs[pair].less)
                found.append(Composite(pair, scene, spot, exposure(scenes.pixels[scene], both)))
    return found
