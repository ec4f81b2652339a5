"""Associations: the score of every concept, an effect on the log-scaled class probability e.

Arrays in, findings out; no torch. Corrections over the whole audit and conclusions come afterwards
(:mod:`auditor.findings`), because they need every p-value of the family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.audit.layout import BankLayout
from auditor.banks.bank import ConceptBank
from auditor.findings import ENOUGH, SCREENING, conclude_variant
from auditor.models.loaded import ClassLabel
from auditor.randomness import stream
from auditor.records import Check, Finding, SanityCheck, Variant
from auditor.settings import Settings
from auditor.statistics.arrays import FloatArray
from auditor.statistics.effects import Effect, Errors, Inference, class_shares
from auditor.statistics.probability import AS_IT_IS, SHARPER, SOFTER, TEMPERATURES
from auditor.statistics.units import independent_units

WITHOUT_TAKEN = "without images taken for the class"
FEWEST_LEFT = 8
"""Independent images below which there is no score without the images taken for the class."""


@dataclass(frozen=True)
class Response:
    """The log-scaled probability e of one class for every image of a bank."""

    at: FloatArray
    """[temperatures, images] At every temperature of :data:`TEMPERATURES`."""
    taken: NDArray[np.bool_]
    """[images] Whether the class is the model's answer."""

    @property
    def plain(self) -> FloatArray:
        """[images] As the model is."""
        return np.asarray(self.at[AS_IT_IS])

    @property
    def moved(self) -> FloatArray:
        """[2, images] At temperatures 2/3 and 3/2."""
        return self.at[[SHARPER, SOFTER]]


MOVED = tuple(f"temperature {TEMPERATURES[place]:.2f}" for place in (SHARPER, SOFTER))
"""Names of the variants made from :attr:`Response.moved`."""


def associations(
    layout: BankLayout,
    label: ClassLabel,
    response: Response,
    every_class: FloatArray,
    *,
    settings: Settings,
    family: int,
    sanity: list[SanityCheck],
) -> list[Finding]:
    """One finding for every concept of a bank that is no group.

    Args:
        layout: Labels and clusters of the bank's images.
        label: The class.
        response: Of the class.
        every_class: [classes, measurable concepts] The score of every class of the model.
        settings: Permutations, resamples, level, margin, fewest images, seed.
        family: Associations corrected together over the audit.
        sanity: The class's sanity checks; those about its associations with this bank count.
    """
    missing = [_unmeasured(layout, label, name, settings) for name in layout.findable]
    tested = [name for name in layout.measurable if name in layout.findable]
    if not tested:
        return missing
    effects = layout.sample.effects(
        response.plain,
        inference=Inference(settings.permutations, settings.bootstrap, settings.alpha, family),
        rng=stream(settings.seed, "association", layout.bank.name, label.index),
    )
    by_name = dict(zip(layout.measurable, effects, strict=True))
    shares = dict(zip(layout.measurable, class_shares(every_class, label.index), strict=True))
    variants = _variants(layout, response, margin=settings.margin, level=settings.alpha / family)
    order = sorted(tested, key=lambda name: -by_name[name].effect)
    found = {}
    for name in tested:
        own = layout.positions(name)
        units = independent_units(layout.labels[own], layout.clusters[own])
        effect, mean = by_name[name], float(units.means(response.plain[own]).mean())
        found[name] = Finding(
            **_about(layout, label, name, settings),
            **numbers(effect),
            n=effect.n,
            n_other=effect.n_other,
            independent=effect.units,
            independent_other=effect.units_other,
            mean=share(mean),
            mean_other=share(mean - effect.effect),
            family=family,
            rank=order.index(name) + 1,
            class_share=shares[name],
            taken_for_class=int(response.taken[own].sum()),
            checks=[
                enough(effect.units, settings),
                *screens(layout.bank),
                *_relevant(sanity, layout.bank.name),
            ],
            variants=variants[name],
        )
    return [found.get(finding.subject, finding) for finding in missing]


