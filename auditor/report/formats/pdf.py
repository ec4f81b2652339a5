"""The report for print: a tagged PDF/A-3 with its audit attached.

It is laid out from its own template, not printed from the web page. ``audit.json`` and its schema
are attached. The same audit gives the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import weasyprint
from markupsafe import Markup
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from auditor.evaluation_records import Evaluation
from auditor.policy.kept import VERDICT_FILE, kept_verdict, verdict_bytes
from auditor.policy.verdict import Verdict
from auditor.records import Audit
from auditor.report.charts.classes import claim_rulers, report_charts, scan_map
from auditor.report.charts.style import PRINT, PRINT_WIDTH, SCREEN_WIDTH, Chart
from auditor.report.templates import rendered, static
from auditor.report.thumbnails import encode, picture_paths
from auditor.report.view.audit import build_view
from auditor.report.view.evaluation import build_evaluation_view
from auditor.report.words import instant
from auditor.schemas import SCHEMA_FILE, schema_text
from auditor.store.directory import AUDIT_FILE, older_format, stored_bytes
from auditor.store.evaluations import EVALUATION_FILE, evaluation_bytes, kept_evaluation

PICTURE_BUDGET = 6_000_000
"""Bytes of pictures in the file."""
PICTURE_SIDE = 300
"""Longest side in pixels: about 300 per inch at the size of a picture on the page."""

Attachment = tuple[str, bytes, str, str]
"""Name, bytes, description and relationship of a file inside."""

_SCHEME = "report:/"
# The clock of the whole process is set by an environment variable while a file is made.
_CLOCK = threading.Lock()

# PDF/A-3 asks that a file which also calls itself PDF/UA describes that word in its metadata.
_PDF_UA = b"""<rdf:Description rdf:about=""
 xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" pdfuaid:part="1"/>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
 xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name><pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 that the file conforms to</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
</rdf:RDF>"""


def render(audit: Audit, directory: Path) -> bytes:
    """Render the report.

    Args:
        audit: The audit.
        directory: Where its pictures lie, and the gate's verdict if there is one; nothing else is read
            but the shipped templates.
    """
    verdict = kept_verdict(directory, audit)
    stored = stored_bytes(audit, directory)
    digest = hashlib.sha256(stored).hexdigest()
    view = build_view(audit, verdict, stored=stored)
    encoded = encode(directory, picture_paths(view), kind="JPEG", budget=PICTURE_BUDGET, side=PICTURE_SIDE)
    names = {path: f"{_SCHEME}picture/{i}" for i, path in enumerate(encoded)}
    content = {names[path]: (picture.data, picture.media_type) for path, picture in encoded.items()}

    created = stated_time(audit.created)
    evaluated = kept_evaluation(directory, audit)
    page = rendered(
        "print.html.j2",
        view=view,
        evaluation=build_evaluation_view(evaluated) if evaluated else None,
        charts=report_charts(view, colours=PRINT, side_by_side=True),
        scan_map=scan_map(view, colours=PRINT, width=SCREEN_WIDTH),
        rulers=claim_rulers(view, colours=PRINT, width=PRINT_WIDTH),
        pictures=names,
        source=partial(source_of, content),
        created=created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        digest=digest,
        has_schema=not older_format(stored),
    )
    return printed(
        page,
        styles=[static("print.css")],
        content=content,
        created=created,
        identifier=digest[:32],
        attachments=_attachments(stored, verdict, evaluated),
    )


def _attachments(stored: bytes, verdict: Verdict | None, evaluated: Evaluation | None) -> list[Attachment]:
    """The audit, its schema if it is of today's format, the verdict and the evaluation."""
    files = [(AUDIT_FILE, stored, "The audit: every number of this report", "Data")]
    if not older_format(stored):
        files.append((SCHEMA_FILE, schema_text().encode(), "JSON Schema of audit.json", "Supplement"))
    if verdict is not None:
        files.append((VERDICT_FILE, verdict_bytes(verdict), "The verdict of the release gate", "Data"))
    if evaluated is not None:
        about = "The evaluation of the explanations"
        files.append((EVALUATION_FILE, evaluation_bytes(evaluated), about, "Data"))
    return files


