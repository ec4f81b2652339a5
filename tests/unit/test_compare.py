"""What changed between two releases, with and without the arrays that say what both made of each image."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from auditor.compare import Change, Comparison, compare
from auditor.compare.both import Both
from auditor.errors import InputError
from auditor.files import load_arrays
from auditor.findings import conclude_all
from auditor.records import Audit, Finding
from auditor.statistics.effects import Effect, Inference
from auditor.statistics.multiplicity import holm
from auditor.statistics.probability import AS_IT_IS, TEMPERATURES, Tempered, temperature_between
from auditor.statistics.samples import RANDOM, ConceptSample, group_sample
from auditor.statistics.units import joined
from tests.releases import (
    CLASSES,
    CONTRAST_MARGIN,
    MARGIN,
    SETTINGS,
    another_model,
    audit_of,
    audited_class,
    concept,
    contrast,
    failed,
    in_context,
    write_release,
)

Arrays = dict[str, NDArray[Any]]
Release = tuple[Audit, Arrays]

RESPONSE = "class/340/response/textures"
LABEL, CLUSTER = "bank/textures/label", "bank/textures/cluster"
MISSING: dict[str, Any] = dict.fromkeys(("effect", "low", "high", "p_value", "p_adjusted"))


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _sure(effect: float, half: float = 0.02, **more: Any) -> Finding:
    return concept(effect=effect, low=effect - half, high=effect + half, **more)


def _change(old: Finding, new: Finding, **limits: float) -> Change:
    before, after = audit_of(audited_class(old)), another_model(audit_of(audited_class(new)))
    (change,) = compare(before, after, **limits).changes
    return change


# Status


@pytest.mark.parametrize(
    ("old", "new", "status", "growth"),
    [
        (_sure(0.0), _sure(0.5), "new", 0.5),
        (_sure(0.0), _sure(-0.5), "new", 0.5),
        (_sure(0.5), _sure(0.0), "gone", -0.5),
        (_sure(-0.5), _sure(0.0), "gone", -0.5),
        (_sure(0.3), _sure(0.6), "grown", 0.3),
        (_sure(0.6), _sure(0.3), "shrunk", -0.3),
        (_sure(-0.3), _sure(-0.6), "grown", 0.3),
        (_sure(-0.6), _sure(-0.3), "shrunk", -0.3),
        # Turned round: the new direction is a new finding, and all of it is growth.
        (_sure(0.5), _sure(-0.5), "new", 0.5),
        (_sure(-0.5), _sure(0.4), "new", 0.4),
        # Claimed before, and what points the other way now is not: only that is growth.
        (_sure(0.5), _sure(-0.04), "gone", 0.04),
        (_sure(0.02), _sure(0.05), "unchanged", 0.03),
        (_sure(-0.03), _sure(0.02), "unchanged", 0.02),
        (_sure(0.2, half=0.3), _sure(0.3, half=0.3), "inconclusive", 0.1),
        # Claimed in one and not in the other is no change as long as the change may be chance.
        (_sure(0.13), _sure(0.05, half=0.2), "inconclusive", -0.08),
        (_sure(0.05, half=0.2), _sure(0.13), "inconclusive", 0.08),
    ],
)
def test_status_and_growth(old: Finding, new: Finding, status: str, growth: float) -> None:
    change = _change(old, new)
    assert change.status == status
    assert not change.withheld
    assert change.growth == pytest.approx(growth)
    assert change.growth_low is not None
    assert change.growth_high is not None
    assert change.growth_low <= growth <= change.growth_high
    assert (change.old_conclusion, change.new_conclusion) == (old.conclusion, new.conclusion)
    assert change.difference == pytest.approx((new.effect or 0) - (old.effect or 0))


def test_a_change_is_established_only_where_the_corrected_test_rejects() -> None:
    """The difference of 0.15 is 2.1 standard errors of 0.072: enough alone, not among three."""
    alone = _change(_sure(0.0, half=0.1), _sure(0.15, half=0.1))
    assert alone.status != "inconclusive"
    before = audit_of(audited_class(_sure(0.0, half=0.1), concept("b"), concept("c")))
    after = another_model(audit_of(audited_class(_sure(0.15, half=0.1), concept("b"), concept("c"))))
    assert compare(before, after).changes[0].status == "inconclusive"


def test_without_arrays_the_two_intervals_add_up() -> None:
    change = _change(_sure(0.2, half=0.3), _sure(0.5, half=0.4))
    assert change.difference == pytest.approx(0.3)
    assert change.difference_high == pytest.approx(0.3 + 0.5)  # 0.3 and 0.4 are the sides of 0.5
    assert change.adjusted_high == pytest.approx(change.difference_high)  # one change alone
    assert change.p_value == pytest.approx(2 * stats.norm.sf(0.3 / (0.5 / stats.norm.ppf(0.975))))
    assert not change.paired


def test_all_changes_are_one_family() -> None:
    new = {"a": 0.1, "b": 0.2, "c": 0.3}
    before = audit_of(audited_class(*(concept(name) for name in new)))
    after = audit_of(
        audited_class(*(concept(name, effect=e, low=e - 0.2, high=e + 0.2) for name, e in new.items()))
    )
    changes = compare(before, another_model(after)).changes
    p = [c.p_value or 0 for c in changes]
    assert len(set(p)) == 3
    assert [c.p_adjusted for c in changes] == pytest.approx(list(holm(p)))
    wider = stats.norm.ppf(1 - 0.05 / 6) / stats.norm.ppf(1 - 0.05 / 2)
    for change in changes:
        assert change.difference is not None
        assert change.difference_high is not None
        assert change.adjusted_high == pytest.approx(
            change.difference + wider * (change.difference_high - change.difference)
        )


def test_tolerances_are_the_margins_unless_given() -> None:
    audit = audit_of(audited_class(_sure(0.0), contrast()))
    moved = another_model(audit_of(audited_class(_sure(0.05), contrast(effect=0.008, low=0.003, high=0.013))))
    usual = compare(audit, moved)
    assert (usual.tolerance, usual.contrast_tolerance) == (MARGIN, CONTRAST_MARGIN)
    assert [c.status for c in usual.changes] == ["unchanged", "inconclusive"]
    given = compare(audit, moved, tolerance=0.01, contrast_tolerance=0.05)
    assert (given.tolerance, given.contrast_tolerance) == (0.01, 0.05)
    assert [c.status for c in given.changes] == ["grown", "unchanged"]


@pytest.mark.parametrize("which", ["old", "new"])
@pytest.mark.parametrize("effects", [(0.3, 0.6), (0.3, 0.3), (0.0, 0.5)])
@pytest.mark.parametrize("withheld", [{"checks": [failed()]}, MISSING, {"low": 0.1, "high": -0.1}])
def test_what_is_withheld_in_either_release_has_not_changed_and_not_stayed(
    which: str, effects: tuple[float, float], withheld: dict[str, Any]
) -> None:
    old, new = (
        concept(**({"effect": e, "low": e - 0.02, "high": e + 0.02} | (withheld if name == which else {})))
        for name, e in zip(("old", "new"), effects, strict=True)
    )
    change = _change(old, new)
    assert (change.status, change.withheld) == ("inconclusive", True)
    if withheld is MISSING:
        assert change.reason == "not measured in both"
        assert change.difference is None
    else:
        bad = old if which == "old" else new
        assert change.reason == f"in the {which} release nothing may be said of it: {bad.reason}"


def test_both_releases_are_named_where_both_withhold() -> None:
    change = _change(_sure(0.3, checks=[failed("a")]), _sure(0.3, checks=[failed("b")]))
    assert change.reason.count("nothing may be said of it") == 2
    assert change.reason.index("in the old release") < change.reason.index("in the new release")


def test_a_check_that_forbids_what_is_not_said_withholds_nothing() -> None:
    change = _change(_sure(0.0, checks=[failed(forbids="effect")]), _sure(0.01))
    assert (change.status, change.withheld) == ("unchanged", False)


# What may be compared


def _with(audit: Audit, **settings: Any) -> Audit:
    return audit.model_copy(update={"settings": SETTINGS | settings})


def _refused(old: Audit, new: Audit) -> str:
    with pytest.raises(InputError, match="the audits cannot be compared") as error:
        compare(old, new)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("key", ["seed", "runs", "margin", "contrast_margin", "alpha", "min_images"])
def test_other_draws_or_units_are_refused(key: str) -> None:
    audit = audit_of(audited_class(concept()))
    assert f"setting '{key}' is {SETTINGS[key]!r} in the old audit, 7 in the new" in _refused(
        audit, _with(audit, **{key: 7})
    )


def test_other_bank_images_are_refused() -> None:
    audit = audit_of(audited_class(concept()))
    bank = audit.banks[0]
    other = audit.model_copy(update={"banks": [bank.model_copy(update={"digest": "c" * 64})]})
    assert "bank 'textures' has other images (texturesxxxx and cccccccccccc)" in _refused(audit, other)
    renamed = audit.model_copy(update={"banks": [bank.model_copy(update={"name": "dtd"})]})
    assert "bank 'dtd' is not in the old audit; bank 'textures' is not in the new" in _refused(audit, renamed)


def test_other_classes_or_another_estimator_are_refused() -> None:
    audit = audit_of(audited_class(concept()))
    other = audit_of(audited_class(concept(), name="lynx", synset="n02127052"))
    assert "no class in common" in _refused(audit, other)
    assert "in other units" in _refused(
        audit, audit.model_copy(update={"method": {"effect": "something else"}})
    )


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({"refits": 9}, "setting 'refits' was None and is 9"),
        ({"noise": 0.1}, "setting 'noise' was 0.04 and is 0.1"),
        ({"images": "folder"}, "setting 'images' was 'impressions' and is 'folder'"),
        ({"permutations": 999}, "setting 'permutations' was 199 and is 999"),
    ],
)
def test_what_no_effect_rests_on_may_differ_and_is_said(settings: dict[str, Any], note: str) -> None:
    audit = audit_of(audited_class(concept()))
    notes = compare(audit, _with(audit, **settings)).notes
    assert note in notes
    assert "both audits are of the same weights" in notes


def test_classes_and_architectures_that_differ_are_said() -> None:
    lynx = audited_class(concept(), index=1, name="lynx", synset="n02127052")
    wolf = audited_class(concept(), index=2, name="wolf", synset="n02114367")
    old, new = audit_of(audited_class(concept()), lynx), audit_of(audited_class(concept()), wolf)
    model = new.model.model_copy(update={"architecture": "resnet18"})
    notes = compare(old, another_model(new.model_copy(update={"model": model}))).notes
    assert "only in the old audit: lynx" in notes
    assert "only in the new audit: wolf" in notes
    assert "the architecture was tf_efficientnet_lite0 and is resnet18" in notes


def test_classes_are_matched_by_synset_or_name_not_by_index() -> None:
    old = audit_of(
        audited_class(concept(), index=340, name="zebra"),
        audited_class(_sure(0.5), index=12, name="lynx", synset="n02127052"),
    )
    new = another_model(audit_of(audited_class(concept(), index=12, name="zebra, striped")))
    (change,) = compare(old, new).changes
    assert (change.old_class_index, change.class_index) == (340, 12)
    assert (change.class_name, change.status) == ("zebra, striped", "unchanged")
    nameless = another_model(audit_of(audited_class(concept(), index=12, synset="")))
    (change,) = compare(old, nameless).changes
    assert (change.old_class_index, change.class_index) == (340, 12)
    # The name alone does not do where both have a synset.
    other = another_model(audit_of(audited_class(concept(), synset="n99999999")))
    assert "no class in common" in _refused(old, other)


def test_two_classes_of_one_name_are_each_compared_with_itself() -> None:
    """ImageNet has two cranes: the bird and the machine. Not every model says which by a synset."""
    cranes = [
        audited_class(_sure(0.5), index=134, name="crane", synset=""),
        audited_class(_sure(0.0), index=517, name="crane", synset=""),
    ]
    changes = compare(audit_of(*cranes), another_model(audit_of(*cranes))).changes
    assert [(c.old_class_index, c.class_index) for c in changes] == [(134, 134), (517, 517)]
    assert [c.status for c in changes] == ["unchanged", "unchanged"]


def test_a_contrast_is_compared_only_with_one_that_was_matched_alike() -> None:
    old = audit_of(audited_class(contrast(matched=False)))
    new = another_model(audit_of(audited_class(contrast(matched=True))))
    assert compare(old, new).changes == []
    assert compare(old, another_model(old)).changes[0].matched is False


def test_a_concept_and_a_contrast_of_one_name_are_two() -> None:
    audit = audit_of(
        audited_class(concept("women/men", bank="faces"), contrast(effect=0.1, low=0.09, high=0.11))
    )
    changes = compare(audit, another_model(audit)).changes
    assert [(c.kind, c.new) for c in changes] == [("association", 0.0), ("contrast", 0.1)]


# The same images in both releases


def _written(
    folder: Path, shift: float, *, noise: int = 1, images: int = 0, n: int = 80, sharpness: float = 1.0
) -> Release:
    audit = write_release(
        folder, shift=shift, noise=_rng(1000 + noise), images=_rng(images), n=n, sharpness=sharpness
    )
    return audit, dict(load_arrays(folder / "arrays.npz"))


def _compared(old: Release, new: Release, **limits: float) -> Comparison:
    return compare(old[0], another_model(new[0]), old_arrays=old[1], new_arrays=new[1], **limits)


def _banded(comparison: Comparison) -> Change:
    return next(c for c in comparison.changes if c.subject == "banded")


def _width(low: float | None, high: float | None) -> float:
    assert low is not None
    assert high is not None
    return high - low


def _concept_effect(e: NDArray[np.float64], labels: NDArray[np.int64], which: int) -> float:
    """Mean over the concept's images, less the mean of the other concepts' means."""
    means = [e[labels == k].mean() for k in range(3)]
    return float(means[which] - np.mean([m for k, m in enumerate(means) if k != which]))


def test_a_planted_change_is_found_and_the_same_images_make_its_interval_narrower(tmp_path: Path) -> None:
    old, new = _written(tmp_path / "old", 0.0, noise=1), _written(tmp_path / "new", 2.0, noise=2)
    comparison = _compared(old, new)
    assert all(c.paired for c in comparison.changes)
    banded = _banded(comparison)
    assert (banded.status, banded.old_conclusion, banded.new_conclusion) == (
        "new", "not associated", "associated",
    )  # fmt: skip
    apart = _banded(compare(old[0], another_model(new[0])))
    assert not apart.paired
    for low, high in (("difference_low", "difference_high"), ("adjusted_low", "adjusted_high")):
        paired = _width(getattr(banded, low), getattr(banded, high))
        assert paired < 0.6 * _width(getattr(apart, low), getattr(apart, high))
    assert _width(banded.difference_low, banded.difference_high) < _width(
        banded.adjusted_low, banded.adjusted_high
    )
    assert [c.p_adjusted for c in comparison.changes] == pytest.approx(
        list(holm([c.p_value or 0 for c in comparison.changes]))
    )


def test_the_difference_is_that_of_the_means_of_what_both_made_of_each_image(tmp_path: Path) -> None:
    """Of releases that are equally sharp, so that the new one's responses are taken as they are."""
    old, new = _written(tmp_path / "old", 0.0, noise=1), _written(tmp_path / "new", 2.0, noise=2)
    new[1]["bank/textures/entropy"] = old[1]["bank/textures/entropy"]
    comparison = _compared(old, new)
    assert comparison.temperature == 1.0
    moved = new[1][RESPONSE][AS_IT_IS].astype(float) - old[1][RESPONSE][AS_IT_IS]
    for which, change in enumerate(comparison.changes):
        assert change.paired
        assert change.difference == pytest.approx(_concept_effect(moved, old[1][LABEL], which), abs=1e-9)


