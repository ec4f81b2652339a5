from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from auditor.errors import InputError
from auditor.findings import concluded
from auditor.records import CLAIMS, Audit, Conclusion, Explanation, Finding, Picture
from auditor.report import render_format
from auditor.report.thumbnails import picture_paths
from auditor.report.view.audit import MOST_DETAILED, ReportView, build_view
from auditor.report.view.classes import ClassView
from auditor.report.view.concepts import MAX_CHART_CONCEPTS
from auditor.report.words import (
    CONCLUSIONS,
    clean,
    digits_of,
    effect_text,
    interval,
    interval_text,
    listing,
    moment,
    number,
    p_phrase,
    p_text,
    percent,
    said,
    unit_share,
)
from auditor.store.directory import audit_bytes, parse_audit
from benchmarks.large_reports import repeated
from tests.releases import audit_of, audited_class, concept, contrast
from tests.sample import build


@pytest.fixture(scope="module")
def view(audit: Audit) -> ReportView:
    return build_view(audit)


def changed(audit: Audit, position: int, **fields: Any) -> Audit:
    classes = list(audit.classes)
    classes[position] = classes[position].model_copy(update=fields)
    return audit.model_copy(update={"classes": classes})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (1.0, "1.00"),
        (-0.614, "−0.61"),
        (0.004, "0.004"),
        (-0.0004, "−0.0004"),
        (1e-9, "≈0"),
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (12.345, "12.35"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (1, "1"), (0.9996, ">0.99"), (0.0001, "<0.01"), (0.5, "0.50"), (0.995, "0.99")],
)
def test_shares_reach_their_ends_only_exactly(value: float | None, text: str) -> None:
    assert unit_share(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0%"), (1, "100%"), (0.999, ">99%"), (0.001, "<1%"), (0.926, "93%"), (0.9949, "99%")],
)
def test_percent_reaches_its_ends_only_exactly(value: float | None, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "cell", "phrase"),
    [
        (None, "–", "p not measured"),
        (1e-5, "<0.001", "p < 0.001"),
        (0.001, "0.001", "p = 0.001"),
        (0.0123, "0.012", "p = 0.012"),
        (0.99996, ">0.999", "p > 0.999"),
        (1.0, "1", "p = 1"),
    ],
)
def test_p_values_are_never_zero(value: float | None, cell: str, phrase: str) -> None:
    assert p_text(value) == cell
    assert p_phrase(value) == phrase


def test_every_conclusion_has_a_word_a_sign_and_a_tone_of_its_own() -> None:
    assert set(CONCLUSIONS) == set(get_args(Conclusion))
    assert [word.text for word in CONCLUSIONS.values()] == list(CONCLUSIONS)
    assert len({word.symbol for word in CONCLUSIONS.values()}) == len(CONCLUSIONS)
    claimed = {CONCLUSIONS[c].tone for c in CLAIMS}
    assert claimed == {"found", "against"}
    assert not claimed & {word.tone for c, word in CONCLUSIONS.items() if c not in CLAIMS}


@pytest.mark.parametrize(
    ("conclusion", "of_groups"),
    [
        ("associated", "more with women"),
        ("negatively associated", "more with men"),
        ("not associated", "no difference"),
        ("inconclusive", "inconclusive"),
        ("not measured", "not measured"),
    ],
)
def test_a_conclusion_about_groups_says_which(conclusion: Conclusion, of_groups: str) -> None:
    about = {"conclusion": conclusion}
    assert said(contrast().model_copy(update=about)).text == of_groups
    assert said(contrast().model_copy(update=about)).symbol == CONCLUSIONS[conclusion].symbol
    assert said(concept().model_copy(update=about)) == CONCLUSIONS[conclusion]


def test_differences_between_groups_have_one_digit_more() -> None:
    numbers = {
        "effect": -0.0312,
        "low": -0.04,
        "high": -0.02,
        "adjusted_low": -0.0449,
        "adjusted_high": -0.0175,
    }
    assert effect_text(contrast(**numbers)) == "−0.031"
    assert interval_text(contrast(**numbers)) == "[−0.045, −0.018]"  # the adjusted one
    assert effect_text(concept(**numbers)) == "−0.03"
    assert interval_text(concept(**numbers)) == "[−0.04, −0.02]"
    kinds = ("association", "association growth", "contrast", "contrast growth")
    assert [digits_of(kind) for kind in kinds] == [2, 2, 3, 3]


