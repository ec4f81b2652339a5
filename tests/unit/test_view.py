from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from auditor.records import Audit, ClassResult, Picture
from auditor.report.class_view import MAX_CHART_CONCEPTS, ClassView
from auditor.report.findings import decisive_contrasts, findings, verdict
from auditor.report.pictures import picture_paths
from auditor.report.view import ReportView, build_view
from auditor.report.words import (
    clean,
    interval,
    listing,
    moment,
    number,
    p_phrase,
    p_text,
    percent,
    unit_share,
)
from tests.sample import build


@pytest.fixture(scope="module")
def view(audit: Audit) -> ReportView:
    return build_view(audit)


def title(bank: str, concept: str) -> str:
    return concept


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


def test_verdicts_of_the_sample(view: ReportView) -> None:
    assert [c.verdict.tone for c in view.classes] == ["found", "open", "bad"]
    assert "“Banded”" in view.classes[0].verdict.sentence
    assert "random concept" in view.classes[2].verdict.sentence
    assert view.headline.startswith("For 1 of 3 classes an association was found")


def with_only(result: ClassResult, direction: str, **fields: Any) -> ClassResult:
    concepts = [c.model_copy(update={"direction": direction}) for c in result.concepts]
    return result.model_copy(update={"concepts": concepts, **fields})


@pytest.mark.parametrize(
    ("direction", "tone"),
    [
        ("associated", "found"),
        ("inhibiting", "against"),
        ("not associated", "none"),
        ("inconclusive", "open"),
    ],
)
def test_verdict_follows_the_directions(audit: Audit, direction: str, tone: str) -> None:
    zebra = audit.classes[0]
    assert verdict(with_only(zebra, direction), title).tone == tone
    assert verdict(with_only(zebra, direction, controls=audit.classes[2].controls), title).tone == "bad"
    assert verdict(with_only(zebra, direction), title, failed=["randomised weights"]).tone == "bad"


def test_verdict_without_any_measurement(audit: Audit) -> None:
    empty = audit.classes[0].model_copy(update={"concepts": [], "contrasts": []})
    assert verdict(empty, title).word == "nothing measured"


def test_no_finding_from_a_class_whose_control_failed(audit: Audit) -> None:
    golf_ball = with_only(audit.classes[2], "associated")
    assert findings([golf_ball], title) == []
    trusted = golf_ball.model_copy(update={"controls": audit.classes[0].controls})
    assert len(findings([trusted], title)) == 3


def test_a_failed_control_of_the_whole_audit_withdraws_every_claim(audit: Audit) -> None:
    controls = [audit.controls[0].model_copy(update={"passed": False})]
    view = build_view(audit.model_copy(update={"controls": controls}))
    assert view.findings == ()
    assert {c.verdict.tone for c in view.classes} == {"bad"}
    assert view.banners[0].tone == "bad"
    assert "randomised weights" in view.banners[0].text


def test_findings_hear_every_class_before_one_twice(audit: Audit) -> None:
    strong = with_only(audit.classes[0], "associated")
    weak = with_only(audit.classes[1], "associated")
    found = findings([strong, weak], title)
    assert {f.class_position for f in found} == {0, 1}
    assert [f.strength for f in found] == sorted((f.strength for f in found), reverse=True)


def test_a_matched_contrast_decides_over_an_unmatched_one(audit: Audit) -> None:
    lipstick = audit.classes[1]
    assert [c.direction for c in lipstick.contrasts] == ["more", "inconclusive"]
    assert [c.matched for c in decisive_contrasts(lipstick)] == [True]
    assert verdict(lipstick, title).tone == "open"
    reversed_order = lipstick.model_copy(update={"contrasts": lipstick.contrasts[::-1]})
    assert [c.matched for c in decisive_contrasts(reversed_order)] == [True]


@pytest.mark.parametrize(("direction", "first"), [("more", "Women"), ("less", "Men")])
def test_a_contrast_found_is_said_the_right_way_round(audit: Audit, direction: str, first: str) -> None:
    lipstick = audit.classes[1]
    contrasts = [lipstick.contrasts[0], lipstick.contrasts[1].model_copy(update={"direction": direction})]
    view = build_view(changed(audit, 1, contrasts=contrasts))
    said = [f for f in view.findings if "lipstick" in f.sentence]
    assert len(said) == 1
    assert f"associated more with images labelled “{first}” than" in said[0].sentence
    assert said[0].anchor == view.classes[1].contrasts[1].anchor
    assert "matched" in said[0].evidence


