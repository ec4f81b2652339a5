"""Group contrasts of a bank for one class: images labelled one way against images labelled another."""

from __future__ import annotations

import numpy as np

from auditor.afi.responses import Responses
from auditor.records import ContrastResult
from auditor.scoring import NOT_SPECIFIC, BankLayout
from auditor.settings import Settings
from auditor.statistics.contrasts import group_contrasts


def contrast_groups(
    layout: BankLayout,
    responses: Responses,
    *,
    settings: Settings,
    specific: bool | None,
    rng: np.random.Generator,
) -> list[ContrastResult]:
    """Every contrast that the bank declares, within strata of the covariates it names.

    P-values are not yet corrected over the audit.
    """
    bank = layout.bank
    if not bank.contrasts:
        return []
    images = [image for concept in bank.concepts for image in concept.images]
    members = {concept.name: np.flatnonzero(layout.labels == c) for c, concept in enumerate(bank.concepts)}
    values = responses.combined()
    results = []
    for contrast in bank.contrasts:
        strata = None
        if contrast.match:
            # Images beyond the bank (controls, benchmark) belong to no group: any stratum will do.
            strata = np.array(
                ["|".join(str(image.covariates.get(m, "")) for m in contrast.match) for image in images]
                + [""] * (len(layout.labels) - len(images))
            )
        found = group_contrasts(
            values,
            {name: members[name] for name in (contrast.more, contrast.less)},
            strata=strata,
            permutations=settings.permutations,
            bootstrap=settings.bootstrap,
            alpha=settings.alpha,
            margin=settings.margin,
            rng=rng,
            pairs=[(contrast.more, contrast.less)],
        )[0]
        results.append(
            ContrastResult(
                bank=bank.name,
                more=contrast.more,
                less=contrast.less,
                n_more=found.n_more,
                n_less=found.n_less,
                matched=bool(contrast.match),
                strata=found.strata,
                difference=found.effect,
                difference_low=found.low,
                difference_high=found.high,
                p_value=found.p_value,
                p_adjusted=None,
                direction="inconclusive",
                smallest_detectable=found.smallest_detectable,
                reason=NOT_SPECIFIC if specific is False else "",
            )
        )
    return results
