from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditor.changes import Change, Comparison
from auditor.compare import compare
from auditor.errors import InputError
from auditor.paired import (
    concept_effects,
    contrast_effects,
    draw_images,
    draw_pairs,
    moments,
    uncertainty_of_difference,
)
from auditor.records import Audit, ConceptResult
from auditor.same_images import SameImages
from auditor.statistics import contrasts, effects
from auditor.store import load_arrays
from tests.oracles import statistics_loops as oracle
from tests.releases import SETTINGS, another_model, audit_of, audited_class, concept, contrast, write_release


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _sure(score: float, half: float = 0.05) -> ConceptResult:
    direction = (
        "associated" if score - half > 0.5 else "inhibiting" if score + half < -0.5 else "not associated"
    )
    return concept(
        score=score, score_low=score - half, score_high=score + half, p_adjusted=0.001, direction=direction
    )


def _change(old: ConceptResult, new: ConceptResult) -> Change:
    before, after = audit_of(audited_class(old)), another_model(audit_of(audited_class(new)))
    (change,) = compare(before, after, rng=_rng()).changes
    return change


@pytest.mark.parametrize(
    ("old", "new", "status", "growth"),
    [
        (_sure(0.0), _sure(1.0), "new", 1.0),
        (_sure(1.0), _sure(0.0), "gone", -1.0),
        (_sure(1.0), _sure(1.5), "grown", 0.5),
        (_sure(1.5), _sure(1.0), "shrunk", -0.5),
        (_sure(-1.0), _sure(-1.5), "grown", 0.5),
        (_sure(-1.5), _sure(-1.0), "shrunk", -0.5),
        # Turned round: the new direction is a new finding, and all of it is growth.
        (_sure(1.0), _sure(-1.0), "new", 1.0),
        (_sure(0.1), _sure(0.15), "unchanged", 0.05),
        (_sure(0.2, half=1.0), _sure(0.3, half=1.0), "inconclusive", 0.1),
        # Established in one and not in the other is no change as long as the change may be chance.
        (_sure(0.56, half=0.05), _sure(0.4, half=0.5), "inconclusive", -0.16),
        (_sure(0.6, half=0.5), _sure(1.1, half=0.5), "inconclusive", 0.5),
    ],
)
def test_status_and_growth(old: ConceptResult, new: ConceptResult, status: str, growth: float) -> None:
    change = _change(old, new)
    assert change.status == status
    assert change.growth == pytest.approx(growth)
    assert change.growth_low is not None
    assert change.growth_high is not None
    assert change.growth_low <= growth <= change.growth_high


def test_without_arrays_the_two_intervals_add_up() -> None:
    change = _change(_sure(0.2, half=0.3), _sure(0.5, half=0.4))
    assert change.difference == pytest.approx(0.3)
    assert change.difference_high == pytest.approx(0.3 + 0.5)
    assert not change.paired


def test_what_was_not_measured_in_both_is_inconclusive_and_says_so() -> None:
    missing = concept(score=None, score_low=None, score_high=None, p_value=None, p_adjusted=None)
    change = _change(missing, _sure(1.0))
    assert (change.status, change.reason) == ("inconclusive", "not measured in both")


def _with(audit: Audit, **settings: Any) -> Audit:
    return audit.model_copy(update={"settings": SETTINGS | settings})


def _refused(old: Audit, new: Audit) -> str:
    with pytest.raises(InputError, match="the audits cannot be compared") as error:
        compare(old, new, rng=_rng())
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("key", ["seed", "runs", "noise", "rotation", "margin", "alpha", "min_images"])
def test_other_draws_or_units_are_refused(key: str) -> None:
    audit = audit_of(audited_class(concept()))
    assert f"setting '{key}' is {SETTINGS[key]!r} in the old audit, 7 in the new" in _refused(
        audit, _with(audit, **{key: 7})
    )


def test_other_images_are_refused() -> None:
    audit = audit_of(audited_class(concept()))
    bank = audit.banks[0]
    other = audit.model_copy(update={"banks": [bank.model_copy(update={"digest": "c" * 64})]})
    assert "bank 'textures' has other images (texturesxxxx and cccccccccccc)" in _refused(audit, other)
    renamed = audit.model_copy(update={"banks": [bank.model_copy(update={"name": "dtd"})]})
    assert "bank 'dtd' is not in the old audit; bank 'textures' is not in the new" in _refused(audit, renamed)
    photos = audit_of(audited_class(concept(), source="folder"))
    assert "was shown by impressions in the old audit and by folder in the new" in _refused(audit, photos)


