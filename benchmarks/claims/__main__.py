"""What is claimed of groups that differ, and of groups that do not? ``python -m benchmarks.claims``.

``python -m benchmarks.claims --model MODEL --faces DIR [--photos DIR] --seed N`` prints, for one model:
how many of 20 undisputed contrasts are claimed, and how many of all classes; how many when the groups are
drawn at random, when one of two random groups is degraded, when labels are shuffled within pairs, and when
parts of the same photos count as photos; and how often the level is exceeded at the margin. Each figure is
given before and after.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.audit.groups import Groups, sample_groups
from auditor.banks.bank import BankImage
from auditor.banks.clusters import clusters_of
from auditor.errors import AuditorError, InputError
from auditor.images.decode import list_images
from auditor.models import InputOverrides, Request, find_classes, load_model
from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.progress import Progress, progress_for
from auditor.settings import Settings
from benchmarks.associations_banks import faces_bank
from benchmarks.associations_pairs import read_expectations
from benchmarks.claims.after import conclude_classes
from benchmarks.claims.before import claimed_before, survives_permuted_channels
from benchmarks.claims.crops import claims_of_crops, concepts_of_crops
from benchmarks.claims.margin import audits_that_claim
from benchmarks.claims.shown import KINDS, Seen, Side, loader, see, shown

PAIRS = Path(__file__).parents[1] / "pairs"
LISTS = ("contrasts-development.csv", "contrasts-confirmation.csv")


@dataclass(frozen=True)
class Bench:
    """The faces as one model sees them."""

    model: LoadedModel
    groups: dict[str, tuple[BankImage, ...]]
    positions: dict[str, NDArray[np.int64]]
    match: tuple[str, ...]
    seen: dict[str, Seen]
    clusters: NDArray[np.int64]
    settings: Settings
    undisputed: tuple[tuple[ClassLabel, int], ...]
    """Class, and 1 where it is associated more with women."""

    def side(self, positions: NDArray[np.int64], kind: str = "as it is") -> Side:
        """A group made of these photos."""
        images = [image for group in self.groups.values() for image in group]
        return Side(tuple(images[i] for i in positions), positions, kind)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 2 with one line on the error stream where the request cannot be met."""
    asked = _parse(arguments)
    started = time.monotonic()
    try:
        _run(asked, progress_for(sys.stderr))
    except AuditorError as failure:
        print(f"claims: {failure}", file=sys.stderr)
        return failure.exit_status
    print(f"\n{time.monotonic() - started:.0f} s, seed {asked.seed}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__)
    parser.add_argument("--model", default="bundled:efficientnet_lite0")
    parser.add_argument("--arch", help="architecture of file:PATH")
    parser.add_argument("--crop", type=float, help="share that the centre crop keeps")
    parser.add_argument("--interpolation", help="resampling filter")
    parser.add_argument("--faces", type=Path, required=True, help="UTKFace photos")
    parser.add_argument("--photos", type=Path, help="photos of anything, for parts of the same photo")
    parser.add_argument("--lots", type=int, default=10, help="how often groups are drawn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two draws, two kinds, no parts")
    return parser.parse_args(arguments)


def _run(asked: argparse.Namespace, progress: Progress) -> None:
    model = load_model(
        asked.model,
        request=Request(arch=asked.arch),
        overrides=InputOverrides(None, asked.crop, asked.interpolation, None, None),
    )
    kinds = ["as it is", "JPEG 20"] if asked.quick else list(KINDS)
    lots = 2 if asked.quick else asked.lots
    bench = _prepare(model, asked.faces, kinds, asked.seed, progress)
    print(f"Model {model.name}, {len(bench.clusters)} faces, {lots} draws of each kind, seed {asked.seed}.")
    _undisputed(bench)
    _lots(bench, kinds, lots, asked.seed, progress)
    if not asked.quick:
        _parts(bench, asked, progress)
    repetitions = 20 if asked.quick else 300
    print("\nAt the margin: share of simulated audits that claim one of twelve concepts whose true effect")
    print("is 0.099, with a margin of 0.1. Target: at most 0.05.\n")
    print("| images a concept | before | after |\n|---|---|---|")
    for images in (60, 30):
        before, after = audits_that_claim(images, repetitions=repetitions, seed=asked.seed)
        print(f"| {images} | {before:.3f} | {after:.3f} |", flush=True)


def _prepare(model: LoadedModel, faces: Path, kinds: Sequence[str], seed: int, progress: Progress) -> Bench:
    bank = faces_bank(faces, cache=None, progress=progress)
    groups = {concept.name: concept.images for concept in bank.concepts}
    paths = [image.path for images in groups.values() for image in images]
    seen = {
        kind: see(model, [loader(Path(str(p)), KINDS[kind]) for p in paths], f"faces, {kind}", progress)
        for kind in kinds
    }
    plain = seen["as it is"]
    clusters = clusters_of(
        [""] * len(paths), what="photo", activations=plain.last, thumbnails=plain.thumbnails
    )
    ends = np.cumsum([0, *(len(images) for images in groups.values())])
    undisputed = []
    for name in LISTS:
        for row in read_expectations(PAIRS / name):
            label = find_classes(model.labels, [row.class_name])[0]
            undisputed.append((label, 1 if row.more == "women" else -1))
    if set(groups) != {"women", "men"}:
        raise InputError(f"faces '{faces}': groups {', '.join(groups)}, needed women and men")
    return Bench(
        model=model,
        groups=groups,
        positions={name: np.arange(ends[i], ends[i + 1]) for i, name in enumerate(groups)},
        match=bank.contrasts[0].match,
        seen=seen,
        clusters=clusters.of_image,
        settings=Settings(model="x", classes=("x",), seed=seed),
        undisputed=tuple(undisputed),
    )


def _undisputed(bench: Bench) -> None:
    women, men = (bench.side(bench.positions[name]) for name in ("women", "men"))
    everyone = shown(women, men, bench.seen, bench.clusters, bench.match)
    groups = sample_groups(everyone.layout, settings=bench.settings)[0]
    old, difference = claimed_before(groups, everyone, family=len(bench.undisputed))
    labels = [label for label, _ in bench.undisputed]
    found = conclude_classes(groups, everyone, labels, settings=bench.settings, together=True)
    seed = bench.settings.seed
    print(f"\nWomen against men, {groups.sample.units[0]} independent pairs. The 20 undisputed ones:\n")
    print("| class | expected | before: sd | claimed | after: effect, adjusted interval | log, sd | after |")
    print("|---|---|---|---|---|---|---|")
    right = {"before": 0, "after": 0, "wrong": 0, "denied": 0, "signs": 0}
    for (label, sign), finding in zip(bench.undisputed, found, strict=True):
        k = label.index
        survives = bool(old[k]) and survives_permuted_channels(groups, everyone, bench.model, k, seed=seed)
        effect = finding.effect or 0.0
        right["before"] += survives and difference[k] * sign > 0
        right["after"] += finding.claimed and effect * sign > 0
        right["wrong"] += finding.claimed and effect * sign < 0
        right["denied"] += finding.conclusion == "not associated"
        right["signs"] += effect * sign > 0
        why = "" if finding.claimed else f": {finding.reason}"
        print(
            f"| {label.name} | {'women' if sign > 0 else 'men'} | {difference[k]:+.2f} "
            f"| {'yes' if survives else 'permuted channels' if old[k] else 'no'} "
            f"| {effect:+.3f} [{finding.adjusted_low:+.3f}, {finding.adjusted_high:+.3f}] "
            f"| {finding.log_difference:+.2f} | {finding.conclusion}{why} |"
        )
    alone = conclude_classes(groups, everyone, bench.model.labels, settings=bench.settings, together=False)
    before_all = int(claimed_before(groups, everyone)[0].sum())
    print(
        f"\nOf the 20: before {right['before']} claimed; after {right['after']} claimed, {right['wrong']} "
        f"wrong, {right['denied']} said not to be associated, {right['signs']} right signs."
    )
    claimed = sorted((f for f in alone if f.claimed), key=lambda f: -(f.effect or 0))
    print(
        f"Of all {len(bench.model.labels)} classes, each audited alone: before {before_all} (but for the "
        f"permuted channels), after {len(claimed)}:"
    )
    print(", ".join(f"{f.class_name} {f.effect:+.2f}" for f in claimed) + ".")


def _lots(bench: Bench, kinds: Sequence[str], lots: int, seed: int, progress: Progress) -> None:
    print("\nGroups drawn at random: classes claimed, each audited alone; mean and largest of all draws.")
    print("Photos of the second group are unchanged. Target: at most 1.\n")
    print("| first group | before | after | draws that were compared |\n|---|---|---|---|")
    count = len(bench.clusters)
    for kind in kinds:
        before, after, compared = [], [], 0
        with progress.stage(f"draws: {kind}", lots) as stage:
            for lot in range(lots):
                order = np.random.default_rng([seed, lot]).permutation(count)
                more, less = np.sort(order[: count // 2]), np.sort(order[count // 2 :])
                one = shown(bench.side(more, kind), bench.side(less), bench.seen, bench.clusters, bench.match)
                claims = _claims(bench, sample_groups(one.layout, settings=bench.settings)[0], one)
                before.append(claims[0])
                after.append(claims[1])
                compared += claims[2]
                stage.advance()
        _row(kind, before, after, f"{compared} of {lots}")
    before, after = [], []
    women, men = bench.positions["women"], bench.positions["men"]
    everyone = shown(bench.side(women), bench.side(men), bench.seen, bench.clusters, bench.match)
    real = sample_groups(everyone.layout, settings=bench.settings)[0]
    for lot in range(lots):
        swapped = _swapped(real, np.random.default_rng([seed, lot, 1]))
        claims = _claims(bench, swapped, everyone)
        before.append(claims[0])
        after.append(claims[1])
    _row("labels shuffled within pairs", before, after, f"{lots} of {lots}")


def _claims(bench: Bench, groups: Groups, one: object) -> tuple[int, int, bool]:
    from auditor.audit.forward import Shown

    assert isinstance(one, Shown)
    if not groups.measurable:
        return 0, 0, False
    old = int(claimed_before(groups, one)[0].sum())
    found = conclude_classes(groups, one, bench.model.labels, settings=bench.settings, together=False)
    return old, sum(f.claimed for f in found), True


def _swapped(groups: Groups, rng: np.random.Generator) -> Groups:
    """The same pairs with both sides exchanged where a coin says so."""
    from dataclasses import replace

    sample = groups.sample
    turned = rng.random(int(max(sample.more.max(), sample.less.max())) + 1) < 0.5
    flip = np.where(sample.more >= 0, sample.more, sample.less)
    exchange = (flip >= 0) & turned[np.maximum(flip, 0)]
    more = np.where(exchange, sample.less, sample.more)
    less = np.where(exchange, sample.more, sample.less)
    return replace(groups, sample=replace(sample, more=more, less=less))


def _parts(bench: Bench, asked: argparse.Namespace, progress: Progress) -> None:
    print("\nParts of the same photos (50 to 90% of a side, half mirrored, JPEG 60 to 95), groups drawn at")
    print("random for each photo: classes claimed, each audited alone; mean and largest of all draws.\n")
    print("| photos | before | after, clusters declared | after, clusters found |\n|---|---|---|---|")
    sources = {"faces": asked.faces, "photos": asked.photos}
    for name, folder in sources.items():
        if folder is None:
            continue
        paths = list_images(folder)
        for count, each in ((36, 10), (100, 5)):
            chosen = np.random.default_rng([asked.seed, count]).permutation(len(paths))[:count]
            claims = claims_of_crops(
                bench.model, [paths[i] for i in chosen], each, lots=asked.lots, seed=asked.seed,
                settings=bench.settings, progress=progress,
            )  # fmt: skip
            cells = [f"{np.mean(v):.1f} [{max(v)}]" for v in claims.values()]
            print(f"| {count} {name}, {each} parts each | {' | '.join(cells)} |", flush=True)
    if asked.photos is None:
        return
    print("\nPhotos assigned to ten concepts at random: associations claimed, over all classes.\n")
    print("| photos | before | after, clusters declared | after, clusters found |\n|---|---|---|---|")
    paths = list_images(asked.photos)
    for per_concept, each in ((6, 10), (36, 3)):
        chosen = np.random.default_rng([asked.seed, each]).permutation(len(paths))[: per_concept * 10]
        found = concepts_of_crops(
            bench.model, [paths[i] for i in chosen], each, 10, seed=asked.seed, settings=bench.settings,
            progress=progress,
        )  # fmt: skip
        cells = [str(v) for v in found.values()]
        print(f"| {per_concept} a concept, {each} parts each | {' | '.join(cells)} |", flush=True)


def _row(name: str, before: Sequence[int], after: Sequence[int], note: str) -> None:
    print(
        f"| {name} | {np.mean(before):.1f} [{max(before)}] | {np.mean(after):.1f} [{max(after)}] | {note} |",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
