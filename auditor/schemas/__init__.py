"""The JSON Schemas of ``audit.json``, ``scan.json`` and ``bank.toml``, generated so that they cannot drift.

``python -m auditor.schemas`` prints the audit's, ``--write`` renews the published files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from auditor.records import FORMAT_VERSION, Audit
from auditor.scan_records import SCAN_VERSION, Scan

SCHEMA_FILE = f"audit-{FORMAT_VERSION}.schema.json"
BANK_SCHEMA_FILE = "bank-1.schema.json"
SCAN_SCHEMA_FILE = f"scan-{SCAN_VERSION}.schema.json"


def audit_schema() -> dict[str, Any]:
    """The schema, JSON Schema draft 2020-12; every field carries its description."""
    return _schema(Audit, f"urn:auditor:schema:audit:{FORMAT_VERSION}", "format_version")


def scan_schema() -> dict[str, Any]:
    """The same for ``scan.json``."""
    return _schema(Scan, f"urn:auditor:schema:scan:{SCAN_VERSION}", "format_version", "kind")


def _schema(record: type[Audit] | type[Scan], name: str, *required: str) -> dict[str, Any]:
    # Reader's mode: fields that were added later with a default are not required, so audits
    # written before stay valid.
    generated = record.model_json_schema(by_alias=True, mode="validation")
    properties = generated.pop("properties")
    definitions = generated.pop("$defs")
    for one in (properties, *(definition["properties"] for definition in definitions.values())):
        for field in one.values():
            _state_unit(field)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": name,
        **generated,
        "required": sorted([*generated.pop("required"), *required]),
        "properties": properties,
        "$defs": definitions,
    }


def _state_unit(field: dict[str, Any]) -> None:
    """Put ``unit`` and ``range`` of a number, or of a list of numbers, beside the field's description.

    A range's ends are those of the values; one that no constraint nor the record states is ``null``.
    """
    branches = [field, *field.get("anyOf", ()), field.get("items", {})]
    stated = next((one for one in branches if "unit" in one), None)
    if stated is None:
        return
    words, (low, high) = stated["unit"], stated["range"]
    for one in branches:
        low = one.get("minimum", one.get("exclusiveMinimum", low))
        high = one.get("maximum", one.get("exclusiveMaximum", high))
        for keyword in ("unit", "range"):
            one.pop(keyword, None)
    field.update(unit=words, range=[low, high])


def schema_text() -> str:
    """The content of the audit's published file."""
    return json.dumps(audit_schema(), indent=2, ensure_ascii=False) + "\n"


def scan_schema_text() -> str:
    """The content of the scan's."""
    return json.dumps(scan_schema(), indent=2, ensure_ascii=False) + "\n"


def published_scan_schema() -> Path:
    """Where it lies."""
    return Path(__file__).with_name(SCAN_SCHEMA_FILE)


def published_schema() -> Path:
    """Where the published schema lies, in a wheel and in a checkout."""
    return Path(__file__).with_name(SCHEMA_FILE)


def bank_schema_text() -> str:
    """The same for a bank's manifest, for editors that complete and check TOML by a schema."""
    from auditor.banks.manifest import Manifest

    generated = Manifest.model_json_schema(mode="validation")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:auditor:schema:bank:1",
        **generated,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def published_bank_schema() -> Path:
    """Where it lies."""
    return Path(__file__).with_name(BANK_SCHEMA_FILE)
