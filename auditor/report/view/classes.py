"""One class of an audit as the templates need it: rows, captions and figures, already in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import (
    BankRecord,
    ClassResult,
    ConceptDetail,
    ContrastDetail,
    Finding,
    LayerRecord,
    OccluderRecord,
    Picture,
    SanityCheck,
    Skipped,
)
from auditor.report.view.summary import ClassSummary, Title, class_summary, moves
from auditor.report.words import (
    CHECKS,
    DASH,
    Word,
    capital,
    clean,
    count,
    digits_of,
    effect_text,
    interval_text,
    listing,
    number,
    p_text,
    percent,
    quoted,
    said,
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
    n: str
    word: Word
    effect: str
    interval: str
    p_adjusted: str
    detectable: str
    share: str
    taken: str
    paper: str
    reason: str
    moves: str
    """How the effect moves; empty where nothing is claimed."""
    value: float | None
    low: float | None
    """Ends of the 95% interval ..."""
    high: float | None
    wide_low: float | None
    """... and of the one adjusted for all tests."""
    wide_high: float | None
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
    how: str
    n: str
    word: Word
    means: str
    """Mean e in either group."""
    effect: str
    interval: str
    p_adjusted: str
    logarithm: str
    detectable: str
    share: str
    reason: str
    moves: str
    value: float | None
    low: float | None
    high: float | None
    wide_low: float | None
    wide_high: float | None
    balance: tuple[BalanceRow, ...]


@dataclass(frozen=True)
class LayerRow:
    """One layer: cells, pictures, and what the chart draws."""

    name: str
    shape: str
    reliability: str
    similarity: str
    channels: str
    reliability_value: float | None
    similarity_value: float | None
    shots: tuple[Shot, ...]
    effects: tuple[tuple[str, str], ...]
    """Title and effect of the concepts that are strongest here."""


@dataclass(frozen=True)
class CheckRow:
    """One sanity check."""

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
    summary: ClassSummary
    from_impressions: bool
    explained: bool
    """Whether layers, detectors and the paper's score are shown."""
    explanation: str
    """What they rest on, or why they are not shown."""
    images_sentence: str
    images: tuple[Shot, ...]
    occluder_sentence: str
    occluder_facts: tuple[Fact, ...]
    occluder: tuple[Shot, ...]
    occluded: tuple[Shot, ...]
    occlusion: OcclusionFigure | None
    banks: tuple[BankSection, ...]
    contrasts: tuple[ContrastRow, ...]
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
    image_digest: str


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
    identity = " · ".join(part for part in (f"index {result.index}", clean(result.synset)) if part)
    sections = _bank_sections(result, findings, banks, anchor)
    explained = result.explanation.measured and result.occluder is not None
    overlays, withheld = _overlays(result, findings, banks, title)
    return ClassView(
        anchor=anchor,
        name=clean(result.name),
        identity=identity,
        summary=class_summary(findings, title),
        from_impressions=result.images is not None and result.images.source == "impressions",
        explained=explained,
        explanation=_explanation(result),
        images_sentence=_images_sentence(result),
        images=_shots(result, ("photo", "impression"), MAX_IMAGES),
        occluder_sentence=_occluder_sentence(result.occluder, result.name) if result.occluder else "",
        occluder_facts=_occluder_facts(result.occluder) if result.occluder else (),
        occluder=_shots(result, ("occluder",), 1),
        occluded=_shots(result, ("occluded",), MAX_OCCLUDED),
        occlusion=_occlusion(result.occluder) if explained and result.occluder else None,
        banks=sections,
        contrasts=_contrast_rows(result, findings, anchor, title),
        overlays=overlays if explained else (),
        averages=_averages(result, banks, title),
        withheld=withheld,
        layers=_layer_rows(result, layers, sections) if explained else (),
        checks=tuple(check_row(c) for c in result.sanity_checks),
        checks_summary=checks_summary(result.sanity_checks),
        specific=_specific(result.specific) if explained else "",
        skipped=tuple(Skipped(what=clean(s.what), reason=clean(s.reason)) for s in result.skipped),
        image_digest=result.images.digest if result.images else "",
    )


def _explanation(result: ClassResult) -> str:
    reason = clean(result.explanation.reason)
    if result.explanation.measured:
        return f"{capital(reason)}." if reason else ""
    why = f" {capital(reason)}." if reason else ""
    return (
        f"Layers, detector pictures and the paper's score: not measured.{why} "
        "Scores and contrasts are read off the model's output and do not rest on them."
    )


