"""Do people pasted into a class's pictures show what exchanging people really does to a model?

``python -m benchmarks.in_context planted`` trains small networks whose classes go with one of two groups of
people. It holds the audit's contrasts in context against the causal effect that is known there: how the
answer changes when the person of a scene is exchanged. Training, truth and audit use different people. Some
networks learn from photos of faces (where these are at hand), some from rendered people.

``python -m benchmarks.in_context unrelated --photos DIR`` pastes rendered people into photos that have
nothing to do with them, and holds the contrast of every class against that on photos of faces.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

from auditor.audit.company import Scenes, people_of, scenes_of
from auditor.audit.groups import sample_groups
from auditor.audit.in_context import Measured
from auditor.audit.layout import lay_out
from auditor.audit.prepare import load_banks
from auditor.banks import load_bank
from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast
from auditor.banks.read.locked import ellipse
from auditor.context import AuditContext
from auditor.findings import conclude_all
from auditor.images.class_images import ImageSet
from auditor.images.decode import decode_image, list_images
from auditor.images.inputs import as_inputs
from auditor.progress import progress_for, silent
from auditor.records import ClassImages, Finding
from auditor.settings import Settings
from auditor.statistics.probability import log_scaled
from auditor.statistics.samples import GroupSample
from benchmarks.planted import company, drawing, faces, networks, scenes
from benchmarks.planted.company import Companies, Crowd, draw_company, render_company, shares
from benchmarks.planted.social import OCCUPATIONS
from benchmarks.planted.subject import as_loaded
from benchmarks.planted.training import Images, cached, logits
from benchmarks.presentation import add_model, context_of, photos_of, shown_bank, undisputed
from benchmarks.timed import timed

TRAINING, TRUTH, AUDIT = (0.0, 0.4), (0.4, 0.6), (0.6, 1.0)
"""Parts of the people."""
SCENES = 36
UNRELATED = 144
"""Photos that people are pasted into."""
TRUTH_SCENES = 300
DEVELOPMENT = (0, 1)
"""Worlds that were looked at while this was made; the others were looked at once."""
REPORT = (2, 3, 4, 5)
NOTHING = 100
"""Worlds from this number on have no relation planted."""


@dataclass(frozen=True)
class Case:
    """One network."""

    people: str
    """``photos`` or ``rendered``."""
    world: int
    architecture: str


@dataclass(frozen=True)
class Outcome:
    """One class of one network."""

    case: Case
    truth: float
    """Mean change of e in the class's scenes: a person of the first group instead of the second one's."""
    error: float
    finding: Finding
    alone: float
    """Contrast of the same people alone, without a scene."""
    by_lot: Finding
    """The finding with the two pictures of each unit exchanged by lot."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line and runs one benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.in_context", description=__doc__)
    commands = parser.add_subparsers(required=True)
    of_truth = commands.add_parser("planted", help="against known causal effects")
    of_truth.add_argument("--development", action="store_true", help="the worlds for choosing")
    of_truth.set_defaults(run=planted)
    of_photos = commands.add_parser("unrelated", help="against the contrast on photos of faces")
    add_model(of_photos)
    of_photos.add_argument("--photos", type=Path, required=True, help="any photos, in folders or not")
    of_photos.add_argument("--seed", type=int, default=0)
    of_photos.set_defaults(run=unrelated)
    return timed("benchmarks.in_context", parser.parse_args(arguments))


def planted(asked: argparse.Namespace) -> None:
    """Prints how the audit's contrasts in context agree with causal effects."""
    crowds = {"rendered": rendered_crowd()}
    if folder := faces.folder():
        crowds["photos"] = photo_crowd(folder)
    worlds = DEVELOPMENT if asked.development else REPORT
    print(
        "| people | networks | accuracy | Spearman with the causal effect, all classes "
        "| within a network, mean | people alone, all classes | claimed, wrong sign |"
    )
    print("|---|---|---|---|---|---|---|")
    by_lot, nothing = [], []
    for name, crowd in crowds.items():
        cases = [Case(name, world, one) for world in worlds for one in networks.ARCHITECTURES]
        results = [_outcomes(case, crowd) for case in cases]
        outcomes = [one for found, _ in results for one in found]
        by_lot += [one.by_lot for one in outcomes]
        print(_row(name, results), flush=True)
        for one in networks.ARCHITECTURES:
            found, _ = _outcomes(Case(name, NOTHING + worlds[0], one), crowd)
            nothing += found
    for name, findings in (
        ("pictures of a unit exchanged by lot", by_lot),
        ("no relation planted", [one.finding for one in nothing]),
    ):
        p = np.array([f.p_value for f in findings if f.p_value is not None])
        excluded = np.mean([(f.low or 0) > 0 or (f.high or 0) < 0 for f in findings])
        claims = sum(f.claimed for f in conclude_all(findings))
        print(
            f"\n{name}: {len(p)} tests, p at most 0.05 in {np.mean(p <= 0.05):.3f}, interval without 0 in "
            f"{excluded:.3f}, claimed after correction {claims}"
        )
    strongest = max(nothing, key=lambda one: abs(one.truth))
    print(
        f"largest causal effect where nothing is planted: {strongest.truth:+.3f} (se {strongest.error:.3f})"
    )


