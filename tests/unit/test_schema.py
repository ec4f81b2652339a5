from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from auditor.records import Finding
from auditor.schemas import (
    audit_schema,
    bank_schema_text,
    published_bank_schema,
    published_schema,
    scan_schema,
    schema_text,
)
from auditor.schemas.__main__ import main
from auditor.store.directory import parse_audit


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
    assert published_schema().name == "audit-3.schema.json"
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
        (["format_version"], 1),
        (["format_version"], 4),
        (["model", "weights_sha256"], "abc"),
        (["findings", 0, "p_value"], 0),
        (["findings", 0, "p_adjusted"], 1.01),
        (["findings", 0, "conclusion"], "fair"),
        (["findings", 0, "conclusion"], None),
        (["findings", 0, "kind"], "control"),
        (["findings", 0, "margin"], -0.1),
        (["findings", 0, "alpha"], 1),
        (["findings", 0, "mean"], -0.01),
        (["findings", 0, "checks", 0, "forbids"], "nothing"),
        (["findings", 0, "checks", 0, "passed"], "yes"),
        (["findings", 0, "score"], 0.5),
        (["classes", 0, "explanation"], None),
        (["classes", 0, "sanity_checks", 0, "concerns"], "scores"),
        (["classes", 0, "concepts", 0, "paper_score"], 1.2),
        (["classes", 0, "concepts", 0, "conclusion"], "associated"),
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


def _numeric(field: dict[str, Any]) -> bool:
    nested = [*field.get("anyOf", ()), *field.get("prefixItems", ())]
    nested += [field["items"]] if "items" in field else []
    return field.get("type") in ("number", "integer") or any(map(_numeric, nested))


@pytest.mark.parametrize("schema", [audit_schema(), scan_schema()], ids=["audit", "scan"])
def test_every_number_has_a_unit_and_a_range(schema: dict[str, Any]) -> None:
    seen = 0
    for name, record in {"": schema, **schema["$defs"]}.items():
        for key, field in record["properties"].items():
            if "const" in field:
                continue
            assert _numeric(field) == ("unit" in field), f"{name}.{key}"
            if "unit" in field:
                seen += 1
                low, high = field["range"]
                assert low is None or high is None or low < high, f"{name}.{key}"
                assert '"unit"' not in json.dumps({k: v for k, v in field.items() if k != "unit"})
    assert seen > 30


def test_units_of_a_finding_are_what_a_reader_would_quote() -> None:
    fields = audit_schema()["$defs"]["Finding"]["properties"]
    stated = {name: (field["unit"], field["range"]) for name, field in fields.items() if "unit" in field}
    assert stated["effect"] == ("difference of log-scaled class probability e", [-1, 1])
    assert stated["adjusted_low"] == ("difference of log-scaled class probability e", [None, None])
    assert stated["mean"] == ("log-scaled class probability e", [0, 1])
    assert stated["p_adjusted"] == ("probability", [0, 1])
    assert stated["log_difference"] == ("standard deviations", [None, None])
    assert stated["independent"] == ("count", [0, None])
    floats = {name for name, field in Finding.model_fields.items() if "float" in str(field.annotation)}
    assert floats
    assert floats <= set(stated)


def test_numbers_of_the_sample_lie_within_their_ranges(document: dict[str, Any]) -> None:
    fields = audit_schema()["$defs"]["Finding"]["properties"]
    for finding in document["findings"]:
        for name, value in finding.items():
            if value is None or "range" not in fields[name]:
                continue
            low, high = fields[name]["range"]
            assert low is None or value >= low, name
            assert high is None or value <= high, name


def test_names_that_others_rely_on_are_in_the_schema() -> None:
    schema = audit_schema()
    definitions = schema["$defs"]
    assert {"format_version", "model", "settings", "environment", "classes"} <= set(schema["properties"])
    assert {"name", "source", "weights_sha256"} <= set(definitions["ModelRecord"]["properties"])
    occluder = set(definitions["OccluderRecord"]["properties"])
    assert {"success_learned", "success_heldout", "l1", "iterations", "evaluations", "lambda"} <= occluder
    assert schema["properties"]["format_version"]["const"] == 3
    assert "findings" in schema["required"]
    finding = set(definitions["Finding"]["properties"])
    assert {"kind", "class_index", "class_name", "bank", "subject", "n", "independent"} <= finding
    assert {"effect", "low", "high", "adjusted_low", "adjusted_high", "p_value", "p_adjusted"} <= finding
    assert {"alpha", "margin", "conclusion", "withheld", "reason", "checks", "variants"} <= finding
    assert {"paper_score", "paper_score_sd"} <= set(definitions["ConceptDetail"]["properties"])
    # What may be said is closed: a reader can rely on there being no other word.
    assert definitions["Finding"]["properties"]["conclusion"]["enum"] == [
        "associated", "negatively associated", "not associated", "screening", "inconclusive", "not measured"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["classes", 0, "images"], None),
        (["classes", 0, "occluder"], None),
        (["classes", 0, "specific"], None),
        (["classes", 0, "concepts", 0, "paper_score"], None),
        (["findings", 0, "effect"], None),
        (["findings", 0, "p_adjusted"], None),
        (["findings", 0, "checks", 0, "passed"], None),
    ],
)
def test_what_was_not_measured_may_be_absent(
    document: dict[str, Any], validator: jsonschema.Draft202012Validator, path: list[Any], value: Any
) -> None:
    changed = json.loads(json.dumps(document))
    target = changed
    for step in path[:-1]:
        target = target[step]
    assert target[path[-1]] is not value
    target[path[-1]] = value
    validator.validate(changed)
    parse_audit(json.dumps(changed).encode(), where="x")


def test_the_schema_refuses_an_audit_of_the_first_version(
    validator: jsonschema.Draft202012Validator, document: dict[str, Any]
) -> None:
    older = {k: v for k, v in document.items() if k != "findings"} | {"format_version": 1, "controls": []}
    seen = {tuple(error.path) or error.validator for error in validator.iter_errors(older)}
    assert seen == {("format_version",), "required", "additionalProperties"}


def test_command_prints_the_schema_and_refuses_unknown_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == schema_text()
    assert main(["--nonsense"]) == 2
