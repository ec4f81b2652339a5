"""Do rendered people say what photos say? ``python -m benchmarks.presentation --model MODEL``.

For each pair of groups that a bank of rendered people stands in for: right signs of the undisputed contrasts,
how many of them the test finds (0.05, corrected over them), the rank correlation with the contrast on photos
over all classes, how well a probe tells the groups apart, and the share of classes that the test finds (0.05)
when groups are dealt by lot within each person. Photos are those of an imported set; ``--photos-of N``
draws so many a group, to see what that many photos are worth.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from auditor.audit.forward import Shown, show_bank
from auditor.audit.groups import Groups, plain_groups, sample_groups, with_probe
from auditor.audit.prepare import load_audited, load_banks
from auditor.banks.bank import GroupContrast
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.models import LoadedModel, find_classes
from auditor.progress import Progress, progress_for
from auditor.settings import Settings
from auditor.statistics.effects import Errors
from auditor.statistics.multiplicity import holm
from auditor.statistics.probability import log_scaled
from auditor.statistics.samples import GroupSample
from benchmarks.associations_pairs import read_expectations
from benchmarks.timed import timed

PAIRS = Path(__file__).parent / "pairs"
LISTS = ("contrasts-development.csv", "contrasts-confirmation.csv")
STANDS_FOR = {
    "presentation": {"styled-woman": "women", "styled-man": "men"},
    "appearance": {"rendered-european": "white", "rendered-african": "black", "rendered-asian": "asian"},
}
"""Bank of rendered people, and its groups to the groups of photos."""
PHOTOS = {"presentation": "gender", "appearance": "race"}
LOTS = 20
HEADER = (
    "| groups | pictures | units | AUC | undisputed: right, found right, found wrong "
    "| rank correlation with photos | 50 strongest: same sign | found by lot at 0.05 |\n"
    "|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Seen:
    """One contrast on one set of pictures."""

    groups: Groups
    errors: Errors
    """[classes, 1]."""
    e: NDArray[np.float64]
    """[classes, images]."""

    @property
    def effect(self) -> NDArray[np.float64]:
        """[classes]."""
        return np.asarray(self.errors.effect[:, 0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table for each model; 2 with one line on the error stream where something is missing."""
    return timed("presentation", _parse(arguments))


