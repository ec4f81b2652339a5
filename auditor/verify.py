"""Whether a report says what its audit says, and the audit is about what it names.

A report in PDF carries its ``audit.json``. It is rendered again from there and compared, byte by
byte where the pictures are at hand, word by word otherwise. A number changed in the pages is found,
and so is one changed in the attachment.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

from auditor.errors import AuditorError, InputError
from auditor.files import write_bytes
from auditor.policy.kept import VERDICT_FILE
from auditor.records import FORMAT_VERSION, Audit
from auditor.report import render_format
from auditor.settings import parse_arguments
from auditor.store.directory import AUDIT_FILE, inside, older_format, parse_audit, written_by_auditor
from auditor.store.evaluations import EVALUATION_FILE
from auditor.store.pdf import PdfContent, read_pdf
from auditor.store.sign import SIGNATURE_FILE, key_fingerprint, read_signature, signature_holds
from auditor.version import __version__

if TYPE_CHECKING:
    from auditor.models import Request

Outcome = Literal["ok", "failed", "not checked"]

LARGEST_SIDE = 4096
"""Pixels of a stand-in for a picture."""


@dataclass(frozen=True)
class VerificationCheck:
    """One thing that was looked at."""

    name: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True)
class _Stored:
    content: bytes
    """The ``audit.json`` as it was read."""
    audit: Audit
    directory: Path | None
    """Where its pictures lie; ``None`` for a PDF by itself."""


@dataclass(frozen=True)
class Verification:
    """Everything that was looked at, and the audit it was about."""

    checks: list[VerificationCheck]
    audit: Audit | None

    @property
    def passed(self) -> bool:
        """Whether nothing failed and something was checked."""
        return all(c.outcome != "failed" for c in self.checks) and any(c.outcome == "ok" for c in self.checks)


def verify(
    path: Path,
    *,
    public_key: Path | None = None,
    signature: Path | None = None,
    model: str | None = None,
    arch: str | None = None,
    banks: Sequence[str] = (),
) -> Verification:
    """Check a report in PDF, or an audit directory with the reports in it.

    Args:
        path: The PDF or the directory.
        public_key: PEM file; the signature must be by this key.
        signature: The ``audit.sig``; by default the one beside the audit.
        model: Load this model and compare its weights' hash; needs torch.
        arch: Architecture, for ``file:PATH``.
        banks: Load these banks and compare their digests.

    Raises:
        InputError: There is nothing that could be checked.
    """
    if path.is_dir():
        content = _read(path / AUDIT_FILE)
        directory: Path | None = path
        reports = [path / name for name in ("report.pdf", "report.html") if (path / name).exists()]
        beside = path / SIGNATURE_FILE
    else:
        pdf = read_pdf(_read(path), where=str(path))
        if AUDIT_FILE not in pdf.attachments:
            raise InputError(f"'{path}': no {AUDIT_FILE} is attached; this is not a report of auditor")
        content, directory, reports = pdf.attachments[AUDIT_FILE], None, [path]
        beside = path.parent / SIGNATURE_FILE
    signature = signature or (beside if beside.exists() else None)
    audit, checks = _audit(content, str(path))
    if audit is not None:
        for report in reports:
            checks += _report(report, _Stored(content, audit, directory))
        if not reports:
            checks.append(VerificationCheck("report", "not checked", "there is none beside the audit"))
    checks += _signature(content, signature, public_key)
    if audit is not None:
        checks += _model(audit, model, arch)
        checks += _banks(audit, banks)
    return Verification(checks, audit)


def _audit(content: bytes, where: str) -> tuple[Audit | None, list[VerificationCheck]]:
    digest = hashlib.sha256(content).hexdigest()
    try:
        audit = parse_audit(content, where=where)
    except InputError as error:
        return None, [VerificationCheck("audit", "failed", str(error))]
    if not written_by_auditor(content, audit):
        text = f"{AUDIT_FILE} was written or changed by something else than auditor (SHA-256 {digest})"
        return audit, [VerificationCheck("audit", "failed", text)]
    text = "follows its schema"
    if older := older_format(content):
        text = (
            f"stored in format {older} and read as format {FORMAT_VERSION}; signatures and digests are of "
            "the stored bytes"
        )
    return audit, [VerificationCheck("audit", "ok", f"{text}; SHA-256 {digest}")]


def _report(path: Path, stored: _Stored) -> Iterator[VerificationCheck]:
    raw = _read(path)
    numbers = f"{path.name}: numbers"
    if path.suffix == ".html":
        if stored.directory and render_format(stored.audit, stored.directory, name="html") == raw:
            yield VerificationCheck(numbers, "ok", _SAME_BYTES)
        else:
            text = f"not what auditor renders from the audit{_hint(stored)}"
            yield VerificationCheck(numbers, "failed", text)
        return
    try:
        pdf = read_pdf(raw, where=str(path))
    except InputError as error:
        yield VerificationCheck(path.name, "failed", str(error))
        return
    if stored.directory is not None:
        attached = pdf.attachments.get(AUDIT_FILE)
        same = attached == stored.content
        text = "is the audit beside it" if same else "is missing" if attached is None else "is another audit"
        outcome: Outcome = "ok" if same else "failed"
        yield VerificationCheck(f"{path.name}: attachment", outcome, f"{AUDIT_FILE} {text}")
    yield _pdf(numbers, raw, pdf, stored)
    if VERDICT_FILE in pdf.attachments:
        text = "shown as the file states it; 'auditor gate' with the policy makes it again"
        yield VerificationCheck(f"{path.name}: gate verdict", "not checked", text)


def _pdf(name: str, raw: bytes, pdf: PdfContent, stored: _Stored) -> VerificationCheck:
    if stored.directory is not None:
        again = render_format(stored.audit, stored.directory, name="pdf")
        if again == raw:
            return VerificationCheck(name, "ok", _SAME_BYTES)
    else:
        with tempfile.TemporaryDirectory(prefix="auditor-verify-") as folder:
            _stand_ins(stored.audit, Path(folder))
            for file in {AUDIT_FILE, VERDICT_FILE, EVALUATION_FILE} & pdf.attachments.keys():
                write_bytes(Path(folder) / file, pdf.attachments[file])
            again = render_format(stored.audit, Path(folder), name="pdf")
    expected = read_pdf(again, where="the report rendered again").pages
    difference = first_difference(pdf.pages, expected)
    if difference:
        return VerificationCheck(name, "failed", f"not the audit's: {difference}{_hint(stored)}")
    text = "rendered again from the audit, every word is the same; pictures were not compared"
    return VerificationCheck(name, "ok", text)


_SAME_BYTES = "rendered again from the audit, the file is the same to the byte"


def _hint(stored: _Stored) -> str:
    """Why an untouched report may differ from the one rendered again."""
    made = stored.audit.environment.auditor
    if older := older_format(stored.content):
        return (
            f" (the audit is stored in format {older}; a report written before format {FORMAT_VERSION} has "
            "other words: write it again with 'auditor render')"
        )
    if made == __version__:
        return ""
    return f" (the audit is by auditor {made}, this is {__version__}: its reports may look different)"


def first_difference(seen: Sequence[str], expected: Sequence[str]) -> str:
    """Where two texts differ, page by page and white space aside; empty where they do not.

    Other fonts can break lines elsewhere, which is no difference, or pages, which is one: two numbers
    that changed places must not pass for a page break.
    """
    for number, (page, other) in enumerate(zip_longest(seen, expected, fillvalue=""), start=1):
        if "".join(page.split()) != "".join(other.split()):
            has, gives = _around(page, other), _around(other, page)
            return f"page {number} has '{has}' where the audit gives '{gives}'"
    return ""


def _around(text: str, other: str) -> str:
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(text, other, strict=False))
    position = sum(1 for _ in alike)
    start = text.rfind(" ", 0, max(position - 20, 0)) + 1
    return text[start : position + 30]


def _stand_ins(audit: Audit, folder: Path) -> None:
    """Grey pictures of the recorded sizes, so that the pages are laid out as they were."""
    for result in audit.classes:
        for picture in result.pictures:
            try:
                path = inside(folder, picture.path)
            except InputError:
                continue
            size = tuple(min(max(side, 1), LARGEST_SIDE) for side in (picture.width, picture.height))
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (size[0], size[1]), "grey").save(path, format="PNG")


def _signature(content: bytes, path: Path | None, public_key: Path | None) -> Iterator[VerificationCheck]:
    if path is None and public_key is not None:
        yield VerificationCheck("signature", "failed", "there is none, and a public key was given")
        return
    if path is None:
        yield VerificationCheck("signature", "not checked", "there is none")
        return
    try:
        signature = read_signature(path)
        holds = signature_holds(content, signature, public_key)
    except InputError as error:
        if public_key is not None and "key" in str(error):
            raise
        yield VerificationCheck("signature", "failed", str(error))
        return
    if not holds:
        by = f" by the key in {public_key}" if public_key else ""
        yield VerificationCheck("signature", "failed", f"not a signature of this audit{by}")
        return
    fingerprint = key_fingerprint(signature)
    if public_key is None:
        text = f"of this audit, by an unconfirmed key ({fingerprint}): give --public-key"
        yield VerificationCheck("signature", "not checked", text)
    else:
        text = f"of this audit, by the key in {public_key} ({fingerprint})"
        yield VerificationCheck("signature", "ok", text)


def _model(audit: Audit, spec: str | None, arch: str | None) -> Iterator[VerificationCheck]:
    recorded = audit.model.weights_sha256
    if spec is None:
        text = f"give --model to compare with {recorded[:16]}"
        yield VerificationCheck("model weights", "not checked", text)
        return
    from auditor.models import load_model

    try:
        seen = load_model(spec, request=_as_recorded(audit, arch)).record().weights_sha256
    except AuditorError as error:
        yield VerificationCheck("model weights", "failed", str(error))
        return
    if seen == recorded:
        yield VerificationCheck("model weights", "ok", f"{spec} has the recorded hash {recorded[:16]}")
    else:
        text = f"{spec} has {seen[:16]}, the audit is of {recorded[:16]}"
        yield VerificationCheck("model weights", "failed", text)


def _as_recorded(audit: Audit, arch: str | None) -> Request:
    """How the audit read its model's file.

    A function that makes a network is not taken from there: it would be run.
    """
    from auditor.models import Request

    kept = audit.settings
    try:
        args = parse_arguments(kept.get("model_args") or ())
    except ValueError as error:
        raise InputError(f"model_args of the audit: {error}") from error
    return Request(arch=arch or kept.get("arch"), args=args, weights_key=kept.get("weights_key"))


def _banks(audit: Audit, specs: Sequence[str]) -> Iterator[VerificationCheck]:
    if not specs:
        names = ", ".join(b.name for b in audit.banks)
        yield VerificationCheck("banks", "not checked", f"give --bank to compare: {names}")
        return
    from auditor.banks import load_bank

    recorded = {b.name: b for b in audit.banks}
    fewest, seed = int(audit.settings.get("min_images", 30)), int(audit.settings.get("seed", 0))
    for spec in specs:
        try:
            bank = load_bank(spec, min_images=fewest, seed=seed)
        except AuditorError as error:
            yield VerificationCheck(f"bank {spec}", "failed", str(error))
            continue
        if bank.name not in recorded:
            yield VerificationCheck(f"bank {spec}", "failed", f"the audit has no bank '{bank.name}'")
        elif bank.digest == recorded[bank.name].digest:
            yield VerificationCheck(f"bank {spec}", "ok", f"has the recorded digest {bank.digest[:16]}")
        else:
            text = f"has {bank.digest[:16]}, the audit used {recorded[bank.name].digest[:16]}"
            yield VerificationCheck(f"bank {spec}", "failed", text)


def write_attachments(path: Path, out: Path) -> list[Path]:
    """Write what a report in PDF carries into a folder.

    Raises:
        InputError: No readable PDF, or a file of that name exists already.
        StorageError: It could not be written.
    """
    written = []
    for name, content in read_pdf(_read(path), where=str(path)).attachments.items():
        target = inside(out, Path(name).name)
        if target.exists():
            raise InputError(f"'{target}': exists already")
        write_bytes(target, content)
        written.append(target)
    return written


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"'{path}': cannot be read: {error.strerror}") from error
