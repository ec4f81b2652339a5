"""Contrasts of one class: what each check asks, and what is claimed of groups that differ and that do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor.audit.concepts import Response
from auditor.audit.forward import ForwardPass, Shown
from auditor.audit.groups import (
    APART,
    LOG_MARGIN,
    MOST_EXPLAINED,
    QUALITY,
    UNMATCHED,
    EveryClass,
    contrast,
    detail,
    plain_groups,
    sample_groups,
    with_probe,
)
from auditor.audit.layout import lay_out
from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast
from auditor.findings import conclude_all
from auditor.images.technical import TECHNICAL
from auditor.models.loaded import ClassLabel
from auditor.records import Finding
from auditor.settings import Settings
from auditor.statistics.classwise import FEWEST_CLASSES
from auditor.statistics.probability import Tempered

SETTINGS = Settings(model="x", classes=("x",), permutations=1999, bootstrap=500)
MARGIN = SETTINGS.contrast_margin
AGES = ("younger adult", "middle aged", "senior")


def two_groups(
    logits: NDArray[np.float64],
    *,
    technical: NDArray[np.float64] | None = None,
    clusters: NDArray[np.int64] | None = None,
    match: tuple[str, ...] = ("age band",),
) -> Shown:
    """Women first, then as many men, of the same ages in the same order; [images, classes] logits."""
    count = len(logits) // 2
    concepts = tuple(
        Concept(
            name,
            tuple(
                BankImage(f"{name}/{i}", _never, "", covariates={"age band": AGES[i % 3]})
                for i in range(count)
            ),
        )
        for name in ("women", "men")
    )
    bank = ConceptBank(
        name="faces", title="faces", source="folder", concepts=concepts, digest="",
        contrasts=(GroupContrast("women", "men", match),),
    )  # fmt: skip
    layout = lay_out(bank)
    if clusters is not None:
        layout = replace(layout, sample=replace(layout.sample, clusters=clusters))
    if technical is None:
        technical = np.random.default_rng(9).normal(size=(len(logits), len(TECHNICAL)))
    seen = logits.astype(np.float32)
    return Shown(layout, ForwardPass({}, {}, seen, seen), technical, "")


def _never() -> Any:
    raise AssertionError("no picture is looked at")


def teller(shown: Shown, **more: object) -> Callable[[int], Finding]:
    """From a class to its one contrast's finding, concluded; what all classes share is made once."""
    settings = SETTINGS.model_copy(update=more)
    tempered = Tempered(shown.logits)
    groups = sample_groups(shown.layout, settings=settings)[0]
    every = EveryClass.of(shown.logits)

    def tell(class_index: int) -> Finding:
        response = Response(tempered.log_scaled(class_index), shown.logits.argmax(1) == class_index)
        label = ClassLabel(class_index, f"class {class_index}")
        finding = contrast(groups, shown, label, response, every, settings=settings, family=1)
        return conclude_all([finding])[0]

    return tell


def told(shown: Shown, class_index: int = 0, **more: object) -> Finding:
    """The finding of one class."""
    return teller(shown, **more)(class_index)


def check(finding: Finding, name: str) -> bool | None:
    return {c.name: c.passed for c in finding.checks}[name]


def many_classes(rng: np.random.Generator, *, images: int = 240, classes: int = 200) -> NDArray[np.float64]:
    """Logits of a model that is now and then sure of class 0."""
    logits = rng.normal(0, 1, (images, classes))
    logits[:, 0] += 3.0
    return logits


def test_a_difference_at_the_output_that_only_the_class_has_is_claimed() -> None:
    logits = many_classes(np.random.default_rng(0))
    logits[:120, 0] += 1.5
    finding = told(two_groups(logits))
    assert finding.conclusion == "associated"
    assert finding.matched
    assert finding.independent == finding.independent_other == 120
    assert finding.log_difference is not None
    assert finding.log_difference > LOG_MARGIN
    assert check(finding, "differs from other classes") is True
    turned = told(two_groups(np.concatenate([logits[120:], logits[:120]])))
    assert turned.conclusion == "negatively associated"
    assert turned.effect == pytest.approx(-(finding.effect or 0))


def test_the_effect_is_the_mean_difference_of_e_over_pairs() -> None:
    logits = many_classes(np.random.default_rng(1), images=60)
    shown = two_groups(logits)
    sample = sample_groups(shown.layout, settings=SETTINGS)[0].sample
    p = np.exp(logits[:, 0]) / np.exp(logits).sum(axis=1)
    e = np.log(1 + 200 * p) / np.log(201)
    pairs = [
        e[sample.more == k].mean() - e[sample.less == k].mean()
        for k in np.unique(sample.more[sample.more >= 0])
    ]
    finding = told(shown)
    assert finding.effect == pytest.approx(np.mean(pairs), abs=1e-6)
    assert finding.n == sum(sample.more >= 0)


