"""Scores: what the model's output says of every class and bank. Corrections over the audit come later."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from auditor.audit.checks import random_concept, randomised_weights
from auditor.audit.concepts import Response, associations
from auditor.audit.forward import Randomised, Shown
from auditor.audit.groups import EveryClass, Groups, contrast, detail, sample_groups, with_probe
from auditor.audit.layout import BankLayout
from auditor.context import AuditContext
from auditor.models.loaded import ClassLabel
from auditor.records import ContrastDetail, Finding, SanityCheck
from auditor.statistics.arrays import FloatArray
from auditor.statistics.effects import deciles_of
from auditor.statistics.probability import TEMPERATURES, Tempered, log_scaled


@dataclass
class ClassScores:
    """The scores of one class."""

    findings: list[Finding] = field(default_factory=list)
    deciles: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """Bank and concept to the deciles of e over the concept's images."""
    contrasts: list[ContrastDetail] = field(default_factory=list)
    checks: list[SanityCheck] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Scores:
    """The scores of all classes."""

    classes: tuple[ClassScores, ...]
    """In the order of the context's."""
    associations: int
    """Concepts tested for each class."""
    contrasts: int
    """Contrasts tested for each class."""
    arrays: dict[str, NDArray[np.generic]]
    """Name to array, for ``arrays.npz``."""
    groups: tuple[tuple[Groups, ...], ...] = ()
    """Of every bank, in the order shown."""

    @property
    def findings(self) -> list[Finding]:
        """Of every class, without corrections and conclusions."""
        return [finding for one in self.classes for finding in one.findings]


@dataclass(frozen=True)
class _Families:
    """Tests corrected together over the audit."""

    associations: int
    contrasts: int


def score(context: AuditContext, shown: Sequence[Shown]) -> Scores:
    """Score every class against every bank, from the model's output alone.

    Args:
        context: The audit.
        shown: The banks, as the model saw them.
    """
    groups = tuple(_groups(one, context) for one in shown)
    tested = sum(len(set(one.layout.findable) & set(one.layout.measurable)) for one in shown)
    contrasted = sum(one.measurable for of_bank in groups for one in of_bank)
    count = len(context.classes)
    families = _Families(max(1, tested * count), max(1, contrasted * count))
    classes = tuple(ClassScores() for _ in context.classes)
    arrays: dict[str, NDArray[np.generic]] = {"temperatures": np.array(TEMPERATURES)}
    for one, of_bank in zip(shown, groups, strict=True):
        bank = _Bank(context, one, of_bank, families)
        arrays |= bank.arrays()
        with context.progress.stage(f"bank {one.layout.bank.name}: statistics", count) as stage:
            for label, into in zip(context.classes, classes, strict=True):
                begun = time.monotonic()
                arrays |= bank.score(label, into)
                into.seconds += time.monotonic() - begun
                stage.advance()
    for into in classes:  # associations before contrasts, over all banks
        into.findings.sort(key=lambda finding: finding.kind)
    return Scores(classes, tested, contrasted, arrays, groups)


def _groups(shown: Shown, context: AuditContext) -> tuple[Groups, ...]:
    """The groups of every contrast of a bank, once the model is known to tell them apart."""
    settings, layout = context.settings, shown.layout
    found = sample_groups(layout, settings=settings)
    return tuple(with_probe(one, shown.forward.last, layout.bank.name, settings) for one in found)


class _Bank:
    """One bank, with what is computed once for all classes."""

    def __init__(
        self, context: AuditContext, shown: Shown, groups: Sequence[Groups], families: _Families
    ) -> None:
        self._context, self._shown, self._groups, self._families = context, shown, groups, families
        layout = shown.layout
        self._tempered = Tempered(shown.logits)
        self._answers = shown.logits.argmax(axis=1)
        self._every = EveryClass.of(shown.logits) if groups else None
        self._effects = self._randomised = np.zeros((shown.logits.shape[1], 0))
        if layout.measurable and layout.findable and shown.randomised:
            self._effects = layout.sample.errors(log_scaled(shown.logits).T).effect
            self._randomised = self._by_shuffled_weights(shown.randomised)

    def score(self, label: ClassLabel, into: ClassScores) -> dict[str, NDArray[np.generic]]:
        """Everything that this bank says of one class; returns what is kept as arrays."""
        settings, layout = self._context.settings, self._shown.layout
        response = Response(self._tempered.log_scaled(label.index), self._answers == label.index)
        checks = []
        if self._effects.size:
            checks = [
                random_concept(layout, response.plain, class_index=label.index, settings=settings),
                randomised_weights(layout, self._effects[label.index], self._randomised[label.index]),
            ]
        into.checks += checks
        into.findings += associations(
            layout,
            label,
            response,
            self._effects,
            settings=settings,
            family=self._families.associations,
            sanity=checks,
        )
        for group in self._groups:
            if self._every is not None:
                into.findings.append(
                    contrast(
                        group,
                        self._shown,
                        label,
                        response,
                        self._every,
                        settings=settings,
                        family=self._families.contrasts,
                    )
                )
                into.contrasts.append(detail(group, layout))
        into.deciles |= {
            (layout.bank.name, name): list(deciles_of(values))
            for name, values in _compared(layout, response.plain).items()
        }
        key = f"class/{label.index}/response/{layout.bank.name}"
        return {key: response.at.astype(np.float32)}

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What is kept of the bank itself, for comparing releases."""
        layout = self._shown.layout
        prefix = f"bank/{layout.bank.name}"
        arrays: dict[str, NDArray[np.generic]] = {
            f"{prefix}/label": layout.labels,
            f"{prefix}/cluster": layout.clusters,
            f"{prefix}/entropy": self._tempered.entropy,
        }
        if layout.sample.counterfactual is not None:
            arrays[f"{prefix}/counterfactual"] = layout.sample.counterfactual
        for one in self._groups:
            key = f"{prefix}/contrast/{one.contrast.more}/{one.contrast.less}"
            arrays |= {f"{key}/more": one.sample.more, f"{key}/less": one.sample.less}
        return arrays

    def _by_shuffled_weights(self, randomised: Randomised) -> FloatArray:
        """[classes, measurable concepts] Scores by a model that has unlearned everything."""
        few = randomised.layout
        columns = [few.measurable.index(name) for name in self._shown.layout.measurable]
        return np.asarray(few.sample.errors(log_scaled(randomised.logits).T).effect[:, columns])


def _compared(layout: BankLayout, response: FloatArray) -> dict[str, FloatArray]:
    """Concept to what its effect is the mean of: e, or its difference from the counterfactual's."""
    values = layout.sample.take(response)
    found = {name: response[layout.positions(name)] for name in layout.names}
    for column, name in enumerate(layout.measurable):
        found[name] = values[layout.sample.columns == column]
    return found
