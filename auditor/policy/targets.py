"""Which measurements of an audit a rule applies to."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.policy.rules import Association, Contrast, class_matches, matches, pair_matches
from auditor.records import Audit, ClassResult, ConceptResult, ContrastResult


def association_targets(audit: Audit, rule: Association) -> Iterator[tuple[ClassResult, ConceptResult]]:
    """What an association rule applies to."""
    for result in audit.classes:
        if class_matches(result, rule.classes):
            for seen in result.concepts:
                if matches(seen.bank, rule.banks) and matches(seen.concept, rule.concepts):
                    yield result, seen


def contrast_targets(audit: Audit, rule: Contrast) -> Iterator[tuple[ClassResult, ContrastResult]]:
    """What a contrast rule applies to."""
    for result in audit.classes:
        if class_matches(result, rule.classes):
            matched = {(c.bank, c.more, c.less) for c in result.contrasts if c.matched}
            for seen in result.contrasts:
                preferred = seen.matched or (seen.bank, seen.more, seen.less) not in matched
                counts = {"any": True, "prefer": preferred, "require": seen.matched}[rule.matched]
                if (
                    counts
                    and matches(seen.bank, rule.banks)
                    and pair_matches(seen.more, seen.less, rule.groups)
                ):
                    yield result, seen


def growth_targets(
    audit: Audit, rule: Association | Contrast
) -> Iterator[tuple[ClassResult, ConceptResult | ContrastResult, str, int]]:
    """What the limit on growth of a rule applies to, with its name and its number of images."""
    if isinstance(rule, Contrast):
        for result, pair in contrast_targets(audit, rule):
            yield result, pair, f"{pair.more}/{pair.less}", min(pair.n_more, pair.n_less)
    else:
        for result, seen in association_targets(audit, rule):
            yield result, seen, seen.concept, min(seen.n, seen.n_benchmark)