def test_the_same_release_twice_is_unchanged_at_a_temperature_of_exactly_one(tmp_path: Path) -> None:
    release = _written(tmp_path / "old", 1.0)
    comparison = _compared(release, release)
    assert comparison.temperature == 1.0
    assert comparison.notes == []
    for change in comparison.changes:
        assert (change.status, change.paired) == ("unchanged", True)
        assert (change.difference, change.adjusted_low, change.adjusted_high) == (0.0, 0.0, 0.0)
        assert change.new == change.new_as_audited == change.old
        assert change.p_value == 1.0


def test_another_network_that_sees_the_same_is_unchanged(tmp_path: Path) -> None:
    old, new = _written(tmp_path / "old", 0.4, noise=1), _written(tmp_path / "new", 0.4, noise=2)
    assert [c.status for c in _compared(old, new).changes] == ["unchanged"] * 3


@pytest.mark.parametrize(
    ("sharpness", "divided_by", "word"), [(1.5, "1.50", "sharper"), (1 / 1.5, "0.67", "less sharp")]
)
def test_a_model_whose_logits_were_scaled_has_not_changed(
    tmp_path: Path, sharpness: float, divided_by: str, word: str
) -> None:
    old = _written(tmp_path / "old", 2.0)
    new = _written(tmp_path / "new", 2.0, sharpness=sharpness)
    comparison = _compared(old, new, tolerance=0.001)
    assert comparison.temperature == pytest.approx(sharpness, rel=1e-6)
    assert comparison.notes == [
        f"the new model is {word}: its logits were divided by {divided_by}, so that its findings are those "
        "at the old model's temperature"
    ]
    for change, audited in zip(comparison.changes, new[0].findings, strict=True):
        assert (change.status, change.paired) == ("unchanged", True)
        assert change.difference == pytest.approx(0.0, abs=1e-5)
        assert change.new == pytest.approx(change.old, abs=1e-5)
        assert change.new_as_audited == audited.effect
    banded = _banded(comparison)
    assert banded.old is not None
    assert banded.new_as_audited is not None
    assert (banded.new_as_audited > banded.old + 0.05) == (sharpness > 1)