def _row(name: str, results: Sequence[tuple[list[Outcome], float]]) -> str:
    outcomes = [one for found, _ in results for one in found]
    truth = [one.truth for one in outcomes]
    every = stats.spearmanr(truth, [one.finding.effect for one in outcomes]).statistic
    alone = stats.spearmanr(truth, [one.alone for one in outcomes]).statistic
    single = [
        stats.spearmanr([o.truth for o in found], [o.finding.effect for o in found]).statistic
        for found, _ in results
    ]
    accuracy = np.mean([share for _, share in results])
    # The tests of a network are corrected together, as an audit does.
    claimed = [
        (o, f)
        for found, _ in results
        for o, f in zip(found, conclude_all([o.finding for o in found]), strict=True)
        if f.claimed
    ]
    wrong = sum((f.effect or 0) * o.truth < 0 for o, f in claimed)
    return (
        f"| {name} | {len(results)} | {accuracy:.2f} | {every:.2f} | {np.mean(single):.2f} | {alone:.2f} | "
        f"{len(claimed)} of {len(outcomes)}, {wrong} |"
    )


def _outcomes(case: Case, crowd: Crowd) -> tuple[list[Outcome], float]:
    """Truth and audit of every class of one network, and the network's accuracy."""
    first = shares(case.world, none=case.world >= NOTHING)
    training, truth_people, audited = (crowd.part(*part) for part in (TRAINING, TRUTH, AUDIT))

    def data(rng: np.random.Generator, n: int) -> tuple[Images, NDArray[np.int64]]:
        labels = rng.integers(0, len(OCCUPATIONS), n)
        return render_company(draw_company(first, labels, training, rng=rng), training), labels

    module = cached(
        f"company-{case.people}-{case.world}",
        case.architecture,
        data,
        len(OCCUPATIONS),
        seed=case.world,
        n_images=6400,
        epochs=10,
        recipe=(drawing, scenes, faces, company, networks),
    )
    model = as_loaded(
        module, name=f"{case.people}-{case.world}", architecture=case.architecture, classes=OCCUPATIONS
    )
    settings = Settings(
        model="file:planted", classes=OCCUPATIONS, in_context=True, min_images=10, permutations=1999
    )
    context = AuditContext(model, settings, model.labels, (), "float32", silent, Path())
    bank = bank_of(audited, case.people)
    layout = lay_out(bank)
    groups = sample_groups(layout, settings=settings)[0]
    rng = np.random.default_rng([case.world, 31])
    people = people_of(bank, groups, 0, np.zeros((0, 0)))
    swapped = people.exchanged_by_lot(np.random.default_rng([case.world, 32]))
    alone = _alone(module, audited, groups.sample)
    found = []
    for y, label in enumerate(model.labels):
        drawn = draw_company(first, np.full(TRUTH_SCENES, y), truth_people, rng=rng, empty=0.0)
        truth, error = _truth(module, drawn, truth_people, y)
        shown = _class_images(module, first, y, audited, rng)
        scene = scenes_of(context, label, shown)
        both = [Measured(context, one, label, scene, len(OCCUPATIONS)).finding() for one in (people, swapped)]
        found.append(Outcome(case, truth, error, both[0], float(alone[y]), both[1]))
    labels = rng.integers(0, len(OCCUPATIONS), 600)
    pictures = render_company(draw_company(first, labels, truth_people, rng=rng), truth_people)
    return found, float((logits(module, pictures).argmax(axis=1) == labels).mean())


def _alone(module: networks.SmallNet, crowd: Crowd, sample: GroupSample) -> NDArray[np.float64]:
    """[classes] The contrast that an audit makes of the people's own pictures."""
    pictures = np.concatenate([group[..., :3] for group in crowd.groups])
    return np.asarray(sample.errors(log_scaled(logits(module, pictures)).T).effect[:, 0])


def _truth(module: networks.SmallNet, drawn: Companies, crowd: Crowd, y: int) -> tuple[float, float]:
    e = [log_scaled(logits(module, render_company(drawn.showing(g), crowd)))[:, y] for g in (0, 1)]
    change = e[0] - e[1]
    return float(change.mean()), float(change.std(ddof=1) / np.sqrt(len(change)))


