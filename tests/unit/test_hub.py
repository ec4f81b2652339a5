"""Class images from a data set: the real library on a data set that lies on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.errors import InputError
from auditor.images.hub import read_hub
from auditor.models.loaded import ClassLabel
from auditor.records import Skipped

pytest.importorskip("datasets")

LABEL = ClassLabel(1, "spider web", "n04275548", ("spider web", "spider's web"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub") / "set"
    for name in ("n04275548", "zebra"):
        (root / "test" / name).mkdir(parents=True)
        for i in range(3):
            values = np.full((8, 8, 3), 40 * i + (100 if name == "zebra" else 0), np.uint8)
            Image.fromarray(values).save(root / "test" / name / f"{i}.png")
    return root


def test_rows_of_the_class_are_found_by_synset(photos: Path) -> None:
    skipped: list[Skipped] = []
    found = list(read_hub(f"{photos}", LABEL, 1000, skipped))
    assert [np.asarray(picture)[0, 0, 0] for _, picture in found] == [0, 40, 80]
    assert all(name.startswith("test/") for name, _ in found)
    assert not skipped


def test_what_is_missing_is_named(photos: Path) -> None:
    with pytest.raises(InputError, match="no split 'train'; it has test"):
        list(read_hub(f"{photos}:train", LABEL, 1000, []))
    with pytest.raises(InputError, match="none of its 2 classes is 'tench'"):
        list(read_hub(f"{photos}", ClassLabel(0, "tench", "n01440764", ("tench",)), 1000, []))
    with pytest.raises(InputError, match="could not be loaded"):
        list(read_hub("/nowhere/at/all", LABEL, 1000, []))
