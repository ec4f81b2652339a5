from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from auditor.errors import InputError
from auditor.policy import load_policy, parse_policy, read_problems
from auditor.policy.load import LARGEST_FILE

VALID = """
format_version = 2
name = "release"
alpha = 0.01
inconclusive = "fail"

[trust]
smallest_n = 25
required_checks = ["random concept"]

[[association]]
name = "no stripes on lipstick"
classes = ["lipstick", "n0*"]
banks = ["textures"]
concepts = ["banded"]
largest_effect = 1

[[contrast]]
groups = ["women/men"]
largest_difference = 0.05
largest_growth = 0.02

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


def _changed(before: str, after: str) -> str:
    assert before in VALID
    return VALID.replace(before, after, 1)


def test_a_valid_policy_says_what_is_written_and_defaults_the_rest(tmp_path: Path) -> None:
    loaded = load_policy(_written(tmp_path, VALID))
    policy = loaded.policy
    assert policy.format_version == 2
    assert policy.alpha == 0.01
    assert policy.baseline == "required"
    assert policy.trust.smallest_n == 25
    assert policy.trust.required_checks == ["random concept"]
    assert policy.trust.largest_minimum_detectable is None
    assert policy.association[0].largest_effect == 1.0
    assert policy.association[0].largest_growth is None
    assert policy.association[0].side == "either"
    assert policy.contrast[0].largest_growth == 0.02
    assert policy.contrast[0].matched == "prefer"
    assert policy.contrast[0].classes == ["*"]
    assert policy.waiver[0].expires == date(2027, 3, 1)
    assert loaded.line("trust") == 7
    assert loaded.line("association", 0) == 11
    assert loaded.line("contrast", 0) == 18
    assert loaded.line("association", 1) == 1  # not written


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ("largest_effect = 1", "largest_efect = 1", 16, "did you mean 'largest_effect'?"),
        ("alpha = 0.01", "alhpa = 0.01", 4, "did you mean 'alpha'?"),
        ("[trust]", "[tust]", 7, "did you mean 'trust'?"),
        ("smallest_n = 25", "zzz = 25", 8, "trust: unknown key 'zzz'; known: required_checks, smallest_n"),
        ("alpha = 0.01", "alpha = 1.5", 4, "alpha: 1.5 given; input should be less than 1"),
        (
            'inconclusive = "fail"',
            'inconclusive = "maybe"',
            5,
            "'maybe' given, 'fail', 'warn' or 'pass' needed",
        ),
        ("smallest_n = 25", 'smallest_n = "many"', 8, "trust smallest_n: 'many' given"),
        ("smallest_n = 25", "smallest_n = -1", 8, "trust smallest_n: -1 given"),
        ("largest_effect = 1", "", 11, "association 1: needs 'largest_effect' or 'largest_growth'"),
        (
            "largest_difference = 0.05\nlargest_growth = 0.02",
            "",
            18,
            "contrast 1: needs 'largest_difference' or 'largest_growth'",
        ),
        ("largest_effect = 1", "largest_effect = -1", 16, "association 1 largest_effect: -1 given"),
        ("largest_effect = 1", "largest_effect = nan", 16, "association 1 largest_effect: nan given"),
        ('"women/men"]\nl', '"women"]\nl', 18, "groups: 'women' is not a pair"),
        ('classes = ["lipstick", "n0*"]', "classes = []", 13, "association 1 classes: [] given"),
        ('owner = "A. Reviewer"\n', "", 23, "waiver 1: 'owner' is missing"),
        ('owner = "A. Reviewer"', 'owner = ""', 26, "waiver 1 owner: '' given"),
        ("expires = 2027-03-01", 'expires = "soon"', 28, "waiver 1 expires: 'soon' given"),
        ("alpha = 0.01", "alpha = ", 4, "not TOML"),
    ],
)
def test_a_fault_is_named_with_its_line(
    tmp_path: Path, before: str, after: str, line: int, said: str
) -> None:
    path = _written(tmp_path, _changed(before, after))
    with pytest.raises(InputError) as error:
        load_policy(path)
    message = str(error.value)
    assert f"policy {path}, line {line}: " in message
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("after", "line", "said"),
    [
        ("", 1, "'format_version' is missing: this auditor reads version 2"),
        ("format_version = 1\n", 2, "format version 1: this auditor reads version 2"),
        ("format_version = 3\n", 2, "format version 3: this auditor reads version 2"),
        ('format_version = "2"\n', 2, "format version '2': this auditor reads version 2"),
    ],
)
def test_another_version_is_refused_because_its_tolerances_mean_something_else(
    tmp_path: Path, after: str, line: int, said: str
) -> None:
    path = _written(tmp_path, _changed("format_version = 2\n", after))
    (problem,) = read_problems(path)
    assert problem.line == line
    assert problem.message.startswith(said)
    assert "one unit, from 0 to 1; look at the tolerances again" in problem.message


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        (
            'name = "release"',
            'interval = "95%"',
            3,
            "'interval' is no key any more: every decision rests on the adjusted interval",
        ),
        (
            "smallest_n = 25",
            "occluder_success = 0.7",
            8,
            "trust: 'occluder_success' is no key any more: scores and contrasts do not rest on the occluder",
        ),
        (
            "smallest_n = 25",
            "specific = false",
            8,
            "trust: 'specific' is no key any more: scores and contrasts do not rest on the detector",
        ),
        (
            "smallest_n = 25",
            'class_images = ["folder"]',
            8,
            "trust: 'class_images' is no key any more: "
            "scores and contrasts do not rest on the class's images",
        ),
        (
            "smallest_n = 25",
            'blocking_controls = ["*"]',
            8,
            "trust: 'blocking_controls' is no key any more: a check that failed withholds what it tests",
        ),
        (
            "required_checks",
            "required_controls",
            9,
            "trust: 'required_controls' is no key any more; did you mean 'required_checks'?",
        ),
        (
            "smallest_n = 25",
            "largest_smallest_detectable = 0.1",
            8,
            "trust: unknown key 'largest_smallest_detectable'; did you mean 'largest_minimum_detectable'?",
        ),
        (
            'concepts = ["banded"]',
            'side = "inhibiting"',
            15,
            "association 1 side: 'inhibiting' given, "
            "'either', 'associated' or 'negatively associated' needed",
        ),
        (
            'groups = ["women/men"]',
            'matched = "any"',
            19,
            "contrast 1 matched: 'any' given, 'prefer' or 'require' needed",
        ),
    ],
)
def test_what_version_1_could_say_and_version_2_cannot_is_explained(
    tmp_path: Path, before: str, after: str, line: int, said: str
) -> None:
    (problem,) = read_problems(_written(tmp_path, _changed(before, after)))
    assert (problem.line, problem.message) == (line, said)


def test_a_policy_of_version_1_is_told_of_its_version_before_of_its_keys(tmp_path: Path) -> None:
    """Whoever only renames keys would keep tolerances that mean something else."""
    text = 'interval = "95%"\n[trust]\noccluder_success = 0\n[[association]]\nlargest_effect = 0.2\n'
    path = _written(tmp_path, text)
    found = read_problems(path)
    assert [p.line for p in found] == [1, 1, 3]
    assert [p.message.split("'")[1] for p in found] == ["format_version", "interval", "occluder_success"]
    with pytest.raises(InputError, match=r"line 1: 'format_version' is missing: .* \(and 2 more: "):
        load_policy(path)


def test_every_fault_is_listed_in_order_of_line(tmp_path: Path) -> None:
    text = VALID.replace("alpha = 0.01", "alpa = 0.01").replace("largest_growth", "largest_grwth")
    assert [p.line for p in read_problems(_written(tmp_path, text))] == [4, 21]


def test_lines_inside_a_long_string_are_not_keys() -> None:
    text = 'format_version = 2\nname = """\nalpha = 3\n"""\nalpha = 7\n[[association]]\nlargest_effect = 1\n'
    policy, problems, _ = parse_policy(text)
    assert policy is None
    assert [p.line for p in problems] == [5]


def test_a_policy_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: needs at least one"):
        load_policy(_written(tmp_path, "format_version = 2\nalpha = 0.05"))


def test_a_waiver_for_everything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs 'concepts' or 'groups'"):
        load_policy(_written(tmp_path, VALID.replace('groups = ["women/men"]\nowner', "owner")))


def test_what_is_not_a_policy_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_policy(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(InputError, match="not UTF-8 at byte 8"):
        load_policy(tmp_path / "latin.toml")
    (tmp_path / "big.toml").write_bytes(b"#" * (LARGEST_FILE + 1))
    with pytest.raises(InputError, match="larger than 1000000 bytes"):
        load_policy(tmp_path / "big.toml")
    rule = b"format_version = 2\n[[association]]\nlargest_effect = 1\n"
    (tmp_path / "full.toml").write_bytes(rule.ljust(LARGEST_FILE, b"#"))
    assert load_policy(tmp_path / "full.toml").policy.association[0].largest_effect == 1