def test_findings_point_at_their_rows(view: ReportView) -> None:
    anchors = {row.anchor: row for c in view.classes for bank in c.banks for row in bank.rows}
    for finding in view.findings:
        assert anchors[finding.anchor].title in finding.sentence
        assert anchors[finding.anchor].score in finding.evidence


def test_anchors_are_unique(view: ReportView) -> None:
    anchors = [c.anchor for c in view.classes]
    anchors += [row.anchor for c in view.classes for bank in c.banks for row in bank.rows]
    anchors += [row.anchor for c in view.classes for row in c.contrasts]
    assert len(anchors) == len(set(anchors))


def test_first_page_says_what_was_not_tested(view: ReportView) -> None:
    text = " ".join(view.not_tested)
    assert "997 other classes" in text
    assert "apron" in text
    assert "another class" in text  # the control that could not be run


def test_no_contrast_is_said_plainly(audit: Audit) -> None:
    view = build_view(changed(audit, 1, contrasts=[]))
    assert any("no contrast was measured" in item for item in view.not_tested)


def test_impressions_are_announced(audit: Audit, view: ReportView) -> None:
    banner = next(b for b in view.banners if b.tone == "warn")
    assert "“lipstick” and “golf ball”" in banner.text
    assert "correlate 0.54" in banner.text
    assert "work on at most 4% of the photos" in banner.text
    assert [c.from_impressions for c in view.classes] == [False, True, True]
    zebra = audit.classes[0]
    photos = audit.model_copy(update={"classes": [zebra]})
    assert build_view(photos).banners == ()


def test_rows_are_in_order_of_score_and_unmeasured_ones_last(audit: Audit) -> None:
    concepts = list(audit.classes[0].concepts)
    concepts[0] = concepts[0].model_copy(update={"score": None, "score_low": None, "score_high": None})
    section = build_view(changed(audit, 0, concepts=concepts)).classes[0].banks[0]
    values = [row.score_value for row in section.rows]
    assert values[-1] is None
    measured = [v for v in values if v is not None]
    assert measured == sorted(measured, reverse=True)
    assert section.rows[-1].score == "–"


def test_long_banks_are_cut_in_charts_only(audit: Audit) -> None:
    one = audit.classes[0].concepts[0]
    many = [
        one.model_copy(update={"concept": f"c{i}", "score": i / 100}) for i in range(MAX_CHART_CONCEPTS + 9)
    ]
    section = build_view(changed(audit, 0, concepts=many)).classes[0].banks[0]
    assert len(section.charted) == MAX_CHART_CONCEPTS
    signed = [c.model_copy(update={"score": -(c.score or 0.0)}) for c in many]
    below = build_view(changed(audit, 0, concepts=signed)).classes[0].banks[0]
    assert below.rows[-1] in below.charted  # the strongest inhibition is not cut off
    assert below.rows[0] not in below.charted
    assert len(section.rows) == MAX_CHART_CONCEPTS + 9
    assert "the table has all" in section.note


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


def test_a_control_that_fails_for_two_banks_is_named_once(audit: Audit) -> None:
    control = audit.classes[0].controls[0].model_copy(update={"name": "permuted channels", "passed": False})
    view = build_view(changed(audit, 0, controls=[control, control]))
    assert view.classes[0].verdict.sentence == (
        "The control “permuted channels” failed, so nothing is claimed about this class."
    )


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
    view = build_view(audit.model_copy(update={"classes": []}))
    assert view.headline.startswith("No class could be audited")
    assert view.findings == ()


def test_never_that_a_model_is_fair_or_certified(view: ReportView) -> None:
    text = repr(view).lower()
    for word in ("is fair", "unbiased", "certified"):
        assert word not in text
    assert not re.search(r"\b0\.000\b", text)


def test_sample_lies_where_it_was_put(tmp_path: Path) -> None:
    audit = build(tmp_path)
    assert all((tmp_path / p.path).is_file() for c in audit.classes for p in c.pictures)
