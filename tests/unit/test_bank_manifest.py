"""bank.toml: what is accepted, and where an error is said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.banks.importing import IMPORTERS
from auditor.banks.manifest import parse_manifest, read_manifest
from auditor.banks.places import shipped
from auditor.errors import InputError
from auditor.resources import resource

GOOD = """\
format = 1
name = "marks"
title = "Scanner marks"

[[sources]]
name = "ward"
licence = "internal"
labels = "by two radiographers"

[datasheet]
motivation = "m"
composition = "c"
collection_and_consent = "c"
preprocessing = "p"
uses = "u"
unsuitable_uses = "u"
maintenance = "m"

[covariates.brightness]
kind = "number"

[[concepts]]
name = "mark"
definition = "A mark is visible."

[[concepts]]
name = "no mark"
definition = "None is."
folder = "none"

[[contrasts]]
more = "mark"
less = "no mark"
match = ["brightness"]
"""


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_manifest(text, where="bank.toml")
    return str(caught.value)


def test_a_complete_manifest() -> None:
    manifest = parse_manifest(GOOD, where="bank.toml")
    assert [c.name for c in manifest.concepts] == ["mark", "no mark"]
    assert manifest.concepts[1].folder == "none"
    assert manifest.contrasts[0].match == ("brightness",)
    assert manifest.min_images == 30


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('title = "Scanner marks"', "title = 3", "bank.toml:3: title: "),
        ('title = "Scanner marks"', "", "bank.toml:1: title: is missing"),
        ('kind = "number"', 'kind = "colour"', "bank.toml:20: covariates.brightness.kind: "),
        (
            'definition = "None is."',
            'defnition = "None is."',
            "bank.toml:26: concepts.2.definition: is missing",
        ),
        ('folder = "none"', 'folder = "../../etc"', "bank.toml:29: concepts.2.folder: must lie inside"),
        ('folder = "none"', 'folder = "/etc"', "bank.toml:29: concepts.2.folder: must lie inside"),
        ('folder = "none"', 'colour = "red"', "bank.toml:29: concepts.2.colour: is not a key"),
        ('name = "no mark"', 'name = "../mark"', "bank.toml:27: concepts.2.name: must be no path"),
        ("format = 1", "format = 2", "bank.toml:1: format: "),
        ('licence = "internal"\n', "", "bank.toml:5: sources.1.licence: is missing"),
        ('uses = "u"\n', "", "bank.toml:10: datasheet.uses: is missing"),
        ("[[contrasts]]", "[control]\n[[contrasts]]", "bank.toml:31: control: is called [reference] now"),
    ],
)
def test_errors_name_line_and_key(old: str, new: str, expected: str) -> None:
    assert refused(GOOD.replace(old, new, 1)).startswith(expected)


@pytest.mark.parametrize("name", ["t-shirt, red", "it's", "skin:dark", "(none)", "100 %", "été", "#1"])
def test_a_concept_may_have_any_printable_name(name: str) -> None:
    text = GOOD.replace("no mark", name)
    assert parse_manifest(text, where="bank.toml").concepts[1].name == name


@pytest.mark.parametrize("name", ["a/b", "a\\\\b", "..", " a", "a\\tb"])
def test_and_none_that_is_a_path_or_cannot_be_seen(name: str) -> None:
    assert "concepts.2.name: must be" in refused(GOOD.replace('name = "no mark"', f'name = "{name}"', 1))


def test_a_manifest_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "bank.toml").write_text("\ufeff" + GOOD, encoding="utf-8")
    assert read_manifest(tmp_path).name == parse_manifest(GOOD, where="x").name


def test_syntax_error_names_the_line() -> None:
    assert refused(GOOD.replace("[datasheet]", "[datasheet")).startswith("bank.toml:10: not valid TOML")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('less = "no mark"', 'less = "nothing"', "contrast names 'nothing', which is none of the concepts"),
        ('less = "no mark"', 'less = "mark"', "contrast sets 'mark' against itself"),
        ('match = ["brightness"]', 'match = ["age"]', "matches on 'age', which is none of the covariates"),
        ('name = "no mark"', 'name = "Mark"', "concepts 'mark' and 'Mark' differ in case at most"),
    ],
)
def test_parts_must_agree(old: str, new: str, expected: str) -> None:
    assert expected in refused(GOOD.replace(old, new, 1))


def test_missing_file_and_other_encoding(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path / "bank.toml")
    (tmp_path / "bank.toml").write_bytes('title = "Größe"'.encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["textures", "gender", "race", "gender-race"])
def test_shipped_banks_are_valid(name: str) -> None:
    manifest = read_manifest(shipped()[name])
    assert manifest.name == name
    assert manifest.report_images == (name == "textures")


@pytest.mark.parametrize("name", IMPORTERS)
def test_every_importer_has_a_template(name: str) -> None:
    text = (resource("concept_banks") / "importers" / f"{name}.toml").read_text(encoding="utf-8")
    if "[[concepts]]" not in text:
        text += '[[concepts]]\nname = "a"\ndefinition = "a"\n'
    manifest = parse_manifest(text.replace("@name@", "x"), where=name)
    assert manifest.report_images == (name == "dtd")


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ('of = "person"', "cluster: needs 'covariate' or 'name_pattern', one of them"),
        (
            'covariate = "a"\nname_pattern = "(b)"',
            "cluster: needs 'covariate' or 'name_pattern', one of them",
        ),
        ('name_pattern = "photo[0-9]+"', "name_pattern has 0 groups, needs one"),
        ('name_pattern = "(a)(b)"', "name_pattern has 2 groups, needs one"),
        ('name_pattern = "(a"', "name_pattern is no regular expression"),
    ],
)
def test_a_cluster_is_named_in_one_way(cluster: str, said: str) -> None:
    assert said in refused(GOOD.replace("[[concepts]]", f"[cluster]\n{cluster}\n\n[[concepts]]", 1))


def test_what_a_cluster_is_can_be_said() -> None:
    text = GOOD.replace("[[concepts]]", '[cluster]\nof = "video"\ncovariate = "clip"\n\n[[concepts]]', 1)
    cluster = parse_manifest(text, where="bank.toml").cluster
    assert cluster is not None
    assert (cluster.of, cluster.covariate) == ("video", "clip")
    assert parse_manifest(GOOD, where="bank.toml").cluster is None
