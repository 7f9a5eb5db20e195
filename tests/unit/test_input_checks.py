"""The input of `slipway score` is checked on a sample, like a new file and a live window, without a target."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import problem
from slipway.checks import files
from slipway.errors import DataError, GateError
from slipway.schema.csv_file import Dialect
from slipway.score import input_checks, input_sample, tables
from slipway.score.input_sample import InputSample
from slipway.settings import read_settings
from tests import stations
from tests.stations import ROWS, table

SETTINGS, CHUNK_ROWS = read_settings(), 500


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """Let the problem be a table of three stations, and return a folder with two files of it."""
    for name, value in stations.PROBLEM.items():
        monkeypatch.setattr(problem, name, value)
    monkeypatch.setattr(problem, "load", lambda folder: pd.read_parquet(next(folder.iterdir())))
    folder = tmp_path / "data"
    folder.mkdir()
    for start in (0, ROWS):
        table(start, start).to_parquet(folder / f"{start}.parquet")
    return folder


@pytest.fixture
def sample(tmp_path, data_dir):
    """Return a function that writes a file of rows, and samples it."""

    def of(frame: pd.DataFrame, name: str = "rows.parquet") -> InputSample:
        path, drawn = tmp_path / name, InputSample(ROWS, SETTINGS.seed)
        frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)
        for chunk in tables.read(path, problem.Row, CHUNK_ROWS, Dialect()):
            drawn.add(chunk, chunk.columns)
        return drawn

    return of


def rows() -> pd.DataFrame:
    """Return rows to score."""
    return table(2 * ROWS, 5).drop(columns="rain")


CLEAN = {
    "by time": (rows, "rows.parquet"),
    "in any order": (lambda: rows().sample(frac=1, random_state=1), "rows.csv"),
    "without times": (lambda: rows().drop(columns="time"), "rows.parquet"),
    "two days of one level": (lambda: rows().head(60).assign(level=0.5), "rows.parquet"),
}


@pytest.mark.parametrize("kind", CLEAN)
def test_clean_rows_have_no_findings(sample, data_dir, kind):
    make, name = CLEAN[kind]
    assert [] == input_checks.check(sample(make(), name), SETTINGS, data_dir)


FAULTS = {
    "Relation Between Columns: `dew`": lambda frame: frame.assign(dew=frame["dew"] * 0.556 - 17.8),
    "Clock Relation: `hour`": lambda frame: frame.assign(time=frame["time"] + pd.Timedelta(hours=5)),
    "Missing Values: `damp`": lambda frame: frame.assign(damp=frame["damp"].mask(frame.index % 10 == 0)),
    "Learned Drift: `level`": lambda frame: frame.assign(level=0.5),
    "Repeated Rows: 9.1%": lambda frame: pd.concat([frame, frame.head(ROWS // 10)], ignore_index=True),
}


@pytest.mark.parametrize("finding", FAULTS)
def test_a_fault_is_a_finding_with_its_column(sample, data_dir, finding):
    findings = input_checks.check(sample(FAULTS[finding](rows())), SETTINGS, data_dir)
    assert findings[0].startswith(finding)


def test_a_file_of_the_data_is_read_in_batches_like_the_whole_file(data_dir, monkeypatch):
    frame = table(0, 0)
    frame = frame.iloc[np.sort([*range(len(frame)), *range(100)])].reset_index(drop=True)
    monkeypatch.setattr(problem, "load", lambda _: frame)
    whole = input_checks._OlderFile.read(data_dir, "0.parquet", 500, SETTINGS.seed)
    assert (len(frame), 100 / len(frame)) == (whole.count, whole.repeated_ratio)

    starts = range(0, len(frame), 700)
    monkeypatch.setattr(files, "LOAD_BATCHES", lambda _: (frame.iloc[start : start + 700] for start in starts))
    monkeypatch.setattr(problem, "load", None)
    batched = input_checks._OlderFile.read(data_dir, "0.parquet", 500, SETTINGS.seed)
    assert (whole.count, whole.repeated_ratio, whole.seconds) == (
        batched.count,
        batched.repeated_ratio,
        batched.seconds,
    )
    for distance, values in whole.rows.neighbors.items():
        pd.testing.assert_frame_equal(values, batched.rows.neighbors[distance])
    pd.testing.assert_frame_equal(whole.rows.features, batched.rows.features)


def test_few_rows_are_not_judged(sample, data_dir):
    with pytest.raises(DataError, match="49 rows are too few; 50 are required"):
        input_checks.check(sample(rows().head(49)), SETTINGS, data_dir)


def test_the_sample_is_bounded_and_covers_the_file(sample, monkeypatch):
    monkeypatch.setattr(input_sample, "HASHES_MAX", 100)
    drawn = sample(pd.concat([rows().assign(time=rows()["time"] + pd.Timedelta(days=125 * k)) for k in range(4)]))
    drawn.rows_max = ROWS
    places = drawn.rows().minutes
    assert ROWS <= len(places) <= ROWS + input_sample.BLOCKS
    assert 450 <= np.ptp(places) / 1440
    assert len(drawn.repeats._rows) <= 100


def test_samples_of_the_files_of_a_folder_are_one(sample):
    first, second = sample(rows().head(2000)), sample(rows().tail(1500))
    first.merge(second, "second.parquet")
    assert 3500 == first.count
    assert 1 / 7 == pytest.approx(first.repeats.ratio)
    assert sum(map(len, first.batches)) == len(first.rows())


def test_a_finding_on_a_folder_names_the_files_that_have_it(sample, data_dir):
    folder, frame = InputSample(ROWS, SETTINGS.seed), rows()
    frame.loc[frame.index[1500:2000:2], "damp"] = np.nan
    for start in range(0, ROWS, 500):
        folder.merge(sample(frame.iloc[start : start + 500]), f"{start}.parquet")
    (finding,) = input_checks.check(folder, SETTINGS, data_dir)
    assert finding.startswith("Missing Values: `damp`")
    assert finding.endswith("; in 1500.parquet of 6 files")


def test_repeated_rows_in_a_folder_name_the_files_that_have_them(sample):
    folder = InputSample(ROWS, SETTINGS.seed)
    for start in range(0, ROWS, 1000):
        chunk = rows().iloc[start : start + 1000]
        folder.merge(sample(pd.concat([chunk, chunk.head(100 if start == 1000 else 0)])), f"{start}.parquet")
    (finding,) = input_checks._repeated(folder, [SimpleNamespace(repeated_ratio=0.0)], SETTINGS)
    assert finding.endswith("; in 1000.parquet of 3 files")


def test_a_file_with_few_rows_in_a_folder_is_not_judged(sample):
    assert {} == input_checks._scores(None, sample(rows().head(49)).rows())


@pytest.mark.parametrize(
    ("names", "where"),
    [
        ("", ""),
        ("ab", "; in a, b of 5 files"),
        ("dcba", "; in a, b, c and 1 more of 5 files"),
        ("abcde", "; in each of 5 files"),
    ],
)
def test_files_with_a_finding_are_counted(names, where):
    assert where == input_checks._where(list(names), 5)


def test_findings_are_errors_on_request_only():
    warn, fail = (SETTINGS.score.model_copy(update={"checks": checks}) for checks in ("warn", "fail"))
    input_checks.refuse("rows.csv", ["a", "b"], warn)
    input_checks.refuse("rows.csv", [], fail)
    with pytest.raises(GateError, match="2 findings, the first: a; the predictions are complete"):
        input_checks.refuse("rows.csv", ["a", "b"], fail)
