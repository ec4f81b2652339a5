"""From an audit to what a report shows: words, rounding, order and tone are decided here, once.

``build_view`` is a pure function; HTML and PDF templates loop over its result and branch, no more.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from auditor.policy.verdict import Verdict
from auditor.records import Audit, BankRecord, Skipped
from auditor.report.view.classes import ClassView, class_view, skipped_rows, source_words
from auditor.report.view.parts import Fact, item_anchor, noun_of
from auditor.report.view.prose import (
    FEW_CLASSES,
    GLOSSARY,
    IMPRESSIONS_MEASURED,
    IMPRESSIONS_WARNING,
    LIMITS,
    NO_SOURCES,
    SIGNATURE_FIELDS,
    SOURCE_HEADINGS,
    SOURCES_OF_BIAS,
    TWO_CLASSES,
)
from auditor.report.view.scanned import ScannedView, scanned_view
from auditor.report.view.standing import Standing, standings
from auditor.report.view.summary import Claim, ClaimRuler, first_claims, titles
from auditor.report.words import (
    capital,
    clean,
    count,
    duration_words,
    first_few,
    listing,
    moment,
    quoted,
)
from auditor.statistics.classwise import FEWEST_CLASSES
from auditor.statistics.probability import chance_level
from auditor.store.directory import audit_bytes, older_format, result_digest

MOST_DETAILED = 10
"""Classes with a chapter of their own."""
NO_CLAIMS = (
    "Nothing is claimed. This does not show that there is nothing: see below what was inconclusive and what "
    "was not tested."
)
MAX_NAMED = 3
"""Names in a sentence before it says how many more there are."""


_STATED = {"release": "Release", "purpose": "Intended purpose", "assessor": "Assessor"}
_CROPPED = {"center": "", "squash": ", squashed to a square", "border": ", with a border"}
_AT_THE_HEAD = ("Weights, SHA-256", "Class images", "Concept banks", "Settings")


@dataclass(frozen=True)
class Banner:
    """A warning at the head of the report."""

    tone: str
    title: str
    text: str


@dataclass(frozen=True)
class ClaimView:
    """A claim with its numbers and a link to its row."""

    sentence: str
    way: str
    """The size of the effect in words."""
    numbers: str
    symbol: str
    tone: str
    anchor: str
    ruler: ClaimRuler | None


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
    stated: tuple[Fact, ...]
    """Release, purpose and assessor, as whoever audited stated them."""
    facts: tuple[Fact, ...]
    standings: tuple[Standing, ...]
    """The gate's verdict, where there is one, and what of the audit can be used."""
    banners: tuple[Banner, ...]
    headline: str
    claims: tuple[ClaimView, ...]
    no_claims: str
    not_tested: tuple[str, ...]
    scanned: ScannedView | None
    """The scan that the classes were taken from."""
    classes: tuple[ClassView, ...]
    """Every class: a row of the table each."""
    detailed: tuple[ClassView, ...]
    """Those with a chapter of their own, in the same order."""
    left_to_table: str
    """Which classes have none, and where to find them; empty where all have one."""
    margin: float | None
    contrast_margin: float | None
    measured: str
    """What was measured and how it was corrected, in a sentence or two."""
    method: tuple[Fact, ...]
    limits: tuple[str, ...]
    bias: str
    """Where bias can come from, of any audit."""
    bias_of_banks: tuple[Fact, ...]
    """What each bank's datasheet says of it."""
    skipped: tuple[Skipped, ...]
    glossary: tuple[tuple[str, str], ...]
    banks: tuple[BankView, ...]
    settings: tuple[Fact, ...]
    environment: tuple[Fact, ...]
    hashes: tuple[Fact, ...]
    signature: tuple[tuple[str, str], ...]


