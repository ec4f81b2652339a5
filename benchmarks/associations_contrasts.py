"""Group contrasts that nobody disputes: right signs, how many are significant, confident errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.contrasting import contrast_groups, pair_images
from auditor.errors import InputError
from auditor.records import ContrastResult
from auditor.settings import Settings
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
    pairs: int
    """Images of each group."""
    class_share: float | None
    """Share of the model's classes that differ as much."""


def measure_expectations(
    expectations: Sequence[Expectation],
    indices: Sequence[int],
    measured: Measured,
    *,
    settings: Settings,
) -> list[Contrasted]:
    """Every expectation of one bank, matched as the bank declares, by the audit's own functions.

    Raises:
        InputError: the bank declares no contrast of these groups, or has too few matched images.
    """
    layout = measured.layout
    pairs = pair_images(layout, min_pairs=settings.min_images, seed=settings.seed)
    found = []
    for expectation, index in zip(expectations, indices, strict=True):
        results, _ = contrast_groups(
            layout,
            pairs,
            measured.probe.logits,
            index,
            settings=settings,
            specific=None,
            rng=np.random.default_rng([settings.seed, index]),
        )
        found.append(_one(expectation, results))
    adjusted = holm([c.p_value for c in found])
    return [replace(c, p_adjusted=float(p)) for c, p in zip(found, adjusted, strict=True)]


def _one(expectation: Expectation, results: Sequence[ContrastResult]) -> Contrasted:
    """The expectation's contrast, matched where the bank can, turned round where it is declared so."""
    groups = {expectation.more, expectation.less}
    fitting = [r for r in results if {r.more, r.less} == groups]
    if not fitting:
        raise InputError(
            f"{expectation.where}: bank '{expectation.bank}' declares no contrast of these groups"
        )
    chosen = next((r for r in fitting if r.matched), fitting[0])
    ends = (chosen.difference, chosen.difference_low, chosen.difference_high)
    if chosen.p_value is None or None in ends:
        raise InputError(f"{expectation.where}: {chosen.reason}")
    sign = 1.0 if chosen.more == expectation.more else -1.0
    low, high = sorted(sign * (end or 0.0) for end in ends[1:])
    return Contrasted(
        expectation,
        sign * (chosen.difference or 0.0),
        low,
        high,
        chosen.p_value,
        chosen.p_value,
        chosen.n_more,
        chosen.class_share,
    )


def contrast_table(found: Sequence[Contrasted]) -> str:
    """Markdown: every contrast, then the three shares that the benchmark is about."""
    lines = [
        "| class | expected | difference (95% interval) | pairs | Holm p | classes that differ as much |",
        "|---|---|---|---|---|---|",
    ]
    for c in found:
        e = c.expectation
        lines.append(
            f"| {e.class_name} | {e.more} > {e.less} | {c.difference:+.2f} ({c.low:+.2f} to {c.high:+.2f}) "
            f"| {c.pairs} | {c.p_adjusted:.4f} | {'' if c.class_share is None else f'{c.class_share:.0%}'} |"
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