def test_words_for_lists_intervals_and_moments() -> None:
    assert [listing(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert interval(-0.1, 0.25) == "[−0.10, 0.25]"
    assert interval(None, 0.25) == "–"
    assert moment("2026-11-23T10:41:07+01:00") == "23 November 2026, 09:41 UTC"
    assert moment("yesterday\n") == "yesterday "


def test_clean_shows_what_acts_unseen() -> None:
    assert clean("a\nb\tc") == "a b c"
    assert (
        clean("a\x00b\u202ec\ud800")
        == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}"
    )
    assert clean("Zürich 日本 👩🏽‍🚀 עברית") == "Zürich 日本 👩🏽‍🚀 עברית"


def concluded_again(audit: Audit, change: Callable[[Finding], dict[str, Any]]) -> Audit:
    """The audit with its findings changed, and concluded again."""
    found = [concluded(f.model_copy(update=change(f))) for f in audit.findings]
    return audit.model_copy(update={"findings": found})


def test_summaries_of_the_sample(view: ReportView) -> None:
    assert [c.summary.tone for c in view.classes] == ["found", "open", "bad"]
    assert "“Banded”" in view.classes[0].summary.sentence
    assert "random concept" in view.classes[2].summary.sentence
    assert view.headline == (
        "For 1 of 3 classes an association was found, for 1 the result is inconclusive and for 1 every "
        "finding is withheld."
    )


UP = {"effect": 0.3, "low": 0.2, "high": 0.4}
DOWN = {"effect": -0.3, "low": -0.4, "high": -0.2}


@pytest.mark.parametrize(
    ("classes", "headline"),
    [
        ([UP], "For 1 of 1 class an association was found."),
        ([UP, UP], "For all of 2 classes an association was found."),
        ([UP, DOWN], "For 1 of 2 classes an association was found and for 1 only a negative association was "
         "found."),
        ([{}, {}, DOWN], "For 1 of 3 classes only a negative association was found and for 2 no association "
         "was found."),
        ([{}, {}], "For all of 2 classes no association was found."),
    ],
)  # fmt: skip
def test_the_headline_counts_classes(classes: list[dict[str, float]], headline: str) -> None:
    audited = [
        audited_class(concept(**numbers), index=i, name=f"class {i}") for i, numbers in enumerate(classes)
    ]
    assert build_view(audit_of(*audited)).headline == headline


def test_nothing_is_claimed_of_a_class_whose_check_failed(audit: Audit) -> None:
    """The numbers of the sample's third class would claim three concepts."""
    golf = audit.model_copy(update={"classes": audit.classes[2:], "findings": audit.of_class(574)})
    view = build_view(golf)
    assert view.claims == ()
    assert view.no_claims.startswith("Nothing is claimed. This does not show that there is nothing")
    assert {row.word.text for row in view.classes[0].banks[0].rows} == {"inconclusive"}
    trusted = build_view(concluded_again(golf, lambda f: {"checks": f.checks[:1]}))
    assert len(trusted.claims) == 3
    assert trusted.no_claims == ""
    assert trusted.classes[0].summary.tone == "found"


def test_a_failed_sanity_check_is_announced_and_where(audit: Audit, view: ReportView) -> None:
    banner = view.banners[0]
    assert (banner.tone, banner.title) == ("bad", "1 sanity check failed")
    assert (
        "“random concept” for “golf ball”, bank “textures”. Findings that it tests are withheld"
        in banner.text
    )
    lost = [
        c.model_copy(
            update={"sanity_checks": [k.model_copy(update={"passed": False}) for k in c.sanity_checks]}
        )
        for c in audit.classes
    ]
    many = build_view(audit.model_copy(update={"classes": lost})).banners[0]
    assert many.title == "12 sanity checks failed"
    assert many.text.count("“zebra”") == 3  # the first three are named
    assert "and 9 more" in many.text


def test_a_banner_withholds_nothing_by_itself(audit: Audit) -> None:
    """What a failed check forbids is written in the findings; the view takes it from there alone."""
    lost = [k.model_copy(update={"passed": False}) for k in audit.classes[0].sanity_checks]
    view = build_view(changed(audit, 0, sanity_checks=lost))
    assert view.classes[0].summary == build_view(audit).classes[0].summary
    assert view.classes[0].checks_summary.text == "0 of 4 passed, 4 failed"


@pytest.mark.parametrize(("sign", "first"), [(1, "Women"), (-1, "Men")])
def test_a_contrast_found_is_said_the_right_way_round(audit: Audit, sign: int, first: str) -> None:
    def turned(finding: Finding) -> dict[str, Any]:
        if finding.kind == "association":
            return {}
        ends = sorted((sign * 0.031, sign * 0.091))
        return {
            "checks": finding.checks[:1], "effect": sign * 0.061, "adjusted_low": ends[0],
            "adjusted_high": ends[1],
        }  # fmt: skip

    view = build_view(concluded_again(audit, turned))
    heard = [c for c in view.claims if "lipstick" in c.sentence]
    assert len(heard) == 1
    assert f"associated more with images labelled “{first}” than" in heard[0].sentence
    assert heard[0].anchor == view.classes[1].contrasts[0].rows[0].anchor
    assert (heard[0].symbol, heard[0].tone) == ("▲", "found")  # of groups, either way is an association
    assert "88 matched pairs" in heard[0].numbers
    assert view.classes[1].contrasts[0].rows[0].word.text == f"more with {first.lower()}"


def test_a_contrast_shows_its_numbers_its_reason_and_how_it_moves(view: ReportView) -> None:
    (row,) = view.classes[1].contrasts[0].rows
    assert (row.title, row.n, row.means) == ("Women against Men", "96 / 96", "0.310 / 0.250")
    assert row.how == "matched on age band, brightness and sharpness, 88 independent pairs"
    assert row.apart == "told apart (AUC 0.91 [0.86, 0.95])"
    assert (row.effect, row.interval, row.p_adjusted) == ("0.061", "[0.031, 0.091]", "<0.001")
    assert (row.logarithm, row.detectable, row.share) == ("0.71", "0.042", "<1%")
    assert row.word.text == "inconclusive"
    assert row.reason.startswith("technical properties alone tell 64%")
    assert row.moves == "0.012 at equal image quality, across the margin; 0.093 groups not matched"
    assert [b.verdict for b in row.balance] == ["balanced", "balanced", "differs"]


def test_groups_that_were_not_matched_are_judged_by_their_balance_before(audit: Audit) -> None:
    def plain(finding: Finding) -> dict[str, Any]:
        return {"matched": False} if finding.kind == "contrast" else {}

    (row,) = build_view(concluded_again(audit, plain)).classes[1].contrasts[0].rows
    assert row.how == "not matched"
    assert [b.verdict for b in row.balance] == ["differs", "differs", "differs"]


def test_claims_point_at_their_rows(view: ReportView) -> None:
    anchors = {row.anchor: row for c in view.classes for bank in c.banks for row in bank.rows}
    assert len(view.claims) == 3
    for claim in view.claims:
        row = anchors[claim.anchor]
        assert f"labelled “{row.title}”." in claim.sentence
        assert f"effect {row.effect} {row.interval}" in claim.numbers
        assert (claim.symbol, claim.tone) == (row.word.symbol, row.word.tone)


def test_a_reason_stands_where_the_conclusion_alone_does_not_say_it(view: ReportView) -> None:
    rows = [row for c in view.classes for bank in c.banks for row in bank.rows]
    for row in rows:
        assert bool(row.reason) == (row.word.text in ("inconclusive", "not measured"))
        assert bool(row.moves) == (row.word.text in ("associated", "negatively associated"))
    assert [reason for reason, _ in view.classes[2].banks[0].reasons] == [
        "The sanity check 'random concept' failed for bank 'textures'"
    ]
    (reason,) = view.classes[0].banks[0].reasons
    assert reason == ("The interval reaches across the margin", "Fibrous, Woven and Chequered")


def test_anchors_are_unique(view: ReportView) -> None:
    anchors = [c.anchor for c in view.classes]
    anchors += [row.anchor for c in view.classes for bank in c.banks for row in bank.rows]
    anchors += [row.anchor for c in view.classes for table in c.contrasts for row in table.rows]
    assert len(anchors) == len(set(anchors))


def test_first_page_says_what_was_not_tested(view: ReportView) -> None:
    text = " ".join(view.not_tested)
    assert "997 other classes" in text
    assert "apron" in text
    assert "Sanity checks not run: “another class's occluder” and “random occluder”." in view.not_tested


def test_no_contrast_is_said_plainly(audit: Audit, view: ReportView) -> None:
    none = [f for f in audit.findings if f.kind == "association"]
    without = build_view(audit.model_copy(update={"findings": none}))
    assert any("no contrast was measured" in item for item in without.not_tested)
    assert not any("no contrast was measured" in item for item in view.not_tested)
    assert "For differences between groups it is ±0.015." in view.measured
    assert "groups" not in without.measured


def test_what_was_measured_and_corrected_is_said(view: ReportView) -> None:
    assert view.measured == (
        "39 tests of concepts, corrected together (3 classes times 13 concepts); 1 test of contrasts in "
        "context, corrected together. For each kind of finding, the chance of any false claim is at most 5%: "
        "intervals are widened and p-values corrected for all tests of the kind. p-values come from 3,999 "
        "permutations. Associations within ±0.1 do not matter: that is the equivalence margin. For "
        "differences between groups it is ±0.015. Importances (AfI) are a family of 26 of their own, "
        "compared with 8 reference classes; within ±0.025 they do not matter."
    )


def test_sources_of_bias_are_those_that_the_datasheets_name(audit: Audit, view: ReportView) -> None:
    textures, portraits = view.bias_of_banks
    assert textures.label == "Generated textures"
    assert "Known defects: Generated textures are cleaner than photographed ones." in textures.value
    assert "Uses" not in textures.value
    assert (
        "Labels: Perceived gender, two values, one rater; noisy, and not anyone's identity."
        in portraits.value
    )
    silent = audit.banks[0].model_copy(update={"datasheet": {"Uses": "Any."}})
    (said,) = build_view(audit.model_copy(update={"banks": [silent]})).bias_of_banks
    assert said.value == "The datasheet says nothing about it."


def test_impressions_are_announced(audit: Audit, view: ReportView) -> None:
    (banner,) = [b for b in view.banners if b.tone == "warn"]
    assert "“lipstick” and “golf ball”" in banner.text
    assert "do not rest on them; the occluder, importance and the layers do" in banner.text
    assert "correlates 0.61 in the last third" in banner.text
    assert "change the prediction on 97% of unseen photos or more" in banner.text
    assert [c.from_impressions for c in view.classes] == [False, True, True]
    photos = audit.model_copy(update={"classes": audit.classes[:1], "findings": audit.of_class(340)})
    assert build_view(photos).banners == ()


@pytest.mark.parametrize(("classes", "chance"), [(2, "0.63"), (10, "0.29"), (49, "0.18"), (50, None)])
def test_a_model_of_few_classes_is_announced(audit: Audit, classes: int, chance: str | None) -> None:
    """Chance is ln 2 / ln(1 + classes)."""
    model = audit.model.model_copy(update={"classes": classes})
    found = [b for b in build_view(audit.model_copy(update={"model": model})).banners if "few" in b.title]
    assert len(found) == (chance is not None)
    for banner in found:
        assert banner.tone == "warn"
        assert f"The model has {classes} classes. A model that guesses gives a class a" in banner.text
        assert f"a log-scaled probability of {chance}." in banner.text
        assert ("are not mirror images" in banner.text) == (classes == 2)


def test_trust_rows_say_what_of_each_class_can_be_used(audit: Audit, view: ReportView) -> None:
    rows = {row.name: row for row in view.classes}
    assert rows["zebra"].images_word == "40 photos"
    assert rows["lipstick"].images_word == "32 impressions"
    assert rows["zebra"].explanation_word.startswith(
        "measured: the occluder changed the model's answer on 9 of 10"
    )
    assert rows["golf ball"].explanation_word.startswith(
        "not measured: the occluder changed the model's answer on 1"
    )
    assert rows["golf ball"].checks_summary.text == "1 of 4 passed, 1 failed, 2 not run"
    none = build_view(changed(audit, 0, images=None, occluder=None, pictures=[], sanity_checks=[]))
    assert none.classes[0].images_word == "none"
    assert none.classes[0].checks_summary.text == "none run"


NOT_EXPLAINED = Explanation(measured=False, reason="no image was held out")


def test_what_rests_on_the_occluder_is_shown_only_where_it_was_measured(audit: Audit) -> None:
    shown = build_view(audit).classes
    assert [c.explained for c in shown] == [True, True, False]
    assert [bool(c.layers) for c in shown] == [True, True, False]
    assert [c.occlusion is not None for c in shown] == [True, True, False]
    assert [bool(c.specific) for c in shown] == [True, True, False]
    hidden = build_view(changed(audit, 0, explanation=NOT_EXPLAINED)).classes[0]
    assert (hidden.explained, hidden.layers, hidden.occlusion, hidden.specific) == (False, (), None, "")
    assert hidden.explanation == (
        "Importance, layers, detector pictures and the paper's score: not measured. No image was held "
        "out. Scores and contrasts are computed from the model's output and do not rest on them."
    )
    assert hidden.summary == shown[0].summary  # no score rests on it


def test_a_class_without_images_has_its_scores(audit: Audit) -> None:
    bare = changed(
        audit, 0, explanation=NOT_EXPLAINED, images=None, occluder=None, layers=[], pictures=[], specific=None
    )
    view = build_view(bare)
    one = view.classes[0]
    assert one.images_sentence == "There are no images of the class."
    assert (one.images, one.occluder, one.occluded, one.overlays) == ((), (), (), ())
    assert (one.occluder_sentence, one.occluder_facts) == ("", ())
    assert one.from_impressions is False
    assert one.summary == build_view(audit).classes[0].summary
    facts = {fact.label: fact.value for fact in view.facts}
    assert facts["Class images"] == "56 used: impressions made from the model"  # of the two others
    assert not any("zebra" in fact.label for fact in view.hashes)
    alone = bare.model_copy(update={"classes": bare.classes[:1], "findings": bare.of_class(340)})
    assert {f.label: f.value for f in build_view(alone).facts}["Class images"] == "none"


def test_rows_are_in_order_of_effect_and_unmeasured_ones_last(audit: Audit) -> None:
    missing = dict.fromkeys(("effect", "low", "high", "adjusted_low", "adjusted_high", "p_adjusted"))
    lost = audit.findings[0].subject
    changed_audit = concluded_again(audit, lambda f: missing if f.subject == lost else {})
    section = build_view(changed_audit).classes[0].banks[0]
    values = [row.finding.effect for row in section.rows]
    assert values[-1] is None
    measured = [v for v in values if v is not None]
    assert measured == sorted(measured, reverse=True)
    last = section.rows[-1]
    assert (last.effect, last.interval, last.p_adjusted, last.taken) == ("–", "–", "–", "–")
    assert (last.word.text, last.reason) == ("not measured", "there is no number to conclude from")


def test_long_banks_are_cut_in_charts_only(audit: Audit) -> None:
    one = audit.findings[0]

    def many(sign: int) -> Audit:
        found = [
            one.model_copy(update={"subject": f"c{i}", "effect": sign * i / 100})
            for i in range(MAX_CHART_CONCEPTS + 9)
        ]
        return audit.model_copy(update={"findings": found})

    section = build_view(many(1)).classes[0].banks[0]
    assert len(section.charted) == MAX_CHART_CONCEPTS
    below = build_view(many(-1)).classes[0].banks[0]
    assert below.rows[-1] in below.charted  # the strongest negative one is not cut off
    assert below.rows[0] not in below.charted
    assert len(section.rows) == MAX_CHART_CONCEPTS + 9
    assert "the table has all" in section.note


def test_a_bank_says_what_it_is_compared_with_and_what_counts_as_one_image(view: ReportView) -> None:
    assert view.classes[0].banks[0].note == (
        "Concepts are compared with the bank's other concepts. Independent images: every image was drawn on "
        "its own."
    )
    facts = {fact.label: fact.value for fact in view.banks[1].facts}
    assert facts["Compared with"] == "the bank's other concepts"
    assert facts["Independent images"] == "images of one person count as one, as the bank declares"
    assert view.banks[1].concepts[0][2] == "118 (104 independent)"


def test_images_that_count_as_one_stand_in_brackets(audit: Audit) -> None:
    fewer = concluded_again(audit, lambda f: {"independent": 41} if f.subject == "banded" else {})
    rows = {row.title: row for row in build_view(fewer).classes[0].banks[0].rows}
    assert (rows["Banded"].n, rows["Dotted"].n) == ("60 (41)", "60")


def test_a_sanity_check_has_counts_as_counts_and_shares_as_shares(view: ReportView) -> None:
    rows = {row.name: row for row in view.classes[2].checks}
    assert rows["random concept, textures"].observed == "38 sets claimed"
    assert rows["random concept, textures"].threshold == "21"
    assert rows["random occluder"].observed == "0.17 share of images"
    assert rows["random occluder"].threshold == "–"
    assert rows["another class's occluder"].observed == "–"
    assert [row.outcome.text for row in rows.values()] == ["failed", "not run", "passed", "not run"]


def shown_banks(view: ClassView) -> set[str]:
    return {group.title for group in view.overlays}


def test_pictures_of_a_bank_are_shown_only_with_its_permission(audit: Audit) -> None:
    assert shown_banks(build_view(audit).classes[0]) == {"Banded", "Zigzagged", "Dotted"}
    banks = [b.model_copy(update={"report_images": False}) for b in audit.banks]
    silent = build_view(audit.model_copy(update={"banks": banks})).classes[0]
    assert silent.overlays == ()
    assert "Generated textures" in silent.withheld
    unknown = build_view(audit.model_copy(update={"banks": []})).classes[0]
    assert unknown.overlays == ()


def test_averages_stand_for_images_that_may_not_be_shown(audit: Audit) -> None:
    def average(n: int | None, concept: str, bank: str = "textures") -> Picture:
        path = f"pictures/average-{concept}.jpg"
        made = {"path": path, "kind": "average", "alt": "An average.", "width": 9, "height": 9, "n": n}
        return Picture.model_validate({**made, "bank": bank, "concept": concept})

    pictures = [
        average(41, "banded"),
        average(29, "dotted"),
        average(None, "zigzagged"),
        average(41, "x", "y"),
    ]
    banks = [b.model_copy(update={"report_images": False}) for b in audit.banks]
    view = build_view(changed(audit.model_copy(update={"banks": banks}), 0, pictures=pictures))
    (group,) = view.classes[0].averages
    assert [(shot.path, shot.caption) for shot in group.shots] == [
        (
            "pictures/average-banded.jpg",
            "Banded, 41 images",
        )  # never of fewer than 30, nor of a bank not listed
    ]
    assert "pictures/average-banded.jpg" in picture_paths(view)
    assert build_view(audit).classes[0].averages == ()


def test_an_audit_without_any_class_is_shown(audit: Audit) -> None:
    view = build_view(audit.model_copy(update={"classes": [], "findings": []}))
    assert view.headline.startswith("No class could be audited")
    assert view.claims == ()


def test_a_finding_of_a_class_that_the_audit_lacks_stops_no_report(audit: Audit) -> None:
    """A file that holds one is refused by name; who builds an audit in memory gets a report."""
    stray = audit.model_copy(update={"classes": audit.classes[1:]})
    with pytest.raises(InputError, match=r"findings\.0\.class_index"):
        parse_audit(audit_bytes(stray), where="x")
    assert build_view(stray).claims == ()


def test_an_empty_reason_stops_no_report(audit: Audit) -> None:
    empty = changed(audit, 0, explanation=Explanation(measured=False, reason=""))
    assert build_view(empty).classes[0].explanation.startswith("Importance, layers")


def test_never_that_a_model_is_fair_or_certified(view: ReportView) -> None:
    text = repr(view).lower()
    for word in ("is fair", "unbiased", "certified"):
        assert word not in text
    assert not re.search(r"\b0\.000\b", text)


def test_sample_lies_where_it_was_put(tmp_path: Path) -> None:
    audit = build(tmp_path)
    assert all((tmp_path / p.path).is_file() for c in audit.classes for p in c.pictures)


def test_of_many_classes_those_with_most_to_decide_get_a_chapter(audit: Audit, tmp_path: Path) -> None:
    many = repeated(audit, 30)
    view = build_view(many)
    assert len(view.classes) == 30
    assert len(view.detailed) == MOST_DETAILED
    # Of the sample's three classes only zebra has claims, and there are ten zebras.
    assert {c.name.rpartition(" ")[0] for c in view.detailed} == {"zebra"}
    assert [c.position for c in view.detailed] == sorted(c.position for c in view.detailed)
    assert f"Details follow for {MOST_DETAILED} of 30 classes" in view.left_to_table
    page = render_format(many, tmp_path, name="html").decode()
    assert page.count('<article id="class-') == MOST_DETAILED
    assert all(clean(c.name) in page for c in many.classes)
    assert not build_view(audit).left_to_table