def test_other_classes_or_another_estimator_are_refused() -> None:
    audit = audit_of(audited_class(concept()))
    other = audit_of(audited_class(concept(), name="lynx", synset="n02127052"))
    assert "no class in common" in _refused(audit, other)
    assert "in other units" in _refused(
        audit, audit.model_copy(update={"method": {"score": "something else"}})
    )


def test_classes_are_matched_by_synset_or_name_not_by_index() -> None:
    old = audit_of(audited_class(concept(), index=340, name="zebra"))
    new = another_model(audit_of(audited_class(concept(), index=12, name="zebra, striped")))
    (change,) = compare(old, new, rng=_rng()).changes
    assert (change.old_class_index, change.class_index) == (340, 12)
    nameless = another_model(audit_of(audited_class(concept(), index=12, synset="")))
    assert len(compare(old, nameless, rng=_rng()).changes) == 1


def test_a_matched_contrast_is_compared_with_the_matched_one() -> None:
    def pair(value: float, *, matched: bool) -> Any:
        ends = {"difference_low": value - 0.05, "difference_high": value + 0.05}
        return contrast(difference=value, matched=matched, direction="more", **ends)

    old = audit_of(audited_class(contrasts=[pair(0.3, matched=False), pair(0.2, matched=True)]))
    new = another_model(
        audit_of(audited_class(contrasts=[pair(0.9, matched=False), pair(0.2, matched=True)]))
    )
    changes = {c.matched: c for c in compare(old, new, rng=_rng()).changes}
    assert changes[False].growth == pytest.approx(0.6)
    assert changes[True].status == "unchanged"


def test_what_differs_without_harm_is_said() -> None:
    audit = audit_of(audited_class(concept()))
    notes = compare(audit, _with(audit, refits=9), rng=_rng()).notes
    assert "setting 'refits' was None and is 9" in notes
    assert "both audits are of the same weights" in notes


def _releases(tmp_path: Path, shifts: tuple[float, float], *, seed: int = 0, n: int = 80) -> Comparison:
    audits, arrays = [], []
    for i, shift in enumerate(shifts):
        folder = tmp_path / str(i)
        audits.append(write_release(folder, shift=shift, noise=_rng(100 * seed + i), images=_rng(seed), n=n))
        arrays.append(load_arrays(folder / "arrays.npz"))
    old, new = audits[0], another_model(audits[1])
    return compare(old, new, rng=_rng(seed), old_arrays=arrays[0], new_arrays=arrays[1], resamples=500)


def test_the_same_images_make_the_interval_narrower(tmp_path: Path) -> None:
    comparison = _releases(tmp_path, (0.0, 1.0))
    banded = comparison.changes[0]
    assert banded.paired
    assert banded.status == "new"
    assert banded.difference is not None
    assert banded.difference == pytest.approx(0.95, abs=0.25)
    assert None not in (banded.difference_low, banded.old_low, banded.new_low)
    separate = np.hypot(banded.old_high - banded.old_low, banded.new_high - banded.new_low)  # type: ignore[operator]
    assert banded.difference_high - banded.difference_low < 0.6 * separate  # type: ignore[operator]


def test_the_same_release_twice_is_unchanged(tmp_path: Path) -> None:
    comparison = _releases(tmp_path, (0.4, 0.4))
    assert [c.status for c in comparison.changes] == ["unchanged"] * 3
    assert comparison.notes == []


def test_arrays_that_do_not_give_the_recorded_score_are_not_used(tmp_path: Path) -> None:
    old = write_release(tmp_path / "old", shift=0.0, noise=_rng(1), images=_rng(0))
    new = write_release(tmp_path / "new", shift=0.0, noise=_rng(2), images=_rng(0))
    arrays = load_arrays(tmp_path / "new" / "arrays.npz")
    forged = {**arrays, "class/340/response/textures": arrays["class/340/response/textures"][:, ::-1]}
    labels = arrays["bank/textures/label"]
    forged["class/340/response/textures"] = forged["class/340/response/textures"] + (labels == 0)
    both = load_arrays(tmp_path / "old" / "arrays.npz")
    comparison = compare(old, another_model(new), rng=_rng(), old_arrays=both, new_arrays=forged)
    assert not any(c.paired for c in comparison.changes)
    assert "treat the two releases as independent" in comparison.notes[-1]


