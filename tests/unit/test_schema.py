from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from auditor.schemas import (
    audit_schema,
    bank_schema_text,
    published_bank_schema,
    published_schema,
    schema_text,
)
from auditor.schemas.__main__ import main


@pytest.fixture(scope="module")
def document(sample_directory: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((sample_directory / "audit.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(published_schema().read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_published_schema_is_the_generated_one() -> None:
    assert published_schema().read_text() == schema_text(), "renew it: python -m auditor.schemas --write"


def test_shipped_banks_follow_the_published_schema() -> None:
    assert published_bank_schema().read_text() == bank_schema_text(), (
        "renew it: python -m auditor.schemas --write"
    )
    schema = json.loads(bank_schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    banks = list((Path(__file__).parents[2] / "concept_banks").glob("*/bank.toml"))
    assert len(banks) >= 4
    for bank in banks:
        jsonschema.validate(tomllib.loads(bank.read_text(encoding="utf-8")), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"format": 1, "name": "mine", "nonsense": True}, schema)


def test_sample_audit_is_valid(document: dict[str, Any], validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["format_version"], 2),
        (["model", "weights_sha256"], "abc"),
        (["classes", 0, "concepts", 0, "p_value"], 0),
        (["classes", 0, "concepts", 0, "direction"], "fair"),
        (["classes", 0, "occluder", "success_heldout"], 1.2),
        (["classes", 0, "pictures", 0, "unknown"], 1),
        (["classes", 0, "images", "used"], -1),
    ],
)
def test_schema_refuses(
    document: dict[str, Any], validator: jsonschema.Draft202012Validator, path: list[Any], value: Any
) -> None:
    broken = json.loads(json.dumps(document))
    target = broken
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(broken)


def test_every_record_refuses_unknown_fields_and_is_described() -> None:
    for name, definition in audit_schema()["$defs"].items():
        assert definition["additionalProperties"] is False, name
        assert definition["description"], name


def test_names_that_others_rely_on_are_in_the_schema() -> None:
    schema = audit_schema()
    definitions = schema["$defs"]
    assert {"format_version", "model", "settings", "environment", "classes"} <= set(schema["properties"])
    assert {"name", "source", "weights_sha256"} <= set(definitions["ModelRecord"]["properties"])
    occluder = set(definitions["OccluderRecord"]["properties"])
    assert {"success_learned", "success_heldout", "l1", "iterations", "evaluations", "lambda"} <= occluder
    concept = set(definitions["ConceptResult"]["properties"])
    assert {"bank", "concept", "n", "score", "score_low", "score_high", "p_value", "p_adjusted"} <= concept
    assert {"direction", "paper_score", "paper_score_sd"} <= concept


def test_command_prints_the_schema_and_refuses_unknown_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == schema_text()
    assert main(["--nonsense"]) == 2
