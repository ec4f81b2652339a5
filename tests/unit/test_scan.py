"""A scan from pictures to findings, on networks in which it is known what there is to find."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

import auditor.scan.answers
import auditor.scan.lots
from auditor.banks.bank import Concept, ConceptBank, GroupContrast
from auditor.errors import InputError
from auditor.files import load_arrays, write_bytes
from auditor.models.loaded import LoadedModel
from auditor.report.view.scan import screened_sentence
from auditor.scan.parts import FEWEST_SCREENED, needing
from auditor.scan_records import Scan, ScanFinding
from auditor.statistics.arrays import FloatArray
from auditor.statistics.probability import log_scaled
from auditor.statistics.samples import ConceptSample
from auditor.store.directory import AUDIT_FILE
from auditor.store.scans import read_effects, read_scan, scan_bytes
from tests.scans import CONCEPTS, COUNT, bank, bank_at, concept, model, pictures, scanned, settings, tinted


@pytest.fixture(autouse=True)
def _few_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests are not about these."""
    monkeypatch.setattr(auditor.scan.lots, "DRAWS", 2)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scan, Path]:
    """Class 0 of eight likes red; on disk, not to be changed."""
    out = tmp_path_factory.mktemp("plain") / "scan"
    return scanned(out), out


def answers(one: LoadedModel, held: ConceptBank) -> FloatArray:
    """[classes, images] e, by the network alone."""
    images = [i for c in (*held.concepts, *([held.reference] if held.reference else [])) for i in c.images]
    inputs = np.stack([np.asarray(i.load(), dtype=np.float32).transpose(2, 0, 1) for i in images]) / 255
    with torch.inference_mode():
        return log_scaled(one.module((torch.from_numpy(inputs) - 0.5) / 0.5).numpy()).T


def found(scan: Scan, index: int, subject: str, bank: str = "colours") -> ScanFinding:
    (one,) = (f for f in scan.findings if (f.class_index, f.subject, f.bank) == (index, subject, bank))
    return one


def comparable(scan: Scan) -> bytes:
    """All of a scan but its times."""
    return scan_bytes(scan.model_copy(update={"created": "", "duration_s": 0.0}))


# --- what is found ---


def test_what_is_planted_is_confirmed_and_sorted_first(plain: tuple[Scan, Path]) -> None:
    scan, out = plain
    first = scan.findings[0]
    assert (first.class_index, first.subject, first.conclusion) == (0, "red", "associated")
    assert first.low is not None
    assert first.low > first.margin
    assert found(scan, 0, "blue").conclusion == "negatively associated"
    assert scan.worst(1) == [0]
    assert [f.severity for f in scan.confirmed] == sorted((f.severity for f in scan.confirmed), reverse=True)
    (family, contrasts) = scan.families
    assert (family.looked_at, family.selected) == (8 * 3, len(scan.findings))
    assert family.confirmed == len(scan.confirmed)
    assert (contrasts.looked_at, contrasts.selected, contrasts.interval_level) == (0, 0, 0.05)
    assert scan == read_scan(out)
    assert not (out / ".work").exists()


def test_the_effect_is_the_mean_on_the_confirming_images_less_that_of_the_other_concepts(
    plain: tuple[Scan, Path],
) -> None:
    scan, out = plain
    arrays = load_arrays(out / "arrays.npz")
    e = answers(model(), bank())[:, arrays["colours/position"]]
    label = arrays["colours/label"]
    by_concept = np.array([e[:, label == k].mean(axis=1) for k in range(3)])
    for finding in scan.findings:
        own = CONCEPTS.index(finding.subject)
        means = by_concept[:, finding.class_index]
        expected = means[own] - np.delete(means, own).mean()
        assert finding.effect == pytest.approx(expected, abs=1e-5)
        assert finding.n == finding.independent == (label == own).sum()
        assert finding.n_other == finding.independent_other == (label != own).sum()
    sample = ConceptSample(label.astype(np.int64), arrays["colours/cluster"].astype(np.int64))
    errors = sample.errors(e)
    np.testing.assert_allclose(arrays["colours/association/confirming/effect"], errors.effect, atol=1e-5)
    level = scan.families[0].interval_level
    finding = scan.findings[0]
    error = float(arrays["colours/association/confirming/error"][0, 0])
    assert error >= errors.error[0, 0] - 1e-6
    half = error * stats.t.ppf(1 - level / 2, errors.df[0])
    assert finding.high == pytest.approx((finding.effect or 0) + half, abs=1e-5)
    others = errors.effect[1:, 0] >= errors.effect[0, 0]
    assert finding.class_share == pytest.approx(others.mean())


