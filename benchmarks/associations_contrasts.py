"""Group contrasts that nobody disputes: right signs, how many are significant, confident errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditor.afi.responses import log_probabilities
from auditor.statistics.classwise import against_classes
from auditor.statistics.contrasts import contrast_direction, group_contrasts
from auditor.statistics.multiplicity import holm
from benchmarks.associations_measure import Measured
from benchmarks.associations_pairs import Expectation

ALPHA = 0.05


@dataclass(frozen=True)
class Contrasted:
    """One expectation and what was found."""

    expectation: Expectation
    difference: float
    """``more`` minus ``less``, in standard deviations within groups; positive as expected."""
    low: float
    high: float
    p_value: float
    p_adjusted: float
    direction: str


def measure_expectations(
    expectations: Sequence[Expectation],
    indices: Sequence[int],
    measured: Measured,
    *,
    permutations: int,
    bootstrap: int,
    margin: float,
    rng: np.random.Generator,
) -> list[Contrasted]:
    """Every expectation of one bank, within strata of the covariates that its images carry."""
    layout = measured.layout
    images = [image for concept in layout.bank.concepts for image in concept.images]
    keys = sorted(
        {key for image in images for key, value in image.covariates.items() if isinstance(value, str)}
    )
    strata = np.array(["|".join(str(image.covariates.get(k, "")) for k in keys) for image in images])
    every = log_probabilities(measured.probe.logits).T[:, : len(images)]
    found = []
    for expectation, index in zip(expectations, indices, strict=True):
        groups = {
            name: np.flatnonzero(layout.labels == layout.names.index(name))
            for name in (expectation.more, expectation.less)
        }
        effect = group_contrasts(
            against_classes(every[index], np.delete(every, index, axis=0)),
            groups,
            strata=strata if keys else None,
            permutations=permutations,
            bootstrap=bootstrap,
            alpha=ALPHA,
            margin=margin,
            rng=rng,
        )[0]
        found.append((expectation, effect))
    adjusted = holm([effect.p_value for _, effect in found])
    return [
        Contrasted(
            e,
            effect.effect,
            effect.low,
            effect.high,
            effect.p_value,
            float(p),
            contrast_direction(effect.low, effect.high, float(p), alpha=ALPHA, margin=margin),
        )
        for (e, effect), p in zip(found, adjusted, strict=True)
    ]


def contrast_table(found: Sequence[Contrasted]) -> str:
    """Markdown: every contrast, then the three shares that the benchmark is about."""
    lines = ["| class | expected | difference (95% interval) | Holm p | finding |", "|---|---|---|---|---|"]
    for c in found:
        e = c.expectation
        lines.append(
            f"| {e.class_name} | {e.more} > {e.less} | {c.difference:+.2f} ({c.low:+.2f} to {c.high:+.2f}) "
            f"| {c.p_adjusted:.4f} | {c.direction} |"
        )
    right = sum(c.difference > 0 for c in found)
    significant = sum(c.difference > 0 and c.p_adjusted < ALPHA for c in found)
    wrong = sum(c.difference < 0 and c.p_adjusted < ALPHA for c in found)
    n = len(found)
    lines.append(
        f"\nRight signs {right}/{n} ({right / n:.2f}), significant {significant}/{n} "
        f"({significant / n:.2f}), confident sign errors {wrong}."
    )
    return "\n".join(lines)