def item_anchor(class_anchor: str, kind: str, position: int) -> str:
    """Where the row of a concept or contrast is found, by its position in the class's list."""
    return f"{class_anchor}-{kind}-{position + 1}"


def check_row(check: SanityCheck) -> CheckRow:
    """A sanity check's cells."""
    unit = f" {clean(check.unit)}" if check.unit else ""
    name = clean(check.name) + (f", {clean(check.bank)}" if check.bank else "")
    return CheckRow(
        name=name,
        expectation=clean(check.expectation),
        observed=_plain(check.observed) + (unit if check.observed is not None else ""),
        threshold=_plain(check.threshold),
        outcome=CHECKS[check.passed],
        note=clean(check.note),
    )


def _plain(value: float | None) -> str:
    """A count without decimals, anything else as an effect."""
    return f"{value:.0f}" if value is not None and value == round(value) else number(value)


def checks_summary(checks: Sequence[SanityCheck]) -> Word:
    """``3 of 4 passed, 1 not run``, with the sign of the worst outcome."""
    if not checks:
        return Word("none run", DASH, "open")
    passed, failed = (sum(c.passed is outcome for c in checks) for outcome in (True, False))
    missing = len(checks) - passed - failed
    parts = [f"{passed} of {len(checks)} passed"]
    if failed:
        parts.append(f"{failed} failed")
    if missing:
        parts.append(f"{missing} not run")
    worst = CHECKS[False] if failed else CHECKS[True] if passed else CHECKS[None]
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


def _shots(
    result: ClassResult, kinds: tuple[str, ...], most: int, *, layer: str | None = None
) -> tuple[Shot, ...]:
    chosen = [p for p in result.pictures if p.kind in kinds and (layer is None or p.layer == layer)]
    return tuple(_shot(p) for p in chosen[:most])


def _shot(picture: Picture) -> Shot:
    caption = percent(picture.probability) if picture.probability is not None else ""
    return Shot(path=picture.path, alt=clean(picture.alt), caption=caption)


def _bank_sections(
    result: ClassResult, findings: Sequence[Finding], banks: Sequence[BankRecord], anchor: str
) -> tuple[BankSection, ...]:
    associations = [f for f in findings if f.kind == "association"]
    details = {(d.bank, d.concept): d for d in result.concepts}
    sections = []
    for i, name in enumerate(dict.fromkeys(f.bank for f in associations)):
        bank = next((b for b in banks if b.name == name), None)
        rows = [
            _row(f, details.get((f.bank, f.subject)), bank, item_anchor(anchor, "concept", j))
            for j, f in enumerate(associations)
            if f.bank == name
        ]
        rows.sort(key=_order)
        # The largest in size, so that negative ones are not cut off at the end.
        largest = sorted(rows, key=lambda row: (row.value is None, -abs(row.value or 0.0)))
        chosen = {row.anchor for row in largest[:MAX_CHART_CONCEPTS]}
        charted = tuple(row for row in rows if row.anchor in chosen)
        parts = []
        if bank and bank.compared_with:
            parts.append(f"Concepts are compared with {clean(bank.compared_with)}.")
        if bank and bank.clusters:
            parts.append(f"Independent images: {clean(bank.clusters)}.")
        if len(rows) > len(charted):
            parts.append(
                f"The charts show the {len(charted)} of {len(rows)} concepts with the largest effects, up or "
                "down; the table has all."
            )
        sections.append(
            BankSection(
                key=f"{anchor}-bank-{i + 1}",
                title=clean(bank.title if bank else name),
                rows=tuple(rows),
                charted=charted,
                note=" ".join(parts),
                reasons=_reasons(rows),
            )
        )
    return tuple(sections)