def test_the_conclusion_is_told_at_the_old_temperature_too(tmp_path: Path) -> None:
    """As audited, the sharper model's effect lies beyond the margin; at the old temperature not surely so."""
    old = _written(tmp_path / "old", 0.57, n=1200)
    new = _written(tmp_path / "new", 0.57, n=1200, sharpness=1.5)
    change = _banded(_compared(old, new))
    audited = next(f for f in new[0].findings if f.subject == "banded")
    assert audited.conclusion == "associated"
    assert (change.old_conclusion, change.new_conclusion) == ("inconclusive", "inconclusive")
    assert change.status == "unchanged"
    assert change.new_low == pytest.approx(change.old_low, abs=0.005)  # resampled anew
    assert change.new_high == pytest.approx(change.old_high, abs=0.005)


def test_models_too_unlike_in_sharpness_are_compared_as_they_are_and_that_is_said(tmp_path: Path) -> None:
    assert max(TEMPERATURES) < 3
    old, new = _written(tmp_path / "old", 2.0), _written(tmp_path / "new", 2.0, sharpness=3.0)
    comparison = _compared(old, new)
    assert comparison.temperature is None
    assert comparison.notes == [
        "the sharpness of the two models was not compared: arrays are missing, or the models are too unlike; "
        "a change may be one of sharpness alone"
    ]
    for change in comparison.changes:
        assert change.paired
        assert change.new == change.new_as_audited


