"""The data checks of a file in batches: the record and the samples are those of the whole file."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

import problem
from slipway.batch.batch_rows import BatchRows
from slipway.checks import data, file_samples, files
from slipway.checks.file_samples import FilePart
from slipway.checks.repeated_rows import SPOOLED_BYTES, RepeatedRows
from slipway.gates.data_evidence import FileRecord
from slipway.settings import read_settings
from tests import stations
from tests.stations import table

BLANK = FileRecord(file="a", sha256="", rules="", rows=0)
SETTINGS, EXAMPLES = read_settings(), 3
NAME = "rows.parquet"


@pytest.fixture(autouse=True)
def problem_of_stations(monkeypatch):
    """Let the problem be a table of three stations."""
    for name, value in stations.PROBLEM.items():
        monkeypatch.setattr(problem, name, value)


@pytest.fixture
def frame() -> pd.DataFrame:
    """Return rows of which some lack a label, and two stations pause."""
    rows = table(0, 1).head(2000).reset_index(drop=True)
    return rows.assign(**{problem.TARGET: rows[problem.TARGET].mask(rows.index % 7 == 3)})


def in_batches(frame: pd.DataFrame, rows: int) -> list[pd.DataFrame]:
    return [frame.iloc[start : start + rows].reset_index(drop=True) for start in range(0, len(frame), rows)]


@pytest.fixture
def read(monkeypatch, frame):
    """Return a function that lets the file have batches of so many rows."""
    return lambda rows: monkeypatch.setattr(files, "batches", lambda *_: iter(in_batches(frame, rows)))


def _corrupted(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without a column, with late hours, two exchanged rows, and two that repeat another."""
    rows = frame.drop(columns="depth").assign(hour=frame["hour"].mask(frame.index % 250 == 249, 99))
    order = np.arange(len(rows))
    order[[300, 301]] = 301, 300
    order[[40, 1200]] = 39
    return rows.iloc[order].reset_index(drop=True)


@pytest.mark.parametrize("rows", [30, 250, 301, 1999])
def test_the_record_of_batches_is_that_of_the_whole_file(frame, rows):
    corrupted = _corrupted(frame)
    now = datetime(2000, 1, 1, tzinfo=UTC)
    whole = files.describe(BLANK, [corrupted], EXAMPLES, now)
    assert {"missing column", "limit", "time order"} <= {finding.kind for finding in whole.findings}
    assert whole.duplicates == corrupted.duplicated().sum() == 2
    assert whole == files.describe(BLANK, in_batches(corrupted, rows), EXAMPLES, now)


@pytest.mark.parametrize("has_time", [True, False])
@pytest.mark.parametrize("rows", [7, 600, 1999])
def test_the_samples_of_batches_are_those_of_the_whole_file(frame, read, monkeypatch, rows, has_time):
    if not has_time:
        monkeypatch.setattr(problem, "TIME_COLUMN", None)
    read(len(frame))
    expected = data.Sides.of(None, [NAME], [], SETTINGS)
    read(rows)
    sides = data.Sides.of(None, [NAME], [], SETTINGS)
    pd.testing.assert_frame_equal(expected.new, sides.new)
    pd.testing.assert_frame_equal(expected.reference, sides.reference)
    _assert_equal(expected.new_rows, sides.new_rows)
    for rows_of_whole, rows_of_batches in zip(expected.older_rows, sides.older_rows, strict=True):
        _assert_equal(rows_of_whole, rows_of_batches)


def test_the_samples_of_a_file_are_drawn_of_all_its_labeled_rows(frame, read):
    read(100)
    part = FilePart.whole(None, NAME)
    labeled = frame[frame[problem.TARGET].notna()]
    assert len(labeled) == len(part)
    part.read(sampler := part.batch(500, 3))
    _assert_equal(BatchRows.of(frame, 500, file_samples.NEIGHBOR_DISTANCES, 3), sampler.rows())


def _assert_equal(expected: BatchRows, rows: BatchRows) -> None:
    pd.testing.assert_frame_equal(expected.features, rows.features)
    pd.testing.assert_frame_equal(expected.frozen, rows.frozen)
    np.testing.assert_array_equal(expected.minutes, rows.minutes)
    assert expected.neighbors.keys() == rows.neighbors.keys()
    for distance, values in expected.neighbors.items():
        pd.testing.assert_frame_equal(values, rows.neighbors[distance])


def test_batches_outside_a_part_are_not_retained(frame):
    count, labeled = 40, int(frame[problem.TARGET].notna().sum())
    part = FilePart((frame.copy() for _ in range(count)), (count - 2) * labeled, (count - 1) * labeled)
    samplers = part.table(100, SETTINGS.seed), part.batch(100, SETTINGS.seed)
    tracemalloc.start()
    part.read(*samplers)
    retained = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert retained <= 4 * frame.memory_usage(deep=True).sum()
    assert 1 == len(list(part.rows))  # no batch after the part is read


def test_a_number_stays_frozen_from_one_batch_to_the_next(frame, monkeypatch):
    frozen = frame.assign(level=1.0)
    monkeypatch.setattr(files, "batches", lambda *_: iter(in_batches(frozen, 100)))
    part = FilePart.whole(None, NAME)
    part.read(sampler := part.batch(len(frozen), 0))
    longest = frozen[frozen[problem.TARGET].notna()].groupby(problem.SEGMENTS[0]).size().max()
    assert longest - 1 == sampler.rows().frozen["level"].max()


def test_a_file_of_one_batch_is_read_once_and_a_larger_one_in_each_pass(frame, monkeypatch):
    passes = []
    for size, expected in ((len(frame), 1), (len(frame) // 2, 2)):
        monkeypatch.setattr(
            files, "batches", lambda *_, size=size: (passes.append(1), iter(in_batches(frame, size)))[1]
        )
        passes.clear()
        rows = files.FileRows(None, NAME)
        for _ in range(2):
            assert len(frame) == sum(map(len, rows))
        assert expected == len(passes)


def test_repeated_rows_are_counted_beyond_those_in_memory():
    values = np.arange(SPOOLED_BYTES // 8 * 100) // 2
    with RepeatedRows() as repeated:
        for part in np.array_split(values, 5):
            repeated.add(pd.DataFrame({"value": part}))
        assert len(values) // 2 == repeated.count()
