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


UNITS = {
    "effect": "difference of log-scaled class probability, -1 to 1",
    **dict.fromkeys(("low", "high", "adjusted_low", "adjusted_high"), "that of effect"),
    **dict.fromkeys(("margin", "minimum_detectable"), "that of effect"),
    **dict.fromkeys(("mean", "mean_other"), "log-scaled class probability, 0 to 1"),
    **dict.fromkeys(("p_value", "p_adjusted", "q_value", "alpha"), "probability, 0 to 1"),
    "class_share": "share of the model's other classes, 0 to 1",
    **dict.fromkeys(
        ("log_difference", "log_difference_low", "log_difference_high"),
        "natural logarithm of probability, in standard deviations over images",
    ),
    **dict.fromkeys(("n", "n_other"), "images"),
    **dict.fromkeys(("independent", "independent_other"), "independent images, or pairs of them"),
    "taken_for_class": "images",
    "family": "tests",
    "rank": "place, 1 is first",
}
"""Number of a finding to its unit, which the schema states as ``x-unit`` for programs that quote numbers."""


def _schema(record: type[Audit] | type[Scan], name: str, *required: str) -> dict[str, Any]:
    # Reader's mode: fields that were added later with a default are not required, so audits
    # written before stay valid.
    generated = record.model_json_schema(by_alias=True, mode="validation")
    properties = generated.pop("properties")
    definitions = generated.pop("$defs")
    for name in ("Finding", "ScanFinding"):
        for field, about in definitions.get(name, {}).get("properties", {}).items():
            if field in UNITS:
                about["x-unit"] = UNITS[field]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": name,
        **generated,
        "required": sorted([*generated.pop("required"), *required]),
        "properties": properties,
        "$defs": definitions,
    }


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