def test_what_moves_every_class_alike_is_not_claimed_of_one() -> None:
    """One group's photos make the model surer of a whole lot of classes: nothing of this one."""
    rng = np.random.default_rng(2)
    logits = many_classes(rng)
    logits[:120, :60] += 2.0
    shown = two_groups(logits)
    findings = [told(shown, k) for k in (0, 7, 30)]
    assert all(abs(f.effect or 0) > 0 for f in findings)
    # Set against the other classes, of which a third moved as well, too little is left.
    logits[:120] = many_classes(rng)[:120] + 2.0
    moved = told(two_groups(logits))
    assert moved.conclusion != "associated"


def test_a_class_out_of_the_question_is_not_claimed() -> None:
    """Its logarithm moves by a standard deviation, its probability by nothing (Komodo dragon)."""
    logits = many_classes(np.random.default_rng(3))
    logits[:, 5] -= 12.0
    logits[:120, 5] += 1.5
    finding = told(two_groups(logits), 5)
    assert abs(finding.effect or 0) < 0.001
    assert finding.log_difference is not None
    assert finding.log_difference > 1.0
    assert finding.conclusion == "inconclusive"
    assert check(finding, "no difference below the scale") is False
    assert "its logarithm differs by" in finding.reason


def test_no_difference_at_all_is_said_to_be_none() -> None:
    logits = many_classes(np.random.default_rng(4), images=1200)
    logits[:, 0] -= 3.0
    finding = told(two_groups(logits))
    assert finding.conclusion == "not associated"
    assert check(finding, "no difference below the scale") is True


@pytest.mark.parametrize("seed", range(3))
def test_a_difference_that_technical_properties_explain_is_withheld(seed: int) -> None:
    """Half of the women's photos are blurred, and blur alone makes the class more likely."""
    rng = np.random.default_rng(seed)
    logits = many_classes(rng)
    technical = rng.normal(size=(240, len(TECHNICAL)))
    technical[:120, 2] -= 1.2
    logits[:, 0] -= 1.2 * technical[:, 2]
    finding = told(two_groups(logits, technical=technical))
    assert finding.effect is not None
    assert finding.effect > MARGIN
    assert check(finding, "comparable pictures") is True
    assert check(finding, QUALITY) is False
    assert finding.conclusion == "inconclusive"
    assert finding.withheld
    assert "with technical differences removed" in finding.reason


def test_a_real_difference_survives_equal_technical_properties() -> None:
    rng = np.random.default_rng(5)
    logits = many_classes(rng)
    technical = rng.normal(size=(240, len(TECHNICAL)))
    technical[:120, 2] -= 0.8
    logits[:120, 0] += 2.0
    finding = told(two_groups(logits, technical=technical))
    assert check(finding, QUALITY) is True
    assert finding.conclusion == "associated"
    quality = {v.name: v for v in finding.variants}[QUALITY]
    assert quality.conclusion == "associated"


def test_groups_whose_pictures_hardly_overlap_are_not_compared() -> None:
    """Neither a difference nor its absence is said of sharp photos against blurred ones."""
    rng = np.random.default_rng(6)
    technical = rng.normal(size=(240, len(TECHNICAL)))
    technical[:120, 3] += 5.0
    for shift in (0.0, 3.0):
        logits = many_classes(rng)
        logits[:120, 0] += shift
        finding = told(two_groups(logits, technical=technical))
        assert check(finding, "comparable pictures") is False
        assert finding.conclusion == "inconclusive"
        assert f"need {MOST_EXPLAINED:.0%} or less" in finding.reason


def test_groups_drawn_by_lot_are_not_told_apart() -> None:
    """Two hundred classes, four lots: 800 contrasts, of which at most one may be claimed."""
    claimed = 0
    for lot in range(4):
        rng = np.random.default_rng([7, lot])
        logits = rng.normal(0, 2.5, (240, 200))
        tell = teller(two_groups(logits))
        claimed += sum(tell(k).claimed for k in range(200))
    assert claimed <= 1


