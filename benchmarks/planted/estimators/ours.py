"""Ours: auditor's own score and contrast, by the functions and with the settings that an audit uses.

The score depends on what the bank offers for comparison: counterfactual pairs (the very same pictures
without the concept), reference images (other pictures of the same kind), or nothing but its other
concepts. The p-value is that of "no more than the margin either way"; the sharper null "no difference at
all" is rejected for any two sets of pictures that differ in trifles, see
docs/decisions/0004-estimator-log.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from auditor.settings import Settings
from auditor.statistics.effects import Effect, Inference, mean_effects
from auditor.statistics.probability import log_scaled
from benchmarks.planted.banks import COUNTERFACTUAL, REFERENCE
from benchmarks.planted.estimators.interface import Estimate
from benchmarks.planted.subject import Subject

MARGIN: float = Settings.model_fields["margin"].default
CONTRAST_MARGIN: float = Settings.model_fields["contrast_margin"].default
_INFERENCE = Inference(permutations=199, bootstrap=999, alpha=0.05)


def against_counterfactuals(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """Paired: a picture with the concept and the same picture without."""
    values, labels = log_scaled(subject.seen.logits)[:, class_index], subject.bank.labels
    shown = (labels >= 0) & (labels < COUNTERFACTUAL)
    # Counterfactuals lie in the order of the images that they are counterfactuals of.
    differences = values[shown] - values[labels >= COUNTERFACTUAL]
    return _score(differences, labels[shown], subject, rng, against_zero=True)


def against_references(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """Unpaired: concept images and reference images."""
    labels = subject.bank.labels
    used = (labels >= REFERENCE) & (labels < COUNTERFACTUAL)
    return _score(log_scaled(subject.seen.logits)[used, class_index], labels[used], subject, rng)


def against_others(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """Concept images and those of the bank's other concepts."""
    labels = subject.bank.labels
    used = (labels >= 0) & (labels < COUNTERFACTUAL)
    return _score(log_scaled(subject.seen.logits)[used, class_index], labels[used], subject, rng)


def contrast(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """The bank's first group of images against its second, unmatched, one number."""
    values, labels = log_scaled(subject.seen.logits)[:, class_index], subject.bank.labels
    used = (labels == 0) | (labels == 1)
    found = mean_effects(values[used], labels[used], concepts=2, inference=_INFERENCE, rng=rng)
    return _estimate(found[:1], margin=CONTRAST_MARGIN)


def _score(
    values: NDArray[np.float64],
    labels: NDArray[np.int64],
    subject: Subject,
    rng: np.random.Generator,
    *,
    against_zero: bool = False,
) -> Estimate:
    found = mean_effects(
        values,
        labels,
        concepts=len(subject.bank.names),
        inference=_INFERENCE,
        rng=rng,
        against_zero=against_zero,
    )
    return _estimate(found, margin=MARGIN)


def _estimate(found: list[Effect], *, margin: float) -> Estimate:
    columns = [[e.effect, e.low, e.high, _p_beyond(e, margin)] for e in found]
    return Estimate(*np.array(columns).T)


def _p_beyond(effect: Effect, margin: float) -> float:
    """Minimum-effect test: how often noise alone carries an effect on the margin this far out."""
    if effect.standard_error == 0.0:
        return 1.0 if abs(effect.effect) <= margin else 1e-12
    near = (abs(effect.effect) - margin) / effect.standard_error
    far = (abs(effect.effect) + margin) / effect.standard_error
    df = effect.units - 1
    return float(np.clip(stats.t.sf(near, df) + stats.t.sf(far, df), 1e-12, 1.0))