def _run(asked: argparse.Namespace) -> None:
    for line in _tables(asked, progress_for(sys.stderr)):
        print(line, flush=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.presentation", description=__doc__)
    add_model(parser)
    parser.add_argument("--photos-of", type=int, default=0, metavar="N", help="photos of a group; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_run)
    return parser.parse_args(arguments)


def add_model(parser: argparse.ArgumentParser) -> None:
    """The flags that name a model and a set of faces."""
    parser.add_argument("--model", default="bundled:efficientnet_lite0")
    parser.add_argument("--arch", help="architecture of file:PATH")
    parser.add_argument("--crop", type=float, help="share that the centre crop keeps")
    parser.add_argument("--interpolation", help="how the model's photos were resized")
    parser.add_argument("--set", default="utkface", help="imported face set")


def _tables(asked: argparse.Namespace, progress: Progress) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        context = context_of(asked, Path(folder), progress)
        yield f"\n{context.model.name}\n"
        yield HEADER
        for bank, stands_for in STANDS_FOR.items():
            photos = shown_bank(context, f"{PHOTOS[bank]}:{asked.set}")
            rendered = shown_bank(context, bank)
            for contrast in rendered.layout.declared_contrasts():
                meant = GroupContrast(stands_for[contrast.more], stands_for[contrast.less])
                truth = photos_of(photos, meant, context.settings)
                yield _ceiling(truth, asked.seed)
                if asked.photos_of:
                    few = _few(photos, meant, asked.photos_of, asked.seed)
                    yield _row(context, f"{asked.photos_of} photos", few, truth, bank, asked.seed)
                one = _seen(rendered, declared(rendered, contrast, context.settings))
                yield _row(context, bank, one, truth, bank, asked.seed)


def context_of(asked: argparse.Namespace, folder: Path, progress: Progress) -> AuditContext:
    """The model that the command line names, with the settings of an audit."""
    settings = Settings(
        model=asked.model,
        arch=asked.arch,
        crop=asked.crop,
        interpolation=asked.interpolation,
        classes=("index:0",),
        seed=asked.seed,
        out=folder / "out",
    )
    model: LoadedModel = load_audited(settings, progress)
    return AuditContext(
        model=model,
        settings=settings,
        classes=(),
        layers=(),
        precision="float32",
        progress=progress,
        cache=folder,
    )


def shown_bank(context: AuditContext, spec: str) -> Shown:
    """A bank, as the model sees it."""
    (bank,) = load_banks(context.settings.model_copy(update={"banks": (spec,)}), context.progress)
    return show_bank(context, bank, ())


def declared(shown: Shown, contrast: GroupContrast, settings: Settings) -> Groups:
    """The groups of a contrast as the bank declares it."""
    found = sample_groups(shown.layout, settings=settings)
    return next(g for g in found if (g.contrast.more, g.contrast.less) == (contrast.more, contrast.less))


def photos_of(shown: Shown, meant: GroupContrast, settings: Settings) -> Seen:
    """Photos matched as their bank declares, else all of both groups; in the order of ``meant``."""
    wanted = {meant.more, meant.less}
    matched = [
        g
        for g in sample_groups(shown.layout, settings=settings)
        if {g.contrast.more, g.contrast.less} == wanted and g.measurable
    ]
    if not matched:
        return _seen(shown, plain_groups(shown.layout, meant))
    own = matched[0]
    if own.contrast.more == meant.more:
        return _seen(shown, own)
    swapped = GroupSample(own.sample.less, own.sample.more, matched=own.sample.matched)
    return _seen(shown, replace(own, contrast=meant, sample=swapped))


def _few(shown: Shown, meant: GroupContrast, count: int, seed: int) -> Seen:
    rng = np.random.default_rng(seed)
    every = plain_groups(shown.layout, meant)
    sides = []
    for unit in (every.sample.more, every.sample.less):
        chosen = rng.choice(np.flatnonzero(unit >= 0), size=count, replace=False)
        side = np.full(len(unit), -1, dtype=np.int64)
        side[chosen] = unit[chosen]
        sides.append(side)
    return _seen(shown, replace(every, sample=GroupSample(sides[0], sides[1], matched=False)))


def _seen(shown: Shown, groups: Groups) -> Seen:
    if not groups.measurable:
        raise InputError(f"bank '{shown.layout.bank.name}': {groups.subject}: {groups.reason}")
    e = log_scaled(shown.logits).T
    seen = with_probe(groups, shown.forward.last, shown.layout.bank.name, Settings(model="x", classes=("x",)))
    return Seen(seen, groups.sample.errors(e), e)


def _p(errors: Errors) -> NDArray[np.float64]:
    """[classes] Two-sided, Student's t against no effect."""
    t = np.abs(errors.effect[:, 0]) / np.maximum(errors.error[:, 0], 1e-12)
    return np.asarray(2.0 * stats.t.sf(t, errors.df[0]))


def _row(context: AuditContext, pictures: str, one: Seen, truth: Seen, bank: str, seed: int) -> str:
    apart, sample = one.groups.apart, one.groups.sample
    auc = f"{apart.auc:.2f} [{apart.low:.2f}, {apart.high:.2f}]" if apart else ""
    strongest = np.argsort(-np.abs(truth.effect))[:50]
    same = int((np.sign(one.effect[strongest]) == np.sign(truth.effect[strongest])).sum())
    correlation = stats.spearmanr(one.effect, truth.effect).statistic
    right = undisputed(context, one.errors) if bank == "presentation" else ""
    words = f"{one.groups.contrast.more} / {one.groups.contrast.less}"
    return (
        f"| {words} | {pictures} | {min(sample.units)} | {auc} | {right} "
        f"| {correlation:.2f} | {same} | {_by_lot(one, seed)} |"
    )


def _ceiling(truth: Seen, seed: int) -> str:
    """How well one half of the photos tells the other's contrast: what a perfect bank could reach."""
    sample, rng = truth.groups.sample, np.random.default_rng(seed)
    found = []
    for _ in range(LOTS):
        first = rng.random(int(max(sample.more.max(), sample.less.max())) + 1) < 0.5
        halves = []
        for own in (first, ~first):
            sides = [np.where((side >= 0) & own[side], side, -1) for side in (sample.more, sample.less)]
            half = GroupSample(sides[0], sides[1], matched=sample.matched)
            halves.append(half.errors(truth.e).effect[:, 0])
        found.append(float(stats.spearmanr(*halves).statistic))
    half = float(np.mean(found))
    # Spearman and Brown: the reliability of all photos, and the correlation that its square root allows.
    ceiling = np.sqrt(max(0.0, 2.0 * half / (1.0 + half)))
    words = f"{truth.groups.contrast.more} / {truth.groups.contrast.less}"
    apart = truth.groups.apart
    auc = f"{apart.auc:.2f} [{apart.low:.2f}, {apart.high:.2f}]" if apart else ""
    how = "photos, matched" if sample.matched else "photos, not matched"
    return f"| {words} | {how} | {min(sample.units)} | {auc} | | at most {ceiling:.2f} | | |"


def undisputed(context: AuditContext, errors: Errors) -> str:
    """How many undisputed contrasts have the right sign, and how many are found right and wrong."""
    expected = [e for name in LISTS for e in read_expectations(PAIRS / name)]
    labels = [find_classes(context.model.labels, [e.class_name])[0].index for e in expected]
    sign = np.array([1.0 if e.more == "women" else -1.0 for e in expected])
    effect = errors.effect[labels, 0] * sign
    found = np.asarray(holm(_p(errors)[labels])) <= 0.05
    right, wrong = int((found & (effect > 0)).sum()), int((found & (effect < 0)).sum())
    return f"{int((effect > 0).sum())} of {len(expected)}, {right}, {wrong}"


def _by_lot(one: Seen, seed: int) -> str:
    """Share of classes found when groups are swapped within units, mean and largest over draws."""
    sample = one.groups.sample
    if not sample.matched:
        return ""
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(LOTS):
        dealt = sample.swapped_by_lot(rng)
        shares.append(float((_p(dealt.errors(one.e)) <= 0.05).mean()))
    return f"{np.mean(shares):.3f} (largest of {LOTS}: {max(shares):.2f})"


if __name__ == "__main__":
    sys.exit(main())