def test_sharpness_is_that_of_all_banks_together_by_their_images() -> None:
    old, sharp = (Tempered(k * _rng(3).normal(size=(60, CLASSES))).entropy for k in (1.0, 1.5))
    arrays = {"temperatures": np.array(TEMPERATURES)}
    old_arrays = arrays | {
        "bank/a/label": np.zeros(30), "bank/a/entropy": old,
        "bank/b/label": np.zeros(90), "bank/b/entropy": old,
    }  # fmt: skip
    new_arrays = old_arrays | {"bank/b/entropy": sharp}
    both = Both(old_arrays, new_arrays)
    assert both.temperature(["a"]) == 1.0
    assert both.temperature(["b"]) == pytest.approx(1.5)
    assert both.temperature(["a", "b"]) == temperature_between(old, (old + 3 * sharp) / 4)
    assert both.temperature(["a", "c"]) is None
    assert both.temperature([]) is None


@pytest.mark.parametrize("which", ["old", "new", "both"])
def test_without_the_arrays_of_either_nothing_is_paired(tmp_path: Path, which: str) -> None:
    release = _written(tmp_path / "old", 0.0)
    comparison = compare(
        release[0],
        another_model(release[0]),
        old_arrays=None if which in ("old", "both") else release[1],
        new_arrays=None if which in ("new", "both") else release[1],
    )
    assert not any(c.paired for c in comparison.changes)
    assert comparison.temperature is None
    assert [note.split(":")[0] for note in comparison.notes] == [
        "the sharpness of the two models was not compared",
        "3 of 3 intervals treat the two releases as independent, each at its own temperature, "
        "which is wider than needed",
    ]


def _dropped(key: str) -> Callable[[Arrays], None]:
    def spoil(arrays: Arrays) -> None:
        del arrays[key]

    return spoil


def _replaced(key: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Arrays], None]:
    def spoil(arrays: Arrays) -> None:
        changed = change(arrays[key])
        assert changed.shape != arrays[key].shape or not np.array_equal(changed, arrays[key])
        arrays[key] = changed

    return spoil


def _holed(values: NDArray[Any]) -> NDArray[Any]:
    holed = values.copy()
    holed[0, 3] = np.nan  # at another temperature than the model's own
    return holed


DAMAGE = {
    "no temperatures": _dropped("temperatures"),
    "other temperatures": _replaced("temperatures", lambda t: t * 1.01),
    "fewer temperatures": _replaced("temperatures", lambda t: t[1:]),
    "no labels": _dropped(LABEL),
    "other order": _replaced(LABEL, lambda labels: labels[::-1]),
    "another label": _replaced(LABEL, lambda labels: np.where(np.arange(len(labels)) == 3, 1, labels)),
    "fewer labels": _replaced(LABEL, lambda labels: labels[1:]),
    "no clusters": _dropped(CLUSTER),
    "fewer clusters": _replaced(CLUSTER, lambda clusters: clusters[1:]),
    "no responses": _dropped(RESPONSE),
    "fewer images": _replaced(RESPONSE, lambda e: e[:, 1:]),
    "responses at fewer temperatures": _replaced(RESPONSE, lambda e: e[1:]),
    "responses at one temperature": _replaced(RESPONSE, lambda e: e[AS_IT_IS]),
    "not a number": _replaced(RESPONSE, _holed),
}


