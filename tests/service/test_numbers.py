"""Numbers in the contract: integers in both spellings, and no number too large for float32."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Annotated, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from slipway.serving.contract import RowContract
from slipway.serving.pages import openapi
from slipway.serving.refusal import RefusedError


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Row(BaseModel):
    free: int
    bounded: Annotated[int, Field(ge=1, le=9)] | None
    choice: Literal[1, 2]
    size: Size
    real: float
    flag: bool


GOOD = {"free": 1, "bounded": 3, "choice": 1, "size": 2, "real": 1.5, "flag": True}


@pytest.fixture(scope="module")
def contract() -> RowContract:
    return RowContract(Row, 5)


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    schemas = openapi(Row, "binary", "label", "v1", 5)["components"]
    return Draft202012Validator({"$ref": "#/components/schemas/Row", "components": schemas})


def refusal(contract: RowContract, row: dict) -> dict:
    with pytest.raises(RefusedError) as refused:
        contract.parse(json.dumps([GOOD, row]).encode())
    return refused.value.details[0]


@pytest.mark.parametrize(("field", "value"), [("free", 2.0), ("bounded", 4.0), ("choice", 2.0), ("size", 1.0)])
def test_a_whole_number_with_a_point_is_an_integer(contract, schema, field, value):
    row = GOOD | {field: value}
    expected = contract.parse(json.dumps([row | {field: int(value)}]).encode())
    assert expected == contract.parse(json.dumps([row]).encode())
    assert schema.is_valid(row)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("free", 2.5, "valid integer"),
        ("free", "2.0", "valid integer"),
        ("bounded", 10.0, "less than or equal to 9"),
        ("choice", 3.0, "1 or 2"),
        ("flag", 1.0, "valid boolean"),
        ("free", 1e39, "between"),
        ("free", 10**400, "between"),
        ("real", 1e39, "between"),
        ("real", -1e300, "between"),
    ],
)
def test_the_schema_refuses_what_the_contract_refuses(contract, schema, field, value, rule):
    row = GOOD | {field: value}
    detail = refusal(contract, row)
    assert (1, field) == (detail["row"], detail["field"])
    assert rule in detail["rule"]
    assert not schema.is_valid(row)


def test_another_violation_is_reported_with_a_whole_number_with_a_point(contract):
    assert "real" == refusal(contract, GOOD | {"free": 2.0, "real": float("nan")})["field"]


def test_a_repeated_key_is_refused_with_a_whole_number_with_a_point(contract):
    with pytest.raises(RefusedError) as refused:
        contract.parse(json.dumps(GOOD | {"free": 2.0}).encode()[:-1] + b', "free": 2.0}')
    assert "Key is repeated" == refused.value.details[0]["rule"]
