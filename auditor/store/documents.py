"""Files with one record each, of a kind and a version: a scan, an evaluation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from auditor.errors import InputError, one_line
from auditor.records import Record
from auditor.store.directory import first_fault

AnyRecord = TypeVar("AnyRecord", bound=Record)


@dataclass(frozen=True)
class Document(Generic[AnyRecord]):
    """One kind of file."""

    kind: str
    """As the file states it, and as errors call it."""
    record: type[AnyRecord]
    version: int
    directory: str
    """``a scan's directory``: what a path may name instead of the file."""
    needed: str
    """What a file of another kind is not: ``a scan made by `auditor scan```."""

    @property
    def file(self) -> str:
        """Its name."""
        return f"{self.kind}.json"

    def read(self, path: Path) -> AnyRecord:
        """Read it from its directory or from the file itself.

        Raises:
            InputError: Nothing there, not JSON, a version that cannot be read, or a field that the format
                does not allow; the message names the field.
        """
        file = path / self.file if path.is_dir() else path
        where = f"{self.kind} '{file}'"
        try:
            raw = file.read_bytes()
        except OSError as error:
            seen = error.strerror or str(error)
            raise InputError(
                f"{self.kind} '{path}': {seen}; needed {self.directory} or its {self.file}"
            ) from None
        try:
            data = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: not complete JSON: {one_line(error)}") from None
        if not isinstance(data, dict) or data.get("kind") != self.kind:
            raise InputError(f"{where}: its 'kind' is not '{self.kind}'; needed {self.needed}")
        if data.get("format_version") != self.version:
            seen = repr(data.get("format_version"))
            raise InputError(f"{where}: format version {seen}; this auditor reads version {self.version}")
        try:
            return self.record.model_validate_json(raw)
        except ValidationError as error:
            raise InputError(f"{where}: {first_fault(error)}") from None
