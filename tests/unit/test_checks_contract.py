from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from slipway.checks import contract
from slipway.gates.data_evidence import BrokenRule, Example


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: Annotated[float, Field(ge=0, le=9, allow_inf_nan=False, json_schema_extra={"unit": "mm"})]
    count: Annotated[int, Field(ge=1)] | None
    color: Literal["red", "blue"]
    code: Annotated[str, Field(pattern="^[A-Z]{2}$")]


GOOD = {"size": 1.0, "count": 2, "color": "red", "code": "AB", "label": 1}


def findings(*rows: dict, examples: int = 3) -> list[BrokenRule]:
    return contract.check(pd.DataFrame([{**GOOD, **row} for row in rows], dtype=object), Thing, {"label"}, examples)


def kinds(*rows: dict) -> list[tuple[str, str]]:
    return [(finding.column, finding.kind) for finding in findings(*rows)]


def test_a_good_frame_has_no_finding():
    assert [] == findings({}, {"count": None}, {"color": "blue"})


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("size", 9.1, "limit"),
        ("size", -0.1, "limit"),
        ("size", float("inf"), "limit"),
        ("size", float("nan"), "missing value"),
        ("size", "1.0", "type"),
        ("count", 2.5, "type"),
        ("count", 0, "limit"),
        ("color", "green", "category"),
        ("color", 3, "type"),
        ("color", None, "missing value"),
        ("code", "abc", "category"),
        ("code", b"AB", "type"),
    ],
)
def test_a_broken_value_is_found_with_its_column_and_kind(column, value, kind):
    assert [(column, kind)] == kinds({}, {column: value})


def test_a_finding_has_rule_unit_count_and_example_rows():
    expected = {"column": "size", "kind": "limit", "rule": "at most 9.0 mm", "count": 2}
    examples = [{"row": 1, "value": 10.0}]
    assert [BrokenRule(**expected, examples=examples)] == findings({}, {"size": 10.0}, {"size": 11.0}, examples=1)


def test_a_missing_column_is_one_finding():
    frame = pd.DataFrame([GOOD, GOOD]).drop(columns="code")
    assert [("code", "missing column", 2)] == [
        (finding.column, finding.kind, finding.count) for finding in contract.check(frame, Thing, {"label"}, 3)
    ]


def test_a_missing_label_column_is_a_finding():
    frame = pd.DataFrame([GOOD]).drop(columns="label")
    assert ["label"] == [finding.column for finding in contract.check(frame, Thing, {"label"}, 3)]


def test_an_unknown_column_is_a_finding():
    assert [("answer", "unknown column")] == kinds({"answer": 1})


@settings(max_examples=10)
@given(st.integers(0, 3 * contract.CHUNK_ROWS - 1))
def test_a_bad_row_is_found_at_any_position(place):
    sizes = np.ones(3 * contract.CHUNK_ROWS)
    sizes[place] = 10
    (finding,) = contract.check(pd.DataFrame({**GOOD, "size": sizes}), Thing, {"label"}, 3)
    assert [Example(row=place, value=10.0)] == finding.examples


def test_a_long_value_is_truncated():
    assert contract.VALUE_LENGTH_MAX == len(contract.quoted("x" * 1000))


class Pair(BaseModel):
    """Two columns with a rule on both."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Pair:
        if self.low > self.high:
            raise ValueError("low exceeds high")
        return self


class Later(BaseModel):
    """A field that is judged after the other, by its own function."""

    low: float
    high: float

    @field_validator("high")
    @classmethod
    def _above(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data["low"]:
            raise ValueError("high is below low")
        return value


class Initialized(BaseModel):
    """A model that compares its fields when it is complete."""

    low: float
    high: float

    def model_post_init(self, _: object) -> None:
        if self.low > self.high:
            raise ValueError("low exceeds high")


@pytest.mark.parametrize("row", [Pair, Later, Initialized])
def test_a_rule_on_several_columns_is_judged_by_row(row):
    frame = pd.DataFrame({"low": [1.0, 5.0, 2.0], "high": [2.0, 4.0, 2.0]})
    (finding,) = contract.check(frame, row, set(), 3)
    assert [1] == [example.row for example in finding.examples]


def test_a_field_under_another_name_is_judged_by_row():
    aliased = create_model("Aliased", size=(float, Field(alias="Size")))
    assert contract.field_validators(aliased) is None


def test_only_rows_with_a_rejected_value_are_validated_as_rows(monkeypatch):
    lengths = []
    records = contract.records
    monkeypatch.setattr(contract, "records", lambda frame: (lengths.append(len(frame)), records(frame))[1])
    (finding,) = findings({}, {}, {"size": 10.0}, {}, {"size": 11.0})
    assert [2] == lengths
    assert [2, 4] == [example.row for example in finding.examples]


def test_rows_become_python_values_in_chunks(monkeypatch):
    lengths = []
    records = contract.records
    monkeypatch.setattr(contract, "CHUNK_ROWS", 2)
    monkeypatch.setattr(contract, "records", lambda frame: (lengths.append(len(frame)), records(frame))[1])
    frame = pd.DataFrame({"low": [1.0] * 5, "high": [2.0, 2.0, 2.0, 2.0, 0.0]})
    (finding,) = contract.check(frame, Pair, set(), 3)
    assert [2, 2, 1] == lengths
    assert [4] == [example.row for example in finding.examples]


def test_a_rule_of_one_value_is_judged_by_column():
    doubled = create_model("Doubled", size=(Annotated[float, AfterValidator(lambda value: value)], ...))
    assert contract.field_validators(doubled) is not None
