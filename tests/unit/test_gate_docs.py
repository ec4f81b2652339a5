"""What docs/gate.md says of the policy is so."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from auditor.policy import Association, Contrast, Policy, Trust, Waiver, parse_policy
from auditor.policy.rules import Expected, ScanRule
from auditor.policy.verdict import EXIT_STATUS
from tests.unit.test_policy_judge import FORBIDS, NUMBERS, TRUTH, counts_as

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "gate.md").read_text(encoding="utf-8")


def test_the_policy_shown_is_valid() -> None:
    whole, rule = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
    for text, scans in ((whole, 0), (f"{whole}\n{rule}", 1)):
        policy, problems, _ = parse_policy(text)
        assert problems == []
        assert policy is not None
        assert (len(policy.waiver), len(policy.scan)) == (1, scans)


@pytest.mark.parametrize("table", [Policy, Trust, Association, Contrast, ScanRule, Expected, Waiver])
def test_every_key_is_explained(table: type) -> None:
    for key in table.model_fields:  # type: ignore[attr-defined]
        if key not in ("trust", "association", "contrast", "scan", "expected", "waiver"):
            assert f"`{key}`" in PAGE, key


@pytest.mark.parametrize(
    ("table", "key", "shown"),
    [
        (Policy, "alpha", "0.05"),
        (Policy, "inconclusive", '`"warn"`'),
        (Policy, "baseline", '`"required"`'),
        (Trust, "required_checks", "`[]`"),
        (Trust, "smallest_n", "20"),
        (Association, "side", '`"either"`'),
        (Contrast, "matched", '`"prefer"`'),
    ],
)
def test_every_default_shown_is_the_default(table: type, key: str, shown: str) -> None:
    default = table.model_fields[key].default  # type: ignore[attr-defined]
    assert shown.strip('`"') == str(default)
    assert f"| `{key}` | {shown} |" in PAGE


def test_the_exit_statuses_are_those_shown() -> None:
    for outcome, status in EXIT_STATUS.items():
        assert f"| {status} | {outcome}" in PAGE


def _words(cell: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """``any``, or words with commas between them."""
    words = tuple(word.strip() for word in cell.split(","))
    assert words == ("any",) or set(words) <= set(known), cell
    return known if words == ("any",) else words


def test_the_truth_table_is_that_of_the_tests() -> None:
    """Each row of the page stands for one or more rows of the table that the gate is tested against."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines()]
    shown: dict[tuple[str, str, str], list[tuple[str, ...]]] = {}
    for numbers, forbids, enough, *outcomes in (row for row in rows if row and row[0] in NUMBERS):
        for row in product([numbers], _words(forbids, FORBIDS), _words(enough, ("yes", "no"))):
            shown.setdefault(row, []).append(tuple(outcomes))
    for numbers, forbids, data, measured, trusted in TRUTH:
        outcomes = [
            counts_as(measured, trusted=trusted, means=means, waived=False)
            for means in ("fail", "warn", "pass")
        ]
        waived = counts_as(measured, trusted=trusted, means="warn", waived=True)
        helps = "not needed" if measured == "pass" else "yes" if waived == "pass" else "no"
        row = (numbers, forbids, "yes" if data else "no")
        assert shown.get(row) == [(measured, *outcomes, helps)], row
