"""Preprocessing as a file states it, checked before it is applied to an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from auditor.errors import InputError
from auditor.settings import Interpolation

_Side = Annotated[int, Field(ge=16, le=4096)]  # pixels
_Mean = Annotated[float, Field(ge=0, le=1)]
_Std = Annotated[float, Field(gt=0, le=1)]
_FIELDS: dict[str, TypeAdapter[Any]] = {
    "size": TypeAdapter(tuple[Literal[1, 3], _Side, _Side]),
    "crop": TypeAdapter(Annotated[float, Field(gt=0, le=1)]),
    "crop_mode": TypeAdapter(Literal["center", "squash", "border"]),
    "interpolation": TypeAdapter(Interpolation),
    "mean": TypeAdapter(tuple[_Mean] | tuple[_Mean, _Mean, _Mean]),
    "std": TypeAdapter(tuple[_Std] | tuple[_Std, _Std, _Std]),
}


def checked(where: str, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of InputSpec, of the right types and within range.

    Args:
        where: Names the file in errors.
        stated: Any fields of InputSpec.

    Raises:
        InputError: A value is of another type or out of range.
    """
    found: dict[str, Any] = {}
    for key, value in stated.items():
        try:
            found[key] = _FIELDS[key].validate_python(value)
        except ValidationError as failure:
            raise InputError(
                f"{where}: states {key} {value!r}, which is not possible; "
                "needed: a copy without it, and the flags for preprocessing"
            ) from failure
    return found