def _about(layout: BankLayout, label: ClassLabel, name: str, settings: Settings) -> dict[str, Any]:
    return {
        "kind": "association",
        "class_index": label.index,
        "class_name": label.name,
        "bank": layout.bank.name,
        "subject": name,
        "alpha": settings.alpha,
        "margin": settings.margin,
    }


def _unmeasured(layout: BankLayout, label: ClassLabel, name: str, settings: Settings) -> Finding:
    reason = layout.sample.unmeasurable.get(layout.names.index(name), "")
    return Finding(
        **_about(layout, label, name, settings),
        **numbers(None),
        n=len(layout.positions(name)),
        n_other=0,
        independent=layout.independent(name),
        independent_other=0,
        family=0,
        class_share=None,
        checks=[Check(name=ENOUGH, passed=False, forbids="both", reason=reason)],
    )


def numbers(effect: Effect | None) -> dict[str, Any]:
    """A finding's fields that come from its effect; corrections and conclusion come later."""
    names = ("effect", "low", "high", "adjusted_low", "adjusted_high", "p_value", "minimum_detectable")
    measured = {name: None if effect is None else getattr(effect, name) for name in names}
    later = {"p_adjusted": None, "q_value": None, "conclusion": "not measured", "reason": ""}
    return measured | later


def enough(units: int, settings: Settings, *, what: str = "independent images") -> Check:
    """Whether there are enough images that do not belong together."""
    return Check(
        name=ENOUGH,
        passed=units >= settings.min_images,
        forbids="both",
        reason=f"{units} {what}, need {settings.min_images}",
    )


def screens(bank: ConceptBank) -> list[Check]:
    """The check that a bank fails which only screens; none for other banks."""
    reason = "the bank only screens: look with photos"
    return [Check(name=SCREENING, passed=False, forbids="verdict", reason=reason)] if bank.screening else []


def variants_of(
    names: Sequence[str], errors: Errors, *, level: float, margin: float, column: int = 0
) -> list[Variant]:
    """The finding measured in other ways, each with what its numbers alone would say.

    Args:
        names: [rows] Of the ways.
        errors: [rows, concepts] Effects and standard errors.
        level: 1 minus the coverage of the intervals.
        margin: Effects within it do not matter.
        column: Of the concept; a contrast has one.
    """
    ends = (errors.effect, *errors.interval(level))
    found = []
    for row, name in enumerate(names):
        effect, low, high = (float(values[row, column]) for values in ends)
        conclusion = conclude_variant(effect, low, high, margin=margin)
        found.append(Variant(name=name, effect=effect, low=low, high=high, conclusion=conclusion))
    return found


def _variants(
    layout: BankLayout, response: Response, *, margin: float, level: float
) -> dict[str, list[Variant]]:
    """Concept to variants: at other temperatures, and without images that are taken for the class."""
    tempered = layout.sample.errors(response.moved)
    return {
        name: [
            *variants_of(MOVED, tempered, level=level, margin=margin, column=column),
            *_without_taken(layout, response, name, margin=margin, level=level),
        ]
        for column, name in enumerate(layout.measurable)
    }


def _without_taken(
    layout: BankLayout, response: Response, name: str, *, margin: float, level: float
) -> list[Variant]:
    own = layout.labels == layout.names.index(name)
    taken = own & response.taken
    left = np.unique(layout.clusters[own & ~taken])
    if not taken.any() or len(left) < FEWEST_LEFT:
        return []
    errors = layout.sample.errors(response.plain[None], without=taken)
    column = layout.measurable.index(name)
    return variants_of([WITHOUT_TAKEN], errors, level=level, margin=margin, column=column)


_OUTCOME = {True: "passed", False: "failed", None: "could not be run"}


def _relevant(sanity: list[SanityCheck], bank: str) -> list[Check]:
    return [
        Check(
            name=check.name,
            passed=check.passed,
            forbids="both",
            reason=f"the sanity check '{check.name}' {_OUTCOME[check.passed]} for bank '{bank}'",
        )
        for check in sanity
        if check.concerns == "associations" and check.bank == bank
    ]


def share(value: float) -> float:
    """A mean of e, without what rounding adds beyond 0 and 1."""
    return float(min(max(value, 0.0), 1.0))
