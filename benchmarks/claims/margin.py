"""Does the level hold at the margin? Simulated concepts whose true effect is just not relevant."""

from __future__ import annotations

import numpy as np

from auditor.findings import conclude_all
from auditor.records import Finding
from auditor.statistics.effects import Inference, mean_effects

CONCEPTS, MARGIN, TRUTH, ALPHA = 12, 0.1, 0.099, 0.05


def audits_that_claim(images: int, *, repetitions: int, seed: int) -> tuple[float, float]:
    """Share of audits that claim at least one of twelve irrelevant concepts, before and after.

    Before: the corrected p-value and the interval of each concept alone. After: the adjusted interval.

    Args:
        images: Of every concept, and of the reference images.
        repetitions: Simulated audits.
        seed: Of the simulation.
    """
    rng = np.random.default_rng(seed)
    before = after = 0
    labels = np.repeat(np.arange(CONCEPTS), images)
    labels = np.concatenate([labels, np.full(images * 4, -1)])
    for _ in range(repetitions):
        # Like e of a class that some images raise: skewed, with a spread as measured on drawn textures.
        base = rng.gamma(1.2, 0.08, len(labels))
        values = base + TRUTH * (labels >= 0)
        effects = mean_effects(
            values, labels, concepts=CONCEPTS, inference=Inference(999, 999, ALPHA, CONCEPTS), rng=rng
        )
        findings = conclude_all(
            [
                Finding(
                    kind="association", class_index=0, class_name="", bank="", subject=str(c), n=e.n,
                    n_other=e.n_other, independent=e.units, independent_other=e.units_other, effect=e.effect,
                    low=e.low, high=e.high, adjusted_low=e.adjusted_low, adjusted_high=e.adjusted_high,
                    p_value=e.p_value, p_adjusted=None, q_value=None, family=CONCEPTS, alpha=ALPHA,
                    margin=MARGIN, minimum_detectable=None, class_share=None, conclusion="not measured",
                    reason="",
                )
                for c, e in enumerate(effects)
            ]
        )  # fmt: skip
        before += any((f.low or 0) > MARGIN and (f.p_adjusted or 1) < ALPHA for f in findings)
        after += any(f.claimed for f in findings)
    return before / repetitions, after / repetitions
