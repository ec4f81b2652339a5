"""One class of an audit as the templates need it: rows, captions and figures, already in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import (
    BankRecord,
    ClassImages,
    ClassResult,
    Finding,
    LayerRecord,
    OccluderRecord,
    Skipped,
)
from auditor.report.view.checks import CheckRow, check_row, checks_summary
from auditor.report.view.concepts import BankSection, bank_sections
from auditor.report.view.contrasts import ContrastTable, contrast_tables
from auditor.report.view.layers import LayerRow, layer_table, specific_sentence
from auditor.report.view.parts import Fact, Shot, ShotGroup
from auditor.report.view.pictures import averages, evidence, overlays, shots_of, withheld_sentence
from auditor.report.view.summary import ClassSummary, Title, class_summary
from auditor.report.words import Word, capital, clean, count, listing, number, percent, quoted

MAX_IMAGES = 8
MAX_OCCLUDED = 4


@dataclass(frozen=True)
class OcclusionFigure:
    """What the occluder does, as numbers for the chart."""

    before: float
    after: float
    bars: tuple[tuple[str, float], ...]
    """Label and share of predictions changed."""


@dataclass(frozen=True)
class ClassView:
    """One class, ready to be laid out."""

    position: int
    """In the audit, from 0."""
    anchor: str
    name: str
    identity: str
    summary: ClassSummary
    from_impressions: bool
    explained: bool
    """Whether layers, detectors and the paper's score are shown."""
    explanation: str
    """What they rest on, or why they are not shown."""
    explanation_word: str
    """The same in a table: whether it was measured, and the reason."""
    images_word: str
    """Their number and kind."""
    images_sentence: str
    images: tuple[Shot, ...]
    occluder_sentence: str
    occluder_facts: tuple[Fact, ...]
    occluder: tuple[Shot, ...]
    occluded: tuple[Shot, ...]
    occlusion: OcclusionFigure | None
    banks: tuple[BankSection, ...]
    contrasts: tuple[ContrastTable, ...]
    evidence: tuple[ShotGroup, ...]
    """The images behind claims: most and least response, and images compared with."""
    overlays: tuple[ShotGroup, ...]
    averages: tuple[ShotGroup, ...]
    """One group for each bank whose images may not be shown."""
    withheld: str
    """Whose images may not be shown."""
    layers: tuple[LayerRow, ...]
    checks: tuple[CheckRow, ...]
    checks_summary: Word
    specific: str
    skipped: tuple[Skipped, ...]


def class_view(
    position: int,
    result: ClassResult,
    findings: Sequence[Finding],
    *,
    layers: Sequence[LayerRecord],
    banks: Sequence[BankRecord],
    title: Title,
) -> ClassView:
    """Turn one class's findings and details into rows, sentences and captions."""
    anchor = f"class-{position + 1}"
    sections = bank_sections(result, findings, banks, anchor)
    occluder = result.occluder
    explained = result.explanation.measured and occluder is not None
    return ClassView(
        position=position,
        anchor=anchor,
        name=clean(result.name),
        identity=" · ".join(part for part in (f"index {result.index}", clean(result.synset)) if part),
        summary=class_summary(findings, title),
        from_impressions=result.images is not None and result.images.source == "impressions",
        explained=explained,
        explanation=_explanation(result),
        explanation_word=_explanation_word(result),
        images_word=_images_word(result.images),
        images_sentence=_images_sentence(result),
        images=shots_of(result, ("photo", "impression"), MAX_IMAGES),
        occluder_sentence=_occluder_sentence(occluder, result.name) if occluder else "",
        occluder_facts=_occluder_facts(occluder) if occluder else (),
        occluder=shots_of(result, ("occluder",), 1),
        occluded=shots_of(result, ("occluded",), MAX_OCCLUDED),
        occlusion=_occlusion(occluder) if explained and occluder else None,
        banks=sections,
        contrasts=contrast_tables(result, findings, banks, anchor, title),
        evidence=evidence(result, findings, banks, title),
        overlays=overlays(result, findings, banks, title) if explained else (),
        averages=averages(result, banks, title),
        withheld=withheld_sentence(banks),
        layers=layer_table(result, layers, sections) if explained else (),
        checks=tuple(check_row(c) for c in result.sanity_checks),
        checks_summary=checks_summary(result.sanity_checks),
        specific=specific_sentence(result.specific) if explained else "",
        skipped=skipped_rows(result.skipped),
    )


