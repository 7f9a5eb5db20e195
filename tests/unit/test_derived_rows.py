"""Tests of rows derived from `Row`: inputs that a client may send and the test rows may lack."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field, create_model

from slipway.schema.derived_rows import ROWS_MAX, UNBOUNDED, UNSEEN_CATEGORY, derived_rows
from slipway.schema.features import to_features


class Row(BaseModel):
    age: Annotated[int, Field(ge=0, lt=120)] | None
    ratio: Annotated[float, Field(gt=0, le=1)]
    free: float
    flag: bool
    level: Literal["low", "high"] | None
    city: str


FRAME = pd.DataFrame(
    {"age": [30, 40], "ratio": [0.5, 0.2], "free": [1.0, 2.0], "flag": [True, False], "level": "low", "city": "Oslo"}
)
FEATURES = to_features(FRAME, Row)


def test_each_column_takes_the_values_that_row_allows():
    derived = derived_rows(FEATURES.take, len(FEATURES), Row)
    assert derived["age missing"]["age"].isna().all()
    assert [0, 119] == derived["age at its limits"]["age"].tolist()
    assert [np.nextafter(np.float32(0), np.float32(1)), 1] == derived["ratio at its limits"]["ratio"].tolist()
    assert [-UNBOUNDED, UNBOUNDED] == derived["free at its limits"]["free"].tolist()
    assert [0, 1] == derived["flag at its limits"]["flag"].tolist()
    assert ["low", "high"] == derived["each level"]["level"].tolist()
    assert ["", ""] == derived["level missing"]["level"].tolist()
    assert [UNSEEN_CATEGORY] * 2 == derived["city unseen"]["city"].tolist()
    assert {"age", "level"} == {
        name for name in FRAME if (derived["every nullable column missing"][name] != FEATURES[name]).all()
    }


def test_every_value_of_a_closed_list_occurs_even_with_few_rows():
    values = tuple(f"v{place}" for place in range(300))
    row = create_model("Row", kind=(Literal[values], ...))
    features = pd.DataFrame({"kind": ["v0", "v1"]})
    derived = derived_rows(features.take, len(features), row)["each kind"]
    assert set(values) == set(derived["kind"])


def test_other_columns_and_all_types_do_not_change():
    for name, rows in derived_rows(FEATURES.take, len(FEATURES), Row).items():
        assert rows.dtypes.equals(FEATURES.dtypes), name
        assert list(FEATURES) == list(rows)
        changed = [column for column in rows if not rows[column].equals(FEATURES[column])]
        assert all(column in name or name.startswith("every") for column in changed)


def test_tables_with_many_columns_stay_within_the_limit_of_rows():
    wide = type("Wide", (BaseModel,), {"__annotations__": {f"x{place}": "float | None" for place in range(300)}})
    features = pd.DataFrame(np.zeros((1000, 300), np.float32), columns=list(wide.model_fields))
    derived = derived_rows(features.take, len(features), wide)
    assert 601 == len(derived)
    assert sum(map(len, derived.values())) <= ROWS_MAX
