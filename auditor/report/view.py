"""From an audit to what a report shows: words, rounding, order and tone are decided here, once.

``build_view`` is a pure function; HTML and PDF templates loop over its result and branch, no more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from auditor.policy.verdict import Verdict
from auditor.records import Audit, BankRecord, Skipped
from auditor.report.class_view import (
    ClassView,
    ControlRow,
    Fact,
    class_view,
    control_row,
    controls_summary,
    item_anchor,
    source_words,
    untrusted,
)
from auditor.report.findings import findings
from auditor.report.prose import GLOSSARY, IMPRESSIONS_MEASURED, IMPRESSIONS_WARNING, LIMITS, SIGNATURE_FIELDS
from auditor.report.standing import Standing, standings
from auditor.report.words import (
    Word,
    clean,
    count,
    duration,
    listing,
    moment,
    number,
    percent,
    quoted,
)
from auditor.store import audit_digest, result_digest

MAX_NAMED = 3
"""Names in a sentence before it says how many more there are."""

_AT_THE_HEAD = ("Weights, SHA-256", "Class images", "Concept banks", "Settings")


@dataclass(frozen=True)
class Banner:
    """A warning that nobody may miss."""

    tone: str
    title: str
    text: str


@dataclass(frozen=True)
class FindingView:
    """A finding with its numbers and where its evidence is."""

    sentence: str
    evidence: str
    symbol: str
    tone: str
    anchor: str


@dataclass(frozen=True)
class TrustRow:
    """How far to trust one class's results."""

    name: str
    anchor: str
    heldout: str
    heldout_n: str
    random: str
    images: str
    controls: Word


@dataclass(frozen=True)
class BankView:
    """A bank and its datasheet."""

    anchor: str
    title: str
    facts: tuple[Fact, ...]
    datasheet: tuple[Fact, ...]
    concepts: tuple[tuple[str, str, str], ...]
    """Title, definition, number of images."""


@dataclass(frozen=True)
class ReportView:
    """A whole report, ready to be laid out."""

    title: str
    subtitle: str
    model: str
    created: str
    created_iso: str
    identity: tuple[Fact, ...]
    """The few facts that stand at the head: which weights, which images, which banks, which settings."""
    facts: tuple[Fact, ...]
    standings: tuple[Standing, ...]
    """The verdict: the gate's, where there is one, and how far to trust the audit."""
    banners: tuple[Banner, ...]
    headline: str
    findings: tuple[FindingView, ...]
    no_findings: str
    trust: tuple[TrustRow, ...]
    controls: tuple[ControlRow, ...]
    not_tested: tuple[str, ...]
    classes: tuple[ClassView, ...]
    margin: float | None
    contrast_margin: float | None
    measured: str
    """What was measured and how it was corrected, in a sentence or two."""
    method: tuple[Fact, ...]
    limits: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    glossary: tuple[tuple[str, str], ...]
    banks: tuple[BankView, ...]
    settings: tuple[Fact, ...]
    environment: tuple[Fact, ...]
    hashes: tuple[Fact, ...]
    signature: tuple[tuple[str, str], ...]


def build_view(audit: Audit, verdict: Verdict | None = None) -> ReportView:
    """Decide everything a report says about an audit, and about the gate's verdict if there is one."""

    def title(bank: str, concept: str) -> str:
        return titles.get((bank, concept)) or concept

    titles = {(b.name, c.name): c.title for b in audit.banks for c in b.concepts}
    failed = [clean(c.name) for c in audit.controls if c.passed is False]
    classes = tuple(
        class_view(i, result, layers=audit.layers, banks=audit.banks, title=title, failed=failed)
        for i, result in enumerate(audit.classes)
    )
    facts = _facts(audit)
    top = [] if failed else findings(audit.classes, title)
    return ReportView(
        title=f"Concept audit of {clean(audit.model.name)}",
        subtitle="What the image classifier has learned to associate with "
        + count(len(classes), "class", "classes"),
        model=clean(audit.model.name),
        created=moment(audit.created),
        created_iso=clean(audit.created),
        identity=tuple(
            Fact(fact.label, f"{fact.value[:16]}…" if fact.code else fact.value, code=fact.code)
            for fact in facts
            if fact.label in _AT_THE_HEAD
        ),
        facts=facts,
        standings=standings(audit, verdict),
        banners=_banners(audit),
        headline=_headline(audit, classes),
        findings=tuple(
            FindingView(
                f.sentence,
                f.evidence,
                *_sign(f.direction),
                anchor=item_anchor(classes[f.class_position].anchor, f.kind, f.position),
            )
            for f in top
        ),
        no_findings=""
        if top
        else "No association could be claimed. That is not evidence that there is none: see "
        "below what was inconclusive and what was not tested.",
        trust=tuple(_trust_row(audit, i, view) for i, view in enumerate(classes)),
        controls=tuple(control_row(c) for c in audit.controls),
        not_tested=_not_tested(audit),
        classes=classes,
        margin=_setting(audit, "margin"),
        contrast_margin=_setting(audit, "contrast_margin"),
        measured=_measured(audit),
        method=tuple(Fact(clean(name), clean(text)) for name, text in audit.method.items()),
        limits=LIMITS,
        skipped=tuple(Skipped(what=clean(s.what), reason=clean(s.reason)) for s in audit.skipped),
        glossary=GLOSSARY,
        banks=tuple(_bank_view(i, bank) for i, bank in enumerate(audit.banks)),
        settings=tuple(Fact(clean(key), _value(value), code=True) for key, value in audit.settings.items()),
        environment=_environment(audit),
        hashes=_hashes(audit),
        signature=SIGNATURE_FIELDS,
    )