@pytest.mark.parametrize("damage", ["nan", "short", "other order"])
def test_damaged_arrays_are_not_used(tmp_path: Path, damage: str) -> None:
    old = write_release(tmp_path / "old", shift=0.0, noise=_rng(1), images=_rng(0))
    arrays = load_arrays(tmp_path / "old" / "arrays.npz")
    bad = dict(arrays)
    key = "class/340/response/textures"
    if damage == "nan":
        bad[key] = np.full_like(bad[key], np.nan)
    elif damage == "short":
        bad[key] = bad[key][:, 1:]
    else:
        bad["bank/textures/label"] = bad["bank/textures/label"][::-1]
    comparison = compare(old, another_model(old), rng=_rng(), old_arrays=arrays, new_arrays=bad)
    assert not any(c.paired for c in comparison.changes)


def test_photos_that_took_no_part_in_the_scores_take_none_in_the_comparison(tmp_path: Path) -> None:
    old = write_release(tmp_path / "old", shift=0.0, noise=_rng(1), images=_rng(0))
    arrays = load_arrays(tmp_path / "old" / "arrays.npz")
    labels, response = arrays["bank/textures/label"], arrays["class/340/response/textures"]
    photos = {
        "bank/textures/label": np.concatenate([labels, np.full(50, -1)]),
        "bank/textures/compared": np.arange(len(labels) + 50) < len(labels),
        "class/340/response/textures": np.hstack([response, np.full((3, 50), 9.0, dtype=np.float32)]),
    }
    with_photos = compare(old, another_model(old), rng=_rng(), old_arrays=photos, new_arrays=photos)
    assert all(c.paired for c in with_photos.changes)
    assert (
        with_photos.changes
        == compare(old, another_model(old), rng=_rng(), old_arrays=arrays, new_arrays=arrays).changes
    )
    only_one = compare(old, another_model(old), rng=_rng(), old_arrays=arrays | photos, new_arrays=arrays)
    assert not any(c.paired for c in only_one.changes)


@pytest.mark.parametrize("control", [0, 20])
def test_effects_are_those_of_the_statistics(control: int) -> None:
    rng = _rng(3)
    labels = np.repeat([0, 1, 2, -1], [30, 50, 70, control])
    response = rng.normal(size=(3, 150 + control)) * 4 + 2 + labels
    seen = moments(response, draw_images(labels, rng=rng, resamples=3))
    known = effects.concept_effects(
        response,
        labels,
        concepts=["a", "b", "c"],
        permutations=99,
        bootstrap=200,
        alpha=0.05,
        margin=0.2,
        rng=rng,
        standardised=False,
    )
    for place, effect in enumerate(known):
        column = place + (control > 0)
        assert concept_effects(seen, column, labels=labels)[0] == pytest.approx(
            effect.refit_effects, abs=1e-9
        )
    members = [np.flatnonzero(labels == k) for k in range(2)]
    difference = contrasts.group_differences(response, *members, strata=None)
    first, second = (column + (control > 0) for column in (0, 1))
    assert contrast_effects(seen, first, second)[0] == pytest.approx(difference, abs=1e-9)


def test_twins_are_drawn_with_their_images() -> None:
    """Differences from twins: both releases, one with a planted effect, from one bank of twins."""
    rng = _rng(5)
    n = 40
    labels = np.repeat([0, 1, -1], [n, n, 2 * n])
    twin = np.concatenate([np.arange(2 * n, 4 * n), np.full(2 * n, -1)])
    plain = rng.normal(size=2 * n)
    arrays = {"bank/b/label": labels, "bank/b/twin": twin}
    old = np.concatenate([plain + 0.1 * rng.normal(size=2 * n), plain])[None]
    new = old + np.where(labels == 0, 0.5, 0.0)
    images = SameImages(
        arrays | {"class/0/response/b": old}, arrays | {"class/0/response/b": new}, rng=rng, resamples=200
    )
    seen = images.of_concepts("b", ["one", "two"], 0, 0)
    assert seen is not None
    before, after = seen.concept("one")
    assert before[0] == pytest.approx((old[0, :n] - old[0, 2 * n : 3 * n]).mean())
    assert after[0] - before[0] == pytest.approx(0.5)
    # Pictures vary ten times as much as the twins differ; only the latter is left.
    assert before[1:].std() < 0.03