@pytest.mark.parametrize("which", ["old", "new"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_arrays_that_are_missing_damaged_or_of_other_images_are_not_used(
    tmp_path: Path, damage: str, which: str
) -> None:
    audit, arrays = _written(tmp_path / "old", 0.0)
    bad = dict(arrays)
    DAMAGE[damage](bad)
    old, new = ((audit, bad), (audit, arrays)) if which == "old" else ((audit, arrays), (audit, bad))
    comparison = _compared(old, new)
    alone = compare(audit, another_model(audit))
    assert comparison.changes == alone.changes
    assert comparison.notes[-1] == alone.notes[-1]


def test_labels_that_the_bank_does_not_have_are_not_used(tmp_path: Path) -> None:
    audit, arrays = _written(tmp_path / "old", 0.0)
    arrays[LABEL] = np.where(np.arange(len(arrays[LABEL])) < 40, 7, arrays[LABEL])
    comparison = _compared((audit, arrays), (audit, arrays))
    assert not any(c.paired for c in comparison.changes)


@pytest.mark.parametrize(
    "entropy",
    [
        None,
        np.full(len(TEMPERATURES), np.nan),
        np.ones(len(TEMPERATURES) - 1),
        np.linspace(1.5, 0.5, len(TEMPERATURES)),
        np.full(len(TEMPERATURES), 0.3),
    ],
    ids=["none", "not a number", "too few", "falling", "all the same"],
)
def test_without_entropies_the_images_are_still_the_same(
    tmp_path: Path, entropy: NDArray[np.float64] | None
) -> None:
    audit, arrays = _written(tmp_path / "old", 0.0)
    bad = {key: value for key, value in arrays.items() if not key.endswith("entropy")}
    if entropy is not None:
        bad["bank/textures/entropy"] = entropy
    comparison = _compared((audit, arrays), (audit, bad))
    assert comparison.temperature is None
    assert all(c.paired for c in comparison.changes)
    assert len(comparison.notes) == 1
    assert "the sharpness of the two models was not compared" in comparison.notes[0]


def test_images_that_either_audit_puts_together_count_as_one(tmp_path: Path) -> None:
    """Two images of one person by the old audit's clusters, one of them and a third by the new one's."""
    audit, arrays = _written(tmp_path / "old", 0.0, noise=1)
    after = _written(tmp_path / "new", 0.5, noise=2)
    own = np.arange(240)
    first, second = np.where(own < 2, 0, own), np.where((own == 1) | (own == 2), 1, own)
    apart = _compared((audit, arrays | {CLUSTER: first}), (after[0], after[1] | {CLUSTER: second}))
    together = {CLUSTER: joined(first, second)}
    assert len(np.unique(together[CLUSTER])) == 240 - 2
    alike = _compared((audit, arrays | together), (after[0], after[1] | together))
    assert apart.changes == alike.changes
    moved = _at(after[1][RESPONSE], apart.temperature) - arrays[RESPONSE][AS_IT_IS].astype(float)  # [images]
    units = np.concatenate([[moved[:3].mean()], moved[3:]])
    expected = units[:78].mean() - (moved[80:160].mean() + moved[160:].mean()) / 2
    assert _banded(apart).paired
    assert _banded(apart).difference == pytest.approx(expected, abs=1e-9)
    assert _banded(_compared((audit, arrays), after)).difference != pytest.approx(expected, abs=1e-6)


def _at(kept: NDArray[Any], temperature: float | None) -> NDArray[np.float64]:
    """[images] e at a temperature, linear in its logarithm between those kept."""
    places = np.log(TEMPERATURES)
    return np.array([np.interp(np.log(temperature or 1.0), places, e) for e in kept.T.astype(float)])


def test_arrays_that_do_not_give_the_recorded_effect_are_not_used(tmp_path: Path) -> None:
    """0.015 more on one concept's images is 0.0075 less on each of the others': too much, and not."""
    audit, arrays = _written(tmp_path / "old", 0.0)
    forged = arrays | {RESPONSE: arrays[RESPONSE] + np.float32(0.015) * (arrays[LABEL] == 0)}
    for old, new in ((arrays, forged), (forged, arrays)):
        comparison = _compared((audit, old), (audit, new))
        assert [c.paired for c in comparison.changes] == [False, True, True]
        assert comparison.notes[-1].startswith("1 of 3 intervals treat the two releases as independent")
        assert _banded(comparison).difference == 0.0  # as recorded


def test_arrays_that_do_not_give_the_recorded_effect_are_not_told_at_another_temperature(
    tmp_path: Path,
) -> None:
    old, new = _written(tmp_path / "old", 0.0), _written(tmp_path / "new", 0.0, sharpness=1.5)
    new[1][RESPONSE] = new[1][RESPONSE] + np.float32(0.3) * (new[1][LABEL] == 0)
    comparison = _compared(old, new)
    assert comparison.temperature == pytest.approx(1.5, rel=1e-6)
    assert not any(c.paired for c in comparison.changes)
    for change in comparison.changes:
        assert change.new == change.new_as_audited


def test_an_established_change_within_the_tolerance_is_unchanged(tmp_path: Path) -> None:
    old = _written(tmp_path / "old", 1.5, noise=1, n=300)
    new = _written(tmp_path / "new", 2.0, noise=2, n=300)
    strict, loose = (_banded(_compared(old, new, tolerance=t)) for t in (0.01, 0.2))
    assert strict.p_adjusted is not None
    assert strict.p_adjusted <= 0.015  # three changes, 200 draws
    assert (strict.status, loose.status) == ("grown", "unchanged")
    assert strict.difference == loose.difference


def test_random_photos_that_took_no_part_in_the_scores_take_none_in_the_comparison(tmp_path: Path) -> None:
    audit, arrays = _written(tmp_path / "old", 0.0, noise=1)
    after = _written(tmp_path / "new", 1.0, noise=2)

    def with_photos(given: Arrays) -> Arrays:
        return given | {
            LABEL: np.concatenate([given[LABEL], np.full(50, RANDOM)]),
            CLUSTER: np.concatenate([given[CLUSTER], np.arange(1000, 1050)]),
            RESPONSE: np.hstack([given[RESPONSE], np.ones((len(TEMPERATURES), 50), np.float32)]),
        }

    plain = _compared((audit, arrays), after)
    both = _compared((audit, with_photos(arrays)), (after[0], with_photos(after[1])))
    assert all(c.paired for c in both.changes)
    for change, known in zip(both.changes, plain.changes, strict=True):
        assert change.model_dump() == pytest.approx(known.model_dump(), abs=1e-9)
    only_one = _compared((audit, with_photos(arrays)), after)
    assert not any(c.paired for c in only_one.changes)


@pytest.mark.slow
def test_the_interval_of_a_paired_change_covers_it(tmp_path: Path) -> None:
    """Truth: the mean over very many images. Of 200 intervals of 95%, fewer than 180 happen once in 900."""
    truth = _banded(
        _compared(*(_tempered_alike(tmp_path / f"true{i}", i, seed=999, n=20_000) for i in (0, 1)))
    ).difference
    hits = 0
    for seed in range(200):
        releases = (_tempered_alike(tmp_path / f"{i}", i, seed=seed, n=60) for i in (0, 1))
        change = _banded(_compared(*releases))
        assert change.paired
        hits += change.difference_low <= truth <= change.difference_high  # type: ignore[operator]
    assert hits >= 180


def _tempered_alike(folder: Path, which: int, *, seed: int, n: int) -> Release:
    """The old or the new of two releases, of which the sharpness is not to be compared."""
    audit, arrays = _written(folder, float(which), noise=10 * seed + which, images=5000 + seed, n=n)
    del arrays["bank/textures/entropy"]
    return audit, arrays


# Counterfactuals

COUNTERFACTUAL = "bank/textures/counterfactual"


def _counterfactual(shift: float, *, noise: int, n: int = 40) -> Release:
    """Two concepts, each with counterfactuals; the class rises by ``shift`` on the first."""
    rng = _rng(noise)
    labels = np.repeat([0, 1, -1], [n, n, 2 * n])
    counterfactual = np.concatenate([np.arange(2 * n, 4 * n), np.full(2 * n, -1)])
    pictures = np.tile(_rng(7).normal(size=(2 * n, CLASSES)), (2, 1))
    logits = 2 * pictures + 0.1 * rng.normal(size=(4 * n, CLASSES))
    logits[labels == 0, 0] += shift
    tempered = Tempered(logits)
    response = tempered.log_scaled(0).astype(np.float32)
    sample = ConceptSample(labels, np.arange(4 * n), counterfactual)
    effects = sample.effects(response[AS_IT_IS], inference=Inference(199, 200, 0.05, 2), rng=_rng(0))
    findings = [concept(name, **_numbers(e)) for name, e in zip(("one", "two"), effects, strict=True)]
    arrays: Arrays = {
        "temperatures": np.array(TEMPERATURES),
        LABEL: labels,
        CLUSTER: np.arange(4 * n),
        COUNTERFACTUAL: counterfactual,
        "bank/textures/entropy": tempered.entropy,
        RESPONSE: response,
    }
    return audit_of(audited_class(*conclude_all(findings))), arrays


def _numbers(effect: Effect) -> dict[str, Any]:
    names = ("n", "n_other", "effect", "low", "high", "adjusted_low", "adjusted_high", "p_value")
    return {name: getattr(effect, name) for name in names} | {
        "independent": effect.units, "independent_other": effect.units_other, "p_adjusted": None,
    }  # fmt: skip


def test_twins_are_subtracted_before_releases_are_compared() -> None:
    old, new = _counterfactual(0.0, noise=1), _counterfactual(2.0, noise=2)
    new[1]["bank/textures/entropy"] = old[1]["bank/textures/entropy"]  # taken as they are
    one, two = _compared(old, new).changes
    moved = new[1][RESPONSE][AS_IT_IS].astype(float) - old[1][RESPONSE][AS_IT_IS]
    assert one.paired
    assert one.difference == pytest.approx((moved[:40] - moved[80:120]).mean(), abs=1e-9)
    assert two.difference == pytest.approx((moved[40:80] - moved[120:]).mean(), abs=1e-9)
    assert (one.status, two.status) == ("new", "unchanged")
    apart, _ = compare(old[0], another_model(new[0])).changes
    wide = _width(apart.difference_low, apart.difference_high)
    assert _width(one.difference_low, one.difference_high) < wide


@pytest.mark.parametrize(
    ("damage", "which"),
    [
        *product(("none", "others", "out of range", "too few"), ("old", "new")),
        *product(("out of range", "too few"), ("both",)),
    ],
)
def test_twins_that_are_not_the_same_in_both_are_not_used(damage: str, which: str) -> None:
    audit, arrays = _counterfactual(0.0, noise=1)
    bad = dict(arrays)
    if damage == "none":
        del bad[COUNTERFACTUAL]
    elif damage == "others":
        bad[COUNTERFACTUAL] = np.roll(arrays[COUNTERFACTUAL], 1)
    elif damage == "out of range":
        bad[COUNTERFACTUAL] = np.where(arrays[COUNTERFACTUAL] == 159, 160, arrays[COUNTERFACTUAL])
    else:
        bad[COUNTERFACTUAL] = arrays[COUNTERFACTUAL][:-1]
    old, new = (bad if which in (side, "both") else arrays for side in ("old", "new"))
    comparison = _compared((audit, old), (audit, new))
    assert not any(c.paired for c in comparison.changes)
    assert [c.difference for c in comparison.changes] == [0.0, 0.0]


# Contrasts

PAIRS = 40
FACES = "class/340/response/faces"


def _faces(
    shift: float,
    *,
    noise: int,
    images: int = 0,
    pairs: int = PAIRS,
    matched: bool = True,
    sharpness: float = 1.0,
) -> Release:
    """Faces in pairs that resemble each other, in no order, and others without a partner: the class rises by
    ``shift`` logits on images of women. Where groups are not matched, all of them count."""
    rng, seen = _rng(1000 + noise), _rng(images)
    labels = np.repeat([0, 1, 1, 0], [pairs, pairs, 30, 30])
    pair = np.concatenate([np.arange(pairs), seen.permutation(pairs), np.full(60, -1)])
    of_pair = seen.normal(size=(pairs, CLASSES))
    logits = (
        0.5 * seen.normal(size=(len(labels), CLASSES)) + np.where(pair >= 0, 1, 0)[:, None] * of_pair[pair]
    )
    logits = logits + 0.2 * rng.normal(size=logits.shape)
    logits[:, 0] += shift * (labels == 0)
    unit = pair if matched else np.arange(len(labels))
    more, less = (np.where((labels == side) & (unit >= 0), unit, -1) for side in (0, 1))
    tempered = Tempered(sharpness * logits)
    response = tempered.log_scaled(0).astype(np.float32)
    sample = group_sample(more, less, matched=matched)
    effect = sample.effect(response[AS_IT_IS], inference=Inference(199, 200, 0.05, 1), rng=_rng(0))
    findings = conclude_all([contrast(matched=matched, family=1, **_numbers(effect))])
    arrays = {
        "temperatures": np.array(TEMPERATURES),
        "bank/faces/label": labels,
        "bank/faces/cluster": np.arange(len(labels)),
        "bank/faces/entropy": tempered.entropy,
        "bank/faces/contrast/women/men/more": more,
        "bank/faces/contrast/women/men/less": less,
        FACES: response,
    }
    return audit_of(audited_class(*findings)), arrays


@pytest.mark.parametrize("matched", [True, False])
def test_a_contrast_is_compared_on_the_same_pairs_or_images(matched: bool) -> None:
    old, new = _faces(0.0, noise=1, matched=matched), _faces(1.0, noise=2, matched=matched)
    new[1]["bank/faces/entropy"] = old[1]["bank/faces/entropy"]  # taken as they are
    (change,) = _compared(old, new).changes
    assert (change.kind, change.matched, change.paired, change.status) == ("contrast", matched, True, "new")
    moved = new[1][FACES][AS_IT_IS].astype(float) - old[1][FACES][AS_IT_IS]
    more, less = (old[1][f"bank/faces/contrast/women/men/{side}"] for side in ("more", "less"))
    if matched:
        by_pair = [moved[more == k].item() - moved[less == k].item() for k in range(PAIRS)]
        assert change.difference == pytest.approx(np.mean(by_pair), abs=1e-6)
    else:
        assert change.difference == pytest.approx(moved[more >= 0].mean() - moved[less >= 0].mean(), abs=1e-6)
    (separate,) = compare(old[0], another_model(new[0])).changes
    assert not separate.paired
    assert change.difference == pytest.approx(separate.difference, abs=1e-6)
    wide = _width(separate.adjusted_low, separate.adjusted_high)
    assert _width(change.adjusted_low, change.adjusted_high) < 0.6 * wide


def test_a_contrast_of_a_model_whose_logits_were_scaled_has_not_changed() -> None:
    old, new = _faces(1.0, noise=1), _faces(1.0, noise=1, sharpness=1.5)
    comparison = _compared(old, new, contrast_tolerance=0.001)
    (change,) = comparison.changes
    assert comparison.temperature == pytest.approx(1.5, rel=1e-6)
    assert (change.status, change.paired) == ("unchanged", True)
    assert change.new == pytest.approx(change.old, abs=1e-5)
    assert change.new_as_audited == new[0].findings[0].effect
    assert change.new_as_audited != pytest.approx(change.old, abs=0.02)


def test_one_pairing_serves_both_releases() -> None:
    """The new audit's. The old one's need not be stored, as long as the recorded effect comes out."""
    old, new = _faces(0.0, noise=1), _faces(1.0, noise=2)
    plain = _compared(old, new).changes
    for side in ("more", "less"):
        del old[1][f"bank/faces/contrast/women/men/{side}"]
    assert _compared(old, new).changes == plain
    assert plain[0].paired


def test_an_old_audit_that_used_other_pairs_is_not_compared_on_the_new_ones() -> None:
    """The old effect comes from 8 of the pairs; the new audit's 40 do not reproduce it."""
    old, new = _faces(1.0, noise=1), _faces(1.0, noise=2)
    sides = (old[1][f"bank/faces/contrast/women/men/{side}"] for side in ("more", "less"))
    few = group_sample(*(np.where(pairs < 8, pairs, -1) for pairs in sides), matched=True)
    effect = float(few.errors(old[1][FACES][AS_IT_IS][None]).effect[0, 0])
    (finding,) = old[0].findings
    assert finding.effect is not None
    assert abs(effect - finding.effect) > 0.01
    recorded = old[0].model_copy(update={"findings": [finding.model_copy(update={"effect": effect})]})
    (change,) = _compared((recorded, old[1]), new).changes
    assert not change.paired


@pytest.mark.parametrize(
    "damage",
    ["no first group", "no second group", "fewer images", "in both groups", "half a pair", "one pair"],
)
def test_pairs_that_are_none_are_not_used(damage: str) -> None:
    release = _faces(0.0, noise=1)
    audit, arrays = release
    more, less = (f"bank/faces/contrast/women/men/{side}" for side in ("more", "less"))
    bad = {key: value.copy() for key, value in arrays.items()}
    if damage == "no first group":
        del bad[more]
    elif damage == "no second group":
        del bad[less]
    elif damage == "fewer images":
        bad[more] = bad[more][:-1]
    elif damage == "in both groups":
        bad[less][0] = 0
    elif damage == "half a pair":
        bad[less][bad[less] == 3] = -1
    else:
        bad[more], bad[less] = (np.where(bad[side] == 0, 0, -1) for side in (more, less))
    (change,) = _compared((audit, arrays), (audit, bad)).changes
    assert not change.paired
    assert change.difference == 0.0
    (whole,) = _compared((audit, arrays), (audit, arrays)).changes
    assert whole.paired


@pytest.mark.slow
def test_the_interval_of_a_matched_change_covers_it() -> None:
    """Truth: the mean over very many pairs. Of 200 intervals of 95%, fewer than 180 happen once in 900."""

    def change_of(seed: int, pairs: int) -> Change:
        releases = [
            _faces(shift, noise=10 * seed + which, images=5000 + seed, pairs=pairs)
            for which, shift in enumerate((0.0, 0.3))
        ]
        for _, arrays in releases:
            del arrays["bank/faces/entropy"]  # both as they are
        (change,) = _compared(*releases).changes
        assert change.paired
        return change

    truth = change_of(999, 20_000).difference
    assert truth is not None
    hits = 0
    for seed in range(200):
        change = change_of(seed, PAIRS)
        hits += change.difference_low <= truth <= change.difference_high  # type: ignore[operator]
    assert hits >= 180


# Contrasts in context: the scenes of two releases differ.


def _pasted(effect: float, half: float = 0.008, **more: Any) -> Finding:
    return in_context(effect=effect, low=effect - half, high=effect + half, **more)


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (0.0, 0.06, "new"), (0.06, 0.0, "gone"), (0.06, 0.12, "grown"), (-0.12, -0.06, "shrunk"),
        (0.06, 0.061, "unchanged"), (-0.06, 0.06, "new"), (0.05, 0.065, "inconclusive"),
    ],
)  # fmt: skip
def test_contrasts_in_context_are_compared_by_their_recorded_intervals(
    old: float, new: float, status: str
) -> None:
    half = 0.012 if status == "inconclusive" else 0.005
    change = _change(_pasted(old, half), _pasted(new, half))
    assert (change.kind, change.status, change.paired) == ("in context", status, False)
    assert change.difference == pytest.approx(new - old)
    # Two independent intervals of one width: the difference's is wider by the root of two.
    assert change.difference_high == pytest.approx(new - old + 2**0.5 * half)
    assert (change.old, change.new) == (old, new)


