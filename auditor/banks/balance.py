"""Matches two groups of images on covariates that should not differ between them.

A contrast of images labelled man with images labelled woman measures age and light if the former are
older and darker. So each image is paired with one of the other group from the same stratum
(categories agree exactly) that is nearest in the numbers (standardised, within a caliper), by optimal
assignment. Images without a partner are not used. Balance is measured by standardised mean differences
before and after (Austin 2009, doi:10.1002/sim.3697); 0.1 or less counts as balanced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from auditor.banks.bank import BankImage
from auditor.records import CovariateBalance

BALANCED = 0.1
"""Largest absolute standardised mean difference that counts as balanced."""
CALIPERS = (0.5, 0.35, 0.25, 0.15, 0.1)
"""Largest difference within a pair in each number, in its standard deviation; tried from the widest."""
MAX_STRATUM = 2_000
"""Images of a group in one stratum beyond which a random part is matched: assignment is cubic."""

_FORBIDDEN = 1e6


@dataclass(frozen=True)
class Matching:
    """Pairs of comparable images, and how comparable the groups are with and without matching."""

    more: tuple[int, ...]
    """Positions in the first group; the i-th is paired with the i-th of ``less``."""
    less: tuple[int, ...]
    balance: tuple[CovariateBalance, ...]
    caliper: float | None
    """The one used; None where no number was matched."""
    ignored: tuple[str, ...]
    """Covariates to match on that no image states."""
    reason: str
    """Why the contrast is inconclusive; empty if it is not."""


def match_groups(
    more: Sequence[BankImage],
    less: Sequence[BankImage],
    *,
    match: Sequence[str],
    min_pairs: int = 30,
    rng: np.random.Generator,
) -> Matching:
    """Pairs images of two groups on the covariates named in ``match``.

    A covariate is a number if every image that states it states a number, else a category. The
    caliper is the widest of :data:`CALIPERS` that balances all numbers, as long as ``min_pairs`` pairs
    are left; where none balances them, the most balanced one.

    Args:
        more: one group.
        less: the other.
        match: names of covariates.
        min_pairs: fewer pairs make the contrast inconclusive.
        rng: draws a part of strata that are too large.
    """
    both = [*more, *less]
    stated = [name for name in match if any(name in image.covariates for image in both)]
    numbers = [name for name in stated if is_numeric(both, name)]
    categories = [name for name in stated if name not in numbers]
    x = _standardised(both, numbers)
    strata = [" | ".join(_category(image, name) for name in categories) for image in both]
    groups = _strata(strata, len(more), rng)
    best: tuple[float, list[tuple[int, int]], float | None] | None = None
    largest = 0
    for caliper in CALIPERS if numbers else (None,):
        pairs = [pair for a, b in groups for pair in _assigned(x, a, b, caliper)]
        largest = max(largest, len(pairs))
        if len(pairs) < min_pairs:
            break
        worst = _worst(x, pairs)
        if best is None or worst < best[0]:
            best = worst, pairs, caliper
        if worst <= BALANCED:
            break
    first, second = np.array(sorted(best[1]) if best else [], np.int64).reshape(-1, 2).T
    columns = {name: _numbers(both, name) for name in numbers}
    for name in categories:
        of_image = np.array([_category(image, name) for image in both])
        columns |= {f"{name}: {value}": (of_image == value).astype(float) for value in sorted(set(of_image))}
    return Matching(
        more=tuple(first.tolist()),
        less=tuple((second - len(more)).tolist()),
        balance=tuple(
            CovariateBalance(
                covariate=name,
                smd_before=smd(x[: len(more)], x[len(more) :]),
                smd_after=smd(x[first], x[second]),
            )
            for name, x in columns.items()
        ),
        caliper=best[2] if best else None,
        ignored=tuple(name for name in match if name not in stated),
        reason="" if best else f"too few matched images: {largest} pairs, need {min_pairs}",
    )


def smd(a: ArrayLike, b: ArrayLike) -> float | None:
    """Difference of means over the root of the mean variance; None with fewer than 2 values each.

    Two constant groups differ by 0 if they are equal; otherwise the difference is undefined: None.
    """
    x, y = (np.asarray(v, float)[~np.isnan(np.asarray(v, float))] for v in (a, b))
    if len(x) < 2 or len(y) < 2:
        return None
    spread = np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2)
    difference = float(x.mean() - y.mean())
    if spread == 0:
        return 0.0 if difference == 0 else None
    return float(difference / spread)


def is_numeric(images: Sequence[BankImage], name: str) -> bool:
    """Whether a covariate is to be matched by distance."""
    values = [image.covariates[name] for image in images if name in image.covariates]
    return bool(values) and all(isinstance(value, int | float) for value in values)


def _category(image: BankImage, name: str) -> str:
    return str(image.covariates.get(name, "not stated"))


def _numbers(images: Sequence[BankImage], name: str) -> NDArray[np.float64]:
    """[images] NaN where an image does not state the number."""
    values = (image.covariates.get(name) for image in images)
    return np.array([value if isinstance(value, int | float) else np.nan for value in values], np.float64)


def _standardised(images: Sequence[BankImage], numbers: Sequence[str]) -> NDArray[np.float64]:
    """[images, numbers], NaN where an image does not state one: it cannot be matched."""
    x = np.array([_numbers(images, name) for name in numbers]).reshape(len(numbers), len(images)).T
    with np.errstate(invalid="ignore"):
        spread = np.array([np.nanstd(column) if len(column) else 0.0 for column in x.T])
    return np.asarray(x / np.where(spread > 0, spread, 1.0))


def _strata(
    strata: Sequence[str], count: int, rng: np.random.Generator
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    names = np.array(strata)
    groups = []
    for name in sorted(set(strata)):
        members = np.flatnonzero(names == name)
        sides = [members[members < count], members[members >= count]]
        if all(len(side) for side in sides):
            few = [
                np.sort(rng.choice(s, MAX_STRATUM, replace=False)) if len(s) > MAX_STRATUM else s
                for s in sides
            ]
            groups.append((few[0], few[1]))
    return groups


def _assigned(
    x: NDArray[np.float64], a: NDArray[np.int64], b: NDArray[np.int64], caliper: float | None
) -> list[tuple[int, int]]:
    """The largest set of pairs within the caliper; of several, the one with the smallest total distance."""
    gaps = np.abs(x[a][:, None, :] - x[b][None, :, :])
    if caliper is None:
        cost = np.zeros((len(a), len(b)))
    else:
        near = np.all(gaps <= caliper, axis=2)  # NaN is near to nothing
        cost = np.where(near, np.sqrt(np.nan_to_num(gaps**2).sum(axis=2)), _FORBIDDEN)
    rows, columns = linear_sum_assignment(cost)
    return [(int(a[i]), int(b[j])) for i, j in zip(rows, columns, strict=True) if cost[i, j] < _FORBIDDEN]


def _worst(x: NDArray[np.float64], pairs: Sequence[tuple[int, int]]) -> float:
    """Largest absolute standardised mean difference over the numbers, among the pairs."""
    first, second = (x[[pair[side] for pair in pairs]] for side in (0, 1))
    found = [smd(a, b) for a, b in zip(first.T, second.T, strict=True)]
    return max((abs(value) if value is not None else float("inf") for value in found), default=0.0)
