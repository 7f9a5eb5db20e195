"""Batch prediction and the service accept the same rows, and report the same violations."""

from __future__ import annotations

import json
import math
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, model_validator

from slipway.schema import csv_file
from slipway.score.rows import RowChecker
from slipway.serving.contract import RowContract
from slipway.serving.refusal import RefusedError


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: Annotated[float, Field(ge=0, lt=9)]
    anything: float | None
    count: Annotated[int, Field(gt=0, le=2**60)] | None
    step: Annotated[float, Field(multiple_of=0.5)] | None
    level: Literal[1, 2, 3]
    flag: bool | None
    color: Literal["red", "blue"]
    code: Annotated[str, Field(pattern="^[A-Z]{2}$", to_lower=True)] | None


class Ordered(BaseModel):
    """A row with a rule over two columns, which cannot be checked per column."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self):
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


CHECKER, CONTRACT = RowChecker(Thing), RowContract(Thing, 1)
GOOD = {"size": 1.0, "anything": 2.0, "count": 3, "step": 0.5, "level": 1, "flag": True, "color": "red", "code": "AB"}
NUMBERS = st.one_of(st.none(), st.floats(), st.integers(-3, 12).map(float), st.just(1.5))
WHOLE = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-1, 4))
COLUMNS = {
    "size": st.one_of(*(st.tuples(st.just(kind), NUMBERS) for kind in (pa.float64(), pa.float32()))),
    "anything": st.one_of(st.tuples(st.just(pa.float64()), NUMBERS), st.tuples(st.just(pa.int64()), WHOLE)),
    "count": st.one_of(st.tuples(st.just(pa.float64()), NUMBERS), st.tuples(st.just(pa.int64()), WHOLE)),
    "step": st.tuples(st.just(pa.float64()), NUMBERS),
    "level": st.tuples(st.just(pa.int64()), WHOLE),
    "flag": st.tuples(st.just(pa.bool_()), st.sampled_from([True, False, None])),
    "color": st.tuples(st.just(pa.string()), st.sampled_from(["red", "blue", "green", "", None])),
    "code": st.tuples(st.just(pa.string()), st.sampled_from(["AB", "ab", "ABC", "", "É", None])),
}


@st.composite
def batches(draw):
    """Draw a few rows, most of them valid; each column has one type, as in a file."""
    rows = draw(st.integers(1, 4))
    invalid = draw(st.sets(st.sampled_from(sorted(COLUMNS)), max_size=3))
    arrays = {name: pa.array([GOOD[name]] * rows) for name in COLUMNS}
    for name in invalid:
        kind, _ = draw(COLUMNS[name])
        values = [value for of, value in draw(st.lists(COLUMNS[name], min_size=rows, max_size=rows)) if of == kind]
        arrays[name] = pa.array((values + [GOOD[name]] * rows)[:rows], kind, from_pandas=False)
    return pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))


def service_result(contract: RowContract, record: dict) -> tuple[list, dict]:
    """Return violations and values of a row that is sent to the service as JSON."""
    missing = {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in record.items()
    }
    try:
        _, table = contract.parse(json.dumps(missing).encode())
    except RefusedError as refused:
        return [{"field": detail["field"], "rule": detail["rule"]} for detail in refused.details], {}
    return [], {name: values[0] for name, values in table.items()}


def _same(expected, actual) -> bool:
    """Return whether the model receives the same value: numbers are compared as float32."""
    if isinstance(expected, str):
        return expected == actual
    if expected is None:
        return actual is None or math.isnan(actual)
    return bool(np.asarray([expected], np.float32)[0] == np.float32(actual))


@settings(max_examples=150)
@given(batches())
def test_each_row_has_the_result_of_the_service(batch):
    checked = CHECKER.check(batch, {})
    for index, record in enumerate(batch.to_pylist()):
        rules, values = service_result(CONTRACT, record)
        assert rules == checked.broken.get(index, [])
        assert all(_same(value, checked.values[name][index]) for name, value in values.items())


@pytest.mark.parametrize("name", ["size", "level", "color", "count"])
def test_an_invalid_value_among_many_valid_ones_is_reported(name):
    values = [GOOD[name]] * 1000
    values[567] = "green" if name == "color" else 99 if name == "level" else -1
    arrays = {**{other: pa.array([value] * 1000) for other, value in GOOD.items()}, name: pa.array(values)}
    checked = CHECKER.check(pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays)), {})
    assert ([567], name) == (list(checked.broken), checked.broken[567][0]["field"])


def test_a_rule_over_two_columns_is_checked_for_every_row():
    batch = pa.RecordBatch.from_pydict({"low": [1.0, 3.0, 0.0], "high": [2.0, 2.0, 0.0]})
    expected = {1: [{"field": None, "rule": "Value error, low is above high"}]}
    assert expected == RowChecker(Ordered).check(batch, {}).broken


@settings(max_examples=300)
@given(st.text("0123456789.eE+- naifty", max_size=6))
@example("nan")
@example(" 1")
@example("1e999")
@example("-inf")
def test_a_string_is_a_number_in_a_column_of_numbers_if_and_only_if_it_is_one_among_strings(text):
    options = pacsv.ConvertOptions(column_types={"n": pa.float64()}, null_values=[""])
    try:
        direct = pacsv.read_csv(pa.py_buffer(f'n\n"{text}"\n'.encode()), convert_options=options)["n"].to_pylist()
    except pa.ArrowInvalid:
        direct = None
    for others in ([], ["no number"]):
        numbers, invalid = csv_file.parse_numbers(pa.array([text or None, *others], pa.string()))
        assert (direct is None) == (0 in invalid)
        assert direct is None or repr(direct[0]) == repr(numbers[0].as_py())


def test_flags_are_parsed_in_any_case():
    values, invalid = csv_file.parse_flags(pa.array(["true", "False", None, "yes"]))
    assert ([True, False, None], {3: "yes"}) == (values.to_pylist()[:3], invalid)


def test_decimals_are_parsed_from_their_digits():
    arrays = {name: pa.array([value]) for name, value in GOOD.items()}
    arrays["size"] = pa.array(["0.1234567890123456789"]).cast(pa.decimal128(20, 19))
    checked = CHECKER.check(pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays)), {})
    assert ({}, 0.1234567890123456789) == (checked.broken, checked.values["size"][0])