def build_view(audit: Audit, verdict: Verdict | None = None, *, stored: bytes | None = None) -> ReportView:
    """Decide how a report words what an audit concluded.

    Args:
        audit: The audit.
        verdict: The gate's, if there is one.
        stored: The ``audit.json`` that the report names by its digest; by default ``audit_bytes(audit)``.
    """
    title = titles(audit)
    classes = tuple(
        class_view(
            i, result, audit.of_class(result.index), layers=audit.layers, banks=audit.banks, title=title
        )
        for i, result in enumerate(audit.classes)
    )
    detailed = _detailed(audit, classes)
    facts = _facts(audit)
    claims = first_claims([f for r in audit.classes for f in audit.of_class(r.index)], title)
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
        stated=tuple(
            Fact(label, clean(str(audit.settings.get(key) or "not stated"))) for key, label in _STATED.items()
        ),
        facts=facts,
        standings=standings(audit, verdict),
        banners=_banners(audit),
        headline=_headline(classes),
        claims=tuple(_claim_view(audit, claim) for claim in claims),
        no_claims="" if claims else NO_CLAIMS,
        not_tested=_not_tested(audit),
        scanned=scanned_view(audit),
        classes=classes,
        detailed=detailed,
        left_to_table=_left_to_table(len(classes), len(detailed)),
        margin=_setting(audit, "margin"),
        contrast_margin=_setting(audit, "contrast_margin"),
        measured=_measured(audit),
        method=tuple(Fact(clean(name), clean(text)) for name, text in audit.method.items()),
        limits=LIMITS,
        bias=SOURCES_OF_BIAS,
        bias_of_banks=tuple(_sources_of_bias(bank) for bank in audit.banks),
        skipped=skipped_rows(audit.skipped),
        glossary=GLOSSARY,
        banks=tuple(_bank_view(i, bank) for i, bank in enumerate(audit.banks)),
        settings=tuple(Fact(clean(key), _value(value), code=True) for key, value in audit.settings.items()),
        environment=_environment(audit),
        hashes=_hashes(audit, stored),
        signature=SIGNATURE_FIELDS,
    )


def _detailed(audit: Audit, classes: tuple[ClassView, ...]) -> tuple[ClassView, ...]:
    """The classes with most to decide, if there are many."""
    if len(classes) <= MOST_DETAILED:
        return classes

    def weight(view: ClassView) -> tuple[bool, bool, float]:
        findings = audit.of_class(audit.classes[view.position].index)
        said = [f for f in findings if f.claimed or f.conclusion == "screening"]
        size = max((abs(f.effect or 0.0) / max(f.margin, 1e-9) for f in said), default=0.0)
        return any(f.of_groups for f in said), bool(said), size

    chosen = {view.anchor for view in sorted(classes, key=weight, reverse=True)[:MOST_DETAILED]}
    return tuple(view for view in classes if view.anchor in chosen)


def _left_to_table(total: int, shown: int) -> str:
    if total == shown:
        return ""
    return (
        f"Details follow for {shown} of {total} classes: those with findings about groups first, then those "
        "with the strongest findings. Every number of the others stands in audit.json, and in the CSV."
    )


def _claim_view(audit: Audit, claim: Claim) -> ClaimView:
    finding = claim.finding
    position = [c.index for c in audit.classes].index(finding.class_index)
    alike = [f for f in audit.of_class(finding.class_index) if f.kind == finding.kind]
    against = finding.conclusion == "negatively associated" and finding.kind == "association"
    return ClaimView(
        claim.sentence,
        claim.way,
        claim.numbers,
        *(("▼", "against") if against else ("▲", "found")),
        anchor=item_anchor(f"class-{position + 1}", noun_of(finding.kind), alike.index(finding)),
        ruler=claim.ruler,
    )


