"""The banks of rendered people: pairs are whole, and the maker is deterministic."""

from __future__ import annotations

import csv

import pytest

from auditor.banks.bank import ConceptBank
from auditor.banks.places import shipped
from auditor.banks.read.loading import load_bank

SAME = {
    "presentation": ("style_set", "light", "skin"),
    "appearance": ("style_set", "light", "clothes"),
}
"""What must not differ between pictures of an identity."""


@pytest.fixture(params=sorted(SAME))
def bank(request: pytest.FixtureRequest) -> ConceptBank:
    return load_bank(request.param)


def test_every_group_shows_every_person_in_every_crop(bank: ConceptBank) -> None:
    shown = [
        {(image.covariates["identity"], image.covariates["crop"]) for image in concept.images}
        for concept in bank.concepts
    ]
    assert all(group == shown[0] for group in shown)
    assert all(len(concept.images) == len(shown[0]) for concept in bank.concepts)


def test_within_a_pair_only_what_the_bank_contrasts_differs(bank: ConceptBank) -> None:
    seen: dict[tuple[object, object], object] = {}
    for concept in bank.concepts:
        for image in concept.images:
            for name in SAME[bank.name]:
                key = (image.covariates["identity"], name)
                assert seen.setdefault(key, image.covariates[name]) == image.covariates[name]


def test_intervals_are_over_style_sets_of_at_most_two_persons(bank: ConceptBank) -> None:
    persons: dict[str, set[object]] = {}
    for concept in bank.concepts:
        for image in concept.images:
            persons.setdefault(image.cluster, set()).add(image.covariates["identity"])
    assert len(persons) >= 36
    assert all(len(those) <= 2 for those in persons.values())


def test_files_are_those_of_the_lock(bank: ConceptBank) -> None:
    for concept in bank.concepts:
        for image in concept.images:
            assert image.load().size == (224, 224)


@pytest.mark.parametrize("name", sorted(SAME))
def test_the_table_for_readers_lists_the_same_images(name: str) -> None:
    with (shipped()[name] / "labels.csv").open(encoding="utf-8", newline="") as file:
        listed = {row["image"] for row in csv.DictReader(file)}
    assert listed == {image.name for concept in load_bank(name).concepts for image in concept.images}


@pytest.mark.slow
def test_a_picture_rendered_twice_has_the_same_bytes() -> None:
    pytest.importorskip("anny")
    pytest.importorskip("mitsuba")
    from scripts.rendered_people.identity import identity
    from scripts.rendered_people.maker import Maker

    who = identity(4)
    first, second = (Maker().pictures(who, who.own_group, "styled-man") for _ in range(2))
    assert first == second
