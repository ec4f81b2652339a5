"""What docs/gate.md says of the policy is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from auditor.policy import Association, Contrast, Policy, Trust, parse_policy
from auditor.policy.verdict import EXIT_STATUS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "gate.md").read_text(encoding="utf-8")


def test_the_policy_shown_is_valid() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
    policy, problems, _ = parse_policy(text)
    assert problems == []
    assert policy is not None
    assert len(policy.waiver) == 1


@pytest.mark.parametrize("table", [Policy, Trust, Association, Contrast])
def test_every_key_is_explained(table: type) -> None:
    for key in table.model_fields:  # type: ignore[attr-defined]
        if key not in ("trust", "association", "contrast", "waiver"):
            assert f"`{key}`" in PAGE, key


@pytest.mark.parametrize(
    ("table", "key", "shown"),
    [
        (Policy, "alpha", "0.05"),
        (Policy, "inconclusive", '`"warn"`'),
        (Policy, "interval", '`"95%"`'),
        (Policy, "baseline", '`"required"`'),
        (Trust, "occluder_success", "0.5"),
        (Trust, "specific", "true"),
        (Trust, "smallest_n", "20"),
    ],
)
def test_every_default_shown_is_the_default(table: type, key: str, shown: str) -> None:
    default = table.model_fields[key].default  # type: ignore[attr-defined]
    assert shown.strip('`"') == (str(default).lower() if isinstance(default, bool) else str(default))
    assert f"| `{key}` | {shown} |" in PAGE


def test_the_exit_statuses_are_those_shown() -> None:
    for outcome, status in EXIT_STATUS.items():
        assert f"| {status} | {outcome}" in PAGE


def test_the_truth_table_is_that_of_the_tests() -> None:
    rows = re.findall(r"^\| (within|beyond|neither)[^|]*\| (\w+) \| (\w+) \| (\w+) \|", PAGE, re.M)
    from tests.unit.test_policy_judge import TRUTH

    spans = {"across": "neither"}
    for numbers, trusted, enough, measured in TRUTH:
        found = [
            row
            for row in rows
            if row[0] == spans.get(numbers, numbers)
            and row[1] == ("held" if trusted else "missed")
            and row[2] in ("any", "held" if enough else "missed")
        ]
        assert [row[3] for row in found] == [measured], (numbers, trusted, enough)