def _facts(audit: Audit) -> tuple[Fact, ...]:
    model = audit.model
    channels, height, width = model.input.size
    shown = [c.images for c in audit.classes if c.images is not None]
    sources = list(dict.fromkeys(source_words(images.source) for images in shown))
    used = sum(images.used for images in shown)
    concepts = sum(len(b.concepts) for b in audit.banks)
    images = sum(c.n for b in audit.banks for c in b.concepts)
    settings = [
        f"{label} {audit.settings[key]:g}"
        for key, label in (
            ("alpha", "alpha"),
            ("margin", "equivalence margin"),
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
            f"{width} × {height} pixels, {count(channels, 'channel')}, crop {model.input.crop:g}"
            f"{_CROPPED[model.input.crop_mode]}, {clean(model.input.interpolation)}",
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
            f"{moment(audit.created)}, in {duration_words(audit.duration_s)} on "
            f"{clean(audit.environment.device)}, by auditor {clean(audit.environment.auditor)}",
        ),
    ]
    if model.notes:
        facts.insert(2, Fact("Note", "; ".join(clean(note) for note in model.notes)))
    return tuple(facts)


def _banners(audit: Audit) -> tuple[Banner, ...]:
    banners = []
    failed = [
        f"{quoted(check.name)} for {quoted(result.name)}"
        + (f", bank {quoted(check.bank)}" if check.bank else "")
        for result in audit.classes
        for check in result.sanity_checks
        if check.passed is False
    ]
    if failed:
        shown = failed[:MAX_NAMED]
        more = f" and {len(failed) - len(shown)} more" if len(failed) > len(shown) else ""
        banners.append(
            Banner(
                "bad",
                f"{count(len(failed), 'sanity check')} failed",
                f"A measurement whose outcome is known beforehand had another outcome: {listing(shown)}"
                f"{more}. Findings that it tests are withheld; no others are.",
            )
        )
    classes = audit.model.classes
    if classes < FEWEST_CLASSES:
        text = FEW_CLASSES.format(classes=classes, chance=chance_level(classes))
        text = f"{text} {TWO_CLASSES}" if classes == 2 else text
        banners.append(Banner("warn", "A model of few classes", text))
    made = [
        quoted(c.name) for c in audit.classes if c.images is not None and c.images.source == "impressions"
    ]
    if made:
        everything = len(made) == len(audit.classes) and len(made) > 1
        banners.append(
            Banner(
                "warn",
                "Made without photos",
                IMPRESSIONS_WARNING.format(
                    had="found" if audit.settings.get("unlabelled") else "given",
                    classes="any of the classes" if everything else listing(made),
                    **IMPRESSIONS_MEASURED,
                ),
            )
        )
    return tuple(banners)


def _headline(classes: tuple[ClassView, ...]) -> str:
    total = len(classes)
    tones = [view.summary.tone for view in classes]
    if not total:
        return "No class could be audited; the reasons are listed below."
    parts: list[str] = []
    for tone, text in (
        ("found", "an association was found"),
        ("against", "only a negative association was found"),
        ("none", "no association was found"),
        ("warn", "screening asks for a look with photos"),
        ("open", "the result is inconclusive"),
        ("bad", "every finding is withheld"),
    ):
        n = tones.count(tone)
        if n:
            parts.append(
                f"for {'all' if n == total and n > 1 else n} of {count(total, 'class', 'classes')} {text}"
                if not parts
                else f"for {n} {text}"
            )
    return f"{capital(listing(parts))}."


def _not_tested(audit: Audit) -> tuple[str, ...]:
    said = []
    others = audit.model.classes - len(audit.classes)
    if others > 0:
        screened = ", beyond the scan's screening" if audit.scan else ""
        said.append(f"{count(others, 'other class', 'other classes')} of the model{screened}.")
    if audit.banks:
        said.append(f"Concepts outside {listing([quoted(b.title) for b in audit.banks])}.")
    if not any(f.of_groups for f in audit.findings):
        said.append("Whether the model responds differently to groups of people: no contrast was measured.")
    else:
        said.append("Intersections of groups, and groups that no bank labels.")
    if audit.skipped:
        named = [f"{clean(s.what)} ({clean(s.reason)})" for s in audit.skipped]
        said.append(f"Skipped: {'; '.join(first_few(named, MAX_NAMED, 'and {} more'))}.")
    missing = list(
        dict.fromkeys(clean(c.name) for r in audit.classes for c in r.sanity_checks if c.passed is None)
    )
    if missing:
        word = "Sanity check" if len(missing) == 1 else "Sanity checks"
        said.append(f"{word} not run: {listing([quoted(m) for m in missing])}.")
    said.append(
        "Accuracy, error rates and selection rates for groups, and whether an association changes a decision."
    )
    return tuple(said)