def test_a_third_of_each_concept_screens_and_no_image_does_both(plain: tuple[Scan, Path]) -> None:
    scan, out = plain
    arrays = load_arrays(out / "arrays.npz")
    (one,) = scan.banks
    assert (one.screening, one.confirming) == (COUNT, 2 * COUNT)
    assert one.fewest == np.bincount(arrays["colours/label"]).min() == 2 * COUNT // 3
    assert one.concepts == list(CONCEPTS)
    other = arrays["colours/association/screening/effect"]
    assert found(scan, 0, "red").screened_effect == pytest.approx(float(other[0, 0]), abs=1e-5)


def test_nothing_is_confirmed_where_nothing_is_planted(tmp_path: Path) -> None:
    scan = scanned(tmp_path / "s", by=model(60, planted={}))
    assert scan.confirmed == []
    assert scan.silent == scan.constant == list(range(60))
    assert (scan.lots.draws, scan.lots.associations, scan.lots.contrasts) == (2, 0, 0)


def test_classes_that_never_or_always_answer_are_named(tmp_path: Path) -> None:
    scan = scanned(tmp_path / "s", by=model(60, bias={7: -200.0}))
    assert scan.constant == [7]
    assert scan.silent == list(range(1, 60))
    sure = scanned(tmp_path / "sure", by=model(5, planted={0: (6, -3, -3)}, bias={1: 200.0}))
    assert (sure.confirmed, sure.constant) == ([], [0, 1, 2, 3, 4])


def test_two_classes_are_enough_and_one_name_may_stand_for_two(tmp_path: Path) -> None:
    scan = scanned(tmp_path / "s", by=model(2, names=("cat", "cat")))
    assert scan.classes == ["cat", "cat"]
    assert found(scan, 0, "red").conclusion == "associated"
    assert found(scan, 1, "red").conclusion == "negatively associated"
    assert found(scan, 0, "red").class_share == 0.0


