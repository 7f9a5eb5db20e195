"""Stages that handle tables in batches: the results are those of the whole table, and few rows are in memory."""

from __future__ import annotations

import gc
import json
import pickle
import tracemalloc
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel
from sklearn.linear_model import LinearRegression

import problem
from slipway import predictor
from slipway.errors import DataError
from slipway.pipeline import evaluate, export, prepare, tables
from slipway.schema.features import to_features

ROWS, NEW_ROWS = 103, 40


class Row(BaseModel):
    size: float | None
    count: int | None
    flag: bool
    kind: str | None


def _frame(rows: int) -> pd.DataFrame:
    random, places = np.random.default_rng(5), np.arange(rows)
    frame = pd.DataFrame(
        {
            "size": np.where(places % 5, random.normal(size=rows), np.nan),
            "count": pd.array(places, dtype="Int64"),
            "flag": places % 2 == 0,
            "kind": pd.array(random.choice(["a", "b", "c"], rows), dtype="str"),
            "value": np.where(places % 9, random.normal(size=rows), np.nan),
            "time": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(places, unit="min"),
        }
    )
    frame.loc[places % 7 == 0, ["count", "kind"]] = None
    return frame


def _is_test(frame: pd.DataFrame, rows: int) -> pd.Series:
    return frame["time"] >= pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(minutes=rows - NEW_ROWS)


@pytest.fixture
def batched(monkeypatch):
    """Return a function that sets the rows of a problem, given in batches of some size or as a whole."""
    for name, value in {"Row": Row, "TARGET": "value", "TASK": "regression", "TIME_COLUMN": "time"}.items():
        monkeypatch.setattr(problem, name, value)
    monkeypatch.setattr(tables, "BATCH_ROWS", 8)

    def use(frame: pd.DataFrame, size: int | None) -> None:
        is_test = partial(_is_test, rows=len(frame))
        # As bytes, because a frame retains references to its slices, which would count as memory of the stage.
        step = size or len(frame)
        parts = [pickle.dumps(frame.iloc[start : start + step]) for start in range(0, len(frame), step)]
        batches = lambda _: map(pickle.loads, parts)  # noqa: E731
        monkeypatch.setattr(problem, "load", lambda _: frame)
        monkeypatch.setattr(problem, "split", lambda rows, _: (rows[~is_test(rows)], rows[is_test(rows)]))
        monkeypatch.setattr(prepare, "LOAD_BATCHES", batches if size else None)
        monkeypatch.setattr(prepare, "IS_TEST", lambda *_: is_test)

    return use


@pytest.fixture
def collected():
    """Collect garbage immediately, since cycles of pandas would count as memory until Python's next collection."""
    thresholds = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*thresholds)


@pytest.mark.parametrize("size", [1, 7, 30, 1000])
def test_rows_in_batches_give_the_tables_and_counts_of_all_rows(batched, monkeypatch, tmp_path, size):
    monkeypatch.setattr(prepare, "ROW_GROUP_ROWS", 20)
    for folder, batch in (("whole", None), ("batches", size)):
        batched(_frame(ROWS), batch)
        prepare.prepare(tmp_path, tmp_path / folder, tmp_path / f"{folder}.json")
    assert (tmp_path / "whole.json").read_bytes() == (tmp_path / "batches.json").read_bytes()
    for name in ("train.parquet", "test.parquet"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "batches" / name).read_bytes()


def test_the_tables_have_row_groups_of_bounded_size(batched, monkeypatch, tmp_path):
    monkeypatch.setattr(prepare, "ROW_GROUP_ROWS", 20)
    batched(_frame(ROWS), 30)
    prepare.prepare(tmp_path, tmp_path, tmp_path / "rows.json")
    written = pq.read_metadata(tmp_path / "train.parquet")
    sizes = [written.row_group(group).num_rows for group in range(written.num_row_groups)]
    assert [20] * (len(sizes) - 1) == sizes[:-1]
    assert json.loads((tmp_path / "rows.json").read_text())["rows"]["train"] == sum(sizes)


def test_four_times_the_rows_need_no_more_memory(batched, collected, monkeypatch, tmp_path):
    monkeypatch.setattr(prepare, "ROW_GROUP_ROWS", 10_000)
    peaks = []
    for rows in (40_000, 40_000, 160_000):  # the first run also allocates what is imported or cached
        batched(_frame(rows), 5000)
        arrow = pa.proxy_memory_pool(pa.default_memory_pool())
        pa.set_memory_pool(arrow)
        tracemalloc.start()
        prepare.prepare(tmp_path, tmp_path / "out", tmp_path / "rows.json")
        peaks.append(tracemalloc.get_traced_memory()[1] + arrow.max_memory())
        tracemalloc.stop()
        pa.set_memory_pool(pa.system_memory_pool())
    assert peaks[2] <= 1.2 * peaks[1]


