"""Agreement between impressions and photos: known answers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.impressions import agreement, specific


def test_agreement_is_the_mean_rank_correlation_over_classes() -> None:
    up, down = np.array([1.0, 2.0, 3.0, 9.0]), np.array([9.0, 3.0, 2.0, 1.0])
    assert agreement({0: up}, {0: up**3}) == pytest.approx(1.0)
    assert agreement({0: up, 1: up}, {0: up, 1: down}) == pytest.approx(0.0)


def test_what_classes_share_is_no_agreement() -> None:
    rng = np.random.default_rng(0)
    shared = 10 * rng.normal(size=200)
    photos = {c: shared + rng.normal(size=200) for c in range(6)}
    impressions = {c: shared + rng.normal(size=200) for c in range(6)}
    assert agreement(photos, impressions) > 0.9
    assert abs(agreement(specific(photos), specific(impressions))) < 0.1
