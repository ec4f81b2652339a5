"""Ours: auditor's own score and contrast, by the functions and with the settings that an audit uses.

The score depends on what the bank offers for comparison: twins (the very same pictures without the
concept), control images (other pictures of the same kind), or nothing but its other concepts. The p-value
is that of "no more than the margin either way"; the sharper null "no difference at all" is rejected for
any two sets of pictures that differ in trifles, see docs/decisions/0004-estimator-log.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.afi.responses import evidence, log_probabilities
from auditor.settings import Settings
from auditor.statistics.contrasts import ContrastEffect, group_contrasts
from auditor.statistics.effects import ConceptEffect, concept_effects
from benchmarks.planted.banks import CONTROL, TWIN
from benchmarks.planted.estimators.interface import Estimate
from benchmarks.planted.subject import Subject

MARGIN: float = Settings.model_fields["margin"].default
CONTRAST_MARGIN: float = Settings.model_fields["contrast_margin"].default
_PERMUTATIONS = 199
_RESAMPLES = 999
_ALPHA = 0.05


def against_twins(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """Paired: a picture with the concept and the same picture without."""
    values, labels = evidence(subject.probed.logits)[:, class_index], subject.bank.labels
    shown = (labels >= 0) & (labels < TWIN)
    # Twins lie in the order of the images that they are twins of.
    differences = values[shown] - values[labels >= TWIN]
    return _score(differences, labels[shown], subject, rng, against_zero=True)


def against_control(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """Unpaired: concept images and control images."""
    labels = subject.bank.labels
    used = (labels >= CONTROL) & (labels < TWIN)
    return _score(evidence(subject.probed.logits)[used, class_index], labels[used], subject, rng)


def against_others(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """Concept images and those of the bank's other concepts."""
    labels = subject.bank.labels
    used = (labels >= 0) & (labels < TWIN)
    return _score(evidence(subject.probed.logits)[used, class_index], labels[used], subject, rng)


def contrast(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """The bank's first group of images against its second, unmatched, one number."""
    every, labels = log_probabilities(subject.probed.logits).T, subject.bank.labels
    found = group_contrasts(
        every[class_index],  # a handful of classes: auditor does not set them against each other
        {name: np.flatnonzero(labels == k) for k, name in enumerate(subject.bank.names)},
        strata=None,
        permutations=_PERMUTATIONS,
        bootstrap=_RESAMPLES,
        alpha=_ALPHA,
        margin=CONTRAST_MARGIN,
        rng=rng,
    )
    return _estimate(found[:1])


def _score(
    values: NDArray[np.float64],
    labels: NDArray[np.int64],
    subject: Subject,
    rng: np.random.Generator,
    *,
    against_zero: bool = False,
) -> Estimate:
    found = concept_effects(
        values,
        labels,
        concepts=subject.bank.names,
        permutations=_PERMUTATIONS,
        bootstrap=_RESAMPLES,
        alpha=_ALPHA,
        margin=MARGIN,
        standardised=False,
        against_zero=against_zero,
        rng=rng,
    )
    return _estimate(found)


def _estimate(found: list[ConceptEffect] | list[ContrastEffect]) -> Estimate:
    columns = [[e.effect, e.low, e.high, e.p_beyond] for e in found]
    return Estimate(*np.array(columns).T)