def _class_images(
    module: networks.SmallNet, first: NDArray[np.float64], y: int, crowd: Crowd, rng: np.random.Generator
) -> ImageSet:
    """Empty scenes of a class that the network recognises."""
    pictures = render_company(draw_company(first, np.full(3 * SCENES, y), crowd, rng=rng, empty=1.0), crowd)
    kept = pictures[logits(module, pictures).argmax(axis=1) == y][:SCENES]
    record = ClassImages(
        source="folder",
        found=len(pictures),
        used=len(kept),
        dropped=0,
        dropped_unreadable=0,
        dropped_misclassified=0,
        learned=len(kept),
        heldout=0,
        digest="",
    )
    return ImageSet(kept, tuple(map(str, range(len(kept)))), record, ())


def unrelated(asked: argparse.Namespace) -> None:
    """Prints, for each size of the people, how their contrast agrees with that on photos."""
    with tempfile.TemporaryDirectory() as folder:
        context = context_of(asked, Path(folder), progress_for(sys.stderr))
        meant = GroupContrast("women", "men")
        truth = photos_of(shown_bank(context, f"gender:{asked.set}"), meant, context.settings)
        (bank,) = load_banks(
            context.settings.model_copy(update={"banks": ("presentation",)}), context.progress
        )
        groups = sample_groups(lay_out(bank), settings=context.settings)[0]
        photos = list_images(asked.photos)
        chosen = np.random.default_rng(asked.seed).permutation(len(photos))[:UNRELATED]
        inputs = as_inputs(context.model, (decode_image(photos[i]) for i in chosen))
        pixels = context.model.pixels(inputs).permute(0, 2, 3, 1).cpu().numpy()
        scene = Scenes(
            context.model.labels[0],
            pixels,
            np.full((len(pixels), 2), 0.5),
            made=False,
            clusters=np.arange(len(pixels)),
        )
        everyone = people_of(bank, groups, asked.seed, np.zeros((0, 0)))
        print(
            "| person's height | pictures | undisputed: right, found right, found wrong | rank correlation |"
        )
        print("|---|---|---|---|")
        for size in everyone.framing.sizes:
            people = replace(everyone, framing=replace(everyone.framing, sizes=(size,)))
            one = Measured(context, people, context.model.labels[0], scene, 1)
            errors = one.every_class()
            correlation = stats.spearmanr(errors.effect[:, 0], truth.effect).statistic
            count = one.finding().n
            print(
                f"| {size:g} | 2 x {count} | {undisputed(context, errors)} | {correlation:.2f} |", flush=True
            )


def bank_of(crowd: Crowd, kind: str) -> ConceptBank:
    """People as a bank of two groups, matched by their unit."""
    concepts = []
    for name, pictures in zip(("first", "second"), crowd.groups, strict=True):
        images = tuple(
            BankImage(
                name=f"{i:04d}",
                load=partial(Image.fromarray, np.ascontiguousarray(picture[..., :3])),
                sha256="",
                covariates={"unit": f"u{unit}"},
                mask=partial(Image.fromarray, np.ascontiguousarray(picture[..., 3])),
                cluster=f"{name if kind == 'photos' else ''}{unit}",
            )
            for i, (picture, unit) in enumerate(zip(pictures, crowd.units, strict=True))
        )
        concepts.append(Concept(name, images))
    return ConceptBank(
        name="people",
        title="People",
        source="planted",
        concepts=tuple(concepts),
        digest="",
        contrasts=(GroupContrast("first", "second", ("unit",)),),
        cutout="ellipse",
    )


def rendered_crowd() -> Crowd:
    """Heads of the bank ``presentation``; persons of a style set are a unit."""
    bank = load_bank("presentation")
    groups = []
    for concept in bank.concepts:
        heads = sorted((i for i in concept.images if i.covariates["crop"] == "head"), key=lambda i: i.name)
        groups.append(np.stack([_cut(image.load()) for image in heads]))
        units = np.array([int(str(image.covariates["style_set"])[1:]) for image in heads])
    return Crowd((groups[0], groups[1]), units)


def photo_crowd(folder: Path) -> Crowd:
    """Photos of faces, paired by lot; every pair is a unit."""
    found = faces.load(folder, seed=5)
    count = min(map(len, found.images))
    groups = [np.stack([_cut(Image.fromarray(one)) for one in group[:count]]) for group in found.images]
    return Crowd((groups[0], groups[1]), np.arange(count))


def _cut(picture: Image.Image) -> NDArray[np.uint8]:
    small = picture.resize((64, 64))
    return np.dstack([np.asarray(small), np.asarray(ellipse(64, 64))])


if __name__ == "__main__":
    sys.exit(main())
