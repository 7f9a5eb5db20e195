"""Types of the values in `params.yaml`: strict, finite, and each with the limits that any value of its kind has."""

from __future__ import annotations

import datetime
import itertools
import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema


class Section(BaseModel):
    """A section of `params.yaml`: every key is required unless it has a default, and no other is allowed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)


Count = Annotated[int, Field(ge=1)]
"""A whole number, 1 or more."""
Whole = Annotated[int, Field(ge=0)]
"""A whole number, 0 or more."""
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Inside = Annotated[float, Field(gt=0, lt=1)]
"""Between 0 and 1, and neither."""
Percent = Annotated[int, Field(ge=0, le=100)]


def _plain(value: Any) -> Any:
    """Return `value` if JSON can carry it. Raises ValueError naming the first part that it cannot."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _plain_scalar(key)
            _plain(inner)
    elif isinstance(value, list):
        for inner in value:
            _plain(inner)
    else:
        _plain_scalar(value)
    return value


def _plain_scalar(value: Any) -> None:
    if isinstance(value, datetime.date):
        raise ValueError(f"{value} is a date; put it in quotes if it is text")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    if not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"{value!r} is no number, text, flag, list or mapping")


Free = Annotated[
    Any, BeforeValidator(_plain), WithJsonSchema({"title": "a number, text, true, false, null, a list or a mapping"})
]
"""A value whose meaning only the problem knows."""


def _increasing(values: list[float]) -> list[float]:
    if any(after <= before for before, after in itertools.pairwise(values)):
        raise ValueError("the numbers must increase")
    return values


Edges = Annotated[list[float], AfterValidator(_increasing)]
"""Bounds of a histogram."""
