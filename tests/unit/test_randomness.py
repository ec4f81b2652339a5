"""Every purpose has its own stream, and the same one everywhere."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from auditor.randomness import stream


def raw(*purpose: str | int, seed: int = 0) -> list[int]:
    """The first bits of a stream: NumPy promises that they stay the same over its versions."""
    return [int(value) for value in stream(seed, *purpose).bit_generator.random_raw(2)]


def test_the_same_purpose_gives_the_same_draws() -> None:
    assert raw("contrast", "apron", 411) == raw("contrast", "apron", 411)
    first = stream(3, "matching").normal(size=5)
    np.testing.assert_array_equal(stream(3, "matching").normal(size=5), first)


def test_the_same_draws_on_every_machine() -> None:
    """Written down once: whoever changes them changes every published number."""
    # PCG64, seeded with the first 16 bytes of the SHA-256 of "0", "contrast", "apron", "411" with null
    # characters between them.
    assert raw("contrast", "apron", 411) == [358730245523845766, 17388598488049718554]
    assert raw("größe", seed=7) == [14350817726736494115, 17229214924554980475]


PURPOSES: list[tuple[str | int, ...]] = [
    (),
    ("",),
    ("", ""),
    ("a",),
    ("b",),
    ("a", "b"),
    ("b", "a"),
    ("ab",),
    ("a", "b", ""),
    ("a b",),
    ("a", 1),
    ("a", 11),
    ("a1",),
    ("a", 1, 1),
    ("A",),
]


def test_any_other_purpose_gives_other_draws() -> None:
    seen = {(seed, *purpose): raw(*purpose, seed=seed) for seed in (0, 1, -1) for purpose in PURPOSES}
    for one, two in itertools.combinations(seen, 2):
        assert seen[one] != seen[two], (one, two)


def test_a_number_is_its_digits() -> None:
    assert raw("class", 7) == raw("class", "7")


def test_streams_of_neighbouring_classes_have_nothing_in_common() -> None:
    rows = np.stack([stream(0, "association", "textures", k).normal(size=4000) for k in range(12)])
    correlation = np.corrcoef(rows)[np.triu_indices(12, 1)]
    # 66 correlations of independent rows: each has standard error 1 / sqrt(4000).
    assert np.abs(correlation).max() < 4.5 / np.sqrt(4000)
    assert rows.mean() == pytest.approx(0.0, abs=4.5 / np.sqrt(rows.size))


def test_one_more_draw_for_one_purpose_moves_no_other() -> None:
    before = stream(0, "b").normal(size=3)
    stream(0, "a").normal(size=1000)
    np.testing.assert_array_equal(stream(0, "b").normal(size=3), before)
