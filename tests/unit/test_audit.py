"""The whole pipeline on a tiny network made by hand: same seed, same audit; resumed, same audit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

import auditor.audit
from auditor.banks.starting import start_manifest
from auditor.errors import InputError
from auditor.progress import Silent
from auditor.records import Audit
from auditor.settings import Settings
from auditor.store import load_arrays, read_audit, result_digest
from tests.tiny import SIDE, tiny_model

CONCEPTS = ("stripes", "crossbars", "dots")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three concepts of twelve pictures each that the tiny network tells apart."""
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
            values = 127 + shapes[name] * rng.uniform(40, 100) + rng.normal(0, 12, (SIDE, SIDE))
            Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB").save(
                root / name / f"{i}.png"
            )
    return root


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor.audit, "load_model", lambda *_args, **_more: tiny_model())


def settings(bank: Path, out: Path, **more: object) -> Settings:
    values: dict[str, object] = {
        "model": "test:tiny", "classes": ("bright",), "banks": (str(bank),), "out": out,
        "cache": out.parent / "cache", "device": "cpu", "precision": "float32", "formats": ("html",),
        "n_impressions": 8, "impression_steps": 60, "occluder_lr": 0.05, "refits": 2, "panel": 2,
        "runs": 5, "permutations": 199, "bootstrap": 200, "min_images": 10,
    }  # fmt: skip
    return Settings.model_validate({**values, **more})


@pytest.mark.usefixtures("tiny")
def test_same_seed_same_audit_and_it_follows_the_published_schema(bank: Path, tmp_path: Path) -> None:
    one = auditor.audit.run_audit(settings(bank, tmp_path / "one" / "a"))
    two = auditor.audit.run_audit(settings(bank, tmp_path / "two" / "a"))
    assert result_digest(one) == result_digest(two)
    other = auditor.audit.run_audit(settings(bank, tmp_path / "three" / "a", seed=1))
    assert result_digest(one) != result_digest(other)

    written = json.loads((tmp_path / "one" / "a" / "audit.json").read_text())
    schema = json.loads((Path(auditor.__file__).parent / "schemas" / "audit-1.schema.json").read_text())
    jsonschema.validate(written, schema)
    result = one.classes[0]
    assert result.images.source == "impressions"
    assert {c.concept for c in result.concepts} == set(CONCEPTS)
    assert sum(c.paper_score or 0 for c in result.concepts) == pytest.approx(1)
    assert {c.name for c in result.controls} == {
        "random occluder", "another class's occluder", "random concept", "permuted channels",
        "randomised weights",
    }  # fmt: skip
    arrays = load_arrays(tmp_path / "one" / "a" / "arrays.npz")
    assert arrays[f"class/2/response/{one.banks[0].name}"].shape[1] == 36
    assert (tmp_path / "one" / "a" / "report.html").stat().st_size > 10_000
    assert all((tmp_path / "one" / "a" / p.path).is_file() for p in result.pictures)
    assert not (tmp_path / "one" / "a" / ".work").exists()


@pytest.mark.usefixtures("tiny")
def test_a_bank_with_twins_is_compared_with_them_pair_by_pair(bank: Path, tmp_path: Path) -> None:
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
    text = path.read_text(encoding="utf-8").replace("[control]\n", '[control]\nfolder = "without"\n')
    path.write_text(text.replace("min_images = 30", "min_images = 10"), encoding="utf-8")

    found = auditor.audit.run_audit(settings(root, tmp_path / "twins" / "a"))
    name = found.banks[0].name
    assert found.banks[0].compared_with == "the same pictures without the concept"
    arrays = load_arrays(tmp_path / "twins" / "a" / "arrays.npz")
    response, twin = arrays["class/2/response/" + name][0], arrays[f"bank/{name}/twin"]
    for place, concept in enumerate(c.name for c in found.banks[0].concepts):
        own = np.flatnonzero(arrays[f"bank/{name}/label"] == place)
        expected = np.mean([response[i] - response[twin[i]] for i in own])
        result = next(c for c in found.classes[0].concepts if c.concept == concept)
        assert result.score == pytest.approx(expected, abs=2e-4)
        assert (result.n, result.n_benchmark) == (12, 12)

    (root / "without" / "dots" / "3.png").unlink()  # half a pairing is none
    again = auditor.audit.run_audit(settings(root, tmp_path / "control" / "a"))
    assert again.banks[0].compared_with == "the bank's control images"
    assert {c.n_benchmark for c in again.classes[0].concepts} == {35}


@pytest.mark.usefixtures("tiny")
def test_groups_that_are_set_against_each_other_make_no_finding_of_their_own(
    bank: Path, tmp_path: Path
) -> None:
    root = tmp_path / "bank"
    shutil.copytree(bank, root)
    path = start_manifest(root)
    text = path.read_text(encoding="utf-8").replace("min_images = 30", "min_images = 10")
    path.write_text(text + '\n[[contrasts]]\nmore = "stripes"\nless = "dots"\n', encoding="utf-8")
    found = auditor.audit.run_audit(settings(root, tmp_path / "out" / "a")).classes[0]
    by_name = {c.concept: c for c in found.concepts}
    for side in ("stripes", "dots"):
        assert by_name[side].direction == "inconclusive"
        assert "told by the contrasts" in by_name[side].reason
    assert "told by the contrasts" not in by_name["crossbars"].reason
    assert [(c.more, c.less) for c in found.contrasts] == [("stripes", "dots")]


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


@pytest.mark.usefixtures("tiny")
def test_interrupted_audit_goes_on_and_ends_the_same(bank: Path, tmp_path: Path) -> None:
    classes = {"classes": ("bright", "2", "horizontal")}
    whole = auditor.audit.run_audit(settings(bank, tmp_path / "whole" / "a", **classes))
    wanted = settings(bank, tmp_path / "cut" / "a", **classes)
    with pytest.raises(KeyboardInterrupt):
        auditor.audit.run_audit(wanted, progress=StopsAt("statistics"))
    assert not (wanted.out / "audit.json").exists()
    heard = Listens()
    resumed = auditor.audit.run_audit(wanted, progress=heard)
    assert any("bright: learned before" in note for note in heard.notes)
    assert result_digest(resumed) == result_digest(whole)


@pytest.mark.usefixtures("tiny")
def test_directory_with_another_audit_is_left_alone(bank: Path, tmp_path: Path) -> None:
    wanted = settings(bank, tmp_path / "a")
    first = auditor.audit.run_audit(wanted)
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
def test_a_class_that_cannot_be_audited_is_skipped_and_named(bank: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name, brightness in (("bright", 230), ("vertical", 230)):  # grey pictures are no vertical stripes
        (photos / name).mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (SIDE, SIDE), (brightness + i,) * 3).save(photos / name / f"{i}.png")
    audit = auditor.audit.run_audit(
        settings(bank, tmp_path / "a", classes=("bright", "vertical"), images=str(photos))
    )
    assert [c.name for c in audit.classes] == ["bright"]
    assert audit.classes[0].images.source == "folder"
    assert any(s.what == "class 'vertical'" and "recognises 0 of 6" in s.reason for s in audit.skipped)
