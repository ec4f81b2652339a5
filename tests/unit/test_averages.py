"""Averages in place of images that may not be shown."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from auditor.banks.averages import CELLS, SIDE, average_of, average_pictures
from auditor.banks.bank import BankImage, Concept, ConceptBank


def image(name: str, pixels: np.ndarray) -> BankImage:
    return BankImage(name=name, load=lambda: Image.fromarray(pixels, "RGB"), sha256=name.rjust(64, "0"))


def flat(count: int, value: int, *, size: int = 48) -> tuple[BankImage, ...]:
    return tuple(image(f"{value}-{i}", np.full((size, size, 3), value, np.uint8)) for i in range(count))


def bank(*concepts: Concept, **options: bool) -> ConceptBank:
    given = {"report_images": False, **options}
    return ConceptBank("faces", "Faces", "csv", concepts, "0" * 64, **given)  # type: ignore[arg-type]


def test_the_mean_of_all_images() -> None:
    mean = average_of((*flat(20, 0), *flat(20, 204)))
    assert mean.shape == (CELLS, CELLS, 3)
    np.testing.assert_allclose(mean, 0.4, atol=1e-9)


def test_images_of_several_sizes_and_shapes_count_alike() -> None:
    wide = np.zeros((24, 96, 3), np.uint8)
    wide[:, 48:] = 255
    mean = average_of((*flat(15, 100, size=60), *(image(f"w{i}", wide) for i in range(15))))
    np.testing.assert_allclose(mean[:, 0], 50 / 255, atol=1e-9)
    np.testing.assert_allclose(mean[:, -1], (100 + 255) / 2 / 255, atol=1e-9)


def test_never_from_fewer_than_30_images() -> None:
    with pytest.raises(ValueError, match="29 images, an average needs 30"):
        average_of(flat(29, 9))
    records, files = average_pictures(
        bank(Concept("few", flat(29, 9)), Concept("enough", flat(30, 10))), place=0
    )
    assert [(record.concept, record.n) for record in records] == [("enough", 30)]
    assert list(files) == [records[0].path]


def test_detail_is_gone_from_the_stored_picture() -> None:
    # One image among 30 with detail finer than a cell: what is stored cannot be told from its cells' mean.
    rng = np.random.default_rng(0)
    size = CELLS * 16
    detail = (rng.random((size, size, 1)) > 0.5).astype(np.uint8).repeat(3, 2) * 255
    means = detail.reshape(CELLS, 16, CELLS, 16, 3).mean((1, 3)).round().astype(np.uint8)
    blocks = means.repeat(16, 0).repeat(16, 1)
    rest = flat(29, 128, size=size)
    stored = [
        next(iter(average_pictures(bank(Concept("c", (image("x", pixels), *rest))), place=0)[1].values()))
        for pixels in (detail, blocks)
    ]
    assert stored[0] == stored[1]


def test_what_the_record_says() -> None:
    records, files = average_pictures(bank(Concept("men", flat(31, 9), title="man")), place=1)
    (record,) = records
    assert record.kind == "average"
    assert record.alt == (
        "Average of 31 images labelled man in bank faces, reduced to 8 x 8 cells; shows no person."
    )
    with Image.open(io.BytesIO(files[record.path])) as picture:
        assert picture.size == (record.width, record.height) == (SIDE, SIDE)
    again = average_pictures(bank(Concept("men", flat(31, 9), title="man")), place=1)
    assert again == (records, files)


def test_an_owner_may_refuse_and_open_banks_need_none() -> None:
    concept = Concept("men", flat(30, 9))
    assert average_pictures(bank(concept, report_averages=False), place=0) == ([], {})
    assert average_pictures(replace(bank(concept), report_images=True), place=0) == ([], {})
