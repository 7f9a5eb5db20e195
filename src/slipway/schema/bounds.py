"""Evidence and the types of its values, which state bounds for evidence that comes from outside.

Bounds apply only in a validation with one of `Bounds` as its context, so that a job never fails on a long name.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapSerializer,
    WrapValidator,
)

TEXT_CHARACTERS_MAX = 20_000  # of a reason
NAME_CHARACTERS_MAX = 500  # of a gate, metric, column, segment, file or parameter
COUNT_MAX = 10**12
METRICS_MAX = 50  # of a comparison
GROUPS_MAX = 10_000  # segments, columns, parameters
FILES_MAX = 50_000  # in a diff
NUMBER_MAX = 1e18  # sums and differences of two such numbers are finite
ITEMS_MAX = 200  # gates of a job, baselines, jobs, deciles
POINTS_MAX = 10_000  # of a loss curve
SECONDS_MAX = 1e9  # of a job
DEPTH_MAX = 3  # of nested lists in a parameter
ELLIPSIS = "…"

T = TypeVar("T")
Sized = TypeVar("Sized", list[Any], dict[Any, Any])


class Bounds(Enum):
    """What a validation does with values beyond the bounds; the context of the validation."""

    REJECT = "reject"
    SHORTEN = "shorten"
    """Cut strings and numbers to their bounds; a list or mapping is never cut, since it may hold a failed gate."""


class Evidence(BaseModel):
    """Part of a job's evidence, without any other key."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _within(value: T, bounded: T, info: ValidationInfo, bound: str) -> T:
    """Return `value`, or what the context requires where it differs from `bounded`, its nearest allowed value."""
    if value == bounded or info.context is None:
        return value
    if info.context is Bounds.SHORTEN:
        return bounded
    raise ValueError(f"beyond {bound}")


def _cut(text: str, length_max: int) -> str:
    return text if len(text) <= length_max else text[: length_max - len(ELLIPSIS)] + ELLIPSIS


def _name(text: str, info: ValidationInfo) -> str:
    return _within(text, _cut(text, NAME_CHARACTERS_MAX), info, f"{NAME_CHARACTERS_MAX} characters")


def _text(text: str, info: ValidationInfo) -> str:
    return _within(text, _cut(text, TEXT_CHARACTERS_MAX), info, f"{TEXT_CHARACTERS_MAX} characters")


def _count(count: int, info: ValidationInfo) -> int:
    return _within(count, max(0, min(count, COUNT_MAX)), info, f"0 to {COUNT_MAX}")


def _number(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> float:
    if value is None:
        return math.nan
    number: float = validate(value)
    if math.isnan(number):
        return _within(number, math.nan, info, "the numbers")  # NaN differs from itself
    return _within(number, max(-NUMBER_MAX, min(number, NUMBER_MAX)), info, f"±{NUMBER_MAX}")


def _plain(value: Any, info: ValidationInfo, depth: int = 0) -> Any:
    if info.context is None or value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _name(value, info)
    if isinstance(value, int | float) and abs(value) <= NUMBER_MAX:
        return value
    if isinstance(value, list) and len(value) <= ITEMS_MAX and depth < DEPTH_MAX:
        return [_plain(item, info, depth + 1) for item in value]
    if isinstance(value, dict) and len(value) <= ITEMS_MAX and depth < DEPTH_MAX:
        return {_plain(key, info, depth + 1): _plain(item, info, depth + 1) for key, item in value.items()}
    return _within(value, _cut(str(value), NAME_CHARACTERS_MAX), info, "the size of a parameter")


def max_items(count: int) -> AfterValidator:
    """Return a bound for the number of items in a list or mapping."""

    def validate(items: Sized, info: ValidationInfo) -> Sized:
        if info.context is Bounds.REJECT and len(items) > count:
            raise ValueError(f"beyond {count} items")
        return items

    return AfterValidator(validate)


def _none_if_empty(value: Any, info: ValidationInfo) -> Any:
    if value is None and info.context is Bounds.REJECT:
        raise ValueError("null in place of an empty mapping")
    return None if value == {} else value


def _or_empty(value: T | None, serialize: SerializerFunctionWrapHandler) -> Any:
    return {} if value is None else serialize(value)


Text = Annotated[str, AfterValidator(_text)]
Name = Annotated[str, AfterValidator(_name)]
Count = Annotated[int, AfterValidator(_count)]
Number = Annotated[
    float,
    WrapValidator(_number),
    PlainSerializer(lambda number: number if math.isfinite(number) else None, when_used="json"),
]
"""A number, or NaN where it is undefined: null in JSON, which has no NaN."""
Plain = Annotated[Any, AfterValidator(_plain)]
"""A value of params.yaml: a string, number, boolean, null, or a short list or mapping of these."""
Pairs = Annotated[dict[Name, tuple[Plain, Plain]], max_items(GROUPS_MAX)]
"""Values before and after a change, by name."""
Absent = Annotated[T | None, Field(exclude_if=lambda value: value is None)]
"""A value whose key is left out where there is none."""
Maybe = Annotated[T | None, BeforeValidator(_none_if_empty), WrapSerializer(_or_empty)]
"""A mapping that is empty where nothing was measured."""
