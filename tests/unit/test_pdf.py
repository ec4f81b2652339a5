from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pypdf = pytest.importorskip("pypdf")

from auditor.records import Audit  # noqa: E402
from auditor.report.formats import pdf  # noqa: E402
from auditor.schemas import schema_text  # noqa: E402
from auditor.store.directory import audit_bytes  # noqa: E402
from tests.sample import hostile  # noqa: E402


@pytest.fixture(scope="module")
def small(audit: Audit) -> Audit:
    """One class with every kind of section and few rows, since a page costs time."""
    one = audit.classes[1]
    shown = [p for p in one.pictures if not p.path.endswith(("-3.png", "-4.png", "-5.png"))]
    one = one.model_copy(update={"concepts": one.concepts[:4], "pictures": shown})
    own = audit.of_class(one.index)
    found = [*own[:4], *(f for f in own if f.kind == "contrast")]
    banks = [bank.model_copy(update={"concepts": bank.concepts[:2]}) for bank in audit.banks]
    return audit.model_copy(update={"classes": [one], "findings": found, "banks": banks})


@pytest.fixture(scope="module")
def content(small: Audit, sample_directory: Path) -> bytes:
    return pdf.render(small, sample_directory)


@pytest.fixture(scope="module")
def reader(content: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(content))


def test_evidence_is_attached_byte_for_byte(reader: pypdf.PdfReader, small: Audit) -> None:
    attached = {name: data[0] for name, data in reader.attachments.items()}
    assert attached == {
        "audit.json": audit_bytes(small),
        "audit-3.schema.json": schema_text().encode(),
    }
    relationships = {item.get_object()["/AFRelationship"] for item in reader.trailer["/Root"]["/AF"]}
    assert relationships == {"/Data", "/Supplement"}


def test_same_audit_same_bytes_whatever_the_clock(
    small: Audit, sample_directory: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    assert pdf.render(small, sample_directory) == content
    assert os.environ["SOURCE_DATE_EPOCH"] == "12345"


def test_clock_is_restored_after_a_failure(
    small: Audit, sample_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)

    def fail(**options: object) -> None:
        assert "SOURCE_DATE_EPOCH" in os.environ
        raise RuntimeError

    monkeypatch.setattr(pdf.weasyprint, "HTML", fail)
    with pytest.raises(RuntimeError):
        pdf.render(small, sample_directory)
    assert "SOURCE_DATE_EPOCH" not in os.environ


def test_it_is_tagged_and_has_title_and_language(reader: pypdf.PdfReader) -> None:
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata is not None
    assert reader.metadata.title == "Concept audit of bundled:efficientnet_lite0"
    metadata = root["/Metadata"].get_data().decode()
    assert 'pdfaid:part="3"' in metadata
    assert 'pdfuaid:part="1"' in metadata
    assert metadata.count("<rdf:RDF") == 1


def tagged(node: object, tag: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    stack: list[object] = [node]
    while stack:
        item = stack.pop()
        item = item.get_object() if hasattr(item, "get_object") else item
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            if item.get("/S") == tag:
                found.append(item)
            stack.append(item.get("/K"))
    return found


def test_every_picture_has_a_text(reader: pypdf.PdfReader, small: Audit) -> None:
    found = tagged(reader.trailer["/Root"]["/StructTreeRoot"], "/Figure")
    assert len(found) >= 7 + len([p for p in small.classes[0].pictures if p.kind == "overlay"])
    assert all(str(figure.get("/Alt", "")).strip() for figure in found)
    texts = " ".join(str(figure["/Alt"]) for figure in found)
    assert "Concept effects for class “lipstick”" in texts


def test_table_heads_say_what_they_head(reader: pypdf.PdfReader) -> None:
    heads = tagged(reader.trailer["/Root"]["/StructTreeRoot"], "/TH")
    scopes = [head["/A"]["/Scope"] for head in heads]  # type: ignore[index]
    assert set(scopes) == {"/Column", "/Row"}


def test_contents_name_pages_and_outline_names_chapters(reader: pypdf.PdfReader) -> None:
    assert re.search(r"method and limits \(\d+\)", " ".join(reader.pages[1].extract_text().split()))
    titles = []

    def walk(items: list[object]) -> None:
        for item in items:
            if isinstance(item, list):
                walk(item)
            else:
                titles.append(item["/Title"])  # type: ignore[index]

    walk(reader.outline)
    for title in ("Each class in a sentence", "lipstick", "Method and limits", "Appendix: glossary"):
        assert title in titles


def test_first_page_says_what_how_and_how_far(reader: pypdf.PdfReader) -> None:
    text = " ".join(reader.pages[0].extract_text().split())
    for needed in (
        *("bundled:efficientnet_lite0", "8f3c1d0b", "Scores: ! usable in part", "Explanations: ✓ usable"),
        *("Checks withhold 1 of 5 findings", "technical properties alone tell 64%", "Nothing is claimed."),
        *("Not tested", "Release: not stated", "Decision of the reviewer"),
    ):
        assert needed in text, needed


def test_charts_are_vectors(reader: pypdf.PdfReader, small: Audit) -> None:
    pictures = len({image.name for page in reader.pages for image in page.images})
    # None of the charts is among the bitmaps.
    assert 0 < pictures <= len(small.classes[0].pictures)
    text = " ".join(page.extract_text() for page in reader.pages)
    assert "effect; thick: 95% interval, thin: adjusted" in text


def test_readers_find_no_fault(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(content)
    tools = [tool for tool in ("qpdf", "pdfinfo", "pdftotext") if shutil.which(tool)]
    if not tools:
        pytest.skip("none of qpdf, pdfinfo, pdftotext is installed")
    if "qpdf" in tools:
        check = subprocess.run(["qpdf", "--check", path], capture_output=True, text=True, check=False)
        assert check.returncode == 0, check.stdout + check.stderr
    if "pdfinfo" in tools:
        info = subprocess.run(["pdfinfo", path], capture_output=True, text=True, check=True).stdout
        assert "Tagged:          yes" in info
        assert "CreationDate:    Mon Nov 23" in info
    if "pdftotext" in tools:
        text = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True)
        assert "Decision of the reviewer" in text.stdout


def test_only_what_belongs_to_the_report_can_be_fetched() -> None:
    fetcher = pdf._OnlyGiven({"report:/chart/a": (b"<svg/>", "image/svg+xml")})
    assert fetcher.fetch("report:/chart/a").read() == b"<svg/>"
    for url in ("file:///etc/passwd", "http://127.0.0.1/x", "data:text/plain,x", "report:/../etc/passwd"):
        with pytest.raises(pdf.FatalURLFetchingError):
            fetcher.fetch(url)


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack",
    ["</p><img src='file:///etc/passwd'>", "<style>@import url(http://127.0.0.1/)</style>", "\x00\x1b$\\x{"],
)
def test_hostile_names_are_printed_as_text(small: Audit, sample_directory: Path, attack: str) -> None:
    evil = hostile(small, attack)
    content = pdf.render(evil, sample_directory)
    reader = pypdf.PdfReader(io.BytesIO(content))
    attached = json.loads(reader.attachments["audit.json"][0])
    assert attached["model"]["name"] == attack
    if "\x00" not in attack:
        assert attack[:6] in reader.pages[0].extract_text()
