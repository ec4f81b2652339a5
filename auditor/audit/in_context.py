"""Contrasts in context: people pasted into the class's own pictures, and how the model's answer changes.

Both pictures of a pair stand in the same place of the same scene, at the same exposure. Everything else is
equal, so the mean change is what this difference causes in this model, for these scenes and people. A scene
is an image that stands for the class: a photo, or an impression.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from auditor.audit.company import Composite, People, Scenes, people_of, placed, scenes_of
from auditor.audit.concepts import enough, numbers, screens, share, variants_of
from auditor.audit.forward import Shown, forward_pass
from auditor.audit.groups import Groups, equal_quality, probe_checks
from auditor.audit.occluders import ClassOccluder
from auditor.banks.bank import ConceptBank
from auditor.context import AuditContext
from auditor.images.class_images import normalised
from auditor.images.paste import paste
from auditor.models.loaded import ClassLabel
from auditor.progress import Stage
from auditor.randomness import stream
from auditor.records import Check, Finding, Skipped, Variant
from auditor.statistics.arrays import FloatArray
from auditor.statistics.crossed import Crossed
from auditor.statistics.effects import Errors, Inference, class_shares
from auditor.statistics.probability import log_scaled

FEWEST_SCENES = 8
IN_QUESTION = 0.3
"""Mean log-scaled probability of the class that its absence of change needs: where a class is out of the
question, nothing can change its answer."""
SHOWN = 2
"""Pairs of pictures of a class that a report shows."""


@dataclass(frozen=True)
class Pasted:
    """A picture of the class with one of a pair in it, for a report."""

    pixels: NDArray[np.float32]
    """[height, width, channels] in [0, 1]."""
    alt: str
    bank: str
    group: str


@dataclass
class InContext:
    """What pasting showed."""

    findings: list[Finding] = field(default_factory=list)
    arrays: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    pictures: dict[int, list[Pasted]] = field(default_factory=dict)
    """By class index."""
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def tested(self) -> int:
        """Contrasts tested, over all classes."""
        return sum(finding.p_value is not None for finding in self.findings)


def can_paste(banks: Sequence[ConceptBank]) -> bool:
    """Whether any bank has groups whose images can be cut out."""
    return any(bank.contrasts and bank.cutout != "none" for bank in banks)


def in_context(
    context: AuditContext,
    occluders: Sequence[ClassOccluder],
    shown: Sequence[Shown],
    groups: Sequence[Sequence[Groups]],
) -> InContext:
    """Paste the people of every contrast into the pictures of every class, where that was asked for.

    Args:
        context: The audit.
        occluders: Of every class; their images are the scenes.
        shown: The banks.
        groups: Of each bank, its contrasts.

    Raises:
        InputError: An image of a bank cannot be read any more.
    """
    into = InContext()
    if not context.settings.in_context:
        return into
    people = []
    for one, of_bank in zip(shown, groups, strict=True):
        bank = one.layout.bank
        if not of_bank:
            continue
        if bank.cutout == "none":
            into.skipped.append(
                Skipped(
                    what=f"contrasts of bank '{bank.name}' in context", reason="its images are not pasted"
                )
            )
            continue
        people += [
            people_of(bank, of_contrast, context.settings.seed, one.technical) for of_contrast in of_bank
        ]
    measurable = sum(p.groups.measurable for p in people) * sum(o.stage_one is not None for o in occluders)
    for of_class in occluders:
        images = of_class.stage_one.images if of_class.stage_one else None
        scenes = scenes_of(context, of_class.label, images) if images else of_class.record.reason
        for group in people:
            found = Measured(context, group, of_class.label, scenes, max(1, measurable))
            into.findings.append(found.finding())
            into.arrays |= found.arrays()
            into.pictures.setdefault(of_class.label.index, []).extend(found.pictures())
    return into


class Measured:
    """One contrast in the pictures of one class."""

    def __init__(
        self,
        context: AuditContext,
        people: People,
        label: ClassLabel,
        scenes: Scenes | str,
        family: int,
    ) -> None:
        """``scenes``: the class's pictures, or why there are none; ``family``: tests corrected together."""
        self._context, self._people, self._label, self._family = context, people, label, family
        self._scenes = None if isinstance(scenes, str) else scenes
        self._no_scenes = scenes if isinstance(scenes, str) else ""
        self._pixels = self._scenes.pixels if self._scenes else np.zeros((0, 1, 1, 1), np.float32)
        self._placed = placed(context.settings.seed, people, self._scenes) if self._scenes else []
        of_one = self._scenes.clusters if self._scenes else np.zeros(0, dtype=np.int64)
        kept = [(people.pairs[c.pair].unit, int(of_one[c.scene])) for c in self._placed]
        self._units, self._in = (np.array([k[i] for k in kept], dtype=np.int64) for i in (0, 1))
        self._e = None if self._why_not() else self._shown()

    def _why_not(self) -> str:
        groups = self._people.groups
        if not groups.measurable:
            return groups.reason or "too few independent images of a group"
        if not groups.sample.matched:
            return "the groups are not matched, so there are no pairs to exchange"
        if self._scenes is None:
            return f"there are no pictures of the class: {self._no_scenes}"
        if len(np.unique(self._in)) < 2 or len(np.unique(self._units)) < 2:
            return f"{len(self._placed)} places beside the object's centre, need 2 scenes and 2 pairs"
        return ""

    def _shown(self) -> tuple[FloatArray, FloatArray]:
        """[classes, composites] e with either of a pair."""
        context, name = self._context, self._people.groups.subject
        with context.progress.stage(f"{self._label.name} with {name}", 2 * len(self._placed)) as stage:
            logits = [
                forward_pass(context.model, self._batches(side, stage), ()).logits
                for side in ("more", "less")
            ]
        more, less = (np.asarray(log_scaled(one).T, dtype=np.float64) for one in logits)
        return more, less

    def _batches(self, side: str, stage: Stage) -> Iterator[Tensor]:
        size = self._context.settings.batch_size
        for start in range(0, len(self._placed), size):
            made = np.stack([self._picture(c, side) for c in self._placed[start : start + size]])
            yield normalised(self._context.model, (made * 255).round().astype(np.uint8))
            stage.advance(len(made))

    def _picture(self, composite: Composite, side: str) -> NDArray[np.float32]:
        pair, scene = self._people.pairs[composite.pair], self._pixels[composite.scene]
        cutout = pair.more if side == "more" else pair.less
        return paste(scene, cutout, composite.spot, composite.factor)

    def every_class(self) -> Errors:
        """[classes, 1] The change of every class of the model, by a formula; there must be some."""
        change = self._e[0] - self._e[1] if self._e else np.zeros((0, len(self._in)))
        return Crossed(self._units, self._in).errors(change)

    def finding(self) -> Finding:
        """Without correction and conclusion."""
        settings, label, groups = self._context.settings, self._label, self._people.groups
        about: dict[str, Any] = {
            "kind": "in context",
            "class_index": label.index,
            "class_name": label.name,
            "bank": self._people.bank.name,
            "subject": groups.subject,
            "more": groups.contrast.more,
            "less": groups.contrast.less,
            "matched": True,
            "alpha": settings.alpha,
            "margin": settings.contrast_margin,
            "n": len(self._placed),
            "n_other": len(self._placed),
            "independent": len(np.unique(self._units)),
            "independent_other": len(np.unique(self._in)),
        }
        if self._e is None:
            unmeasured = Check(
                name="pictures to paste into", passed=False, forbids="both", reason=self._why_not()
            )
            return Finding(**about, **numbers(None), family=0, class_share=None, checks=[unmeasured])
        more, less = (e[label.index] for e in self._e)
        crossed = Crossed(self._units, self._in)
        inference = Inference(settings.permutations, settings.bootstrap, settings.alpha, self._family)
        purpose = ("in context", self._people.bank.name, groups.subject, label.index)
        effect = crossed.effect(more - less, inference=inference, rng=stream(settings.seed, *purpose))
        quality = self._quality(more - less, effect.effect)
        return Finding(
            **about,
            **numbers(effect),
            mean=share(float(crossed.means(more))),
            mean_other=share(float(crossed.means(less))),
            family=self._family,
            class_share=class_shares(crossed.means(self._e[0] - self._e[1])[:, None], label.index)[0],
            checks=[*self._checks(float(crossed.means((more + less) / 2))), *quality[1]],
            variants=[*self._by_size(more - less), *quality[0]],
        )

    def _checks(self, middle: float) -> list[Check]:
        settings = self._context.settings
        scenes = len(np.unique(self._in))
        return [
            enough(len(np.unique(self._units)), settings, what="independent pairs"),
            Check(
                name="enough pictures of the class",
                passed=scenes >= FEWEST_SCENES,
                forbids="both",
                reason=f"{scenes} independent pictures of the class, need {FEWEST_SCENES}",
            ),
            *screens(self._people.bank),
            *probe_checks(self._people.groups, settings.alpha),
            Check(
                name="the class is in question",
                passed=middle >= IN_QUESTION,
                forbids="absence",
                reason=f"with people pasted in, the class's mean log-scaled probability is {middle:.2f}, "
                f"need {IN_QUESTION:g} or more to call that no difference",
            ),
        ]

    def _quality(self, differences: FloatArray, effect: float) -> tuple[list[Variant], list[Check]]:
        """Whether the change stands once technical differences between the pasted photos are removed."""
        technical = self._people.technical
        if not len(technical):
            return [], []
        units, place = np.unique(self._units, return_inverse=True)
        means = np.bincount(place.ravel(), weights=differences) / np.bincount(place.ravel())
        rows = np.vstack([means[None], technical[:, units]])
        return equal_quality(rows, None, effect, settings=self._context.settings, family=self._family)

    def _by_size(self, differences: FloatArray) -> list[Variant]:
        """The effect of larger and of smaller people."""
        sizes = np.array([c.spot.size for c in self._placed])
        found = []
        for size in self._people.framing.sizes:
            own = sizes == size
            if min(len(np.unique(self._units[own])), len(np.unique(self._in[own]))) < 2:
                continue
            errors = Crossed(self._units[own], self._in[own]).errors(differences[None, own])
            name = f"people at {size:.0%} of the picture's height"
            settings = self._context.settings
            found += variants_of(
                [name], errors, level=settings.alpha / self._family, margin=settings.contrast_margin
            )
        return found

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Every response, with what it is of: the finding can be worked out again from these."""
        if self._e is None:
            return {}
        groups, label = self._people.groups, self._label
        key = f"class/{label.index}/in-context/{self._people.bank.name}/{groups.subject}"
        return {
            f"{key}/more": self._e[0][label.index].astype(np.float32),
            f"{key}/less": self._e[1][label.index].astype(np.float32),
            f"{key}/unit": self._units,
            f"{key}/scene": self._in,
            f"{key}/size": np.array([c.spot.size for c in self._placed], dtype=np.float32),
        }

    def pictures(self) -> list[Pasted]:
        """Some pairs, where the bank's images may be shown."""
        if self._e is None or self._scenes is None or not self._people.bank.report_images:
            return []
        what = "impression" if self._scenes.made else "photo"
        contrast, found = self._people.groups.contrast, []
        for composite in self._placed[:SHOWN]:
            for side, group in (("more", contrast.more), ("less", contrast.less)):
                alt = f"A class {what} of {self._label.name} with an image labelled {group} pasted in."
                found.append(Pasted(self._picture(composite, side), alt, self._people.bank.name, group))
        return found
