"""Tests of the columns of a `Row`, for all types that a problem may use."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from slipway.schema.columns import Column, columns


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
