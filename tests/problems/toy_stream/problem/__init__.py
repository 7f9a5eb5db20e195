"""A toy problem over time: a part fails when it is too warm and, after a change, when it is too cold.

Each file has one day. Each call of `next_batch` copies one day from the folder `source` next to the data.
"""

import shutil
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

TARGET, TASK, TIME_COLUMN, SEGMENTS = "fails", "binary", "time", ("line",)
LABEL_KEY = ("request_id",)
SOURCE = Path("source")


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    warmth: Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False, description="Warmth of the part")] | None
    line: Literal["a", "b"] = Field(description="Line that made it")


def load(data_dir):
    import pandas as pd

    rows = pd.concat([pd.read_csv(file) for file in sorted(data_dir.glob("*.csv"))], ignore_index=True)
    return rows.assign(time=pd.to_datetime(rows["time"]))


def split(frame, params):
    import pandas as pd

    is_test = frame["time"] >= frame["time"].max().normalize() - pd.Timedelta(days=params["split"]["test_days"] - 1)
    return frame[~is_test], frame[is_test]


def build_model(params):
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encode = make_column_transformer((OrdinalEncoder(), ["line"]), ("passthrough", ["warmth"]))
    return make_pipeline(encode, HistGradientBoostingClassifier(**params["model"], random_state=params["seed"]))


def data_suite(thresholds):
    from deepchecks.tabular import Suite, checks

    return Suite("Toy", checks.DataDuplicates().add_condition_ratio_less_or_equal(thresholds["duplicate_ratio"]))


def next_batch(data_dir):
    imported = {file.name for file in data_dir.glob("*.csv")}
    for file in sorted(SOURCE.glob("*.csv")):
        if file.name not in imported:
            return Path(shutil.copy(file, data_dir))
    return None