def skipped_rows(skipped: Sequence[Skipped]) -> tuple[Skipped, ...]:
    """What was skipped and why, fit to be shown."""
    return tuple(Skipped(what=clean(s.what), reason=clean(s.reason)) for s in skipped)


def _explanation(result: ClassResult) -> str:
    reason = f"{capital(clean(result.explanation.reason))}." if result.explanation.reason else ""
    if result.explanation.measured:
        return reason
    parts = (
        "Importance, layers, detector pictures and the paper's score: not measured.",
        reason,
        "Scores and contrasts are computed from the model's output and do not rest on them.",
    )
    return " ".join(part for part in parts if part)


def _explanation_word(result: ClassResult) -> str:
    word = "measured" if result.explanation.measured else "not measured"
    return f"{word}: {clean(result.explanation.reason)}" if result.explanation.reason else word


def _images_word(images: ClassImages | None) -> str:
    if images is None:
        return "none"
    return f"{images.used} {'impressions' if images.source == 'impressions' else 'photos'}"


def source_words(source: str) -> str:
    """Where a class's images came from, in words."""
    if source == "impressions":
        return "impressions made from the model"
    if source == "folder":
        return "photos from a folder"
    if source == "unlabelled":
        return "photos without labels, chosen by the model's own answers"
    return f"photos from {clean(source)}"


def _images_sentence(result: ClassResult) -> str:
    images = result.images
    if images is None:
        return "There are no images of the class."
    made = images.source == "impressions"
    verb = "made from the model itself" if made else f"offered ({source_words(images.source)})"
    parts = [f"{count(images.found, 'impression' if made else 'image')} {verb}, {images.used} used"]
    reasons = []
    if images.dropped_misclassified:
        reasons.append(
            f"{images.dropped_misclassified} that the model does not classify as {quoted(result.name)}"
        )
    if images.dropped_unreadable:
        reasons.append(f"{images.dropped_unreadable} unreadable")
    if reasons:
        parts.append(f"dropped: {listing(reasons)}")
    split = f"The occluder was learned on {images.learned} and measured on {images.heldout} others."
    return f"{'; '.join(parts)}. {split}"


def _occluder_sentence(o: OccluderRecord, name: str) -> str:
    held = o.success_heldout is not None
    success = o.success_heldout if held else o.success_learned
    where = "held-out images" if held else "the images it was learned on"
    before, after = percent(o.probability_before), percent(o.probability_after)
    sentence = (
        f"Subtracting one fixed perturbation changes the prediction on {percent(success)} of {where}; "
        f"the mean probability of {quoted(name)} goes from {before} to {after}."
    )
    if o.success_random is not None:
        sentence += f" A random perturbation of the same size changes {percent(o.success_random)}."
    return sentence


def _occluder_facts(o: OccluderRecord) -> tuple[Fact, ...]:
    return (
        Fact("Mean size", f"{number(o.l1, digits=3)} ({percent(o.l1_share)} of the input's range)"),
        Fact("Steps", f"{o.iterations:,}"),
        Fact("Images evaluated", f"{o.evaluations:,}"),
        Fact("Weight of size (λ)", f"{o.lambda_:g}"),
        Fact("Occluders learned", f"{o.refits}, each on other images" if o.refits > 1 else str(o.refits)),
    )


def _occlusion(o: OccluderRecord) -> OcclusionFigure:
    bars = (
        ("held-out images", o.success_heldout),
        ("images learned on", o.success_learned),
        ("the same, transformed", o.success_transformed),
        ("random noise (check)", o.success_random),
    )
    return OcclusionFigure(
        before=o.probability_before,
        after=o.probability_after,
        bars=tuple((label, value) for label, value in bars if value is not None),
    )
