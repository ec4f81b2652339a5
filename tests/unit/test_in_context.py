"""Contrasts in context: a planted difference is found, by lot none is found, and every report says it."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import auditor.audit
from auditor.audit.company import People, Scenes, people_of, scenes_of
from auditor.audit.groups import sample_groups
from auditor.audit.in_context import FEWEST_SCENES, Measured
from auditor.audit.layout import lay_out
from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast
from auditor.banks.places import shipped
from auditor.banks.read.loading import load_bank
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.findings import conclude_all
from auditor.images.class_images import ImageSet
from auditor.policy.judge import judge
from auditor.policy.rules import Contrast, Policy
from auditor.progress import silent
from auditor.records import ClassImages, Finding
from auditor.report import render_format
from auditor.settings import Settings
from auditor.store.directory import read_audit
from tests.tiny import save_striped, striped, tiny_model

NOTHING = np.zeros((0, 0))
BRIGHT = 2
"""The class that answers to brightness."""


def people(brighter: float, *, units: int = 12, seed: int = 0) -> ConceptBank:
    """Two groups of grey people, one brighter by so much (8-bit steps)."""
    rng = np.random.default_rng(seed)
    base = rng.integers(90, 130, units)

    def image(group: str, unit: int, value: float) -> BankImage:
        noise = rng.normal(0, 4, (16, 16, 1))
        picture = np.clip(value + noise + np.zeros((16, 16, 3)), 0, 255).astype(np.uint8)
        return BankImage(
            name=f"{group}/{unit:03d}",
            load=partial(Image.fromarray, picture),
            sha256="",
            covariates={"unit": f"u{unit}"},
            mask=partial(Image.new, "L", (16, 16), 255),
            cluster=f"u{unit}",
        )

    concepts = tuple(
        Concept(name, tuple(image(name, unit, value + more) for unit, value in enumerate(base)))
        for name, more in (("light", brighter), ("dark", 0.0))
    )
    return ConceptBank(
        name="people",
        title="People",
        source="test",
        concepts=concepts,
        digest="",
        contrasts=(GroupContrast("light", "dark", ("unit",)),),
        cutout="ellipse",
    )


@pytest.fixture
def context(tmp_path: Path) -> AuditContext:
    model = tiny_model()
    settings = Settings(
        model="test:tiny",
        classes=("bright",),
        in_context=True,
        min_images=10,
        permutations=999,
        bootstrap=200,
    )
    return AuditContext(model, settings, model.labels, (), "float32", silent, tmp_path)


def scenes_record(count: int, source: str = "impressions") -> ClassImages:
    return ClassImages(
        source=source, found=count, used=count, dropped=0, dropped_unreadable=0, dropped_misclassified=0,
        learned=count, heldout=0, digest="",
    )  # fmt: skip


def scenes(context: AuditContext, count: int = 12) -> Scenes:
    pixels = context.model.pixels(striped(count, vertical=True, rng=np.random.default_rng(1)))
    shown = (pixels.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    record = scenes_record(count)
    return scenes_of(context, context.model.labels[BRIGHT], ImageSet(shown, ("",) * count, record, ()))


def pairs(bank: ConceptBank, context: AuditContext, technical: NDArray[np.float64] = NOTHING) -> People:
    return people_of(bank, sample_groups(lay_out(bank), settings=context.settings)[0], 0, technical)


def measured(context: AuditContext, bank: ConceptBank, **more: object) -> Measured:
    label = context.model.labels[int(str(more.get("label", BRIGHT)))]
    return Measured(context, pairs(bank, context), label, more.get("scenes", scenes(context)), 1)  # type: ignore[arg-type]


def test_a_planted_difference_is_found_with_its_sign_and_is_the_mean_over_units(
    context: AuditContext,
) -> None:
    one = measured(context, people(60))
    finding = one.finding()
    concluded = conclude_all([finding])[0]
    assert concluded.conclusion == "associated"
    kept = {key.rpartition("/")[2]: array for key, array in one.arrays().items()}
    change = kept["more"] - kept["less"]
    by_unit = [change[kept["unit"] == unit].mean() for unit in np.unique(kept["unit"])]
    assert finding.effect == pytest.approx(np.mean(by_unit), abs=1e-6)
    assert finding.mean is not None
    assert finding.mean_other is not None
    assert finding.mean - finding.mean_other == pytest.approx(finding.effect)
    assert (finding.independent, finding.independent_other) == (12, 12)
    assert finding.n == len(change)
    # The other way round it is the same with the other sign.
    turned = conclude_all([measured(context, people(-60)).finding()])[0]
    assert turned.conclusion == "negatively associated"


def test_the_effect_of_both_sizes_is_shown(context: AuditContext) -> None:
    one = measured(context, people(60))
    sizes = next(array for key, array in one.arrays().items() if key.endswith("/size"))
    assert [int((np.abs(sizes - size) < 1e-6).sum()) for size in (0.36, 0.26)] == [48, 48]
    finding = one.finding()
    assert [v.name for v in finding.variants] == [
        "people at 36% of the picture's height",
        "people at 26% of the picture's height",
    ]
    assert finding.variants[0].effect > finding.variants[1].effect > 0  # a larger person is more light


def test_pairs_exchanged_by_lot_show_nothing(context: AuditContext) -> None:
    both = pairs(people(60, units=30), context)
    p = []
    for seed in range(12):
        swapped = both.exchanged_by_lot(np.random.default_rng(seed))
        one = Measured(context, swapped, context.model.labels[BRIGHT], scenes(context), 1)
        p.append(one.finding().p_value or 0)
    assert sum(value <= 0.05 for value in p) <= 3
    assert max(p) > 0.3


def test_a_change_that_image_quality_explains_is_not_claimed(context: AuditContext) -> None:
    bank = people(60, units=30)
    brightness = [float(np.asarray(i.load()).mean()) for c in bank.concepts for i in c.images]
    told = Measured(
        context,
        pairs(bank, context, np.array(brightness)[:, None]),
        context.model.labels[BRIGHT],
        scenes(context),
        1,
    )
    concluded = conclude_all([told.finding()])[0]
    assert (concluded.conclusion, concluded.withheld) == ("inconclusive", True)
    assert "technical properties" in concluded.reason
    noise = np.random.default_rng(9).normal(size=(60, 2))
    free = Measured(
        context, pairs(bank, context, noise), context.model.labels[BRIGHT], scenes(context), 1
    ).finding()
    assert conclude_all([free])[0].conclusion == "associated"
    assert "at equal image quality" in [v.name for v in free.variants]


def test_equal_twins_show_exactly_nothing(context: AuditContext) -> None:
    both = pairs(people(0), context)
    same = replace(both, pairs=tuple(replace(pair, less=pair.more) for pair in both.pairs))
    finding = Measured(context, same, context.model.labels[BRIGHT], scenes(context), 1).finding()
    assert (finding.effect, finding.p_value) == (0.0, 1.0)


def test_a_class_out_of_the_question_gives_no_absence(context: AuditContext) -> None:
    finding = measured(context, people(0), label=1).finding()  # horizontal: its stripes are nowhere
    check = next(c for c in finding.checks if c.name == "the class is in question")
    assert check.passed is False
    assert check.forbids == "absence"


def test_too_few_pictures_of_the_class_forbid_a_conclusion(context: AuditContext) -> None:
    finding = measured(context, people(60), scenes=scenes(context, FEWEST_SCENES - 1)).finding()
    concluded = conclude_all([finding])[0]
    assert concluded.conclusion == "inconclusive"
    assert f"{FEWEST_SCENES - 1} independent pictures of the class, need {FEWEST_SCENES}" in concluded.reason


def test_copies_of_a_photo_are_one_scene(context: AuditContext) -> None:
    rng = np.random.default_rng(8)
    photos = rng.integers(0, 255, (3, 16, 16, 3)).astype(np.uint8)
    record = scenes_record(12, "folder")
    copies = np.concatenate([photos, photos, photos, photos])
    shown = scenes_of(context, context.model.labels[BRIGHT], ImageSet(copies, ("",) * 12, record, ()))
    finding = measured(context, people(60), scenes=shown).finding()
    assert (finding.independent_other, finding.n) == (3, 96)
    assert "3 independent pictures of the class" in conclude_all([finding])[0].reason


def test_without_pictures_of_the_class_it_is_not_measured_and_says_why(context: AuditContext) -> None:
    concluded = conclude_all([measured(context, people(60), scenes="none was found").finding()])[0]
    assert concluded.conclusion == "not measured"
    assert "no pictures of the class: none was found" in concluded.reason


def test_where_the_model_does_not_tell_the_groups_apart_nothing_is_measured(context: AuditContext) -> None:
    both = pairs(people(60), context)
    unseen = replace(both, groups=replace(both.groups, reason="the model does not see the difference"))
    finding = Measured(context, unseen, context.model.labels[BRIGHT], scenes(context), 1).finding()
    assert conclude_all([finding])[0].reason == "the model does not see the difference"


def test_groups_that_are_not_matched_have_no_pairs(context: AuditContext) -> None:
    bank = replace(people(60), contrasts=(GroupContrast("light", "dark"),))
    concluded = conclude_all([measured(context, bank).finding()])[0]
    assert "not matched" in concluded.reason


def test_a_bank_that_screens_gives_no_verdict(context: AuditContext) -> None:
    bank = replace(people(60), screening=True)
    assert conclude_all([measured(context, bank).finding()])[0].conclusion == "screening"


# A whole audit, on the shipped bank.


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in-context")
    model = tiny_model()
    for name in ("vertical", "bright"):
        save_striped(model, folder / "photos" / name, 16, vertical=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditor.audit.prepare.load_model", lambda *_, **__: tiny_model())
        auditor.audit.run_audit(
            Settings(
                model="test:tiny", classes=("vertical",), banks=("presentation",),
                images=str(folder / "photos"), out=folder / "a", in_context=True, permutations=999,
                bootstrap=200, occluder_iterations=5,
                refits=1, reference_classes=0, formats=("html", "markdown", "csv", "junit"),
            )
        )  # fmt: skip
    return folder / "a"


def in_context_of(folder: Path) -> Finding:
    return next(f for f in read_audit(folder).findings if f.kind == "in context")


def test_an_audit_stores_it_and_every_format_tells_it(audited: Path) -> None:
    audit, finding = read_audit(audited), in_context_of(audited)
    assert [f.kind for f in audit.findings] == ["contrast", "in context"]
    assert finding.p_value is not None
    assert finding.independent == 36
    assert "1 test of contrasts in context" in audit.family
    page = render_format(audit, audited, name="html").decode()
    assert "Contrasts in context" in page
    assert f"in {finding.independent_other} pictures of the class, 36 independent pairs" in page
    assert page.count("pasted in.") >= 4
    assert " in context" in render_format(audit, audited, name="markdown").decode()
    assert "(in context)" in render_format(audit, audited, name="junit").decode()
    table = list(csv.DictReader(render_format(audit, audited, name="csv").decode().splitlines()))
    row = next(row for row in table if row["kind"] == "in context")
    assert float(row["effect"]) == pytest.approx(finding.effect)


def test_a_stored_effect_follows_from_the_stored_arrays(audited: Path) -> None:
    finding = in_context_of(audited)
    with np.load(audited / "arrays.npz") as arrays:
        key = f"class/{finding.class_index}/in-context/presentation/{finding.subject}"
        change, unit = arrays[f"{key}/more"] - arrays[f"{key}/less"], arrays[f"{key}/unit"]
    by_unit = [change[unit == one].mean() for one in np.unique(unit)]
    assert finding.effect == pytest.approx(np.mean(by_unit), abs=1e-6)


def test_a_gate_holds_it_against_a_rule_that_asks_for_it(audited: Path) -> None:
    audit = read_audit(audited)
    for pictures, kind in (("alone", "contrast"), ("in context", "in context")):
        rule = Contrast.model_validate({"largest_difference": 0.5, "pictures": pictures})
        policy = Policy(format_version=2, contrast=[rule], allow_screening=True)
        rulings = judge(audit, policy, today=date(2026, 11, 27)).rulings
        assert {r.kind for r in rulings} == {kind}


def test_what_cannot_be_pasted_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.audit.prepare.load_model", lambda *_, **__: tiny_model())
    for name in ("a", "b"):
        save_striped(tiny_model(), tmp_path / "bank" / name, 3, vertical=name == "a")
    settings = Settings(
        model="test:tiny", classes=("vertical",), banks=(str(tmp_path / "bank"),), in_context=True,
        min_images=2, out=tmp_path / "a",
    )  # fmt: skip
    with pytest.raises(InputError, match="--in-context: the people of none of the banks can be pasted"):
        auditor.audit.run_audit(settings)
    with pytest.raises(ValueError, match="in_context and scores_only"):
        Settings(model="test:tiny", classes=("vertical",), in_context=True, scores_only=True)


# Pairs are whole.


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(shipped()["presentation"], tmp_path / "bank")
    return tmp_path / "bank"


def test_an_incomplete_pair_is_refused_by_name(copied: Path) -> None:
    (copied / "images" / "styled-man" / "p07-bust.jpg").unlink()
    with pytest.raises(InputError, match=r"styled-woman/p07-bust.jpg': has no twin in group 'styled-man'"):
        load_bank(str(copied))


def test_twins_of_different_size_are_refused(copied: Path) -> None:
    lock = copied / "bank.lock.json"
    text = lock.read_text()
    start = text.index("styled-man/p07-bust.jpg")
    lock.write_text(text[:start] + text[start:].replace('"width": 224', '"width": 200', 1))
    with pytest.raises(InputError, match=r"has another size \(.*200 x 224.*\)"):
        load_bank(str(copied))


def test_a_changed_mask_is_found(copied: Path) -> None:
    before = load_bank(str(copied))
    mask = copied / "masks" / "styled-man" / "p07-bust.png"
    Image.new("L", (224, 224)).save(mask)
    image = next(i for c in before.concepts for i in c.images if i.name.endswith("styled-man/p07-bust.jpg"))
    assert image.mask is not None
    with pytest.raises(InputError, match="changed"):
        image.mask()


def test_every_bust_has_a_mask_that_holds_a_person() -> None:
    for name in ("presentation", "appearance"):
        for concept in load_bank(name).concepts:
            for image in concept.images:
                assert (image.mask is not None) == (image.covariates["crop"] == "bust")
                if image.mask is not None and image.name.endswith("0-bust.jpg"):
                    cover = np.asarray(image.mask(), np.float64) / 255
                    assert 0.2 < cover.mean() < 0.8
                    assert cover[150:, 90:130].mean() > 0.9  # the chest
