"""Ours: the evidence that concept images give for the class, against matched images without the concept.

For an image with probability p of the class among K classes the evidence is ln(1 + K p), in nats: 0
where the model gives the class no chance, ln(p / chance) where p is well above chance. The effect of a
concept is the mean evidence of its images minus the mean evidence of what they are compared with:

- ``twins``: the very same pictures without the concept, where a bank draws its images itself; paired;
- ``control``: other pictures of the same kind without the concept; unpaired;
- ``median``: the median over the bank's concepts, where there is nothing else. It is the right zero as
  far as most concepts have nothing to do with the class; their mean moves with every one that has.

The p-value's null is "no more than MARGIN either way". The sharper null "no difference at all" is
rejected for any two sets of pictures that differ in trifles, see docs/decisions/0004-estimator-log.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from auditor.afi.responses import output_response
from auditor.statistics.effects import concept_effects
from benchmarks.planted.banks import CONTROL, TWIN
from benchmarks.planted.estimators.interface import Estimate, FloatArray
from benchmarks.planted.subject import Subject
from benchmarks.planted.truth import log_odds, softmax

_RESAMPLES = 400
MARGIN = 0.2
"""Largest irrelevant effect in nats; chosen on the development worlds."""


def evidence(logits: NDArray[np.floating]) -> FloatArray:
    """ln(1 + K p) of every class, [n, classes], from logits [n, classes]."""
    result: FloatArray = np.log1p(logits.shape[1] * softmax(np.asarray(logits, dtype=np.float64)))
    return result


def against_twins(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """Paired: a picture with the concept minus the same picture without."""
    values, labels = evidence(subject.probed.logits)[:, class_index], subject.bank.labels
    pairs = [values[labels == k] - values[labels == TWIN + k] for k in range(len(subject.bank.names))]
    means = np.array([pair.mean() for pair in pairs])
    errors = np.array([pair.std(ddof=1) / np.sqrt(len(pair)) for pair in pairs])
    return infer(means, errors, np.array([len(pair) - 1.0 for pair in pairs]), margin=MARGIN)


def against_control(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """Unpaired: concept images minus control images (Welch)."""
    return _unpaired(evidence(subject.probed.logits)[:, class_index], subject, margin=MARGIN)


def against_median(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """Concept images minus the median concept; the error by resampling images of every concept."""
    values, labels = evidence(subject.probed.logits)[:, class_index], subject.bank.labels
    groups = [values[labels == k] for k in range(len(subject.bank.names))]
    resampled = np.stack(
        [rng.choice(group, (_RESAMPLES, len(group))).mean(axis=1) for group in groups], axis=1
    )
    errors = (resampled - np.median(resampled, axis=1, keepdims=True)).std(axis=0, ddof=1)
    means = np.array([group.mean() for group in groups])
    df = np.array([len(group) - 1.0 for group in groups])
    return infer(means - np.median(means), errors, df, margin=MARGIN)


def log_odds_against_control(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """The same with log-odds for evidence, and no margin: what the margin and the floor are worth."""
    values = log_odds(np.asarray(subject.probed.logits, dtype=np.float64))[:, class_index]
    return _unpaired(values, subject, margin=0.0)


def against_others(
    subject: Subject, class_index: int, rng: np.random.Generator, *, margin: float = 0.5
) -> Estimate:
    """The auditor's score as `auditor run` computes it: against the bank's other concepts and control.

    The default margin is that of the settings.
    """
    labels = subject.bank.labels
    own = (labels >= CONTROL) & (labels < TWIN)
    found = concept_effects(
        output_response(subject.probed.logits, class_index)[:, own],
        labels[own],
        concepts=subject.bank.names,
        permutations=199,
        bootstrap=400,
        alpha=0.05,
        margin=margin,
        rng=rng,
    )
    return Estimate(
        np.array([e.effect for e in found]),
        np.array([e.low for e in found]),
        np.array([e.high for e in found]),
        np.array([e.p_beyond for e in found]),
    )


def infer(effects: FloatArray, errors: FloatArray, df: FloatArray, *, margin: float) -> Estimate:
    """Student intervals, and p-values of "within the margin" at its edge, where noise does most."""
    errors = np.maximum(errors, 1e-12)
    half = stats.t.ppf(0.975, df) * errors
    size = np.abs(effects)
    p = stats.t.sf((size - margin) / errors, df) + stats.t.sf((size + margin) / errors, df)
    return Estimate(effects, effects - half, effects + half, np.minimum(p, 1.0))


def _unpaired(values: FloatArray, subject: Subject, *, margin: float) -> Estimate:
    labels = subject.bank.labels
    groups = [values[labels == k] for k in range(len(subject.bank.names))]
    return welch(groups, [values[labels == CONTROL]] * len(groups), margin=margin)


def welch(first: list[FloatArray], second: list[FloatArray], *, margin: float) -> Estimate:
    """Differences of means of independent samples, each with its own variance."""
    means, errors, dfs = [], [], []
    for a, b in zip(first, second, strict=True):
        va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
        means.append(a.mean() - b.mean())
        errors.append(np.sqrt(va + vb))
        dfs.append((va + vb) ** 2 / max(va**2 / (len(a) - 1) + vb**2 / (len(b) - 1), 1e-300))
    return infer(np.array(means), np.array(errors), np.array(dfs), margin=margin)