def _sign(direction: str) -> tuple[str, str]:
    return ("▼", "against") if direction in ("inhibiting",) else ("▲", "found")


def _facts(audit: Audit) -> tuple[Fact, ...]:
    model = audit.model
    channels, height, width = model.input.size
    sources = list(dict.fromkeys(source_words(c.images.source) for c in audit.classes))
    used = sum(c.images.used for c in audit.classes)
    concepts = sum(len(b.concepts) for b in audit.banks)
    images = sum(c.n for b in audit.banks for c in b.concepts)
    settings = [
        f"{label} {audit.settings[key]:g}"
        for key, label in (
            ("alpha", "alpha"),
            ("margin", "margin of relevance"),
            ("contrast_margin", "margin of contrasts"),
        )
        if isinstance(audit.settings.get(key), int | float)
    ]
    facts = [
        Fact("Model", clean(model.name)),
        Fact(
            "Architecture",
            f"{clean(model.architecture)}, {model.parameters:,} parameters, {model.classes:,} classes",
        ),
        Fact("Weights, SHA-256", model.weights_sha256, code=True),
        Fact(
            "Input",
            f"{width} × {height} pixels, {channels} channels, crop {model.input.crop:g}, "
            f"{clean(model.input.interpolation)}",
        ),
        Fact("Classes", listing([clean(c.name) for c in audit.classes])),
        Fact("Class images", f"{used:,} used: {listing(sources)}" if sources else "none"),
        Fact(
            "Concept banks",
            f"{listing([clean(b.title) for b in audit.banks])}: {count(concepts, 'concept')}, "
            f"{count(images, 'image')}"
            if audit.banks
            else "none",
        ),
        Fact("Settings", ", ".join([*settings, f"seed {audit.settings.get('seed', 'not recorded')}"])),
        Fact(
            "Made",
            f"{moment(audit.created)}, in {duration(audit.duration_s)} on {clean(audit.environment.device)}, "
            f"by auditor {clean(audit.environment.auditor)}",
        ),
    ]
    if model.notes:
        facts.insert(2, Fact("Note", "; ".join(clean(note) for note in model.notes)))
    return tuple(facts)


def _banners(audit: Audit) -> tuple[Banner, ...]:
    banners = []
    general = [clean(c.name) for c in audit.controls if c.passed is False]
    if general:
        banners.append(
            Banner(
                "bad",
                "A control of the whole audit failed",
                f"{listing([quoted(c) for c in general])} did not come out as it must. Rely on none of the "
                "results below until the reason is known.",
            )
        )
    failed = [quoted(c.name) for c in audit.classes if untrusted(c)]
    if failed:
        banners.append(
            Banner(
                "bad",
                f"A control failed for {count(len(failed), 'class', 'classes')}",
                f"A measurement whose outcome is known beforehand came out wrong for {listing(failed)}. "
                f"Nothing is claimed about {'it' if len(failed) == 1 else 'them'}; the numbers are shown, "
                "not to be relied on.",
            )
        )
    made = [quoted(c.name) for c in audit.classes if c.images.source == "impressions"]
    if made:
        everything = len(made) == len(audit.classes) and len(made) > 1
        banners.append(
            Banner(
                "warn",
                "Made without photos",
                IMPRESSIONS_WARNING.format(
                    classes="any of the classes" if everything else listing(made), **IMPRESSIONS_MEASURED
                ),
            )
        )
    return tuple(banners)


def _headline(audit: Audit, classes: tuple[ClassView, ...]) -> str:
    total = len(classes)
    tones = [view.verdict.tone for view in classes]
    if not total:
        return "No class could be audited; the reasons are listed below."
    parts: list[str] = []
    for tone, text in (
        ("found", "an association was found"),
        ("against", "only inhibition was found"),
        ("none", "no association was found"),
        ("open", "the result is inconclusive"),
        ("bad", "a control failed and nothing is claimed"),
    ):
        n = tones.count(tone)
        if n:
            parts.append(
                f"for {'all' if n == total and n > 1 else n} of {count(total, 'class', 'classes')} {text}"
                if not parts
                else f"for {n} {text}"
            )
    sentence = listing(parts)
    return sentence[0].upper() + sentence[1:] + "."


