"""One class of an audit as the templates need it: rows, captions and figures, already in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import (
    BankRecord,
    ClassResult,
    ConceptResult,
    ContrastResult,
    Control,
    LayerRecord,
    Picture,
    Skipped,
)
from auditor.report.findings import Title, Verdict, failed_controls, verdict
from auditor.report.words import (
    CONTRASTS,
    CONTROLS,
    DASH,
    DIRECTIONS,
    Word,
    clean,
    count,
    interval,
    listing,
    number,
    p_text,
    percent,
    quoted,
    unit_share,
)

MAX_CHART_CONCEPTS = 24
"""Rows of a chart; more cannot be read. The table has them all."""
MAX_IMAGES = 8
MAX_OCCLUDED = 4
MAX_OVERLAY_CONCEPTS = 6
MAX_OVERLAYS = 4
MAX_PER_LAYER = 3
MAX_PROFILE_CONCEPTS = 5
FEWEST_AVERAGED = 30
"""An average of fewer images might show one of them."""
_WELL_BALANCED = 0.1


@dataclass(frozen=True)
class Fact:
    """A label and its value."""

    label: str
    value: str
    code: bool = False
    """Whether the value is for machines: a hash, a path."""


@dataclass(frozen=True)
class Shot:
    """A picture with its caption."""

    path: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class ShotGroup:
    """Pictures that belong together."""

    title: str
    note: str
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Row:
    """A concept: the cells of the table, and the numbers that the charts draw."""

    anchor: str
    title: str
    definition: str
    n: str
    direction: Word
    score: str
    interval: str
    p: str
    p_adjusted: str
    smallest: str
    classes_as_far: str
    paper: str
    reason: str
    score_value: float | None
    low: float | None
    high: float | None
    paper_value: float | None
    paper_sd: float | None
    responses: tuple[float, ...]
    effects: tuple[tuple[str, float], ...]
    """Layer and effect."""


@dataclass(frozen=True)
class BankSection:
    """The concepts of one bank, in order of score."""

    key: str
    title: str
    rows: tuple[Row, ...]
    charted: tuple[Row, ...]
    note: str
    reasons: tuple[tuple[str, str], ...]
    """Why concepts are inconclusive: the reason, and the concepts it holds for."""


@dataclass(frozen=True)
class BalanceRow:
    """How one covariate differs between the groups."""

    covariate: str
    before: str
    after: str
    verdict: str


@dataclass(frozen=True)
class ContrastRow:
    """One contrast: cells, and what the chart draws."""

    anchor: str
    label: str
    matched: bool
    how: str
    n: str
    direction: Word
    difference: str
    interval: str
    p: str
    p_adjusted: str
    smallest: str
    classes_as_far: str
    reason: str
    value: float | None
    low: float | None
    high: float | None
    balance: tuple[BalanceRow, ...]


@dataclass(frozen=True)
class LayerRow:
    """One layer: cells, pictures, and what the chart draws."""

    name: str
    shape: str
    weight: str
    reliability: str
    similarity: str
    channels: str
    weight_value: float
    reliability_value: float | None
    similarity_value: float | None
    shots: tuple[Shot, ...]
    effects: tuple[tuple[str, str], ...]
    """Title and effect of the concepts that are strongest here."""


@dataclass(frozen=True)
class ControlRow:
    """One control."""

    name: str
    expectation: str
    observed: str
    threshold: str
    outcome: Word
    note: str


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

    anchor: str
    name: str
    identity: str
    verdict: Verdict
    from_impressions: bool
    images_sentence: str
    images: tuple[Shot, ...]
    occluder_sentence: str
    occluder_facts: tuple[Fact, ...]
    occluder: tuple[Shot, ...]
    occluded: tuple[Shot, ...]
    occlusion: OcclusionFigure
    banks: tuple[BankSection, ...]
    contrasts: tuple[ContrastRow, ...]
    both_matchings: bool
    """Whether matched and unmatched contrasts both exist, so that a reader may choose."""
    overlays: tuple[ShotGroup, ...]
    averages: tuple[ShotGroup, ...]
    """One group for each bank whose images may not be shown."""
    withheld: str
    layers: tuple[LayerRow, ...]
    controls: tuple[ControlRow, ...]
    controls_summary: Word
    specific: str
    skipped: tuple[Skipped, ...]
    image_digest: str


def class_view(
    position: int,
    result: ClassResult,
    *,
    layers: Sequence[LayerRecord],
    banks: Sequence[BankRecord],
    title: Title,
    failed: Sequence[str] = (),
) -> ClassView:
    """Turn one class's numbers into rows, sentences and captions.

    ``failed`` names controls of the whole audit that failed: then nothing is claimed here either.
    """
    anchor = f"class-{position + 1}"
    identity = " · ".join(part for part in (f"index {result.index}", clean(result.synset)) if part)
    sections = _bank_sections(result, banks, anchor)
    contrasts = tuple(
        _contrast_row(c, item_anchor(anchor, "contrast", i), title) for i, c in enumerate(result.contrasts)
    )
    overlays, withheld = _overlays(result, banks, title)
    return ClassView(
        anchor=anchor,
        name=clean(result.name),
        identity=identity,
        verdict=verdict(result, title, failed=failed),
        from_impressions=result.images.source == "impressions",
        images_sentence=_images_sentence(result),
        images=_shots(result, ("photo", "impression"), MAX_IMAGES),
        occluder_sentence=_occluder_sentence(result),
        occluder_facts=_occluder_facts(result),
        occluder=_shots(result, ("occluder",), 1),
        occluded=_shots(result, ("occluded",), MAX_OCCLUDED),
        occlusion=_occlusion(result),
        banks=sections,
        contrasts=contrasts,
        both_matchings=len({c.matched for c in contrasts}) == 2,
        overlays=overlays,
        averages=_averages(result, banks, title),
        withheld=withheld,
        layers=_layer_rows(result, layers, sections),
        controls=tuple(control_row(c) for c in result.controls),
        controls_summary=controls_summary(result.controls),
        specific=_specific(result.specific),
        skipped=tuple(Skipped(what=clean(s.what), reason=clean(s.reason)) for s in result.skipped),
        image_digest=result.images.digest,
    )


def item_anchor(class_anchor: str, kind: str, position: int) -> str:
    """Where the row of a concept or contrast is found, by its position in the class's list."""
    return f"{class_anchor}-{kind}-{position + 1}"


