"""The audit directory on disk: written whole or not at all, read with every surprise named.

``audit.json`` is written last, so its presence means that the audit is complete. The same audit
gives the same bytes: fields in the order of the records, floats to six significant digits.
``docs/audit-format.md`` describes the directory for readers in other languages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import ValidationError

from auditor.errors import InputError, one_line
from auditor.files import save_arrays, write_bytes
from auditor.records import FORMAT_VERSION, Audit
from auditor.store.migrate import STEPS, Document, migrated

AUDIT_FILE = "audit.json"
WORK = ".work"
"""Folder in the audit directory for what is done of an unfinished audit."""

SIGNIFICANT_DIGITS = 6
"""Digits kept of every float: more than any estimate here is worth, few enough to hide the last
bit's noise between machines."""

_NOT_A_RESULT = ("created", "duration_s")


def write_audit(
    directory: Path,
    audit: Audit,
    arrays: Mapping[str, NDArray[Any]] | None = None,
    *,
    pictures: Mapping[str, bytes] | None = None,
) -> Path:
    """Write an audit and what belongs to it; ``audit.json`` comes last and atomically.

    Args:
        directory: Made if missing.
        audit: The numbers and words.
        arrays: Name to array, saved in the file that ``audit.arrays`` names.
        pictures: Path relative to ``directory`` to encoded image.

    Returns:
        The path of ``audit.json``.

    Raises:
        StorageError: A file could not be written (full disk, no permission). Files that were
            there before are untouched and no temporary file is left.
    """
    for name, content in (pictures or {}).items():
        write_bytes(inside(directory, name), content)
    if arrays is not None:
        save_arrays(inside(directory, audit.arrays), arrays)
    path = directory / AUDIT_FILE
    write_bytes(path, audit_bytes(audit))
    return path


def read_audit(path: Path) -> Audit:
    """Read an audit from its directory or from the file itself.

    Raises:
        InputError: Nothing there, not JSON (cut off, for example), a format version that cannot be read, or
            a field that the format does not allow; the message names the field.
    """
    file = path / AUDIT_FILE if path.is_dir() else path
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        seen = f"the directory holds no {AUDIT_FILE}" if path.is_dir() else "no such file or directory"
        raise InputError(f"audit '{path}': {seen}; needed an audit directory or its {AUDIT_FILE}") from None
    except OSError as error:
        raise InputError(f"audit '{file}': cannot be read: {error.strerror or error}") from None
    return parse_audit(raw, where=str(file))


def parse_audit(raw: bytes, *, where: str) -> Audit:
    """Turn the bytes of an ``audit.json`` into an audit; ``where`` names them in errors.

    An older format is migrated first (:mod:`auditor.store.migrate`).

    Raises:
        InputError: As for :func:`read_audit`.
    """
    data = _decoded(raw, where)
    if data["format_version"] != FORMAT_VERSION:
        raw = json.dumps(migrated(data)).encode()
    try:
        audit = Audit.model_validate_json(raw)
    except ValidationError as error:
        raise InputError(f"audit '{where}': {first_fault(error)}") from None
    known = {result.index for result in audit.classes}
    for i, finding in enumerate(audit.findings):
        if finding.class_index not in known:
            raise InputError(
                f"audit '{where}': field 'findings.{i}.class_index': {finding.class_index} is the 'index' of "
                "none of 'classes'"
            )
    return audit


def first_fault(error: ValidationError) -> str:
    """The first field that a format does not allow, and how many more there are."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"field '{field}': {first['msg']}{more}"


def _decoded(raw: bytes, where: str) -> Document:
    """The JSON object, of a format version that can be read."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON as well as bad UTF-8
        raise InputError(f"audit '{where}': not complete JSON: {one_line(error)}") from None
    if not isinstance(data, dict) or "format_version" not in data:
        raise InputError(f"audit '{where}': no 'format_version'; this is not an audit")
    version = data["format_version"]
    readable = [*STEPS, FORMAT_VERSION]
    if type(version) is not int or version not in readable:
        old = (
            "; an older audit has to be made again: its conclusions rest on other rules, and it stores "
            "no adjusted intervals"
        )
        reason = old if type(version) is int and 0 < version < FORMAT_VERSION else ""
        raise InputError(
            f"audit '{where}': format version {version!r}; this auditor reads versions "
            f"{' and '.join(map(str, readable))}{reason}"
        )
    return data


def older_format(raw: bytes) -> int | None:
    """The format version of a readable ``audit.json`` that is older than this auditor's; else ``None``."""
    version: int = _decoded(raw, AUDIT_FILE)["format_version"]
    return version if version != FORMAT_VERSION else None


def stored_bytes(audit: Audit, directory: Path) -> bytes:
    """The ``audit.json`` that reports attach and name by its digest.

    Of an audit that lies in ``directory`` in an older format, the file as it is: a signature and the
    digests in other reports are of those bytes. Otherwise :func:`audit_bytes`.
    """
    try:
        raw = (directory / AUDIT_FILE).read_bytes()
        if older_format(raw) and parse_audit(raw, where=AUDIT_FILE) == audit:
            return raw
    except (OSError, InputError):
        pass  # there is no such file, or it is no audit
    return audit_bytes(audit)


def written_by_auditor(raw: bytes, audit: Audit) -> bool:
    """Whether the bytes are what auditor writes for this audit; of an older format, up to defaults.

    Args:
        raw: An ``audit.json``.
        audit: The same, parsed.
    """
    if older_format(raw):
        return settled_json(json.loads(raw)) == raw
    return audit_bytes(audit) == raw


def audit_bytes(audit: Audit) -> bytes:
    """The exact content of ``audit.json``: UTF-8, two spaces, one newline at the end."""
    return settled_json(audit.model_dump(mode="json", by_alias=True))


def settled_json(data: Document) -> bytes:
    """A document as it is written: floats to six significant digits, two spaces, one newline at the end."""
    return (json.dumps(_settle(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def audit_digest(audit: Audit) -> str:
    """SHA-256 of :func:`audit_bytes`, as ``sha256sum audit.json`` prints it in the newest format."""
    return hashlib.sha256(audit_bytes(audit)).hexdigest()


def result_digest(audit: Audit) -> str:
    """SHA-256 of the audit without time stamps and durations: equal when the results are."""
    data = _without_times(_settle(audit.model_dump(mode="json", by_alias=True)))
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def inside(directory: Path, relative: str) -> Path:
    """The path of a file that an audit names, refused if it leads out of the audit's directory.

    Raises:
        InputError: Absolute, climbing with ``..``, or a symbolic link to elsewhere.
    """
    root = directory.resolve()
    try:
        resolved = (root / relative).resolve()
    except (OSError, ValueError):
        resolved = root.parent
    if resolved == root or not resolved.is_relative_to(root):
        raise InputError(f"file {relative!r} of the audit lies outside its directory '{directory}'")
    return resolved


def _settle(value: Any) -> Any:
    """Round floats and replace what UTF-8 cannot hold (undecodable file names)."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_settle(key): _settle(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_settle(item) for item in value]
    return value


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key not in _NOT_A_RESULT}
    return [_without_times(item) for item in value] if isinstance(value, list) else value
