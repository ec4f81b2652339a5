"""The pictures of a class: which of them a report may show, and in what groups."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.records import BankRecord, ClassResult, Finding, Picture
from auditor.report.view.parts import Shot, ShotGroup
from auditor.report.view.summary import Title
from auditor.report.words import clean, effect_text, listing, percent, quoted, unit_share

MAX_OVERLAY_CONCEPTS = 6
MAX_OVERLAYS = 4
FEWEST_AVERAGED = 30
"""An average of fewer images might show one of them."""


def shots_of(
    result: ClassResult, kinds: tuple[str, ...], most: int, *, layer: str | None = None
) -> tuple[Shot, ...]:
    """The first pictures of some kinds, of one layer if it is given."""
    chosen = [p for p in result.pictures if p.kind in kinds and (layer is None or p.layer == layer)]
    return tuple(_shot(p) for p in chosen[:most])


def _shot(picture: Picture) -> Shot:
    caption = percent(picture.probability) if picture.probability is not None else ""
    return Shot(path=picture.path, alt=clean(picture.alt), caption=caption)


def overlays(
    result: ClassResult, findings: Sequence[Finding], banks: Sequence[BankRecord], title: Title
) -> tuple[ShotGroup, ...]:
    """Where the detector fires on concept images, strongest concept first."""
    # A bank that this audit does not list gave no permission.
    allowed = {b.name for b in banks if b.report_images}
    shown = [p for p in result.pictures if p.kind == "overlay" and p.bank in allowed]
    effects = {(f.bank, f.subject): f for f in findings if f.kind == "association"}
    strength = {key: abs(finding.effect or 0.0) for key, finding in effects.items()}
    keys = sorted({(p.bank, p.concept) for p in shown}, key=lambda k: (-strength.get(k, 0.0), k))
    groups = []
    for bank, concept in keys[:MAX_OVERLAY_CONCEPTS]:
        chosen = [p for p in shown if (p.bank, p.concept) == (bank, concept)][:MAX_OVERLAYS]
        layers = list(dict.fromkeys(clean(p.layer) for p in chosen if p.layer))
        finding = effects.get((bank, concept))
        notes = [f"effect {effect_text(finding)}"] if finding and finding.effect is not None else []
        notes += [f"layer {', '.join(layers)}"] if layers else []
        groups.append(
            ShotGroup(clean(title(bank, concept)), " · ".join(notes), tuple(_shot(p) for p in chosen))
        )
    return tuple(groups)


def evidence(
    result: ClassResult, findings: Sequence[Finding], banks: Sequence[BankRecord], title: Title
) -> tuple[ShotGroup, ...]:
    """For every claim whose images were kept: strongest and weakest response, and images compared with.

    Of a difference between groups, the pairs that differ most.
    """
    allowed = {b.name for b in banks if b.report_images}
    shown = [p for p in result.pictures if p.kind == "evidence" and p.bank in allowed]
    claimed = [f for f in findings if f.kind == "association" and f.claimed]
    claimed.sort(key=lambda f: -abs(f.effect or 0.0))
    groups = []
    for finding in claimed:
        own = [p for p in shown if (p.bank, p.concept) == (finding.bank, finding.subject)]
        shots = tuple(Shot(p.path, clean(p.alt), f"{p.part} {unit_share(p.response)}") for p in own if p.part)
        if shots:
            groups.append(ShotGroup(clean(title(finding.bank, finding.subject)), "", shots))
    contrasts = [f for f in findings if f.kind == "contrast" and (f.claimed or f.conclusion == "screening")]
    contrasts.sort(key=lambda f: -abs(f.effect or 0.0))
    groups += [group for f in contrasts if (group := _pairs(f, shown, title)).shots]
    return tuple(groups)


def _pairs(finding: Finding, shown: Sequence[Picture], title: Title) -> ShotGroup:
    """The pairs behind a difference between groups, each with its two responses."""
    more, less = (clean(title(finding.bank, name)) for name in (finding.more, finding.less))
    own = [p for p in shown if (p.bank, p.concept) == (finding.bank, finding.subject) and p.part]
    shots = tuple(
        Shot(p.path, clean(p.alt), f"{(more, less)[i % 2]} {unit_share(p.response)}")
        for i, p in enumerate(own)
    )
    note = (
        f"matched pairs, two by two: first those that differ most towards {quoted(more)}, then those that "
        f"differ most towards {quoted(less)}"
    )
    return ShotGroup(f"{more} against {less}", note, shots)


def withheld_sentence(banks: Sequence[BankRecord]) -> str:
    """Whose images may not be shown."""
    names = [clean(b.title) for b in banks if not b.report_images]
    if not names:
        return ""
    whose = "its" if len(names) == 1 else "their"
    return f"The terms of {listing([f'“{name}”' for name in names])} do not allow {whose} images to be shown."


def averages(result: ClassResult, banks: Sequence[BankRecord], title: Title) -> tuple[ShotGroup, ...]:
    """One group for every bank that averages were kept of."""
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
