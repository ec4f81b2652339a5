"""An audit that an older version wrote is read, shown, judged and verified by this one.

``tests/data/audit-2.json`` was written by the last version of format 2: one class, no pictures.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from auditor.cli import main
from auditor.errors import InputError
from auditor.records import FORMAT_VERSION
from auditor.schemas import audit_schema
from auditor.store.directory import audit_bytes, parse_audit, read_audit, stored_bytes
from auditor.store.migrate import STEPS, from_2_to_3, migrated
from auditor.store.pdf import read_pdf
from auditor.verify import verify

OLD = Path(__file__).parents[1] / "data" / "audit-2.json"
POLICY = "format_version = 2\n[[association]]\nlargest_effect = 0.2\nlargest_growth = 0.1\n"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A directory with an audit of format 2."""
    folder = tmp_path / "old"
    folder.mkdir()
    shutil.copy(OLD, folder / "audit.json")
    return folder


def test_there_is_a_step_from_every_format_since_2() -> None:
    assert list(STEPS) == list(range(2, FORMAT_VERSION))


def test_format_3_renames_one_setting_and_keeps_its_place() -> None:
    before = json.loads(OLD.read_bytes())
    after = from_2_to_3(before)
    assert before["settings"]["panel"] == 3, "the step changes nothing in place"
    assert after.pop("format_version") == 3
    names = ["reference_classes" if name == "panel" else name for name in before["settings"]]
    assert list(after["settings"]) == names
    assert after.pop("settings") == dict(zip(names, before["settings"].values(), strict=True))
    assert after == {k: v for k, v in before.items() if k not in ("settings", "format_version")}


def test_a_migrated_audit_is_what_this_version_would_have_written() -> None:
    audit = parse_audit(OLD.read_bytes(), where="x")
    assert audit.format_version == FORMAT_VERSION
    assert audit.settings["reference_classes"] == 3
    expected = migrated(json.loads(OLD.read_bytes()))
    expected["scan"] = None  # of which format 2 knew nothing
    for bank in expected["banks"]:
        bank["screening"] = False
    for result in expected["classes"]:
        for detail in result["concepts"]:
            detail["importance"] = None  # format 2 did not measure it
        for detail in result["contrasts"]:
            detail["apart"] = None
    assert json.loads(audit_bytes(audit)) == expected
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(audit_schema()).validate(json.loads(audit_bytes(audit)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((b'"settings": {', b'"settings": 3, "x": {'), "settings"),
        ((b'"conclusion": "inconclusive"', b'"conclusion": "fair"'), "conclusion"),
        ((b'"synset"', b'"synsett"'), "classes.0.synsett"),
    ],
)
def test_a_damaged_older_audit_is_refused(change: tuple[bytes, bytes], said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_audit(OLD.read_bytes().replace(*change), where="x")


def test_reports_are_about_the_bytes_that_were_stored(old: Path, tmp_path: Path) -> None:
    audit = read_audit(old)
    raw = OLD.read_bytes()
    assert stored_bytes(audit, old) == raw != audit_bytes(audit)
    other = audit.model_copy(update={"family": "another"})
    assert stored_bytes(other, old) == audit_bytes(other)
    assert stored_bytes(audit, tmp_path) == audit_bytes(audit)


def test_commands_read_an_older_audit_and_leave_it_as_it_is(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    new = tmp_path / "new"
    new.mkdir()
    (new / "audit.json").write_bytes(audit_bytes(read_audit(old)))
    assert main(["render", str(old), "-f", "html", "-f", "markdown", "-f", "json", "-f", "csv"]) == 0
    assert main(["gate", str(old), "-p", str(policy), "--baseline", str(old)]) in (0, 3, 4)
    assert main(["compare", str(old), str(new)]) == 0
    said = capsys.readouterr().out
    assert "reference_classes" not in said, "a renamed setting is no difference"
    assert "panel" not in said
    assert main(["history", str(old), str(new)]) == 0
    assert (old / "audit.json").read_bytes() == OLD.read_bytes()
    assert (old / "report.json").read_bytes() == (new / "audit.json").read_bytes()
    digest = hashlib.sha256(OLD.read_bytes()).hexdigest()
    page = (old / "report.html").read_text()
    assert "audit.json, as stored in format 2" in page
    assert digest in page


@pytest.mark.slow
def test_verify_holds_a_report_against_the_stored_bytes(old: Path, tmp_path: Path) -> None:
    assert main(["render", str(old), "-f", "html", "-f", "pdf"]) == 0
    found = verify(old)
    assert found.passed
    details = {check.name: check.detail for check in found.checks}
    digest = hashlib.sha256(OLD.read_bytes()).hexdigest()
    assert details["audit"] == (
        "stored in format 2 and read as format 3; signatures and digests are of the stored bytes; "
        f"SHA-256 {digest}"
    )
    pdf = read_pdf((old / "report.pdf").read_bytes(), where="x")
    assert pdf.attachments == {"audit.json": OLD.read_bytes()}, "the schema is of another format"
    assert digest in "".join("".join(pdf.pages).split())
    alone = tmp_path / "alone.pdf"
    shutil.copy(old / "report.pdf", alone)
    assert verify(alone).passed
    # The same audit in today's format has other bytes, so the report is not of it.
    (old / "audit.json").write_bytes(audit_bytes(read_audit(old)))
    failed = [check.name for check in verify(old).checks if check.outcome == "failed"]
    assert failed == ["report.pdf: attachment", "report.pdf: numbers", "report.html: numbers"]


def test_verify_says_why_a_report_of_an_older_version_differs(old: Path) -> None:
    (old / "report.html").write_text("as an older version wrote it")
    details = {check.name: check.detail for check in verify(old).checks if check.outcome == "failed"}
    assert details == {
        "report.html: numbers": "not what auditor renders from the audit (the audit is stored in format 2; "
        "a report written before format 3 has other words: write it again with 'auditor render')"
    }


def test_verify_finds_a_change_in_an_older_audit(old: Path) -> None:
    file = old / "audit.json"
    file.write_bytes(file.read_bytes().replace(b"  ", b" ", 1))
    assert "was written or changed by something else" in verify(old).checks[0].detail


@pytest.mark.skipif(importlib.util.find_spec("cryptography") is None, reason="needs the extra 'sign'")
def test_a_signature_of_an_older_audit_still_holds(old: Path, tmp_path: Path) -> None:
    assert main(["sign", "--new-key", str(tmp_path / "key")]) == 0
    assert main(["sign", str(old), "--key", str(tmp_path / "key")]) == 0
    signature = json.loads((old / "audit.sig").read_text())
    assert signature["audit_sha256"] == hashlib.sha256(OLD.read_bytes()).hexdigest()
    seen = {c.name: c.outcome for c in verify(old, public_key=tmp_path / "key.pub").checks}
    assert seen["signature"] == "ok"
    # Written again in today's format, the numbers are the same and the bytes are not.
    (old / "audit.json").write_bytes(audit_bytes(read_audit(old)))
    seen = {c.name: c.outcome for c in verify(old, public_key=tmp_path / "key.pub").checks}
    assert seen["signature"] == "failed"
