"""A report that was tampered with is found; one that was not is not."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pypdf
import pytest
from PIL import Image

from auditor.cli import main
from auditor.records import Picture
from auditor.report import render_format, write_reports
from auditor.store.directory import write_audit
from auditor.store.pdf import read_pdf
from auditor.verify import Verification, first_difference, verify
from tests.releases import audit_of, audited_class, concept

pytestmark = pytest.mark.slow  # renders reports


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One class with a picture, rendered once as PDF and as HTML."""
    folder = tmp_path_factory.mktemp("audit")
    result, findings = audited_class(concept(effect=0.25, low=0.15, high=0.35))
    picture = Picture(path="pictures/a.png", kind="impression", alt="zebra", width=40, height=30)
    image = io.BytesIO()
    Image.effect_noise((40, 30), 80).convert("RGB").save(image, format="PNG")
    record = audit_of((result.model_copy(update={"pictures": [picture]}), findings))
    write_audit(folder, record, pictures={picture.path: image.getvalue()})
    write_reports(folder, record, formats=["pdf", "html"])
    return folder


@pytest.fixture
def copy(audit: Path, tmp_path: Path) -> Path:
    """A directory of one's own to tamper with."""
    folder = tmp_path / "audit"
    for file in audit.rglob("*"):
        if file.is_file():
            target = folder / file.relative_to(audit)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return folder


def _outcomes(found: Verification) -> dict[str, str]:
    return {check.name: check.outcome for check in found.checks}


def _detail(found: Verification, name: str) -> str:
    return next(check.detail for check in found.checks if check.name == name)


def test_an_untouched_audit_holds(audit: Path) -> None:
    found = verify(audit)
    assert found.passed
    outcomes = _outcomes(found)
    assert {outcomes[name] for name in ("audit", "report.pdf: attachment", "report.pdf: numbers")} == {"ok"}
    assert outcomes["report.html: numbers"] == "ok"
    assert "the same to the byte" in _detail(found, "report.pdf: numbers")


def test_a_pdf_alone_holds_without_its_pictures(audit: Path) -> None:
    found = verify(audit / "report.pdf")
    assert found.passed
    assert "every word is the same; pictures were not compared" in _detail(found, "report.pdf: numbers")


def _with_attachment(pdf: bytes, content: bytes, *, twice: bool = False) -> bytes:
    """The same pages with another ``audit.json``, as somebody with a PDF library would make it."""
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    writer = pypdf.PdfWriter()
    writer.append_pages_from_reader(reader)
    writer.add_attachment("audit.json", content)
    if twice:
        writer.add_attachment("audit.json", content)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_number_changed_in_the_attachment_is_found(copy: Path) -> None:
    pdf = (copy / "report.pdf").read_bytes()
    true = read_pdf(pdf, where="x").attachments["audit.json"]
    assert true == (copy / "audit.json").read_bytes()
    forged = true.replace(b'"effect": 0.25', b'"effect": 0.05')
    assert forged != true
    path = copy / "forged.pdf"
    path.write_bytes(_with_attachment(pdf, forged))
    found = verify(path)
    assert not found.passed
    assert _outcomes(found)["audit"] == "ok"
    # The claim stands on the first page, so that is where they part first.
    detail = _detail(found, "forged.pdf: numbers")
    assert re.search("page 1 has '[^']*Two tenths of the way", detail), detail
    assert re.search("where the audit gives '[^']*Five hundredths of the way", detail), detail
    # The same pages with the true attachment hold: what is found is the number, not the rewriting.
    path.write_bytes(_with_attachment(pdf, true))
    assert verify(path).passed


def test_a_number_changed_in_the_pages_is_found(copy: Path) -> None:
    """The pages of another audit with this audit attached."""
    record = audit_of(audited_class(concept(effect=0.05, low=-0.05, high=0.15)))
    other = render_format(record, copy, name="pdf")
    true = (copy / "audit.json").read_bytes()
    path = copy / "forged.pdf"
    path.write_bytes(_with_attachment(other, true))
    found = verify(path)
    assert not found.passed
    assert "where the audit gives" in _detail(found, "forged.pdf: numbers")


def test_a_report_of_another_audit_beside_this_one_is_found(copy: Path) -> None:
    record = audit_of(audited_class(concept(effect=0.05, low=-0.05, high=0.15)))
    (copy / "report.pdf").write_bytes(render_format(record, copy, name="pdf"))
    found = verify(copy)
    assert _outcomes(found)["report.pdf: attachment"] == "failed"
    assert _outcomes(found)["report.pdf: numbers"] == "failed"


