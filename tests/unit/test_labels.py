"""How a user's words find a class."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auditor.errors import InputError
from auditor.models.labels import find_classes, from_file, imagenet, search


@pytest.fixture(scope="module")
def labels() -> tuple[object, ...]:
    return imagenet()


def test_names_synsets_and_indices_mixed_in_order_without_repeats(labels: tuple) -> None:
    found = find_classes(labels, ["Spider-Web", "n02391049", "340", "5", "garden spider"])
    assert [c.index for c in found] == [815, 340, 5, 74]


def test_of_two_names_that_differ_in_case_the_one_written_so_is_taken(labels: tuple) -> None:
    assert [c.index for c in find_classes(labels, ["cardigan", "Cardigan"])] == [474, 264]
    with pytest.raises(InputError, match="ambiguous"):
        find_classes(labels, ["CARDIGAN"])


def test_ambiguous_name_lists_what_it_fits(labels: tuple) -> None:
    with pytest.raises(
        InputError, match=r"ambiguous, it fits crane \(134 n02012849\), crane \(517 n03126707\)"
    ):
        find_classes(labels, ["crane"])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("zebbra", r"nearest: zebra \(340"),
        ("1000", "indices 0 to 999"),
        ("n99999999", "no class has this synset"),
        ("", "no class of that name"),
    ],
)
def test_unknown_names_list_the_nearest(labels: tuple, query: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_classes(labels, [query])


def test_nothing_named(labels: tuple) -> None:
    with pytest.raises(InputError, match="none named"):
        find_classes(labels, [])


def test_search_finds_parts_and_near_spellings(labels: tuple) -> None:
    assert 340 in [c.index for c in search(labels, "zebbra")]
    assert {c.index for c in search(labels, "violin")} >= {889}
    assert [c.index for c in search(labels, "n02391049")] == [340]


def test_labels_from_files(tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    path.write_text(json.dumps({"0": "a", "1": "b"}))
    assert [c.name for c in from_file(path, 2)] == ["a", "b"]
    path.write_text(json.dumps(["x, y", "b"]))
    assert from_file(path, 2)[0].aliases == ("x", "y")
    path.write_text("{")
    with pytest.raises(InputError, match="JSON list"):
        from_file(path, 2)
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="UTF-8"):
        from_file(tmp_path / "bytes.txt", 2)
