"""What an audit found, in plain words. Every word follows from the conclusion that a finding carries."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.findings import concluded
from auditor.records import Audit, Finding, Variant
from auditor.report.view.summary import (
    MOST_CLAIMS,
    all_claims,
    claim,
    class_summary,
    contrast_words,
    first_claims,
    share_words,
    titles,
    variant_words,
    variants_text,
)
from tests.releases import audit_of, audited_class, concept, contrast, failed

UP: dict[str, Any] = {"effect": 0.3, "low": 0.2, "high": 0.4}
DOWN: dict[str, Any] = {"effect": -0.3, "low": -0.4, "high": -0.2}
WITHIN: dict[str, Any] = {"effect": 0.0, "low": -0.05, "high": 0.05}
ACROSS: dict[str, Any] = {"effect": 0.1, "low": 0.05, "high": 0.15}
MISSING: dict[str, Any] = dict.fromkeys(("effect", "low", "high", "p_value", "p_adjusted"))
MORE: dict[str, Any] = {"effect": 0.05, "low": 0.03, "high": 0.07}
LESS: dict[str, Any] = {"effect": -0.05, "low": -0.07, "high": -0.03}


def title(bank: str, name: str) -> str:
    return name


def held(finding: Finding, name: str = "random concept") -> Finding:
    return concluded(finding.model_copy(update={"checks": [failed(name)]}))


@pytest.mark.parametrize(
    ("findings", "tone", "word"),
    [
        ([concept(**UP)], "found", "association found"),
        ([concept(**DOWN)], "against", "negative association found"),
        ([concept(**WITHIN)], "none", "no association found"),
        ([concept(**ACROSS)], "open", "inconclusive"),
        ([concept(**MISSING)], "open", "nothing measured"),
        ([], "open", "nothing measured"),
        ([held(concept(**UP))], "bad", "withheld"),
        ([held(concept(**WITHIN))], "bad", "withheld"),
        ([contrast(**MORE)], "found", "association found"),
        # Of two groups either direction is an association with one of them.
        ([contrast(**LESS)], "found", "association found"),
        ([contrast()], "none", "no association found"),
        ([held(contrast(**MORE))], "bad", "withheld"),
        ([concept(**DOWN), contrast(**LESS)], "found", "association found"),
        ([concept(**DOWN), concept("b", **UP)], "found", "association found"),
        ([concept(**DOWN), held(concept("b", **UP))], "against", "negative association found"),
        ([concept(**WITHIN), concept("b", **ACROSS)], "open", "inconclusive"),
        # What a check withholds is no absence.
        ([concept(**WITHIN), held(concept("b", **UP))], "open", "inconclusive"),
        ([concept(**MISSING), held(concept("b", **UP))], "bad", "withheld"),
        ([concept(**MISSING), concept("b", **WITHIN)], "none", "no association found"),
    ],
)
def test_a_class_in_a_word(findings: list[Finding], tone: str, word: str) -> None:
    summary = class_summary(findings, title)
    assert (summary.tone, summary.word) == (tone, word)


def test_a_class_in_a_sentence() -> None:
    findings = [
        concept("a", **UP),
        concept("b", effect=0.5, low=0.4, high=0.6),
        concept("c", **DOWN),
        concept("d", **WITHIN),
        concept("e", **WITHIN),
        concept("f", **ACROSS),
        concept("g", **MISSING),
        held(concept("h", **UP)),
        held(concept("i", **UP), "another"),
        contrast("x", "y", matched=True, **MORE),
        contrast("v", "w", matched=False, **LESS),
        contrast("t", "u"),
    ]
    assert class_summary(findings, title).sentence == (
        "Associated with images labelled “b” and “a”. Negatively associated with images labelled “c”. "
        "Associated more with images labelled “x” than with images labelled “y”. "
        "Associated more with images labelled “w” than with images labelled “v” (groups not matched). "
        "2 concepts not associated, 1 concept inconclusive, 1 concept not measured and 1 contrast without a "
        "difference. 2 findings withheld: the sanity check 'random concept' failed for bank 'textures' and 1 "
        "other reason."
    )


@pytest.mark.parametrize(
    ("names", "said"),
    [("abcd", "“a”, “b”, “c” and “d”"), ("abcde", "“a”, “b”, “c” and 2 more"), ("a", "“a”")],
)
def test_a_sentence_names_four_and_counts_the_rest(names: str, said: str) -> None:
    findings = [concept(name, **(UP | {"effect": 0.4 - i / 100})) for i, name in enumerate(names)]
    assert class_summary(findings, title).sentence == f"Associated with images labelled {said}."


def test_every_difference_between_groups_is_said_or_counted() -> None:
    findings = [contrast(more, "z", matched=True, **MORE) for more in "abcd"]
    said = class_summary(findings, title).sentence
    assert said.startswith("Associated more with images labelled “a” than with images labelled “z”. ")
    assert said.endswith("labelled “b” than with images labelled “z”. And 2 more differences between groups.")


def screened(finding: Finding) -> Finding:
    return finding.model_copy(update={"conclusion": "screening", "reason": "the bank only screens"})


def test_screening_names_concepts_and_counts_the_groups_that_it_does_not_name() -> None:
    findings = [
        *(screened(concept(name, **(UP | {"effect": 0.4 - i / 100}))) for i, name in enumerate("abcde")),
        screened(concept("f", **DOWN)),
        *(screened(contrast(more, "z", **MORE)) for more in "tuv"),
    ]
    summary = class_summary(findings, title)
    assert (summary.tone, summary.word) == ("warn", "screening: look with photos")
    assert summary.sentence == (
        "Screening: associated with images labelled “a”, “b”, “c” and 2 more; look with photos. "
        "Screening: negatively associated with images labelled “f”; look with photos. "
        + "".join(
            f"Screening: associated more with images labelled “{more}” than with images labelled “z”; "
            "look with photos. "
            for more in "tu"
        )
        + "Screening: 1 more difference between groups; look with photos."
    )


def test_a_reason_that_holds_for_many_is_said_once() -> None:
    findings = [held(concept(name, **UP)) for name in "abc"]
    assert class_summary(findings, title).sentence == (
        "3 findings withheld: the sanity check 'random concept' failed for bank 'textures'."
    )


def test_claims_are_those_of_the_audit_strongest_first() -> None:
    """By the nearer end of the adjusted interval, in margins: a wide interval is no strong claim."""
    wide = concept("wide", effect=0.5, low=0.15, high=0.85)
    close = concept("close", effect=0.3, low=0.28, high=0.32)
    below = concept("below", effect=-0.25, low=-0.3, high=-0.2)
    pair = contrast(effect=0.05, low=0.045, high=0.055)  # 3 margins of 0.015 from zero
    rest = [concept("a", **WITHIN), concept("b", **ACROSS), held(concept("c", **UP)), concept("d", **MISSING)]
    found = all_claims([wide, below, *rest, pair, close], title)
    assert [c.finding.subject for c in found] == ["women/men", "close", "below", "wide"]
    assert [c.strength for c in found] == pytest.approx([3.0, 2.8, 2.0, 1.5])


def of_class(index: int, *findings: Finding) -> list[Finding]:
    return audited_class(*findings, index=index, name=f"class {index}")[1]


def strong(name: str, nearest: float) -> Finding:
    return concept(name, effect=nearest + 0.1, low=nearest, high=nearest + 0.2)


def test_every_class_is_heard_before_one_is_heard_twice() -> None:
    loud = of_class(1, strong("a", 0.9), strong("b", 0.8), strong("c", 0.7))
    soft = of_class(2, strong("d", 0.2))
    chosen = first_claims([*loud, *soft], title)
    assert [(c.finding.class_index, c.finding.subject) for c in chosen] == [(1, "a"), (1, "b"), (2, "d")]
    four = [f for i in range(1, 5) for f in of_class(i, strong("a", i / 10 + 0.1), strong("b", i / 10))]
    assert [c.finding.class_index for c in first_claims(four, title)] == [4, 3, 2]
    assert len(first_claims(loud[:2], title)) == 2 < MOST_CLAIMS


def test_a_claim_about_groups_is_always_among_the_first() -> None:
    weak = contrast(effect=0.03, low=0.016, high=0.044)
    weaker = contrast("old", "young", effect=0.03, low=0.0155, high=0.0445)
    found = [*of_class(1, strong("a", 0.9), weaker), *of_class(2, strong("b", 0.8), weak)]
    found += [*of_class(3, strong("c", 0.7)), *of_class(4, strong("d", 0.6))]
    chosen = first_claims(found, title)
    assert [(c.finding.class_index, c.finding.subject) for c in chosen] == [
        (1, "a"),
        (3, "c"),
        (2, "women/men"),
    ]
    without = first_claims([f for f in found if f.kind == "association"], title)
    assert [c.finding.subject for c in without] == ["a", "b", "c"]
    assert first_claims([held(f) for f in found], title) == []


def test_a_claim_says_what_how_much_and_of_how_many() -> None:
    said = claim(concept(**UP, independent=41, p_adjusted=0.0004, taken_for_class=3), title)
    assert said.sentence == "The class “zebra” is associated with images labelled “banded”."
    assert said.numbers == (
        "effect 0.30 [0.20, 0.40], corrected p < 0.001, 41 independent images; 10% of the model's other "
        "classes respond at least as strongly; the model takes 3 of 60 images for the class itself"
    )
    said = claim(concept(**DOWN, class_share=None), title)
    assert said.sentence == "The class “zebra” is negatively associated with images labelled “banded”."
    assert said.numbers == "effect −0.30 [−0.40, −0.20], corrected p = 0.001, 60 independent images"


def test_the_interval_of_a_claim_is_the_one_it_rests_on() -> None:
    finding = concept(effect=0.3, low=0.25, high=0.35, adjusted_low=0.2, adjusted_high=0.4)
    assert "0.30 [0.20, 0.40]," in claim(finding, title).numbers


@pytest.mark.parametrize(("numbers", "first", "second"), [(MORE, "women", "men"), (LESS, "men", "women")])
def test_a_contrast_is_said_the_right_way_round(numbers: dict[str, Any], first: str, second: str) -> None:
    words = f"associated more with images labelled “{first}” than with images labelled “{second}”"
    finding = contrast(**numbers, matched=True, independent=88, independent_other=88, class_share=None)
    assert contrast_words(finding, title) == words
    said = claim(finding, title)
    assert said.sentence == f"The class “zebra” is {words}."
    sign = "−" if numbers is LESS else ""
    assert said.numbers.startswith(f"effect {sign}0.050 [")
    assert said.numbers.endswith("corrected p = 0.001, 88 matched pairs")
    plain = claim(contrast(**numbers, independent=90, independent_other=80, class_share=None), title)
    assert plain.numbers.endswith("90 and 80 images, not matched on anything")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "no other class of the model responds as strongly"),
        (0.001, "<1% of the model's other classes respond at least as strongly"),
        (0.21, "21% of the model's other classes respond at least as strongly"),
    ],
)
def test_how_many_other_classes_respond_as_strongly(share: float, words: str) -> None:
    assert share_words(share) == words
    assert words in claim(concept(**UP, class_share=share), title).numbers


VARIANTS = [
    Variant(name="temperature 0.67", effect=0.34, low=0.2, high=0.5, conclusion="associated"),
    Variant(name="temperature 1.50", effect=0.09, low=0.05, high=0.13, conclusion="inconclusive"),
    Variant(name="without images taken for the class", effect=-0.004, low=-0.05, high=0.05,
            conclusion="not associated"),
    Variant(name="at equal image quality", effect=-0.3, low=-0.4, high=-0.2,
            conclusion="negatively associated"),
]  # fmt: skip


def test_a_claim_says_in_what_it_would_not_stand() -> None:
    evidence = claim(concept(**UP, variants=VARIANTS), title).numbers
    assert evidence.endswith(
        "would not be claimed at temperature 1.50, without images taken for the class and at equal image "
        "quality"
    )
    assert "would not be claimed" not in claim(concept(**UP, variants=VARIANTS[:1]), title).numbers


def test_how_a_finding_moves() -> None:
    assert variants_text(concept(**UP, variants=VARIANTS)) == (
        "0.34 at temperature 0.67; 0.09 at temperature 1.50, across the margin; "
        "−0.004 without images taken for the class, within the margin; −0.30 at equal image quality"
    )
    assert variants_text(contrast(**MORE, variants=VARIANTS[:2])) == (
        "0.340 at temperature 0.67; 0.090 at temperature 1.50, across the margin"
    )
    assert variants_text(concept(**UP)) == ""
    assert variant_words("groups not matched") == "groups not matched"


def test_titles_are_those_of_the_banks(audit: Audit) -> None:
    known = titles(audit)
    assert known("portraits", "women") == "Women"
    assert known("textures", "women") == "women"  # of another bank
    (plain,) = audit_of(audited_class(concept(**UP))).banks
    nameless = plain.model_copy(
        update={"concepts": [c.model_copy(update={"title": ""}) for c in plain.concepts]}
    )
    assert titles(audit.model_copy(update={"banks": [nameless]}))("textures", "banded") == "banded"
    shown = class_summary(audit.of_class(340), known).sentence
    assert shown.startswith("Associated with images labelled “Banded” and “Zigzagged”.")


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (0.62, "Six tenths of the way from “out of the question” to “certain”."),
        (0.12, "One tenth of the way from “out of the question” to “certain”."),
        (0.061, "Six hundredths of the way from “out of the question” to “certain”."),
        (-0.31, "Three tenths of the way from “out of the question” to “certain”, downwards."),
        (0.0, ""),
    ],
)
def test_the_size_of_a_claim_in_words(effect: float, words: str) -> None:
    finding = concept("banded", effect=effect, low=effect - 0.001, high=effect + 0.001)
    assert claim(finding, title).way == words
