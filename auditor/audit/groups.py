"""Contrasts: whether the model sees more of a class in one group's images than in another's.

Groups are matched, picture by picture, on the covariates that the bank names; pictures that belong together
count as one. Nothing is measured where the model's features do not tell the groups apart. A difference is
claimed only if four things hold: the log-scaled probability differs by
more than the margin; the class's logarithm differs too, against all other classes; the groups' pictures
can be compared in sharpness, light and compression; and the difference stands once these are removed.
Arrays in, findings out; no tensors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.audit.concepts import MOVED, Response, enough, numbers, screens, share, variants_of
from auditor.audit.forward import Shown
from auditor.audit.layout import BankLayout
from auditor.banks.balance import is_numeric, match_groups
from auditor.banks.bank import BankImage, GroupContrast
from auditor.models.loaded import ClassLabel
from auditor.randomness import stream
from auditor.records import Check, ContrastDetail, CovariateBalance, Finding, Probe, Variant
from auditor.settings import Settings
from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.classwise import FEWEST_CLASSES, AgainstClasses
from auditor.statistics.effects import Inference, class_shares
from auditor.statistics.nuisance import without_nuisance
from auditor.statistics.probability import log_probabilities, log_scaled
from auditor.statistics.probe import FEWEST_UNITS, ToldApart, tell_apart
from auditor.statistics.samples import GroupSample, group_sample
from auditor.statistics.units import joined

LOG_MARGIN = 0.4
"""Difference of the logarithm of the class's probability, in standard deviations within groups, that a
claim needs and that the absence of one must not have."""
MOST_EXPLAINED = 0.5
"""Largest share of "which group" that technical properties may tell if groups are to be compared."""
QUALITY = "at equal image quality"
UNMATCHED = "groups not matched"
APART = "groups told apart"


@dataclass(frozen=True)
class Groups:
    """The two groups of a contrast, made comparable."""

    contrast: GroupContrast
    sample: GroupSample
    balance: tuple[CovariateBalance, ...] = ()
    reason: str = ""
    """Why the groups cannot be compared; empty if they can."""
    unmatched: Groups | None = None
    """Of matched groups: all their images, to show what matching changed."""
    counterfactual: bool = False
    """Whether pairs are alike in everything but the group, by construction. Technical differences within
    them are then part of what is contrasted: they are shown, and withhold nothing."""
    apart: ToldApart | None = None
    """How well the model's last features tell the groups apart; ``None`` before anyone asked, or where there
    are too few units to learn a probe."""

    @property
    def subject(self) -> str:
        """``MORE/LESS``."""
        return f"{self.contrast.more}/{self.contrast.less}"

    @property
    def measurable(self) -> bool:
        """Whether there is an effect to measure."""
        return not self.reason and self.sample.measurable


def sample_groups(layout: BankLayout, *, settings: Settings) -> list[Groups]:
    """The groups of every contrast that the bank declares, matched where it says on what.

    Args:
        layout: Labels and clusters of the bank's images.
        settings: Fewest independent images, seed.
    """
    found = [
        _matched(layout, contrast, settings) if contrast.match else plain_groups(layout, contrast)
        for contrast in layout.declared_contrasts()
    ]
    return [replace(one, counterfactual=layout.bank.screening and one.sample.matched) for one in found]


def with_probe(groups: Groups, features: NDArray[np.floating], bank: str, settings: Settings) -> Groups:
    """The groups, and whether the model tells them apart; if it does not, they cannot be compared.

    Args:
        groups: Of one contrast.
        features: [images, features] The model's last features of the layout's images.
        bank: Name of the bank.
        settings: Level, seed.
    """
    if not groups.measurable or min(groups.sample.units) < FEWEST_UNITS:
        return groups
    rng = stream(settings.seed, "probe", bank, groups.subject)
    apart = tell_apart(features, groups.sample.more, groups.sample.less, alpha=settings.alpha, rng=rng)
    seen = apart.p_value <= settings.alpha
    why = "" if seen else f"the model does not see the difference: {_apart_words(apart, settings.alpha)}"
    return replace(groups, apart=apart, reason=why)


def _apart_words(apart: ToldApart, alpha: float) -> str:
    return (
        f"a probe on its last features tells the groups apart with AUC {apart.auc:.2f} [{apart.low:.2f}, "
        f"{apart.high:.2f}], p = {apart.p_value:.3f} against labels drawn by lot, need {alpha:g} or less"
    )


def plain_groups(layout: BankLayout, contrast: GroupContrast) -> Groups:
    """All images of both groups, but for clusters that lie in both."""
    sides = layout.positions(contrast.more), layout.positions(contrast.less)
    shared = np.intersect1d(layout.clusters[sides[0]], layout.clusters[sides[1]])
    units = []
    for side in sides:
        kept = side[~np.isin(layout.clusters[side], shared)]
        unit = np.full(len(layout.labels), -1, dtype=np.int64)
        unit[kept] = layout.clusters[kept]
        units.append(unit)
    sample = group_sample(units[0], units[1], matched=False)
    lost = f" once {len(shared)} clusters that lie in both groups are left out" if len(shared) else ""
    few = min(sample.units)
    reason = "" if few >= 2 else f"{few} independent images of a group{lost}, need 2"
    return Groups(contrast=replace(contrast, match=()), sample=sample, reason=reason)


def _matched(layout: BankLayout, contrast: GroupContrast, settings: Settings) -> Groups:
    """Clusters paired with clusters; an image without one is its own."""
    images = [image for concept in layout.bank.concepts for image in concept.images]
    sides = [_units(layout, group) for group in (contrast.more, contrast.less)]
    candidates = [[_together([images[i] for i in unit]) for unit in side] for side in sides]
    matching = match_groups(
        *candidates,
        match=contrast.match,
        min_pairs=settings.min_images,
        rng=stream(settings.seed, "matching", layout.bank.name, contrast.more, contrast.less),
    )
    chosen = [[sides[0][i] for i in matching.more], [sides[1][i] for i in matching.less]]
    clusters = [np.array([layout.clusters[unit[0]] for unit in side], dtype=np.int64) for side in chosen]
    number = _pair_numbers(*clusters)
    units = []
    for side in chosen:
        unit = np.full(len(layout.labels), -1, dtype=np.int64)
        for pair, members in zip(number, side, strict=True):
            unit[members] = pair
        units.append(unit)
    sample = group_sample(units[0], units[1], matched=True)
    return Groups(
        contrast=contrast,
        sample=sample,
        balance=matching.balance,
        reason=matching.reason,
        unmatched=plain_groups(layout, contrast),
    )


def _units(layout: BankLayout, group: str) -> list[list[int]]:
    """The images of a group, cluster by cluster."""
    members: dict[int, list[int]] = {}
    for position in layout.positions(group):
        members.setdefault(int(layout.clusters[position]), []).append(int(position))
    return list(members.values())


def _together(images: Sequence[BankImage]) -> BankImage:
    """One image in place of several: mean numbers, most frequent categories."""
    if len(images) == 1:
        return images[0]
    covariates: dict[str, str | float] = {}
    for name in dict.fromkeys(key for image in images for key in image.covariates):
        values = [image.covariates[name] for image in images if name in image.covariates]
        covariates[name] = (
            float(np.mean([float(value) for value in values]))
            if is_numeric(images, name)
            else Counter(map(str, values)).most_common(1)[0][0]
        )
    return replace(images[0], covariates=covariates)


def _pair_numbers(more: IntArray, less: IntArray) -> IntArray:
    """[pairs] Number of each pair; pairs that share a cluster, on whichever side, have one number."""
    pairs = np.arange(len(more))
    if not len(pairs):
        return pairs
    # Both sides of the pairs, one after the other: joined where pair or cluster is the same.
    together = joined(np.concatenate([pairs, pairs]), np.concatenate([more, less]))
    return np.unique(together[: len(more)], return_inverse=True)[1].ravel().astype(np.int64)


@dataclass(frozen=True)
class EveryClass:
    """What a bank's images are to every class of the model: computed once, read by every class."""

    log_scaled: FloatArray
    """[classes, images] e."""
    against: AgainstClasses | None
    """Logarithms of probabilities, one class against all others; ``None`` for models of few classes."""
    logarithms: FloatArray
    """[classes, images]."""
    _effects: dict[GroupSample, FloatArray] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, logits: NDArray[np.floating]) -> EveryClass:
        """From logits [images, classes]."""
        logarithms = log_probabilities(logits).T
        many = len(logarithms) >= FEWEST_CLASSES
        return cls(log_scaled(logits).T, AgainstClasses(logarithms) if many else None, logarithms)

    def effects(self, sample: GroupSample) -> FloatArray:
        """[classes, 1] The contrast of every class; worked out when first asked for."""
        if sample not in self._effects:
            self._effects[sample] = sample.errors(self.log_scaled).effect
        return self._effects[sample]

    def logarithm(self, class_index: int) -> FloatArray:
        """[images] Logarithm of the class's probability, less the mean over others where there are many."""
        if self.against is None:
            # Of few classes, what one gains the others lose. Less their mean, it would count twice.
            return np.asarray(self.logarithms[class_index])
        return self.against.of(class_index)