def test_of_one_pair_a_contrast_in_context_is_not_taken_for_one_of_people_alone() -> None:
    old = audit_of(audited_class(contrast(effect=0.06, low=0.055, high=0.065), _pasted(-0.06)))
    new = another_model(
        audit_of(audited_class(_pasted(-0.12), contrast(effect=0.061, low=0.056, high=0.066)))
    )
    seen = {c.kind: (c.old, c.new, c.status) for c in compare(old, new).changes}
    assert seen == {"contrast": (0.06, 0.061, "unchanged"), "in context": (-0.06, -0.12, "grown")}


def test_a_withheld_or_missing_contrast_in_context_has_not_changed() -> None:
    for spoilt in (_pasted(0.06, checks=[failed()]), in_context(**MISSING)):
        change = _change(spoilt, _pasted(0.12))
        assert (change.status, change.withheld) == ("inconclusive", True)


def test_that_contrasts_in_context_are_not_paired_is_said_and_nothing_else_of_them(tmp_path: Path) -> None:
    """With all arrays there, and even where arrays of the same name tell of the contrast alone."""
    releases = [_written(tmp_path / name, 0.0) for name in ("old", "new")]
    pasted = [
        audit.model_copy(update={"findings": [*audit.findings, _pasted(effect)]})
        for (audit, _), effect in zip(releases, (0.06, 0.12), strict=True)
    ]
    comparison = _compared((pasted[0], releases[0][1]), (another_model(pasted[1]), releases[1][1]))
    assert [c.kind for c in comparison.changes if not c.paired] == ["in context"]
    (note,) = comparison.notes
    assert note.startswith("1 of 4 intervals are of contrasts in context and are not paired: ")
    assert "arrays are missing" not in note


@pytest.mark.parametrize("which", [0, 1])
def test_a_release_without_people_in_context_is_named(which: int) -> None:
    audits = [audit_of(audited_class(contrast())), audit_of(audited_class(contrast(), _pasted(0.06)))]
    old, new = audits if which else audits[::-1]
    found = compare(old, another_model(new))
    assert [c.kind for c in found.changes] == ["contrast"]
    name = ("old", "new")[which]
    said = f"only the {name} audit was made with --in-context: nothing is compared in context"
    assert said in found.notes
