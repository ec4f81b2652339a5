"""A bank's images in two parts that share no cluster: one selects, the other confirms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auditor.audit.groups import Groups, sample_groups, with_probe
from auditor.audit.layout import BankLayout, lay_out, shown_images
from auditor.banks.bank import Concept, ConceptBank
from auditor.banks.clusters import clusters_of
from auditor.randomness import stream
from auditor.records import Skipped
from auditor.scan.answers import Looked
from auditor.settings import Settings
from auditor.statistics.arrays import IntArray
from auditor.statistics.selection import divide
from auditor.statistics.units import joined

FAST_CONCEPT, FAST_GROUP = 24, 120
"""Images of a concept, and of a group of people, that ``--fast`` uses."""
FEWEST_SCREENED = 20
"""Fewest independent pairs that confirm on a bank which only screens. Rendered people have 24 of 36."""


@dataclass(frozen=True)
class Part:
    """Some of a bank's images."""

    layout: BankLayout
    positions: IntArray
    """[images of the part] Where they lie among all images of the bank."""
    groups: list[Groups]
    """The declared contrasts, in order."""


@dataclass(frozen=True)
class Parts:
    """One bank, divided."""

    layout: BankLayout
    """Of all images, with their clusters."""
    clusters: str
    """Which images count as one, in words."""
    screening: Part
    confirming: Part
    concepts: tuple[str, ...]
    """Concepts that are measured in both parts, in order; groups are no concepts."""
    contrasts: tuple[int, ...]
    """Positions of the contrasts that are measured in both parts."""
    skipped: tuple[Skipped, ...]
    """Concepts and contrasts that are not."""


def fewer_images(bank: ConceptBank, seed: int) -> ConceptBank:
    """The bank with at most :data:`FAST_CONCEPT` images of a concept and :data:`FAST_GROUP` of a group.

    They are drawn by seed. A bank of counterfactual pairs keeps its reference images: those without their
    concept image count for nothing.
    """

    def drawn(concept: Concept) -> Concept:
        most = FAST_GROUP if concept.name in bank.groups else FAST_CONCEPT
        count = len(concept.images)
        chosen = np.sort(stream(seed, "fast", bank.name, concept.name).permutation(count)[:most])
        return replace(concept, images=tuple(concept.images[i] for i in chosen))

    paired = lay_out(bank).sample.counterfactual is not None
    kept = tuple(map(drawn, bank.concepts))
    if bank.reference is None:
        return replace(bank, concepts=kept)
    if not paired:
        return replace(bank, concepts=kept, reference=drawn(bank.reference))
    names = {image.name for concept in kept for image in concept.images}
    theirs = [i for i in bank.reference.images if any(i.name.endswith(f"/{name}") for name in names)]
    return replace(bank, concepts=kept, reference=replace(bank.reference, images=tuple(theirs)))


def divided(bank: ConceptBank, looked: Looked, settings: Settings) -> Parts:
    """The two parts of a bank, by seed.

    Args:
        bank: As it was shown.
        looked: What the model made of it; finds pictures that are parts of each other.
        settings: Seed, fewest images.
    """
    found = clusters_of(
        [image.cluster for image in shown_images(bank)],
        what=bank.cluster_of,
        activations=None if bank.drawn else looked.last,
        thumbnails=looked.thumbnails,
    )
    plain = lay_out(bank)
    layout = replace(plain, sample=replace(plain.sample, clusters=found.of_image))
    scores = [
        stream(settings.seed, "screening", bank.name, image.sha256).random() for image in shown_images(bank)
    ]
    screens = divide(layout.labels, _kept_together(layout), scores)
    few = settings.model_copy(update={"min_images": 2})
    confirming = _part(layout, ~screens, needing(bank, settings))
    features = looked.last[confirming.positions]
    seen = [with_probe(one, features, bank.name, settings) for one in confirming.groups]
    confirming = replace(confirming, groups=seen)
    return _measured(layout, found.words, _part(layout, screens, few), confirming)


def needing(bank: ConceptBank, settings: Settings) -> Settings:
    """The settings, with fewer independent pairs for a bank from which nothing is claimed."""
    least = min(settings.min_images, FEWEST_SCREENED) if bank.screening else settings.min_images
    return settings.model_copy(update={"min_images": least})


def _measured(layout: BankLayout, clusters: str, screening: Part, confirming: Part) -> Parts:
    """The parts, with what both measure and what they do not."""
    concepts, contrasts, skipped = [], [], []
    sides = (screening, confirming)
    for number, name in enumerate(layout.names):
        without = [side.layout.sample for side in sides if number not in side.layout.sample.measurable]
        if name in layout.findable and without:
            found = dict.fromkeys(sample.unmeasurable.get(number, "") for sample in without)
            what = f"concept '{layout.bank.name}/{name}'"
            reason = "; ".join(filter(None, found)) or "all its images of one part count as another concept's"
            skipped.append(Skipped(what=what, reason=reason))
        elif name in layout.findable:
            concepts.append(name)
    for number, pair in enumerate(zip(*(side.groups for side in sides), strict=True)):
        if all(groups.measurable for groups in pair):
            contrasts.append(number)
        else:
            whys = [groups.reason or f"{min(groups.sample.units)} independent units" for groups in pair]
            what = f"contrast '{layout.bank.name}/{pair[0].subject}'"
            named = zip(("screening", "confirming"), whys, pair, strict=True)
            reason = "; ".join(f"{side}: {why}" for side, why, groups in named if not groups.measurable)
            skipped.append(Skipped(what=what, reason=reason))
    return Parts(layout, clusters, screening, confirming, tuple(concepts), tuple(contrasts), tuple(skipped))


def _kept_together(layout: BankLayout) -> IntArray:
    """[images] Clusters, and every image with its counterfactual."""
    partner = layout.sample.counterfactual
    if partner is None:
        return layout.clusters
    pairs = np.arange(len(partner))
    own = np.flatnonzero(partner >= 0)
    pairs[partner[own]] = own
    return joined(layout.clusters, pairs)


def _part(layout: BankLayout, keep: NDArray[np.bool_], settings: Settings) -> Part:
    positions = np.flatnonzero(keep)
    part = lay_out(_with_images(layout.bank, keep))
    part = replace(part, sample=replace(part.sample, clusters=layout.clusters[positions]))
    return Part(part, positions, sample_groups(part, settings=settings))


def _with_images(bank: ConceptBank, keep: NDArray[np.bool_]) -> ConceptBank:
    """The bank with some of its images; ``keep`` is in the order of a layout."""
    start, concepts = 0, []
    for concept in (*bank.concepts, *([bank.reference] if bank.reference else [])):
        own = keep[start : start + len(concept.images)]
        start += len(concept.images)
        images = tuple(image for image, kept in zip(concept.images, own, strict=True) if kept)
        concepts.append(replace(concept, images=images))
    reference = concepts.pop() if bank.reference else None
    return replace(bank, concepts=tuple(concepts), reference=reference)