def contrast(
    groups: Groups,
    shown: Shown,
    label: ClassLabel,
    response: Response,
    every: EveryClass,
    *,
    settings: Settings,
    family: int,
) -> Finding:
    """The finding of one contrast for one class.

    Args:
        groups: From :func:`sample_groups`.
        shown: The bank, as the model saw it.
        label: The class.
        response: Of the class.
        every: Of every class of the model.
        settings: Permutations, resamples, level, margin, fewest images, seed.
        family: Contrasts corrected together over the audit.
    """
    sample, about = groups.sample, _about(groups, shown.layout, label, settings)
    units = "independent pairs" if sample.matched else "independent images of a group"
    few = enough(min(sample.units), settings, what=units)
    if not groups.measurable:
        check = few.model_copy(update={"passed": False, "reason": groups.reason or few.reason})
        unseen = probe_checks(groups, settings.alpha)
        return Finding(**about, **numbers(None), family=0, class_share=None, checks=unseen or [check])
    inference = Inference(settings.permutations, settings.bootstrap, settings.alpha, family)
    purpose = ("contrast", shown.layout.bank.name, groups.subject, label.index)
    effect = sample.effect(response.plain, inference=inference, rng=stream(settings.seed, *purpose))
    means = [share(mean) for mean in sample.side_means(response.plain)]
    judged_at: dict[str, Any] = {"level": settings.alpha / family, "margin": settings.contrast_margin}
    seen = ImageByImage(
        response.plain, every.logarithm(label.index), every.against is not None, shown.technical
    )
    found = contrast_checks(groups, seen, effect.effect, settings=settings, family=family)
    return Finding(
        **about,
        **numbers(effect),
        mean=means[0],
        mean_other=means[1],
        family=family,
        class_share=class_shares(every.effects(sample), label.index)[0],
        log_difference=found.logs[0],
        log_difference_low=found.logs[1],
        log_difference_high=found.logs[2],
        checks=[few, *screens(shown.layout.bank), *probe_checks(groups, settings.alpha), *found.checks],
        variants=[
            *variants_of(MOVED, sample.errors(response.moved), **judged_at),
            *found.variants,
            *_not_matched(groups, response, **judged_at),
        ],
    )