def test_a_batch_of_other_types_is_one_line(batched, monkeypatch, tmp_path):
    frame = _frame(ROWS)
    batched(frame, 30)
    other = frame.iloc[30:].assign(time="noon")
    monkeypatch.setattr(prepare, "LOAD_BATCHES", lambda _: iter([frame.iloc[:30], other]))
    monkeypatch.setattr(prepare, "IS_TEST", lambda *_: lambda rows: rows["count"].isna())
    with pytest.raises(DataError, match="load_batches: a batch has other types than the first"):
        prepare.prepare(tmp_path, tmp_path, tmp_path / "rows.json")


def test_an_error_names_the_row_by_its_place_in_the_data(batched, monkeypatch, tmp_path):
    frame = _frame(ROWS).astype({"count": object})
    frame.loc[61, "count"] = "many"
    batched(frame, 10)
    with pytest.raises(DataError, match="'many' in row 61 is not a whole number"):
        prepare.prepare(tmp_path, tmp_path, tmp_path / "rows.json")


@pytest.fixture
def table(batched, tmp_path):
    """Return the path of a table with row groups and batches that differ in size."""
    frame = _frame(ROWS)
    batched(frame, None)
    typed = prepare._table(frame[frame["value"].notna()])
    path = tmp_path / "test.parquet"
    typed.to_parquet(path, index=False, row_group_size=13)
    return path


def test_batches_are_the_rows_of_the_table_in_order(table):
    whole = pd.read_parquet(table)
    features, target = tables.read_rows(table)
    pd.testing.assert_frame_equal(to_features(whole, Row), features)
    np.testing.assert_array_equal(whole["value"], target)
    np.testing.assert_array_equal(target, tables.read_target(table))
    assert len(whole) == tables.row_count(table)
    assert max(map(len, tables.FeatureBatches(table))) <= tables.BATCH_ROWS


@pytest.mark.parametrize("places", [[0], [90, 3, 3, 50, 7, 8], range(91)])
def test_rows_at_places_are_those_of_the_whole_table_in_the_order_of_the_places(table, places):
    features, target = tables.read_rows(table)
    taken, values = tables.read_places(table, np.array(places))
    pd.testing.assert_frame_equal(features.iloc[list(places)].reset_index(drop=True), taken)
    np.testing.assert_array_equal(target[list(places)], values)


def test_a_draw_is_that_of_pandas():
    expected = pd.DataFrame({"place": range(1000)}).sample(50, random_state=3)["place"]
    np.testing.assert_array_equal(expected, tables.drawn(1000, 50, 3))


def test_predictions_in_batches_are_those_of_all_rows(table):
    features, _ = tables.read_rows(table)
    sizes = []

    def predict(rows: pd.DataFrame) -> np.ndarray:
        sizes.append(len(rows))
        return rows["size"].fillna(0).to_numpy(dtype=float) + rows["count"].fillna(1).to_numpy(dtype=float)

    scores = evaluate._scores({"model": predict, "twice": lambda rows: 2 * predict(rows)}, table)
    assert max(sizes) <= tables.BATCH_ROWS
    np.testing.assert_array_equal(predict(features), scores["model"])
    np.testing.assert_array_equal(2 * predict(features), scores["twice"])


def test_parity_is_that_of_the_row_with_the_largest_difference(table, monkeypatch):
    """The exported model differs on a single row, which is in the last batch."""
    last, sizes = tables.row_count(table) - 1, []
    features, _ = tables.read_rows(table)
    estimator = LinearRegression().fit(features[["size"]].fillna(0), features["size"].fillna(0))
    wrong = features["count"].fillna(-1).iloc[last]

    def predict(columns: predictor.Columns) -> np.ndarray:
        sizes.append(len(columns["size"]))
        return np.where(columns["count"] == wrong, 0.25, 0.0)

    monkeypatch.setattr(predictor, "score", lambda _, rows, __: np.zeros(len(rows)))
    monkeypatch.setattr(predictor, "load", lambda _: SimpleNamespace(predict=predict))
    expected = {export.TEST_ROWS: export._expected(estimator, tables.FeatureBatches(table))[export.TEST_ROWS]}
    assert 0.25 == export._parity(expected, table).difference
    assert max(sizes) <= tables.BATCH_ROWS