def control_row(control: Control) -> ControlRow:
    """A control's cells."""
    unit = f" {clean(control.unit)}" if control.unit else ""
    return ControlRow(
        name=clean(control.name),
        expectation=clean(control.expectation),
        observed=_plain(control.observed) + (unit if control.observed is not None else ""),
        threshold=_plain(control.threshold),
        outcome=CONTROLS[control.passed],
        note=clean(control.note),
    )


def _plain(value: float | None) -> str:
    """A count without decimals, anything else as a score."""
    return f"{value:.0f}" if value is not None and value == round(value) else number(value)


def controls_summary(controls: Sequence[Control]) -> Word:
    """``3 of 4 passed, 1 not run``, with the sign of the worst outcome."""
    if not controls:
        return Word("none run", DASH, "open")
    passed, failed = (sum(c.passed is outcome for c in controls) for outcome in (True, False))
    missing = len(controls) - passed - failed
    parts = [f"{passed} of {len(controls)} passed"]
    if failed:
        parts.append(f"{failed} failed")
    if missing:
        parts.append(f"{missing} not run")
    worst = CONTROLS[False] if failed else CONTROLS[True] if passed else CONTROLS[None]
    return Word(", ".join(parts), worst.symbol, worst.tone)


def source_words(source: str) -> str:
    """Where a class's images came from, in words."""
    if source == "impressions":
        return "impressions made from the model"
    if source == "folder":
        return "photos from a folder"
    return f"photos from {clean(source)}"


def _images_sentence(result: ClassResult) -> str:
    images = result.images
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


def _occluder_sentence(result: ClassResult) -> str:
    o = result.occluder
    name = quoted(result.name)
    where = (
        "images it was not learned on" if o.success_heldout is not None else "the images it was learned on"
    )
    success = o.success_heldout if o.success_heldout is not None else o.success_learned
    before, after = percent(o.probability_before), percent(o.probability_after)
    sentence = (
        f"Subtracting one fixed perturbation changes the prediction on {percent(success)} of {where}; "
        f"the mean probability of {name} goes from {before} to {after}."
    )
    if o.success_random is not None:
        sentence += f" A random perturbation of the same size changes {percent(o.success_random)}."
    if not o.converged:
        sentence += (
            " It did not hide the class on every image it was learned on, so the detector may be incomplete."
        )
    return sentence


def _occluder_facts(result: ClassResult) -> tuple[Fact, ...]:
    o = result.occluder
    return (
        Fact("Mean size", f"{number(o.l1, digits=3)} ({percent(o.l1_share)} of the input's range)"),
        Fact("Steps", f"{o.iterations:,}"),
        Fact("Images evaluated", f"{o.evaluations:,}"),
        Fact("Weight of size (λ)", f"{o.lambda_:g}"),
        Fact("All constraints held", "yes" if o.converged else "no"),
        Fact("Occluders learned", f"{o.refits}, each on other images" if o.refits > 1 else str(o.refits)),
    )


