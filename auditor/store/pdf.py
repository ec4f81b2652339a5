"""Reads a report in PDF: the attached files and the text of its pages."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from auditor.errors import InputError, one_line

LARGEST_ATTACHMENT = 200_000_000
"""Bytes, unpacked."""
MOST_PAGES = 5000


@dataclass(frozen=True)
class PdfContent:
    """What a PDF carries."""

    attachments: dict[str, bytes]
    pages: list[str]
    """Text of each page, white space reduced to single spaces."""


def read_pdf(content: bytes, *, where: str) -> PdfContent:
    """Attachments and text of a PDF.

    Args:
        content: The file.
        where: Its name, for messages.

    Raises:
        InputError: It is no readable PDF, is encrypted, holds one attachment twice, or is too large.
    """
    try:
        import pypdf
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise InputError("verifying a PDF needs the package 'pypdf': pip install pypdf") from error
    if not content.startswith(b"%PDF-"):
        raise InputError(f"'{where}': not a PDF")
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted:
            raise InputError(f"'{where}': encrypted; a report is not")
        if len(reader.pages) > MOST_PAGES:
            raise InputError(f"'{where}': {len(reader.pages)} pages, at most {MOST_PAGES} are read")
        attachments = {name: _only(name, contents, where) for name, contents in reader.attachments.items()}
        return PdfContent(attachments, [" ".join(page.extract_text().split()) for page in reader.pages])
    except InputError:
        raise
    # A damaged PDF makes the reader stumble in more ways than it declares.
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise InputError(f"'{where}': not a readable PDF: {one_line(error)}") from error


def _only(name: str, contents: Any, where: str) -> bytes:
    # Readers differ in which of two files of one name they show.
    if len(contents) != 1:
        raise InputError(f"'{where}': {len(contents)} attachments called '{name}', needed one")
    if len(contents[0]) > LARGEST_ATTACHMENT:
        raise InputError(f"'{where}': attachment '{name}' is larger than {LARGEST_ATTACHMENT} bytes")
    return bytes(contents[0])
