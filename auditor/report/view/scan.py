"""A scan as its page shows it: sentences, the map, rows. Formats lay out; they decide nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from auditor.report.view.parts import Fact
from auditor.report.view.prose import SCAN_LIMITS, TWO_CLASSES
from auditor.report.view.scan_charts import MAP_ROWS, STRIP_ROWS, MapView, StripView, maps, strips
from auditor.report.view.scan_rows import ClassRow, Namer, ScanRow, class_rows, shown_name
from auditor.report.words import capital, clean, count, duration_words, listing, moment, quoted
from auditor.scan_records import Scan, ScanBank, ScanFamily

SELECTED_ON = (
    "The effect on the screening images comes second on purpose. By it a pair was selected, so it is too "
    "large on average: of many effects the largest are partly luck. The confirming images selected nothing. "
    "Their effect is the estimate, and the conclusion rests on it alone."
)
SILENT = "no effect beyond the margin on either part of the images, no response was seen"
CONSTANT = "the probability is the same for every image"


def family_sentence(family: ScanFamily, classes: int) -> str:
    """How many pairs of a kind were looked at, selected and confirmed."""
    return (
        f"{count(family.confirmed, family.kind)} confirmed, of {family.selected:,} selected and "
        f"{family.looked_at:,} looked at in {classes:,} classes"
    )


def lots_sentence(scan: Scan) -> str:
    """What the scan finds in labels drawn by lot."""
    looked = {family.kind for family in scan.families if family.looked_at}
    of, lots = f"of {scan.lots.draws} scans", scan.lots
    said = []
    if "association" in looked:
        said.append(f"{lots.associations} {of} {_confirm(lots.associations)} an association")
    if "contrast" in looked:
        said.append(f"{lots.contrasts} {of} {_confirm(lots.contrasts)} a contrast, before its checks")
    return f"with labels drawn by lot, {listing(said)}"


def screened_sentence(scan: Scan) -> str:
    """How many findings on banks that only screen lie beyond the margin; empty for none."""
    found = sum(finding.conclusion == "screening" for finding in scan.findings)
    asks = "asks" if found == 1 else "ask"
    if not found:
        return ""
    return f"{count(found, 'finding')} on a bank that only screens {asks} for a look with photos"


def _confirm(number: int) -> str:
    return "confirms" if number == 1 else "confirm"


@dataclass(frozen=True)
class ScanView:
    """Everything that the page and the PDF show, but for drawings and pictures."""

    title: str
    model: str
    created: str
    created_iso: str
    looked: list[str]
    """What was looked at: a sentence, and one for each bank."""
    tallies: list[tuple[str, str]]
    """How many are confirmed of a kind, and the rest of the sentence."""
    selection: list[str]
    lots: str
    notes: list[str]
    limits: tuple[str, ...]
    maps: list[MapView]
    strips: list[StripView]
    confirmed: list[ClassRow]
    """Classes with something confirmed, worst first."""
    unconfirmed: list[ClassRow]
    """Classes with something selected and nothing confirmed."""
    silent: list[str]
    """Names."""
    constant: list[str]
    skipped: list[Fact]
    method: list[Fact]
    banks: list[tuple[str, list[Fact]]]
    settings: list[Fact]
    environment: list[Fact]
    hashes: list[Fact]
    digest: str
    """SHA-256 of scan.json."""
    arrays: str
    """Name of the file with the effects of every class."""

    @property
    def findings(self) -> int:
        """How many are confirmed."""
        return sum(len(row.confirmed) for row in self.confirmed)

    @property
    def held_back(self) -> tuple[int, int]:
        """How many were selected and not confirmed, of classes with something confirmed and of others."""
        return (
            sum(len(row.rows) - len(row.confirmed) for row in self.confirmed),
            sum(len(row.rows) for row in self.unconfirmed),
        )

    @property
    def held_back_words(self) -> str:
        """The same in a sentence."""
        with_others, alone = self.held_back
        words = f"{count(with_others + alone, 'selected pair')} not confirmed"
        if with_others:
            here = f"{with_others:,} of classes above, in their profiles"
            others = count(len(self.unconfirmed), "other class", "other classes")
            return f"{words}: {here}, and {alone:,} of {others}"
        return f"{words}, of {count(len(self.unconfirmed), 'class', 'classes')}"

    @property
    def silent_words(self) -> str:
        """How many classes respond to nothing."""
        if not self.silent:
            return "There is none: every class has an effect beyond the margin on some part of the images."
        return f"{count(len(self.silent), 'class', 'classes')}: {SILENT}."

    @property
    def constant_words(self) -> str:
        """How many classes are constant."""
        return f"{count(len(self.constant), 'class', 'classes')}: {CONSTANT}."

    def worst(self, most: int) -> list[ScanRow]:
        """The findings with the largest effects in margins."""
        every = [row for one in self.confirmed for row in one.confirmed]
        return sorted(every, key=lambda row: -row.finding.severity)[:most]


def build_scan_view(
    scan: Scan,
    effects: Mapping[str, NDArray[Any]],
    *,
    digest: str,
    map_rows: int = MAP_ROWS,
    strip_rows: int = STRIP_ROWS,
) -> ScanView:
    """Everything that the page and the PDF show.

    Args:
        scan: The scan.
        effects: Its arrays.
        digest: SHA-256 of scan.json.
        map_rows: Most classes of a map.
        strip_rows: Most classes of a strip.
    """
    rows, names = class_rows(scan, effects), Namer(scan)
    model = shown_name(scan.model.name)
    return ScanView(
        title=f"Scan of all classes: {model}",
        model=model,
        created=moment(scan.created),
        created_iso=clean(scan.created),
        looked=_looked(scan),
        tallies=_tallies(scan),
        selection=_selection(scan),
        lots=" ".join(
            f"{capital(said)}."
            for said in (screened_sentence(scan), f"check on the scan itself: {lots_sentence(scan)}")
            if said
        ),
        notes=_notes(scan),
        limits=SCAN_LIMITS,
        maps=maps(scan, effects, most=map_rows),
        strips=strips(scan, effects, most=strip_rows),
        confirmed=[row for row in rows if row.confirmed],
        unconfirmed=[row for row in rows if not row.confirmed],
        silent=[names.of_class(index) for index in scan.silent],
        constant=[names.of_class(index) for index in scan.constant],
        skipped=[Fact(clean(skip.what), clean(skip.reason)) for skip in scan.skipped],
        method=[Fact(clean(key.replace("_", " ")), clean(text)) for key, text in scan.method.items()],
        banks=[(names.bank(one.bank.name), _bank_facts(one)) for one in scan.banks],
        settings=_settings(scan),
        environment=_environment(scan),
        hashes=_hashes(scan, digest),
        digest=digest,
        arrays=clean(scan.arrays),
    )


def _looked(scan: Scan) -> list[str]:
    names = Namer(scan)
    banks = [one for one in scan.banks if one.concepts or one.contrasts]
    concepts, contrasts = sum(len(one.concepts) for one in banks), sum(len(one.contrasts) for one in banks)
    things = [count(concepts, "concept")] * bool(concepts) + [count(contrasts, "contrast")] * bool(contrasts)
    sentences = [
        f"Each of the model's {count(len(scan.classes), 'class', 'classes')} was measured against "
        f"{listing(things) or 'no concept'} of {count(len(banks), 'bank')}."
    ]
    for one in banks:
        sentences.append(
            f"{quoted(names.bank(one.bank.name))}: {count(one.screening, 'image')} screening, "
            f"{one.confirming:,} confirming."
        )
    return sentences


def _tallies(scan: Scan) -> list[tuple[str, str]]:
    looked = [family for family in scan.families if family.looked_at]
    sentences = [family_sentence(family, len(scan.classes)) for family in looked]
    return [(number, rest) for number, _, rest in (sentence.partition(" ") for sentence in sentences)]


def _selection(scan: Scan) -> list[str]:
    alpha = scan.settings.get("alpha")
    most = f"alpha = {alpha:g}" if isinstance(alpha, float) else "alpha"
    return [
        "A part of the images selects the pairs of a class and a concept that look large; the others, which "
        "selection never saw, confirm them or not.",
        f"Of everything confirmed of one kind, the expected share of false ones is at most {most}.",
    ]


def _notes(scan: Scan) -> list[str]:
    notes = []
    if scan.settings.get("random_weights"):
        notes.append("The model has random weights: what is found here is not what a trained model learned.")
    if scan.settings.get("fast"):
        fewest = scan.settings.get("min_images")
        notes.append(
            "Made with --fast, on a part of each bank's images: intervals are wider and less is confirmed "
            f"than in a whole scan. {fewest} independent images are enough for a conclusion."
        )
    if scan.environment.precision != "float32":
        notes.append(
            f"The model ran in {clean(scan.environment.precision)}: probabilities are rounded more coarsely "
            "than in float32, and a finding at the edge may fall on the other side."
        )
    if len(scan.classes) == 2:
        notes.append(TWO_CLASSES)
    names = Namer(scan)
    hidden = [quoted(names.bank(one.bank.name)) for one in scan.banks if not one.bank.report_images]
    if hidden:
        notes.append(
            f"Images of {listing(hidden)} may not be shown, by the terms of the bank: there are no "
            f"pictures of {'it' if len(hidden) == 1 else 'them'} here."
        )
    if any(one.bank.groups for one in scan.banks):
        notes.append(
            "Groups of people are groups of images by the label that somebody gave them, such as a perceived "
            "gender; a label is not a fact about a person."
        )
    if scan.skipped:
        notes.append(f"{count(len(scan.skipped), 'thing')} asked for could not be measured: see Skipped.")
    return notes


def _bank_facts(one: ScanBank) -> list[Fact]:
    bank = one.bank
    shown = "may be shown" if bank.report_images else "may not be shown"
    facts = [
        Fact("Images", f"{one.screening:,} screening, {one.confirming:,} confirming; {shown}"),
        Fact("Fewest independent", f"{one.fewest:,} confirming images of a concept" * (one.fewest > 0)),
        Fact(
            "Fewest of groups",
            f"{one.fewest_of_groups:,} confirming pairs or images of a group" * (one.fewest_of_groups > 0),
        ),
        Fact("Concepts measured", f"{len(one.concepts):,}"),
        Fact("Contrasts", listing([clean(name) for name in one.contrasts])),
        Fact("Compared with", clean(bank.compared_with)),
        Fact("Counted as one", clean(bank.clusters)),
        Fact("Licence", clean(bank.licence)),
        Fact("Terms", clean(bank.terms)),
    ]
    return [fact for fact in facts if fact.value]


def _settings(scan: Scan) -> list[Fact]:
    return [
        Fact(
            clean(key),
            clean(listing([str(item) for item in value]) if isinstance(value, list) else str(value)),
        )
        for key, value in scan.settings.items()
        if value not in (None, [], "")
    ]


def _environment(scan: Scan) -> list[Fact]:
    seen = scan.environment
    facts = {
        "Architecture": scan.model.architecture,
        "Loaded from": "; ".join([scan.model.source, *scan.model.notes]),
        "auditor": seen.auditor,
        "Python": seen.python,
        "Platform": seen.platform,
        "Device": seen.device,
        "Precision": seen.precision,
        "Duration": duration_words(scan.duration_s),
        **seen.packages,
    }
    return [Fact(clean(label), clean(value)) for label, value in facts.items()]


def _hashes(scan: Scan, digest: str) -> list[Fact]:
    return [
        Fact("scan.json", digest, code=True),
        Fact(clean(scan.arrays), clean(scan.arrays_sha256), code=True),
        Fact("Model weights", clean(scan.model.weights_sha256), code=True),
        *(
            Fact(f"Bank {quoted(Namer(scan).bank(one.bank.name))}", clean(one.bank.digest), code=True)
            for one in scan.banks
        ),
    ]
