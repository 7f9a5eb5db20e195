"""Stage `prepare`: train and test rows from the problem's data.

`python -m slipway.pipeline.prepare DATA OUT METRICS`
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

import problem
from slipway.errors import DataError, reported_by
from slipway.files import write_json
from slipway.schema.typed_rows import to_typed
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pandas as pd

    Batches = Callable[[Path], Iterator[pd.DataFrame]]
    IsTest = Callable[[Path, Mapping[str, Any]], Callable[[pd.DataFrame], pd.Series]]

LOAD_BATCHES: Batches | None = getattr(problem, "load_batches", None)
"""The rows of `problem.load`, a batch at a time, for data larger than memory; optional."""
IS_TEST: IsTest | None = getattr(problem, "is_test", None)
"""The split of `problem.split` as a rule for each row; optional, and used together with `load_batches`."""
ROW_GROUP_ROWS = 2**18  # rows of a group, which are in memory together; a smaller group compresses worse
PARTS = ("train", "test")


def prepare(data: Path, out: Path, metrics: Path) -> None:
    """Write the tables `train.parquet` and `test.parquet`; count rows without a target.

    Without the functions `load_batches` and `is_test` of the problem, all rows are in memory.
    """
    with Tables(out) as tables:
        if LOAD_BATCHES and IS_TEST:
            is_test = IS_TEST(data, read_settings().for_problem())
            unlabeled = _write_batches(LOAD_BATCHES(data), is_test, tables)
        else:
            unlabeled = _write_whole(data, tables)
    write_json(metrics, {"rows": {**tables.rows, "unlabelled": unlabeled}, **tables.period()})


def _write_whole(data: Path, tables: Tables) -> int:
    """Write the rows of `problem.load`. Returns the number of rows without a target."""
    frame = problem.load(data)
    labeled = frame[frame[problem.TARGET].notna()]
    unlabeled = len(frame) - len(labeled)
    train, test = problem.split(labeled, read_settings().for_problem())
    tables.write("train", train)
    tables.write("test", test)
    return unlabeled


def _write_batches(
    batches: Iterable[pd.DataFrame], is_test: Callable[[pd.DataFrame], pd.Series], tables: Tables
) -> int:
    """Write the rows of `batches`, of which `is_test` marks the test rows. Returns the number without a target."""
    unlabeled, start = 0, 0
    for batch in batches:
        frame = batch.set_axis(range(start, start + len(batch)))  # an error names the row by its place in the data
        labeled = frame[frame[problem.TARGET].notna()]
        chosen = is_test(labeled).to_numpy(dtype=bool)
        tables.write("train", labeled[~chosen])
        tables.write("test", labeled[chosen])
        unlabeled, start = unlabeled + len(frame) - len(labeled), start + len(frame)
    return unlabeled


def write_tables(folder: Path, train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Write the rows of a split into `folder`, as `Tables` does."""
    with Tables(folder) as tables:
        tables.write("train", train)
        tables.write("test", test)


class Tables:
    """Writer of `train.parquet` and `test.parquet` as a context manager: fields with the types of `Row`, target, time.

    It holds less than two row groups of each table in memory.
    """

    def __init__(self, folder: Path) -> None:
        self.rows = dict.fromkeys(PARTS, 0)
        """The number of rows of each table."""
        self._folder = folder
        self._schema: pa.Schema | None = None
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._pending = {part: list[pa.Table]() for part in PARTS}
        self._ends = {part: list[Any]() for part in PARTS}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def write(self, part: str, rows: pd.DataFrame) -> None:
        """Append rows to a table.

        Raises UserError for a value that does not have the type of its field, or that of the batches before.
        """
        self.rows[part] += len(rows)
        for start in range(0, len(rows), ROW_GROUP_ROWS):
            self._pending[part].append(self._typed(rows.iloc[start : start + ROW_GROUP_ROWS]))
            self._write_groups(part, ROW_GROUP_ROWS)
        if problem.TIME_COLUMN and len(rows):
            ends = [*self._ends[part], rows[problem.TIME_COLUMN].min(), rows[problem.TIME_COLUMN].max()]
            self._ends[part] = [min(ends), max(ends)]

    def _typed(self, rows: pd.DataFrame) -> pa.Table:
        try:
            table = pa.Table.from_pandas(_table(rows), schema=self._schema, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(f"src/problem: load_batches: a batch has other types than the first: {error}") from None
        self._schema = table.schema
        return table

    def _write_groups(self, part: str, rows_min: int) -> None:
        """Write the pending rows in groups of ROW_GROUP_ROWS, while there are at least `rows_min`."""
        while sum(map(len, self._pending[part])) >= rows_min > 0:
            table = pa.concat_tables(self._pending[part])
            self._writer(part, table.schema).write_table(table[:ROW_GROUP_ROWS].combine_chunks())
            self._pending[part] = [table[ROW_GROUP_ROWS:]]

    def _writer(self, part: str, schema: pa.Schema) -> pq.ParquetWriter:
        if part not in self._writers:
            self._writers[part] = pq.ParquetWriter(self._folder / f"{part}.parquet", schema)
        return self._writers[part]

    def __exit__(self, *_: object) -> None:
        for part in PARTS:
            self._write_groups(part, 1)
            if self._schema is not None:
                self._writer(part, self._schema).close()

    def period(self) -> dict[str, dict[str, list[str]]]:
        """Return the first and the last time of each table with rows; empty without a time column."""
        if not problem.TIME_COLUMN:
            return {}
        return {"period": {part: [str(end) for end in ends] for part, ends in self._ends.items() if ends}}


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    table = to_typed(rows, problem.Row)
    table[problem.TARGET] = rows[problem.TARGET].to_numpy(dtype=None if problem.TASK == "multiclass" else float)
    if problem.TIME_COLUMN:
        table[problem.TIME_COLUMN] = rows[problem.TIME_COLUMN]
    return table


if __name__ == "__main__":
    with reported_by("prepare"):
        prepare(*map(Path, sys.argv[1:]))
