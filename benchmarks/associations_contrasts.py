"""Undisputed group contrasts: right signs, how many are claimed, wrong claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditor.audit.concepts import Response
from auditor.audit.groups import EveryClass, contrast, sample_groups
from auditor.errors import InputError
from auditor.findings import conclude_all
from auditor.models.loaded import ClassLabel
from auditor.records import Finding
from auditor.settings import Settings
from auditor.statistics.probability import Tempered
from benchmarks.associations_measure import Measured
from benchmarks.associations_pairs import Expectation


@dataclass(frozen=True)
class Contrasted:
    """One expectation and what was found."""

    expectation: Expectation
    finding: Finding
    sign: int
    """1 where the finding's groups stand in the order expected, else -1."""

    @property
    def effect(self) -> float:
        """Positive as expected."""
        return self.sign * (self.finding.effect or 0.0)


def measure_expectations(
    expectations: Sequence[Expectation],
    labels: Sequence[ClassLabel],
    measured: Measured,
    *,
    settings: Settings,
) -> list[Contrasted]:
    """Every expectation of one bank, matched as the bank declares, audited together.

    Raises:
        InputError: the bank declares no contrast of these groups, or has too few matched images.
    """
    groups = sample_groups(measured.layout, settings=settings)
    logits = measured.shown.logits
    tempered, every, answers = Tempered(logits), EveryClass.of(logits), logits.argmax(axis=1)
    findings, signs = [], []
    for expectation, label in zip(expectations, labels, strict=True):
        wanted = {expectation.more, expectation.less}
        fitting = [g for g in groups if {g.contrast.more, g.contrast.less} == wanted]
        if not fitting:
            raise InputError(
                f"{expectation.where}: bank '{expectation.bank}' declares no contrast of these groups"
            )
        response = Response(tempered.log_scaled(label.index), np.asarray(answers == label.index))
        found = contrast(
            fitting[0], measured.shown, label, response, every, settings=settings, family=len(expectations)
        )
        if found.effect is None:
            raise InputError(f"{expectation.where}: {fitting[0].reason}")
        findings.append(found)
        signs.append(1 if found.more == expectation.more else -1)
    concluded = conclude_all(findings)
    return [Contrasted(e, f, s) for e, f, s in zip(expectations, concluded, signs, strict=True)]


def contrast_table(found: Sequence[Contrasted]) -> str:
    """Markdown: every contrast, then the three shares that the benchmark is about."""
    lines = [
        "| class | expected | difference (adjusted interval) | pairs | Holm p | class share | conclusion |",
        "|---|---|---|---|---|---|---|",
    ]
    for c in found:
        e, f = c.expectation, c.finding
        low, high = sorted((c.sign * (f.adjusted_low or 0.0), c.sign * (f.adjusted_high or 0.0)))
        share = "" if f.class_share is None else f"{f.class_share:.1%}"
        lines.append(
            f"| {e.class_name} | {e.more} > {e.less} | {c.effect:+.3f} ({low:+.3f} to {high:+.3f}) "
            f"| {f.independent} | {f.p_adjusted or 1:.4f} | {share} | {f.conclusion} |"
        )
    right = sum(c.effect > 0 for c in found)
    claimed = sum(c.effect > 0 and c.finding.claimed for c in found)
    wrong = sum(c.effect < 0 and c.finding.claimed for c in found)
    n = len(found)
    lines.append(
        f"\nRight signs {right}/{n} ({right / n:.2f}), claimed {claimed}/{n} ({claimed / n:.2f}), "
        f"wrong claims {wrong}."
    )
    return "\n".join(lines)