def _trust_row(audit: Audit, position: int, view: ClassView) -> TrustRow:
    result = audit.classes[position]
    return TrustRow(
        name=view.name,
        anchor=view.anchor,
        heldout=percent(result.occluder.success_heldout),
        heldout_n=count(result.images.heldout, "image"),
        random=percent(result.occluder.success_random),
        images=f"{result.images.used} {'impressions' if view.from_impressions else 'photos'}",
        controls=controls_summary(result.controls),
    )


def _not_tested(audit: Audit) -> tuple[str, ...]:
    said = []
    others = audit.model.classes - len(audit.classes)
    if others > 0:
        said.append(f"{count(others, 'other class', 'other classes')} of the model.")
    if audit.banks:
        said.append(f"Concepts outside {listing([quoted(b.title) for b in audit.banks])}.")
    if not any(c.contrasts for c in audit.classes):
        said.append("Whether the model responds differently to groups of people: no contrast was measured.")
    else:
        said.append("Intersections of groups, and groups that no bank labels.")
    if audit.skipped:
        named = [f"{clean(s.what)} ({clean(s.reason)})" for s in audit.skipped[:MAX_NAMED]]
        more = len(audit.skipped) - len(named)
        said.append(f"Skipped: {'; '.join(named)}{f'; and {more} more' if more else ''}.")
    missing = list(
        dict.fromkeys(
            clean(c.name)
            for controls in (audit.controls, *(c.controls for c in audit.classes))
            for c in controls
            if c.passed is None
        )
    )
    if missing:
        said.append(
            f"Control{'' if len(missing) == 1 else 's'} not run: {listing([quoted(m) for m in missing])}."
        )
    said.append(
        "Accuracy, error rates and selection rates for groups, and whether an association changes a decision."
    )
    return tuple(said)


def _measured(audit: Audit) -> str:
    permutations = audit.settings.get("permutations")
    parts = []
    if audit.family:
        parts.append(f"{clean(audit.family).rstrip('.')}.")
    if isinstance(permutations, int):
        parts.append(f"p-values come from {permutations:,} permutations.")
    margin = _setting(audit, "margin")
    if margin is not None:
        parts.append(f"Scores within ±{number(margin)} are called not relevant.")
    contrast_margin = _setting(audit, "contrast_margin")
    if contrast_margin is not None:
        parts.append(f"So are differences between groups within ±{number(contrast_margin)}.")
    return " ".join(parts)


def _setting(audit: Audit, name: str) -> float | None:
    value = audit.settings.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _value(value: Any) -> str:
    if isinstance(value, str):
        return clean(value) or "(empty)"
    if value is None:
        return "not set"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return clean(", ".join(value)) or "(none)"
    return clean(json.dumps(value, ensure_ascii=False))


def _bank_view(position: int, bank: BankRecord) -> BankView:
    facts = [
        Fact("Source", clean(bank.source)),
        Fact("Licence", clean(bank.licence) or "not stated"),
        Fact("Terms", clean(bank.terms) or "not stated"),
        Fact(
            "Images in this report",
            "allowed" if bank.report_images else "not allowed; only numbers are shown",
        ),
        Fact("SHA-256", clean(bank.digest), code=True),
    ]
    return BankView(
        anchor=f"bank-{position + 1}",
        title=clean(bank.title or bank.name),
        facts=tuple(facts),
        datasheet=tuple(Fact(clean(heading), clean(text)) for heading, text in bank.datasheet.items()),
        concepts=tuple((clean(c.title or c.name), clean(c.definition), f"{c.n:,}") for c in bank.concepts),
    )


def _environment(audit: Audit) -> tuple[Fact, ...]:
    e = audit.environment
    facts = [
        Fact("auditor", e.auditor),
        Fact("Python", e.python),
        Fact("Platform", e.platform),
        Fact("Device", e.device),
        Fact("Precision", e.precision),
        Fact("Threads", str(e.threads)),
        *(Fact(name, version) for name, version in e.packages.items()),
    ]
    return tuple(Fact(clean(f.label), clean(f.value), code=True) for f in facts)


def _hashes(audit: Audit) -> tuple[Fact, ...]:
    return (
        Fact("audit.json", audit_digest(audit), code=True),
        Fact("Result without times", result_digest(audit), code=True),
        Fact("Model weights", audit.model.weights_sha256, code=True),
        *(Fact(f"Bank {quoted(b.title or b.name)}", clean(b.digest), code=True) for b in audit.banks),
        *(Fact(f"Images of {quoted(c.name)}", clean(c.images.digest), code=True) for c in audit.classes),
    )
