"""A section for a Hugging Face model card, and its place in a README that people write by hand.

The section lies between two comments. Merging replaces what is between them and nothing else: not
the metadata at the top, not a space of the rest.
"""

from __future__ import annotations

from pathlib import Path

from auditor.errors import InputError
from auditor.records import Audit
from auditor.report.escape import markdown_code, markdown_text
from auditor.report.formats.markdown import render as render_markdown
from auditor.report.view.prose import LIMITS
from auditor.report.words import listing

ABOUT = (
    "This model was shown images whose labels are concepts, such as textures or perceived gender. An effect "
    "says how much more of a class the model sees in images with a label than in others: 0 is nothing, 1 is "
    "from “out of the question” to “certain”. Brackets hold the interval that chance leaves open."
)
START = "<!-- auditor:start -->"
END = "<!-- auditor:end -->"


def render(audit: Audit, directory: Path) -> str:
    """The section, comments included, for a reader who knows nothing of auditor."""
    body = render_markdown(audit, directory).partition("\n")[2].strip("\n")
    banks = listing([f"{len(b.concepts)} labels in bank {markdown_code(b.name)}" for b in audit.banks])
    parts = (
        "## What this model associates with its classes",
        f"{ABOUT} Shown were images with {banks}." if audit.banks else ABOUT,
        body,
        "### What this does not say",
        "\n".join(f"- {markdown_text(limit)}" for limit in LIMITS),
        f"To repeat it: {markdown_code(_command(audit))}",
    )
    # A class or a model may be called like the comment that ends the section.
    inside = "\n\n".join(parts).replace("<!--", "<\N{ZERO WIDTH SPACE}!--")
    return f"{START}\n{inside}\n\n{END}\n"


def _command(audit: Audit) -> str:
    """A command that audits the same classes and banks again, other settings by default."""
    classes = ",".join(f"index:{result.index}" for result in audit.classes)
    banks = ",".join(str(bank) for bank in audit.settings.get("banks", ()))
    return f"auditor run --model {audit.model.name} --classes {classes}" + (
        f" --banks {banks}" if banks else ""
    )


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