def test_an_established_change_within_the_tolerance_is_unchanged(tmp_path: Path) -> None:
    before = write_release(tmp_path / "old", shift=0.5, noise=_rng(1), images=_rng(2), n=300)
    after = another_model(write_release(tmp_path / "new", shift=0.7, noise=_rng(3), images=_rng(2), n=300))
    old, new = (load_arrays(tmp_path / name / "arrays.npz") for name in ("old", "new"))

    def banded(tolerance: float) -> Change:
        found = compare(before, after, rng=_rng(), old_arrays=old, new_arrays=new, tolerance=tolerance)
        return next(c for c in found.changes if c.subject == "banded")

    assert banded(0.01).p_adjusted < 0.01
    assert banded(0.01).status == "new"
    assert banded(1.0).status == "unchanged"


def test_draws_keep_the_number_of_images_of_each_label() -> None:
    labels = np.array([0, 0, 0, 1, 1, -1, -1])
    draws = draw_images(labels, rng=_rng(), resamples=50)
    for label, size in ((0, 3), (1, 2), (-1, 2)):
        assert (draws.counts[:, labels == label].sum(axis=1) == size).all()
    assert (draws.counts[0] == 1).all()
    assert draws.counts[1:].std() > 0


def test_refits_that_disagree_widen_the_interval() -> None:
    rng = _rng(1)
    steady = np.full((101, 3), 0.5) + 0.01 * rng.normal(size=(101, 1))
    shaken = steady + np.array([-0.3, 0.0, 0.3])
    little = uncertainty_of_difference(steady, steady, images=60)
    much = uncertainty_of_difference(steady, shaken, images=60)
    assert much.error > 0.15 > little.error
    assert much.df < 4


def test_a_constant_response_gives_no_effect_and_no_warning() -> None:
    labels = np.repeat([0, 1], 5)
    seen = moments(np.ones((2, 10)), draw_images(labels, rng=_rng(), resamples=5))
    assert (concept_effects(seen, 0, labels=labels) == 0).all()
    assert (contrast_effects(seen, 0, 1) == 0).all()


@pytest.mark.slow
def test_the_interval_of_the_difference_covers() -> None:
    """Nominal 95%; 300 repetitions leave a standard error of 1.3 points."""
    labels = np.repeat(np.arange(3), 60)
    hits = 0
    for seed in range(300):
        rng = _rng(seed)
        shared = rng.normal(size=180)
        drawn = draw_images(labels, rng=rng, resamples=300)
        found = []
        for shift in (0.3, 0.8):
            response = np.stack([shared + 0.4 * rng.normal(size=180) + 0.1 * rng.normal() for _ in range(3)])
            response[:, labels == 0] += shift + 0.05 * rng.normal(size=(3, 1))
            found.append(concept_effects(moments(response, drawn), 0, labels=labels))
        truth = 0.5
        sure = uncertainty_of_difference(*found, images=60)
        estimate = found[1][0].mean() - found[0][0].mean()
        hits += abs(estimate - truth) < 1.98 * sure.error
    assert 0.92 <= hits / 300 <= 1.0


PAIRS = 40


def _faces(
    shift: float, *, noise: np.random.Generator, images: np.random.Generator
) -> tuple[Audit, dict[str, Any]]:
    """Faces in pairs that resemble each other, and in no order: women ``shift`` above men, matched."""
    labels = np.repeat([0, 1, 1, 0], [PAIRS, PAIRS, 30, 30])
    pair = np.concatenate([np.arange(PAIRS), images.permutation(PAIRS), np.full(60, -1)])
    of_pair = images.normal(size=PAIRS)
    response = images.normal(size=(1, len(labels))) * 0.5 + np.where(pair >= 0, of_pair[pair], 3.0)
    response = response + 0.2 * noise.normal(size=(3, len(labels))) + shift * (labels == 0)
    members = np.flatnonzero((labels == 0) & (pair >= 0)), np.flatnonzero((labels == 1) & (pair >= 0))
    found = contrasts.group_contrasts(
        response,
        dict(zip(["women", "men"], members, strict=True)),
        strata=pair,
        permutations=99,
        bootstrap=200,
        alpha=0.05,
        margin=0.5,
        rng=noise,
    )[0]
    matched = contrast(
        n_more=found.n_more,
        n_less=found.n_less,
        matched=True,
        difference=found.effect,
        difference_low=found.low,
        difference_high=found.high,
        direction=found.direction,
    )
    arrays = {
        "bank/faces/label": labels,
        "bank/faces/pair/women/men": pair,
        "class/340/contrast/faces": response,
    }
    return audit_of(audited_class(contrasts=[matched])), arrays


