"""Tests of the columns of a `Row`, for all types that a problem may use."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from slipway.schema.columns import Column, columns
from slipway.schema.fields import RowField, fields


class Size(Enum):
    small = "s"
    large = "l"


class Everything(BaseModel):
    whole: int
    real: Annotated[float, Field(ge=0)]
    maybe: float | None
    flag: bool
    text: str
    closed: Literal["a", "b"]
    maybe_closed: Literal["a"] | None
    enum: Size


class Nested(BaseModel):
    values: list[float]


@pytest.mark.parametrize(
    "expected",
    [
        Column("whole", "number", False),
        Column("real", "number", False),
        Column("maybe", "number", True),
        Column("flag", "number", False),
        Column("text", "category", False),
        Column("closed", "category", False),
        Column("maybe_closed", "category", True),
        Column("enum", "category", False),
    ],
)
def test_a_field_becomes_a_column(expected):
    assert expected in columns(Everything)


def test_columns_keep_the_order_of_the_row():
    assert list(Everything.model_fields) == [column.name for column in columns(Everything)]


def test_an_unsupported_field_is_named():
    with pytest.raises(TypeError, match=r"Row\.values: array"):
        columns(Nested)


# --- the fields ---


class Described(BaseModel):
    age: Annotated[int, Field(ge=0, lt=150, description="Age", json_schema_extra={"unit": "year"})] | None = Field(
        description="Missing where unknown"
    )
    either: Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=-1.5)]
    digit: Literal[1, 2] | None
    secret: str = Field(json_schema_extra={"redact": True})
    size: Size
    open_or_closed: Literal["a"] | str


NOTHING = {"description": "", "unit": "", "optional": False, "categories": None, "redact": False}
LIMITS = dict.fromkeys(["minimum", "maximum", "exclusive_minimum", "exclusive_maximum"])


@pytest.mark.parametrize(
    ("name", "kind", "stated"),
    [
        (
            "age",
            "integer",
            {
                "description": "Age. Missing where unknown",
                "unit": "year",
                "optional": True,
                "minimum": 0,
                "exclusive_maximum": 150,
            },
        ),
        ("either", "number", {"minimum": -1.5}),
        ("digit", "integer", {"categories": (1, 2), "optional": True}),
        ("secret", "string", {"redact": True}),
        ("size", "string", {"categories": ("s", "l")}),
        ("open_or_closed", "string", {}),
    ],
)
def test_a_field_has_type_limits_and_categories(name, kind, stated):
    assert RowField(**NOTHING | LIMITS | {"name": name, "type": kind} | stated) == fields(Described)[name]


def test_limits_are_inclusive_or_exclusive():
    age, digit = fields(Described)["age"], fields(Described)["digit"]
    assert (0, 150) == (age.low, age.high)
    assert (-float("inf"), float("inf")) == (digit.low, digit.high)