@dataclass(frozen=True)
class ImageByImage:
    """What a contrast's checks look at, for every image of a bank."""

    response: FloatArray
    """[images] e of the class."""
    logarithm: FloatArray
    """[images] Of the class's probability, less the mean over other classes where there are many."""
    against: bool
    """Whether other classes are subtracted in ``logarithm``."""
    technical: FloatArray
    """[images, properties] Technical properties of the pictures."""


@dataclass(frozen=True)
class ContrastChecks:
    """Whether a contrast may be claimed, or its absence."""

    logs: tuple[float, float, float]
    """Difference of the logarithm in standard deviations within groups, and its interval."""
    checks: list[Check]
    variants: list[Variant]


def contrast_checks(
    groups: Groups, seen: ImageByImage, effect: float, *, settings: Settings, family: int
) -> ContrastChecks:
    """The checks of one contrast of one class.

    Args:
        groups: Measurable.
        seen: Of the class.
        effect: Difference of e; its sign is what the checks must agree with.
        settings: Level, margin.
        family: Contrasts corrected together.
    """
    logs = _log_difference(groups.sample, seen.logarithm, settings.alpha)
    variants, checks = _quality(groups.sample, seen, effect, settings, family)
    checks = [] if groups.counterfactual else checks
    return ContrastChecks(logs, [*_log_checks(effect, logs, against=seen.against), *checks], variants)


def probe_checks(groups: Groups, alpha: float) -> list[Check]:
    """Whether the model tells the groups apart; nothing where no probe was learned."""
    if groups.apart is None:
        return []
    reason = groups.reason or _apart_words(groups.apart, alpha)
    return [Check(name=APART, passed=groups.apart.p_value <= alpha, forbids="both", reason=reason)]


def _about(groups: Groups, layout: BankLayout, label: ClassLabel, settings: Settings) -> dict[str, Any]:
    sample = groups.sample
    return {
        "kind": "contrast",
        "class_index": label.index,
        "class_name": label.name,
        "bank": layout.bank.name,
        "subject": groups.subject,
        "more": groups.contrast.more,
        "less": groups.contrast.less,
        "matched": sample.matched,
        "alpha": settings.alpha,
        "margin": settings.contrast_margin,
        "n": len(sample.positions[0]),
        "n_other": len(sample.positions[1]),
        "independent": sample.units[0],
        "independent_other": sample.units[1],
    }


