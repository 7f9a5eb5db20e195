"""Types of the values in `params.yaml`: strict, finite, and with the limits of their kind."""

from __future__ import annotations

import datetime
import itertools
import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema


def parameter(description: str, unit: str = "", **limits: Any) -> Any:
    """Return the field of a parameter. A number has a unit, such as `rows`, `seconds`, or `ratio` where it has none."""
    return Field(description=description, json_schema_extra={"unit": unit} if unit else None, **limits)


class Section(BaseModel):
    """A section of `params.yaml`: keys without a default are required, and unknown keys are rejected."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)


Count = Annotated[int, Field(ge=1)]
"""A whole number, 1 or more."""
Whole = Annotated[int, Field(ge=0)]
"""A whole number, 0 or more."""
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Inside = Annotated[float, Field(gt=0, lt=1)]
"""Between 0 and 1, exclusive."""
Percent = Annotated[int, Field(ge=0, le=100)]


def _plain(value: Any) -> Any:
    """Return `value` if JSON can represent it. Raises ValueError with the first item that JSON cannot represent."""
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
        raise ValueError(f"{value} is a date; quote it to make it a string")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    if not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"{value!r} is not a number, string, boolean, list or mapping")


Free = Annotated[
    Any, BeforeValidator(_plain), WithJsonSchema({"title": "a number, string, boolean, null, list or mapping"})
]
"""A value that only the problem interprets."""


def _increasing(values: list[float]) -> list[float]:
    if any(after <= before for before, after in itertools.pairwise(values)):
        raise ValueError("the numbers must increase")
    return values


Edges = Annotated[list[float], AfterValidator(_increasing)]
"""Bounds of a histogram."""
