"""The JSON Schema of ``audit.json``, generated from the records so that it cannot drift from them.

``python -m auditor.schemas`` prints it, ``--write`` renews the published file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from auditor.records import FORMAT_VERSION, Audit

SCHEMA_FILE = f"audit-{FORMAT_VERSION}.schema.json"


def audit_schema() -> dict[str, Any]:
    """The schema, JSON Schema draft 2020-12; every field carries its description."""
    # Reader's mode: fields that were added later with a default are not required, so audits
    # written before stay valid.
    generated = Audit.model_json_schema(by_alias=True, mode="validation")
    properties = generated.pop("properties")
    definitions = generated.pop("$defs")
    required = [*generated.pop("required"), "format_version"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:auditor:schema:audit:{FORMAT_VERSION}",
        **generated,
        "required": sorted(required),
        "properties": properties,
        "$defs": definitions,
    }


def schema_text() -> str:
    """The content of the published file."""
    return json.dumps(audit_schema(), indent=2, ensure_ascii=False) + "\n"


def published_schema() -> Path:
    """Where the published schema lies, in a wheel and in a checkout."""
    return Path(__file__).with_name(SCHEMA_FILE)
