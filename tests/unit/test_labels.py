"""How a user's words find a class."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auditor.errors import InputError
from auditor.models.find import find_classes, search
from auditor.models.label_files import labels_from_file
from auditor.models.labels import imagenet, labelled


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
    assert [c.name for c in labels_from_file(path, 2)] == ["a", "b"]
    path.write_text(json.dumps(["x, y", "b"]))
    assert labels_from_file(path, 2)[0].name == "x, y"
    assert labels_from_file(path, 2)[0].aliases == ("x, y", "x", "y")
    path.write_text("{")
    with pytest.raises(InputError, match="JSON list"):
        labels_from_file(path, 2)
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="UTF-8"):
        labels_from_file(tmp_path / "bytes.txt", 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.txt", "café\ndog\nowl\n"),
        ("l.txt", "\ufeffcafé\r\ndog\r\nowl\r\n"),
        ("l.json", '["café", "dog", "owl"]'),
        ("l.json", '\ufeff{"0": "café", "1": "dog", "2": "owl"}'),
        ("l.json", '{"owl": 2, "café": 0, "dog": 1}'),
        ("l.json", '{"owl": "2", "café": "0", "dog": "1"}'),
        ("l.csv", "café\ndog\nowl\n"),
        ("l.csv", "name\ncafé\ndog\nowl\n"),
        ("l.csv", "index,name\n2,owl\n0,café\n1,dog\n"),
        ("l.csv", "\ufeffname,label\ncafé,0\ndog,1\nowl,2\n"),
        ("l.tsv", "0\tcafé\n1\tdog\n2\towl\n"),
    ],
)
def test_every_form_of_a_labels_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert [c.name for c in labels_from_file(tmp_path / name, 3)] == ["café", "dog", "owl"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("l.txt", "cat\ndog\nowl\n".encode("utf-16"), "is UTF-16 or UTF-32; needed: UTF-8"),
        ("l.json", b'{"cat": 0, "dog": 0, "owl": 1}', "no indices from 0 to 2, each once"),
        ("l.json", b'{"1": "cat", "2": "dog", "3": "owl"}', "no indices from 0 to 2, each once"),
        ("l.csv", b"0,cat,x\n1,dog,y\n2,owl,z\n", "3 columns; needed: a name per line"),
        ("l.csv", b"0,cat\n1\n2,owl\n", "rows of different length"),
    ],
)
def test_labels_files_that_leave_a_doubt(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=said):
        labels_from_file(tmp_path / name, 3)


def test_a_class_called_by_a_number_comes_before_an_index() -> None:
    labels = labelled(["1", "2", "30"])
    assert find_classes(labels, ["30"])[0].index == 2
    assert find_classes(labels, ["0"])[0].index == 0  # no class is called 0
    with pytest.raises(InputError, match=r"class '1': ambiguous, 1 \(0\) by name and 2 \(1\) by index"):
        find_classes(labels, ["1"])
    assert [c.index for c in find_classes(labels, ["name:1", "index:1"])] == [0, 1]
    assert find_classes(labelled(["0", "1"]), ["1"])[0].index == 1  # both readings agree


def test_names_with_commas_are_whole() -> None:
    labels = labelled(["t-shirt, red", "t-shirt, blue"])
    assert [c.name for c in labels] == ["t-shirt, red", "t-shirt, blue"]
    assert find_classes(labels, ["t-shirt, blue"])[0].index == 1
    with pytest.raises(InputError, match="ambiguous"):
        find_classes(labels, ["t-shirt"])
    assert find_classes(labels, ["red"])[0].index == 0


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("l.txt", "2 owl\n0 cat\n1 dog\n", ["cat", "dog", "owl"]),
        ("l.txt", "class 0\nclass 1\nclass 2\n", ["class 0", "class 1", "class 2"]),
        ("l.csv", "2;owl\n0;cat\n1;dog\n", ["cat", "dog", "owl"]),
        ("l.csv", "class,index\n0,1\n1,2\n2,0\n", ["2", "0", "1"]),
    ],
)
def test_indices_in_a_labels_file_are_obeyed(tmp_path: Path, name: str, text: str, names: list[str]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert [c.name for c in labels_from_file(tmp_path / name, 3)] == names


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("l.csv", "background\ncat\ndog\nemu\n", "4 names, the model has 3 outputs"),
        ("l.csv", "0,1\n1,2\n2,0\n", "both columns could hold the indices"),
        ("l.txt", "owl 2\ncat 0\ndog 1\n", "each line ends with a number, which may be its index"),
        ("l.json", '{"1": "0", "2": "1", "0": "2"}', "keys and values could both be the indices"),
        ("l.json", "[" * 100_000, "recursion|Expecting|unexpected end"),
    ],
)
def test_doubtful_labels_are_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        labels_from_file(tmp_path / name, 3)
