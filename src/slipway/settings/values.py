"""Types of the values in `params.yaml`: strict, finite, and with the limits of their kind."""

from __future__ import annotations

import datetime
import itertools
import math
import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema


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
T = TypeVar("T")


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; write at least a word")
    return text


NotBlank = Annotated[str, AfterValidator(_not_blank)]
"""A string with a visible character."""


def _day(value: Any) -> Any:
    """Return the day of a string. Raises ValueError for any other value, also for a date, which stops every `dvc`."""
    if type(value) is datetime.date:  # a datetime is a date too
        raise ValueError(f"{value} is a date, which DVC does not read; quote it: '{value}'")
    try:
        return datetime.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"{str(value)!r} is not a day; write it as '2026-01-31'") from None


Day = Annotated[
    datetime.date, BeforeValidator(_day), PlainSerializer(str), WithJsonSchema({"title": "a date as '2026-01-31'"})
]
"""A day of the calendar, as a string in the file."""


def _versions(value: Any) -> Any:
    """Return `value`, or an empty mapping for a key without a value. Raises ValueError for a key that is no version."""
    for key in value if isinstance(value, dict) else ():
        if not re.fullmatch(r"v\d+\.\d+\.\d+", str(key)):
            raise ValueError(f"{str(key)!r} is not a version; write it as v0.1.0")
    return {} if value is None else value


Versioned = Annotated[dict[str, T], BeforeValidator(_versions)]
"""Values by version of a release."""


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
