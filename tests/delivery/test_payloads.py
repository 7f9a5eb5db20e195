"""Payloads of a load test are rows of a file that `Row` accepts."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, ConfigDict, Field

from slipway.errors import DataError, MissingFileError, UnreadableFileError
from slipway.schema import payloads


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    size: int | None
    ratio: float = Field(ge=0.1, le=1)
    open: bool
    place: str


ROW = {"size": 3, "ratio": 0.1, "open": True, "place": "here"}


@pytest.fixture(autouse=True)
def row(monkeypatch):
    monkeypatch.setattr(payloads, "Row", Strict)


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("size", [["3", None], [3.0, np.nan], [3, None]])
def test_rows_of_a_table_have_the_types_of_the_row(tmp_path, size):
    table = pd.DataFrame({"size": size, "ratio": [0.1, 1], "open": [1, 0]})
    table = table.assign(place=["here", "there"], late=[0.0, 1.0])
    table.to_parquet(tmp_path / "rows.parquet")
    expected = [ROW, {"size": None, "ratio": 1.0, "open": False, "place": "there"}]
    actual = [json.loads(body) for body in payloads.read_payloads(tmp_path / "rows.parquet", 10, seed=1)]
    assert expected == sorted(actual, key=lambda row: row["ratio"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.json", json.dumps([ROW])),
        ("smoke.json", json.dumps({"rows": [ROW], "predictions": [0.5]})),
        ("rows.jsonl", json.dumps(ROW) + "\n"),
    ],
)
def test_json_is_read_as_a_list_or_by_line(tmp_path, name, text):
    assert [ROW] == [json.loads(body) for body in payloads.read_payloads(written(tmp_path, name, text), 10, seed=1)]


def test_a_sample_is_the_same_for_the_same_seed(tmp_path):
    path = written(tmp_path, "rows.json", json.dumps([{**ROW, "size": size} for size in range(100)]))
    drawn = payloads.read_payloads(path, 10, seed=1)
    assert 10 == len(set(drawn))
    assert drawn == payloads.read_payloads(path, 10, seed=1)
    assert drawn != payloads.read_payloads(path, 10, seed=2)


def test_a_value_of_a_table_with_another_type_is_named(tmp_path):
    pd.DataFrame([ROW | {"size": 3.5}]).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"size: 3\.5 in row 0 is not a whole number"):
        payloads.read_payloads(tmp_path / "rows.parquet", 10, seed=1)


@pytest.mark.parametrize("fault", [{"ratio": 2.0}, {"size": "3"}, {"unknown": 1}, {"place": None}])
def test_an_invalid_row_is_rejected(tmp_path, fault):
    path = written(tmp_path, "rows.json", json.dumps([ROW | fault]))
    with pytest.raises(DataError, match=rf"rows.json: Row.{next(iter(fault))} is"):
        payloads.read_payloads(path, 10, seed=1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.json", "{", "not JSON"),
        ("rows.json", "{}", "expected a list of rows"),
        ("rows.json", "[]", "contains no rows"),
        ("rows.json", "[1]", "fix the row"),
        ("rows.jsonl", "", "contains no rows"),
    ],
)
def test_a_malformed_file_of_rows_is_named(tmp_path, name, text, message):
    with pytest.raises((DataError, UnreadableFileError), match=rf"{name}.*{message}"):
        payloads.read_payloads(written(tmp_path, name, text), 10, seed=1)


def test_the_error_for_a_missing_file_names_the_command_that_writes_it(tmp_path):
    with pytest.raises(MissingFileError, match="slipway train"):
        payloads.read_payloads(tmp_path / "none.parquet", 10, seed=1)