def test_parts_of_one_photo_count_once() -> None:
    rng = np.random.default_rng(8)
    photos = many_classes(rng, images=80)
    parts = np.repeat(photos, 3, axis=0) + rng.normal(0, 0.05, (240, 200))
    finding = told(two_groups(parts, clusters=np.arange(240) // 3))
    assert (finding.n, finding.n_other) == (120, 120)
    assert finding.independent == finding.independent_other == 40


@pytest.mark.parametrize(
    ("match", "conclusion", "said"),
    [
        (("age band",), "not measured", "12 pairs"),
        ((), "inconclusive", "12 independent images of a group, need 30"),
    ],
)
def test_ten_parts_of_each_of_a_few_photos_are_too_few(
    match: tuple[str, ...], conclusion: str, said: str
) -> None:
    rng = np.random.default_rng(8)
    parts = np.repeat(many_classes(rng, images=24), 10, axis=0) + rng.normal(0, 0.05, (240, 200))
    parts[:120, 0] += 4.0
    finding = told(two_groups(parts, clusters=np.arange(240) // 10, match=match))
    assert finding.conclusion == conclusion
    assert said in finding.reason


def test_a_cluster_that_lies_in_both_groups_is_in_one_pair_only() -> None:
    """Where a photo's parts carry either label, its pairs count as one."""
    rng = np.random.default_rng(10)
    logits = many_classes(rng, images=80)
    clusters = np.concatenate([np.arange(40), np.arange(40)])  # every woman's photo is a man's as well
    matched = told(two_groups(logits, clusters=clusters))
    assert matched.independent <= 40
    plain = plain_groups(two_groups(logits, clusters=clusters).layout, GroupContrast("women", "men"))
    assert not plain.measurable
    assert "once 40 clusters that lie in both groups are left out" in plain.reason


def test_one_cluster_is_nothing_to_compare() -> None:
    logits = many_classes(np.random.default_rng(11), images=80)
    finding = told(two_groups(logits, clusters=np.zeros(80, dtype=np.int64)))
    assert finding.conclusion == "not measured"
    assert finding.effect is None
    assert finding.family == 0
    assert finding.reason


def test_groups_that_are_not_matched_are_compared_as_they_are() -> None:
    logits = many_classes(np.random.default_rng(12))
    logits[:120, 0] += 1.5
    finding = told(two_groups(logits, match=()))
    assert finding.matched is False
    assert finding.conclusion == "associated"
    e = EveryClass.of(logits).log_scaled[0]
    assert finding.effect == pytest.approx(e[:120].mean() - e[120:].mean(), abs=1e-6)
    assert UNMATCHED not in {v.name for v in finding.variants}
    assert UNMATCHED in {v.name for v in told(two_groups(logits)).variants}


def test_of_two_classes_each_is_told_by_its_own_logarithm() -> None:
    """Less their mean over others, what one gains would be told of the other again."""
    rng = np.random.default_rng(13)
    logits = rng.normal(0, 1, (240, 2))
    logits[:120, 0] += 1.5
    every = EveryClass.of(logits)
    assert every.against is None
    np.testing.assert_array_equal(every.logarithm(0), every.logarithms[0])
    first, second = told(two_groups(logits), 0), told(two_groups(logits), 1)
    assert first.conclusion == "associated"
    assert second.conclusion == "negatively associated"
    assert EveryClass.of(rng.normal(size=(6, FEWEST_CLASSES))).against is not None


def test_logits_scaled_alike_give_the_sign_and_the_same_classes() -> None:
    logits = many_classes(np.random.default_rng(14))
    logits[:120, 0] += 1.5
    conclusions = {s: told(two_groups(logits * s)).conclusion for s in (0.8, 1.0, 1.5)}
    assert set(conclusions.values()) == {"associated"}
    moved = {v.name: v for v in told(two_groups(logits)).variants}
    scaled = told(two_groups(logits * 1.5))
    # 1.5 times the logits is temperature 2/3.
    assert moved["temperature 0.67"].effect == pytest.approx(scaled.effect, abs=1e-5)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_margin_zero_claims_what_differs_from_nothing(alpha: float) -> None:
    logits = many_classes(np.random.default_rng(15))
    logits[:120, 0] += 1.0
    finding = told(two_groups(logits), contrast_margin=0.0, alpha=alpha)
    assert finding.conclusion == "associated"
    none = told(two_groups(many_classes(np.random.default_rng(16))), contrast_margin=0.0, alpha=alpha)
    assert none.conclusion == "inconclusive"  # no interval lies within a margin of nothing


@pytest.mark.parametrize("seen", [True, False])
def test_nothing_is_measured_of_groups_that_the_model_does_not_tell_apart(seen: bool) -> None:
    """The class answers differently, but its features, which are given here, say whether anything is seen."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0.0, 0.3, (120, FEWEST_CLASSES))
    logits[:60, 0] += 2.0
    shown = two_groups(logits)
    features = rng.standard_normal((120, 12))
    if seen:
        features[:60] += 2.0
    [plain] = sample_groups(shown.layout, settings=SETTINGS)
    groups = with_probe(plain, features, "faces", SETTINGS)
    found = contrast(
        groups,
        shown,
        ClassLabel(0, "zebra"),
        Response(Tempered(shown.logits).log_scaled(0), shown.logits.argmax(axis=1) == 0),
        EveryClass.of(shown.logits),
        settings=SETTINGS,
        family=1,
    )
    [finding] = conclude_all([found])
    recorded = detail(groups, shown.layout).apart
    assert recorded is not None
    if seen:
        assert recorded.low > 0.9
        assert finding.conclusion == "associated"
        assert "AUC 1.00 [0.9" in next(c.reason for c in finding.checks if c.name == APART)
    else:
        assert recorded.low < 0.5 < recorded.high
        assert finding.conclusion == "not measured"
        assert finding.p_value is None
        assert finding.effect is None
        assert finding.reason.startswith(
            "the model does not see the difference: a probe on its last features"
        )
