"""A contrast is measured on matched pairs: what a covariate explains is not laid to the group."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast
from auditor.contrasting import contrast_groups
from auditor.records import ContrastResult
from auditor.settings import Settings

COUNT = 150


def contrasted(match: tuple[str, ...], *, apart: float, extra: float = 0.0) -> ContrastResult:
    """Responses follow brightness (and ``extra`` in the first group); groups differ in it by ``apart``."""
    rng = np.random.default_rng(0)
    light = {"women": rng.normal(0.4 + apart, 0.1, COUNT), "men": rng.normal(0.4, 0.1, COUNT)}
    concepts = tuple(
        Concept(
            name,
            tuple(
                BankImage(f"{name}/{i}", lambda: Image.new("RGB", (1, 1)), "0" * 64, {"brightness": float(v)})
                for i, v in enumerate(values)
            ),
        )
        for name, values in light.items()
    )
    bank = ConceptBank("b", "b", "folder", concepts, "0", contrasts=(GroupContrast("women", "men", match),))
    response = 10 * np.concatenate(list(light.values())) + np.repeat([extra, 0], COUNT)
    response = np.append(response + rng.normal(0, 0.3, 2 * COUNT), [99.0, 99.0])  # two beyond the bank
    layout: Any = SimpleNamespace(bank=bank, labels=np.append(np.repeat([0, 1], COUNT), [-1, -1]))
    responses: Any = SimpleNamespace(combined=lambda: response)
    settings = Settings(model="m", classes=("c",), permutations=199, bootstrap=200)
    (found,) = contrast_groups(
        layout, responses, settings=settings, specific=True, rng=np.random.default_rng(1)
    )
    return found


def test_matching_takes_away_what_the_covariate_explains() -> None:
    unmatched, matched = contrasted((), apart=0.08), contrasted(("brightness",), apart=0.08)
    assert unmatched.p_value is not None
    assert matched.p_value is not None
    assert matched.difference is not None
    assert unmatched.p_value < 0.02
    assert matched.p_value > 0.05
    assert abs(matched.difference) < 0.3
    assert not unmatched.matched
    assert matched.matched
    (row,) = matched.balance
    assert row.smd_before is not None
    assert row.smd_after is not None
    assert abs(row.smd_before) > 0.6
    assert abs(row.smd_after) <= 0.1


def test_matching_leaves_a_difference_that_is_there() -> None:
    found = contrasted(("brightness",), apart=0.05, extra=1.0)
    assert found.p_value is not None
    assert found.difference_low is not None
    assert found.p_value < 0.02
    assert found.difference_low > 0


def test_too_few_matched_images_are_inconclusive() -> None:
    found = contrasted(("brightness",), apart=1.5)
    assert found.direction == "inconclusive"
    assert found.reason.startswith("too few matched images")
    assert found.difference is None
    assert found.p_value is None
    assert (found.n_more, found.n_less) == (COUNT, COUNT)