def _reasons(rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            by_reason.setdefault(row.reason, []).append(row.title)
    return tuple((capital(reason), listing(names)) for reason, names in by_reason.items())


def _order(row: Row) -> tuple[bool, float, str]:
    """By effect, largest first; by name last."""
    return (row.value is None, -(row.value or 0.0), row.title)


def _why(finding: Finding) -> str:
    """The reason, where the conclusion alone does not say it."""
    return clean(finding.reason) if finding.conclusion in ("inconclusive", "not measured") else ""


def _row(finding: Finding, detail: ConceptDetail | None, bank: BankRecord | None, anchor: str) -> Row:
    known = next((c for c in bank.concepts if c.name == finding.subject), None) if bank else None
    score, sd = (detail.paper_score, detail.paper_score_sd) if detail else (None, None)
    paper = unit_share(score)
    if score is not None and sd is not None:
        paper += f" ± {unit_share(min(1.0, sd))}"
    return Row(
        anchor=anchor,
        title=clean((known.title if known else "") or finding.subject),
        n=_images(finding.n, finding.independent),
        word=said(finding),
        effect=effect_text(finding),
        interval=interval_text(finding),
        p_adjusted=p_text(finding.p_adjusted),
        detectable=number(finding.minimum_detectable),
        share=percent(finding.class_share),
        taken=f"{finding.taken_for_class:,}" if finding.effect is not None else DASH,
        paper=paper,
        reason=_why(finding),
        moves=moves(finding) if finding.claimed else "",
        value=finding.effect,
        low=finding.low,
        high=finding.high,
        wide_low=finding.adjusted_low,
        wide_high=finding.adjusted_high,
        paper_value=score,
        paper_sd=sd,
        responses=tuple(detail.responses) if detail else (),
        effects=tuple((clean(e.layer), e.effect) for e in detail.layers) if detail else (),
    )


def _images(n: int, independent: int) -> str:
    return f"{n:,}" if n == independent else f"{n:,} ({independent:,})"


def _contrast_rows(
    result: ClassResult, findings: Sequence[Finding], anchor: str, title: Title
) -> tuple[ContrastRow, ...]:
    details = {(d.bank, d.more, d.less): d for d in result.contrasts}
    own = [f for f in findings if f.kind == "contrast"]
    return tuple(
        _contrast_row(f, details.get((f.bank, f.more, f.less)), item_anchor(anchor, "contrast", i), title)
        for i, f in enumerate(own)
    )


def _contrast_row(finding: Finding, detail: ContrastDetail | None, anchor: str, title: Title) -> ContrastRow:
    balance = detail.balance if detail else []
    how = "not matched"
    if finding.matched:
        names = listing(list(dict.fromkeys(clean(b.covariate.partition(":")[0]) for b in balance)))
        how = f"matched on {names}" if names else "matched"
        how += f", {count(finding.independent, 'independent pair')}"
    more, less = (clean(title(finding.bank, group)) for group in (finding.more, finding.less))
    digits = digits_of(finding.kind)
    return ContrastRow(
        anchor=anchor,
        label=f"{more} against {less}",
        how=how,
        n=f"{finding.n:,} / {finding.n_other:,}",
        word=said(finding),
        means=f"{number(finding.mean, digits=digits)} / {number(finding.mean_other, digits=digits)}",
        effect=effect_text(finding),
        interval=interval_text(finding),
        p_adjusted=p_text(finding.p_adjusted),
        logarithm=number(finding.log_difference),
        detectable=number(finding.minimum_detectable, digits=digits),
        share=percent(finding.class_share),
        reason=_why(finding),
        moves=moves(finding) if finding.effect is not None else "",
        value=finding.effect,
        low=finding.low,
        high=finding.high,
        wide_low=finding.adjusted_low,
        wide_high=finding.adjusted_high,
        balance=tuple(
            BalanceRow(
                covariate=clean(b.covariate),
                before=number(b.smd_before),
                after=number(b.smd_after),
                verdict=_balance_verdict(b.smd_after if finding.matched else b.smd_before),
            )
            for b in balance
        ),
    )


def _balance_verdict(smd: float | None) -> str:
    if smd is None:
        return "not measured"
    return "balanced" if abs(smd) < _WELL_BALANCED else "differs"


def _overlays(
    result: ClassResult, findings: Sequence[Finding], banks: Sequence[BankRecord], title: Title
) -> tuple[tuple[ShotGroup, ...], str]:
    allowed = {b.name: b.report_images for b in banks}
    pictures = [p for p in result.pictures if p.kind == "overlay"]
    # A bank that this audit does not list gave no permission either.
    shown = [p for p in pictures if allowed.get(p.bank, False)]
    effects = {(f.bank, f.subject): f for f in findings if f.kind == "association"}
    strength = {key: abs(finding.effect or 0.0) for key, finding in effects.items()}
    keys = sorted({(p.bank, p.concept) for p in shown}, key=lambda k: (-strength.get(k, 0.0), k))
    groups = []
    for bank, concept in keys[:MAX_OVERLAY_CONCEPTS]:
        chosen = [p for p in shown if (p.bank, p.concept) == (bank, concept)][:MAX_OVERLAYS]
        layers = list(dict.fromkeys(clean(p.layer) for p in chosen if p.layer))
        match = effects.get((bank, concept))
        notes = [f"effect {effect_text(match)}"] if match and match.effect is not None else []
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
                reliability=number(entry.reliability),
                similarity=number(entry.similarity),
                channels=", ".join(str(c) for c in entry.top_channels) or DASH,
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
