"""The whole pipeline on a tiny network made by hand: same seed, same audit; resumed, same audit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

import auditor.audit
import auditor.audit.occluders
import auditor.audit.prepare
from auditor.audit.scores_first import NOT_YET
from auditor.banks.starting import start_manifest
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.explain.reference_classes import ReferenceClasses
from auditor.explain.stage_one import StageOne, run_stage_one
from auditor.files import load_arrays
from auditor.images.decode import decode_image
from auditor.progress import Silent
from auditor.records import Audit
from auditor.settings import Settings
from auditor.store.directory import read_audit, result_digest
from tests.tiny import SIDE, striped, tiny_model

CONCEPTS = ("stripes", "crossbars", "dots")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three concepts of twelve pictures each that the tiny network tells apart.

    Each pattern fills other parts of its picture: the same everywhere, pictures would be copies.
    """
    root = tmp_path_factory.mktemp("bank")
    rng = np.random.default_rng(0)
    wave = np.where(np.arange(SIDE) // 2 % 2 == 0, 1.0, -1.0)
    shapes = {
        "stripes": np.broadcast_to(wave[None, :], (SIDE, SIDE)),
        "crossbars": np.broadcast_to(wave[:, None], (SIDE, SIDE)),
        "dots": np.outer(wave, wave),
    }
    for name in CONCEPTS:
        (root / name).mkdir()
        for i in range(12):
            parts = np.kron(rng.random((8, 8)) < 0.5, np.ones((SIDE // 8, SIDE // 8)))
            pattern = shapes[name] * parts * rng.uniform(60, 110)
            values = 127 + pattern + rng.normal(0, 30, (SIDE, SIDE))
            Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB").save(
                root / name / f"{i}.png"
            )
    return root


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor.audit.prepare, "load_model", lambda *_args, **_more: tiny_model())


def settings(bank: Path, out: Path, **more: object) -> Settings:
    values: dict[str, object] = {
        "model": "test:tiny", "classes": ("bright",), "banks": (str(bank),), "out": out,
        "cache": out.parent / "cache", "device": "cpu", "precision": "float32", "formats": ("html",),
        "n_impressions": 8, "impression_steps": 60, "occluder_lr": 0.05, "refits": 2, "reference_classes": 2,
        "runs": 5, "permutations": 199, "bootstrap": 200, "min_images": 10,
    }  # fmt: skip
    return Settings.model_validate({**values, **more})


@pytest.fixture(scope="module")
def plain(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Audit, Path]:
    """One audit as ``settings`` has it, and its directory; not to be changed."""
    out = tmp_path_factory.mktemp("plain") / "a"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditor.audit.prepare, "load_model", lambda *_args, **_more: tiny_model())
        return auditor.audit.run_audit(settings(bank, out)), out


WITHOUT_REPORT: dict[str, object] = {"formats": ("csv",)}
"""For audits of which nobody reads the page: its charts take as long as all else."""


@pytest.mark.usefixtures("tiny")
def test_same_seed_same_audit_and_it_follows_the_published_schema(
    plain: tuple[Audit, Path], bank: Path, tmp_path: Path
) -> None:
    one, out = plain
    two = auditor.audit.run_audit(settings(bank, tmp_path / "two" / "a"))
    assert result_digest(one) == result_digest(two)
    other = auditor.audit.run_audit(settings(bank, tmp_path / "three" / "a", seed=1, **WITHOUT_REPORT))
    assert result_digest(one) != result_digest(other)

    written = json.loads((out / "audit.json").read_text())
    schema = json.loads((Path(auditor.__file__).parent / "schemas" / "audit-3.schema.json").read_text())
    jsonschema.validate(written, schema)
    result = one.classes[0]
    assert result.images is not None
    assert result.images.source == "impressions"
    assert [f.subject for f in one.findings] == sorted(CONCEPTS)
    assert sum(c.paper_score or 0 for c in result.concepts) == pytest.approx(1)
    assert [(c.name, c.concerns) for c in result.sanity_checks] == [
        ("random occluder", "explanation"),
        ("another class's occluder", "explanation"),
        ("random concept", "associations"),
        ("randomised weights", "associations"),
    ]
    arrays = load_arrays(out / "arrays.npz")
    assert arrays[f"class/2/response/{one.banks[0].name}"].shape == (len(arrays["temperatures"]), 36)
    assert (out / "report.html").stat().st_size > 10_000
    assert all((out / p.path).is_file() for p in result.pictures)
    assert not (out / ".work").exists()


def _references(context: AuditContext) -> ReferenceClasses:
    """Four further classes for a network of three: "bright" with exchanged channels, hiding nothing."""
    own = run_stage_one(context, context.classes[0])

    def other(k: int) -> StageOne:
        channels = {layer: np.roll(rows, k, axis=1) for layer, rows in own.importance.items()}
        return replace(own, importance=channels, perturbations=np.zeros_like(own.perturbations))

    channels = {layer.name: layer.channels for layer in context.layers}
    return ReferenceClasses(tuple(map(other, range(1, 5))), (), channels)


@pytest.mark.usefixtures("tiny")
def test_importance_is_measured_concluded_and_stored(
    plain: tuple[Audit, Path], bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, _ = plain
    assert {detail.importance for detail in few.classes[0].concepts} == {None}
    assert ("importance of concepts (AfI)", "0 reference classes, need 4 to know how far classes differ") in [
        (skip.what, skip.reason) for skip in few.skipped
    ]
    monkeypatch.setattr(auditor.audit.occluders, "learn_reference_classes", _references)
    audit = auditor.audit.run_audit(settings(bank, tmp_path / "a", **WITHOUT_REPORT))
    found = {detail.concept: detail.importance for detail in audit.classes[0].concepts}
    assert sorted(found) == sorted(CONCEPTS)
    for one in found.values():
        assert one is not None
        assert one.effect == pytest.approx(one.signed - one.reference)
        assert one.adjusted_low < one.low < one.effect < one.high < one.adjusted_high
        assert one.family == 3
        assert one.p_adjusted is not None
        assert one.p_adjusted >= max(one.p_benchmark, one.p_class)
        assert one.signed == pytest.approx(np.mean([layer.importance for layer in one.layers]))
        assert one.reason != "not concluded yet"
    # Nothing else moves.
    assert [f.effect for f in audit.findings] == [f.effect for f in few.findings]


def test_a_score_is_the_difference_of_two_means_of_e(plain: tuple[Audit, Path]) -> None:
    """From the stored responses alone, every effect can be made again."""
    audit, out = plain
    arrays = load_arrays(out / "arrays.npz")
    name = audit.banks[0].name
    label, cluster = arrays[f"bank/{name}/label"], arrays[f"bank/{name}/cluster"]
    e = arrays[f"class/2/response/{name}"][list(arrays["temperatures"]).index(1.0)]
    names = [c.name for c in audit.banks[0].concepts]

    def unit_mean(concept: str) -> float:
        own = label == names.index(concept)
        return float(np.mean([e[own & (cluster == c)].mean() for c in np.unique(cluster[own])]))

    for finding in audit.findings:
        others = [unit_mean(other) for other in names if other != finding.subject]
        assert finding.effect == pytest.approx(unit_mean(finding.subject) - np.mean(others), abs=1e-5)
        assert finding.mean is not None
        assert finding.mean_other is not None
        assert finding.effect == pytest.approx(finding.mean - finding.mean_other)


@pytest.mark.usefixtures("tiny")
def test_a_bank_with_counterfactuals_is_compared_with_them_pair_by_pair(bank: Path, tmp_path: Path) -> None:
    root = tmp_path / "bank"
    shutil.copytree(bank, root)
    path = start_manifest(root)
    rng = np.random.default_rng(1)
    for concept in CONCEPTS:  # written after the manifest, which would take it for a concept
        folder = root / "without" / concept
        folder.mkdir(parents=True)
        for i in range(12):
            values = 127 + rng.normal(0, 12, (SIDE, SIDE))
            Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB").save(folder / f"{i}.png")
    text = path.read_text(encoding="utf-8").replace("[reference]\n", '[reference]\nfolder = "without"\n')
    path.write_text(text.replace("min_images = 30", "min_images = 10"), encoding="utf-8")

    found = auditor.audit.run_audit(settings(root, tmp_path / "counterfactuals" / "a"))
    name = found.banks[0].name
    assert found.banks[0].compared_with == "the same pictures without the concept"
    arrays = load_arrays(tmp_path / "counterfactuals" / "a" / "arrays.npz")
    response = arrays["class/2/response/" + name][list(arrays["temperatures"]).index(1.0)]
    counterfactual, cluster = arrays[f"bank/{name}/counterfactual"], arrays[f"bank/{name}/cluster"]
    for place, concept in enumerate(c.name for c in found.banks[0].concepts):
        own = np.flatnonzero(arrays[f"bank/{name}/label"] == place)
        difference = response[own] - response[counterfactual[own]]
        units = [difference[cluster[own] == c].mean() for c in np.unique(cluster[own])]
        finding = next(f for f in found.findings if f.subject == concept)
        assert finding.effect == pytest.approx(np.mean(units), abs=2e-4)
        assert (finding.n, finding.independent) == (12, len(units))

    (root / "without" / "dots" / "3.png").unlink()  # half a pairing is none
    again = auditor.audit.run_audit(settings(root, tmp_path / "control" / "a", **WITHOUT_REPORT))
    assert again.banks[0].compared_with == "the bank's reference images"
    assert {f.n_other for f in again.findings} == {35}


@pytest.fixture
def groups(bank: Path, tmp_path: Path) -> Path:
    """The bank with two of its concepts set against each other."""
    root = tmp_path / "bank"
    shutil.copytree(bank, root)
    path = start_manifest(root)
    text = path.read_text(encoding="utf-8").replace("min_images = 30", "min_images = 10")
    path.write_text(text + '\n[[contrasts]]\nmore = "stripes"\nless = "dots"\n', encoding="utf-8")
    return root


@pytest.mark.usefixtures("tiny")
def test_groups_that_are_set_against_each_other_make_no_finding_of_their_own(
    groups: Path, tmp_path: Path
) -> None:
    audit = auditor.audit.run_audit(settings(groups, tmp_path / "out" / "a"))
    assert [(f.kind, f.subject) for f in audit.findings] == [
        ("association", "crossbars"),
        ("contrast", "stripes/dots"),
    ]
    assert audit.banks[0].groups == ["dots", "stripes"]
    contrast = audit.findings[1]
    assert contrast.mean is not None
    assert contrast.mean_other is not None
    assert contrast.effect == pytest.approx(contrast.mean - contrast.mean_other)
    assert audit.family == (
        "1 test of concepts, corrected together (1 class times 1 concept); "
        "1 test of contrasts, corrected together (1 class times 1 contrast)"
    )


@pytest.mark.usefixtures("tiny")
def test_random_photos_serve_the_papers_score_alone(
    plain: tuple[Audit, Path], bank: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(3)
    for i in range(15):
        Image.fromarray(rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)).save(photos / f"{i}.png")
    without, _ = plain
    having = auditor.audit.run_audit(settings(bank, tmp_path / "two" / "a", benchmark=photos))
    assert having.findings == without.findings
    assert having.classes[0].concepts != without.classes[0].concepts
    labels = load_arrays(tmp_path / "two" / "a" / "arrays.npz")[f"bank/{having.banks[0].name}/label"]
    assert len(labels) == 36


@pytest.mark.usefixtures("tiny")
def test_every_picture_of_a_bank_is_decoded_and_shown_once(
    bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def counted(data: bytes) -> Image.Image:
        decoded.append(len(data))
        return decode_image(data)

    monkeypatch.setattr("auditor.banks.read.folder.decode_image", counted)
    audit = auditor.audit.run_audit(settings(bank, tmp_path / "a", scores_only=True, **WITHOUT_REPORT))
    assert len(decoded) == 36
    (check,) = [c for c in audit.classes[0].sanity_checks if c.name == "randomised weights"]
    assert check.observed is None  # three concepts are too few for a rank correlation


@pytest.mark.usefixtures("tiny")
def test_scores_alone_are_those_of_a_whole_audit(
    plain: tuple[Audit, Path], bank: Path, tmp_path: Path
) -> None:
    whole, _ = plain
    alone = auditor.audit.run_audit(
        settings(bank, tmp_path / "two" / "a", scores_only=True, images=str(tmp_path / "no such folder"))
    )
    assert alone.findings == whole.findings
    (result,) = alone.classes
    assert not result.explanation.measured
    assert result.explanation.reason == "not asked for: the audit was run with --scores-only"
    assert (result.images, result.occluder, result.layers, result.pictures) == (None, None, [], [])
    assert [c.responses for c in result.concepts] == [c.responses for c in whole.classes[0].concepts]
    assert {c.concerns for c in result.sanity_checks} == {"associations"}
    assert "--scores-only" in (tmp_path / "two" / "a" / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    "more",
    [
        {"classes": ("horizontal", "bright")},  # another class beside it
        {"reference_classes": 1},
        {"runs": 7},
        {"refits": 3},
    ],
)
def test_no_draw_for_one_purpose_moves_a_number_of_another(
    plain: tuple[Audit, Path], bank: Path, tmp_path: Path, more: dict[str, object]
) -> None:
    def of_bright(audit: Audit) -> list[dict[str, object]]:
        # What depends on the number of tests corrected together may move.
        kept = {"effect", "low", "high", "p_value", "mean", "mean_other", "class_share"}
        return [f.model_dump(include=kept) for f in audit.findings if f.class_name == "bright"]

    asked = auditor.audit.run_audit(settings(bank, tmp_path / "a", **more, **WITHOUT_REPORT))
    assert of_bright(asked) == of_bright(plain[0]) != []


class StopsAt(Silent):
    """Presses Ctrl-C when a stage begins."""

    def __init__(self, name: str) -> None:
        self.name = name

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Silent]:
        if self.name in name:
            raise KeyboardInterrupt
        yield self


class Listens(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Counts(Silent):
    """Counts the steps of each stage, nested ones apart."""

    def __init__(self) -> None:
        self.steps: dict[str, tuple[int | None, list[int]]] = {}

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Silent]:
        done: list[int] = []

        class Counted(Silent):
            def advance(self, n: int = 1) -> None:
                done.append(n)

        self.steps[name] = (total, done)
        yield Counted()


@pytest.mark.usefixtures("tiny")
def test_the_stage_of_pictures_advances_with_every_part_of_a_class(bank: Path, tmp_path: Path) -> None:
    counts = Counts()
    audit = auditor.audit.run_audit(settings(bank, tmp_path / "a", **WITHOUT_REPORT), progress=counts)
    total, done = counts.steps["pictures"]
    (result,) = audit.classes
    kinds = [picture.kind for picture in result.pictures]
    overlaid = {picture.concept for picture in result.pictures if picture.kind == "overlay"}
    assert kinds.count("detector") > 0
    assert total == sum(done) == 2 + kinds.count("detector") + len(overlaid)
    assert set(done) == {1}


@pytest.mark.usefixtures("tiny")
def test_scores_come_first_and_an_interrupted_audit_goes_on_and_ends_the_same(
    bank: Path, tmp_path: Path
) -> None:
    classes = {"classes": ("bright", "2", "horizontal")}
    counts = Counts()
    whole = auditor.audit.run_audit(settings(bank, tmp_path / "whole" / "a", **classes), progress=counts)
    assert any(name.endswith(": detectors") for name in counts.steps)
    wanted = settings(bank, tmp_path / "cut" / "a", **classes, formats=("html", "csv"))
    with pytest.raises(KeyboardInterrupt):
        auditor.audit.run_audit(wanted, progress=StopsAt("horizontal: images"))
    first = read_audit(wanted.out)
    assert first.findings == read_audit(tmp_path / "whole" / "a").findings
    assert {one.explanation.reason for one in first.classes} == {NOT_YET}
    assert (wanted.out / "report.html").is_file()
    assert not (wanted.out / "findings.csv").exists()

    heard, counts = Listens(), Counts()
    counts.note = heard.note  # type: ignore[method-assign]
    resumed = auditor.audit.run_audit(wanted, progress=counts)
    assert any("bright: learned before" in note for note in heard.notes)
    assert not any("scores are in" in note for note in heard.notes)
    assert not any(name.endswith(": detectors") for name in counts.steps)  # one pass serves both
    assert resumed.findings == whole.findings
    assert resumed.classes == [
        one.model_copy(update={"duration_s": again.duration_s})
        for one, again in zip(whole.classes, resumed.classes, strict=True)
    ]
    assert not (wanted.out / ".work").exists()
    with pytest.raises(InputError, match="--overwrite"):
        auditor.audit.run_audit(wanted)


@pytest.mark.usefixtures("tiny")
def test_explanations_are_added_to_scores_alone(
    plain: tuple[Audit, Path], bank: Path, tmp_path: Path
) -> None:
    alone = settings(bank, tmp_path / "a", scores_only=True, refits=1, **WITHOUT_REPORT)
    auditor.audit.run_audit(alone)
    with pytest.raises(InputError, match="--overwrite"):
        auditor.audit.run_audit(settings(bank, alone.out, seed=1))
    with pytest.raises(InputError, match="--overwrite"):
        auditor.audit.run_audit(alone)
    heard = Listens()
    whole = auditor.audit.run_audit(settings(bank, alone.out), progress=heard)
    assert result_digest(whole) == result_digest(plain[0])
    stages = [note.strip().partition("  ")[2] for note in heard.notes[-7:]]
    assert {"images", "occluders", "statistics", "pictures", "report", "everything else"} <= set(stages)


@pytest.mark.usefixtures("tiny")
def test_directory_with_another_audit_is_left_alone(
    plain: tuple[Audit, Path], bank: Path, tmp_path: Path
) -> None:
    wanted = settings(bank, tmp_path / "a")
    first, out = plain
    shutil.copytree(out, wanted.out)
    with pytest.raises(InputError, match=r"holds an audit of test:tiny from .*--overwrite"):
        auditor.audit.run_audit(wanted)
    assert result_digest(read_audit(wanted.out)) == result_digest(first)
    again: Audit = auditor.audit.run_audit(wanted.model_copy(update={"overwrite": True}))
    assert result_digest(again) == result_digest(first)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("zebra",)}, "class 'zebra'"),
        ({"banks": ("nowhere",)}, "nowhere"),
        ({"layers": ("layer9",)}, "pattern 'layer9'"),
        ({"permutations": 99, "alpha": 0.01}, "need 299 or more"),
        ({"min_images": 20}, "need"),
        ({"device": "cuda"}, "torch sees none"),
        ({"images": "/nowhere"}, "there is no such folder"),
        ({"benchmark": Path("/nowhere")}, "/nowhere"),
    ],
)
def test_bad_requests_end_in_one_line_and_leave_nothing(
    bank: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as refused:
        auditor.audit.run_audit(settings(bank, tmp_path / "a", **change))
    assert "\n" not in str(refused.value)
    assert not any(tmp_path.glob("a/*"))


@pytest.mark.usefixtures("tiny")
def test_a_class_without_usable_images_is_scored_and_its_explanation_is_not_measured(
    bank: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    for name, brightness in (("bright", 230), ("vertical", 230)):  # grey pictures are no vertical stripes
        (photos / name).mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (SIDE, SIDE), (brightness + i,) * 3).save(photos / name / f"{i}.png")
    wanted = {"classes": ("bright", "vertical"), "images": str(photos)}
    audit = auditor.audit.run_audit(settings(bank, tmp_path / "one" / "a", **wanted))
    bright, vertical = audit.classes
    assert bright.images is not None
    assert bright.images.source == "folder"
    assert vertical.images is None
    assert vertical.occluder is None
    assert not vertical.explanation.measured
    assert "recognises 0 of 6" in vertical.explanation.reason
    assert vertical.layers == []
    assert all(c.paper_score is None and c.layers == [] for c in vertical.concepts)
    assert [c.name for c in vertical.sanity_checks] == ["random concept", "randomised weights"]
    own = [f for f in audit.findings if f.class_name == "vertical"]
    assert {f.subject: f.conclusion for f in own}["stripes"] == "associated"

    both = {"classes": ("bright", "vertical"), **WITHOUT_REPORT}
    made = auditor.audit.run_audit(settings(bank, tmp_path / "two" / "a", **both))
    assert [f for f in made.findings if f.class_name == "vertical"] == own  # scores rest on no stage one


@pytest.mark.usefixtures("tiny")
def test_an_occluder_that_does_not_hold_explains_nothing(bank: Path, tmp_path: Path) -> None:
    """Learned for one step of almost no length, it changes no held-out image."""
    photos = tmp_path / "photos" / "vertical"
    photos.mkdir(parents=True)
    for i, picture in enumerate(
        tiny_model().pixels(striped(12, vertical=True, rng=np.random.default_rng(5)))
    ):
        values = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        Image.fromarray(values).save(photos / f"{i}.png")
    wanted = {"classes": ("vertical",), "images": str(photos.parent), "occluder_iterations": 1}
    audit = auditor.audit.run_audit(settings(bank, tmp_path / "a", occluder_lr=1e-6, **wanted))
    result = audit.classes[0]
    assert result.occluder is not None
    assert not result.explanation.measured
    assert "held-out" in result.explanation.reason
    assert result.layers == []
    assert all(c.paper_score is None for c in result.concepts)
    assert {c.name: c.passed for c in result.sanity_checks if c.concerns == "explanation"} == {
        "random occluder": None,
        "another class's occluder": None,
    }
    assert {f.subject: f.conclusion for f in audit.findings}["stripes"] == "associated"


def with_clusters(bank: Path, root: Path, cluster: str) -> Path:
    """The bank, its images named ``<place>.png``, with a ``[cluster]`` and two groups."""
    shutil.copytree(bank, root)
    path = start_manifest(root)
    text = path.read_text(encoding="utf-8").replace("min_images = 30", "min_images = 10")
    text += f'\n[cluster]\nof = "photo"\n{cluster}\n'
    path.write_text(text + '\n[[contrasts]]\nmore = "stripes"\nless = "dots"\n', encoding="utf-8")
    return root


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("cluster", "association", "contrast", "said"),
    [
        # All images of a concept are of one cluster: nothing is independent.
        ("name_pattern = '^([^/]+)/'", "not measured", "not measured", "1 independent image, need 2"),
        # All images of the bank are of one cluster, which lies in both groups as well.
        ("name_pattern = '([.]png)'", "not measured", "not measured", "1 independent image, need 2"),
        # Two clusters a concept: an effect, but too few to conclude from.
        ("name_pattern = '^([^/]+/[01])'", "inconclusive", "inconclusive", "independent images, need 10"),
    ],
)
def test_clusters_decide_what_may_be_said(
    bank: Path, tmp_path: Path, cluster: str, association: str, contrast: str, said: str
) -> None:
    root = with_clusters(bank, tmp_path / "bank", cluster)
    if "[01]" in cluster:  # keep only what the pattern names
        for concept in CONCEPTS:
            for i in range(2, 10):
                (root / concept / f"{i}.png").rename(root / concept / f"1{i}.png")
    audit = auditor.audit.run_audit(settings(root, tmp_path / "out" / "a"))
    found = {f.kind: f for f in audit.findings}
    assert found["association"].conclusion == association
    assert found["contrast"].conclusion == contrast
    assert said in found["association"].reason
    assert found["contrast"].reason
    assert "images of one photo count as one" in audit.banks[0].clusters