def _two_faces(shift: float = 0.0, *, seed: int = 0) -> tuple[Audit, Audit, dict[str, Any], dict[str, Any]]:
    old, old_arrays = _faces(0.0, noise=_rng(1000 + seed), images=_rng(seed))
    new, new_arrays = _faces(shift, noise=_rng(2000 + seed), images=_rng(seed))
    return old, another_model(new), old_arrays, new_arrays


def test_matched_pairs_are_drawn_together_in_both_releases() -> None:
    old, new, old_arrays, new_arrays = _two_faces(0.4)
    (change,) = compare(old, new, rng=_rng(), old_arrays=old_arrays, new_arrays=new_arrays).changes
    assert change.paired
    assert change.matched
    (separate,) = compare(old, new, rng=_rng()).changes
    assert not separate.paired
    assert change.difference == separate.difference
    wide = separate.difference_high - separate.difference_low  # type: ignore[operator]
    assert change.difference_high - change.difference_low < 0.6 * wide  # type: ignore[operator]


def test_the_error_of_a_matched_change_is_that_of_the_slow_twin() -> None:
    _, _, old, new = _two_faces(0.4)
    pair, first = old["bank/faces/pair/women/men"], old["bank/faces/label"] == 0
    used = pair >= 0
    draws = draw_pairs(pair[used], first[used], rng=_rng(), resamples=60)
    responses = [arrays["class/340/contrast/faces"][:1] for arrays in (old, new)]
    drawn = [contrast_effects(moments(r[:, used], draws), 0, 1) for r in responses]
    by_pair = [
        [(row[first & (pair == k)].item(), row[~first & (pair == k)].item()) for k in range(PAIRS)]
        for (row,) in responses
    ]
    assert drawn[0][0, 0] == pytest.approx(oracle.contrast_of_pairs(by_pair[0]))
    of_women = draws.counts[:, np.argsort(np.where(first[used], pair[used], PAIRS))[:PAIRS]]
    chosen = [np.repeat(np.arange(PAIRS), row.astype(int)).tolist() for row in of_women[1:]]
    assert {len(c) for c in chosen} == {PAIRS}
    found = np.var((drawn[1] - drawn[0])[1:, 0], ddof=1)
    assert found == pytest.approx(oracle.change_of_pairs(*by_pair, chosen), rel=1e-9)


def test_the_interval_of_a_matched_change_covers_it() -> None:
    truth = np.mean([_truth(seed) for seed in range(500, 540)])
    hits = 0
    for seed in range(60):
        old, new, old_arrays, new_arrays = _two_faces(0.3, seed=seed)
        (change,) = compare(
            old, new, rng=_rng(), old_arrays=old_arrays, new_arrays=new_arrays, resamples=200
        ).changes
        assert change.paired
        hits += change.difference_low <= truth <= change.difference_high  # type: ignore[operator]
    # Of 60 intervals of 95%, fewer than 51 would happen once in ten thousand times.
    assert hits >= 51


def _truth(seed: int) -> float:
    old, new, *_ = _two_faces(0.3, seed=seed)
    before, after = (a.classes[0].contrasts[0].difference for a in (old, new))
    assert before is not None
    assert after is not None
    return after - before


@pytest.mark.parametrize("damage", ["other pairs", "no pairs", "two of a pair in one group", "one pair"])
def test_pairs_that_are_none_are_not_used(damage: str) -> None:
    old, new, old_arrays, new_arrays = _two_faces()
    key = "bank/faces/pair/women/men"
    pair = old_arrays[key].copy()
    if damage == "other pairs":
        new_arrays[key] = np.roll(pair, 1)
    elif damage == "no pairs":
        del new_arrays[key]
    elif damage == "one pair":
        old_arrays[key] = new_arrays[key] = np.where(pair == 0, 0, -1)
    else:
        pair[[0, 1]] = 0
        old_arrays[key] = new_arrays[key] = pair
    (change,) = compare(old, new, rng=_rng(), old_arrays=old_arrays, new_arrays=new_arrays).changes
    assert not change.paired
    assert change.difference_low is not None
