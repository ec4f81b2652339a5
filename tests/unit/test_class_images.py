"""Which images stand for a class, and what is said of those that do not."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from auditor.errors import InputError
from auditor.images.class_images import ImageRequest, ImageSet, collect
from auditor.images.folder import class_folder
from auditor.images.impressions import ImpressionSettings, make_impressions
from auditor.models.loaded import ClassLabel
from tests.tiny import SIDE, save_striped, tiny_model

MODEL = tiny_model()
save = partial(save_striped, MODEL)


def gather(root: Path | str, *, most: int = 60, heldout: float = 0.25, index: int = 0) -> ImageSet:
    wanted = ImageRequest(
        source=str(root),
        most=most,
        heldout=heldout,
        noise=0.04,
        rotation=5,
        batch=4,
        impressions=ImpressionSettings(count=6, steps=60, jitter=0, rotation=0, zoom=0),
    )
    return collect(wanted, MODEL, MODEL.labels[index], generator=torch.Generator().manual_seed(0))


def test_only_recognised_images_are_used_and_the_rest_is_counted(tmp_path: Path) -> None:
    save(tmp_path / "vertical", 8, vertical=True)
    save(tmp_path / "vertical", 3, vertical=False, start=50)
    (tmp_path / "vertical" / "zero.jpg").write_bytes(b"")
    found = gather(tmp_path)
    record = found.record
    assert (record.found, record.used, record.dropped) == (12, 8, 4)
    assert (record.dropped_unreadable, record.dropped_misclassified) == (1, 3)
    assert (record.learned, record.heldout) == (6, 2)
    assert [s.what for s in found.skipped] == ["image 'vertical/zero.jpg'"]
    assert found.inputs(MODEL).shape == (8, 3, SIDE, SIDE)
    assert record.digest != gather(tmp_path, most=6).record.digest


def test_no_more_than_asked_for(tmp_path: Path) -> None:
    save(tmp_path / "0", 11, vertical=True)
    assert gather(tmp_path, most=6).record.used == 6


def test_too_few_recognised_is_refused_with_the_numbers(tmp_path: Path) -> None:
    save(tmp_path / "vertical", 5, vertical=False)
    with pytest.raises(InputError, match="recognises 0 of 5 as the class; needed: 4 or more"):
        gather(tmp_path)


@pytest.mark.parametrize("name", ["340", "n02391049", "Spider-Web", "spider_web", "arachnid net"])
def test_folder_is_found_by_index_synset_or_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "other").mkdir()
    label = ClassLabel(340, "spider web", "n02391049", ("spider web", "arachnid net"))
    assert class_folder(tmp_path, label, [label]) == tmp_path / name


def test_folder_problems_are_named(tmp_path: Path) -> None:
    label = ClassLabel(0, "vertical", "", ("vertical",))
    with pytest.raises(InputError, match="no folder for class 'vertical'"):
        class_folder(tmp_path, label, [label])
    (tmp_path / "0").mkdir()
    (tmp_path / "vertical").mkdir()
    with pytest.raises(InputError, match="0, vertical all stand for class 'vertical'"):
        class_folder(tmp_path, label, [label])
    with pytest.raises(InputError, match="there is no such folder"):
        class_folder(tmp_path / "nowhere", label, [label])


NUMBERS = tuple(ClassLabel(i, str(i + 1), "", (str(i + 1),)) for i in range(3))
"""Classes called 1, 2 and 3, as of folders of those names: their indices are 0, 1 and 2."""


def test_folders_called_by_numbers_that_are_names(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        (tmp_path / name).mkdir()
    found = [class_folder(tmp_path, label, NUMBERS).name for label in NUMBERS]
    assert found == ["1", "2", "3"]  # 3 is no index: these are names


def test_folders_called_by_numbers_that_are_indices(tmp_path: Path) -> None:
    for name in ("0", "1", "2"):
        (tmp_path / name).mkdir()
    found = [class_folder(tmp_path, label, NUMBERS).name for label in NUMBERS]
    assert found == ["0", "1", "2"]  # 0 is no name: these are indices


def test_folders_that_can_be_read_both_ways_are_refused(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
    with pytest.raises(
        InputError, match=r"folder '1' is class '1' \(index 0\) by name and class '2' \(index 1"
    ):
        class_folder(tmp_path, NUMBERS[0], NUMBERS)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / f"index-{path.name}")
    assert class_folder(tmp_path, NUMBERS[1], NUMBERS).name == "index-1"


def test_folders_that_can_be_read_neither_way_are_refused(tmp_path: Path) -> None:
    for name in ("0", "3"):
        (tmp_path / name).mkdir()
    with pytest.raises(
        InputError, match=r"folder '3' is class '3' \(index 2\) by name and no class by index"
    ):
        class_folder(tmp_path, NUMBERS[2], NUMBERS)


def test_impressions_are_recognised_and_reproducible() -> None:
    one, two = (gather("impressions", heldout=0.5, index=2) for _ in range(2))
    assert one.record.source == "impressions"
    assert one.record.found == 6
    assert (one.pixels == two.pixels).all()
    assert (MODEL.module(one.inputs(MODEL)).argmax(1) == 2).all()


def test_impressions_raise_the_logit_and_differ_from_each_other() -> None:
    settings = ImpressionSettings(count=4, steps=20, batch=3, jitter=2)
    made = make_impressions(MODEL, 1, settings=settings, generator=torch.Generator().manual_seed(1))
    start = make_impressions(
        MODEL,
        1,
        settings=ImpressionSettings(count=4, steps=0, batch=3),
        generator=torch.Generator().manual_seed(1),
    )
    assert (MODEL.module(made)[:, 1] > MODEL.module(start)[:, 1]).all()
    assert float((made[0] - made[1]).abs().mean()) > 0.05
    low, high = MODEL.bounds()
    assert (made >= low).all()
    assert (made <= high).all()


def test_a_folder_that_stands_for_two_classes_is_refused(tmp_path: Path) -> None:
    red = ClassLabel(0, "shirt, red", "", ("shirt, red", "shirt", "red"))
    blue = ClassLabel(1, "shirt, blue", "", ("shirt, blue", "shirt", "blue"))
    (tmp_path / "shirt").mkdir()
    with pytest.raises(
        InputError, match=r"folder 'shirt' stands for 'shirt, red' \(0\) and for 'shirt, blue' \(1"
    ):
        class_folder(tmp_path, red, [red, blue])
    (tmp_path / "blue").mkdir()
    (tmp_path / "shirt").rmdir()
    assert class_folder(tmp_path, blue, [red, blue]).name == "blue"


def test_a_folder_belongs_to_the_class_that_is_called_so(tmp_path: Path) -> None:
    shirt = ClassLabel(0, "shirt, red", "", ("shirt, red", "shirt", "red"))
    red = ClassLabel(1, "red", "", ("red",))
    (tmp_path / "red").mkdir()
    assert class_folder(tmp_path, red, [shirt, red]).name == "red"
    with pytest.raises(InputError, match="no folder for class 'shirt, red'"):
        class_folder(tmp_path, shirt, [shirt, red])
