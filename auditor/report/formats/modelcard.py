"""A section for a Hugging Face model card, and its place in a README that people write by hand.

Its reader knows image classifiers and nothing of audits: it says in words what was tested, what was found
and how surely, what that does not say, and how to repeat it.

The section lies between two comments. Merging replaces what is between them and nothing else: not
the metadata at the top, not a space of the rest.
"""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from auditor.errors import InputError
from auditor.records import Audit, BankRecord, Finding
from auditor.report.escape import markdown_code, markdown_text
from auditor.report.formats.markdown import fold, strongest, trust, warnings
from auditor.report.view.audit import ReportView, build_view
from auditor.report.view.summary import all_claims, first_claims, titles
from auditor.report.words import clean, count, first_few, listing, quoted
from auditor.settings import IMPRESSIONS, Settings, flag_name

START = "<!-- auditor:start -->"
END = "<!-- auditor:end -->"

MOST_NAMED = 8
MOST_CLAIMS = 10
INTRODUCTION = (
    "Images that carry a label were shown to this classifier. The audit measures whether the classifier "
    "gives a class more probability on images with the label than on the images they are compared with. It "
    "needs no training data and changes nothing in the model."
)
SCALE = (
    "An effect is a difference on a logarithmic scale of the class's probability, from 0 (out of the "
    "question) to 1 (certain); 0 means no difference. The numbers in square brackets are an interval for "
    "the effect, widened so that all intervals of its kind hold together. An association is claimed only "
    "where the whole interval lies beyond a margin fixed beforehand, a test corrected for the number of "
    "comparisons rejects chance, and no check failed."
)
SEEN_IN = (
    "The last column says whether the association shows in the model's output, in the features that it uses "
    "for the class, or in both."
)
EXPLANATIONS = "Explanations"
DOES_NOT_SAY = (
    "An association is not a cause: it does not show why the model answers so, nor that another decision "
    "would follow without what is on the images.",
    "A result holds for the images used, with the labels that their makers gave. Labels of people are "
    "perceptions by raters, such as perceived gender, not facts about a person.",
    "Nothing claimed does not mean that there is nothing: an effect may be smaller than these images can "
    "show, or need a label that was not tested.",
    "Nothing here measures accuracy or error rates for groups of people, says that a model is fair, or "
    "certifies it.",
)
NO_MATTER = frozenset(
    {"out", "formats", "overwrite", "strict", "cache", "device", "batch_size", "from_scan"}
    | {"release", "purpose", "assessor"}
)
"""Settings that change no number."""
PATHS = {"unlabelled": "PHOTOS", "benchmark": "PHOTOS", "labels": "FILE"}
"""Settings whose value is a path, and what stands for it."""


def render(audit: Audit, directory: Path) -> str:
    """The section, comments included."""
    view = build_view(audit)
    body = "\n\n".join(
        [
            f"## Concept audit of {markdown_code(audit.model.name)}",
            INTRODUCTION,
            "### What was tested",
            "\n".join(f"- {line}" for line in _tested(audit)),
            "### What was found",
            *_found(audit, view),
            "### What this does not say",
            "\n".join(f"- {markdown_text(line)}" for line in DOES_NOT_SAY),
            "Not tested:",
            "\n".join(f"- {markdown_text(line)}" for line in view.not_tested),
            "### How to repeat it",
            *_again(audit),
            f"<sub>{markdown_text(view.created)} · auditor {markdown_text(audit.environment.auditor)}</sub>",
        ]
    )
    # A class may be called like the comment that ends the section.
    body = body.replace("<!--", "<\N{ZERO WIDTH SPACE}!--")
    return f"{START}\n{body}\n\n{END}\n"


def _tested(audit: Audit) -> Iterator[str]:
    model = audit.model
    yield f"Model: {markdown_code(model.name)}, weights with SHA-256 {markdown_code(model.weights_sha256)}."
    names = first_few([quoted(c.name) for c in audit.classes], MOST_NAMED, "{} more")
    classes = count(model.classes, "class", "classes")
    yield markdown_text(f"Classes: {len(audit.classes):,} of {classes}: {listing(names)}.")
    for bank in audit.banks:
        yield markdown_text(_bank(bank))


def _bank(bank: BankRecord) -> str:
    images = sum(concept.n for concept in bank.concepts)
    names = first_few([quoted(c.title or c.name) for c in bank.concepts], MOST_NAMED, "{} more")
    text = f"Bank of images {quoted(bank.title or bank.name)}: {count(images, 'image')}"
    text += f" labelled {listing(names)}" if names else ""
    text += f"; each label is compared with {clean(bank.compared_with)}" if bank.compared_with else ""
    return f"{text}. Licence: {clean(bank.licence) or 'not stated'}."


