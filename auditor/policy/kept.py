"""The gate's verdict beside the audit it is about, so that the report can show it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from auditor.compare import release
from auditor.errors import InputError
from auditor.files import write_bytes
from auditor.policy.verdict import Verdict
from auditor.records import Audit

VERDICT_FILE = "gate.json"


def keep_verdict(directory: Path, verdict: Verdict) -> Path:
    """Write a verdict into the audit directory.

    Raises:
        StorageError: It cannot be written.
    """
    path = directory / VERDICT_FILE
    write_bytes(path, verdict_bytes(verdict))
    return path


def verdict_bytes(verdict: Verdict) -> bytes:
    """The exact content of ``gate.json``."""
    return (verdict.model_dump_json(indent=2) + "\n").encode()


def kept_verdict(directory: Path, audit: Audit) -> Verdict | None:
    """The verdict that lies beside an audit; ``None`` without one, or where it is of another audit.

    Raises:
        InputError: The file is damaged, or not a verdict that this version reads.
    """
    path = directory / VERDICT_FILE
    try:
        verdict = Verdict.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"verdict '{path}': cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(f"verdict '{path}': {field}: {first['msg']}") from None
    return verdict if verdict.audit == release(audit) else None
