"""What an audit concludes of one contrast for many classes: the audit's own functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditor.audit.concepts import Response
from auditor.audit.forward import Shown
from auditor.audit.groups import EveryClass, Groups, contrast
from auditor.findings import conclude_all
from auditor.models.loaded import ClassLabel
from auditor.records import Finding
from auditor.settings import Settings
from auditor.statistics.probability import Tempered


def conclude_classes(
    groups: Groups, shown: Shown, labels: Sequence[ClassLabel], *, settings: Settings, together: bool
) -> list[Finding]:
    """One concluded finding for each class.

    Args:
        groups: Of the contrast.
        shown: The photos as the model saw them.
        labels: Classes; those that cannot be claimed are left out, if they are not audited together.
        settings: Of the audit.
        together: One audit of all classes, instead of an audit of each class alone.
    """
    every, tempered = EveryClass.of(shown.logits), Tempered(shown.logits)
    answers = shown.logits.argmax(axis=1)
    family = len(labels) if together else 1
    if not together and groups.measurable:
        # The whole interval must lie beyond the margin, so the effect itself must.
        effects = every.effects(groups.sample)[:, 0]
        labels = [label for label in labels if abs(effects[label.index]) > settings.contrast_margin]
    findings = [
        contrast(
            groups,
            shown,
            label,
            Response(tempered.log_scaled(label.index), np.asarray(answers == label.index)),
            every,
            settings=settings,
            family=family,
        )
        for label in labels
    ]
    return conclude_all(findings) if together else [conclude_all([finding])[0] for finding in findings]