def _occlusion(result: ClassResult) -> OcclusionFigure:
    o = result.occluder
    bars = (
        ("held-out images", o.success_heldout),
        ("images learned on", o.success_learned),
        ("the same, transformed", o.success_transformed),
        ("random noise (control)", o.success_random),
    )
    return OcclusionFigure(
        before=o.probability_before,
        after=o.probability_after,
        bars=tuple((label, value) for label, value in bars if value is not None),
    )


def _shots(
    result: ClassResult, kinds: tuple[str, ...], most: int, *, layer: str | None = None
) -> tuple[Shot, ...]:
    chosen = [p for p in result.pictures if p.kind in kinds and (layer is None or p.layer == layer)]
    return tuple(_shot(p) for p in chosen[:most])


def _shot(picture: Picture) -> Shot:
    caption = percent(picture.probability) if picture.probability is not None else ""
    return Shot(path=picture.path, alt=clean(picture.alt), caption=caption)


def _bank_sections(result: ClassResult, banks: Sequence[BankRecord], anchor: str) -> tuple[BankSection, ...]:
    names = list(dict.fromkeys(c.bank for c in result.concepts))
    sections = []
    for i, name in enumerate(names):
        bank = next((b for b in banks if b.name == name), None)
        rows = [
            _row(c, bank, item_anchor(anchor, "concept", j))
            for j, c in enumerate(result.concepts)
            if c.bank == name
        ]
        rows.sort(key=_order)
        # The largest in size, so that what inhibits is not cut off at the end.
        largest = sorted(rows, key=lambda row: (row.score_value is None, -abs(row.score_value or 0.0)))
        chosen = {row.anchor for row in largest[:MAX_CHART_CONCEPTS]}
        charted = tuple(row for row in rows if row.anchor in chosen)
        zero = bank.compared_with if bank else ""
        note = f"Concepts are compared with {clean(zero)}." if zero else ""
        if len(rows) > len(charted):
            note += (
                f" The charts show the {len(charted)} of {len(rows)} concepts with the largest scores, up or "
                "down; the table has all."
            )
        sections.append(
            BankSection(
                key=f"{anchor}-bank-{i + 1}",
                title=clean(bank.title if bank else name),
                rows=tuple(rows),
                charted=charted,
                note=note.strip(),
                reasons=_reasons(rows),
            )
        )
    return tuple(sections)