def source_of(content: dict[str, tuple[bytes, str]], chart: Chart) -> str:
    """The address of a chart, which joins what the document may read."""
    name = f"{_SCHEME}chart/{chart.key}"
    content[name] = (chart.svg.encode(), "image/svg+xml")
    return name


def drawn_into(content: dict[str, tuple[bytes, str]]) -> Callable[..., Markup]:
    """A function that makes the element which shows a chart, of a class that may be named."""

    def draw(chart: Chart, kind: str = "plot") -> Markup:
        words = f"{chart.title}. {chart.description}"
        return Markup('<img class="{}" src="{}" alt="{}">').format(kind, source_of(content, chart), words)

    return draw


def printed(
    page: str,
    *,
    styles: Sequence[str],
    content: Mapping[str, tuple[bytes, str]],
    created: datetime,
    identifier: str,
    attachments: Sequence[Attachment],
) -> bytes:
    """A page as a tagged PDF/A-3 with attachments; the same input gives the same bytes.

    Args:
        page: HTML.
        styles: Style sheets.
        content: URL to bytes and media type of everything the page may show; nothing else is read.
        created: The time that the file states.
        identifier: 32 signs that name the document.
        attachments: The files inside.
    """
    fetcher = _OnlyGiven(content)
    with _clock(created):
        document = weasyprint.HTML(string=page, url_fetcher=fetcher, base_url=_SCHEME).render(
            stylesheets=[weasyprint.CSS(string=str(style), url_fetcher=fetcher) for style in styles],
            pdf_variant="pdf/a-3a",
        )
        _call_it_pdf_ua(document.metadata)
        pdf: bytes = document.write_pdf(
            pdf_variant="pdf/a-3a",
            finisher=_scope_headers,
            pdf_identifier=identifier.encode(),
            attachments=[
                weasyprint.Attachment(
                    string=data,
                    name=name,
                    description=description,
                    created=created,
                    modified=created,
                    relationship=relationship,
                )
                for name, data, description, relationship in attachments
            ],
        )
    return pdf


class _OnlyGiven(URLFetcher):  # type: ignore[misc]
    """Serves the pictures and charts it was given, and nothing else: no file, no network."""

    def __init__(self, content: Mapping[str, tuple[bytes, str]]) -> None:
        super().__init__(allowed_protocols=())
        self._content = content

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> URLFetcherResponse:
        if url not in self._content:
            raise FatalURLFetchingError(
                f"the print template asks for {url!r}, which is not part of the report"
            )
        data, media_type = self._content[url]
        return URLFetcherResponse(url, data, {"Content-Type": media_type})


def stated_time(created: str) -> datetime:
    """The time that an audit states, in UTC; 1980 where it states none."""
    return instant(created) or datetime(1980, 1, 1, tzinfo=UTC)


@contextmanager
def _clock(when: datetime) -> Iterator[None]:
    """Give the writers of fonts and dates the audit's time; whatever was set before is set again."""
    with _CLOCK:
        before = os.environ.get("SOURCE_DATE_EPOCH")
        os.environ["SOURCE_DATE_EPOCH"] = str(max(0, int(when.timestamp())))
        try:
            yield
        finally:
            if before is None:
                del os.environ["SOURCE_DATE_EPOCH"]
            else:
                os.environ["SOURCE_DATE_EPOCH"] = before


def _scope_headers(_document: Any, pdf: Any) -> None:
    """Say of every table head whether it heads a column or a row, for readers that do not follow ids.

    WeasyPrint names a head ``<table>-<row>-<column>``, counted within a page; in our tables the first
    row, which is repeated on every page, heads columns, and any other head its row.
    """
    for item in pdf.objects:
        if isinstance(item, dict) and item.get("S") == "/TH" and "ID" in item:
            row = item["ID"].string.split("-")[1]
            item["A"]["Scope"] = "/Column" if row == "0" else "/Row"


def _call_it_pdf_ua(metadata: Any) -> None:
    """Add PDF/UA to the metadata of a PDF/A: WeasyPrint writes one or the other."""
    generate = metadata.generate_rdf_metadata

    def generate_both(*args: Any, **kwargs: Any) -> bytes:
        rdf: bytes = generate(*args, **kwargs)
        return rdf.replace(b"</rdf:RDF>", _PDF_UA)

    metadata.generate_rdf_metadata = generate_both