@pytest.mark.usefixtures("tiny")
def test_clusters_of_one_image_each_change_nothing(bank: Path, tmp_path: Path) -> None:
    own = with_clusters(bank, tmp_path / "own", "name_pattern = '^(.+)[.]png'")
    none = with_clusters(bank, tmp_path / "none", "name_pattern = '^([^/]+/11)[.]'")
    one = auditor.audit.run_audit(settings(own, tmp_path / "one" / "a", **WITHOUT_REPORT))
    two = auditor.audit.run_audit(settings(none, tmp_path / "two" / "a", **WITHOUT_REPORT))
    effects = [[(f.effect, f.independent, f.conclusion) for f in audit.findings] for audit in (one, two)]
    assert effects[0] == effects[1]


@pytest.mark.usefixtures("tiny")
def test_margin_zero_is_a_margin(bank: Path, tmp_path: Path) -> None:
    audit = auditor.audit.run_audit(
        settings(bank, tmp_path / "a", margin=0, contrast_margin=0, classes=("vertical",), **WITHOUT_REPORT)
    )
    found = {f.subject: f.conclusion for f in audit.findings}
    assert found["stripes"] == "associated"
    assert "not associated" not in found.values()


@pytest.mark.usefixtures("tiny")
def test_the_short_form_of_an_evaluation_stands_in_the_report_and_is_verified(
    bank: Path, tmp_path: Path
) -> None:
    from auditor.evaluate.short import short_form
    from auditor.store.evaluations import read_evaluation
    from auditor.verify import verify

    out = tmp_path / "a"
    wanted = settings(bank, out, formats=("html", "pdf"), classes=("bright", "vertical"), seed=3)
    auditor.audit.run_audit(wanted, short_form=short_form)
    found = read_evaluation(out)
    assert [one.step for one in found.experiments] == ["attack", "distillation"]
    assert found.model.weights_sha256 == tiny_model().sha256
    page = (out / "report.html").read_text()
    assert "How faithful is this audit?" in page
    for answer in found.experiments[0].answers:
        assert answer.sentence in page
    (out / "evaluation.json").rename(tmp_path / "elsewhere.json")
    checks = {check.name: check.outcome for check in verify(out / "report.pdf").checks}
    assert checks["report.pdf: numbers"] == "ok"  # the file carries its own evaluation
    again = wanted.model_copy(update={"overwrite": True, "formats": ("html",)})
    auditor.audit.run_audit(again)
    assert "How faithful is this audit?" not in (out / "report.html").read_text()
