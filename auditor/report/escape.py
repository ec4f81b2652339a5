"""Untrusted names, escaped for the format they are written into.

Class names, concept names, file names and datasheets come from models and folders of unknown origin.
Every format that is not written through an escaping template uses these.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from auditor.report.words import clean, p_text

LONGEST = 200
"""Characters of a name that a table shows."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-!|~<>$])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
_ZERO_WIDTH = "\N{ZERO WIDTH SPACE}"


def terminal_text(text: str, *, longest: int = LONGEST) -> str:
    """One line without control characters, for a terminal: no escape sequence survives."""
    # Cut first: a name may be a megabyte long.
    line = clean(text[: longest + 1])
    return line if len(line) <= longest else line[: longest - 1] + "…"


def markdown_code(text: str) -> str:
    """A name as a code span: no markup, link, mention or HTML in it takes effect, in a table either."""
    line = terminal_text(text).strip()
    if not line:
        return "(empty)"
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    edge = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{edge}{line}{edge}{fence}".replace("|", "\\|")


def markdown_text(text: str) -> str:
    """A sentence that may hold names: markup, HTML, links and mentions are taken apart."""
    line = terminal_text(text, longest=1000).replace("&", "&amp;")
    line = line.replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKDOWN.sub(r"\\\1", line)
    # Hosts turn these into links and notifications by themselves, markup or not.
    line = re.sub(r"(@|:(?=//)|www(?=\.))", rf"\1{_ZERO_WIDTH}", line)
    return re.sub(r"^(\s*\d+)([.)])", r"\1\\\2", line)


def markdown_p(value: float | None) -> str:
    """A p-value for a cell, whose ``<`` must not begin a tag."""
    return p_text(value).replace("<", "&lt;").replace(">", "&gt;")


def csv_text(text: str) -> str:
    """A cell that a spreadsheet takes for text even if it looks like a formula (CWE-1236)."""
    line = clean(text)
    return f"'{line}" if line.lstrip().startswith(_FORMULA) or line.startswith("'") else line


def sarif_text(text: str) -> str:
    """Text of a SARIF message: no embedded link, no placeholder (SARIF 2.1.0, 3.11.5 and 3.11.6)."""
    line = clean(text).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return line.replace("{", "{{").replace("}", "}}")


def uri(path: str) -> str:
    """A relative path as a URI reference, without what the system's paths may hold besides."""
    return quote(clean(path).replace("\\", "/"), safe="/-._~")


def annotation_text(text: str) -> str:
    """The message of a GitHub workflow command; nothing in it can end it or begin another."""
    return clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def annotation_property(text: str) -> str:
    """A property of a GitHub workflow command, such as its title."""
    return annotation_text(text).replace(":", "%3A").replace(",", "%2C")
