"""From a name to a trained model with its truth, bank and occluders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.planted import drawing, faces, networks, scenes, social, worlds
from benchmarks.planted.banks import PlantedBank, class_images, make_bank
from benchmarks.planted.faces import Faces
from benchmarks.planted.social import SocialWorld, draw_portraits, make_social_world, render_portraits
from benchmarks.planted.subject import Fits, Subject, as_loaded, fit_occluders, look
from benchmarks.planted.training import Images, cached, logits
from benchmarks.planted.truth import CausalEffects, measure, measure_social
from benchmarks.planted.worlds import World, draw, make_world


@dataclass(frozen=True)
class Scale:
    """How much of everything: the whole benchmark or the quick one."""

    images: int
    """Training images of a world."""
    epochs: int
    truth_per_class: int
    """Scenes of every class in which every concept is switched on and off."""
    class_images: int
    """Images of every class that estimators may use, and occluders are learned on."""
    refits: int
    """Occluders of every class, on disjoint folds of its images."""
    steps: int
    """Most steps of learning an occluder."""
    per_concept: int = 60
    n_random: int = 200


FULL = Scale(images=6400, epochs=10, truth_per_class=100, class_images=36, refits=3, steps=60)
QUICK = Scale(images=2560, epochs=6, truth_per_class=40, class_images=24, refits=2, steps=30)


@dataclass(frozen=True)
class Case:
    """A model to be measured: which world, which architecture."""

    world: int
    """Seed of the world; development and test worlds never share one."""
    architecture: str


SPLITS: dict[str, tuple[Case, ...]] = {
    "dev": tuple(Case(s, a) for s, a in ((1, "residual"), (2, "plain"), (3, "separable"), (4, "residual"))),
    "test": tuple(
        Case(s, a)
        for s, a in (
            (101, "residual"),
            (102, "plain"),
            (103, "separable"),
            (104, "residual"),
            (105, "plain"),
            (106, "separable"),
        )
    ),
}
QUICK_CASES = {"dev": (Case(2, "plain"),), "test": (Case(102, "plain"),)}
SOCIAL_CASES: dict[str, tuple[Case, ...]] = {
    "dev": (Case(11, "residual"),),
    "test": (Case(111, "residual"), Case(112, "plain")),
}


@dataclass(frozen=True)
class Planted:
    """A model with a known truth."""

    case: Case
    world: World
    subject: Subject
    truth: CausalEffects


def build(case: Case, scale: Scale, *, with_occluders: bool) -> Planted:
    """Train (or take from the cache), measure the truth, make the bank, learn occluders."""
    world = make_world(f"world{case.world}", case.world)

    def data(rng: np.random.Generator, n: int) -> tuple[Images, NDArray[np.int64]]:
        labels = rng.integers(0, len(scenes.CLASSES), n)
        return scenes.render(draw(world, labels, rng=rng)), labels

    module = cached(
        world.name,
        case.architecture,
        data,
        len(scenes.CLASSES),
        seed=case.world,
        n_images=scale.images,
        epochs=scale.epochs,
        recipe=(drawing, scenes, worlds, networks),
    )
    streams = np.random.default_rng([case.world, 10]).spawn(3)
    truth = measure(module, world, per_class=scale.truth_per_class, rng=streams[0])
    bank = make_bank(world, per_concept=scale.per_concept, n_random=scale.n_random, rng=streams[1])
    shown = class_images(module, world, per_class=scale.class_images, rng=streams[2])
    layers = tuple(networks.layer_names(module))
    model = as_loaded(module, name=world.name, architecture=case.architecture, classes=scenes.CLASSES)
    fits: Fits | None = None
    if with_occluders:
        fits = fit_occluders(model, shown, layers, refits=scale.refits, steps=scale.steps, seed=case.world)
    subject = Subject(
        name=f"{world.name}-{case.architecture}",
        architecture=case.architecture,
        model=model,
        layers=layers,
        bank=bank,
        seen=look(model, bank, layers),
        class_images=shown,
        fits=fits,
    )
    return Planted(case, world, subject, truth)


@dataclass(frozen=True)
class PlantedSocial:
    """A model whose classes accompany faces of one group, and what that does to it."""

    case: Case
    world: SocialWorld
    subject: Subject
    truth: CausalEffects
    """One column: a face labelled with the first group instead of one of the second."""


def build_social(case: Case, scale: Scale, photos: Faces) -> PlantedSocial:
    """As :func:`build`. Training, truth and bank use photographs of different people's files."""
    world = make_social_world(f"social{case.world}", case.world)
    n_classes = len(social.OCCUPATIONS)
    for_training, for_truth, for_bank = photos.part(0, 0.5), photos.part(0.5, 0.8), photos.part(0.8, 1)

    def data(rng: np.random.Generator, n: int) -> tuple[Images, NDArray[np.int64]]:
        labels = rng.integers(0, n_classes, n)
        return render_portraits(draw_portraits(world, labels, for_training, rng=rng), for_training), labels

    module = cached(
        world.name,
        case.architecture,
        data,
        n_classes,
        seed=case.world,
        n_images=scale.images,
        epochs=scale.epochs,
        recipe=(drawing, scenes, faces, social, networks),
    )
    rng, truth_rng = np.random.default_rng([case.world, 12]).spawn(2)
    truth = measure_social(module, world, for_truth, per_class=scale.truth_per_class, rng=truth_rng)
    groups = tuple(social.face_bank(for_bank, g, scale.per_concept, rng=rng) for g in (0, 1))
    labels = np.repeat(np.arange(n_classes), scale.n_random // n_classes)
    scenery = render_portraits(draw_portraits(world, labels, for_bank, rng=rng), for_bank)
    shown = []
    for y in range(n_classes):
        wanted = np.full(3 * scale.class_images, y)
        pictures = render_portraits(draw_portraits(world, wanted, for_bank, rng=rng), for_bank)
        shown.append(pictures[logits(module, pictures).argmax(axis=1) == y][: scale.class_images])
    bank = PlantedBank(faces.GROUPS, groups, None, scenery[:0], scenery)
    layers = tuple(networks.layer_names(module))
    model = as_loaded(module, name=world.name, architecture=case.architecture, classes=social.OCCUPATIONS)
    subject = Subject(
        name=f"{world.name}-{case.architecture}",
        architecture=case.architecture,
        model=model,
        layers=layers,
        bank=bank,
        seen=look(model, bank, layers),
        class_images=tuple(shown),
        fits=None,
    )
    return PlantedSocial(case, world, subject, truth)
