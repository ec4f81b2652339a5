"""A section for a Hugging Face model card, and its place in a README that people write by hand.

The section lies between two comments. Merging replaces what is between them and nothing else: not
the metadata at the top, not a space of the rest.
"""

from __future__ import annotations

from pathlib import Path

from auditor.errors import InputError
from auditor.records import Audit
from auditor.report.escape import markdown_text
from auditor.report.formats.markdown import render as render_markdown
from auditor.report.view.prose import LIMITS

START = "<!-- auditor:start -->"
END = "<!-- auditor:end -->"


def render(audit: Audit, directory: Path) -> str:
    """The section, comments included."""
    # A class may be called like the comment that ends the section.
    body = render_markdown(audit, directory).rstrip("\n").replace("<!--", "<\N{ZERO WIDTH SPACE}!--")
    limits = "\n".join(f"- {markdown_text(limit)}" for limit in LIMITS)
    return f"{START}\n{body}\n\n### Limits\n\n{limits}\n\n{END}\n"


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