def test_a_changed_page_in_html_is_found(copy: Path) -> None:
    page = copy / "report.html"
    page.write_text(page.read_text().replace("0.25", "0.05"))
    assert _outcomes(verify(copy))["report.html: numbers"] == "failed"


def test_a_changed_audit_is_found_by_its_reports(copy: Path) -> None:
    file = copy / "audit.json"
    true = file.read_text()
    assert true.count('"effect": 0.25') == 1
    file.write_text(true.replace('"effect": 0.25', '"effect": 0.05'))
    outcomes = _outcomes(verify(copy))
    assert outcomes["audit"] == "ok"
    assert outcomes["report.pdf: attachment"] == "failed"
    assert outcomes["report.pdf: numbers"] == "failed"


def test_an_audit_written_by_something_else_is_found(copy: Path) -> None:
    file = copy / "audit.json"
    file.write_text(json.dumps(json.loads(file.read_text())))
    assert "written or changed by something else" in _detail(verify(copy), "audit")
    file.write_text(file.read_text().replace('"classes"', '"clases"', 1))
    found = verify(copy)
    assert not found.passed
    assert found.audit is None


def test_a_conclusion_changed_in_the_audit_is_found_by_its_reports(copy: Path) -> None:
    """The word alone, with every number as it was."""
    file = copy / "audit.json"
    true = file.read_text()
    assert true.count('"conclusion": "associated"') == 1
    file.write_text(true.replace('"conclusion": "associated"', '"conclusion": "inconclusive"'))
    outcomes = _outcomes(verify(copy))
    assert outcomes["audit"] == "ok"
    assert outcomes["report.pdf: attachment"] == "failed"
    assert outcomes["report.pdf: numbers"] == "failed"
    assert outcomes["report.html: numbers"] == "failed"


def test_an_audit_of_an_older_version_is_said_to_be_one(copy: Path) -> None:
    file = copy / "audit.json"
    file.write_text(file.read_text().replace('"format_version": 3', '"format_version": 1'))
    found = verify(copy)
    assert not found.passed
    assert "an older audit has to be made again" in _detail(found, "audit")


@pytest.mark.parametrize("content", [b"", b"hello", b"%PDF-1.7\nnonsense", b"%PDF-1.7\n%%EOF"])
def test_what_is_no_report_is_refused(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.pdf"
    path.write_bytes(content)
    assert main(["verify", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_cut_pdf_is_refused(copy: Path) -> None:
    pdf = copy / "report.pdf"
    pdf.write_bytes(pdf.read_bytes()[: len(pdf.read_bytes()) // 2])
    assert main(["verify", str(pdf)]) in (2, 3)
    assert main(["verify", str(copy)]) == 3


def test_a_pdf_with_two_audits_or_none_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pdf = (copy / "report.pdf").read_bytes()
    path = copy / "two.pdf"
    path.write_bytes(_with_attachment(pdf, b"{}", twice=True))
    assert main(["verify", str(path)]) == 2
    assert "2 attachments called 'audit.json'" in capsys.readouterr().err
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.write(path)
    assert main(["verify", str(path)]) == 2
    assert "no audit.json is attached" in capsys.readouterr().err


def test_attachments_can_be_written(audit: Path, tmp_path: Path) -> None:
    assert main(["verify", str(audit / "report.pdf"), "--extract", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "audit.json").read_bytes() == (audit / "audit.json").read_bytes()


@pytest.mark.parametrize(
    ("seen", "expected", "same"),
    [
        (["a b", "c"], ["a b", "c"], True),
        (["a b-\nc"], ["a\nb- c"], True),  # other fonts: the line breaks elsewhere
        (["a", "b c"], ["a b", "c"], False),
        (["zebra 0.25 lynx 0.05"], ["zebra 0.05 lynx 0.25"], False),
        (["a b", "c"], ["a b", "d"], False),
        (["a b", "c"], ["a b"], False),
        (["a b", "c", "d"], ["a b", "c"], False),
        (["a 1 2"], ["a 1"], False),
    ],
)
def test_texts_differ_by_their_words(seen: list[str], expected: list[str], same: bool) -> None:
    assert (first_difference(seen, expected) == "") == same


def test_a_hash_is_compared_where_the_input_is_at_hand(audit: Path, tmp_path: Path) -> None:
    outcomes = _outcomes(verify(audit / "report.pdf", banks=["./nothing-here"]))
    assert outcomes["bank ./nothing-here"] == "failed"
    assert outcomes["model weights"] == "not checked"
