"""Preprocessing as a file states it, checked before a picture is made by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from auditor.errors import InputError
from auditor.records import InputSpec
from auditor.settings import Interpolation

INTERPOLATIONS = get_args(Interpolation)
CROP_MODES = get_args(InputSpec.model_fields["crop_mode"].annotation)
SMALLEST, LARGEST = 16, 4096


def checked(where: str, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of InputSpec, of the right kinds and within range.

    Args:
        where: names the file in errors.
        stated: fields of InputSpec, any of them.

    Raises:
        InputError: one of them is not what it must be.
    """
    found: dict[str, Any] = {}
    try:
        for key, value in stated.items():
            found[key] = _READ[key](value)
    except (TypeError, ValueError, OverflowError) as failure:
        raise InputError(
            f"{where}: states {key} {value!r}, which no picture can be given; "
            "needed: a copy without it, and the flags for preprocessing"
        ) from failure
    return found


def _size(value: Any) -> tuple[int, int, int]:
    channels, height, width = (int(v) for v in value)
    if channels not in (1, 3) or not all(SMALLEST <= v <= LARGEST for v in (height, width)):
        raise ValueError("out of range")
    return channels, height, width


def _crop(value: Any) -> float:
    if not 0 < float(value) <= 1:
        raise ValueError("out of range")
    return float(value)


def _interpolation(value: Any) -> str:
    if value not in INTERPOLATIONS:
        raise ValueError("unknown")
    return str(value)


def _crop_mode(value: Any) -> str:
    if value not in CROP_MODES:
        raise ValueError("unknown")
    return str(value)


def _mean(value: Any) -> tuple[float, ...]:
    found = tuple(float(v) for v in value)
    if len(found) not in (1, 3) or not all(0 <= v <= 1 for v in found):
        raise ValueError("out of range")
    return found


def _std(value: Any) -> tuple[float, ...]:
    found = _mean(value)
    if not all(found):
        raise ValueError("zero")
    return found


_READ = {
    "size": _size,
    "crop": _crop,
    "crop_mode": _crop_mode,
    "interpolation": _interpolation,
    "mean": _mean,
    "std": _std,
}