def _reasons(rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            by_reason.setdefault(row.reason, []).append(row.title)
    return tuple((reason[0].upper() + reason[1:], listing(names)) for reason, names in by_reason.items())


def _order(row: Row) -> tuple[bool, float, float, str]:
    """By score, largest first; without a score by the paper's; by name last."""
    return (row.score_value is None, -(row.score_value or 0.0), -(row.paper_value or 0.0), row.title)


def _row(concept: ConceptResult, bank: BankRecord | None, anchor: str) -> Row:
    known = next((c for c in bank.concepts if c.name == concept.concept), None) if bank else None
    paper = unit_share(concept.paper_score)
    if concept.paper_score is not None and concept.paper_score_sd is not None:
        paper += f" ± {unit_share(min(1.0, concept.paper_score_sd))}"
    return Row(
        anchor=anchor,
        title=clean((known.title if known else "") or concept.concept),
        definition=clean(known.definition if known else ""),
        n=f"{concept.n:,}",
        direction=DIRECTIONS[concept.direction],
        score=number(concept.score),
        interval=interval(concept.score_low, concept.score_high),
        p=p_text(concept.p_value),
        p_adjusted=p_text(concept.p_adjusted),
        smallest=number(concept.smallest_detectable),
        classes_as_far=percent(concept.class_share),
        paper=paper,
        reason=clean(concept.reason),
        score_value=concept.score,
        low=concept.score_low,
        high=concept.score_high,
        paper_value=concept.paper_score,
        paper_sd=concept.paper_score_sd,
        responses=tuple(concept.responses),
        effects=tuple((clean(e.layer), e.effect) for e in concept.layers),
    )


def _contrast_row(contrast: ContrastResult, anchor: str, title: Title) -> ContrastRow:
    how = "not matched"
    if contrast.matched:
        covariates = listing([clean(b.covariate) for b in contrast.balance])
        how = f"matched on {covariates}" if covariates else "matched"
        if contrast.strata:
            how += f" ({count(contrast.strata, 'stratum', 'strata')})"
    more, less = (clean(title(contrast.bank, group)) for group in (contrast.more, contrast.less))
    return ContrastRow(
        anchor=anchor,
        label=f"{more} against {less}",
        matched=contrast.matched,
        how=how,
        n=f"{contrast.n_more:,} / {contrast.n_less:,}",
        direction=CONTRASTS[contrast.direction],
        difference=number(contrast.difference),
        interval=interval(contrast.difference_low, contrast.difference_high),
        p=p_text(contrast.p_value),
        p_adjusted=p_text(contrast.p_adjusted),
        smallest=number(contrast.smallest_detectable),
        classes_as_far=percent(contrast.class_share),
        reason=clean(contrast.reason),
        value=contrast.difference,
        low=contrast.difference_low,
        high=contrast.difference_high,
        balance=tuple(
            BalanceRow(
                covariate=clean(b.covariate),
                before=number(b.smd_before),
                after=number(b.smd_after),
                verdict=_balance_verdict(b.smd_after if contrast.matched else b.smd_before),
            )
            for b in contrast.balance
        ),
    )


def _balance_verdict(smd: float | None) -> str:
    if smd is None:
        return "not measured"
    return "balanced" if abs(smd) < _WELL_BALANCED else "differs"


def _overlays(
    result: ClassResult, banks: Sequence[BankRecord], title: Title
) -> tuple[tuple[ShotGroup, ...], str]:
    allowed = {b.name: b.report_images for b in banks}
    pictures = [p for p in result.pictures if p.kind == "overlay"]
    # A bank that this audit does not list gave no permission either.
    shown = [p for p in pictures if allowed.get(p.bank, False)]
    strength = {(c.bank, c.concept): abs(c.score or 0.0) for c in result.concepts}
    keys = sorted({(p.bank, p.concept) for p in shown}, key=lambda k: (-strength.get(k, 0.0), k))
    groups = []
    for bank, concept in keys[:MAX_OVERLAY_CONCEPTS]:
        chosen = [p for p in shown if (p.bank, p.concept) == (bank, concept)][:MAX_OVERLAYS]
        layers = list(dict.fromkeys(clean(p.layer) for p in chosen if p.layer))
        match = next((c for c in result.concepts if (c.bank, c.concept) == (bank, concept)), None)
        notes = [f"score {number(match.score)}"] if match and match.score is not None else []
        notes += [f"layer {', '.join(layers)}"] if layers else []
        groups.append(
            ShotGroup(clean(title(bank, concept)), " · ".join(notes), tuple(_shot(p) for p in chosen))
        )
    silent = [clean(b.title) for b in banks if not b.report_images]
    whose = "its" if len(silent) == 1 else "their"
    withheld = (
        f"The terms of {listing([f'“{t}”' for t in silent])} do not allow {whose} images to be shown."
        if silent
        else ""
    )
    return tuple(groups), withheld


def _averages(result: ClassResult, banks: Sequence[BankRecord], title: Title) -> tuple[ShotGroup, ...]:
    groups = []
    for bank in banks:
        # Of fewer images than the report's own minimum nothing is shown, whatever the file says.
        shots = tuple(
            Shot(p.path, clean(p.alt), f"{clean(title(p.bank, p.concept))}, {p.n:,} images")
            for p in result.pictures
            if p.kind == "average" and p.bank == bank.name and (p.n or 0) >= FEWEST_AVERAGED
        )
        if shots:
            groups.append(ShotGroup(clean(bank.title), "the mean of each group's images, blurred", shots))
    return tuple(groups)


def _layer_rows(
    result: ClassResult, layers: Sequence[LayerRecord], sections: Sequence[BankSection]
) -> tuple[LayerRow, ...]:
    shapes = {layer.name: layer for layer in layers}
    rows = []
    for entry in result.layers:
        known = shapes.get(entry.layer)
        name = clean(entry.layer)
        effects = [
            (row.title, effect)
            for section in sections
            for row in section.rows
            for at, effect in row.effects
            if at == name
        ]
        effects.sort(key=lambda pair: -abs(pair[1]))
        rows.append(
            LayerRow(
                name=name,
                shape=f"{known.channels} × {known.height} × {known.width}" if known else DASH,
                weight=percent(entry.weight),
                reliability=number(entry.reliability),
                similarity=number(entry.similarity),
                channels=", ".join(str(c) for c in entry.top_channels) or DASH,
                weight_value=entry.weight,
                reliability_value=entry.reliability,
                similarity_value=entry.similarity,
                shots=_shots(result, ("detector",), MAX_PER_LAYER, layer=entry.layer),
                effects=tuple(
                    (concept, number(effect)) for concept, effect in effects[:MAX_PROFILE_CONCEPTS]
                ),
            )
        )
    return tuple(rows)


def _specific(specific: bool | None) -> str:
    if specific is None:
        return "Whether the detector speaks about this class rather than about any was not measured."
    if specific:
        return "The detector speaks about this class: it differs from the detectors of the reference classes."
    return "The detector does not speak about this class alone: detectors of other classes look the same."


def untrusted(result: ClassResult) -> bool:
    """Whether a control of the class failed."""
    return bool(failed_controls(result))
