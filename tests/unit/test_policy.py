from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from auditor.errors import InputError
from auditor.policy import load_policy, parse_policy, read_problems

VALID = """
name = "release"
alpha = 0.01
inconclusive = "fail"

[trust]
occluder_success = 0.7
required_controls = ["random concept"]

[[association]]
name = "no stripes on lipstick"
classes = ["lipstick", "n0*"]
banks = ["textures"]
concepts = ["banded"]
largest_effect = 1

[[contrast]]
groups = ["women/men"]
largest_difference = 0.3
largest_growth = 0.1

[[waiver]]
classes = ["lipstick"]
groups = ["women/men"]
owner = "A. Reviewer"
reason = "known, being retrained"
expires = 2027-03-01
"""


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_valid_policy_says_what_is_written_and_defaults_the_rest(tmp_path: Path) -> None:
    loaded = load_policy(_written(tmp_path, VALID))
    policy = loaded.policy
    assert policy.alpha == 0.01
    assert policy.trust.occluder_success == 0.7
    assert policy.trust.smallest_n == 20
    assert policy.association[0].largest_effect == 1.0
    assert policy.association[0].side == "either"
    assert policy.contrast[0].largest_growth == 0.1
    assert policy.contrast[0].classes == ["*"]
    assert policy.waiver[0].expires == date(2027, 3, 1)
    assert loaded.line("association", 0) == 10
    assert loaded.line("contrast", 0) == 17


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ("largest_effect = 1", "largest_efect = 1", 15, "did you mean 'largest_effect'?"),
        ("alpha = 0.01", "alhpa = 0.01", 3, "did you mean 'alpha'?"),
        ("[trust]", "[tust]", 6, "did you mean 'trust'?"),
        ("alpha = 0.01", "alpha = 1.5", 3, "alpha: 1.5 given; input should be less than 1"),
        (
            'inconclusive = "fail"',
            'inconclusive = "maybe"',
            4,
            "'maybe' given, 'fail', 'warn' or 'pass' needed",
        ),
        ("occluder_success = 0.7", 'occluder_success = "high"', 7, "trust occluder_success: 'high' given"),
        ("largest_effect = 1", "", 10, "association 1: needs 'largest_effect' or 'largest_growth'"),
        ("largest_effect = 1", "largest_effect = -1", 15, "association 1 largest_effect: -1 given"),
        ("largest_effect = 1", "largest_effect = nan", 15, "association 1 largest_effect: nan given"),
        ('"women/men"]\nl', '"women"]\nl', 17, "groups: 'women' is not a pair"),
        ('classes = ["lipstick", "n0*"]', "classes = []", 12, "association 1 classes: [] given"),
        ('owner = "A. Reviewer"\n', "", 22, "waiver 1: 'owner' is missing"),
        ('owner = "A. Reviewer"', 'owner = ""', 25, "waiver 1 owner: '' given"),
        ("expires = 2027-03-01", 'expires = "soon"', 27, "waiver 1 expires: 'soon' given"),
        ("alpha = 0.01", "alpha = ", 3, "not TOML"),
    ],
)
def test_a_fault_is_named_with_its_line(
    tmp_path: Path, before: str, after: str, line: int, said: str
) -> None:
    assert before in VALID
    path = _written(tmp_path, VALID.replace(before, after, 1))
    with pytest.raises(InputError) as error:
        load_policy(path)
    message = str(error.value)
    assert f"policy {path}, line {line}: " in message
    assert said in message
    assert "\n" not in message


def test_every_fault_is_listed_in_order_of_line(tmp_path: Path) -> None:
    text = VALID.replace("alpha = 0.01", "alpa = 0.01").replace("largest_growth", "largest_grwth")
    assert [p.line for p in read_problems(_written(tmp_path, text))] == [3, 20]


def test_lines_inside_a_long_string_are_not_keys() -> None:
    text = 'name = """\nalpha = 3\n"""\nalpha = 7\n[[association]]\nlargest_effect = 1\n'
    policy, problems, _ = parse_policy(text)
    assert policy is None
    assert [p.line for p in problems] == [4]


def test_a_policy_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: needs at least one"):
        load_policy(_written(tmp_path, "alpha = 0.05"))


def test_a_waiver_for_everything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs 'concepts' or 'groups'"):
        load_policy(_written(tmp_path, VALID.replace('groups = ["women/men"]\nowner', "owner")))


def test_what_is_not_a_policy_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_policy(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(InputError, match="not UTF-8 at byte 8"):
        load_policy(tmp_path / "latin.toml")
    (tmp_path / "big.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(InputError, match="larger than 1000000 bytes"):
        load_policy(tmp_path / "big.toml")