def _measured(audit: Audit) -> str:
    permutations = audit.settings.get("permutations")
    parts = []
    if audit.family:
        parts.append(f"{clean(audit.family).rstrip('.')}.")
    alpha = _setting(audit, "alpha")
    if alpha is not None:
        parts.append(
            f"For each kind of finding, the chance of any false claim is at most {alpha:.0%}: intervals are "
            "widened and p-values corrected for all tests of the kind."
        )
    if isinstance(permutations, int):
        parts.append(f"p-values come from {permutations:,} permutations.")
    margin, contrast_margin = _setting(audit, "margin"), _setting(audit, "contrast_margin")
    if margin is not None:
        parts.append(f"Associations within ±{margin:g} do not matter: that is the equivalence margin.")
    if contrast_margin is not None and any(f.of_groups for f in audit.findings):
        parts.append(f"For differences between groups it is ±{contrast_margin:g}.")
    importance = next((d.importance for c in audit.classes for d in c.concepts if d.importance), None)
    if importance:
        parts.append(
            f"Importances (AfI) are a family of {importance.family} of their own, compared with "
            f"{importance.references} reference classes; within ±{importance.margin:g} they do not matter."
        )
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


def _sources_of_bias(bank: BankRecord) -> Fact:
    """What a datasheet says about whom and what a bank shows, and its known defects."""
    said = [
        f"{clean(heading)}: {clean(text)}"
        for heading, text in bank.datasheet.items()
        if heading.casefold().strip() in SOURCE_HEADINGS and text.strip()
    ]
    return Fact(clean(bank.title or bank.name), " ".join(said) or NO_SOURCES)


def _bank_view(position: int, bank: BankRecord) -> BankView:
    facts = [
        Fact("Source", clean(bank.source)),
        Fact("Licence", clean(bank.licence) or "not stated"),
        Fact("Terms", clean(bank.terms) or "not stated"),
        Fact(
            "Images in this report",
            "allowed" if bank.report_images else "not allowed; only numbers are shown",
        ),
        Fact("Compared with", clean(bank.compared_with) or "not stated"),
        Fact("Independent images", clean(bank.clusters) or "not stated"),
        Fact("SHA-256", clean(bank.digest), code=True),
    ]
    return BankView(
        anchor=f"bank-{position + 1}",
        title=clean(bank.title or bank.name),
        facts=tuple(facts),
        datasheet=tuple(Fact(clean(heading), clean(text)) for heading, text in bank.datasheet.items()),
        concepts=tuple(
            (
                clean(c.title or c.name),
                clean(c.definition),
                f"{c.n:,}" if c.n == c.independent else f"{c.n:,} ({c.independent:,} independent)",
            )
            for c in bank.concepts
        ),
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


def _hashes(audit: Audit, stored: bytes | None) -> tuple[Fact, ...]:
    older = older_format(stored) if stored else None
    return (
        Fact(
            f"audit.json, as stored in format {older}" if older else "audit.json",
            hashlib.sha256(stored or audit_bytes(audit)).hexdigest(),
            code=True,
        ),
        Fact("Result without times", result_digest(audit), code=True),
        Fact("Model weights", audit.model.weights_sha256, code=True),
        *(Fact(f"Bank {quoted(b.title or b.name)}", clean(b.digest), code=True) for b in audit.banks),
        *(
            Fact(f"Images of {quoted(c.name)}", clean(c.images.digest), code=True)
            for c in audit.classes
            if c.images is not None
        ),
    )
