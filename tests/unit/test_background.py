"""The background rows of a release are training rows without the columns that `Row` redacts."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from pydantic import BaseModel, Field

from slipway.errors import DataError
from slipway.pipeline import background
from slipway.settings import read_settings


class Row(BaseModel):
    age: int | None
    secret: str = Field(json_schema_extra={"redact": True})
    kind: str


@pytest.fixture
def sampled(monkeypatch, tmp_path):
    """Return a function that writes `rows` training rows, and returns the background."""
    monkeypatch.setattr(background.problem, "Row", Row)

    def sample(rows: int) -> dict[str, list]:
        table = pd.DataFrame({"age": range(rows), "secret": "s3cret", "kind": [f"k{row}" for row in range(rows)]})
        table.loc[::2, "age"] = None
        table.assign(target=1).to_parquet(tmp_path / "train.parquet")
        background.background(tmp_path, tmp_path / "out" / "background.json")
        return json.loads((tmp_path / "out" / "background.json").read_text())["columns"]

    return sample


def test_rows_are_training_rows_with_the_values_of_a_request(sampled):
    columns = sampled(500)
    pairs = set(zip(columns["age"], columns["kind"], strict=True))
    assert read_settings().serving.explain.background_rows == len(pairs)
    assert all((None if int(kind[1:]) % 2 == 0 else int(kind[1:])) == age for age, kind in pairs)


def test_a_redacted_column_is_left_out(sampled):
    columns = sampled(10)
    assert {"age", "kind"} == columns.keys()
    assert "s3cret" not in json.dumps(columns)


def test_a_single_row_is_an_error(sampled):
    with pytest.raises(DataError, match="at least two"):
        sampled(1)
