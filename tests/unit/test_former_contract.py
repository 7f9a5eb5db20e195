"""The test rows as an earlier release reads them: columns of `Row`, others that `load` returns, and their kinds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from slipway.errors import DataError
from slipway.pull_request import former_contract
from slipway.pull_request.former_contract import IncomparableError, OtherProblemError
from slipway.schema.contract import breaking_changes
from slipway.serving.pages import openapi
from slipway.settings import read_settings
from tests.params import VALID

SETTINGS = read_settings(VALID)


class Row(BaseModel):
    size: float
    code: str


def _column(name: str, kind: str) -> dict:
    return {"name": name, "kind": kind, "nullable": True}


FEATURES = pd.DataFrame({"size": np.array([3, 4], dtype="float32"), "code": ["7", "8"]})
TARGET = np.array([0.0, 1.0])
FRAME = pd.DataFrame(
    {
        "size": [1.0, 2.0, 3.0, 4.0],
        "code": [5, 6, 7, 8],
        "machine": ["a", "b", None, "c"],
        "flag": pd.array([True, None, None, True], dtype="boolean"),
        "y": [1.0, None, 0.0, 1.0],
    }
)


@pytest.fixture
def loads(monkeypatch):
    """Replace the problem, whose last two rows are its test rows, and return the calls of `load`."""
    calls = []
    monkeypatch.setattr(former_contract, "read_settings", lambda: SETTINGS)
    fake = SimpleNamespace(Row=Row, TARGET="y", TASK="binary")
    fake.load = lambda folder: calls.append(folder) or FRAME
    fake.split = lambda frame, _: (frame.iloc[:1], frame.iloc[1:])
    monkeypatch.setattr(former_contract, "problem", fake)
    return calls


def _rows(*columns: dict) -> pd.DataFrame:
    """Return the rows, which come in two batches."""
    batches = [(FEATURES.iloc[[place]], TARGET[[place]]) for place in range(2)]
    return pd.concat(former_contract.rows({"columns": list(columns)}, batches))


def test_columns_of_the_row_are_the_features_and_nothing_is_loaded(loads):
    assert {"code": ["7", "8"]} == _rows(_column("code", "category")).to_dict("list")
    assert [] == loads


def test_columns_that_the_row_lacks_are_loaded_for_the_test_rows_with_gaps_as_features_have_them(loads):
    rows = _rows(_column("machine", "category"), _column("size", "number"), _column("flag", "number"))
    assert (["machine", "size", "flag"], ["", "c"]) == (list(rows), rows["machine"].tolist())
    assert np.array_equal(np.array([np.nan, 1], dtype="float32"), rows["flag"].to_numpy(), equal_nan=True)
    assert [3.0, 4.0] == rows["size"].tolist()


def test_a_column_of_another_kind_is_read_as_the_release_reads_it(loads):
    assert [7.0, 8.0] == _rows(_column("code", "number"))["code"].tolist()
    assert ["3.0", "4.0"] == _rows(_column("size", "category"))["size"].tolist()


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (_column("gone", "number"), r"^needs the column gone, which `load` .* does not return; return it besides"),
        (_column("machine", "number"), r"^needs the column machine as a number, but `load` .* returns"),
    ],
)
def test_a_column_that_the_data_cannot_give_is_named(loads, column, reason):
    with pytest.raises(IncomparableError, match=reason):
        _rows(_column("size", "number"), column)


def test_a_release_without_a_column_in_common_is_for_another_problem(loads):
    with pytest.raises(OtherProblemError, match=r"^has no column in common with the candidate: carat, depth$"):
        _rows(_column("carat", "number"), _column("depth", "number"))
    with pytest.raises(IncomparableError) as raised:
        _rows(_column("carat", "number"), _column("machine", "category"))
    assert not isinstance(raised.value, OtherProblemError)


def test_a_release_without_a_contract_has_the_columns_of_its_signature():
    document = openapi(Row, "binary", "y", "v1", 5)
    columns = [_column("machine", "category"), _column("size", "number")]
    before = former_contract.document({"task": "binary", "target": "y", "columns": columns}, document)
    assert ["stop sending `machine`", "send `code`"] == breaking_changes(before, document)
    assert ["stop sending `code`", "send `machine`"] == breaking_changes(document, before)
    other = former_contract.document({"task": "regression", "target": "z", "columns": columns}, document)
    answers = ["read predictions of `y`, not of `z`", "read each prediction as a probability, not a number"]
    assert answers == breaking_changes(other, document)[:2]


def test_other_data_than_those_of_the_test_rows_are_refused(loads):
    with pytest.raises(DataError, match="run `slipway train`"):
        former_contract.rows({"columns": [_column("machine", "category")]}, [(FEATURES, TARGET[::-1])])