def test_any_name_is_kept_and_a_table_holds_no_formula(tmp_path: Path) -> None:
    names = ("=1+1", "a\0b", "two\nlines", "été", '<b>"')
    scan = scanned(tmp_path / "s", by=model(5, names=names))
    assert tuple(scan.classes) == names
    assert tuple(read_scan(tmp_path / "s").classes) == names
    with (tmp_path / "s" / "scan.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(scan.findings)
    assert not any(row["class_name"].startswith("=") for row in rows)
    assert [row["conclusion"] for row in rows] == [f.conclusion for f in scan.findings]


# --- images that belong together ---


def of_photos(name: str, photos: int = 18, crops: int = 3) -> Concept:
    return concept(name, pictures(name, photos * crops), clusters=[f"{name}{i // crops}" for i in range(99)])


def test_crops_of_a_photo_lie_in_one_part_and_count_as_one(tmp_path: Path) -> None:
    held = bank(*map(of_photos, CONCEPTS))
    scan = scanned(tmp_path / "s", held)
    arrays = load_arrays(tmp_path / "s" / "arrays.npz")
    photo = np.array([i.cluster for c in held.concepts for i in c.images])
    confirms = np.zeros(len(photo), dtype=bool)
    confirms[arrays["colours/position"]] = True
    assert not set(photo[confirms]) & set(photo[~confirms])
    finding = found(scan, 0, "red")
    assert (finding.n, finding.independent) == (36, 12)


def test_crops_in_separate_files_are_found_to_be_one_photo(tmp_path: Path) -> None:
    """Otherwise one photo would both select and confirm."""
    rng = np.random.default_rng(0)
    root = tmp_path / "crops"
    for name in ("red", "green"):
        (root / name).mkdir(parents=True)
        for photo in range(7):
            whole = np.asarray(tinted(rng, CONCEPTS.index(name)).resize((64, 64), Image.Resampling.NEAREST))
            for crop in range(2):
                part = whole[4 * crop : 56 + 4 * crop, 2 * crop : 54 + 2 * crop]
                Image.fromarray(part).save(root / name / f"{photo}-{crop}.png")
    held = tmp_path / "s"
    scan = scanned(held, bank(), by=model(), banks=(str(root),), min_images=2)
    arrays = load_arrays(held / "arrays.npz")
    confirms = set(arrays["crops/position"].tolist())
    photos = [{place, place + 1} for place in range(0, 28, 2)]
    assert all(pair <= confirms or not pair & confirms for pair in photos)
    assert "28 images look like parts or copies of 14 pictures" in scan.banks[0].bank.clusters


@pytest.mark.parametrize("count", [COUNT, 3, 4, 5, 6])
def test_photos_that_lie_in_every_concept(tmp_path: Path, count: int) -> None:
    """Like one photo with several corruptions. The second concept may miss in either part."""
    ids = [f"photo {i}" for i in range(COUNT)]
    second = concept("green", pictures("green", count), clusters=ids[:count])
    scan = scanned(tmp_path / "s", bank(concept("red", clusters=ids), second, concept("blue")))
    measured = scan.banks[0].concepts
    assert set(measured) >= {"red", "blue"}
    assert ("green" in measured) != any("colours/green" in skip.what for skip in scan.skipped)
    assert found(scan, 0, "red").conclusion == "associated"


def tinted_copies() -> tuple[tuple[Concept, ...], Concept]:
    """The same plain pictures in three tints, and without any."""
    plain = [tinted(np.random.default_rng(i), None) for i in range(COUNT)]

    def tint(picture: Image.Image, channel: int) -> Image.Image:
        values = np.asarray(picture).astype(float)
        values[..., channel] += 60
        return Image.fromarray(values.clip(0, 255).astype(np.uint8))

    own = tuple(concept(c, [tint(p, k) for p in plain]) for k, c in enumerate(CONCEPTS))
    without = concept("without", [p for _ in CONCEPTS for p in plain])
    named = (
        replace(image, name=f"without/{c}/{i % COUNT}", sha256=f"{c}{i}")
        for i, (image, c) in enumerate(zip(without.images, np.repeat(CONCEPTS, COUNT), strict=True))
    )
    return own, replace(without, images=tuple(named))


@pytest.mark.parametrize("fast", [False, True])
def test_a_picture_stays_with_itself_without_the_concept(tmp_path: Path, fast: bool) -> None:
    own, without = tinted_copies()
    held = bank(*own, reference=without)
    scan = scanned(tmp_path / "s", held, fast=fast)
    arrays = load_arrays(tmp_path / "s" / "arrays.npz")
    places = arrays["colours/position"]
    for concept_image in range(3 * COUNT):
        assert (concept_image in places) == (concept_image + 3 * COUNT in places)
    assert scan.banks[0].bank.compared_with == "the same pictures without the concept"
    e = answers(model(), held)[0]
    reds = places[places < COUNT]
    finding = found(scan, 0, "red")
    assert finding.effect == pytest.approx((e[reds] - e[reds + 3 * COUNT]).mean(), abs=1e-5)
    assert (finding.n, finding.n_other) == (len(reds), 0)
    assert finding.conclusion == "associated"


# --- groups ---

PEOPLE = 60


def people(
    *, shift: float = 0.0, match: Sequence[str] = ("age",), channel: int | None = 0, count: int = PEOPLE
) -> ConceptBank:
    """Women with ``shift`` more of a channel, or of light, than men; both of the same ages."""
    ages = [{"age": ("young", "old")[i % 2]} for i in range(count)]
    women = pictures("women", count, channel=channel, strength=shift) if channel is not None else [
        Image.fromarray((np.asarray(p) * (1 - shift)).astype(np.uint8)) for p in pictures("women", count)
    ]  # fmt: skip
    sides = concept("women", women, covariates=ages), concept("men", pictures("men", count), covariates=ages)
    return bank(*sides, name="faces", contrasts=(GroupContrast("women", "men", tuple(match)),))


@pytest.mark.parametrize("match", [("age",), ()])
def test_groups_that_differ_are_confirmed_and_pairs_are_compared(
    tmp_path: Path, match: tuple[str, ...]
) -> None:
    held = people(shift=40.0, match=match)
    scan = scanned(tmp_path / "s", held, bank(), by=model(60))
    finding = found(scan, 0, "women/men", "faces")
    assert (finding.kind, finding.conclusion) == ("contrast", "associated")
    assert (finding.more, finding.less, finding.matched) == ("women", "men", bool(match))
    arrays = load_arrays(tmp_path / "s" / "arrays.npz")
    more, less = arrays["faces/groups/0"]
    assert bool(arrays["faces/groups/0/matched"]) is bool(match)
    e = answers(model(60), held)[0, arrays["faces/position"]]
    assert finding.effect == pytest.approx(e[more >= 0].mean() - e[less >= 0].mean(), abs=1e-5)
    assert finding.n == finding.n_other == finding.independent == (more >= 0).sum() == 2 * PEOPLE // 3
    assert not any(f.bank == "faces" and f.kind == "association" for f in scan.findings)
    assert {check.name for check in finding.checks} >= {
        "enough independent images", "differs from other classes", "at equal image quality",
    }  # fmt: skip
    assert [family.looked_at for family in scan.families] == [60 * 3, 60]


def test_groups_of_which_one_is_darker_are_not_said_to_differ(tmp_path: Path) -> None:
    dark = people(shift=0.5, channel=None)
    scan = scanned(tmp_path / "s", dark, by=model(60, planted={0: (4.0, 4.0, 4.0)}))
    finding = found(scan, 0, "women/men", "faces")
    assert abs(finding.effect or 0) > 4 * finding.margin
    assert finding.conclusion == "inconclusive"
    assert any(check.passed is False and check.forbids in ("effect", "both") for check in finding.checks)
    assert not scan.confirmed


@pytest.mark.parametrize("classes", [3, 60])
def test_groups_drawn_by_lot_do_not_differ(tmp_path: Path, classes: int) -> None:
    with pytest.raises(InputError, match="the model does not see the difference: a probe on its last"):
        scanned(tmp_path / "s", people(shift=0.0), by=model(classes))


def test_groups_without_pairs_or_with_too_few_images_are_named(tmp_path: Path) -> None:
    scan = scanned(tmp_path / "few", people(shift=40.0), bank(), by=model(60), min_images=50)
    assert scan.banks[0].contrasts == []
    (skip,) = scan.skipped
    assert skip.what == "contrast 'faces/women/men'"
    assert skip.reason == "confirming: too few matched images: 40 pairs, need 50"
    assert not scan.confirmed, "16 images of a concept are too few, too"
    assert found(scan, 0, "red").reason == "16 independent images, need 50"

    held = people()
    women, men = held.concepts
    apart = replace(women, images=tuple(replace(i, covariates={"age": "child"}) for i in women.images))
    scan = scanned(tmp_path / "apart", replace(held, concepts=(apart, men)), bank())
    assert "too few matched images: 0 pairs" in scan.skipped[0].reason


def test_the_same_people_in_both_groups_are_no_contrast(tmp_path: Path) -> None:
    sides = [concept(g, pictures(g, 24), clusters=[f"{i % 8}" for i in range(24)]) for g in ("women", "men")]
    held = bank(*sides, name="faces", contrasts=(GroupContrast("women", "men"),))
    scan = scanned(tmp_path / "s", held, bank())
    assert "clusters that lie in both groups are left out" in scan.skipped[0].reason


# --- labels drawn by lot ---


def test_lots_count_the_draws_that_confirm_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    banks = people(shift=60.0), bank()
    monkeypatch.setattr(auditor.scan.lots, "DRAWS", 20)
    dealt = scanned(tmp_path / "dealt", *banks, by=model(60)).lots
    assert dealt.draws == 20
    assert max(dealt.associations, dealt.contrasts) <= 4, "one in twenty, and chance"
    monkeypatch.setattr(auditor.scan.lots, "DRAWS", 4)
    monkeypatch.setattr(auditor.scan.lots, "by_lot", lambda labels, _clusters, rng: labels)
    monkeypatch.setattr(auditor.scan.lots, "_dealt_groups", lambda groups, _rng: groups)
    undealt = scanned(tmp_path / "undealt", *banks, by=model(60)).lots
    assert (undealt.draws, undealt.associations, undealt.contrasts) == (4, 4, 4)


# --- pictures, the quick way ---


def test_the_images_with_the_largest_answers_are_shown(plain: tuple[Scan, Path]) -> None:
    scan, out = plain
    drivers = found(scan, 0, "red").drivers
    places = load_arrays(out / "arrays.npz")["colours/position"]
    reds = places[places < COUNT]
    e = answers(model(), bank())[0]
    best = reds[np.argsort(-e[reds])][:3]
    assert [d.image for d in drivers] == [f"red/{i}" for i in best]
    assert [d.value for d in drivers] == pytest.approx(e[best].tolist(), abs=1e-5)
    assert all((out / d.path).is_file() for d in drivers)
    assert found(scan, 0, "blue").drivers == [], "what lowers a probability has no such images"


def test_a_bank_that_must_not_be_shown_shows_nothing(tmp_path: Path) -> None:
    scan = scanned(tmp_path / "s", bank(report_images=False))
    assert scan.confirmed
    assert not any(f.drivers for f in scan.findings)
    assert not (tmp_path / "s" / "pictures").exists()


def test_fast_uses_fewer_images_of_a_concept_and_of_a_group(tmp_path: Path) -> None:
    many = bank(*(concept(c, pictures(c, 40)) for c in CONCEPTS))
    groups = people(shift=40.0, count=140)
    scan = scanned(tmp_path / "s", many, groups, by=model(60), fast=True, min_images=None)
    assert scan.settings["fast"] is True
    assert scan.settings["min_images"] == 12
    assert [c.n for c in scan.banks[0].bank.concepts] == [24, 24, 24]
    assert [c.n for c in scan.banks[1].bank.concepts] == [120, 120]
    assert found(scan, 0, "red").n == 16
    assert found(scan, 0, "red").conclusion == "associated"


# --- the same again ---


class Passes:
    """Counts what is passed through the network, and stops at a number of passes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, stop_at: int = 99) -> None:
        self.done, self._stop = 0, stop_at
        self._real = auditor.scan.answers.forward_pass
        monkeypatch.setattr(auditor.scan.answers, "forward_pass", self)

    def __call__(self, *args: Any) -> Any:
        if self.done == self._stop:
            raise KeyboardInterrupt
        self.done += 1
        return self._real(*args)


CHUNKS = 3
"""Files of a bank at four images a batch."""


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A scan that was stopped after one file of three."""
    with pytest.MonkeyPatch.context() as patch:
        Passes(patch, stop_at=1)
        with pytest.raises(KeyboardInterrupt):
            scanned(tmp_path / "stopped", batch_size=4)
    assert not (tmp_path / "stopped" / "scan.json").exists()
    return tmp_path / "stopped"


def test_a_scan_that_was_stopped_goes_on(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = Passes(monkeypatch)
    again = scanned(stopped, batch_size=4)
    assert passes.done == CHUNKS - 1
    whole = scanned(tmp_path / "whole", batch_size=4)
    assert passes.done == 2 * CHUNKS - 1
    assert comparable(again) == comparable(whole)
    files = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (stopped, tmp_path / "whole")
    ]
    for held in files:
        held.pop(Path("scan.json"))
    assert files[0] == files[1]


@pytest.mark.parametrize("other", [{"by": model(8, scale=2.0)}, {"batch_size": 8}, {"model_args": ("a=1",)}])
def test_what_another_model_made_of_the_images_is_not_taken(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
) -> None:
    passes = Passes(monkeypatch)
    scanned(stopped, **({"batch_size": 4} | other))
    assert passes.done == (2 if "batch_size" in other else CHUNKS)


@pytest.mark.parametrize(
    "damage", ["cut .npy", "cut .npz", "empty .npz", "no .npy", "other .npy", "other .npz"]
)
def test_a_file_of_a_stopped_scan_that_cannot_be_read_is_made_again(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    how, suffix = damage.split()
    (path,) = (stopped / ".work").glob(f"*{suffix}")
    if how == "no":
        path.unlink()
    elif how == "other":
        np.save(path, np.zeros((5, 8), np.float32)) if suffix == ".npy" else np.savez(path, last=np.zeros(3))
    else:
        write_bytes(path, path.read_bytes()[:100] if how == "cut" else b"")
    passes = Passes(monkeypatch)
    again = scanned(stopped, batch_size=4)
    assert passes.done == CHUNKS
    assert comparable(again) == comparable(scanned(tmp_path / "whole", batch_size=4))


def test_the_size_of_blocks_and_batches_changes_nothing(
    plain: tuple[Scan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = scanned(tmp_path / "batches", batch_size=7)
    assert_same(other, plain[0])
    monkeypatch.setattr(auditor.scan.answers, "BLOCK_VALUES", 100)
    held = people(shift=40.0)
    blocks = scanned(tmp_path / "blocks")
    assert_same(blocks, plain[0])
    mine, theirs = read_effects(tmp_path / "blocks", blocks), read_effects(plain[1], plain[0])
    assert mine.keys() == theirs.keys()
    for name, values in mine.items():
        np.testing.assert_allclose(values, theirs[name], atol=1e-6, err_msg=name)
    many = scanned(tmp_path / "many", held, by=model(60))
    monkeypatch.undo()
    assert_same(many, scanned(tmp_path / "one", held, by=model(60)))


def assert_same(one: Scan, other: Scan) -> None:
    """But for what another order of summation changes."""
    for name in ("families", "silent", "constant", "skipped", "banks"):
        values = [
            [v.model_dump() if hasattr(v, "model_dump") else v for v in getattr(s, name)]
            for s in (one, other)
        ]
        if name == "banks":
            assert [b.pop("entropy") for b in values[0]] == pytest.approx(
                [b.pop("entropy") for b in values[1]]
            )
        assert values[0] == values[1]
    assert [(f.key, f.conclusion) for f in one.findings] == [(f.key, f.conclusion) for f in other.findings]
    for name in ("effect", "low", "high", "q_value", "screened_effect"):
        numbers = [[getattr(f, name) for f in s.findings] for s in (one, other)]
        assert numbers[0] == pytest.approx(numbers[1], abs=1e-5), name


def test_another_seed_divides_otherwise(plain: tuple[Scan, Path], tmp_path: Path) -> None:
    other = scanned(tmp_path / "s", seed=1)
    places = [
        load_arrays(out / "arrays.npz")["colours/position"].tolist() for out in (plain[1], tmp_path / "s")
    ]
    assert places[0] != places[1]
    assert found(other, 0, "red").conclusion == "associated"


# --- what cannot be scanned ---


def test_a_model_of_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 class, need 2 or more"):
        scanned(tmp_path / "s", by=model(1))
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("concepts", "said"),
    [
        ((concept("red"),), "there is no other concept to compare with"),
        (tuple(concept(c, pictures(c, 3)) for c in CONCEPTS), "1 independent image, need 2"),
    ],
)
def test_banks_in_which_nothing_can_be_measured_are_refused(
    tmp_path: Path, concepts: tuple[Concept, ...], said: str
) -> None:
    with pytest.raises(InputError, match=f"nothing can be measured; concept 'colours/red': {said}"):
        scanned(tmp_path / "s", bank(*concepts))
    assert not (tmp_path / "s" / "scan.json").exists()


def test_two_banks_of_one_name_are_refused(tmp_path: Path) -> None:
    roots = [str(bank_at(tmp_path / where / "tints", count=4)) for where in ("a", "b")]
    with pytest.raises(InputError, match="another bank is named 'tints', too"):
        scanned(tmp_path / "s", bank(), banks=tuple(roots))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_an_answer_that_is_not_finite_is_refused_with_the_image(tmp_path: Path, value: float) -> None:
    one, held = model(4), bank()
    images = [image for c in held.concepts for image in c.images]
    redness = np.array([np.asarray(image.load())[..., 0].mean() / 127.5 - 1 for image in images])
    limit = np.sort(redness)[-3:-1].mean()
    spoilt = np.flatnonzero(redness > limit)
    assert len(spoilt) == 2

    class Spoilt(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = one.module.fc

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            made = self.fc(x.mean(dim=(2, 3)))
            made[x[:, 0].mean(dim=(1, 2)) > limit, 2] = value
            return made

    with pytest.raises(InputError) as refused:
        scanned(tmp_path / "s", held, by=replace(one, module=Spoilt()))
    said = f"image '{images[spoilt[0]].name}': the model's answer is not finite, and to 1 others"
    assert said in str(refused.value)


def test_a_place_that_is_taken_or_cannot_be_written_is_refused(
    plain: tuple[Scan, Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="holds a scan; needed: another --out, or --overwrite"):
        scanned(plain[1])
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        scanned(file)
    with pytest.raises(InputError, match="nothing can be written to"):
        scanned(file / "below")
    assert file.read_text() == "mine"


def test_a_scan_never_lands_in_an_audit(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / AUDIT_FILE).write_text("{}")
    with pytest.raises(InputError, match="holds an audit, whose arrays a scan would overwrite"):
        scanned(tmp_path / "audit", overwrite=True)


def test_overwrite_replaces_a_scan(tmp_path: Path) -> None:
    first = scanned(tmp_path / "s")
    second = scanned(tmp_path / "s", by=model(8, planted={1: (6, -3, -3)}), overwrite=True)
    assert (first.worst(1), second.worst(1)) == ([0], [1])
    read_effects(tmp_path / "s", second)


# --- what lies on disk ---


def copied(plain: tuple[Scan, Path], to: Path) -> Path:
    to.mkdir()
    for name in ("scan.json", "arrays.npz"):
        write_bytes(to / name, (plain[1] / name).read_bytes())
    return to


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", None, "not complete JSON"),
        ('"format_version": 1', '"format_version": 2', "format version 2; this auditor reads version 1"),
        ('"kind": "scan"', '"kind": "audit"', "its 'kind' is not 'scan'"),
        ('"looked_at": 24', '"looked_at": -1', "field 'families.0.looked_at'"),
        ('"classes": [', '"clases": [', "field 'classes': Field required"),
        ("class 0", "\udcff", "not complete JSON"),
    ],
)
def test_a_damaged_scan_is_refused_with_what_is_wrong(
    plain: tuple[Scan, Path], tmp_path: Path, old: str, new: str | None, said: str
) -> None:
    held = copied(plain, tmp_path / "s")
    text = (held / "scan.json").read_text()
    changed = text[: len(text) // 2] if new is None else text.replace(old, new, 1)
    (held / "scan.json").write_bytes(changed.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as refused:
        read_scan(held)
    assert said in str(refused.value)
    with pytest.raises(InputError):
        read_scan(held / "scan.json")


def test_a_scan_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match=r"needed a scan's directory or its scan\.json"):
            read_scan(path)


def test_arrays_of_another_scan_are_refused(plain: tuple[Scan, Path], tmp_path: Path) -> None:
    held = copied(plain, tmp_path / "s")
    assert read_effects(held, plain[0]).keys() == read_effects(held / "scan.json", plain[0]).keys()
    write_bytes(held / "arrays.npz", (held / "arrays.npz").read_bytes() + b" ")
    with pytest.raises(InputError, match="is not the file that the scan wrote"):
        read_effects(held, plain[0])
    (held / "arrays.npz").unlink()
    with pytest.raises(InputError, match=r"'arrays\.npz': No such file"):
        read_effects(held, plain[0])


def test_many_classes_keep_the_answers_of_what_was_selected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.scan.arrays.MOST_KEPT", 100)
    scan = scanned(tmp_path / "s", by=model(60))
    arrays = load_arrays(tmp_path / "s" / "arrays.npz")
    assert arrays["colours/response/class"].tolist() == sorted({f.class_index for f in scan.findings}) == [0]
    assert arrays["colours/response"].shape == (1, len(arrays["colours/position"]))
    assert arrays["colours/association/confirming/effect"].shape == (60, 3)


def test_settings_that_only_say_where_are_no_part_of_a_scan(tmp_path: Path) -> None:
    record = settings(tmp_path / "s").record()
    assert not {"out", "cache", "overwrite", "classes", "images"} & record.keys()
    assert record["banks"] == ["colours"]


def test_a_bank_that_screens_confirms_nothing_and_asks_for_photos(tmp_path: Path) -> None:
    """24 of 36 pairs confirm: fewer than other banks need, and nothing is claimed from them."""
    held = replace(people(shift=60.0), screening=True)
    scan = scanned(tmp_path / "s", held, by=model(60, planted={0: (4.0, 4.0, 4.0)}))
    assert found(scan, 0, "women/men", "faces").conclusion == "screening"
    assert not scan.confirmed
    assert "on a bank that only screens ask" in screened_sentence(scan)
    given = settings(tmp_path / "x")
    assert needing(held, given).min_images == min(FEWEST_SCREENED, given.min_images)
    assert needing(people(), given) == given
