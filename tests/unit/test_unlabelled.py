"""Photos without labels: which of them stand for a class, and what stands for it where too few do."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import auditor.audit
import auditor.audit.prepare
import auditor.images.unlabelled
from auditor.errors import InputError
from auditor.images.class_images import ImageRequest, ImageSet, collect_unlabelled
from auditor.images.impressions import ImpressionSettings
from auditor.images.unlabelled import UNREADABLE, Unlabelled, look_through
from auditor.models.loaded import LoadedModel
from auditor.progress import silent
from auditor.records import Audit
from auditor.report.view.audit import build_view
from auditor.settings import Settings
from tests.tiny import SIDE, save_striped, tiny_model

MODEL = tiny_model()
save = partial(save_striped, MODEL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve photos of vertical stripes, three of horizontal ones in a folder of their own, a broken one."""
    photos = tmp_path / "photos"
    save(photos, 12, vertical=True)
    save(photos / "vertical", 3, vertical=False, start=50)
    (photos / "zero.jpg").write_bytes(b"")
    return photos


def look(folder: Path, cache: Path, model: LoadedModel = MODEL) -> Unlabelled:
    return look_through(model, folder, batch=4, cache=cache, progress=silent)


def gather(photos: Unlabelled, index: int, *, most: int = 60) -> ImageSet:
    wanted = ImageRequest(
        source="impressions",
        most=most,
        heldout=0.25,
        noise=0.04,
        rotation=5,
        batch=4,
        impressions=ImpressionSettings(count=6, steps=60),
    )
    generator = torch.Generator().manual_seed(0)
    return collect_unlabelled(photos, wanted, MODEL, MODEL.labels[index], generator=generator)


def test_the_model_says_what_a_photo_is_and_folder_names_say_nothing(folder: Path, tmp_path: Path) -> None:
    photos = look(folder, tmp_path)
    assert photos.taken_for.tolist() == [0] * 12 + [1] * 3 + [UNREADABLE]
    assert photos.readable == 15
    assert [skip.what for skip in photos.skipped] == ["image 'zero.jpg'"]
    found = gather(photos, 0)
    record = found.record
    assert (record.source, record.found, record.used, record.dropped_misclassified) == (
        "unlabelled", 15, 12, 3,
    )  # fmt: skip
    assert (record.learned, record.heldout, record.dropped_unreadable) == (9, 3, 0)
    assert found.names == tuple(f"{i:03d}.png" for i in range(12))
    assert (MODEL.module(found.inputs(MODEL)).argmax(1) == 0).all()


def test_no_more_than_asked_for(folder: Path, tmp_path: Path) -> None:
    record = gather(look(folder, tmp_path), 0, most=9).record
    assert (record.used, record.found) == (9, 12)  # three horizontal ones; three vertical ones not looked at


def test_too_few_are_refused_with_the_numbers(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes 3 of 15 photos for 'horizontal', plain and transformed"):
        gather(look(folder, tmp_path), 1)


def test_photos_pass_once_until_they_or_the_model_change(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = []
    decode = auditor.images.unlabelled.decode_image
    monkeypatch.setattr(
        auditor.images.unlabelled, "decode_image", lambda path: passed.append(path) or decode(path)
    )
    first = look(folder, tmp_path)
    assert len(passed) == 16
    again = look(folder, tmp_path)
    assert len(passed) == 16
    assert (again.taken_for == first.taken_for).all()
    assert again.skipped == first.skipped
    look(folder, tmp_path, replace(MODEL, sha256="another"))
    assert len(passed) == 32
    look_through(MODEL, folder, batch=4, cache=tmp_path, progress=silent, built_with=("act_layer=silu",))
    assert len(passed) == 48
    save(folder, 1, vertical=True, start=90)
    assert look(folder, tmp_path).readable == 16


def test_a_link_to_nothing_is_listed(folder: Path, tmp_path: Path) -> None:
    (folder / "link.png").symlink_to(folder / "gone.png")
    assert [skip.what for skip in look(folder, tmp_path).skipped] == ["image 'link.png'", "image 'zero.jpg'"]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bank")
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("middle", 120), ("light", 190)):
        (root / name).mkdir()
        for i in range(12):
            values = rng.normal(level, 40, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
            Image.fromarray(values).convert("RGB").save(root / name / f"{i}.png")
    return root


def audited(bank: Path, out: Path, **more: object) -> Audit:
    values: dict[str, object] = {
        "model": "test:tiny", "classes": ("vertical", "bright"), "banks": (str(bank),), "out": out,
        "cache": out.parent / "cache", "device": "cpu", "precision": "float32", "formats": ("csv",),
        "n_impressions": 8, "impression_steps": 60, "occluder_lr": 0.05, "occluder_iterations": 20,
        "refits": 2, "reference_classes": 0, "runs": 5, "permutations": 199, "bootstrap": 200,
        "min_images": 10,
    }  # fmt: skip
    return auditor.audit.run_audit(Settings.model_validate({**values, **more}))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor.audit.prepare, "load_model", lambda *_args, **_more: tiny_model())


@pytest.mark.usefixtures("tiny")
def test_an_audit_takes_photos_where_there_are_enough_and_impressions_elsewhere(
    bank: Path, folder: Path, tmp_path: Path
) -> None:
    audit = audited(bank, tmp_path / "one" / "a", unlabelled=folder)
    vertical, bright = audit.classes
    assert vertical.images is not None
    assert (vertical.images.source, vertical.images.used) == ("unlabelled", 12)
    assert vertical.skipped == []
    assert bright.images is not None
    assert bright.images.source == "impressions"
    assert [skip.what for skip in bright.skipped] == ["photos without labels for class 'bright'"]
    assert "takes 0 of 15 photos for 'bright'" in bright.skipped[0].reason
    assert bright.skipped[0].reason.endswith("impressions take their place")
    assert [skip.what for skip in audit.skipped if "zero" in skip.what] == ["image 'zero.jpg'"]

    view = build_view(audit)
    assert "photos without labels" in view.classes[0].images_sentence
    assert any("photos without labels" in fact.value for fact in view.facts)
    said = next(banner.text for banner in view.banners if banner.title == "Made without photos")
    assert said.startswith("No photos were found for ")
    assert "bright" in said.partition(":")[0]

    without = audited(bank, tmp_path / "two" / "a")
    assert without.classes[1].images == bright.images  # the search changes no impression


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("name", "message"), [("nowhere", "there is no such folder"), ("empty", "no image files; needed: photos")]
)
def test_a_folder_without_photos_is_refused_at_once(
    bank: Path, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        audited(bank, tmp_path / "a", unlabelled=tmp_path / name)