def _found(audit: Audit, view: ReportView) -> Iterator[str]:
    yield f"**{markdown_text(view.headline)}**"
    title = titles(audit)
    first = first_claims(audit.findings, title)  # one about groups is among them
    claims = [*first, *(one for one in all_claims(audit.findings, title) if one not in first)]
    lines = [
        f"- {markdown_text(f'{c.sentence} {c.way}'.strip())} ({markdown_text(c.numbers)})" for c in claims
    ]
    yield (
        "\n".join(first_few(lines, MOST_CLAIMS, "- and {} more")) if lines else markdown_text(view.no_claims)
    )
    yield markdown_text(_counted(audit.findings))
    yield SCALE
    yield from fold("Warnings", warnings(view))
    rows = strongest(audit)
    yield from fold("Strongest effects of each class", [*rows, SEEN_IN] if rows else [])
    held = [markdown_text(one.text) for one in view.standings if one.kind == EXPLANATIONS]
    yield from fold("Checks, explanations and images of each class", [*trust(view), *held])


def _counted(findings: list[Finding]) -> str:
    held = sum(f.withheld for f in findings)
    words = {
        "associated": "show an association",
        "negatively associated": "a negative one",
        "not associated": "none larger than the margin",
        "screening": "ask for a look with photos",
    }
    parts = [
        f"{n} {text}" for name, text in words.items() if (n := sum(f.conclusion == name for f in findings))
    ]
    rest = sum(f.conclusion not in words and not f.withheld for f in findings)
    parts += [f"{held} withheld because a check failed"] if held else []
    parts += [f"{rest} undecided or not measured"] if rest else []
    return f"Of {count(len(findings), 'comparison')}: {listing(parts) or 'nothing measured'}."


def _again(audit: Audit) -> Iterator[str]:
    command = " \\\n  ".join(["auditor run", *_flags(audit.settings)])
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", command)), default=0))
    version = markdown_text(audit.environment.auditor)
    yield f"With auditor {version}, on a machine of your own. Words in capitals stand for your files."
    yield f"{fence}sh\n{command}\n{fence}"
    yield (
        "The same seed on the same images gives the same result. The command writes a report with charts and "
        "`audit.json` with every number; its JSON Schema states the unit of each."
    )


def _flags(settings: dict[str, Any]) -> Iterator[str]:
    """What differs from the defaults and bears on a number; paths of this machine are left out."""
    for name, value in settings.items():
        field = Settings.model_fields.get(name)
        given = tuple(value) if isinstance(value, list) else value
        if field is None or name in NO_MATTER or given in (None, ()):
            continue
        if given == field.default and name != "seed":
            continue
        if isinstance(value, bool):
            yield flag_name(name) if value else flag_name(name).replace("--", "--no-", 1)
        else:
            yield f"{flag_name(name)} {shlex.quote(clean(_value(name, value)))}"


def _value(name: str, value: Any) -> str:
    if isinstance(value, list):
        row = io.StringIO()
        whole = [PurePath(str(one)).name if PurePath(str(one)).is_absolute() else one for one in value]
        csv.writer(row, lineterminator="").writerow(whole)
        return row.getvalue()
    text = str(value)
    if name == "model" and text.startswith(("file:", "hf-dir:")):
        return f"{text.partition(':')[0]}:PATH"
    if name in PATHS or (name == "images" and text != IMPRESSIONS and not text.startswith("hf:")):
        return PATHS.get(name, "PHOTOS")
    return text


def merge(readme: str, section: str, *, where: str = "README.md") -> str:
    """The README with the section in place of its old one, or at its end if it had none.

    Args:
        readme: Text of the card; its line endings are kept.
        section: As :func:`render` gives it.
        where: Name of the file, for messages.

    Raises:
        InputError: The comments are not exactly one pair in order, so it is unclear what to replace.
    """
    ending = "\r\n" if "\r\n" in readme else "\n"
    section = section.replace("\n", ending)
    starts, ends = readme.count(START), readme.count(END)
    if starts == ends == 0:
        if not readme:
            return section
        gap = ending if readme.endswith(ending) else 2 * ending
        return readme + gap + section
    start, end = readme.find(START), readme.find(END)
    if starts != 1 or ends != 1 or end < start:
        raise InputError(
            f"model card '{where}': {starts} '{START}' and {ends} '{END}'; "
            "needed one of each in this order, or none"
        )
    return readme[:start] + section.removesuffix(ending) + readme[end + len(END) :]