def detail(groups: Groups, layout: BankLayout) -> ContrastDetail:
    """How the groups were made comparable."""
    return ContrastDetail(
        bank=layout.bank.name,
        more=groups.contrast.more,
        less=groups.contrast.less,
        balance=[] if groups.counterfactual else list(groups.balance),
        apart=Probe(**vars(groups.apart)) if groups.apart else None,
    )


def _log_difference(sample: GroupSample, values: FloatArray, alpha: float) -> tuple[float, float, float]:
    """Difference in standard deviations within groups, with its interval; the scale counts as known."""
    more, less = sample.positions
    within = (values[more].var(ddof=1) + values[less].var(ddof=1)) / 2.0
    scale = float(np.sqrt(within))
    if scale < 1e-9:
        return 0.0, 0.0, 0.0
    errors = sample.errors(values[None] / scale)
    low, high = errors.interval(alpha)
    return float(errors.effect[0, 0]), float(low[0, 0]), float(high[0, 0])


def _log_checks(effect: float, logs: tuple[float, float, float], *, against: bool) -> list[Check]:
    middle, low, high = logs
    others = "against the model's other classes, " if against else ""
    agrees = low > LOG_MARGIN if effect > 0 else high < -LOG_MARGIN
    seen = f"{middle:+.2f} [{low:+.2f}, {high:+.2f}] standard deviations"
    return [
        Check(
            name="differs from other classes",
            passed=bool(agrees),
            forbids="effect",
            reason=f"{others}the logarithm of the class's probability differs by {seen}, need more than "
            f"{LOG_MARGIN:g} on the same side",
        ),
        Check(
            name="no difference below the scale",
            passed=not (low > LOG_MARGIN or high < -LOG_MARGIN),
            forbids="absence",
            reason=f"however little the class's probability differs, {others}its logarithm differs by "
            f"{seen}, need {LOG_MARGIN:g} or less to call that no difference",
        ),
    ]


def _quality(
    sample: GroupSample, seen: ImageByImage, effect: float, settings: Settings, family: int
) -> tuple[list[Variant], list[Check]]:
    """The contrast with technical differences removed, and whether the groups can be compared at all."""
    rows = sample.unit_values(np.vstack([seen.response[None], seen.technical.T]))
    first = None if sample.matched else sample.first
    return equal_quality(rows, first, effect, settings=settings, family=family)


def equal_quality(
    rows: FloatArray, first: NDArray[np.bool_] | None, effect: float, *, settings: Settings, family: int
) -> tuple[list[Variant], list[Check]]:
    """An effect with technical differences removed, and whether the groups can be compared at all.

    Args:
        rows: [1 + properties, units] The response, then technical properties; of pairs, their differences.
        first: [units] Which are of the first group; ``None``: of pairs.
        effect: Its sign is what must remain.
        settings: Level, margin.
        family: Tests corrected together.
    """
    if rows.shape[1] < len(rows) + 3:
        why = f"{rows.shape[1]} independent units, too few to remove {len(rows) - 1} properties"
        return [], [Check(name=QUALITY, passed=None, forbids="effect", reason=why)]
    found = without_nuisance(rows[:1], rows[1:].T, first=first)
    comparable = Check(
        name="comparable pictures",
        passed=found.explained <= MOST_EXPLAINED,
        forbids="both",
        reason=f"technical properties (light, sharpness, compression, size) alone tell {found.explained:.0%} "
        f"of which group a picture is of, need {MOST_EXPLAINED:.0%} or less",
    )
    if not np.isfinite(found.effects.error).all():
        return [], [comparable]
    low, high = (float(end[0, 0]) for end in found.effects.interval(settings.alpha))
    half = settings.contrast_margin / 2.0
    remains = low > half if effect > 0 else high < -half
    left = float(found.effects.effect[0, 0])
    check = Check(
        name=QUALITY,
        passed=bool(remains),
        forbids="effect",
        reason=f"with technical differences removed {left:+.3f} [{low:+.3f}, {high:+.3f}] is left, need more "
        f"than {half:g} on the same side",
    )
    variants = variants_of(
        [QUALITY], found.effects, level=settings.alpha / family, margin=settings.contrast_margin
    )
    return variants, [comparable, check]


def _not_matched(groups: Groups, response: Response, *, level: float, margin: float) -> list[Variant]:
    """The contrast of all images of both groups: the difference that matching made."""
    if groups.unmatched is None or not groups.unmatched.measurable:
        return []
    errors = groups.unmatched.sample.errors(response.plain[None])
    return variants_of([UNMATCHED], errors, level=level, margin=margin)
