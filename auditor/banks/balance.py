"""Matches two groups of images on covariates that should not differ between them.

A contrast of images labelled man with images labelled woman measures age and light if the former are
older and darker. So each image is paired with one of the other group from the same stratum
(categories agree exactly) that is nearest in the numbers (standardised, within a caliper), by optimal
assignment. Images without a partner are not used. Balance is measured by standardised mean differences
before and after (Austin 2009, doi:10.1002/sim.3697); 0.1 or less counts as balanced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
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
_NOT_STATED = "not stated"


@dataclass(frozen=True)
class Matching:
    """Pairs of comparable images, and how comparable the groups are with and without matching."""

    more: tuple[int, ...]
    """Positions in the first group; the i-th is paired with the i-th of ``less``."""
    less: tuple[int, ...]
    strata: tuple[str, ...]
    """Stratum of each pair: the categories that agree."""
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
    strata = [
        " | ".join(str(image.covariates.get(name, _NOT_STATED)) for name in categories) for image in both
    ]
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
    pairs = sorted(best[1]) if best else []
    caliper = best[2] if best else None
    first, second = [i for i, _ in pairs], [j - len(more) for _, j in pairs]
    return Matching(
        more=tuple(first),
        less=tuple(second),
        strata=tuple(strata[i] for i, _ in pairs),
        balance=balance_table(
            more, less, [more[i] for i in first], [less[j] for j in second], numbers, categories
        ),
        caliper=caliper,
        ignored=tuple(name for name in match if name not in stated),
        reason="" if best else f"too few matched images: {largest} pairs, need {min_pairs}",
    )


def balance_table(
    more: Sequence[BankImage],
    less: Sequence[BankImage],
    more_used: Sequence[BankImage],
    less_used: Sequence[BankImage],
    numbers: Sequence[str],
    categories: Sequence[str],
) -> tuple[CovariateBalance, ...]:
    """Standardised mean differences of every number and of every category's values."""
    rows = []
    for name in numbers:
        before, after = (
            smd([_number(i, name) for i in a], [_number(i, name) for i in b])
            for a, b in ((more, less), (more_used, less_used))
        )
        rows.append(CovariateBalance(covariate=name, smd_before=before, smd_after=after))
    for name in categories:
        values = Counter(str(i.covariates.get(name, _NOT_STATED)) for i in (*more, *less))
        for value in sorted(values):
            before, after = (
                smd(
                    [float(str(i.covariates.get(name, _NOT_STATED)) == value) for i in a],
                    [float(str(i.covariates.get(name, _NOT_STATED)) == value) for i in b],
                )
                for a, b in ((more, less), (more_used, less_used))
            )
            rows.append(CovariateBalance(covariate=f"{name}: {value}", smd_before=before, smd_after=after))
    return tuple(rows)


def smd(a: Sequence[float], b: Sequence[float]) -> float | None:
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


def _number(image: BankImage, name: str) -> float:
    value = image.covariates.get(name)
    return float(value) if isinstance(value, int | float) else float("nan")


def _standardised(images: Sequence[BankImage], numbers: Sequence[str]) -> NDArray[np.float64]:
    """[images, numbers], NaN where an image does not state one: it cannot be matched."""
    x = np.array([[_number(image, name) for name in numbers] for image in images], float)
    x = x.reshape(len(images), len(numbers))
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
    if x.shape[1] == 0:
        return 0.0
    first, second = (x[[pair[side] for pair in pairs]] for side in (0, 1))
    found = [smd(list(first[:, k]), list(second[:, k])) for k in range(x.shape[1])]
    return max((abs(value) if value is not None else float("inf")) for value in found)
